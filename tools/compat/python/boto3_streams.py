"""Streams: their life, their settings, and what is told of them."""

import datetime

from kinesis import TOP, fails
from suite import ACCOUNT, REGION, case, equal, eventually, holds


@case
def create_and_describe(k):
    name = k.new_name()
    before = datetime.datetime.now(datetime.timezone.utc)
    k.client.create_stream(StreamName=name, ShardCount=3)
    status = k.summary(name)["StreamStatus"]
    holds(status in ("CREATING", "ACTIVE"), f"a new stream is {status}")
    k.wait(name)
    told = k.client.describe_stream(StreamName=name)["StreamDescription"]
    equal(told["StreamName"], name)
    equal(told["StreamARN"], f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}")
    equal(told["StreamStatus"], "ACTIVE")
    equal(told["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    equal(told["RetentionPeriodHours"], 24)
    equal(told["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    equal(told["EncryptionType"], "NONE")
    equal(told["HasMoreShards"], False)
    holds("KeyId" not in told, "a stream that is not encrypted has no key")
    age = abs((told["StreamCreationTimestamp"] - before).total_seconds())
    holds(age < 30, f"created {age} s from now")
    equal([s["ShardId"] for s in told["Shards"]], [f"shardId-{n:012}" for n in range(3)])
    ranges = [s["HashKeyRange"] for s in told["Shards"]]
    equal(ranges[0]["StartingHashKey"], "0")
    equal(ranges[-1]["EndingHashKey"], str(TOP))
    for left, right in zip(ranges, ranges[1:]):
        equal(int(left["EndingHashKey"]) + 1, int(right["StartingHashKey"]), "no gap")
    for shard in told["Shards"]:
        holds("EndingSequenceNumber" not in shard["SequenceNumberRange"], "an open shard ends")
        equal(len(shard["SequenceNumberRange"]["StartingSequenceNumber"]), 56)
        holds("ParentShardId" not in shard, "a first shard has no parent")


@case
def summary(k):
    name = k.stream(2)
    told = k.summary(name)
    equal(told["OpenShardCount"], 2)
    equal(told["ConsumerCount"], 0)
    equal(told["RetentionPeriodHours"], 24)
    equal(told["EncryptionType"], "NONE")
    equal(told["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    equal(told["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    equal(told["MaxRecordSizeInKiB"], 1024)
    holds("WarmThroughput" not in told, "warm throughput needs ON_DEMAND")
    holds("RecordDistributionStrategy" not in told, "a provisioned stream omits its strategy")
    k.consumer(name)
    equal(k.summary(name)["ConsumerCount"], 1)
    by_arn = k.client.describe_stream_summary(StreamARN=k.arn(name))
    equal(by_arn["StreamDescriptionSummary"]["StreamName"], name)


@case
def on_demand(k):
    name = k.stream(None, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    told = k.summary(name)
    equal(told["OpenShardCount"], 4)
    equal(told["StreamModeDetails"], {"StreamMode": "ON_DEMAND"})
    equal(told["RecordDistributionStrategy"], "USER_PARTITION_KEY")
    shard = k.shards(name)[0]["ShardId"]
    half = str(2**125)
    fails("ValidationException", k.client.split_shard,
          StreamName=name, ShardToSplit=shard, NewStartingHashKey=half)
    fails("ValidationException", k.client.merge_shards, StreamName=name,
          ShardToMerge=shard, AdjacentShardToMerge="shardId-000000000001")
    fails("ValidationException", k.client.update_shard_count,
          StreamName=name, TargetShardCount=8, ScalingType="UNIFORM_SCALING")


@case
def create_with_everything(k):
    name = k.stream(1, Tags={"team": "blue", "empty": ""}, MaxRecordSizeInKiB=2048)
    equal(k.summary(name)["MaxRecordSizeInKiB"], 2048)
    tags = k.client.list_tags_for_stream(StreamName=name)["Tags"]
    equal({t["Key"]: t["Value"] for t in tags}, {"team": "blue", "empty": ""})


@case
def create_is_refused(k):
    name = k.stream(1)
    message = fails("ResourceInUseException", k.client.create_stream, StreamName=name, ShardCount=1)
    holds(name in message and ACCOUNT in message, f"the message tells of the stream: {message}")
    raw = k.raw()
    for wrong in ("", "a b", "x" * 129, "ü", "a/b"):
        fails("ValidationException", raw.create_stream, StreamName=wrong, ShardCount=1)
    fails("ValidationException", raw.create_stream, StreamName=k.new_name(), ShardCount=0)
    fails("ValidationException", raw.create_stream, StreamName=k.new_name(), ShardCount=1,
          StreamModeDetails={"StreamMode": "SOMETIMES"})
    fails("ValidationException", raw.create_stream, StreamName=k.new_name(), ShardCount=1,
          MaxRecordSizeInKiB=10241)
    fails("ValidationException", raw.create_stream, StreamName=k.new_name(), ShardCount=1,
          MaxRecordSizeInKiB=1023)


@case
def names_of_any_kind(k):
    longest = "x" * (128 - len(k.name) - 1)
    for name in (f"a.b-c_D9.{k.name}"[:128], f"{k.name}.{longest}"[:128]):
        k.streams.append(name)
        k.client.create_stream(StreamName=name, ShardCount=1)
        k.wait(name)
        equal(k.summary(name)["StreamARN"], k.arn(name))


@case
def delete_and_create_again(k):
    name = k.stream(1)
    k.client.put_record(StreamName=name, Data=b"old", PartitionKey="a")
    k.client.delete_stream(StreamName=name)

    def gone():
        try:
            status = k.summary(name)["StreamStatus"]
        except k.client.exceptions.ResourceNotFoundException:
            return True
        equal(status, "DELETING")
        return False

    eventually(gone, "the stream is gone")
    message = fails("ResourceNotFoundException", k.client.describe_stream, StreamName=name)
    holds(name in message and ACCOUNT in message, f"the message tells of the stream: {message}")
    fails("ResourceNotFoundException", k.client.delete_stream, StreamName=name)
    k.client.create_stream(StreamName=name, ShardCount=2)
    k.wait(name)
    equal([s["ShardId"] for s in k.shards(name)], [f"shardId-{n:012}" for n in range(2)])
    equal(k.read(k.iterator(name)), [], "records of the stream that was deleted")


@case
def delete_with_consumers(k):
    name = k.stream(1)
    k.consumer(name)
    fails("ResourceInUseException", k.client.delete_stream, StreamName=name)
    fails("ResourceInUseException", k.client.delete_stream, StreamName=name,
          EnforceConsumerDeletion=False)
    k.client.delete_stream(StreamARN=k.arn(name), EnforceConsumerDeletion=True)


@case
def list_streams_by_pages(k):
    names = sorted(k.stream(1) for _ in range(5))
    first = names[0][:-1]
    answer = k.client.list_streams(ExclusiveStartStreamName=first, Limit=2)
    equal(answer["StreamNames"], names[:2])
    equal(answer["HasMoreStreams"], True)
    summaries = answer["StreamSummaries"]
    equal([s["StreamName"] for s in summaries], names[:2])
    for told in summaries:
        equal(told["StreamARN"], k.arn(told["StreamName"]))
        equal(told["StreamStatus"], "ACTIVE")
        equal(told["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
        holds("StreamCreationTimestamp" in told, "a summary tells when")
    more = k.client.list_streams(NextToken=answer["NextToken"], Limit=2)
    equal(more["StreamNames"], names[2:4])
    more = k.client.list_streams(ExclusiveStartStreamName=names[3], Limit=1)
    equal(more["StreamNames"], names[4:])
    seen = []
    for page in k.client.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2}):
        seen += page["StreamNames"]
        equal(page["HasMoreStreams"], "NextToken" in page, "HasMoreStreams and NextToken agree")
    equal(seen, sorted(set(seen)), "every stream once, in order")
    holds(set(names) <= set(seen), "every stream is listed")
    fails(("InvalidArgumentException", "ExpiredNextTokenException"),
          k.client.list_streams, NextToken="AAAA")
    fails("ValidationException", k.raw().list_streams, Limit=0)


@case
def describe_stream_by_pages(k):
    name = k.stream(5)
    page = k.client.describe_stream(StreamName=name, Limit=2)["StreamDescription"]
    equal([s["ShardId"][-1] for s in page["Shards"]], ["0", "1"])
    equal(page["HasMoreShards"], True)
    page = k.client.describe_stream(
        StreamARN=k.arn(name), Limit=3, ExclusiveStartShardId="shardId-000000000001"
    )["StreamDescription"]
    equal([s["ShardId"][-1] for s in page["Shards"]], ["2", "3", "4"])
    equal(page["HasMoreShards"], False)
    shards = []
    for page in k.client.get_paginator("describe_stream").paginate(
        StreamName=name, PaginationConfig={"PageSize": 2}
    ):
        shards += page["StreamDescription"]["Shards"]
    equal(len(shards), 5)
    k.client.get_waiter("stream_exists").wait(
        StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 3})


@case
def names_and_arns(k):
    name, other = k.stream(1), k.stream(1)
    calls = {
        "describe_stream": {},
        "describe_stream_summary": {},
        "list_tags_for_stream": {},
        "list_shards": {},
        "put_record": {"Data": b"x", "PartitionKey": "a"},
        "get_shard_iterator": {"ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"},
        "add_tags_to_stream": {"Tags": {"a": "b"}},
        "increase_stream_retention_period": {"RetentionPeriodHours": 24},
    }
    for call, arguments in calls.items():
        call = getattr(k.client, call)
        call(StreamName=name, **arguments)
        call(StreamARN=k.arn(name), **arguments)
        call(StreamARN=k.arn(name), StreamName=name, **arguments)
        fails(("InvalidArgumentException", "ValidationException"), call,
              StreamARN=k.arn(name), StreamName=other, **arguments)
        fails("InvalidArgumentException", call, **arguments)
        fails("ResourceNotFoundException", call, StreamName="nobody-made-this", **arguments)
    elsewhere = k.arn(name).replace(ACCOUNT, "999999999999")
    fails("ResourceNotFoundException", k.client.describe_stream_summary, StreamARN=elsewhere)
    elsewhere = k.arn(name).replace(REGION, "eu-north-1")
    fails("ResourceNotFoundException", k.client.describe_stream_summary, StreamARN=elsewhere)
    fails(("ValidationException", "InvalidArgumentException"),
          k.raw().describe_stream_summary, StreamARN="arn:of:nothing")


@case
def retention(k):
    name = k.stream(1)
    hours = lambda: k.summary(name)["RetentionPeriodHours"]
    k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    k.wait(name)
    equal(hours(), 48)
    # Terraform sends the value that the stream has.
    k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    k.wait(name)
    fails("InvalidArgumentException", k.client.increase_stream_retention_period,
          StreamName=name, RetentionPeriodHours=24)
    fails("InvalidArgumentException", k.client.decrease_stream_retention_period,
          StreamName=name, RetentionPeriodHours=72)
    for wrong in (-1, 0, 23, 8761):
        fails("InvalidArgumentException", k.client.increase_stream_retention_period,
              StreamName=name, RetentionPeriodHours=wrong)
        fails("InvalidArgumentException", k.client.decrease_stream_retention_period,
              StreamName=name, RetentionPeriodHours=wrong)
    k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=8760)
    k.wait(name)
    k.client.decrease_stream_retention_period(StreamARN=k.arn(name), RetentionPeriodHours=24)
    k.wait(name)
    equal(hours(), 24)


@case
def stream_mode(k):
    name = k.stream(2)
    arn = k.arn(name)
    k.client.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    k.wait(name)
    told = k.summary(name)
    equal(told["StreamModeDetails"], {"StreamMode": "ON_DEMAND"})
    k.client.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    k.wait(name)
    equal(k.summary(name)["StreamModeDetails"], {"StreamMode": "PROVISIONED"})
    equal(k.summary(name)["OpenShardCount"], told["OpenShardCount"])


@case
def enhanced_monitoring(k):
    name = k.stream(1)
    every = {"IncomingBytes", "IncomingRecords", "OutgoingBytes", "OutgoingRecords",
             "WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded",
             "IteratorAgeMilliseconds"}
    answer = k.client.enable_enhanced_monitoring(
        StreamName=name, ShardLevelMetrics=["IncomingBytes"])
    equal(answer["StreamName"], name)
    equal(answer["CurrentShardLevelMetrics"], [])
    equal(answer["DesiredShardLevelMetrics"], ["IncomingBytes"])
    k.wait(name)
    equal(k.summary(name)["EnhancedMonitoring"], [{"ShardLevelMetrics": ["IncomingBytes"]}])
    answer = k.client.enable_enhanced_monitoring(StreamARN=k.arn(name), ShardLevelMetrics=["ALL"])
    equal(answer["CurrentShardLevelMetrics"], ["IncomingBytes"])
    equal(set(answer["DesiredShardLevelMetrics"]), every)
    k.wait(name)
    answer = k.client.disable_enhanced_monitoring(
        StreamName=name, ShardLevelMetrics=["IteratorAgeMilliseconds"])
    equal(set(answer["CurrentShardLevelMetrics"]), every)
    equal(set(answer["DesiredShardLevelMetrics"]), every - {"IteratorAgeMilliseconds"})
    k.wait(name)
    k.client.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    k.wait(name)
    equal(k.summary(name)["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    fails("ValidationException", k.raw().enable_enhanced_monitoring,
          StreamName=name, ShardLevelMetrics=["Everything"])


@case
def encryption(k):
    name = k.stream(1)
    key = "alias/aws/kinesis"
    k.client.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId=key)
    k.wait(name)
    told = k.summary(name)
    equal(told["EncryptionType"], "KMS")
    equal(told["KeyId"], key)
    answer = k.client.put_record(StreamName=name, Data=b"x", PartitionKey="a")
    equal(answer["EncryptionType"], "KMS")
    k.client.stop_stream_encryption(StreamARN=k.arn(name), EncryptionType="KMS", KeyId=key)
    k.wait(name)
    told = k.summary(name)
    equal(told["EncryptionType"], "NONE")
    holds("KeyId" not in told, "a stream that is not encrypted has no key")


@case
def limits(k):
    told = k.client.describe_limits()
    before = told["OpenShardCount"]
    holds(told["ShardLimit"] >= before, "the limit is not below what is open")
    holds(told["OnDemandStreamCountLimit"] >= told["OnDemandStreamCount"], "streams on demand")
    k.stream(3)
    # Streams of the cases before may still be on their way out.
    holds(k.client.describe_limits()["OpenShardCount"] >= 3, "what is open is counted")


@case
def terraform(k):
    """What `aws_kinesis_stream` sends from plan to destroy."""
    name = k.new_name()
    k.client.describe_limits()
    k.client.create_stream(StreamName=name, ShardCount=1,
                           StreamModeDetails={"StreamMode": "PROVISIONED"})
    k.wait(name)
    k.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=24)
    k.wait(name)
    k.client.add_tags_to_stream(StreamName=name, Tags={"Environment": "test"})
    told = k.summary(name)
    equal(told["OpenShardCount"], 1)
    tags = k.client.list_tags_for_stream(StreamName=name)
    equal(tags["Tags"], [{"Key": "Environment", "Value": "test"}])
    equal(tags["HasMoreTags"], False)
    k.client.describe_limits()
    k.client.update_shard_count(
        StreamName=name, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    equal(k.wait(name)["OpenShardCount"], 2)
    k.client.remove_tags_from_stream(StreamName=name, TagKeys=["Environment"])
    equal(k.client.list_tags_for_stream(StreamName=name)["Tags"], [])
    k.client.delete_stream(StreamName=name, EnforceConsumerDeletion=True)
    k.client.get_waiter("stream_not_exists").wait(
        StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
