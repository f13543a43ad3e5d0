"""What every suite in Python is made of: cases in a list, and one line for each that ran.

A suite is driven by its environment, as `cargo xtask compat` sets it: KINESIS_ENDPOINT,
AWS_REGION, AWS_ACCOUNT_ID and credentials. The last line that it prints is read by the command:

    compat: cases=N failed=N skipped=N operations=A,B,C
"""

import os
import sys
import time
import traceback

ENDPOINT = os.environ.get("KINESIS_ENDPOINT", "http://127.0.0.1:4567")
REGION = os.environ.get("AWS_REGION", "us-east-1")
ACCOUNT = os.environ.get("AWS_ACCOUNT_ID", "000000000000")
# A server that knows credentials tells a wrong signature from a right one.
CHECKS_SIGNATURES = os.environ.get("KINESIS_CHECKS_SIGNATURES", "0") == "1"

CASES = []
OPERATIONS = set()


class Skip(Exception):
    """The server at hand cannot show this."""


def case(body):
    """Adds a case; its name is the function's."""
    CASES.append(body)
    return body


def equal(found, expected, what="value"):
    if found != expected:
        raise AssertionError(f"{what}: expected {short(expected)}, found {short(found)}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def short(value):
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"


def eventually(probe, what, seconds=30.0, every=0.05):
    """Asks until the answer is true, and gives it back."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


def run(make_context):
    """Runs the cases, or those with a word of the command line in their name."""
    words = sys.argv[1:]
    chosen = [c for c in CASES if not words or any(w in c.__name__ for w in words)]
    failed = skipped = 0
    for body in chosen:
        context = make_context(body.__name__)
        start = time.monotonic()
        verdict, reason = "ok", ""
        try:
            body(context)
        except Skip as skip:
            verdict, reason = "skip", f": {skip}"
            skipped += 1
        except Exception as error:  # every failure is a line, and the suite goes on
            place = traceback.extract_tb(error.__traceback__)
            lines = [f.lineno for f in place if f.name == body.__name__]
            reason = f": {type(error).__name__}: {error} (line {lines[-1] if lines else '?'})"
            verdict = "FAIL"
            failed += 1
            if os.environ.get("COMPAT_TRACE"):
                traceback.print_exc()
        print(f"{verdict:4} {time.monotonic() - start:6.2f} s  {body.__name__}{reason}", flush=True)
        try:
            context.clean_up()
        except Exception as error:
            print(f"     cleaning up after {body.__name__}: {error}", flush=True)
    names = ",".join(sorted(OPERATIONS))
    print(f"compat: cases={len(chosen)} failed={failed} skipped={skipped} operations={names}")
    sys.exit(1 if failed else 0)
