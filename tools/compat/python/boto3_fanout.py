"""Enhanced fan-out: events over HTTP/1.1, as botocore reads them."""

import datetime
import threading
import time

import botocore.exceptions

from kinesis import fails, next_second
from suite import case, equal, eventually, holds

FIRST = "shardId-000000000000"


class Subscription:
    """Events of one subscription, read by a thread of its own."""

    def __init__(self, k, consumer, shard=FIRST, **position):
        # A client of its own: its connection is busy for as long as the subscription lasts.
        answer = type(k)(k.name, k.endpoint).client.subscribe_to_shard(
            ConsumerARN=consumer, ShardId=shard, StartingPosition=position)
        self.stream = answer["EventStream"]
        self.events, self.error, self.ended = [], None, False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            for event in self.stream:
                self.events.append(event["SubscribeToShardEvent"])
        except Exception as error:  # looked at by the case
            self.error = error
        self.ended = True

    @property
    def records(self):
        return [r for e in list(self.events) for r in e["Records"]]

    def data(self, count):
        eventually(lambda: len(self.records) >= count or self.ended, f"{count} records", 15)
        return [r["Data"] for r in self.records]

    def close(self):
        self.stream.close()


def put(k, name, *data):
    return [k.client.put_record(StreamName=name, Data=d, PartitionKey="a")["SequenceNumber"]
            for d in data]


@case
def subscribe_from_every_position(k):
    name = k.stream(1)
    numbers = put(k, name, b"0", b"1")
    between = next_second()
    numbers += put(k, name, b"2", b"3")
    positions = {
        "TRIM_HORIZON": ({}, [b"0", b"1", b"2", b"3"]),
        "AT_SEQUENCE_NUMBER": ({"SequenceNumber": numbers[1]}, [b"1", b"2", b"3"]),
        "AFTER_SEQUENCE_NUMBER": ({"SequenceNumber": numbers[1]}, [b"2", b"3"]),
        "AT_TIMESTAMP": ({"Timestamp": between}, [b"2", b"3"]),
        "LATEST": ({}, []),
    }
    subscriptions = {}
    for n, (kind, (settings, _)) in enumerate(positions.items()):
        consumer = k.consumer(name, f"reader-{n}")
        subscriptions[kind] = Subscription(k, consumer, Type=kind, **settings)
    put(k, name, b"4")
    for kind, (_, expected) in positions.items():
        equal(subscriptions[kind].data(len(expected) + 1), expected + [b"4"], kind)
        event = [e for e in subscriptions[kind].events if e["Records"]][-1]
        holds(event["ContinuationSequenceNumber"], "an event tells where to go on")
        equal(event["MillisBehindLatest"], 0)
        record = event["Records"][-1]
        equal(record["PartitionKey"], "a")
        holds(record["ApproximateArrivalTimestamp"] >= between, "its time")
        subscriptions[kind].close()


@case
def heartbeats_and_going_on(k):
    name = k.stream(1)
    consumer = k.consumer(name)
    begun = Subscription(k, consumer, Type="LATEST")
    eventually(lambda: len(begun.events) >= 2, "events of an idle shard keep coming", 15)
    beat = begun.events[-1]
    equal(beat["Records"], [])
    equal(beat["MillisBehindLatest"], 0)
    holds(beat["ContinuationSequenceNumber"], "of an idle shard too")
    begun.close()
    put(k, name, b"missed")
    time.sleep(5.2)  # no new subscription within 5 s of the last
    for kind in ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"):
        other = k.consumer(name, kind)
        again = Subscription(
            k, other, Type=kind, SequenceNumber=beat["ContinuationSequenceNumber"])
        equal(again.data(1), [b"missed"], f"{kind} of the continuation skips nothing")
        again.close()


@case
def subscription_ends_with_children(k):
    name = k.stream(1)
    consumer = k.consumer(name)
    put(k, name, b"before")
    parent = Subscription(k, consumer, Type="TRIM_HORIZON")
    equal(parent.data(1), [b"before"])
    k.client.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey=str(2**127))
    eventually(lambda: parent.ended, "the subscription of a closed shard ends", 15)
    equal(parent.error, None)
    last = parent.events[-1]
    holds("ContinuationSequenceNumber" not in last, "there is nowhere to go on")
    children = sorted(last["ChildShards"], key=lambda c: c["ShardId"])
    equal([c["ShardId"] for c in children], ["shardId-000000000001", "shardId-000000000002"])
    equal([c["ParentShards"] for c in children], [[FIRST], [FIRST]])
    for event in parent.events[:-1]:
        holds(event["ContinuationSequenceNumber"], "before its end, it goes on")
        equal(event.get("ChildShards", []), [])
    k.wait(name)
    put(k, name, b"after")
    found = []
    for child in children:
        reader = Subscription(k, consumer, child["ShardId"], Type="TRIM_HORIZON")
        found.append(reader)
    eventually(lambda: sum(len(s.records) for s in found) == 1, "the record after the split", 10)


@case
def a_closed_shard_is_subscribed_to(k):
    name = k.stream(2)
    consumer = k.consumer(name)
    k.client.put_record(StreamName=name, Data=b"old", PartitionKey="a", ExplicitHashKey="0")
    k.client.merge_shards(StreamName=name, ShardToMerge=FIRST,
                          AdjacentShardToMerge="shardId-000000000001")
    k.wait(name)
    old = Subscription(k, consumer, Type="TRIM_HORIZON")
    eventually(lambda: old.ended, "it ends", 15)
    equal([r["Data"] for r in old.records], [b"old"])
    children = old.events[-1]["ChildShards"]
    equal([c["ShardId"] for c in children], ["shardId-000000000002"])
    equal(sorted(children[0]["ParentShards"]), [FIRST, "shardId-000000000001"])


@case
def the_five_second_rule(k):
    name = k.stream(1)
    consumer = k.consumer(name)
    first = Subscription(k, consumer, Type="LATEST")
    fails("ResourceInUseException", k.client.subscribe_to_shard, ConsumerARN=consumer,
          ShardId=FIRST, StartingPosition={"Type": "LATEST"})
    time.sleep(5.3)
    second = Subscription(k, consumer, Type="LATEST")
    eventually(lambda: first.ended, "the newer one takes over", 10)
    holds(isinstance(first.error, botocore.exceptions.EventStreamError),
          f"the old one ends with an error in the stream, not {first.error!r}")
    equal(first.error.response["Error"]["Code"], "ResourceInUseException")
    put(k, name, b"x")
    equal(second.data(1), [b"x"])
    second.close()


@case
def every_consumer_has_its_own_flow(k):
    name = k.stream(1)
    readers = [Subscription(k, k.consumer(name, f"c{n}"), Type="TRIM_HORIZON") for n in range(5)]
    sent = [str(n).encode() for n in range(50)]
    put(k, name, *sent)
    for reader in readers:
        equal(reader.data(50), sent)
        reader.close()


@case
def large_events(k):
    name = k.stream(1)
    k.client.update_max_record_size(StreamARN=k.arn(name), MaxRecordSizeInKiB=10240)
    k.wait(name)
    data = b"\xa5" * (10 * 1024 * 1024 - 1)
    put(k, name, data, b"small")
    reader = Subscription(k, k.consumer(name), Type="TRIM_HORIZON")
    found = reader.data(2)
    equal([len(d) for d in found], [len(data), 5], f"sizes ({reader.error!r})")
    equal(found[0] == data, True, "10 MiB come as they were")
    reader.close()


@case
def subscriptions_are_refused(k):
    name = k.stream(1)
    consumer = k.consumer(name)
    call = lambda **s: k.raw().subscribe_to_shard(
        **{"ConsumerARN": consumer, "ShardId": FIRST,
           "StartingPosition": {"Type": "LATEST"}, **s})
    fails("ResourceNotFoundException", call, ConsumerARN=consumer[:-3] + "001")
    fails("ResourceNotFoundException", call, ShardId="shardId-000000000005")
    fails("InvalidArgumentException", call, StartingPosition={"Type": "AT_SEQUENCE_NUMBER"})
    fails("InvalidArgumentException", call, StartingPosition={"Type": "AT_TIMESTAMP"})
    fails("ValidationException", call, StartingPosition={"Type": "EVER"})
    fails(("ValidationException", "InvalidArgumentException"), call, ConsumerARN=k.arn(name))
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    fails("InvalidArgumentException", call,
          StartingPosition={"Type": "AT_TIMESTAMP", "Timestamp": later})
