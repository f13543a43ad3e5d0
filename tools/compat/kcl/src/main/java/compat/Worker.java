package compat;

import java.io.FileWriter;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** One worker of an application: writes what it is given to a file, a line for each event. */
public final class Worker {
    private static PrintWriter out;

    private Worker() {}

    static synchronized void say(String line) {
        out.println(System.currentTimeMillis() + " " + line);
        out.flush();
    }

    /** Application, stream, polling or fanout, worker, file. */
    public static void main(String[] arguments) throws Exception {
        String application = arguments[0];
        String stream = arguments[1];
        boolean polling = arguments[2].equals("polling");
        String worker = arguments[3];
        out = new PrintWriter(new FileWriter(Path.of(arguments[4]).toFile(), StandardCharsets.UTF_8, true));

        Region region = Region.of(System.getenv("AWS_REGION"));
        URI endpoint = URI.create(System.getenv("KINESIS_ENDPOINT"));
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder()
                .region(region)
                .endpointOverride(endpoint)
                .overrideConfiguration(c -> c.addExecutionInterceptor(new Counter())));
        DynamoDbAsyncClient leases = DynamoDbAsyncClient.builder()
                .region(region)
                .endpointOverride(URI.create(System.getenv("COMPAT_LEASES")))
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("leases", "leases")))
                .build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder()
                .region(region)
                .endpointOverride(endpoint)
                .overrideConfiguration(c -> c.addExecutionInterceptor(new Counter()))
                .build();

        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(
                        stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                application,
                kinesis,
                leases,
                metrics,
                worker,
                Processor::new);
        RetrievalSpecificConfig retrieval = polling
                ? new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250)
                : new FanOutConfig(kinesis).streamName(stream).applicationName(application);
        // Quick enough for a suite: a lease of a dead worker is taken after seconds.
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                configs.coordinatorConfig()
                        .parentShardPollIntervalMillis(500)
                        .shardConsumerDispatchPollIntervalMillis(200),
                configs.leaseManagementConfig().failoverTimeMillis(3_000).shardSyncIntervalMillis(2_000),
                configs.lifecycleConfig().taskBackoffTimeMillis(200),
                configs.metricsConfig().metricsBufferTimeMillis(1_000),
                configs.processorConfig().callProcessRecordsEvenForEmptyRecordList(false),
                configs.retrievalConfig().retrievalSpecificConfig(retrieval));
        Runtime.getRuntime().addShutdownHook(new Thread(scheduler::startGracefulShutdown));
        scheduler.run();
    }

    private static final class Processor implements ShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            say("BEGUN " + shard);
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            for (KinesisClientRecord record : input.records()) {
                String data = StandardCharsets.UTF_8.decode(record.data()).toString();
                say("RECORD " + shard + " " + record.sequenceNumber() + " " + record.partitionKey() + " " + data);
            }
            try {
                input.checkpointer().checkpoint();
            } catch (Exception error) {
                // What was not noted is given again, to this worker or another.
                say("ERROR checkpoint " + shard + " " + error.getClass().getSimpleName());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            say("LOST " + shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            try {
                input.checkpointer().checkpoint();
                say("ENDED " + shard);
            } catch (Exception error) {
                say("ERROR end " + shard + " " + error);
            }
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            try {
                input.checkpointer().checkpoint();
            } catch (Exception error) {
                say("ERROR shutdown " + shard + " " + error.getClass().getSimpleName());
            }
        }
    }

    /** Tells which operations succeeded, each once. */
    private static final class Counter implements ExecutionInterceptor {
        private static final Set<String> SEEN = ConcurrentHashMap.newKeySet();

        @Override
        public void afterExecution(Context.AfterExecution context, ExecutionAttributes attributes) {
            String operation = attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME);
            if (SEEN.add(operation)) {
                say("OPERATION " + operation);
            }
        }

        @Override
        public void afterTransmission(Context.AfterTransmission context, ExecutionAttributes attributes) {
            // A subscription has succeeded when its events begin, minutes before it is over.
            String operation = attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME);
            if (operation.equals("SubscribeToShard") && context.httpResponse().isSuccessful() && SEEN.add(operation)) {
                say("OPERATION " + operation);
            }
        }
    }
}
