package compat;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentSkipListSet;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.interceptor.SdkExecutionAttribute;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;

/** Runs every case with the blocking and the asynchronous client, over CBOR and over JSON. */
public final class Suite {
    static final String ENDPOINT = setting("KINESIS_ENDPOINT", "http://127.0.0.1:4567");
    static final String REGION = setting("AWS_REGION", "us-east-1");
    static final String ACCOUNT = setting("AWS_ACCOUNT_ID", "000000000000");
    static final boolean CHECKS_SIGNATURES = setting("KINESIS_CHECKS_SIGNATURES", "0").equals("1");

    /** Operations that were answered with success. */
    static final TreeSet<String> OPERATIONS = new TreeSet<>();
    private static final ConcurrentSkipListSet<String> SUCCEEDED = new ConcurrentSkipListSet<>();

    interface Case {
        void run(Kinesis kinesis) throws Exception;
    }

    /** A case that only the asynchronous client can run. */
    interface AsyncCase extends Case {}

    static final class Skipped extends RuntimeException {
        Skipped(String why) {
            super(why);
        }
    }

    private final Map<String, Case> cases = new LinkedHashMap<>();
    private int ran;
    private int failed;
    private int skipped;

    void add(String name, Case body) {
        cases.put(name, body);
    }

    void addAsync(String name, AsyncCase body) {
        cases.put(name, body);
    }

    public static void main(String[] words) {
        Suite suite = new Suite();
        Streams.addTo(suite);
        Records.addTo(suite);
        Shards.addTo(suite);
        Fanout.addTo(suite);
        Governance.addTo(suite);
        List<String> wanted = List.of(words);
        for (boolean cbor : new boolean[] {true, false}) {
            System.setProperty("aws.cborEnabled", Boolean.toString(cbor));
            for (boolean blocking : new boolean[] {true, false}) {
                suite.runAll((blocking ? "blocking" : "async") + (cbor ? "-cbor" : "-json"), blocking, wanted);
            }
        }
        OPERATIONS.addAll(SUCCEEDED);
        System.out.printf(
                "compat: cases=%d failed=%d skipped=%d operations=%s%n",
                suite.ran, suite.failed, suite.skipped, String.join(",", OPERATIONS));
        // Threads of clients may still be there.
        System.exit(suite.failed == 0 ? 0 : 1);
    }

    private void runAll(String variant, boolean blocking, List<String> wanted) {
        KinesisAsyncClient async = build(KinesisAsyncClient.builder(), null);
        KinesisClient client = blocking ? build(KinesisClient.builder(), null) : blocking(async);
        for (Map.Entry<String, Case> entry : cases.entrySet()) {
            // Only the asynchronous client has SubscribeToShard.
            if (blocking && entry.getValue() instanceof AsyncCase) {
                continue;
            }
            String name = variant + "/" + entry.getKey();
            if (!wanted.isEmpty() && wanted.stream().noneMatch(name::contains)) {
                continue;
            }
            ran++;
            long start = System.nanoTime();
            String verdict = "ok";
            String reason = "";
            try (Kinesis kinesis = new Kinesis(name.replace('/', '.'), blocking, async, client)) {
                entry.getValue().run(kinesis);
            } catch (Skipped skip) {
                verdict = "skip";
                reason = ": " + skip.getMessage();
                skipped++;
            } catch (Throwable error) {
                verdict = "FAIL";
                reason = ": " + error + at(error);
                error.printStackTrace();
                failed++;
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("%-4s %6.2f s  %s%s%n", verdict, seconds, name, reason);
        }
    }

    private static String at(Throwable error) {
        for (StackTraceElement frame : error.getStackTrace()) {
            if (frame.getClassName().startsWith("compat.") && !frame.getClassName().equals("compat.Check")) {
                return " (" + frame.getFileName() + ":" + frame.getLineNumber() + ")";
            }
        }
        return "";
    }

    static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    /** Tries once, so that each error is seen, and each success counted. */
    static <B extends AwsClientBuilder<B, C>, C> C build(B builder, AwsCredentialsProvider credentials) {
        builder.endpointOverride(URI.create(ENDPOINT)).region(Region.of(REGION));
        if (credentials != null) {
            builder.credentialsProvider(credentials);
        }
        return builder.overrideConfiguration(settings -> settings
                        .apiCallTimeout(Duration.ofSeconds(60))
                        .retryStrategy(DefaultRetryStrategy.doNotRetry())
                        .addExecutionInterceptor(new Counter()))
                .build();
    }

    static AwsCredentialsProvider credentials(String key, String secret) {
        return StaticCredentialsProvider.create(AwsBasicCredentials.create(key, secret));
    }

    /** Notes which operations succeeded, and that no answer names a stream's id. */
    private static final class Counter implements ExecutionInterceptor {
        @Override
        public void afterExecution(Context.AfterExecution context, ExecutionAttributes attributes) {
            if ("Kinesis".equals(attributes.getAttribute(SdkExecutionAttribute.SERVICE_NAME))) {
                SUCCEEDED.add(attributes.getAttribute(SdkExecutionAttribute.OPERATION_NAME));
            }
            Check.holds(!context.response().toString().contains("StreamId="), "an answer with a StreamId");
        }
    }

    /** The blocking client's face over the asynchronous client: one set of cases for both. */
    static KinesisClient blocking(KinesisAsyncClient client) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            Method same;
            try {
                same = KinesisAsyncClient.class.getMethod(method.getName(), method.getParameterTypes());
            } catch (NoSuchMethodException none) {
                return InvocationHandler.invokeDefault(proxy, method, arguments);
            }
            if (same.getReturnType() != CompletableFuture.class) {
                if (method.isDefault()) {
                    return InvocationHandler.invokeDefault(proxy, method, arguments);
                }
                return same.invoke(client, arguments);
            }
            try {
                return ((CompletableFuture<?>) same.invoke(client, arguments)).join();
            } catch (CompletionException failed) {
                throw failed.getCause();
            } catch (InvocationTargetException failed) {
                throw failed.getCause();
            }
        };
        return (KinesisClient) Proxy.newProxyInstance(
                Suite.class.getClassLoader(), new Class<?>[] {KinesisClient.class}, handler);
    }

}
