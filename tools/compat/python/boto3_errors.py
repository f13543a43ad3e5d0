"""Errors as the client raises them, who may come in, and the other services on the port."""

import email.utils
import json
import time
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import urllib3

from kinesis import fails, make_client
from suite import ACCOUNT, CHECKS_SIGNATURES, ENDPOINT, REGION, Skip, case, equal, holds

pool = urllib3.PoolManager(cert_reqs="CERT_NONE")


def send(k, target, body, content_type="application/x-amz-json-1.1", headers=None, signed=True,
         skew=0):
    """A request by hand, for what no client would send."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = botocore.awsrequest.AWSRequest(
        "POST", f"{k.endpoint or ENDPOINT}/", data=body,
        headers={"Content-Type": content_type, "X-Amz-Target": target, **(headers or {})})
    if signed:
        found = k.client._request_signer._credentials
        keys = botocore.credentials.Credentials(found.access_key, found.secret_key)
        signer = botocore.auth.SigV4Auth(keys, "kinesis", REGION)
        if skew:
            real = botocore.auth.get_current_datetime
            from datetime import timedelta

            botocore.auth.get_current_datetime = lambda *a: real(*a) + timedelta(seconds=skew)
            try:
                signer.add_auth(request)
            finally:
                botocore.auth.get_current_datetime = real
        else:
            signer.add_auth(request)
    return pool.request("POST", request.url, body=body, headers=dict(request.headers.items()))


def error_of(answer):
    return json.loads(answer.data)["__type"].rpartition("#")[2]


@case
def answers_name_themselves(k):
    answer = k.client.describe_limits()["ResponseMetadata"]
    headers = answer["HTTPHeaders"]
    uuid.UUID(answer["RequestId"])
    equal(headers["x-amzn-requestid"], answer["RequestId"])
    holds(headers["x-amz-id-2"], "x-amz-id-2")
    equal(headers["content-type"], "application/x-amz-json-1.1")
    date = email.utils.parsedate_to_datetime(headers["date"])
    holds(abs(date.timestamp() - time.time()) < 30, "Date is now")
    try:
        k.client.describe_stream(StreamName="nobody-made-this")
    except k.client.exceptions.ResourceNotFoundException as error:
        told = error.response["ResponseMetadata"]
        equal(told["HTTPStatusCode"], 400)
        uuid.UUID(told["RequestId"])
        holds(told["HTTPHeaders"]["x-amz-id-2"], "x-amz-id-2 of an error")
        holds(told["RequestId"] != answer["RequestId"], "each request has its own id")


@case
def validation_lists_all(k):
    message = fails("ValidationException", k.raw().put_record,
                    StreamName="a b", Data=b"x", PartitionKey="k" * 300, ExplicitHashKey="07")
    holds(message.startswith("3 validation errors detected: "), message)
    for word in ("streamName", "partitionKey", "explicitHashKey",
                 "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                 "Member must have length less than or equal to 256"):
        holds(word in message, f"'{word}' in: {message}")
    message = fails("ValidationException", k.raw().get_records, ShardIterator="x", Limit=-1)
    holds(message.startswith("1 validation error detected: Value '-1' at 'limit' failed to "
                             "satisfy constraint: Member must have value greater than or equal "
                             "to 1"), message)
    message = fails("ValidationException", k.raw().create_stream)
    holds("Value null at 'streamName' failed to satisfy constraint: Member must not be null"
          in message or "Value at 'streamName' failed to satisfy constraint: Member must not be "
          "null" in message, message)


@case
def order_of_checks(k):
    """Validation, then combinations, then existence."""
    raw = k.raw()
    fails("ValidationException", raw.put_record, StreamName="nobody-made-this", Data=b"",
          PartitionKey="")
    fails("InvalidArgumentException", raw.get_shard_iterator, StreamName="nobody-made-this",
          ShardId="shardId-000000000000", ShardIteratorType="AT_TIMESTAMP")
    answer = send(k, "Kinesis_20131202.NoSuchOperation", b"{not json")
    equal(error_of(answer), "UnknownOperationException")


@case
def requests_by_hand(k):
    target = "Kinesis_20131202.DescribeLimits"
    equal(send(k, target, {}).status, 200)
    equal(send(k, target, {"Unknown": 1}).status, 200, "unknown members are ignored")
    broken = [
        (target, b"{", "SerializationException"),
        (target, b"[]", "SerializationException"),
        (target, b'{"a": 1', "SerializationException"),
        ("Kinesis_20131202.PutRecord", {"StreamName": 7}, "SerializationException"),
        ("Kinesis_20131202.PutRecord",
         {"StreamName": "a", "PartitionKey": "a", "Data": "%%%"}, "SerializationException"),
        ("Kinesis_20131202.", {}, "UnknownOperationException"),
        ("Nothing", {}, "UnknownOperationException"),
        ("Kinesis_20131202.describelimits", {}, "UnknownOperationException"),
    ]
    for at, body, expected in broken:
        answer = send(k, at, body)
        equal((answer.status, error_of(answer)), (400, expected), f"{at} {body}")
        uuid.UUID(answer.headers["x-amzn-RequestId"])
    answer = send(k, target, {}, content_type="text/plain")
    holds(answer.status in (400, 404, 415), f"a content type that nobody sends: {answer.status}")
    answer = send(k, target, {}, content_type="application/x-amz-json-1.0")
    equal(answer.status, 200)
    answer = send(k, target, b"{}", headers={"Expect": "100-continue"})
    equal(answer.status, 200)


@case
def stream_ids_are_ignored(k):
    """By hand: boto3 itself leaves the endpoint that it was given for a StreamId."""
    name, target = k.stream(1), "Kinesis_20131202.DescribeStreamSummary"
    of = "abcdefghijabcdefghij-xyz"
    answer = send(k, target, {"StreamName": name, "StreamId": of})
    equal(answer.status, 200, answer.data)
    equal(json.loads(answer.data)["StreamDescriptionSummary"]["StreamName"], name)
    holds(b"StreamId" not in answer.data, "a StreamId in an answer")
    equal(error_of(send(k, target, {"StreamId": of})), "InvalidArgumentException")
    equal(error_of(send(k, target, {"StreamName": name, "StreamId": "Not one"})),
          "ValidationException")


@case
def operations_that_come_later(k):
    """They are known, and say that they are not there."""
    known = set(k.client.meta.service_model.operation_names)
    later = [n for n in sorted(known)
             if "Channel" in n or "Queue" in n or n == "UpdateStreamRecordDistributionStrategy"]
    holds(len(later) >= 15, f"{len(later)} newer operations")
    for name in later:
        answer = send(k, f"Kinesis_20131202.{name}", {})
        holds(400 <= answer.status <= 501, f"{name}: status {answer.status}")
        told = json.loads(answer.data)
        holds(told["__type"], f"{name} has a type of error")
        holds(told.get("message") or told.get("Message"), f"{name} says why")


@case
def wrong_credentials(k):
    if not CHECKS_SIGNATURES:
        raise Skip("this server takes any signature")
    wrong = k.raw(aws_access_key_id="AKIAUNKNOWNUNKNOWN00", aws_secret_access_key="x" * 40)
    fails("UnrecognizedClientException", wrong.list_streams)
    known = k.client._request_signer._credentials.access_key
    wrong = k.raw(aws_access_key_id=known, aws_secret_access_key="x" * 40)
    fails("InvalidSignatureException", wrong.list_streams)
    # The signature is looked at before the body.
    fails("InvalidSignatureException", wrong.put_record, StreamName="a b", Data=b"",
          PartitionKey="")
    answer = send(k, "Kinesis_20131202.ListStreams", {}, signed=False)
    equal(error_of(answer), "MissingAuthenticationTokenException")
    equal(answer.status, 400)


@case
def clocks_that_are_wrong(k):
    if not CHECKS_SIGNATURES:
        raise Skip("this server takes any signature")
    for skew in (-3600, 3600):
        answer = send(k, "Kinesis_20131202.ListStreams", {}, skew=skew)
        equal(error_of(answer), "InvalidSignatureException", f"{skew} s")
        holds("Signature" in answer.data.decode(), answer.data)
    equal(send(k, "Kinesis_20131202.ListStreams", {}, skew=-120).status, 200)


@case
def presigned_requests(k):
    if not CHECKS_SIGNATURES:
        raise Skip("this server takes any signature")
    found = k.client._request_signer._credentials
    for secret, status in ((found.secret_key, 200), ("x" * 40, 400)):
        request = botocore.awsrequest.AWSRequest(
            "POST", f"{k.endpoint or ENDPOINT}/", data=b"{}",
            headers={"Content-Type": "application/x-amz-json-1.1",
                     "X-Amz-Target": "Kinesis_20131202.ListStreams"})
        keys = botocore.credentials.Credentials(found.access_key, secret)
        botocore.auth.SigV4QueryAuth(keys, "kinesis", REGION, expires=60).add_auth(request)
        prepared = request.prepare()
        answer = pool.request("POST", prepared.url, body=b"{}",
                              headers=dict(prepared.headers.items()))
        equal(answer.status, status, answer.data)


@case
def bodies_that_are_too_large(k):
    answer = send(k, "Kinesis_20131202.PutRecords", b"x" * (30 * 1024 * 1024))
    holds(answer.status in (400, 413), f"status {answer.status}")
    equal(send(k, "Kinesis_20131202.DescribeLimits", {}).status, 200, "the next one is served")


@case
def cloudwatch(k):
    client = make_client("cloudwatch", k.endpoint)
    metric = {"MetricName": "UserRecordsPut", "Value": 1.5, "Unit": "Count", "Timestamp": 0,
              "Dimensions": [{"Name": "StreamName", "Value": "a"}]}
    client.put_metric_data(Namespace="compat", MetricData=[metric])
    # Above 10 KiB it is compressed.
    client.put_metric_data(Namespace="compat", MetricData=[
        {**metric, "Value": float(n)} for n in range(500)])
    client.put_metric_data(Namespace="compat", MetricData=[
        {"MetricName": "m", "StatisticValues": {
            "SampleCount": 3, "Sum": 6, "Minimum": 1, "Maximum": 3}}])


@case
def caller_identity(k):
    told = make_client("sts", k.endpoint).get_caller_identity()
    equal(told["Account"], ACCOUNT)
    holds(told["Arn"].startswith("arn:aws:"), told["Arn"])
    holds(told["UserId"], "a user")
