package compat;

import static compat.Check.equal;
import static compat.Check.fails;
import static compat.Check.holds;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.cloudwatch.CloudWatchClient;
import software.amazon.awssdk.services.cloudwatch.model.MetricDatum;
import software.amazon.awssdk.services.kinesis.model.Consumer;
import software.amazon.awssdk.services.kinesis.model.ListStreamConsumersResponse;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentInputStatus;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.StreamMode;
import software.amazon.awssdk.services.kinesis.model.Tag;
import software.amazon.awssdk.services.sts.StsClient;

/** Tags, policies, consumers, the account, and the other services on the port. */
final class Governance {
    private Governance() {}

    static void addTo(Suite suite) {
        suite.add("tags", Governance::tags);
        suite.add("policies", Governance::policies);
        suite.add("consumers", Governance::consumers);
        suite.add("account_settings", Governance::account);
        suite.add("cloudwatch_and_sts", Governance::otherServices);
    }

    static Map<String, String> map(List<Tag> tags) {
        return tags.stream().collect(Collectors.toMap(Tag::key, Tag::value));
    }

    static void tags(Kinesis k) {
        String name = k.stream(1);
        k.client.addTagsToStream(r -> r.streamName(name).tags(Map.of("a", "1", "b", "2", "ключ", "")));
        k.client.removeTagsFromStream(r -> r.streamName(name).tagKeys("a"));
        var listed = k.client.listTagsForStream(r -> r.streamName(name).limit(1));
        equal(listed.tags().size(), 1);
        equal(listed.hasMoreTags(), true);
        k.client.tagResource(r -> r.resourceARN(k.arn(name)).tags(Map.of("c", "3")));
        k.client.untagResource(r -> r.resourceARN(k.arn(name)).tagKeys("b"));
        equal(map(k.client.listTagsForResource(r -> r.resourceARN(k.arn(name))).tags()), Map.of("c", "3", "ключ", ""));
        fails(ResourceNotFoundException.class,
                () -> k.client.tagResource(r -> r.resourceARN(k.arn("no")).tags(Map.of("a", "b"))));
    }

    static void policies(Kinesis k) {
        String arn = k.arn(k.stream(1));
        String policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                + "\"Principal\":{\"AWS\":\"111111111111\"},\"Action\":\"kinesis:GetRecords\","
                + "\"Resource\":\"" + arn + "\"}]}";
        k.client.putResourcePolicy(r -> r.resourceARN(arn).policy(policy));
        equal(k.client.getResourcePolicy(r -> r.resourceARN(arn)).policy().replaceAll("\\s", ""), policy);
        k.client.deleteResourcePolicy(r -> r.resourceARN(arn));
    }

    static void consumers(Kinesis k) {
        String name = k.stream(1);
        String arn = k.arn(name);
        Consumer made =
                k.client.registerStreamConsumer(r -> r.streamARN(arn).consumerName("one")).consumer();
        Streams.near(made.consumerCreationTimestamp());
        equal(made.consumerARN(),
                arn + "/consumer/one:" + made.consumerCreationTimestamp().getEpochSecond());
        fails(ResourceInUseException.class,
                () -> k.client.registerStreamConsumer(r -> r.streamARN(arn).consumerName("one")));
        k.consumer(name, "two");
        ListStreamConsumersResponse page = k.client.listStreamConsumers(r -> r.streamARN(arn).maxResults(1));
        equal(page.consumers().size(), 1);
        ListStreamConsumersResponse rest =
                k.client.listStreamConsumers(r -> r.streamARN(arn).nextToken(page.nextToken()));
        equal(rest.consumers().size(), 1);
        equal(rest.nextToken(), null);
        k.client.deregisterStreamConsumer(r -> r.consumerARN(made.consumerARN()));
        k.client.deregisterStreamConsumer(r -> r.streamARN(arn).consumerName("two"));
        Check.eventually("the consumers are gone", () -> k.client
                .listStreamConsumers(r -> r.streamARN(arn))
                .consumers()
                .isEmpty());
    }

    static void account(Kinesis k) {
        var told = k.client.updateAccountSettings(r -> r.minimumThroughputBillingCommitment(
                        c -> c.status(MinimumThroughputBillingCommitmentInputStatus.ENABLED)))
                .minimumThroughputBillingCommitment();
        equal(told.statusAsString(), "ENABLED");
        holds(told.earliestAllowedEndAt().isAfter(Instant.now()), "a commitment lasts");
        equal(k.client.describeAccountSettings(r -> {})
                .minimumThroughputBillingCommitment()
                .statusAsString(), "ENABLED");
        String name = k.newName();
        k.client.createStream(r -> r.streamName(name).streamModeDetails(m -> m.streamMode(StreamMode.ON_DEMAND)));
        k.await(name);
        var warm = k.client.updateStreamWarmThroughput(r -> r.streamName(name).warmThroughputMiBps(40));
        equal(warm.warmThroughput().targetMiBps(), 40);
    }

    static void otherServices(Kinesis k) {
        MetricDatum metric = MetricDatum.builder()
                .metricName("m")
                .value(1.5)
                .timestamp(Instant.now())
                .dimensions(d -> d.name("StreamName").value("a"))
                .build();
        if (k.blocking) {
            try (CloudWatchClient client = Suite.build(CloudWatchClient.builder(), null)) {
                client.putMetricData(r -> r.namespace("compat").metricData(metric));
            }
            try (StsClient client = Suite.build(StsClient.builder(), null)) {
                equal(client.getCallerIdentity().account(), Suite.ACCOUNT);
            }
        } else {
            try (CloudWatchAsyncClient client = Suite.build(CloudWatchAsyncClient.builder(), null)) {
                client.putMetricData(r -> r.namespace("compat").metricData(java.util.Collections.nCopies(500, metric)))
                        .join();
            }
        }
    }
}
