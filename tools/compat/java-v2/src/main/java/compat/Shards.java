package compat;

import static compat.Check.equal;
import static compat.Check.fails;
import static compat.Check.holds;

import java.math.BigInteger;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.UpdateShardCountResponse;

/** Shards: listings, splits and merges, and the line from parents to children. */
final class Shards {
    private static final String MIDDLE = BigInteger.TWO.pow(127).toString();

    private Shards() {}

    static void addTo(Suite suite) {
        suite.add("split_and_merge", Shards::splitAndMerge);
        suite.add("update_shard_count", Shards::updateShardCount);
        suite.add("list_shards", Shards::listShards);
        suite.add("resharding_is_refused", Shards::refused);
    }

    static List<String> ids(List<Shard> shards) {
        return shards.stream().map(Shard::shardId).toList();
    }

    static void splitAndMerge(Kinesis k) {
        String name = k.stream(1);
        k.put(name, "before");
        k.client.splitShard(r -> r.streamName(name).shardToSplit(Kinesis.FIRST).newStartingHashKey(MIDDLE));
        equal(k.await(name).openShardCount(), 2);
        List<Shard> shards = k.shards(name);
        equal(ids(shards), List.of(Kinesis.shard(0), Kinesis.shard(1), Kinesis.shard(2)));
        String end = shards.get(0).sequenceNumberRange().endingSequenceNumber();
        for (Shard child : shards.subList(1, 3)) {
            equal(child.parentShardId(), Kinesis.FIRST);
            equal(child.adjacentParentShardId(), null);
            String begin = child.sequenceNumberRange().startingSequenceNumber();
            holds(begin.compareTo(end) > 0, "a child begins after its parent's end");
        }
        GetRecordsResponse last = k.client.getRecords(
                r -> r.shardIterator(k.iterator(name, Kinesis.FIRST, ShardIteratorType.TRIM_HORIZON)));
        equal(Kinesis.texts(last.records()), List.of("before"));
        equal(last.nextShardIterator(), null);
        equal(last.childShards().size(), 2);
        for (var child : last.childShards()) {
            equal(child.parentShards(), List.of(Kinesis.FIRST));
        }
        k.put(name, "between");
        k.client.mergeShards(r -> r.streamARN(k.arn(name))
                .shardToMerge(Kinesis.shard(1))
                .adjacentShardToMerge(Kinesis.shard(2)));
        equal(k.await(name).openShardCount(), 1);
        Shard merged = k.shards(name).get(3);
        equal(merged.parentShardId(), Kinesis.shard(1));
        equal(merged.adjacentParentShardId(), Kinesis.shard(2));
        k.put(name, "after");
        List<String> found = new ArrayList<>();
        for (Shard shard : k.shards(name)) {
            found.addAll(Kinesis.texts(k.readAll(name, shard.shardId())));
        }
        equal(found, List.of("before", "between", "after"));
    }

    static void updateShardCount(Kinesis k) {
        String name = k.stream(2);
        int count = 2;
        for (int target : new int[] {4, 3, 2}) {
            UpdateShardCountResponse answer = k.client.updateShardCount(
                    r -> r.streamName(name).targetShardCount(target).scalingType(ScalingType.UNIFORM_SCALING));
            equal(answer.currentShardCount(), count);
            equal(answer.targetShardCount(), target);
            equal(k.await(name).openShardCount(), target);
            count = target;
            BigInteger next = BigInteger.ZERO;
            List<Shard> open = new ArrayList<>(k.client
                    .listShards(r -> r.streamName(name).shardFilter(f -> f.type(ShardFilterType.AT_LATEST)))
                    .shards());
            open.sort((a, b) -> start(a).compareTo(start(b)));
            for (Shard shard : open) {
                equal(start(shard), next, "no gap");
                next = new BigInteger(shard.hashKeyRange().endingHashKey()).add(BigInteger.ONE);
            }
            equal(next, BigInteger.TWO.pow(128));
        }
    }

    private static BigInteger start(Shard shard) {
        return new BigInteger(shard.hashKeyRange().startingHashKey());
    }

    static void listShards(Kinesis k) {
        String name = k.stream(3);
        ListShardsResponse page = k.client.listShards(r -> r.streamName(name).maxResults(2));
        equal(page.shards().size(), 2);
        String token = page.nextToken();
        ListShardsResponse rest = k.client.listShards(r -> r.nextToken(token));
        equal(ids(rest.shards()), List.of(Kinesis.shard(2)));
        fails(InvalidArgumentException.class, () -> k.client.listShards(r -> r.nextToken(token).streamName(name)));
        k.client.splitShard(r -> r.streamName(name).shardToSplit(Kinesis.FIRST).newStartingHashKey("7"));
        k.await(name);
        Instant now = Instant.now();
        List<String> open = List.of(Kinesis.shard(1), Kinesis.shard(2), Kinesis.shard(3), Kinesis.shard(4));
        for (ShardFilterType type : ShardFilterType.knownValues()) {
            List<String> found = ids(k.client
                    .listShards(r -> r.streamName(name).shardFilter(f -> f.type(type)
                            .shardId(type == ShardFilterType.AFTER_SHARD_ID ? Kinesis.shard(2) : null)
                            .timestamp(type.toString().endsWith("TIMESTAMP") ? now : null)))
                    .shards());
            switch (type) {
                case AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP -> equal(found, open, type.toString());
                case AT_TRIM_HORIZON -> equal(
                        found, List.of(Kinesis.shard(0), Kinesis.shard(1), Kinesis.shard(2)), type.toString());
                case FROM_TRIM_HORIZON -> equal(found.size(), 5, type.toString());
                case AFTER_SHARD_ID -> equal(found, open.subList(2, 4), type.toString());
                default -> throw new AssertionError("a new filter: " + type);
            }
        }
    }

    static void refused(Kinesis k) {
        String name = k.stream(3);
        fails(InvalidArgumentException.class, () -> k.client.splitShard(
                r -> r.streamName(name).shardToSplit(Kinesis.FIRST).newStartingHashKey("0")));
        fails(ResourceNotFoundException.class, () -> k.client.splitShard(
                r -> r.streamName(name).shardToSplit(Kinesis.shard(9)).newStartingHashKey("7")));
        fails(InvalidArgumentException.class, () -> k.client.mergeShards(r -> r.streamName(name)
                .shardToMerge(Kinesis.FIRST)
                .adjacentShardToMerge(Kinesis.shard(2))));
    }
}
