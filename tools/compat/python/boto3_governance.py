"""Tags, policies, consumers, and the settings of the account."""

import json
import time

from kinesis import fails
from suite import case, equal, eventually, holds

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{
        "Sid": "reader",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
        "Action": ["kinesis:DescribeStreamSummary", "kinesis:GetRecords"],
        "Resource": "",
    }],
}


def policy_for(arn):
    policy = json.loads(json.dumps(POLICY))
    policy["Statement"][0]["Resource"] = arn
    return json.dumps(policy)


def as_map(tags):
    return {t["Key"]: t.get("Value") for t in tags}


@case
def tags_of_a_stream(k):
    name = k.stream(1)
    add, listed = k.client.add_tags_to_stream, k.client.list_tags_for_stream
    answer = listed(StreamName=name)
    equal((answer["Tags"], answer["HasMoreTags"]), ([], False))
    add(StreamName=name, Tags={"b": "2", "a": "1", "c": ""})
    add(StreamName=name, Tags={"b": "two", "ключ /=+-%@_.": "значение"})
    expected = {"a": "1", "b": "two", "c": "", "ключ /=+-%@_.": "значение"}
    answer = listed(StreamName=name)
    equal(as_map(answer["Tags"]), expected)
    equal([t["Key"] for t in answer["Tags"]], sorted(expected), "in order of their keys")
    page = listed(StreamName=name, Limit=2)
    equal([t["Key"] for t in page["Tags"]], ["a", "b"])
    equal(page["HasMoreTags"], True)
    page = listed(StreamARN=k.arn(name), Limit=2, ExclusiveStartTagKey="b")
    equal(len(page["Tags"]), 2)
    equal(page["HasMoreTags"], False)
    k.client.remove_tags_from_stream(StreamName=name, TagKeys=["a", "c", "never-there"])
    equal(set(as_map(listed(StreamName=name)["Tags"])), {"b", "ключ /=+-%@_."})


@case
def tags_have_limits(k):
    name = k.stream(1)
    raw = k.raw()
    too_many = ("InvalidArgumentException", "LimitExceededException", "ValidationException")
    fails(too_many, raw.add_tags_to_stream, StreamName=name,
          Tags={f"k{n}": "v" for n in range(51)})
    for n in range(0, 50, 10):
        raw.add_tags_to_stream(StreamName=name, Tags={f"k{m}": "v" for m in range(n, n + 10)})
    fails(too_many, raw.add_tags_to_stream, StreamName=name, Tags={"one-more": "v"})
    raw.add_tags_to_stream(StreamName=name, Tags={"k1": "another value"})
    equal(len(k.client.list_tags_for_stream(StreamName=name)["Tags"]), 50)
    refused = ("ValidationException", "InvalidArgumentException")
    fails(refused, raw.add_tags_to_stream, StreamName=name, Tags={"": "v"})
    fails(refused, raw.add_tags_to_stream, StreamName=name, Tags={"k" * 129: "v"})
    fails(refused, raw.add_tags_to_stream, StreamName=name, Tags={"k1": "v" * 257})
    fails(refused, raw.add_tags_to_stream, StreamName=name, Tags={})
    fails(refused, raw.add_tags_to_stream, StreamName=name, Tags={"aws:mine": "v"})


@case
def tags_of_resources(k):
    name = k.stream(1)
    for arn in (k.arn(name), k.consumer(name)):
        k.client.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": ""})
        listed = lambda: as_map(k.client.list_tags_for_resource(ResourceARN=arn)["Tags"])
        equal(listed(), {"a": "1", "b": ""})
        k.client.untag_resource(ResourceARN=arn, TagKeys=["a"])
        equal(listed(), {"b": ""})
    equal(as_map(k.client.list_tags_for_stream(StreamName=name)["Tags"]), {"b": ""})
    fails("ResourceNotFoundException", k.client.list_tags_for_resource, ResourceARN=k.arn("no"))
    fails("ResourceNotFoundException", k.client.tag_resource, ResourceARN=k.arn("no"),
          Tags={"a": "b"})
    fails("ResourceNotFoundException", k.client.untag_resource, ResourceARN=k.arn("no"),
          TagKeys=["a"])


@case
def policies(k):
    name = k.stream(1)
    for arn in (k.arn(name), k.consumer(name)):
        policy = policy_for(arn)
        k.client.put_resource_policy(ResourceARN=arn, Policy=policy)
        told = k.client.get_resource_policy(ResourceARN=arn)["Policy"]
        equal(json.loads(told), json.loads(policy))
        k.client.delete_resource_policy(ResourceARN=arn)
        # A resource without a policy: nothing is told, or that there is none.
        try:
            equal(k.client.get_resource_policy(ResourceARN=arn)["Policy"] in ("", "{}"), True)
        except k.client.exceptions.ResourceNotFoundException:
            pass
    refused = ("ValidationException", "InvalidArgumentException")
    for wrong in ("no json", "[]", "{}", '{"Statement": 7}'):
        fails(refused, k.client.put_resource_policy, ResourceARN=k.arn(name), Policy=wrong)
    fails("ResourceNotFoundException", k.client.put_resource_policy, ResourceARN=k.arn("no"),
          Policy=policy_for(k.arn("no")))


@case
def consumers(k):
    name = k.stream(1)
    arn = k.arn(name)
    made = k.client.register_stream_consumer(
        StreamARN=arn, ConsumerName="one", Tags={"team": "red"})["Consumer"]
    equal(made["ConsumerName"], "one")
    holds(made["ConsumerStatus"] in ("CREATING", "ACTIVE"), made["ConsumerStatus"])
    seconds = int(made["ConsumerCreationTimestamp"].timestamp())
    equal(made["ConsumerARN"], f"{arn}/consumer/one:{seconds}")
    tags = k.client.list_tags_for_resource(ResourceARN=made["ConsumerARN"])["Tags"]
    equal(as_map(tags), {"team": "red"})
    fails("ResourceInUseException", k.client.register_stream_consumer,
          StreamARN=arn, ConsumerName="one")

    def active():
        told = k.client.describe_stream_consumer(StreamARN=arn, ConsumerName="one")
        return told["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"

    eventually(active, "the consumer is ACTIVE")
    told = k.client.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])
    told = told["ConsumerDescription"]
    equal(told["StreamARN"], arn)
    equal(told["ConsumerName"], "one")
    k.client.deregister_stream_consumer(StreamARN=arn, ConsumerName="one")

    def gone():
        try:
            k.client.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])
        except k.client.exceptions.ResourceNotFoundException:
            return True

    eventually(gone, "the consumer is gone")
    eventually(lambda: int(time.time()) > seconds, "another second")
    again = k.consumer(name, "one")
    holds(again != made["ConsumerARN"], "a consumer that is registered again has another ARN")
    k.client.deregister_stream_consumer(ConsumerARN=again)
    fails("InvalidArgumentException", k.client.deregister_stream_consumer, StreamARN=arn)
    fails("InvalidArgumentException", k.client.describe_stream_consumer, ConsumerName="one")
    fails("ResourceNotFoundException", k.client.deregister_stream_consumer,
          StreamARN=arn, ConsumerName="never")
    fails("ResourceNotFoundException", k.client.register_stream_consumer,
          StreamARN=k.arn("no"), ConsumerName="one")


@case
def consumers_by_pages_and_their_limit(k):
    name = k.stream(1)
    arn = k.arn(name)
    for n in range(20):
        # At most five may be CREATING: each is waited for.
        k.consumer(name, f"c{n:02}")
    fails("LimitExceededException", k.client.register_stream_consumer,
          StreamARN=arn, ConsumerName="c20")
    page = k.client.list_stream_consumers(StreamARN=arn, MaxResults=3)
    found = [c["ConsumerName"] for c in page["Consumers"]]
    equal(len(found), 3)
    while "NextToken" in page and len(found) < 100:
        page = k.client.list_stream_consumers(
            StreamARN=arn, NextToken=page["NextToken"], MaxResults=8)
        found += [c["ConsumerName"] for c in page["Consumers"]]
    equal(sorted(found), [f"c{n:02}" for n in range(20)])
    paged = k.client.get_paginator("list_stream_consumers").paginate(
        StreamARN=arn, PaginationConfig={"PageSize": 7})
    equal(sum(len(p["Consumers"]) for p in paged), 20)
    fails(("InvalidArgumentException", "ExpiredNextTokenException"),
          k.client.list_stream_consumers, StreamARN=arn, NextToken="AAAA")
    fails("ResourceNotFoundException", k.client.list_stream_consumers, StreamARN=k.arn("no"))


@case
def account_settings(k):
    status = lambda: k.client.describe_account_settings().get(
        "MinimumThroughputBillingCommitment", {}).get("Status", "DISABLED")
    name = k.stream(None, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    provisioned = k.stream(1)
    refused = ("ValidationException", "InvalidArgumentException")
    warm = k.client.update_stream_warm_throughput
    if status() == "DISABLED":
        fails(refused, warm, StreamName=name, WarmThroughputMiBps=100)
        holds("WarmThroughput" not in k.summary(name), "warm throughput needs the commitment")
    told = k.client.update_account_settings(
        MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    told = told["MinimumThroughputBillingCommitment"]
    equal(told["Status"], "ENABLED")
    holds(told["EarliestAllowedEndAt"] > told["StartedAt"], "a commitment lasts")
    equal(status(), "ENABLED")
    answer = warm(StreamName=name, WarmThroughputMiBps=100)
    equal(answer["StreamName"], name)
    equal(answer["StreamARN"], k.arn(name))
    equal(answer["WarmThroughput"]["TargetMiBps"], 100)
    k.wait(name)
    equal(k.summary(name)["WarmThroughput"]["TargetMiBps"], 100)
    fails(refused, warm, StreamName=provisioned, WarmThroughputMiBps=100)
    made = k.stream(None, StreamModeDetails={"StreamMode": "ON_DEMAND"}, WarmThroughputMiBps=20)
    equal(k.summary(made)["WarmThroughput"]["TargetMiBps"], 20)
    told = k.client.update_account_settings(
        MinimumThroughputBillingCommitment={"Status": "DISABLED"})
    told = told["MinimumThroughputBillingCommitment"]
    equal(told["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END")
    fails("ValidationException", k.raw().update_account_settings,
          MinimumThroughputBillingCommitment={"Status": "PERHAPS"})
    fails(refused, k.raw().update_account_settings)


@case
def distribution_strategy(k):
    """Built later: it is refused, and says so."""
    name = k.new_name()
    fails(("InvalidArgumentException", "ValidationException"), k.client.create_stream,
          StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"},
          RecordDistributionStrategy="AUTO")
    other = k.stream(1)
    fails("ValidationException", k.raw().put_record, StreamName=other, Data=b"x", PartitionKey="")
    fails(("InvalidArgumentException", "ValidationException"), k.raw().put_record,
          StreamName=other, Data=b"x")
