package compat;

import com.google.common.util.concurrent.ListenableFuture;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.math.BigInteger;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import software.amazon.kinesis.producer.protobuf.Messages.AggregatedRecord;

/** The Kinesis Producer Library, whose native program speaks only TLS and checks certificates. */
public final class Suite {
    private static final URI ENDPOINT = URI.create(System.getenv("KINESIS_ENDPOINT"));
    private static final String REGION = System.getenv("AWS_REGION");
    private static final String CERTIFICATE = System.getenv("KINESIS_CERTIFICATE");
    /** What an aggregated record begins with. */
    private static final byte[] MAGIC = {(byte) 0xF3, (byte) 0x89, (byte) 0x9A, (byte) 0xC2};

    private static final ByteArrayOutputStream LOG = new ByteArrayOutputStream();
    private static final TreeSet<String> OPERATIONS = new TreeSet<>();
    private static KinesisClient client;
    private static int streams;

    interface Case {
        void run() throws Exception;
    }

    public static void main(String[] words) throws Exception {
        keepLog();
        client = KinesisClient.builder()
                .endpointOverride(ENDPOINT)
                .region(Region.of(REGION))
                .httpClient(UrlConnectionHttpClient.builder()
                        .tlsTrustManagersProvider(Suite::trusted)
                        .build())
                .build();
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("aggregated", Suite::aggregated);
        cases.put("not_aggregated", Suite::notAggregated);
        cases.put("explicit_hash_keys", Suite::explicitHashKeys);
        cases.put("large_records", Suite::largeRecords);
        cases.put("through_a_split_and_a_merge", Suite::throughResharding);
        cases.put("on_demand", Suite::onDemand);
        cases.put("wrong_credentials", Suite::wrongCredentials);
        cases.put("no_stream", Suite::noStream);
        cases.put("metrics", Suite::metrics);
        int ran = 0;
        int failed = 0;
        for (Map.Entry<String, Case> entry : cases.entrySet()) {
            if (words.length > 0 && Arrays.stream(words).noneMatch(entry.getKey()::contains)) {
                continue;
            }
            ran++;
            long start = System.nanoTime();
            String verdict = "ok";
            String reason = "";
            try {
                entry.getValue().run();
            } catch (Throwable error) {
                verdict = "FAIL";
                reason = ": " + error;
                error.printStackTrace();
                failed++;
            }
            System.out.printf("%-4s %6.2f s  %s%s%n", verdict, (System.nanoTime() - start) / 1e9, entry.getKey(), reason);
        }
        System.out.printf(
                "compat: cases=%d failed=%d skipped=0 operations=%s%n", ran, failed, String.join(",", OPERATIONS));
        System.exit(failed == 0 ? 0 : 1);
    }

    /** The library says what goes wrong only in its log. */
    private static void keepLog() {
        PrintStream before = System.err;
        System.setErr(new PrintStream(
                new OutputStream() {
                    @Override
                    public void write(int b) {
                        before.write(b);
                        synchronized (LOG) {
                            LOG.write(b);
                        }
                    }

                    @Override
                    public void write(byte[] bytes, int from, int length) {
                        before.write(bytes, from, length);
                        synchronized (LOG) {
                            LOG.write(bytes, from, length);
                        }
                    }
                },
                true));
    }

    private static String log() {
        synchronized (LOG) {
            return LOG.toString(StandardCharsets.UTF_8);
        }
    }

    /** The server's certificate is its own authority. */
    private static TrustManager[] trusted() {
        try (InputStream file = Files.newInputStream(Path.of(CERTIFICATE))) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null);
            store.setCertificateEntry(
                    "server", CertificateFactory.getInstance("X.509").generateCertificate(file));
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            return factory.getTrustManagers();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static KinesisProducerConfiguration settings() {
        return new KinesisProducerConfiguration()
                .setRegion(REGION)
                .setKinesisEndpoint(ENDPOINT.getHost())
                .setKinesisPort(ENDPOINT.getPort())
                .setCloudwatchEndpoint(ENDPOINT.getHost())
                .setCloudwatchPort(ENDPOINT.getPort())
                .setStsEndpoint(ENDPOINT.getHost())
                .setStsPort(ENDPOINT.getPort())
                .setCaCertFile(CERTIFICATE)
                .setVerifyCertificate(true)
                .setTempDirectory(System.getenv("COMPAT_SCRATCH"))
                .setRecordMaxBufferedTime(50)
                .setRequestTimeout(20_000)
                .setRecordTtl(30_000)
                .setRateLimit(Integer.MAX_VALUE)
                .setMetricsLevel("detailed")
                .setMetricsUploadDelay(1_000);
    }

    private static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private static String stream(int shards) throws Exception {
        String name = "kpl." + ++streams;
        client.createStream(r -> r.streamName(name).shardCount(shards));
        return await(name);
    }

    private static String await(String name) throws Exception {
        long end = System.nanoTime() + 30_000_000_000L;
        while (client.describeStreamSummary(r -> r.streamName(name))
                        .streamDescriptionSummary()
                        .streamStatus()
                != StreamStatus.ACTIVE) {
            holds(System.nanoTime() < end, name + " is not ACTIVE");
            Thread.sleep(50);
        }
        return name;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** A record as its producer knows it. */
    record User(String key, String data) {}

    /** What was sent, and what was said of it. */
    static final class Sent {
        final Map<User, ListenableFuture<UserRecordResult>> futures = new LinkedHashMap<>();

        void put(KinesisProducer producer, String stream, String key, String data) {
            put(producer, stream, key, null, data);
        }

        void put(KinesisProducer producer, String stream, String key, String hash, String data) {
            futures.put(new User(key, data), producer.addUserRecord(stream, key, hash, ByteBuffer.wrap(bytes(data))));
        }

        /** One for itself: nothing is aggregated before the library has asked for the shards. */
        void first(KinesisProducer producer, String stream) {
            put(producer, stream, "first", "record");
            producer.flushSync();
        }

        /** Each was acknowledged, and is there once, in the shard and under the number that was said. */
        int check(String stream) throws Exception {
            Map<User, String> places = new HashMap<>();
            int records = read(stream, places);
            for (Map.Entry<User, ListenableFuture<UserRecordResult>> entry : futures.entrySet()) {
                UserRecordResult result = entry.getValue().get(60, TimeUnit.SECONDS);
                holds(result.isSuccessful(), entry.getKey() + " failed: " + result.getAttempts());
                String place = places.get(entry.getKey());
                String said = result.getShardId() + "/" + result.getSequenceNumber();
                holds(said.equals(place), entry.getKey().key() + " was said to be at " + said + ", and is at " + place);
            }
            holds(places.size() == futures.size(), places.size() + " are there, " + futures.size() + " were sent");
            OPERATIONS.addAll(List.of("PutRecords", "ListShards"));
            return records;
        }
    }

    /** Whether records may have been sent again. */
    private static boolean mayRepeat;

    /** Reads a stream, and takes apart what is aggregated; how many records it holds. */
    private static int read(String stream, Map<User, String> places) throws Exception {
        int records = 0;
        for (Shard shard : client.listShards(r -> r.streamName(stream)).shards()) {
            String iterator = client.getShardIterator(r -> r.streamName(stream)
                            .shardId(shard.shardId())
                            .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
                    .shardIterator();
            while (iterator != null) {
                String from = iterator;
                GetRecordsResponse answer = client.getRecords(r -> r.shardIterator(from));
                for (Record record : answer.records()) {
                    records++;
                    String place = shard.shardId() + "/" + record.sequenceNumber();
                    for (User user : usersOf(record)) {
                        boolean again = places.put(user, place) != null;
                        holds(mayRepeat || !again, user.key() + " is there twice");
                    }
                }
                iterator = answer.nextShardIterator();
                if (answer.records().isEmpty() && answer.millisBehindLatest() == 0) {
                    break;
                }
            }
        }
        return records;
    }

    private static List<User> usersOf(Record record) throws Exception {
        byte[] data = record.data().asByteArray();
        if (data.length < 20 || !Arrays.equals(Arrays.copyOf(data, 4), MAGIC)) {
            return List.of(new User(record.partitionKey(), new String(data, StandardCharsets.UTF_8)));
        }
        byte[] message = Arrays.copyOfRange(data, 4, data.length - 16);
        byte[] digest = MessageDigest.getInstance("MD5").digest(message);
        holds(Arrays.equals(digest, Arrays.copyOfRange(data, data.length - 16, data.length)), "the digest is wrong");
        AggregatedRecord aggregated = AggregatedRecord.parseFrom(message);
        List<User> users = new ArrayList<>();
        for (var user : aggregated.getRecordsList()) {
            users.add(new User(
                    aggregated.getPartitionKeyTable((int) user.getPartitionKeyIndex()), user.getData().toStringUtf8()));
        }
        return users;
    }

    private static void aggregated() throws Exception {
        String stream = stream(4);
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            sent.first(producer, stream);
            for (int n = 0; n < 10_000; n++) {
                sent.put(producer, stream, "key-" + n % 97, "record " + n);
            }
            producer.flushSync();
            int records = sent.check(stream);
            holds(records < 1_000, "10,000 are aggregated to few: " + records);
        } finally {
            producer.destroy();
        }
    }

    private static void notAggregated() throws Exception {
        String stream = stream(2);
        KinesisProducer producer = new KinesisProducer(settings().setAggregationEnabled(false));
        try {
            Sent sent = new Sent();
            for (int n = 0; n < 1_500; n++) {
                sent.put(producer, stream, "ключ-" + n % 13, "record " + n);
            }
            producer.flushSync();
            int records = sent.check(stream);
            holds(records == 1_500, "each is a record: " + records);
        } finally {
            producer.destroy();
        }
    }

    private static void explicitHashKeys() throws Exception {
        String stream = stream(2);
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            // Before it knows the shards, version 1.1 puts records of any hash key together.
            sent.first(producer, stream);
            String top = BigInteger.TWO.pow(128).subtract(BigInteger.ONE).toString();
            for (int n = 0; n < 500; n++) {
                sent.put(producer, stream, "same", n % 2 == 0 ? "0" : top, "record " + n);
            }
            producer.flushSync();
            sent.check(stream);
            int n = 0;
            for (var future : sent.futures.values().stream().skip(1).toList()) {
                String shard = future.get().getShardId();
                holds(shard.equals(n++ % 2 == 0 ? "shardId-000000000000" : "shardId-000000000001"), "in " + shard);
            }
        } finally {
            producer.destroy();
        }
    }

    private static void largeRecords() throws Exception {
        String stream = stream(1);
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            for (int n = 0; n < 12; n++) {
                sent.put(producer, stream, "key-" + n, ("" + n).repeat(900_000 / ("" + n).length()));
            }
            sent.put(producer, stream, "small", "one");
            producer.flushSync();
            sent.check(stream);
        } finally {
            producer.destroy();
        }
    }

    private static void throughResharding() throws Exception {
        String stream = stream(1);
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            int n = 0;
            for (int round = 0; round < 3; round++) {
                for (int m = 0; m < 1_000; m++) {
                    sent.put(producer, stream, "key-" + n % 31, "record " + n++);
                }
                if (round == 0) {
                    client.splitShard(r -> r.streamName(stream)
                            .shardToSplit("shardId-000000000000")
                            .newStartingHashKey(BigInteger.TWO.pow(127).toString()));
                } else if (round == 1) {
                    client.mergeShards(r -> r.streamName(stream)
                            .shardToMerge("shardId-000000000001")
                            .adjacentShardToMerge("shardId-000000000002"));
                }
                producer.flush();
                await(stream);
            }
            producer.flushSync();
            // What went to another shard than the library had foreseen, it sends again.
            mayRepeat = true;
            sent.check(stream);
        } finally {
            mayRepeat = false;
            producer.destroy();
        }
    }

    private static void onDemand() throws Exception {
        String stream = "kpl." + ++streams;
        client.createStream(r -> r.streamName(stream).streamModeDetails(m -> m.streamMode("ON_DEMAND")));
        await(stream);
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            sent.first(producer, stream);
            for (int n = 0; n < 2_000; n++) {
                sent.put(producer, stream, "key-" + n % 11, "record " + n);
            }
            producer.flushSync();
            int records = sent.check(stream);
            // What DescribeStreamSummary says of the stream's strategy decides whether it aggregates.
            // Until the library knows the shards, records go one by one.
            holds(records < 2_000, "2,000 are aggregated to fewer: " + records);
        } finally {
            producer.destroy();
        }
    }

    /** The producer does not put what the server does not take. */
    private static void wrongCredentials() throws Exception {
        String stream = stream(1);
        KinesisProducer producer = new KinesisProducer(settings()
                .setRecordTtl(2_000)
                .setCredentialsProvider(software.amazon.awssdk.auth.credentials.StaticCredentialsProvider.create(
                        software.amazon.awssdk.auth.credentials.AwsBasicCredentials.create(
                                System.getenv("AWS_ACCESS_KEY_ID"), "x".repeat(40)))));
        try {
            var future = producer.addUserRecord(stream, "a", ByteBuffer.wrap(bytes("x")));
            boolean failed = false;
            try {
                failed = !future.get(20, TimeUnit.SECONDS).isSuccessful();
            } catch (Exception refused) {
                failed = true;
            }
            holds(failed, "a record with a wrong signature was acknowledged");
        } finally {
            producer.destroy();
        }
        Map<User, String> places = new HashMap<>();
        read(stream, places);
        holds(places.isEmpty(), "it is there: " + places);
    }

    private static void noStream() throws Exception {
        KinesisProducer producer = new KinesisProducer(settings().setRecordTtl(2_000));
        try {
            var future = producer.addUserRecord("nobody-made-this", "a", ByteBuffer.wrap(bytes("x")));
            boolean failed = false;
            try {
                failed = !future.get(20, TimeUnit.SECONDS).isSuccessful();
            } catch (Exception refused) {
                failed = true;
            }
            holds(failed, "a record was acknowledged by a stream that is not there");
        } finally {
            producer.destroy();
        }
    }

    /** Counted by the library, and taken by the server: a refusal would be in the log. */
    private static void metrics() throws Exception {
        String stream = stream(1);
        int before = log().length();
        KinesisProducer producer = new KinesisProducer(settings());
        try {
            Sent sent = new Sent();
            for (int n = 0; n < 100; n++) {
                sent.put(producer, stream, "a", "record " + n);
            }
            producer.flushSync();
            sent.check(stream);
            double put = producer.getMetrics("UserRecordsPut").stream()
                    .mapToDouble(metric -> metric.getSum())
                    .max()
                    .orElse(0);
            holds(put == 100, put + " records are counted");
            // Uploads happen every second.
            Thread.sleep(3_500);
        } finally {
            producer.destroy();
        }
        for (String line : log().substring(before).split("\n")) {
            boolean complains = line.contains("ERROR") || line.contains("[error]") || line.contains("[warning]");
            holds(!complains || !line.toLowerCase().contains("metric"), line);
        }
    }
}
