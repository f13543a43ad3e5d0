"""AWS CLI: every command of `aws kinesis` but subscribe-to-shard, which the CLI does not have."""

import base64
import json
import os
import pathlib
import subprocess
import sys

from suite import ACCOUNT, CHECKS_SIGNATURES, ENDPOINT, OPERATIONS, REGION
from suite import Skip, case, equal, eventually, holds, run

AWS = str(pathlib.Path(sys.executable).parent / "aws")
scratch = pathlib.Path(os.environ.get("COMPAT_SCRATCH", "/tmp"))
FIRST = "shardId-000000000000"


class Cli:
    def __init__(self, name):
        self.name = f"cli-{name.replace('_', '-')}"
        self.streams = []

    def raw(self, *arguments, **environment):
        """Runs a command to its end, whatever it says."""
        return subprocess.run(
            [AWS, "--endpoint-url", ENDPOINT, "--region", REGION, "--output", "json", *arguments],
            capture_output=True, text=True, timeout=120, check=False,
            env={**os.environ, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", **environment})

    def __call__(self, command, *arguments):
        """A command of `aws kinesis` that has to succeed; its answer."""
        done = self.raw("kinesis", command, *arguments)
        equal(done.returncode, 0, f"aws kinesis {command}: {done.stderr.strip()}")
        if command != "wait":
            OPERATIONS.add("".join(word.capitalize() for word in command.split("-")))
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, error, command, *arguments):
        done = self.raw("kinesis", command, *arguments)
        holds(done.returncode not in (0, 1, 2), f"{command} ended with {done.returncode}: {done.stderr}")
        holds(f"({error})" in done.stderr, f"expected {error}: {done.stderr.strip()}")

    def stream(self, shards=1):
        name = f"{self.name}.{os.getpid()}.{len(self.streams)}"
        self.streams.append(name)
        self("create-stream", "--stream-name", name, "--shard-count", str(shards))
        return self.wait(name)

    def summary(self, name):
        return self("describe-stream-summary", "--stream-name", name)["StreamDescriptionSummary"]

    def wait(self, name):
        eventually(lambda: self.summary(name)["StreamStatus"] == "ACTIVE", f"{name} is ACTIVE")
        return name

    def arn(self, name):
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"

    def clean_up(self):
        for name in self.streams:
            self.raw("kinesis", "delete-stream", "--stream-name", name,
                     "--enforce-consumer-deletion")


@case
def life_of_a_stream(cli):
    name = cli.stream(2)
    by_name, by_arn = ("--stream-name", name), ("--stream-arn", cli.arn(name))
    told = cli("describe-stream", *by_name)["StreamDescription"]
    equal(told["StreamARN"], cli.arn(name))
    equal([s["ShardId"] for s in told["Shards"]], [FIRST, "shardId-000000000001"])
    cli("wait", "stream-exists", *by_name)
    holds(name in cli("list-streams")["StreamNames"], "it is listed")
    holds(name in cli("list-streams", "--page-size", "1")["StreamNames"], "by pages of one")
    cli("increase-stream-retention-period", *by_name, "--retention-period-hours", "48")
    cli.wait(name)
    cli("decrease-stream-retention-period", *by_arn, "--retention-period-hours", "24")
    cli.wait(name)
    cli("start-stream-encryption", *by_name, "--encryption-type", "KMS",
        "--key-id", "alias/aws/kinesis")
    cli.wait(name)
    cli("stop-stream-encryption", *by_name, "--encryption-type", "KMS",
        "--key-id", "alias/aws/kinesis")
    cli.wait(name)
    on = cli("enable-enhanced-monitoring", *by_name, "--shard-level-metrics", "ALL")
    equal(len(on["DesiredShardLevelMetrics"]), 7)
    cli.wait(name)
    off = cli("disable-enhanced-monitoring", *by_arn, "--shard-level-metrics", "ALL")
    equal(off["DesiredShardLevelMetrics"], [])
    cli.wait(name)
    cli("update-max-record-size", *by_arn, "--max-record-size-in-ki-b", "2048")
    equal(cli.summary(cli.wait(name))["MaxRecordSizeInKiB"], 2048)
    cli("update-stream-mode", *by_arn, "--stream-mode-details", "StreamMode=ON_DEMAND")
    equal(cli.summary(cli.wait(name))["StreamModeDetails"]["StreamMode"], "ON_DEMAND")
    cli("delete-stream", *by_name)
    cli("wait", "stream-not-exists", *by_name)
    cli.fails("ResourceNotFoundException", "describe-stream", *by_name)
    holds(cli("describe-limits")["ShardLimit"] > 0, "limits")


@case
def records(cli):
    name = cli.stream(1)
    at = ("--stream-name", name)
    # This version takes blobs as they are, and gives them in base64.
    binary = scratch / "binary"
    binary.write_bytes(bytes(range(256)))
    put = cli("put-record", *at, "--partition-key", "a", "--data", f"fileb://{binary}")
    equal(put["ShardId"], FIRST)
    cli("put-record", *at, "--partition-key", "a", "--data", "",
        "--sequence-number-for-ordering", put["SequenceNumber"])
    many = cli("put-records", *at, "--records", json.dumps([
        {"Data": "drei", "PartitionKey": "ключ"},
        {"Data": "vier", "PartitionKey": "b", "ExplicitHashKey": str(2**128 - 1)}]))
    equal(many["FailedRecordCount"], 0)
    iterator = cli("get-shard-iterator", *at, "--shard-id", FIRST,
                   "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]
    page = cli("get-records", "--shard-iterator", iterator, "--limit", "3")
    rest = cli("get-records", "--shard-iterator", page["NextShardIterator"])
    found = page["Records"] + rest["Records"]
    equal([base64.b64decode(r["Data"]) for r in found], [bytes(range(256)), b"", b"drei", b"vier"])
    equal([r["PartitionKey"] for r in found], ["a", "a", "ключ", "b"])
    equal(rest["MillisBehindLatest"], 0)
    last = found[-1]["SequenceNumber"]
    after = cli("get-shard-iterator", *at, "--shard-id", FIRST, "--shard-iterator-type",
                "AT_SEQUENCE_NUMBER", "--starting-sequence-number", last)["ShardIterator"]
    equal(len(cli("get-records", "--shard-iterator", after)["Records"]), 1)
    # Records are told of with a time that the CLI writes as ISO 8601 or as seconds.
    holds(str(found[0]["ApproximateArrivalTimestamp"]), "a time")
    cli("get-shard-iterator", *at, "--shard-id", FIRST, "--shard-iterator-type", "AT_TIMESTAMP",
        "--timestamp", "2020-01-01T00:00:00Z")
    cli.fails("InvalidArgumentException", "get-records", "--shard-iterator", "AAAA")


@case
def resharding(cli):
    name = cli.stream(1)
    at = ("--stream-name", name)
    cli("split-shard", *at, "--shard-to-split", FIRST, "--new-starting-hash-key", str(2**127))
    cli.wait(name)
    shards = cli("list-shards", *at)["Shards"]
    equal([s.get("ParentShardId") for s in shards], [None, FIRST, FIRST])
    cli("merge-shards", *at, "--shard-to-merge", "shardId-000000000001",
        "--adjacent-shard-to-merge", "shardId-000000000002")
    cli.wait(name)
    still_open = cli("list-shards", *at, "--shard-filter", "Type=AT_LATEST")["Shards"]
    equal([s["ShardId"] for s in still_open], ["shardId-000000000003"])
    told = cli("update-shard-count", *at, "--target-shard-count", "2",
               "--scaling-type", "UNIFORM_SCALING")
    equal((told["CurrentShardCount"], told["TargetShardCount"]), (1, 2))
    equal(cli.summary(cli.wait(name))["OpenShardCount"], 2)
    # AWS refuses what the CLI sends for the second page: a NextToken together with the name.
    cli.fails("InvalidArgumentException", "list-shards", *at, "--page-size", "2")
    cli.fails("InvalidArgumentException", "merge-shards", *at, "--shard-to-merge",
              "shardId-000000000004", "--adjacent-shard-to-merge", "shardId-000000000004")
    cli.fails("ResourceNotFoundException", "split-shard", *at, "--shard-to-split",
              "shardId-000000000099", "--new-starting-hash-key", "7")


@case
def tags_policies_and_consumers(cli):
    name = cli.stream(1)
    arn = cli.arn(name)
    cli("add-tags-to-stream", "--stream-name", name, "--tags", "a=1,b=2")
    equal(len(cli("list-tags-for-stream", "--stream-name", name)["Tags"]), 2)
    cli("remove-tags-from-stream", "--stream-name", name, "--tag-keys", "a")
    cli("tag-resource", "--resource-arn", arn, "--tags", "c=3")
    cli("untag-resource", "--resource-arn", arn, "--tag-keys", "b")
    equal(cli("list-tags-for-resource", "--resource-arn", arn)["Tags"], [{"Key": "c", "Value": "3"}])
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "111111111111"},
        "Action": "kinesis:GetRecords", "Resource": arn}]})
    cli("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    told = cli("get-resource-policy", "--resource-arn", arn)["Policy"]
    equal(json.loads(told), json.loads(policy))
    cli("delete-resource-policy", "--resource-arn", arn)
    made = cli("register-stream-consumer", "--stream-arn", arn, "--consumer-name", "one")
    consumer = made["Consumer"]["ConsumerARN"]

    def active():
        told = cli("describe-stream-consumer", "--consumer-arn", consumer)
        return told["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"

    eventually(active, "the consumer is ACTIVE")
    listed = cli("list-stream-consumers", "--stream-arn", arn)["Consumers"]
    equal([c["ConsumerARN"] for c in listed], [consumer])
    cli.fails("ResourceInUseException", "delete-stream", "--stream-name", name)
    cli("deregister-stream-consumer", "--stream-arn", arn, "--consumer-name", "one")


@case
def account(cli):
    before = cli("describe-account-settings")
    holds("MinimumThroughputBillingCommitment" in before, "its state is told")
    cli("update-account-settings", "--minimum-throughput-billing-commitment", "Status=ENABLED")
    name = f"{cli.name}.{os.getpid()}.on-demand"
    cli.streams.append(name)
    cli("create-stream", "--stream-name", name, "--stream-mode-details", "StreamMode=ON_DEMAND")
    cli.wait(name)
    warm = cli("update-stream-warm-throughput", "--stream-name", name,
               "--warm-throughput-mi-bps", "50")
    equal(warm["WarmThroughput"]["TargetMiBps"], 50)


@case
def errors(cli):
    cli.fails("ResourceNotFoundException", "describe-stream", "--stream-name", "nobody-made-this")
    cli.fails("ValidationException", "describe-stream", "--stream-name", "a b")
    cli.fails("InvalidArgumentException", "describe-stream")


@case
def wrong_credentials(cli):
    if not CHECKS_SIGNATURES:
        raise Skip("this server takes any signature")
    for settings, error in (
        ({"AWS_SECRET_ACCESS_KEY": "x" * 40}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWNUNKNOWN00"}, "UnrecognizedClientException"),
    ):
        done = cli.raw("kinesis", "list-streams", **settings)
        holds(f"({error})" in done.stderr, f"expected {error}: {done.stderr.strip()}")


@case
def other_services(cli):
    done = cli.raw("sts", "get-caller-identity")
    equal(done.returncode, 0, done.stderr)
    equal(json.loads(done.stdout)["Account"], ACCOUNT)
    done = cli.raw("cloudwatch", "put-metric-data", "--namespace", "compat",
                   "--metric-name", "m", "--value", "1")
    equal(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    run(Cli)
