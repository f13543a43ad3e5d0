"""What a case of boto3 works with: a client, streams of its own, and what is read from them."""

import datetime
import itertools
import time

import boto3
import botocore.config
import botocore.exceptions

from suite import ACCOUNT, ENDPOINT, OPERATIONS, REGION, eventually, holds

TOP = 2**128 - 1
_number = itertools.count(1)
# A server that runs on keeps the streams of the time before.
_run = f"{int(time.time() * 10) % 10**8:x}"


def make_client(service="kinesis", endpoint=None, **settings):
    """A client that tries once, so that each error is seen, and each success counted."""
    credentials = {k: settings.pop(k) for k in list(settings) if k.startswith("aws_")}
    config = botocore.config.Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        **settings,
    )
    client = boto3.client(
        service,
        endpoint_url=endpoint or ENDPOINT,
        region_name=REGION,
        config=config,
        **credentials,
    )
    if service == "kinesis":
        client.meta.events.register("after-call.kinesis", _count)
        client.meta.events.register("response-received.kinesis", _look_at_answer)
    return client


def next_second():
    """Waits for the next whole second, and gives it back: boto3 sends no fractions of one."""
    second = int(time.time()) + 1
    # A little later, so that what comes next is not of the same millisecond.
    time.sleep(second + 0.01 - time.time())
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc)


def _count(model, http_response, **_):
    if http_response.status_code == 200:
        OPERATIONS.add(model.name)


def _look_at_answer(parsed_response, **_):
    """No answer may name a StreamId: an SDK that sees one goes to AWS with its next request."""

    def look(value):
        if isinstance(value, dict):
            holds("StreamId" not in value, f"an answer with a StreamId: {value}")
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(parsed_response)


class Kinesis:
    """Gives a case its client, and streams that are deleted when it is over."""

    def __init__(self, name, endpoint=None):
        self.name = name.replace("_", "-")
        self.endpoint = endpoint
        self.client = make_client(endpoint=endpoint)
        self.streams = []

    def raw(self, **settings):
        """A client that sends what it is given, right or wrong."""
        return make_client(endpoint=self.endpoint, parameter_validation=False, **settings)

    def new_name(self):
        name = f"{self.name}.{_run}.{next(_number)}"
        self.streams.append(name)
        return name

    def stream(self, shards=1, **settings):
        """A new stream that is ACTIVE; its name."""
        name = self.new_name()
        if shards:
            settings["ShardCount"] = shards
        self.client.create_stream(StreamName=name, **settings)
        self.wait(name)
        return name

    def arn(self, name):
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"

    def summary(self, name):
        answer = self.client.describe_stream_summary(StreamName=name)
        return answer["StreamDescriptionSummary"]

    def wait(self, name):
        """Until the stream is ACTIVE again; its summary."""

        def active():
            summary = self.summary(name)
            return summary if summary["StreamStatus"] == "ACTIVE" else None

        return eventually(active, f"{name} is ACTIVE")

    def shards(self, name, **settings):
        """Every shard that a listing tells of, page by page."""
        found, answer = [], self.client.list_shards(StreamName=name, **settings)
        while True:
            found += answer["Shards"]
            if "NextToken" not in answer:
                return found
            holds(len(found) <= 10000, "pages without an end")
            answer = self.client.list_shards(NextToken=answer["NextToken"])

    def open_shards(self, name):
        return self.shards(name, ShardFilter={"Type": "AT_LATEST"})

    def iterator(self, name, shard="shardId-000000000000", kind="TRIM_HORIZON", **settings):
        answer = self.client.get_shard_iterator(
            StreamName=name, ShardId=shard, ShardIteratorType=kind, **settings
        )
        return answer["ShardIterator"]

    def read(self, iterator, least=0, **settings):
        """Records from an iterator on, until the end, and as many as are known to be there."""
        records, end = [], time.monotonic() + 30
        while True:
            answer = self.client.get_records(ShardIterator=iterator, **settings)
            records += answer["Records"]
            iterator = answer.get("NextShardIterator")
            at_end = answer["MillisBehindLatest"] == 0 and not answer["Records"]
            if iterator is None or (at_end and len(records) >= least):
                return records
            holds(time.monotonic() < end, f"{len(records)} records after 30 s, not {least}")

    def read_stream(self, name):
        """Records of every shard, by shard."""
        return {
            shard["ShardId"]: self.read(self.iterator(name, shard["ShardId"]))
            for shard in self.shards(name)
        }

    def consumer(self, name, consumer="reader"):
        """A consumer that is ACTIVE; its ARN."""
        made = self.client.register_stream_consumer(
            StreamARN=self.arn(name), ConsumerName=consumer
        )["Consumer"]
        arn = made["ConsumerARN"]

        def active():
            told = self.client.describe_stream_consumer(ConsumerARN=arn)
            return told["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"

        eventually(active, f"consumer {consumer} is ACTIVE")
        return arn

    def clean_up(self):
        for name in self.streams:
            try:
                self.client.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
            except botocore.exceptions.ClientError:
                pass  # the case has deleted it, or never made it


def fails(names, call, *arguments, **settings):
    """Makes a call that has to fail with one of these errors; gives back AWS's message."""
    names = (names,) if isinstance(names, str) else names
    try:
        call(*arguments, **settings)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        holds(found in names, f"expected {' or '.join(names)}, found {found}: {error}")
        # Where the model knows the error, the client raises a class of that name.
        holds(
            type(error).__name__ in (found, "ClientError"),
            f"{found} was raised as {type(error).__name__}",
        )
        holds(status in (400, 403, 413, 500), f"{found} came with status {status}")
        holds(error.response["Error"].get("Message"), f"{found} came without a message")
        return error.response["Error"]["Message"]
    raise AssertionError(f"expected {' or '.join(names)}, but it succeeded")
