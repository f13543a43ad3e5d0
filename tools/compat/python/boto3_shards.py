"""Shards: listings, splits, merges, and the line from parents to children."""

import datetime

from kinesis import TOP, fails, next_second
from suite import case, equal, holds

FIRST = "shardId-000000000000"


def shard(number):
    return f"shardId-{number:012}"


def names(shards):
    return [s["ShardId"] for s in shards]


def check_cover(shards):
    """Open shards cover every hash key once."""
    ranges = sorted((int(s["HashKeyRange"]["StartingHashKey"]),
                     int(s["HashKeyRange"]["EndingHashKey"])) for s in shards)
    equal(ranges[0][0], 0)
    equal(ranges[-1][1], TOP)
    for left, right in zip(ranges, ranges[1:]):
        equal(left[1] + 1, right[0], "no gap and no overlap")
    return ranges


@case
def list_shards_by_pages(k):
    name = k.stream(5)
    first = k.client.list_shards(StreamName=name, MaxResults=2)
    equal(names(first["Shards"]), [shard(0), shard(1)])
    second = k.client.list_shards(NextToken=first["NextToken"], MaxResults=2)
    equal(names(second["Shards"]), [shard(2), shard(3)])
    third = k.client.list_shards(NextToken=second["NextToken"], MaxResults=2)
    equal(names(third["Shards"]), [shard(4)])
    holds("NextToken" not in third, "the last page has no token")
    rest = k.client.list_shards(StreamARN=k.arn(name), ExclusiveStartShardId=shard(2))
    equal(names(rest["Shards"]), [shard(3), shard(4)])
    token = first["NextToken"]
    fails("InvalidArgumentException", k.client.list_shards, NextToken=token, StreamName=name)
    fails("InvalidArgumentException", k.client.list_shards, NextToken=token,
          ExclusiveStartShardId=shard(1))
    fails("InvalidArgumentException", k.client.list_shards, NextToken=token,
          StreamCreationTimestamp=datetime.datetime.now())
    fails(("InvalidArgumentException", "ExpiredNextTokenException"),
          k.client.list_shards, NextToken="AAAA")
    fails("InvalidArgumentException", k.client.list_shards)
    fails("ValidationException", k.raw().list_shards, StreamName=name, MaxResults=0)
    fails("ValidationException", k.raw().list_shards, StreamName=name, MaxResults=10001)


@case
def split(k):
    name = k.stream(1)
    before = [k.client.put_record(StreamName=name, Data=f"b{n}".encode(), PartitionKey=f"{n}")
              for n in range(20)]
    middle = 2**127
    k.client.split_shard(StreamName=name, ShardToSplit=FIRST, NewStartingHashKey=str(middle))
    equal(k.wait(name)["OpenShardCount"], 2)
    parent, left, right = k.shards(name)
    equal(names([parent, left, right]), [shard(0), shard(1), shard(2)])
    end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    holds(end >= int(before[-1]["SequenceNumber"]), "the parent ends after its last record")
    for child, low, high in ((left, 0, middle - 1), (right, middle, TOP)):
        equal(child["ParentShardId"], FIRST)
        holds("AdjacentParentShardId" not in child, "a split has one parent")
        equal(child["HashKeyRange"], {"StartingHashKey": str(low), "EndingHashKey": str(high)})
        begin = int(child["SequenceNumberRange"]["StartingSequenceNumber"])
        holds(begin > end, "a child begins after its parent ends")
        holds("EndingSequenceNumber" not in child["SequenceNumberRange"], "a child is open")
    after = [k.client.put_record(StreamName=name, Data=f"a{n}".encode(), PartitionKey=f"{n}")
             for n in range(20)]
    holds({p["ShardId"] for p in after} == {shard(1), shard(2)}, "records go to the children")
    # Of one key, numbers go up across the split.
    for old, new in zip(before, after):
        holds(int(new["SequenceNumber"]) > int(old["SequenceNumber"]), "numbers go up")
    # The parent is read to its end, and names its children there.
    iterator, found = k.iterator(name), []
    while iterator:
        answer = k.client.get_records(ShardIterator=iterator, Limit=8)
        found += answer["Records"]
        iterator = answer.get("NextShardIterator")
        if iterator:
            equal(answer.get("ChildShards", []), [], "children are named at the end")
    equal([r["Data"] for r in found], [f"b{n}".encode() for n in range(20)])
    children = sorted(answer["ChildShards"], key=lambda c: c["ShardId"])
    equal(names(children), [shard(1), shard(2)])
    for child, listed in zip(children, (left, right)):
        equal(child["ParentShards"], [FIRST])
        equal(child["HashKeyRange"], listed["HashKeyRange"])
    equal(sum(len(k.read(k.iterator(name, shard(n)))) for n in (1, 2)), 20)
    # A closed shard is read from any position.
    last = before[-1]["SequenceNumber"]
    at = k.iterator(name, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=last)
    equal([r["Data"] for r in k.read(at)], [b"b19"])
    latest = k.client.get_records(ShardIterator=k.iterator(name, kind="LATEST"))
    equal(latest["Records"], [])


@case
def merge(k):
    name = k.stream(3)
    lists = {}
    for s in k.shards(name):
        put = k.client.put_record(StreamName=name, Data=s["ShardId"].encode(), PartitionKey="a",
                                  ExplicitHashKey=s["HashKeyRange"]["StartingHashKey"])
        lists[s["ShardId"]] = (put["SequenceNumber"], s["HashKeyRange"])
    k.client.merge_shards(StreamName=name, ShardToMerge=shard(1), AdjacentShardToMerge=shard(2))
    equal(k.wait(name)["OpenShardCount"], 2)
    *_, one, two, child = k.shards(name)
    equal(child["ShardId"], shard(3))
    equal(child["ParentShardId"], shard(1))
    equal(child["AdjacentParentShardId"], shard(2))
    equal(child["HashKeyRange"], {"StartingHashKey": lists[shard(1)][1]["StartingHashKey"],
                                  "EndingHashKey": lists[shard(2)][1]["EndingHashKey"]})
    for parent in (one, two):
        end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
        holds(int(child["SequenceNumberRange"]["StartingSequenceNumber"]) > end, "after both")
        answer = k.client.get_records(ShardIterator=k.iterator(name, parent["ShardId"]))
        equal([r["Data"].decode() for r in answer["Records"]], [parent["ShardId"]])
        holds("NextShardIterator" not in answer, "a closed shard ends")
        equal(names(answer["ChildShards"]), [shard(3)])
        equal(sorted(answer["ChildShards"][0]["ParentShards"]), [shard(1), shard(2)])
    put = k.client.put_record(StreamName=name, Data=b"x", PartitionKey="a",
                              ExplicitHashKey=lists[shard(2)][1]["StartingHashKey"])
    equal(put["ShardId"], shard(3))
    holds(int(put["SequenceNumber"]) > int(lists[shard(2)][0]), "numbers go up")
    # The other way round: the shard named first is the parent, the other its neighbour.
    k.client.merge_shards(StreamARN=k.arn(name), ShardToMerge=shard(3),
                          AdjacentShardToMerge=shard(0))
    equal(k.wait(name)["OpenShardCount"], 1)
    last = k.shards(name)[-1]
    equal((last["ParentShardId"], last["AdjacentParentShardId"]), (shard(3), shard(0)))
    check_cover([last])


@case
def resharding_is_refused(k):
    name = k.stream(3)
    split_it, merge_it = k.client.split_shard, k.client.merge_shards
    ranges = [s["HashKeyRange"] for s in k.shards(name)]
    argument = "InvalidArgumentException"
    second = ranges[1]["StartingHashKey"]
    for key in (second, "0", str(TOP), str(int(ranges[0]["EndingHashKey"]) + 5)):
        fails(argument, split_it, StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=key)
    fails("ResourceNotFoundException", split_it, StreamName=name, ShardToSplit=shard(9),
          NewStartingHashKey="7")
    fails("ResourceNotFoundException", split_it, StreamName="nobody-made-this",
          ShardToSplit=shard(0), NewStartingHashKey="7")
    fails("ValidationException", k.raw().split_shard, StreamName=name, ShardToSplit=shard(0),
          NewStartingHashKey="seven")
    fails(argument, merge_it, StreamName=name, ShardToMerge=shard(0),
          AdjacentShardToMerge=shard(2))
    fails(argument, merge_it, StreamName=name, ShardToMerge=shard(0),
          AdjacentShardToMerge=shard(0))
    fails("ResourceNotFoundException", merge_it, StreamName=name, ShardToMerge=shard(0),
          AdjacentShardToMerge=shard(9))
    split_it(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey="5")
    k.wait(name)
    closed = (argument, "ResourceNotFoundException", "ResourceInUseException")
    fails(closed, split_it, StreamName=name, ShardToSplit=shard(0), NewStartingHashKey="7")
    fails(closed, merge_it, StreamName=name, ShardToMerge=shard(0), AdjacentShardToMerge=shard(1))
    equal(k.summary(name)["OpenShardCount"], 4)


@case
def update_shard_count(k):
    name = k.stream(2)
    scale = lambda n: k.client.update_shard_count(
        StreamName=name, TargetShardCount=n, ScalingType="UNIFORM_SCALING")
    for n in range(40):
        k.client.put_record(StreamName=name, Data=f"{n}".encode(), PartitionKey=f"{n}")
    count = 2
    for target in (4, 3, 5, 5, 3, 2, 1):
        answer = scale(target)
        equal(answer["StreamName"], name)
        equal((answer["CurrentShardCount"], answer["TargetShardCount"]), (count, target))
        equal(answer["StreamARN"], k.arn(name))
        equal(k.wait(name)["OpenShardCount"], target)
        ranges = check_cover(k.open_shards(name))
        sizes = [high - low + 1 for low, high in ranges]
        holds(max(sizes) - min(sizes) <= len(sizes), f"{target} equal ranges")
        count = target
    kept = sorted(int(r["Data"]) for found in k.read_stream(name).values() for r in found)
    equal(kept, list(range(40)), "every record, once")
    too_far = ("InvalidArgumentException", "LimitExceededException", "ValidationException")
    fails(too_far, scale, 3)
    fails("ValidationException", k.raw().update_shard_count, StreamName=name, TargetShardCount=0,
          ScalingType="UNIFORM_SCALING")
    fails("ValidationException", k.raw().update_shard_count, StreamName=name, TargetShardCount=2,
          ScalingType="SOMEHOW")
    scale(2)
    k.wait(name)
    scale(4)
    k.wait(name)
    fails(too_far, scale, 1)


@case
def lineage_is_whole(k):
    """Every parent that is listed ends; every child begins where its parents were."""
    name = k.stream(2)
    for target in (4, 2, 3):
        k.client.update_shard_count(
            StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        k.wait(name)
    shards = {s["ShardId"]: s for s in k.shards(name)}
    equal(list(shards), sorted(shards), "in order of their numbers")
    parents = set()
    for child in shards.values():
        of = [child[p] for p in ("ParentShardId", "AdjacentParentShardId") if p in child]
        parents.update(of)
        for parent in of:
            ended = shards[parent]["SequenceNumberRange"]["EndingSequenceNumber"]
            began = child["SequenceNumberRange"]["StartingSequenceNumber"]
            holds(int(began) > int(ended), "a child begins after its parent's end")
    is_open = {s for s, told in shards.items()
               if "EndingSequenceNumber" not in told["SequenceNumberRange"]}
    equal(is_open, set(shards) - parents, "what has children is closed")
    equal(set(names(k.open_shards(name))), is_open)


@case
def shard_filters(k):
    name = k.stream(2)
    early = next_second()
    end = int(k.shards(name)[0]["HashKeyRange"]["EndingHashKey"])
    k.client.split_shard(StreamName=name, ShardToSplit=shard(0), NewStartingHashKey=str(end // 2))
    k.wait(name)
    now = next_second()
    listed = lambda **filter: names(k.shards(name, ShardFilter=filter))
    everything = [shard(n) for n in range(4)]
    still_open = [shard(n) for n in (1, 2, 3)]
    equal(names(k.shards(name)), everything, "no filter")
    equal(listed(Type="AT_LATEST"), still_open)
    equal(listed(Type="AT_TRIM_HORIZON"), [shard(0), shard(1)])
    equal(listed(Type="FROM_TRIM_HORIZON"), everything)
    equal(listed(Type="AT_TIMESTAMP", Timestamp=now), still_open)
    equal(listed(Type="FROM_TIMESTAMP", Timestamp=now), still_open)
    equal(listed(Type="AT_TIMESTAMP", Timestamp=early), [shard(0), shard(1)])
    equal(listed(Type="FROM_TIMESTAMP", Timestamp=early), everything)
    equal(listed(Type="AFTER_SHARD_ID", ShardId=shard(1)), [shard(2), shard(3)])
    page = k.client.list_shards(StreamName=name, MaxResults=1, ShardFilter={"Type": "AT_LATEST"})
    page = k.client.list_shards(NextToken=page["NextToken"], MaxResults=5)
    equal(names(page["Shards"]), [shard(2), shard(3)], "a page keeps its filter")
    ls, argument = k.raw().list_shards, ("InvalidArgumentException", "ValidationException")
    fails(argument, ls, StreamName=name, ShardFilter={"Type": "AT_TIMESTAMP"})
    fails(argument, ls, StreamName=name, ShardFilter={"Type": "AFTER_SHARD_ID"})
    fails("ValidationException", ls, StreamName=name, ShardFilter={"Type": "NEVER"})
    fails("ValidationException", ls, StreamName=name, ShardFilter={"ShardId": shard(0)})


@case
def work_while_updating(k):
    """Data goes in and out while the stream is resharded."""
    name = k.stream(4)
    k.client.update_shard_count(
        StreamName=name, TargetShardCount=8, ScalingType="UNIFORM_SCALING")
    sent = []
    for n in range(200):
        put = k.client.put_record(StreamName=name, Data=f"{n}".encode(), PartitionKey=f"{n % 9}")
        sent.append((put["ShardId"], put["SequenceNumber"], f"{n}".encode(), f"{n % 9}"))
    equal(k.wait(name)["OpenShardCount"], 8)
    found = [(s, r["SequenceNumber"], r["Data"], r["PartitionKey"])
             for s, records in k.read_stream(name).items() for r in records]
    equal(sorted(found), sorted(sent), "every record once, where it was said to be")
    last = {}
    for _, number, _, key in sent:
        holds(int(number) > last.get(key, 0), f"numbers of key {key} go up")
        last[key] = int(number)
