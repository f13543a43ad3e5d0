"""boto3: the whole of the API, JSON over HTTP/1.1."""

import boto3_errors
import boto3_fanout
import boto3_governance
import boto3_records
import boto3_shards
import boto3_streams
from kinesis import Kinesis
from suite import run

MODULES = [boto3_errors, boto3_fanout, boto3_governance, boto3_records, boto3_shards,
           boto3_streams]

if __name__ == "__main__":
    run(Kinesis)
