package compat;

import com.amazonaws.AmazonServiceException;
import com.amazonaws.ClientConfiguration;
import com.amazonaws.Request;
import com.amazonaws.Response;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.handlers.HandlerContextKey;
import com.amazonaws.handlers.RequestHandler2;
import com.amazonaws.retry.PredefinedRetryPolicies;
import com.amazonaws.services.cloudwatch.AmazonCloudWatch;
import com.amazonaws.services.cloudwatch.AmazonCloudWatchClientBuilder;
import com.amazonaws.services.cloudwatch.model.MetricDatum;
import com.amazonaws.services.cloudwatch.model.PutMetricDataRequest;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.model.*;
import com.amazonaws.services.kinesis.model.Record;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.BooleanSupplier;

/** The AWS SDK for Java 1, which the Kinesis Agent is built with: CBOR, and JSON where it is told to. */
public final class Suite {
    private static final String ENDPOINT = setting("KINESIS_ENDPOINT", "http://127.0.0.1:4567");
    private static final String REGION = setting("AWS_REGION", "us-east-1");
    private static final String ACCOUNT = setting("AWS_ACCOUNT_ID", "000000000000");
    private static final boolean CHECKS_SIGNATURES =
            setting("KINESIS_CHECKS_SIGNATURES", "0").equals("1");
    private static final String RUN = Long.toString(System.currentTimeMillis() / 100 % 100_000_000, 36);
    private static final String FIRST = shard(0);
    private static final ConcurrentSkipListSet<String> OPERATIONS = new ConcurrentSkipListSet<>();

    interface Case {
        void run(Suite suite) throws Exception;
    }

    private static final class Skipped extends RuntimeException {
        Skipped(String why) {
            super(why);
        }
    }

    private final String name;
    private final AmazonKinesis client;
    private final List<String> streams = new ArrayList<>();

    private Suite(String name, AmazonKinesis client) {
        this.name = name;
        this.client = client;
    }

    public static void main(String[] words) {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("life_of_a_stream", Suite::lifeOfAStream);
        cases.put("settings", Suite::settings);
        cases.put("records", Suite::records);
        cases.put("iterators", Suite::iterators);
        cases.put("large_records", Suite::largeRecords);
        cases.put("split_and_merge", Suite::splitAndMerge);
        cases.put("update_shard_count", Suite::updateShardCount);
        cases.put("tags_and_policies", Suite::tagsAndPolicies);
        cases.put("consumers", Suite::consumers);
        cases.put("on_demand", Suite::onDemand);
        cases.put("errors", Suite::errors);
        cases.put("wrong_credentials", Suite::wrongCredentials);
        cases.put("metrics", Suite::metrics);
        int ran = 0;
        int failed = 0;
        int skipped = 0;
        for (String encoding : List.of("cbor", "json")) {
            // Read when a client is made.
            System.setProperty("com.amazonaws.sdk.disableCbor", encoding.equals("json") ? "true" : "");
            if (encoding.equals("cbor")) {
                System.clearProperty("com.amazonaws.sdk.disableCbor");
            }
            AmazonKinesis client = client(null);
            for (Map.Entry<String, Case> entry : cases.entrySet()) {
                String name = encoding + "/" + entry.getKey();
                if (words.length > 0 && Arrays.stream(words).noneMatch(name::contains)) {
                    continue;
                }
                ran++;
                long start = System.nanoTime();
                String verdict = "ok";
                String reason = "";
                Suite suite = new Suite(name.replace('/', '.'), client);
                try {
                    entry.getValue().run(suite);
                } catch (Skipped skip) {
                    verdict = "skip";
                    reason = ": " + skip.getMessage();
                    skipped++;
                } catch (Throwable error) {
                    verdict = "FAIL";
                    reason = ": " + error;
                    error.printStackTrace();
                    failed++;
                }
                System.out.printf("%-4s %6.2f s  %s%s%n", verdict, (System.nanoTime() - start) / 1e9, name, reason);
                suite.cleanUp();
            }
        }
        System.out.printf(
                "compat: cases=%d failed=%d skipped=%d operations=%s%n",
                ran, failed, skipped, String.join(",", OPERATIONS));
        System.exit(failed == 0 ? 0 : 1);
    }

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    /** Tries once, so that each error is seen, and each success counted. */
    private static AmazonKinesis client(BasicAWSCredentials credentials) {
        AmazonKinesisClientBuilder builder = AmazonKinesisClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(ENDPOINT, REGION))
                .withClientConfiguration(
                        new ClientConfiguration().withRetryPolicy(PredefinedRetryPolicies.NO_RETRY_POLICY))
                .withRequestHandlers(new RequestHandler2() {
                    @Override
                    public void afterResponse(Request<?> request, Response<?> response) {
                        OPERATIONS.add(request.getHandlerContext(HandlerContextKey.OPERATION_NAME));
                    }
                });
        if (credentials != null) {
            builder.withCredentials(new AWSStaticCredentialsProvider(credentials));
        }
        return builder.build();
    }

    private static String shard(int number) {
        return String.format("shardId-%012d", number);
    }

    private static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static void equal(Object found, Object expected, String what) {
        holds(java.util.Objects.equals(found, expected), what + ": expected " + expected + ", found " + found);
    }

    private static <E extends AmazonServiceException> E fails(Class<E> error, Runnable call) {
        try {
            call.run();
        } catch (AmazonServiceException found) {
            holds(error.isInstance(found), "expected " + error.getSimpleName() + ", found " + found);
            equal(found.getStatusCode(), 400, "status of " + found);
            holds(found.getRequestId() != null, "an error without a request id");
            return error.cast(found);
        }
        throw new AssertionError("expected " + error.getSimpleName() + ", but it succeeded");
    }

    private static void eventually(String what, BooleanSupplier probe) {
        long end = System.nanoTime() + 30_000_000_000L;
        while (!probe.getAsBoolean()) {
            holds(System.nanoTime() < end, "not within 30 s: " + what);
            try {
                Thread.sleep(50);
            } catch (InterruptedException stopped) {
                throw new IllegalStateException(stopped);
            }
        }
    }

    private static void near(Date time) {
        holds(Math.abs(time.getTime() - System.currentTimeMillis()) < 30_000, time + " is not now");
    }

    private String newName() {
        String stream = name + "." + RUN + "." + streams.size();
        streams.add(stream);
        return stream;
    }

    private String stream(int shards) {
        String stream = newName();
        client.createStream(stream, shards);
        await(stream);
        return stream;
    }

    private String arn(String stream) {
        return "arn:aws:kinesis:" + REGION + ":" + ACCOUNT + ":stream/" + stream;
    }

    private StreamDescriptionSummary summary(String stream) {
        return client.describeStreamSummary(new DescribeStreamSummaryRequest().withStreamName(stream))
                .getStreamDescriptionSummary();
    }

    private StreamDescriptionSummary await(String stream) {
        eventually(stream + " is ACTIVE", () -> summary(stream).getStreamStatus().equals("ACTIVE"));
        return summary(stream);
    }

    private PutRecordResult put(String stream, String data) {
        return client.putRecord(stream, ByteBuffer.wrap(data.getBytes(StandardCharsets.UTF_8)), "a");
    }

    private List<Record> read(String iterator, int least) {
        List<Record> records = new ArrayList<>();
        long end = System.nanoTime() + 30_000_000_000L;
        while (iterator != null) {
            GetRecordsResult answer = client.getRecords(new GetRecordsRequest().withShardIterator(iterator));
            records.addAll(answer.getRecords());
            iterator = answer.getNextShardIterator();
            if (answer.getRecords().isEmpty() && answer.getMillisBehindLatest() == 0 && records.size() >= least) {
                break;
            }
            holds(System.nanoTime() < end, records.size() + " records after 30 s, not " + least);
        }
        return records;
    }

    private List<Record> readAll(String stream, String shard) {
        return read(client.getShardIterator(stream, shard, "TRIM_HORIZON").getShardIterator(), 0);
    }

    private static List<String> texts(List<Record> records) {
        return records.stream()
                .map(r -> StandardCharsets.UTF_8.decode(r.getData().duplicate()).toString())
                .toList();
    }

    private void cleanUp() {
        for (String stream : streams) {
            try {
                client.deleteStream(
                        new DeleteStreamRequest().withStreamName(stream).withEnforceConsumerDeletion(true));
            } catch (AmazonServiceException gone) {
                // The case has deleted it, or never made it.
            }
        }
    }

    private void lifeOfAStream() {
        String stream = stream(2);
        StreamDescription told = client.describeStream(stream).getStreamDescription();
        equal(told.getStreamARN(), arn(stream), "ARN");
        equal(told.getShards().size(), 2, "shards");
        near(told.getStreamCreationTimestamp());
        holds(client.listStreams(new ListStreamsRequest().withLimit(1)).getStreamNames().size() == 1, "a page of one");
        String last = null;
        List<String> names = new ArrayList<>();
        while (names.size() < 10_000) {
            ListStreamsResult page = client.listStreams(
                    new ListStreamsRequest().withLimit(100).withExclusiveStartStreamName(last));
            names.addAll(page.getStreamNames());
            if (!page.isHasMoreStreams()) {
                break;
            }
            last = names.get(names.size() - 1);
        }
        holds(names.contains(stream), "it is listed");
        client.deleteStream(stream);
        eventually("it is gone", () -> {
            try {
                summary(stream);
                return false;
            } catch (ResourceNotFoundException gone) {
                return true;
            }
        });
    }

    private void settings() {
        String stream = stream(1);
        client.increaseStreamRetentionPeriod(new IncreaseStreamRetentionPeriodRequest()
                .withStreamName(stream)
                .withRetentionPeriodHours(48));
        equal(await(stream).getRetentionPeriodHours(), 48, "retention");
        client.decreaseStreamRetentionPeriod(new DecreaseStreamRetentionPeriodRequest()
                .withStreamName(stream)
                .withRetentionPeriodHours(24));
        await(stream);
        client.startStreamEncryption(new StartStreamEncryptionRequest()
                .withStreamName(stream)
                .withEncryptionType("KMS")
                .withKeyId("alias/aws/kinesis"));
        equal(await(stream).getEncryptionType(), "KMS", "encryption");
        client.stopStreamEncryption(new StopStreamEncryptionRequest()
                .withStreamName(stream)
                .withEncryptionType("KMS")
                .withKeyId("alias/aws/kinesis"));
        await(stream);
        equal(client.enableEnhancedMonitoring(new EnableEnhancedMonitoringRequest()
                        .withStreamName(stream)
                        .withShardLevelMetrics("ALL"))
                .getDesiredShardLevelMetrics()
                .size(), 7, "metrics");
        await(stream);
        client.disableEnhancedMonitoring(new DisableEnhancedMonitoringRequest()
                .withStreamName(stream)
                .withShardLevelMetrics("ALL"));
        await(stream);
        client.updateStreamMode(new UpdateStreamModeRequest()
                .withStreamARN(arn(stream))
                .withStreamModeDetails(new StreamModeDetails().withStreamMode("ON_DEMAND")));
        equal(await(stream).getStreamModeDetails().getStreamMode(), "ON_DEMAND", "mode");
        holds(client.describeLimits(new DescribeLimitsRequest()).getShardLimit() > 0, "limits");
    }

    private void records() {
        String stream = stream(2);
        byte[] every = new byte[256];
        for (int n = 0; n < 256; n++) {
            every[n] = (byte) n;
        }
        PutRecordResult put = client.putRecord(new PutRecordRequest()
                .withStreamName(stream)
                .withData(ByteBuffer.wrap(every))
                .withPartitionKey("ключ-🔑")
                .withExplicitHashKey("0"));
        equal(put.getShardId(), FIRST, "shard");
        equal(put.getSequenceNumber().length(), 56, "digits");
        client.putRecord(new PutRecordRequest()
                .withStreamName(stream)
                .withData(ByteBuffer.allocate(0))
                .withPartitionKey("empty")
                .withExplicitHashKey("0")
                .withSequenceNumberForOrdering(put.getSequenceNumber()));
        List<Record> found = readAll(stream, FIRST);
        holds(Arrays.equals(found.get(0).getData().array(), every), "every byte comes back");
        equal(found.get(0).getPartitionKey(), "ключ-🔑", "key");
        near(found.get(0).getApproximateArrivalTimestamp());
        equal(found.get(1).getData().remaining(), 0, "an empty record");
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int n = 0; n < 500; n++) {
            entries.add(new PutRecordsRequestEntry()
                    .withData(ByteBuffer.wrap(("" + n).getBytes(StandardCharsets.UTF_8)))
                    .withPartitionKey("key-" + n));
        }
        PutRecordsResult many = client.putRecords(
                new PutRecordsRequest().withStreamName(stream).withRecords(entries));
        equal(many.getFailedRecordCount(), 0, "failures");
        List<String> back = new ArrayList<>(texts(readAll(stream, FIRST)).subList(2, 2 + (int) many.getRecords().stream()
                .filter(r -> r.getShardId().equals(FIRST)).count()));
        back.addAll(texts(readAll(stream, shard(1))));
        equal(back.size(), 500, "records");
    }

    private void iterators() {
        String stream = stream(1);
        String number = put(stream, "0").getSequenceNumber();
        put(stream, "1");
        String latest = client.getShardIterator(stream, FIRST, "LATEST").getShardIterator();
        Date now = new Date(System.currentTimeMillis() + 20);
        eventually("time goes on", () -> new Date().after(now));
        put(stream, "2");
        equal(texts(read(client.getShardIterator(stream, FIRST, "AFTER_SEQUENCE_NUMBER", number)
                .getShardIterator(), 2)), List.of("1", "2"), "after");
        equal(texts(read(client.getShardIterator(stream, FIRST, "AT_SEQUENCE_NUMBER", number)
                .getShardIterator(), 3)), List.of("0", "1", "2"), "at");
        equal(texts(read(latest, 1)), List.of("2"), "latest");
        GetShardIteratorRequest at = new GetShardIteratorRequest()
                .withStreamName(stream)
                .withShardId(FIRST)
                .withShardIteratorType("AT_TIMESTAMP");
        equal(texts(read(client.getShardIterator(at.withTimestamp(now)).getShardIterator(), 1)), List.of("2"), "time");
        fails(InvalidArgumentException.class, () -> client.getShardIterator(
                at.withTimestamp(new Date(System.currentTimeMillis() + 3_600_000))));
        fails(InvalidArgumentException.class,
                () -> client.getRecords(new GetRecordsRequest().withShardIterator(latest.substring(4))));
        fails(ResourceNotFoundException.class, () -> client.getShardIterator(stream, shard(7), "LATEST"));
    }

    private void largeRecords() {
        String stream = stream(1);
        byte[] data = new byte[1024 * 1024 - 1];
        new Random(7).nextBytes(data);
        client.putRecord(stream, ByteBuffer.wrap(data), "a");
        List<Record> found = readAll(stream, FIRST);
        holds(found.size() == 1 && Arrays.equals(found.get(0).getData().array(), data), "1 MiB comes as it was");
    }

    private void splitAndMerge() {
        String stream = stream(1);
        put(stream, "before");
        client.splitShard(stream, FIRST, BigInteger.TWO.pow(127).toString());
        await(stream);
        GetRecordsResult last = client.getRecords(new GetRecordsRequest()
                .withShardIterator(client.getShardIterator(stream, FIRST, "TRIM_HORIZON").getShardIterator()));
        equal(texts(last.getRecords()), List.of("before"), "records of the parent");
        equal(last.getNextShardIterator(), null, "a closed shard ends");
        equal(last.getChildShards().size(), 2, "children");
        client.mergeShards(stream, shard(1), shard(2));
        await(stream);
        List<Shard> shards = client.listShards(new ListShardsRequest().withStreamName(stream)).getShards();
        equal(shards.size(), 4, "shards");
        equal(shards.get(3).getAdjacentParentShardId(), shard(2), "adjacent parent");
        equal(client.listShards(new ListShardsRequest()
                        .withStreamName(stream)
                        .withShardFilter(new ShardFilter().withType("AT_LATEST")))
                .getShards()
                .size(), 1, "open shards");
    }

    private void updateShardCount() {
        String stream = stream(2);
        UpdateShardCountResult told = client.updateShardCount(new UpdateShardCountRequest()
                .withStreamName(stream)
                .withTargetShardCount(4)
                .withScalingType("UNIFORM_SCALING"));
        equal(told.getCurrentShardCount(), 2, "before");
        equal(await(stream).getOpenShardCount(), 4, "after");
    }

    private void tagsAndPolicies() {
        String stream = stream(1);
        String arn = arn(stream);
        client.addTagsToStream(new AddTagsToStreamRequest().withStreamName(stream).withTags(Map.of("a", "1", "b", "2")));
        client.removeTagsFromStream(new RemoveTagsFromStreamRequest().withStreamName(stream).withTagKeys("a"));
        equal(client.listTagsForStream(new ListTagsForStreamRequest().withStreamName(stream)).getTags().size(), 1, "tags");
        String policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"
                + "{\"AWS\":\"111111111111\"},\"Action\":\"kinesis:GetRecords\",\"Resource\":\"" + arn + "\"}]}";
        client.putResourcePolicy(new PutResourcePolicyRequest().withResourceARN(arn).withPolicy(policy));
        equal(client.getResourcePolicy(new GetResourcePolicyRequest().withResourceARN(arn))
                .getPolicy()
                .replaceAll("\\s", ""), policy, "policy");
        client.deleteResourcePolicy(new DeleteResourcePolicyRequest().withResourceARN(arn));
    }

    private void consumers() {
        String stream = stream(1);
        Consumer made = client.registerStreamConsumer(new RegisterStreamConsumerRequest()
                        .withStreamARN(arn(stream))
                        .withConsumerName("one"))
                .getConsumer();
        near(made.getConsumerCreationTimestamp());
        DescribeStreamConsumerRequest describe =
                new DescribeStreamConsumerRequest().withConsumerARN(made.getConsumerARN());
        eventually("the consumer is ACTIVE", () -> client.describeStreamConsumer(describe)
                .getConsumerDescription()
                .getConsumerStatus()
                .equals("ACTIVE"));
        equal(client.listStreamConsumers(new ListStreamConsumersRequest().withStreamARN(arn(stream)))
                .getConsumers()
                .size(), 1, "consumers");
        fails(ResourceInUseException.class, () -> client.deleteStream(stream));
        client.deregisterStreamConsumer(
                new DeregisterStreamConsumerRequest().withConsumerARN(made.getConsumerARN()));
    }

    private void onDemand() {
        String stream = newName();
        client.createStream(new CreateStreamRequest()
                .withStreamName(stream)
                .withStreamModeDetails(new StreamModeDetails().withStreamMode("ON_DEMAND")));
        equal(await(stream).getOpenShardCount(), 4, "shards on demand");
    }

    private void errors() {
        String stream = stream(1);
        fails(ResourceInUseException.class, () -> client.createStream(stream, 1));
        fails(ResourceNotFoundException.class, () -> summary("nobody-made-this"));
        fails(InvalidArgumentException.class, () -> client.describeStream(new DescribeStreamRequest()));
        AmazonServiceException several = fails(AmazonServiceException.class, () -> client.putRecord(
                new PutRecordRequest()
                        .withStreamName("a b")
                        .withPartitionKey("k".repeat(300))
                        .withExplicitHashKey("07")
                        .withData(ByteBuffer.allocate(1))));
        equal(several.getErrorCode(), "ValidationException", "code");
        holds(several.getErrorMessage().startsWith("3 validation errors detected: "), several.getErrorMessage());
    }

    private void wrongCredentials() {
        if (!CHECKS_SIGNATURES) {
            throw new Skipped("this server takes any signature");
        }
        AmazonKinesis wrong = client(new BasicAWSCredentials(System.getenv("AWS_ACCESS_KEY_ID"), "x".repeat(40)));
        equal(fails(AmazonServiceException.class, wrong::listStreams).getErrorCode(), "InvalidSignatureException", "code");
        wrong = client(new BasicAWSCredentials("AKIAUNKNOWNUNKNOWN00", "x".repeat(40)));
        equal(fails(AmazonServiceException.class, wrong::listStreams).getErrorCode(), "UnrecognizedClientException", "code");
    }

    private void metrics() {
        AmazonCloudWatch cloudwatch = AmazonCloudWatchClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(ENDPOINT, REGION))
                .build();
        MetricDatum metric = new MetricDatum().withMetricName("m").withValue(1.5).withTimestamp(new Date());
        cloudwatch.putMetricData(new PutMetricDataRequest().withNamespace("compat").withMetricData(metric));
        cloudwatch.putMetricData(new PutMetricDataRequest()
                .withNamespace("compat")
                .withMetricData(Collections.nCopies(500, metric)));
    }
}
