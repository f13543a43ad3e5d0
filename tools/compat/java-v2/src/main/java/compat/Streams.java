package compat;

import static compat.Check.equal;
import static compat.Check.eventually;
import static compat.Check.fails;
import static compat.Check.failsWith;
import static compat.Check.holds;

import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.DescribeLimitsResponse;
import software.amazon.awssdk.services.kinesis.model.EncryptionType;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.ListStreamsResponse;
import software.amazon.awssdk.services.kinesis.model.LimitExceededException;
import software.amazon.awssdk.services.kinesis.model.MetricsName;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.StreamDescription;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamMode;
import software.amazon.awssdk.services.kinesis.model.ValidationException;

/** Streams: their life, their settings, and the errors of both. */
final class Streams {
    private Streams() {}

    static void addTo(Suite suite) {
        suite.add("create_and_describe", Streams::createAndDescribe);
        suite.add("settings", Streams::settings);
        suite.add("on_demand", Streams::onDemand);
        suite.add("delete", Streams::delete);
        suite.add("list_by_pages", Streams::listByPages);
        suite.add("errors", Streams::errors);
        suite.add("wrong_credentials", Streams::wrongCredentials);
    }

    static void createAndDescribe(Kinesis k) {
        String name = k.stream(3);
        StreamDescription told = k.client.describeStream(r -> r.streamName(name)).streamDescription();
        equal(told.streamARN(), k.arn(name));
        equal(told.retentionPeriodHours(), 24);
        equal(told.hasMoreShards(), false);
        equal(told.encryptionType(), EncryptionType.NONE);
        equal(told.enhancedMonitoring().size(), 1);
        equal(told.streamModeDetails().streamMode(), StreamMode.PROVISIONED);
        near(told.streamCreationTimestamp());
        equal(told.shards().size(), 3);
        equal(told.shards().get(0).hashKeyRange().startingHashKey(), "0");
        equal(told.shards().get(2).hashKeyRange().endingHashKey(), "340282366920938463463374607431768211455");
        StreamDescriptionSummary summary = k.summary(name);
        equal(summary.openShardCount(), 3);
        equal(summary.consumerCount(), 0);
        equal(summary.maxRecordSizeInKiB(), 1024);
        near(summary.streamCreationTimestamp());
        StreamDescription page = k.client
                .describeStream(r -> r.streamARN(k.arn(name)).limit(1).exclusiveStartShardId(Kinesis.shard(0)))
                .streamDescription();
        equal(page.shards().get(0).shardId(), Kinesis.shard(1));
        equal(page.hasMoreShards(), true);
        k.await(name);
    }

    /** Times are whole: CBOR and JSON write them in different units. */
    static void near(Instant time) {
        Duration off = Duration.between(time, Instant.now()).abs();
        holds(off.compareTo(Duration.ofSeconds(30)) < 0, time + " is not now");
    }

    static void settings(Kinesis k) {
        String name = k.stream(1);
        k.client.increaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(48));
        equal(k.await(name).retentionPeriodHours(), 48);
        k.client.increaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(48));
        k.await(name);
        fails(InvalidArgumentException.class,
                () -> k.client.increaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(9000)));
        k.client.decreaseStreamRetentionPeriod(r -> r.streamARN(k.arn(name)).retentionPeriodHours(24));
        equal(k.await(name).retentionPeriodHours(), 24);
        k.client.startStreamEncryption(
                r -> r.streamName(name).encryptionType(EncryptionType.KMS).keyId("alias/aws/kinesis"));
        equal(k.await(name).encryptionType(), EncryptionType.KMS);
        k.client.stopStreamEncryption(
                r -> r.streamName(name).encryptionType(EncryptionType.KMS).keyId("alias/aws/kinesis"));
        equal(k.await(name).encryptionType(), EncryptionType.NONE);
        var enabled = k.client.enableEnhancedMonitoring(
                r -> r.streamName(name).shardLevelMetrics(MetricsName.ALL));
        equal(enabled.desiredShardLevelMetrics().size(), 7);
        equal(enabled.currentShardLevelMetrics(), List.of());
        k.await(name);
        var disabled = k.client.disableEnhancedMonitoring(
                r -> r.streamName(name).shardLevelMetrics(MetricsName.ALL));
        equal(disabled.desiredShardLevelMetrics(), List.of());
        equal(disabled.currentShardLevelMetrics().size(), 7);
        k.await(name);
        k.client.updateMaxRecordSize(r -> r.streamARN(k.arn(name)).maxRecordSizeInKiB(4096));
        equal(k.await(name).maxRecordSizeInKiB(), 4096);
        k.client.updateStreamMode(r -> r.streamARN(k.arn(name))
                .streamModeDetails(m -> m.streamMode(StreamMode.ON_DEMAND)));
        equal(k.await(name).streamModeDetails().streamMode(), StreamMode.ON_DEMAND);
        DescribeLimitsResponse limits = k.client.describeLimits();
        holds(limits.shardLimit() >= limits.openShardCount(), "limits");
        holds(limits.onDemandStreamCount() >= 1, "a stream on demand");
    }

    static void onDemand(Kinesis k) {
        String name = k.newName();
        k.client.createStream(r -> r.streamName(name).streamModeDetails(m -> m.streamMode(StreamMode.ON_DEMAND)));
        StreamDescriptionSummary told = k.await(name);
        equal(told.openShardCount(), 4);
        equal(told.recordDistributionStrategyAsString(), "USER_PARTITION_KEY");
        fails(ValidationException.class, () -> k.client.splitShard(
                r -> r.streamName(name).shardToSplit(Kinesis.FIRST).newStartingHashKey("7")));
    }

    static void delete(Kinesis k) {
        String name = k.stream(1);
        k.consumer(name, "one");
        fails(ResourceInUseException.class, () -> k.client.deleteStream(r -> r.streamName(name)));
        k.client.deleteStream(r -> r.streamName(name).enforceConsumerDeletion(true));
        eventually("the stream is gone", () -> {
            try {
                k.summary(name);
                return false;
            } catch (ResourceNotFoundException gone) {
                return true;
            }
        });
        k.client.createStream(r -> r.streamName(name).shardCount(1));
        k.await(name);
        equal(k.readAll(name, Kinesis.FIRST), List.of());
    }

    static void listByPages(Kinesis k) {
        Set<String> names = new TreeSet<>(List.of(k.stream(1), k.stream(1), k.stream(1)));
        ListStreamsResponse page = k.client.listStreams(r -> r.limit(1));
        equal(page.streamNames().size(), 1);
        equal(page.hasMoreStreams(), true);
        equal(page.streamSummaries().get(0).streamName(), page.streamNames().get(0));
        Set<String> seen = new HashSet<>();
        for (ListStreamsResponse next : k.client.listStreamsPaginator(r -> r.limit(2))) {
            for (String name : next.streamNames()) {
                holds(seen.add(name), name + " is listed twice");
            }
        }
        holds(seen.containsAll(names), "every stream is listed");
    }

    static void errors(Kinesis k) {
        String name = k.stream(1);
        ResourceInUseException twice = fails(ResourceInUseException.class,
                () -> k.client.createStream(r -> r.streamName(name).shardCount(1)));
        equal(twice.awsErrorDetails().errorCode(), "ResourceInUseException");
        fails(ResourceNotFoundException.class, () -> k.summary("nobody-made-this"));
        fails(InvalidArgumentException.class, () -> k.client.describeStream(r -> r.limit(1)));
        ValidationException several = fails(ValidationException.class, () -> k.client.putRecord(r -> r.streamName("a b")
                .partitionKey("k".repeat(300))
                .explicitHashKey("07")
                .data(Kinesis.bytes("x"))));
        String message = several.awsErrorDetails().errorMessage();
        holds(message.startsWith("3 validation errors detected: "), message);
        fails(LimitExceededException.class, () -> k.client.updateShardCount(
                r -> r.streamName(name).targetShardCount(9).scalingType("UNIFORM_SCALING")));
    }

    static void wrongCredentials(Kinesis k) {
        if (!Suite.CHECKS_SIGNATURES) {
            throw new Suite.Skipped("this server takes any signature");
        }
        String known = System.getenv("AWS_ACCESS_KEY_ID");
        try (KinesisClient wrong = Suite.build(KinesisClient.builder(), Suite.credentials(known, "x".repeat(40)))) {
            failsWith("InvalidSignatureException", () -> wrong.listStreams());
        }
        try (KinesisClient wrong =
                Suite.build(KinesisClient.builder(), Suite.credentials("AKIAUNKNOWNUNKNOWN00", "x".repeat(40)))) {
            failsWith("UnrecognizedClientException", () -> wrong.listStreams());
        }
    }
}
