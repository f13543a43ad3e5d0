package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

const half = "170141183460469231731687303715884105728"

func near(at *time.Time) {
	age := time.Since(*at).Abs()
	holds(age < 30*time.Second, "%v is not now", at)
}

func lifeOfAStream(k *Kit) {
	name := k.stream(2)
	told := got(k.DescribeStream(k.ctx, &kinesis.DescribeStreamInput{StreamName: name, Limit: aws.Int32(1)})).StreamDescription
	equal(*told.StreamARN, *k.arn(name), "ARN")
	equal(*told.HasMoreShards, true, "more shards")
	near(told.StreamCreationTimestamp)
	got(k.IncreaseStreamRetentionPeriod(k.ctx, &kinesis.IncreaseStreamRetentionPeriodInput{
		StreamName: name, RetentionPeriodHours: aws.Int32(48)}))
	equal(*k.wait(name).RetentionPeriodHours, 48, "retention")
	got(k.DecreaseStreamRetentionPeriod(k.ctx, &kinesis.DecreaseStreamRetentionPeriodInput{
		StreamARN: k.arn(name), RetentionPeriodHours: aws.Int32(24)}))
	k.wait(name)
	key := aws.String("alias/aws/kinesis")
	got(k.StartStreamEncryption(k.ctx, &kinesis.StartStreamEncryptionInput{
		StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: key}))
	equal(k.wait(name).EncryptionType, types.EncryptionTypeKms, "encryption")
	got(k.StopStreamEncryption(k.ctx, &kinesis.StopStreamEncryptionInput{
		StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: key}))
	equal(k.wait(name).EncryptionType, types.EncryptionTypeNone, "encryption")
	all := []types.MetricsName{types.MetricsNameAll}
	on := got(k.EnableEnhancedMonitoring(k.ctx, &kinesis.EnableEnhancedMonitoringInput{
		StreamName: name, ShardLevelMetrics: all}))
	equal(len(on.DesiredShardLevelMetrics), 7, "metrics")
	k.wait(name)
	off := got(k.DisableEnhancedMonitoring(k.ctx, &kinesis.DisableEnhancedMonitoringInput{
		StreamName: name, ShardLevelMetrics: all}))
	equal(len(off.DesiredShardLevelMetrics), 0, "metrics")
	k.wait(name)
	got(k.UpdateStreamMode(k.ctx, &kinesis.UpdateStreamModeInput{StreamARN: k.arn(name),
		StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))
	equal(k.wait(name).StreamModeDetails.StreamMode, types.StreamModeOnDemand, "mode")
	holds(*got(k.DescribeLimits(k.ctx, &kinesis.DescribeLimitsInput{})).ShardLimit > 0, "limits")
	got(k.DeleteStream(k.ctx, &kinesis.DeleteStreamInput{StreamName: name}))
	check(kinesis.NewStreamNotExistsWaiter(k, func(o *kinesis.StreamNotExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	}).Wait(k.ctx, &kinesis.DescribeStreamInput{StreamName: name}, 30*time.Second))
}

func listStreamsByPages(k *Kit) {
	mine := []*string{k.stream(1), k.stream(1), k.stream(1)}
	seen := map[string]int{}
	pages := kinesis.NewListStreamsPaginator(k, &kinesis.ListStreamsInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, name := range got(pages.NextPage(k.ctx)).StreamNames {
			seen[name]++
		}
	}
	for _, name := range mine {
		equal(seen[*name], 1, *name+" is listed once")
	}
}

func records(k *Kit) {
	name := k.stream(4)
	every := make([]byte, 256)
	for n := range every {
		every[n] = byte(n)
	}
	put := got(k.PutRecord(k.ctx, &kinesis.PutRecordInput{StreamName: name, Data: every,
		PartitionKey: aws.String("ключ-🔑"), ExplicitHashKey: aws.String("0")}))
	equal(*put.ShardId, first, "shard")
	equal(len(*put.SequenceNumber), 56, "digits")
	got(k.PutRecord(k.ctx, &kinesis.PutRecordInput{StreamName: name, Data: []byte{}, PartitionKey: aws.String("a"),
		ExplicitHashKey: aws.String("0"), SequenceNumberForOrdering: put.SequenceNumber}))
	found := k.readAll(name, first)
	holds(len(found) == 2 && bytes.Equal(found[0].Data, every) && len(found[1].Data) == 0, "every byte comes back")
	equal(*found[0].PartitionKey, "ключ-🔑", "key")
	near(found[0].ApproximateArrivalTimestamp)
	entries := []types.PutRecordsRequestEntry{}
	for n := range 500 {
		entries = append(entries, types.PutRecordsRequestEntry{
			Data: []byte(fmt.Sprint(n)), PartitionKey: aws.String(fmt.Sprint("key-", n%7))})
	}
	answer := got(k.PutRecords(k.ctx, &kinesis.PutRecordsInput{StreamName: name, Records: entries}))
	equal(*answer.FailedRecordCount, 0, "failures")
	for s := range 4 {
		expected := []string{}
		for n, put := range answer.Records {
			if *put.ShardId == shard(s) {
				expected = append(expected, fmt.Sprint(n))
			}
		}
		found := k.readAll(name, shard(s))
		if s == 0 {
			found = found[2:]
		}
		equal(texts(found), strings.Join(expected, " "), shard(s))
	}
	_, err := k.PutRecords(k.ctx, &kinesis.PutRecordsInput{StreamName: name, Records: append(entries, entries[0])})
	fails[*types.ValidationException]("ValidationException", err)
}

func iterators(k *Kit) {
	name := k.stream(1)
	numbers := []*string{}
	for n := range 4 {
		numbers = append(numbers, k.put(name, fmt.Sprint(n)).SequenceNumber)
	}
	read := func(least int, in kinesis.GetShardIteratorInput) string {
		in.StreamName = name
		return texts(k.read(k.iterator(in), least))
	}
	latest := k.iterator(kinesis.GetShardIteratorInput{StreamName: name, ShardIteratorType: types.ShardIteratorTypeLatest})
	equal(read(4, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}), "0 1 2 3", "all")
	equal(read(2, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber,
		StartingSequenceNumber: numbers[2]}), "2 3", "at")
	equal(read(1, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber,
		StartingSequenceNumber: numbers[2]}), "3", "after")
	time.Sleep(20 * time.Millisecond)
	now := time.Now()
	k.put(name, "4")
	equal(read(1, kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &now}), "4", "time")
	equal(texts(k.read(latest, 1)), "4", "latest")
	later := now.Add(time.Hour)
	_, err := k.GetShardIterator(k.ctx, &kinesis.GetShardIteratorInput{StreamName: name, ShardId: aws.String(first),
		ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &later})
	fails[*types.InvalidArgumentException]("InvalidArgumentException", err)
	_, err = k.GetRecords(k.ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String((*latest)[4:])})
	fails[*types.InvalidArgumentException]("InvalidArgumentException", err)
	_, err = k.GetShardIterator(k.ctx, &kinesis.GetShardIteratorInput{StreamName: name, ShardId: aws.String(shard(7)),
		ShardIteratorType: types.ShardIteratorTypeLatest})
	fails[*types.ResourceNotFoundException]("ResourceNotFoundException", err)
}

func splitAndMerge(k *Kit) {
	name := k.stream(1)
	k.put(name, "before")
	got(k.SplitShard(k.ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: aws.String(first),
		NewStartingHashKey: aws.String(half)}))
	k.wait(name)
	at := k.iterator(kinesis.GetShardIteratorInput{StreamName: name, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	last := got(k.GetRecords(k.ctx, &kinesis.GetRecordsInput{ShardIterator: at}))
	equal(texts(last.Records), "before", "records of the parent")
	holds(last.NextShardIterator == nil, "a closed shard ends")
	equal(len(last.ChildShards), 2, "children")
	equal(last.ChildShards[0].ParentShards[0], first, "parent")
	got(k.MergeShards(k.ctx, &kinesis.MergeShardsInput{StreamName: name, ShardToMerge: aws.String(shard(1)),
		AdjacentShardToMerge: aws.String(shard(2))}))
	k.wait(name)
	shards := []types.Shard{}
	in := &kinesis.ListShardsInput{StreamName: name, MaxResults: aws.Int32(3)}
	for in != nil {
		page := got(k.ListShards(k.ctx, in))
		shards, in = append(shards, page.Shards...), nil
		if page.NextToken != nil && len(shards) < 10 {
			in = &kinesis.ListShardsInput{NextToken: page.NextToken}
		}
	}
	equal(len(shards), 4, "shards")
	equal(*shards[3].ParentShardId+*shards[3].AdjacentParentShardId, shard(1)+shard(2), "parents")
	open := got(k.ListShards(k.ctx, &kinesis.ListShardsInput{StreamName: name,
		ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}))
	equal(len(open.Shards), 1, "open shards")
	_, err := k.SplitShard(k.ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: aws.String(shard(3)),
		NewStartingHashKey: aws.String("0")})
	fails[*types.InvalidArgumentException]("InvalidArgumentException", err)
}

func updateShardCount(k *Kit) {
	name := k.stream(2)
	answer := got(k.UpdateShardCount(k.ctx, &kinesis.UpdateShardCountInput{StreamName: name,
		TargetShardCount: aws.Int32(3), ScalingType: types.ScalingTypeUniformScaling}))
	equal(*answer.CurrentShardCount, 2, "before")
	equal(*k.wait(name).OpenShardCount, 3, "after")
}

func largeRecords(k *Kit) {
	name := k.stream(1)
	got(k.UpdateMaxRecordSize(k.ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: k.arn(name),
		MaxRecordSizeInKiB: aws.Int32(10240)}))
	equal(*k.wait(name).MaxRecordSizeInKiB, 10240, "size")
	data := make([]byte, 10*1024*1024-1)
	got(rand.Read(data))
	got(k.PutRecord(k.ctx, &kinesis.PutRecordInput{StreamName: name, Data: data, PartitionKey: aws.String("a")}))
	found := k.readAll(name, first)
	holds(len(found) == 1 && bytes.Equal(found[0].Data, data), "10 MiB come as they were")
}

func dryRuns(k *Kit) {
	name := k.stream(1)
	_, err := k.PutRecord(k.ctx, &kinesis.PutRecordInput{StreamName: name, Data: []byte("x"),
		PartitionKey: aws.String("a"), DryRun: aws.Bool(true)})
	fails[*types.DryRunOperationException]("DryRunOperationException", err)
	equal(len(k.readAll(name, first)), 0, "records")
}

func tagsAndPolicies(k *Kit) {
	name := k.stream(1)
	arn := k.arn(name)
	got(k.AddTagsToStream(k.ctx, &kinesis.AddTagsToStreamInput{StreamName: name, Tags: map[string]string{"a": "1", "b": "2"}}))
	got(k.RemoveTagsFromStream(k.ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: name, TagKeys: []string{"a"}}))
	equal(*got(k.ListTagsForStream(k.ctx, &kinesis.ListTagsForStreamInput{StreamName: name})).Tags[0].Key, "b", "tag")
	got(k.TagResource(k.ctx, &kinesis.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"c": ""}}))
	got(k.UntagResource(k.ctx, &kinesis.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"b"}}))
	tags := got(k.ListTagsForResource(k.ctx, &kinesis.ListTagsForResourceInput{ResourceARN: arn})).Tags
	equal(len(tags), 1, "tags")
	equal(*tags[0].Key+*tags[0].Value, "c", "tag")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},` +
		`"Action":"kinesis:GetRecords","Resource":"` + *arn + `"}]}`
	got(k.PutResourcePolicy(k.ctx, &kinesis.PutResourcePolicyInput{ResourceARN: arn, Policy: &policy}))
	told := got(k.GetResourcePolicy(k.ctx, &kinesis.GetResourcePolicyInput{ResourceARN: arn})).Policy
	holds(json.Valid([]byte(*told)) && strings.Contains(*told, "111111111111"), "policy %s", *told)
	got(k.DeleteResourcePolicy(k.ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: arn}))
}

func consumers(k *Kit) {
	name := k.stream(1)
	arn := k.consumer(name, "one")
	k.consumer(name, "two")
	pages := kinesis.NewListStreamConsumersPaginator(k, &kinesis.ListStreamConsumersInput{
		StreamARN: k.arn(name), MaxResults: aws.Int32(1)})
	found := 0
	for pages.HasMorePages() && found < 5 {
		found += len(got(pages.NextPage(k.ctx)).Consumers)
	}
	equal(found, 2, "consumers")
	_, err := k.RegisterStreamConsumer(k.ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: k.arn(name), ConsumerName: aws.String("one")})
	fails[*types.ResourceInUseException]("ResourceInUseException", err)
	got(k.DeregisterStreamConsumer(k.ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: arn}))
}

func accountSettings(k *Kit) {
	got(k.UpdateAccountSettings(k.ctx, &kinesis.UpdateAccountSettingsInput{
		MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{
			Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}}))
	told := got(k.DescribeAccountSettings(k.ctx, &kinesis.DescribeAccountSettingsInput{})).MinimumThroughputBillingCommitment
	equal(told.Status, types.MinimumThroughputBillingCommitmentOutputStatusEnabled, "commitment")
	name := k.newName()
	got(k.CreateStream(k.ctx, &kinesis.CreateStreamInput{StreamName: name,
		StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))
	equal(*k.wait(name).OpenShardCount, 4, "shards on demand")
	warm := got(k.UpdateStreamWarmThroughput(k.ctx, &kinesis.UpdateStreamWarmThroughputInput{
		StreamName: name, WarmThroughputMiBps: aws.Int32(30)}))
	equal(*warm.WarmThroughput.TargetMiBps, 30, "warm throughput")
}

func errorShapes(k *Kit) {
	name := k.stream(1)
	_, err := k.CreateStream(k.ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
	fails[*types.ResourceInUseException]("ResourceInUseException", err)
	_, err = k.DescribeStream(k.ctx, &kinesis.DescribeStreamInput{})
	fails[*types.InvalidArgumentException]("InvalidArgumentException", err)
	_, err = k.DescribeStream(k.ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("nobody-made-this")})
	fails[*types.ResourceNotFoundException]("ResourceNotFoundException", err)
	_, err = k.PutRecord(k.ctx, &kinesis.PutRecordInput{StreamName: aws.String("a b"), Data: []byte("x"),
		PartitionKey: aws.String(strings.Repeat("k", 300)), ExplicitHashKey: aws.String("07")})
	holds(err != nil && strings.Contains(err.Error(), "3 validation errors detected: "), "all are listed: %v", err)
}

func wrongCredentials(k *Kit) {
	if !checksSignatures {
		panic(skip("this server takes any signature"))
	}
	known := got(settings(k.ctx).Credentials.Retrieve(k.ctx)).AccessKeyID
	for key, code := range map[string]string{
		known: "InvalidSignatureException", "AKIAUNKNOWNUNKNOWN00": "UnrecognizedClientException"} {
		wrong := newClient(k.ctx, func(o *kinesis.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(key, strings.Repeat("x", 40), "")
		})
		_, err := wrong.ListStreams(k.ctx, &kinesis.ListStreamsInput{})
		fails[smithy.APIError](code, err)
	}
}

func otherServices(k *Kit) {
	loaded := settings(k.ctx)
	identity := got(sts.NewFromConfig(loaded).GetCallerIdentity(k.ctx, &sts.GetCallerIdentityInput{}))
	equal(*identity.Account, account, "account")
	metric := cwtypes.MetricDatum{MetricName: aws.String("m"), Value: aws.Float64(1), Timestamp: aws.Time(time.Now())}
	metrics := []cwtypes.MetricDatum{}
	for range 500 {
		metrics = append(metrics, metric)
	}
	client := cloudwatch.NewFromConfig(loaded)
	got(client.PutMetricData(k.ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("compat"), MetricData: metrics[:1]}))
	got(client.PutMetricData(k.ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("compat"), MetricData: metrics}))
}
