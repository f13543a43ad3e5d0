package compat;

import static compat.Check.equal;
import static compat.Check.fails;
import static compat.Check.holds;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.DryRunOperationException;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.ValidationException;

/** Records: how they go in, where they go, and how they come out. */
final class Records {
    private Records() {}

    static void addTo(Suite suite) {
        suite.add("put_and_get", Records::putAndGet);
        suite.add("put_records", Records::putRecords);
        suite.add("explicit_hash_keys_and_ordering", Records::explicitHashKeysAndOrdering);
        suite.add("iterators", Records::iterators);
        suite.add("iterators_at_a_time", Records::iteratorsAtATime);
        suite.add("iterators_are_refused", Records::iteratorsAreRefused);
        suite.add("large_records", Records::largeRecords);
        suite.add("dry_runs", Records::dryRuns);
    }

    static void putAndGet(Kinesis k) {
        String name = k.stream(1);
        byte[] every = new byte[256];
        IntStream.range(0, 256).forEach(n -> every[n] = (byte) n);
        PutRecordResponse put = k.client.putRecord(
                r -> r.streamName(name).partitionKey("ключ-🔑").data(SdkBytes.fromByteArray(every)));
        equal(put.shardId(), Kinesis.FIRST);
        equal(put.sequenceNumber().length(), 56);
        k.client.putRecord(r -> r.streamARN(k.arn(name)).partitionKey("empty").data(SdkBytes.fromByteArray(new byte[0])));
        List<Record> found = k.readAll(name, Kinesis.FIRST);
        equal(found.size(), 2);
        holds(Arrays.equals(found.get(0).data().asByteArray(), every), "every byte comes back");
        equal(found.get(0).partitionKey(), "ключ-🔑");
        equal(found.get(0).sequenceNumber(), put.sequenceNumber());
        Streams.near(found.get(0).approximateArrivalTimestamp());
        equal(found.get(1).data().asByteArray().length, 0);
    }

    static void putRecords(Kinesis k) {
        String name = k.stream(4);
        List<PutRecordsRequestEntry> entries = IntStream.range(0, 500)
                .mapToObj(n -> PutRecordsRequestEntry.builder()
                        .partitionKey("key-" + n % 7)
                        .data(Kinesis.bytes("" + n))
                        .build())
                .toList();
        PutRecordsResponse answer = k.client.putRecords(r -> r.streamName(name).records(entries));
        equal(answer.failedRecordCount(), 0);
        equal(answer.records().size(), 500);
        int found = 0;
        for (int s = 0; s < 4; s++) {
            String shard = Kinesis.shard(s);
            List<String> expected = new ArrayList<>();
            for (int n = 0; n < 500; n++) {
                if (answer.records().get(n).shardId().equals(shard)) {
                    expected.add("" + n);
                }
                holds(answer.records().get(n).errorCode() == null, "a success has no error");
            }
            equal(Kinesis.texts(k.readAll(name, shard)), expected, shard);
            found += expected.size();
        }
        equal(found, 500);
        List<PutRecordsRequestEntry> many = new ArrayList<>(entries);
        many.add(entries.get(0));
        fails(ValidationException.class, () -> k.client.putRecords(r -> r.streamName(name).records(many)));
    }

    static void explicitHashKeysAndOrdering(Kinesis k) {
        String name = k.stream(2);
        var shards = k.shards(name);
        String last = null;
        for (int n = 0; n < 5; n++) {
            String before = last;
            PutRecordResponse put = k.client.putRecord(r -> r.streamName(name)
                    .partitionKey("same")
                    .explicitHashKey(shards.get(1).hashKeyRange().endingHashKey())
                    .sequenceNumberForOrdering(before)
                    .data(Kinesis.bytes("x")));
            equal(put.shardId(), Kinesis.shard(1));
            holds(last == null || put.sequenceNumber().compareTo(last) > 0, "numbers go up");
            last = put.sequenceNumber();
        }
        fails(KinesisException.class, () -> k.client.putRecord(r -> r.streamName(name)
                .partitionKey("a")
                .explicitHashKey("340282366920938463463374607431768211456")
                .data(Kinesis.bytes("x"))));
    }

    static void iterators(Kinesis k) {
        String name = k.stream(1);
        List<String> numbers = new ArrayList<>();
        for (int n = 0; n < 5; n++) {
            numbers.add(k.put(name, "" + n).sequenceNumber());
        }
        String latest = k.iterator(name, Kinesis.FIRST, ShardIteratorType.LATEST);
        equal(Kinesis.texts(k.readAll(name, Kinesis.FIRST)), List.of("0", "1", "2", "3", "4"));
        GetShardIteratorRequest.Builder at = GetShardIteratorRequest.builder()
                .streamName(name)
                .shardId(Kinesis.FIRST)
                .startingSequenceNumber(numbers.get(2));
        String from = k.iterator(at.shardIteratorType(ShardIteratorType.AT_SEQUENCE_NUMBER));
        equal(Kinesis.texts(k.read(from, 3)), List.of("2", "3", "4"));
        from = k.iterator(at.shardIteratorType(ShardIteratorType.AFTER_SEQUENCE_NUMBER));
        equal(Kinesis.texts(k.read(from, 2)), List.of("3", "4"));
        k.put(name, "5");
        equal(Kinesis.texts(k.read(latest, 1)), List.of("5"));
        // By pages.
        String next = k.iterator(name, Kinesis.FIRST, ShardIteratorType.TRIM_HORIZON);
        List<Integer> sizes = new ArrayList<>();
        for (int n = 0; n < 3; n++) {
            String page = next;
            GetRecordsResponse answer = k.client.getRecords(r -> r.shardIterator(page).limit(4));
            sizes.add(answer.records().size());
            next = answer.nextShardIterator();
            holds(answer.millisBehindLatest() >= 0, "how far behind");
        }
        equal(sizes, List.of(4, 2, 0));
    }

    static void iteratorsAtATime(Kinesis k) {
        String name = k.stream(1);
        k.put(name, "0");
        Instant first = k.readAll(name, Kinesis.FIRST).get(0).approximateArrivalTimestamp();
        Check.eventually("time goes on", () -> Instant.now().isAfter(first.plusMillis(20)));
        Instant between = Instant.now();
        k.put(name, "1");
        GetShardIteratorRequest.Builder at = GetShardIteratorRequest.builder()
                .streamName(name)
                .shardId(Kinesis.FIRST)
                .shardIteratorType(ShardIteratorType.AT_TIMESTAMP);
        equal(Kinesis.texts(k.read(k.iterator(at.timestamp(between)), 1)), List.of("1"));
        equal(Kinesis.texts(k.read(k.iterator(at.timestamp(first)), 2)), List.of("0", "1"), "its own time");
        equal(Kinesis.texts(k.read(k.iterator(at.timestamp(Instant.EPOCH)), 2)), List.of("0", "1"));
        fails(InvalidArgumentException.class,
                () -> k.iterator(at.timestamp(Instant.now().plus(Duration.ofHours(1)))));
        fails(InvalidArgumentException.class, () -> k.iterator(at.timestamp(null)));
    }

    static void iteratorsAreRefused(Kinesis k) {
        String name = k.stream(1);
        String good = k.iterator(name, Kinesis.FIRST, ShardIteratorType.LATEST);
        for (String wrong : List.of(good.substring(1), good.substring(0, good.length() - 5), "AAAA")) {
            fails(InvalidArgumentException.class, () -> k.client.getRecords(r -> r.shardIterator(wrong)));
        }
        fails(ValidationException.class, () -> k.client.getRecords(r -> r.shardIterator(good).limit(10001)));
        fails(ResourceNotFoundException.class,
                () -> k.iterator(name, Kinesis.shard(7), ShardIteratorType.LATEST));
        fails(ValidationException.class, () -> k.client.getShardIterator(
                r -> r.streamName(name).shardId(Kinesis.FIRST).shardIteratorType("SOMEWHERE")));
    }

    static void largeRecords(Kinesis k) {
        String name = k.stream(1);
        byte[] data = new byte[10 * 1024 * 1024 - 1];
        new Random(7).nextBytes(data);
        fails(KinesisException.class, () -> k.client.putRecord(
                r -> r.streamName(name).partitionKey("a").data(SdkBytes.fromByteArrayUnsafe(data))));
        k.client.updateMaxRecordSize(r -> r.streamARN(k.arn(name)).maxRecordSizeInKiB(10240));
        k.await(name);
        k.client.putRecord(r -> r.streamName(name).partitionKey("a").data(SdkBytes.fromByteArrayUnsafe(data)));
        List<Record> found = k.readAll(name, Kinesis.FIRST);
        equal(found.size(), 1);
        holds(Arrays.equals(found.get(0).data().asByteArrayUnsafe(), data), "10 MiB come as they were");
    }

    static void dryRuns(Kinesis k) {
        String name = k.stream(1);
        fails(DryRunOperationException.class, () -> k.client.putRecord(
                r -> r.streamName(name).partitionKey("a").data(Kinesis.bytes("x")).dryRun(true)));
        fails(DryRunOperationException.class, () -> k.client.putRecords(r -> r.streamName(name)
                .records(e -> e.partitionKey("a").data(Kinesis.bytes("x")))
                .dryRun(true)));
        equal(k.readAll(name, Kinesis.FIRST), List.of());
    }
}
