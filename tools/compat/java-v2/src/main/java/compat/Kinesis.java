package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** What a case works with: clients, streams of its own, and what is read from them. */
final class Kinesis implements AutoCloseable {
    static final String FIRST = shard(0);
    private static final AtomicInteger NUMBER = new AtomicInteger();
    // A server that runs on keeps the streams of the time before.
    private static final String RUN = Long.toString(System.currentTimeMillis() / 100 % 100_000_000, 36);

    final String name;
    final boolean blocking;
    final KinesisAsyncClient async;
    final KinesisClient client;
    private final List<String> streams = new ArrayList<>();

    Kinesis(String name, boolean blocking, KinesisAsyncClient async, KinesisClient client) {
        this.name = name;
        this.blocking = blocking;
        this.async = async;
        this.client = client;
    }

    static String shard(int number) {
        return String.format("shardId-%012d", number);
    }

    static SdkBytes bytes(String text) {
        return SdkBytes.fromUtf8String(text);
    }

    String newName() {
        String stream = name + "." + RUN + "." + NUMBER.incrementAndGet();
        streams.add(stream);
        return stream;
    }

    /** A new stream that is ACTIVE; its name. */
    String stream(int shards) {
        String stream = newName();
        client.createStream(r -> r.streamName(stream).shardCount(shards));
        await(stream);
        return stream;
    }

    String arn(String stream) {
        return "arn:aws:kinesis:" + Suite.REGION + ":" + Suite.ACCOUNT + ":stream/" + stream;
    }

    StreamDescriptionSummary summary(String stream) {
        return client.describeStreamSummary(r -> r.streamName(stream)).streamDescriptionSummary();
    }

    /** Until the stream is ACTIVE again. */
    StreamDescriptionSummary await(String stream) {
        Check.eventually(stream + " is ACTIVE", () -> summary(stream).streamStatus() == StreamStatus.ACTIVE);
        return summary(stream);
    }

    List<Shard> shards(String stream) {
        return client.listShards(r -> r.streamName(stream)).shards();
    }

    String iterator(String stream, String shard, ShardIteratorType type) {
        return client.getShardIterator(r -> r.streamName(stream).shardId(shard).shardIteratorType(type))
                .shardIterator();
    }

    String iterator(GetShardIteratorRequest.Builder request) {
        return client.getShardIterator(request.build()).shardIterator();
    }

    /** Records from an iterator on, until the end, and as many as are known to be there. */
    List<Record> read(String iterator, int least) {
        List<Record> records = new ArrayList<>();
        long end = System.nanoTime() + 30_000_000_000L;
        while (iterator != null) {
            String from = iterator;
            GetRecordsResponse answer = client.getRecords(r -> r.shardIterator(from));
            records.addAll(answer.records());
            iterator = answer.nextShardIterator();
            if (answer.records().isEmpty() && answer.millisBehindLatest() == 0 && records.size() >= least) {
                break;
            }
            Check.holds(System.nanoTime() < end, records.size() + " records after 30 s, not " + least);
        }
        return records;
    }

    List<Record> readAll(String stream, String shard) {
        return read(iterator(stream, shard, ShardIteratorType.TRIM_HORIZON), 0);
    }

    PutRecordResponse put(String stream, String data) {
        return client.putRecord(r -> r.streamName(stream).partitionKey("a").data(bytes(data)));
    }

    static List<String> texts(List<Record> records) {
        return records.stream().map(r -> r.data().asUtf8String()).toList();
    }

    /** A consumer that is ACTIVE; its ARN. */
    String consumer(String stream, String consumer) {
        String arn = client.registerStreamConsumer(r -> r.streamARN(arn(stream)).consumerName(consumer))
                .consumer()
                .consumerARN();
        Check.eventually("the consumer is ACTIVE", () -> client
                        .describeStreamConsumer(r -> r.consumerARN(arn))
                        .consumerDescription()
                        .consumerStatus()
                == ConsumerStatus.ACTIVE);
        return arn;
    }

    @Override
    public void close() {
        for (String stream : streams) {
            try {
                client.deleteStream(r -> r.streamName(stream).enforceConsumerDeletion(true));
            } catch (KinesisException gone) {
                // The case has deleted it, or never made it.
            }
        }
    }
}
