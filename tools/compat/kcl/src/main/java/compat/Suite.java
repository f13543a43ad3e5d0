package compat;

import java.io.File;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/**
 * An application of the Kinesis Client Library with two workers, each a process of its own, by polling and by fan-out:
 * a split, a worker killed, a merge, the server killed. Every record that was acknowledged is given to a worker, and
 * those of a key in their order.
 */
public final class Suite {
    private static final URI ENDPOINT = URI.create(System.getenv("KINESIS_ENDPOINT"));
    private static final Path SCRATCH = Path.of(System.getenv("COMPAT_SCRATCH"));
    private static final Set<String> OPERATIONS = new TreeSet<>();

    private static Process server;
    private static Process leases;
    private static String leasesEndpoint;
    private static KinesisAsyncClient client;
    private static int ran;
    private static int failed;

    interface Step {
        void take() throws Exception;
    }

    public static void main(String[] words) throws Exception {
        try {
            startServer();
            startLeases();
            // The suite's own requests go on through a restart.
            client = KinesisAsyncClient.builder()
                    .endpointOverride(ENDPOINT)
                    .region(Region.of(System.getenv("AWS_REGION")))
                    .overrideConfiguration(c -> c.retryStrategy(DefaultRetryStrategy.standardStrategyBuilder()
                            .maxAttempts(20)
                            .build()))
                    .build();
            for (String mode : List.of("polling", "fanout")) {
                if (words.length == 0 || Arrays.stream(words).anyMatch(mode::contains)) {
                    new Application(mode).run();
                }
            }
        } finally {
            end(leases, false);
            end(server, true);
        }
        System.out.printf(
                "compat: cases=%d failed=%d skipped=0 operations=%s%n", ran, failed, String.join(",", OPERATIONS));
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void startServer() throws Exception {
        File log = new File(System.getenv("KINESIS_SERVER_LOG"));
        server = new ProcessBuilder(System.getenv("KINESIS_SERVER_COMMAND").split("\n"))
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log))
                .redirectErrorStream(true)
                .start();
        awaitPort(server, ENDPOINT.getPort());
    }

    private static void startLeases() throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        List<String> command = new ArrayList<>(List.of(System.getenv("COMPAT_LEASES_COMMAND").split("\n")));
        command.add(Integer.toString(port));
        leases = new ProcessBuilder(command)
                .redirectOutput(SCRATCH.resolve("leases.log").toFile())
                .redirectErrorStream(true)
                .start();
        awaitPort(leases, port);
        leasesEndpoint = "http://127.0.0.1:" + port;
    }

    private static void awaitPort(Process process, int port) throws Exception {
        long end = System.nanoTime() + 60_000_000_000L;
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress("127.0.0.1", port), 1_000);
                return;
            } catch (java.io.IOException away) {
                holds(process.isAlive(), "a server ended: " + process);
                holds(System.nanoTime() < end, "a server does not listen");
                Thread.sleep(20);
            }
        }
    }

    private static void end(Process process, boolean clean) throws Exception {
        if (process != null && process.isAlive()) {
            process.destroy();
            holds(process.waitFor() == 0 || !clean, "the server stopped with " + process.exitValue());
        }
    }

    static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void eventually(String what, int seconds, BooleanSupplier probe) {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (!probe.getAsBoolean()) {
            holds(System.nanoTime() < end, "not within " + seconds + " s: " + what);
            try {
                Thread.sleep(200);
            } catch (InterruptedException stopped) {
                throw new IllegalStateException(stopped);
            }
        }
    }

    /** An application from its first record to its last. */
    private static final class Application {
        private final String mode;
        private final String stream;
        private final Map<String, Process> workers = new HashMap<>();
        private final ConcurrentLinkedQueue<String> acknowledged = new ConcurrentLinkedQueue<>();
        private volatile boolean producing = true;
        private Thread producer;

        Application(String mode) {
            this.mode = mode;
            this.stream = "kcl." + mode;
        }

        void run() throws Exception {
            try {
                step("begins", this::begins);
                step("split", this::split);
                step("worker_killed", this::workerKilled);
                step("merge", this::merge);
                step("server_killed", this::serverKilled);
                step("nothing_is_lost", this::nothingIsLost);
                step("order_of_each_key", this::orderOfEachKey);
                step("parents_end_before_their_children", this::parentsEnd);
            } finally {
                producing = false;
                for (Process worker : workers.values()) {
                    worker.destroyForcibly().waitFor();
                }
                for (String[] line : lines()) {
                    if (line[1].equals("OPERATION") && !line[2].equals("PutMetricData")) {
                        OPERATIONS.add(line[2]);
                    }
                }
            }
        }

        private void step(String name, Step body) {
            ran++;
            long start = System.nanoTime();
            String verdict = "ok";
            String reason = "";
            try {
                body.take();
            } catch (Throwable error) {
                verdict = "FAIL";
                reason = ": " + error;
                error.printStackTrace();
                failed++;
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("%-4s %6.2f s  %s/%s%s%n", verdict, seconds, mode, name, reason);
        }

        private void startWorker(String name) throws Exception {
            ProcessBuilder builder = new ProcessBuilder(
                    ProcessHandle.current().info().command().orElse("java"),
                    "-Xmx256m",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    System.getenv("COMPAT_CLASS_PATH"),
                    "-Dorg.slf4j.simpleLogger.showDateTime=true",
                    "compat.Worker",
                    "app-" + mode,
                    stream,
                    mode,
                    name,
                    file(name).toString());
            builder.environment().put("COMPAT_LEASES", leasesEndpoint);
            builder.redirectErrorStream(true);
            builder.redirectOutput(SCRATCH.resolve(mode + "." + name + ".log").toFile());
            workers.put(name, builder.start());
        }

        private Path file(String worker) {
            return SCRATCH.resolve(mode + "." + worker + ".events");
        }

        /** Events of all workers, in order of their times. */
        private List<String[]> lines() {
            List<String[]> lines = new ArrayList<>();
            for (String worker : workers.keySet()) {
                try {
                    if (Files.exists(file(worker))) {
                        Files.readAllLines(file(worker)).forEach(line -> lines.add(line.split(" ")));
                    }
                } catch (java.io.IOException error) {
                    throw new IllegalStateException(error);
                }
            }
            lines.sort((a, b) -> Long.compare(Long.parseLong(a[0]), Long.parseLong(b[0])));
            return lines;
        }

        private Set<String> seen() {
            Set<String> seen = new LinkedHashSet<>();
            for (String[] line : lines()) {
                if (line[1].equals("RECORD")) {
                    seen.add(line[5]);
                }
            }
            return seen;
        }

        private boolean happened(String event, int shard) {
            String id = String.format("shardId-%012d", shard);
            return lines().stream().anyMatch(line -> line[1].equals(event) && line[2].equals(id));
        }

        private void awaitActive() {
            eventually(stream + " is ACTIVE", 30, () -> client.describeStreamSummary(r -> r.streamName(stream))
                            .join()
                            .streamDescriptionSummary()
                            .streamStatus()
                    == StreamStatus.ACTIVE);
        }

        /** Puts numbered records, a hundred a second, over and over until each is acknowledged. */
        private void produce() {
            for (int n = 0; producing; n++) {
                String data = "" + n;
                String key = "key-" + n % 23;
                while (producing) {
                    try {
                        client.putRecord(r -> r.streamName(stream).partitionKey(key).data(SdkBytes.fromUtf8String(data)))
                                .join();
                        acknowledged.add(key + " " + data);
                        break;
                    } catch (java.util.concurrent.CompletionException away) {
                        if (!(away.getCause() instanceof SdkException)) {
                            throw away;
                        }
                    }
                }
                try {
                    Thread.sleep(10);
                } catch (InterruptedException stopped) {
                    return;
                }
            }
        }

        private void begins() throws Exception {
            client.createStream(r -> r.streamName(stream).shardCount(2)).join();
            awaitActive();
            startWorker("one");
            producer = new Thread(this::produce);
            producer.setDaemon(true);
            producer.start();
            eventually("both shards are worked on", 120, () -> happened("BEGUN", 0) && happened("BEGUN", 1));
            eventually("100 records", 60, () -> seen().size() >= 100);
            // The second finds the tables of the leases: both at once would make them.
            startWorker("two");
            if (mode.equals("fanout")) {
                var consumers = client.listStreamConsumers(r -> r.streamARN(arn())).join().consumers();
                holds(consumers.size() == 1 && consumers.get(0).consumerStatus() == ConsumerStatus.ACTIVE,
                        "the application is a consumer: " + consumers);
            }
        }

        private String arn() {
            return client.describeStreamSummary(r -> r.streamName(stream))
                    .join()
                    .streamDescriptionSummary()
                    .streamARN();
        }

        private void split() {
            client.splitShard(r -> r.streamName(stream)
                            .shardToSplit("shardId-000000000000")
                            .newStartingHashKey(BigInteger.TWO.pow(126).toString()))
                    .join();
            awaitActive();
            eventually("the parent ends", 60, () -> happened("ENDED", 0));
            eventually("the children are worked on", 60, () -> happened("BEGUN", 2) && happened("BEGUN", 3));
        }

        private void workerKilled() throws Exception {
            workers.get("one").destroyForcibly().waitFor();
            int before = acknowledged.size();
            Set<String> wanted = Set.copyOf(acknowledged.stream().map(a -> a.split(" ")[1]).toList());
            holds(before > 0, "records were acknowledged");
            // Where the dead worker was the one that hands out leases, its lock has to run out first.
            eventually("the other worker takes its shards", 300, () -> seen().containsAll(wanted));
        }

        private void merge() {
            client.mergeShards(r -> r.streamName(stream)
                            .shardToMerge("shardId-000000000002")
                            .adjacentShardToMerge("shardId-000000000003"))
                    .join();
            awaitActive();
            eventually("both parents end", 90, () -> happened("ENDED", 2) && happened("ENDED", 3));
            eventually("the child is worked on", 60, () -> happened("BEGUN", 4));
        }

        private void serverKilled() throws Exception {
            server.destroyForcibly().waitFor();
            startServer();
            int before = acknowledged.size();
            eventually("records are acknowledged again", 60, () -> acknowledged.size() > before + 100);
        }

        private void nothingIsLost() throws Exception {
            producing = false;
            producer.join(60_000);
            Set<String> wanted = new LinkedHashSet<>();
            acknowledged.forEach(a -> wanted.add(a.split(" ")[1]));
            try {
                eventually("every record that was acknowledged is given to a worker", 120, () -> seen()
                        .containsAll(wanted));
            } catch (AssertionError error) {
                wanted.removeAll(seen());
                throw new AssertionError(wanted.size() + " of " + acknowledged.size() + " records are missing: "
                        + wanted.stream().limit(10).toList());
            }
        }

        /** A record may come again after a failure; the first time that each comes is in order. */
        private void orderOfEachKey() {
            Map<String, Integer> last = new HashMap<>();
            Set<String> before = new LinkedHashSet<>();
            for (String[] line : lines()) {
                if (line[1].equals("RECORD") && before.add(line[5])) {
                    int number = Integer.parseInt(line[5]);
                    int previous = last.getOrDefault(line[4], -1);
                    holds(number > previous, line[4] + ": " + number + " came after " + previous);
                    last.put(line[4], number);
                }
            }
            holds(last.size() == 23, last.size() + " keys");
        }

        private void parentsEnd() {
            List<String[]> lines = lines();
            int[][] lineage = {{0, 2}, {0, 3}, {2, 4}, {3, 4}};
            for (int[] pair : lineage) {
                long ended = first(lines, "ENDED", pair[0]);
                long begun = first(lines, "BEGUN", pair[1]);
                holds(ended <= begun, "shard " + pair[1] + " began before shard " + pair[0] + " ended");
            }
        }

        private static long first(List<String[]> lines, String event, int shard) {
            String id = String.format("shardId-%012d", shard);
            return lines.stream()
                    .filter(line -> line[1].equals(event) && line[2].equals(id))
                    .mapToLong(line -> Long.parseLong(line[0]))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError(event + " of " + id + " never came"));
        }
    }
}
