package compat;

import java.util.Objects;
import java.util.function.BooleanSupplier;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/** What a case says of what it finds. */
final class Check {
    private Check() {}

    static void holds(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object found, Object expected, String what) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError(what + ": expected " + brief(expected) + ", found " + brief(found));
        }
    }

    static void equal(Object found, Object expected) {
        equal(found, expected, "value");
    }

    private static String brief(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 300 ? text : text.substring(0, 300) + "…";
    }

    interface Call {
        Object make() throws Exception;
    }

    /** A call that has to fail with an error of this class; gives it back. */
    static <E extends Throwable> E fails(Class<E> error, Call call) {
        Object answer;
        try {
            answer = call.make();
        } catch (Throwable found) {
            if (!error.isInstance(found)) {
                throw new AssertionError("expected " + error.getSimpleName() + ", found " + found, found);
            }
            if (found instanceof AwsServiceException told) {
                equal(told.statusCode(), 400, "status of " + told);
                holds(told.requestId() != null, "an error without a request id");
                holds(told.awsErrorDetails().errorMessage() != null, "an error without a message");
            }
            return error.cast(found);
        }
        throw new AssertionError("expected " + error.getSimpleName() + ", but it was answered " + brief(answer));
    }

    /** A call that has to fail with an error of this name, for which the model may have no class. */
    static AwsServiceException failsWith(String name, Call call) {
        AwsServiceException error = fails(AwsServiceException.class, call);
        equal(error.awsErrorDetails().errorCode(), name, error.getMessage());
        return error;
    }

    static void eventually(String what, BooleanSupplier probe) {
        eventually(what, 30, probe);
    }

    static void eventually(String what, int seconds, BooleanSupplier probe) {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (!probe.getAsBoolean()) {
            holds(System.nanoTime() < end, "not within " + seconds + " s: " + what);
            sleep(50);
        }
    }

    static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException stopped) {
            throw new IllegalStateException(stopped);
        }
    }
}
