package compat;

import static compat.Check.equal;
import static compat.Check.eventually;
import static compat.Check.holds;

import java.math.BigInteger;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.reactivestreams.Subscription;
import org.reactivestreams.Subscriber;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** Enhanced fan-out, which only the asynchronous client has: events over HTTP/2. */
final class Fanout {
    private Fanout() {}

    static void addTo(Suite suite) {
        suite.addAsync("subscribe_from_every_position", Fanout::positions);
        suite.addAsync("heartbeats_and_going_on", Fanout::heartbeats);
        suite.addAsync("subscription_ends_with_children", Fanout::children);
        suite.addAsync("subscriptions_that_are_refused", Fanout::refused);
        suite.addAsync("large_events", Fanout::largeEvents);
    }

    /** Events of one subscription, as they come. */
    static final class Events implements AutoCloseable {
        final List<SubscribeToShardEvent> events = new CopyOnWriteArrayList<>();
        final CompletableFuture<Void> done;
        private volatile Subscription subscription;
        private volatile Throwable error;

        Events(Kinesis k, String consumer, String shard, Consumer<StartingPosition.Builder> position) {
            SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                    .onError(told -> error = told)
                    .subscriber(() -> new Subscriber<SubscribeToShardEventStream>() {
                        @Override
                        public void onSubscribe(Subscription given) {
                            subscription = given;
                            given.request(1);
                        }

                        @Override
                        public void onNext(SubscribeToShardEventStream event) {
                            if (event instanceof SubscribeToShardEvent told) {
                                events.add(told);
                            }
                            subscription.request(1);
                        }

                        @Override
                        public void onError(Throwable told) {
                            error = told;
                        }

                        @Override
                        public void onComplete() {}
                    })
                    .build();
            done = k.async.subscribeToShard(
                    r -> r.consumerARN(consumer).shardId(shard).startingPosition(position), handler);
        }

        List<String> texts() {
            return events.stream().flatMap(e -> Kinesis.texts(e.records()).stream()).toList();
        }

        List<String> await(int count) {
            eventually(count + " records", 15, () -> texts().size() >= count || done.isDone());
            holds(texts().size() >= count, "it ended early: " + error);
            return texts();
        }

        SubscribeToShardEvent last() {
            return events.get(events.size() - 1);
        }

        /** The error that the subscription ends with. */
        Throwable failure() throws Exception {
            try {
                done.get(15, TimeUnit.SECONDS);
                return null;
            } catch (java.util.concurrent.ExecutionException failed) {
                Throwable cause = failed.getCause();
                return cause instanceof CompletionException ? cause.getCause() : cause;
            }
        }

        @Override
        public void close() {
            if (subscription != null) {
                subscription.cancel();
            }
        }
    }

    static void positions(Kinesis k) throws Exception {
        String name = k.stream(1);
        k.put(name, "0");
        String number = k.put(name, "1").sequenceNumber();
        Check.sleep(50);
        Instant between = Instant.now();
        k.put(name, "2");
        try (Events horizon = new Events(k, k.consumer(name, "a"), Kinesis.FIRST, p -> p.type("TRIM_HORIZON"));
                Events at = new Events(
                        k, k.consumer(name, "b"), Kinesis.FIRST, p -> p.type("AT_SEQUENCE_NUMBER").sequenceNumber(number));
                Events after = new Events(
                        k, k.consumer(name, "c"), Kinesis.FIRST, p -> p.type("AFTER_SEQUENCE_NUMBER").sequenceNumber(number));
                Events time = new Events(
                        k, k.consumer(name, "d"), Kinesis.FIRST, p -> p.type("AT_TIMESTAMP").timestamp(between));
                Events latest = new Events(k, k.consumer(name, "e"), Kinesis.FIRST, p -> p.type("LATEST"))) {
            // LATEST is where the shard ends when the subscription begins: its first event says so.
            eventually("a first event", 15, () -> !latest.events.isEmpty());
            k.put(name, "3");
            equal(horizon.await(4), List.of("0", "1", "2", "3"), "TRIM_HORIZON");
            equal(at.await(3), List.of("1", "2", "3"), "AT_SEQUENCE_NUMBER");
            equal(after.await(2), List.of("2", "3"), "AFTER_SEQUENCE_NUMBER");
            equal(time.await(2), List.of("2", "3"), "AT_TIMESTAMP");
            equal(latest.await(1), List.of("3"), "LATEST");
            Streams.near(horizon.events.get(0).records().get(0).approximateArrivalTimestamp());
        }
    }

    static void heartbeats(Kinesis k) throws Exception {
        String name = k.stream(1);
        String consumer = k.consumer(name, "one");
        SubscribeToShardEvent beat;
        try (Events events = new Events(k, consumer, Kinesis.FIRST, p -> p.type("LATEST"))) {
            eventually("events of an idle shard keep coming", 15, () -> events.events.size() >= 2);
            beat = events.last();
        }
        equal(beat.records(), List.of());
        equal(beat.millisBehindLatest(), 0L);
        k.put(name, "missed");
        try (Events events = new Events(k, k.consumer(name, "two"), Kinesis.FIRST, p -> p.type("AFTER_SEQUENCE_NUMBER")
                .sequenceNumber(beat.continuationSequenceNumber()))) {
            equal(events.await(1), List.of("missed"));
        }
    }

    static void children(Kinesis k) throws Exception {
        String name = k.stream(1);
        k.put(name, "before");
        String consumer = k.consumer(name, "one");
        List<ChildShard> children;
        try (Events events = new Events(k, consumer, Kinesis.FIRST, p -> p.type("TRIM_HORIZON"))) {
            equal(events.await(1), List.of("before"));
            k.client.splitShard(r -> r.streamName(name)
                    .shardToSplit(Kinesis.FIRST)
                    .newStartingHashKey(BigInteger.TWO.pow(127).toString()));
            equal(events.failure(), null, "the subscription of a closed shard ends well");
            equal(events.last().continuationSequenceNumber(), null);
            children = events.last().childShards();
            equal(children.size(), 2);
        }
        k.await(name);
        k.put(name, "after");
        try (Events left = new Events(k, consumer, children.get(0).shardId(), p -> p.type("TRIM_HORIZON"));
                Events right = new Events(k, consumer, children.get(1).shardId(), p -> p.type("TRIM_HORIZON"))) {
            eventually("the record after the split", 15, () -> left.texts().size() + right.texts().size() == 1);
        }
    }

    static void refused(Kinesis k) throws Exception {
        String name = k.stream(1);
        String consumer = k.consumer(name, "one");
        try (Events first = new Events(k, consumer, Kinesis.FIRST, p -> p.type("LATEST"))) {
            eventually("a first event", 15, () -> !first.events.isEmpty());
            try (Events second = new Events(k, consumer, Kinesis.FIRST, p -> p.type("LATEST"))) {
                holds(second.failure() instanceof ResourceInUseException, "too early: " + second.failure());
            }
            Check.sleep(5300);
            try (Events third = new Events(k, consumer, Kinesis.FIRST, p -> p.type("LATEST"))) {
                holds(first.failure() instanceof ResourceInUseException, "taken over: " + first.failure());
                k.put(name, "x");
                equal(third.await(1), List.of("x"));
            }
        }
        String unknown = consumer.replaceAll(":[0-9]+$", ":1");
        try (Events none = new Events(k, unknown, Kinesis.FIRST, p -> p.type("LATEST"))) {
            holds(none.failure() instanceof ResourceNotFoundException, "no consumer: " + none.failure());
        }
    }

    static void largeEvents(Kinesis k) throws Exception {
        String name = k.stream(1);
        int size = 1024 * 1024 - 1;
        SdkBytes data = SdkBytes.fromByteArray(new byte[size]);
        IntStream.range(0, 12).forEach(n -> k.client.putRecord(
                r -> r.streamName(name).partitionKey("a").data(data)));
        try (Events events = new Events(k, k.consumer(name, "one"), Kinesis.FIRST, p -> p.type("TRIM_HORIZON"))) {
            eventually("12 MiB", 30, () -> events.events.stream().mapToInt(e -> e.records().size()).sum() == 12);
            holds(events.events.stream().flatMap(e -> e.records().stream()).allMatch(r -> r.data().asByteArrayUnsafe().length == size), "whole");
        }
    }
}
