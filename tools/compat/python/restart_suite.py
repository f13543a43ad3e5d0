"""The server killed in the middle of what it does, and started again on the same data.

Each case does something over and over, and has the server killed by another thread a little later
each time, so that the kills fall before, into and after the work. After each start the state has
to be one that AWS could be in, what was acknowledged has to be there, and the work has to go on.
"""

import random
import threading
import time

import botocore.exceptions
import botocore.parsers

from kinesis import TOP, Kinesis
from server import Server
from suite import case, equal, eventually, holds, run

SERVER = Server()
FIRST = "shardId-000000000000"
# The server is away: a refused, broken or half-answered request.
AWAY = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError,
        botocore.parsers.ResponseParserError)
# Rounds of a case, and how much later the kill comes in each.
ROUNDS, STEP = 8, 0.004


class killed:
    """The server is killed so many seconds after the block begins, and is back when it ends."""

    def __init__(self, after):
        self.thread = threading.Timer(after, SERVER.kill)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, kind, error, _):
        self.thread.join()
        SERVER.start()
        # An answer that never came says nothing of what was done.
        return kind is not None and issubclass(kind, AWAY)


def check_shards(k, name):
    """Shards cover every hash key once, and the line from parents to children is whole."""
    shards = {s["ShardId"]: s for s in k.shards(name)}
    is_open = [s for s in shards.values()
               if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
    ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]),
                     int(s["HashKeyRange"]["EndingHashKey"])) for s in is_open)
    equal((ranges[0][0], ranges[-1][1]), (0, TOP), "every hash key has an open shard")
    for left, right in zip(ranges, ranges[1:]):
        equal(left[1] + 1, right[0], "no gap and no overlap")
    parents = {s[p] for s in shards.values()
               for p in ("ParentShardId", "AdjacentParentShardId") if p in s}
    equal({s["ShardId"] for s in is_open}, set(shards) - parents, "what has children is closed")
    equal(k.summary(name)["OpenShardCount"], len(is_open))
    for child in shards.values():
        for p in ("ParentShardId", "AdjacentParentShardId"):
            if p in child:
                end = shards[child[p]]["SequenceNumberRange"]["EndingSequenceNumber"]
                begin = child["SequenceNumberRange"]["StartingSequenceNumber"]
                holds(int(begin) > int(end), "a child begins after its parent's end")
    return [s["ShardId"] for s in is_open]


class Producer:
    """Puts records for as long as the server takes them, and remembers what was acknowledged."""

    def __init__(self, k, name):
        self.k, self.name = k, name
        self.acknowledged, self.sent = [], 0

    def put(self, count):
        for _ in range(count):
            data = f"{self.sent}".encode()
            self.sent += 1
            put = self.k.client.put_record(
                StreamName=self.name, Data=data, PartitionKey=f"key-{self.sent % 5}")
            self.acknowledged.append((put["ShardId"], put["SequenceNumber"], data))

    def until_away(self):
        """Another thread puts until the server is killed."""

        def work():
            try:
                while True:
                    self.put(1)
            except AWAY:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def check(self):
        """What was acknowledged is where it was said to be, once, and nothing is there twice."""
        found = {}
        for shard, records in self.k.read_stream(self.name).items():
            numbers = [int(r["SequenceNumber"]) for r in records]
            equal(numbers, sorted(set(numbers)), f"numbers of {shard} go up")
            for record in records:
                holds(record["Data"] not in found, f"{record['Data']} is there twice")
                found[record["Data"]] = (shard, record["SequenceNumber"])
        for shard, number, data in self.acknowledged:
            equal(found.get(data), (shard, number), f"the record {data}, which was acknowledged")
        holds(len(found) <= self.sent, "nothing is there that was not sent")


def ensure_running(k):
    if SERVER.process is None:
        SERVER.start()
    return k


@case
def create(k):
    names = []
    for round_ in range(ROUNDS):
        name, answered = k.new_name(), False
        with killed(round_ * STEP):
            k.client.create_stream(StreamName=name, ShardCount=3, Tags={"round": str(round_)})
            answered = True
            k.wait(name)
            time.sleep(1)
        listed = k.client.list_streams()["StreamNames"]
        holds(not answered or name in listed, "a stream whose creation was acknowledged is there")
        if name not in listed:
            k.client.create_stream(StreamName=name, ShardCount=3, Tags={"round": str(round_)})
        equal(k.wait(name)["OpenShardCount"], 3, "a creation goes on by itself")
        equal(len(check_shards(k, name)), 3)
        tags = k.client.list_tags_for_stream(StreamName=name)["Tags"]
        equal(tags, [{"Key": "round", "Value": str(round_)}])
        k.client.put_record(StreamName=name, Data=b"x", PartitionKey="a")
        names.append(name)
    equal(sorted(set(names) & set(k.client.list_streams()["StreamNames"])), sorted(names))


@case
def delete(k):
    for round_ in range(ROUNDS):
        name, answered = k.stream(3), False
        k.client.put_record(StreamName=name, Data=b"old", PartitionKey="a")
        with killed(round_ * STEP):
            k.client.delete_stream(StreamName=name)
            answered = True
            time.sleep(1)

        def gone():
            try:
                return k.summary(name)["StreamStatus"] == "ACTIVE" and not answered
            except k.client.exceptions.ResourceNotFoundException:
                return True

        eventually(gone, "a deletion goes on by itself")
        try:
            k.client.delete_stream(StreamName=name)
        except k.client.exceptions.ResourceNotFoundException:
            pass
        answered = True
        eventually(gone, "it is deleted in the end")
        k.client.create_stream(StreamName=name, ShardCount=1)
        k.wait(name)
        equal(k.read(k.iterator(name)), [], "nothing of the stream before is there")


def reshard(k, shards, change):
    """Reshards while records come in, killed ever later, and checks all that came."""
    name = k.stream(shards)
    producer = Producer(k, name)
    for round_ in range(ROUNDS):
        producer.put(20)
        still_open = [s["ShardId"] for s in k.open_shards(name)]
        with killed(round_ * STEP):
            thread = producer.until_away()
            change(k, name, still_open)
            k.wait(name)
            time.sleep(0.2)
        thread.join()
        k.wait(name)
        check_shards(k, name)
        producer.put(20)
    producer.check()


@case
def split(k):
    def change(k, name, still_open):
        shard = random.choice(k.open_shards(name))
        low = int(shard["HashKeyRange"]["StartingHashKey"])
        high = int(shard["HashKeyRange"]["EndingHashKey"])
        k.client.split_shard(StreamName=name, ShardToSplit=shard["ShardId"],
                             NewStartingHashKey=str((low + high) // 2 + 1))

    reshard(k, 2, change)


@case
def merge(k):
    def change(k, name, still_open):
        shards = sorted(k.open_shards(name), key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))
        at = random.randrange(len(shards) - 1)
        k.client.merge_shards(StreamName=name, ShardToMerge=shards[at]["ShardId"],
                              AdjacentShardToMerge=shards[at + 1]["ShardId"])

    reshard(k, 12, change)


@case
def update_shard_count(k):
    def change(k, name, still_open):
        target = 3 if len(still_open) != 3 else 5
        k.client.update_shard_count(StreamName=name, TargetShardCount=target,
                                    ScalingType="UNIFORM_SCALING")

    reshard(k, 4, change)


@case
def settings(k):
    """What was acknowledged of a stream's settings stays."""
    name = k.stream(1)
    arn = k.arn(name)
    hours = 24
    for round_ in range(ROUNDS):
        wanted = hours + 1
        answered = False
        with killed(round_ * STEP):
            k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)
            answered = True
            k.client.tag_resource(ResourceARN=arn, Tags={f"t{round_}": "v"})
            time.sleep(0.2)
        hours = k.wait(name)["RetentionPeriodHours"]
        holds(hours == wanted or (hours == wanted - 1 and not answered), f"{hours} hours")
        hours = wanted
        k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=wanted)
        k.wait(name)
    consumer = k.consumer(name)
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",' \
             f'"Action":"kinesis:GetRecords","Resource":"{arn}"}}]}}'
    k.client.put_resource_policy(ResourceARN=arn, Policy=policy)
    SERVER.restart()
    told = k.client.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]
    equal((told["ConsumerName"], told["ConsumerStatus"]), ("reader", "ACTIVE"))
    equal(k.client.get_resource_policy(ResourceARN=arn)["Policy"], policy)


@case
def iterators_and_tokens(k):
    """Iterators and tokens are of no server in particular."""
    name = k.stream(3)
    sent = [k.client.put_record(StreamName=name, Data=str(n).encode(), PartitionKey="a",
                                ExplicitHashKey="0")["SequenceNumber"] for n in range(10)]
    page = k.client.get_records(ShardIterator=k.iterator(name), Limit=4)
    latest = k.iterator(name, kind="LATEST")
    token = k.client.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    SERVER.restart()
    rest = k.read(page["NextShardIterator"], least=6)
    equal([r["SequenceNumber"] for r in rest], sent[4:])
    put = k.client.put_record(StreamName=name, Data=b"new", PartitionKey="a", ExplicitHashKey="0")
    holds(int(put["SequenceNumber"]) > int(sent[-1]), "numbers go up across a restart")
    equal([r["Data"] for r in k.read(latest, least=1)], [b"new"], "LATEST stands where it stood")
    equal(len(k.client.list_shards(NextToken=token)["Shards"]), 2)


@case
def subscription(k):
    """A subscriber that comes back goes on where it was, through kills and a split."""
    name = k.stream(1)
    consumer = k.consumer(name)
    producer = Producer(k, name)
    found = []

    def follow(shard, position, until):
        """Reads events; where to go on, or nothing when the shard has ended."""
        reader = Kinesis(k.name)
        subscribe = lambda: reader.client.subscribe_to_shard(
            ConsumerARN=consumer, ShardId=shard, StartingPosition=position)
        try:
            try:
                answer = subscribe()
            except reader.client.exceptions.ResourceInUseException:
                time.sleep(5.2)  # the one before began less than 5 s ago
                answer = subscribe()
            for event in answer["EventStream"]:
                event = event["SubscribeToShardEvent"]
                found.extend(r["Data"] for r in event["Records"])
                if event.get("ChildShards"):
                    return None, [c["ShardId"] for c in event["ChildShards"]]
                position = {"Type": "AFTER_SEQUENCE_NUMBER",
                            "SequenceNumber": event["ContinuationSequenceNumber"]}
                if until(len(found)):
                    answer["EventStream"].close()
                    break
        except AWAY + (botocore.exceptions.EventStreamError, OSError):
            pass
        except Exception as error:  # urllib3 says in many ways that a connection broke
            if "urllib3" not in type(error).__module__:
                raise
        return position, []

    shard, position = FIRST, {"Type": "TRIM_HORIZON"}
    for round_ in range(3):
        producer.put(20)
        with killed(0.1 + round_ * 0.05):
            thread = producer.until_away()
            position, ended = follow(shard, position, lambda count: False)
        thread.join()
        equal(ended, [], "the shard goes on")
    # No second subscription within 5 s of the last that succeeded, whoever ended it.
    time.sleep(5.2)
    producer.put(5)
    wanted = {data for _, _, data in producer.acknowledged}
    position, _ = follow(shard, position, lambda count: wanted <= set(found))
    k.client.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey=str(2**127))
    SERVER.restart()
    k.wait(name)
    time.sleep(5.2)
    position, children = follow(shard, position, lambda count: False)
    equal((position, len(children)), (None, 2), "the end of the shard, with its children")
    equal([d for _, _, d in producer.acknowledged if d not in found], [], "acknowledged, not seen")
    numbers = [int(d) for d in found]
    equal(numbers, sorted(set(numbers)), "each once, and in order")
    producer.check()


@case
def batches(k):
    """A batch that was acknowledged is whole, after kills in the middle of many."""
    name = k.stream(4)
    acknowledged = {}
    for round_ in range(ROUNDS):
        batch = 0
        with killed(0.05 + round_ * 0.02):
            while True:
                entries = [{"Data": f"{round_}/{batch}/{n}".encode(), "PartitionKey": f"{n}"}
                           for n in range(100)]
                answer = k.client.put_records(StreamName=name, Records=entries)
                equal(answer["FailedRecordCount"], 0)
                for entry, put in zip(entries, answer["Records"]):
                    acknowledged[entry["Data"]] = (put["ShardId"], put["SequenceNumber"])
                batch += 1
    found = {}
    for shard, records in k.read_stream(name).items():
        for record in records:
            holds(record["Data"] not in found, f"{record['Data']} is there twice")
            found[record["Data"]] = (shard, record["SequenceNumber"])
    holds(len(acknowledged) > 0, "some were acknowledged")
    for data, place in acknowledged.items():
        equal(found.get(data), place, f"{data}, which was acknowledged")


if __name__ == "__main__":
    SERVER.start()
    try:
        run(lambda name: ensure_running(Kinesis(name)))
    finally:
        SERVER.stop()
