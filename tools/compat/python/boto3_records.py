"""Records: how they go in, where they go, and how they come out."""

import datetime
import hashlib
import os

from kinesis import TOP, fails, next_second
from suite import case, equal, eventually, holds

FIRST = "shardId-000000000000"
MIB = 1024 * 1024


def now():
    return datetime.datetime.now(datetime.timezone.utc)


@case
def put_and_get(k):
    name = k.stream(1)
    data = bytes(range(256))
    put = k.client.put_record(StreamName=name, Data=data, PartitionKey="ключ-🔑")
    equal(put["ShardId"], FIRST)
    equal(put.get("EncryptionType", "NONE"), "NONE")
    answer = k.client.get_records(ShardIterator=k.iterator(name))
    record = answer["Records"][0]
    equal(record["Data"], data)
    equal(record["PartitionKey"], "ключ-🔑")
    equal(record["SequenceNumber"], put["SequenceNumber"])
    age = abs((record["ApproximateArrivalTimestamp"] - now()).total_seconds())
    holds(age < 30, f"the record came {age} s from now")
    equal(answer["MillisBehindLatest"], 0)
    holds(answer["NextShardIterator"], "an open shard goes on")


@case
def sequence_numbers(k):
    name = k.stream(2)
    for shard in k.shards(name):
        start = shard["HashKeyRange"]["StartingHashKey"]
        begin = int(shard["SequenceNumberRange"]["StartingSequenceNumber"])
        last = begin
        for _ in range(3):
            put = k.client.put_record(
                StreamName=name, Data=b"", PartitionKey="a", ExplicitHashKey=start)
            number = put["SequenceNumber"]
            equal(len(number), 56)
            digits = f"{int(number):x}"
            equal(len(digits), 47)
            equal((digits[0], digits[-1]), ("2", "2"))
            equal(int(digits[-9:-1], 16), int(shard["ShardId"][8:]), "the shard in the number")
            equal(int(digits[1:10], 16), int(f"{begin:x}"[1:10], 16), "seconds of the shard")
            holds(int(number) > last, "numbers go up")
            last = int(number)


@case
def empty_and_binary_data(k):
    name = k.stream(1)
    sent = [b"", b"\0", os.urandom(1000), b"\xff" * 3, "ünï".encode()]
    for data in sent:
        k.client.put_record(StreamName=name, Data=data, PartitionKey="k")
    equal([r["Data"] for r in k.read(k.iterator(name))], sent)


@case
def put_records_in_order(k):
    name = k.stream(4)
    entries = [{"Data": str(n).encode(), "PartitionKey": f"key-{n % 7}"} for n in range(500)]
    answer = k.client.put_records(StreamName=name, Records=entries)
    equal(answer["FailedRecordCount"], 0)
    equal(len(answer["Records"]), 500)
    shards = k.shards(name)
    for entry, put in zip(entries, answer["Records"]):
        hashed = int(hashlib.md5(entry["PartitionKey"].encode()).hexdigest(), 16)
        at = [s["ShardId"] for s in shards
              if int(s["HashKeyRange"]["StartingHashKey"]) <= hashed
              <= int(s["HashKeyRange"]["EndingHashKey"])]
        equal([put["ShardId"]], at, f"shard of {entry['PartitionKey']}")
        holds("ErrorCode" not in put and "ErrorMessage" not in put, "a success has no error")
    found = k.read_stream(name)
    equal(sum(map(len, found.values())), 500)
    for shard, records in found.items():
        numbers = [int(r["SequenceNumber"]) for r in records]
        equal(numbers, sorted(set(numbers)), "numbers of a shard go up")
        expected = [(e["Data"], p["SequenceNumber"])
                    for e, p in zip(entries, answer["Records"]) if p["ShardId"] == shard]
        equal([(r["Data"], r["SequenceNumber"]) for r in records], expected, shard)


@case
def put_records_is_refused(k):
    name = k.stream(1)
    entry = {"Data": b"x", "PartitionKey": "a"}
    put = k.raw().put_records
    fails("ValidationException", put, StreamName=name, Records=[entry] * 501)
    fails("ValidationException", put, StreamName=name, Records=[])
    fails("ValidationException", put, StreamName=name,
          Records=[entry, {"Data": b"x", "PartitionKey": ""}])
    fails("ValidationException", put, StreamName=name,
          Records=[entry, {"Data": b"x", "PartitionKey": "k" * 257}])
    fails("ValidationException", put, StreamName=name,
          Records=[{**entry, "ExplicitHashKey": "01"}])
    fails(("InvalidArgumentException", "ValidationException"), put, StreamName=name,
          Records=[{**entry, "ExplicitHashKey": str(TOP + 1)}])
    fails(("InvalidArgumentException", "ValidationException"), put, StreamName=name,
          Records=[{"Data": b"x" * (MIB - 10), "PartitionKey": "a"}] * 11)
    equal(k.read(k.iterator(name)), [], "nothing of what was refused is there")


@case
def explicit_hash_keys(k):
    name = k.stream(3)
    for shard in k.shards(name):
        for edge in ("StartingHashKey", "EndingHashKey"):
            put = k.client.put_record(StreamName=name, Data=b"x", PartitionKey="same",
                                      ExplicitHashKey=shard["HashKeyRange"][edge])
            equal(put["ShardId"], shard["ShardId"])
        put = k.client.put_records(StreamName=name, Records=[
            {"Data": b"x", "PartitionKey": "same",
             "ExplicitHashKey": shard["HashKeyRange"]["EndingHashKey"]}])
        equal(put["Records"][0]["ShardId"], shard["ShardId"])
    fails(("InvalidArgumentException", "ValidationException"), k.client.put_record,
          StreamName=name, Data=b"x", PartitionKey="a", ExplicitHashKey=str(TOP + 1))
    fails("ValidationException", k.client.put_record,
          StreamName=name, Data=b"x", PartitionKey="a", ExplicitHashKey="-1")


@case
def sequence_number_for_ordering(k):
    name = k.stream(1)
    last = "0"
    for n in range(10):
        put = k.client.put_record(StreamName=name, Data=str(n).encode(), PartitionKey="a",
                                  SequenceNumberForOrdering=last)
        holds(int(put["SequenceNumber"]) > int(last), "it is above the one before")
        last = put["SequenceNumber"]
    equal([r["Data"] for r in k.read(k.iterator(name))], [str(n).encode() for n in range(10)])
    fails("ValidationException", k.client.put_record, StreamName=name, Data=b"", PartitionKey="a",
          SequenceNumberForOrdering="x")


@case
def iterators(k):
    name = k.stream(1)
    put = lambda n: k.client.put_record(StreamName=name, Data=str(n).encode(), PartitionKey="a")
    read = lambda **settings: [int(r["Data"]) for r in k.read(k.iterator(name, **settings))]
    numbers = [put(n)["SequenceNumber"] for n in range(5)]
    latest = k.iterator(name, kind="LATEST")
    equal(read(), [0, 1, 2, 3, 4], "TRIM_HORIZON")
    equal(read(kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]), [2, 3, 4])
    equal(read(kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]), [3, 4])
    equal(read(kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[4]), [])
    begin = k.shards(name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    equal(read(kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=begin), [0, 1, 2, 3, 4])
    equal(read(kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=begin), [0, 1, 2, 3, 4])
    put(5)
    equal([int(r["Data"]) for r in k.read(latest, least=1)], [5], "LATEST")
    # An iterator is not used up by being used.
    equal([int(r["Data"]) for r in k.read(latest, least=1)], [5], "the same iterator again")


@case
def iterators_at_a_time(k):
    name = k.stream(1)
    for n in range(3):
        k.client.put_record(StreamName=name, Data=str(n).encode(), PartitionKey="a")
    between = next_second()
    k.client.put_record(StreamName=name, Data=b"3", PartitionKey="a")
    read = lambda at: [r["Data"] for r in k.read(k.iterator(name, kind="AT_TIMESTAMP", Timestamp=at))]
    equal(read(between), [b"3"])
    equal(read(now() - datetime.timedelta(days=2)), [b"0", b"1", b"2", b"3"])
    equal(read(0), [b"0", b"1", b"2", b"3"], "at the epoch")
    equal(read(next_second()), [], "at this moment")
    fails("InvalidArgumentException", k.client.get_shard_iterator, StreamName=name, ShardId=FIRST,
          ShardIteratorType="AT_TIMESTAMP", Timestamp=now() + datetime.timedelta(hours=1))


@case
def iterators_are_refused(k):
    name = k.stream(2)
    get = k.raw().get_shard_iterator
    put = k.client.put_record(StreamName=name, Data=b"", PartitionKey="a", ExplicitHashKey="0")
    number = put["SequenceNumber"]
    at = {"StreamName": name, "ShardId": FIRST}
    fails("InvalidArgumentException", get, **at, ShardIteratorType="AT_SEQUENCE_NUMBER")
    fails("InvalidArgumentException", get, **at, ShardIteratorType="AFTER_SEQUENCE_NUMBER")
    fails("InvalidArgumentException", get, **at, ShardIteratorType="AT_TIMESTAMP")
    fails("ValidationException", get, **at, ShardIteratorType="FROM_TIME_TO_TIME")
    fails("ValidationException", get, **at, ShardIteratorType="AT_SEQUENCE_NUMBER",
          StartingSequenceNumber="007")
    fails("InvalidArgumentException", get, StreamName=name, ShardId="shardId-000000000001",
          ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    fails("ResourceNotFoundException", get, StreamName=name, ShardId="shardId-000000000009",
          ShardIteratorType="LATEST")
    fails(("ResourceNotFoundException", "ValidationException", "InvalidArgumentException"), get,
          StreamName=name, ShardId="no-shard", ShardIteratorType="LATEST")
    fails("ResourceNotFoundException", get, StreamName="nobody-made-this", ShardId=FIRST,
          ShardIteratorType="LATEST")


@case
def tampered_iterators(k):
    name = k.stream(1)
    good = k.iterator(name)
    holds(len(good) <= 512, "an iterator has at most 512 characters")
    middle = len(good) // 2
    other = "A" if good[middle] != "A" else "B"
    for wrong in (good[:middle] + other + good[middle + 1:], good[:-5], "AAAA", "x" * 512,
                  good[1:], good + "AAAA", "-"):
        fails(("InvalidArgumentException", "ExpiredIteratorException"),
              k.client.get_records, ShardIterator=wrong)
    fails("ValidationException", k.raw().get_records, ShardIterator="")
    fails("ValidationException", k.raw().get_records, ShardIterator="x" * 513)


@case
def get_records_by_pages(k):
    name = k.stream(1)
    k.client.put_records(StreamName=name, Records=[
        {"Data": str(n).encode(), "PartitionKey": "a"} for n in range(10)])
    iterator, pages = k.iterator(name), []
    while True:
        answer = k.client.get_records(ShardIterator=iterator, Limit=4)
        if not answer["Records"]:
            break
        pages.append([int(r["Data"]) for r in answer["Records"]])
        iterator = answer["NextShardIterator"]
    equal(pages, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
    equal(len(k.client.get_records(ShardIterator=k.iterator(name), Limit=10000)["Records"]), 10)
    fails("ValidationException", k.raw().get_records, ShardIterator=iterator, Limit=0)
    fails("ValidationException", k.raw().get_records, ShardIterator=iterator, Limit=10001)
    # By ARN too.
    answer = k.client.get_records(ShardIterator=iterator, StreamARN=k.arn(name))
    equal(answer["Records"], [])


@case
def millis_behind_latest(k):
    name = k.stream(1)
    empty = k.client.get_records(ShardIterator=k.iterator(name))
    equal((empty["Records"], empty["MillisBehindLatest"]), ([], 0))
    k.client.put_record(StreamName=name, Data=b"0", PartitionKey="a")
    begin = now()
    eventually(lambda: now() - begin > datetime.timedelta(milliseconds=300), "time goes on")
    k.client.put_record(StreamName=name, Data=b"1", PartitionKey="a")
    answer = k.client.get_records(ShardIterator=k.iterator(name), Limit=1)
    holds(answer["MillisBehindLatest"] > 0, "a record is still to come")
    answer = k.client.get_records(ShardIterator=answer["NextShardIterator"])
    equal(answer["MillisBehindLatest"], 0)


@case
def large_records(k):
    name = k.stream(1)
    data = os.urandom(MIB - 3)
    k.client.put_record(StreamName=name, Data=data, PartitionKey="abc")
    fails(("ValidationException", "InvalidArgumentException"), k.client.put_record,
          StreamName=name, Data=data + b"x", PartitionKey="abc")
    equal(k.read(k.iterator(name))[0]["Data"] == data, True, "1 MiB comes back as it was")


@case
def records_of_ten_mebibytes(k):
    name = k.stream(1)
    k.client.update_max_record_size(StreamARN=k.arn(name), MaxRecordSizeInKiB=10240)
    equal(k.wait(name)["MaxRecordSizeInKiB"], 10240)
    data = os.urandom(10 * MIB - 1)
    k.client.put_record(StreamName=name, Data=data, PartitionKey="a")
    k.client.put_records(StreamName=name, Records=[{"Data": data, "PartitionKey": "b"}])
    iterator, found = k.iterator(name), []
    while len(found) < 2:
        answer = k.client.get_records(ShardIterator=iterator)
        holds(len(answer["Records"]) <= 1, "an answer holds 10 MiB")
        found += answer["Records"]
        iterator = answer["NextShardIterator"]
    equal([r["Data"] == data for r in found], [True, True], "they come back as they were")
    fails(("ValidationException", "InvalidArgumentException"), k.raw().put_record,
          StreamName=name, Data=data + b"xx", PartitionKey="a")
    for wrong in (1023, 10241, 0):
        fails("ValidationException", k.raw().update_max_record_size,
              StreamARN=k.arn(name), MaxRecordSizeInKiB=wrong)
    k.client.update_max_record_size(StreamARN=k.arn(name), MaxRecordSizeInKiB=1024)
    k.wait(name)
    fails(("ValidationException", "InvalidArgumentException"), k.client.put_record,
          StreamName=name, Data=data[:2 * MIB], PartitionKey="a")


@case
def an_answer_holds_ten_mebibytes(k):
    name = k.stream(1)
    data = os.urandom(MIB - 1)
    for _ in range(3):
        k.client.put_records(StreamName=name, Records=[{"Data": data, "PartitionKey": "a"}] * 5)
    answer = k.client.get_records(ShardIterator=k.iterator(name))
    holds(1 <= len(answer["Records"]) <= 10, f"{len(answer['Records'])} records of 1 MiB at once")
    holds(answer["MillisBehindLatest"] >= 0, "it is behind")
    rest = k.read(answer["NextShardIterator"])
    equal(len(answer["Records"]) + len(rest), 15)


@case
def dry_runs(k):
    name = k.stream(1)
    dry = "DryRunOperationException"
    fails(dry, k.client.put_record, StreamName=name, Data=b"x", PartitionKey="a", DryRun=True)
    fails(dry, k.client.put_records, StreamName=name, DryRun=True,
          Records=[{"Data": b"x", "PartitionKey": "a"}])
    fails(dry, k.client.get_shard_iterator, StreamName=name, ShardId=FIRST,
          ShardIteratorType="LATEST", DryRun=True)
    fails(dry, k.client.get_records, ShardIterator=k.iterator(name), DryRun=True)
    consumer = k.consumer(name)
    fails(dry, k.client.subscribe_to_shard, ConsumerARN=consumer, ShardId=FIRST,
          StartingPosition={"Type": "LATEST"}, DryRun=True)
    fails("ResourceNotFoundException", k.client.put_record, StreamName="nobody-made-this",
          Data=b"x", PartitionKey="a", DryRun=True)
    k.client.put_record(StreamName=name, Data=b"y", PartitionKey="a", DryRun=False)
    equal([r["Data"] for r in k.read(k.iterator(name))], [b"y"], "only what was no dry run")
