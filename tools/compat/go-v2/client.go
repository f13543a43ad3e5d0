// The suite of the AWS SDK for Go 2: JSON over HTTP/1.1, and its event stream.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
)

const first = "shardId-000000000000"

var (
	endpoint         = setting("KINESIS_ENDPOINT", "http://127.0.0.1:4567")
	account          = setting("AWS_ACCOUNT_ID", "000000000000")
	region           = setting("AWS_REGION", "us-east-1")
	checksSignatures = setting("KINESIS_CHECKS_SIGNATURES", "0") == "1"
	// A server that runs on keeps the streams of the time before.
	run = fmt.Sprintf("%x", time.Now().UnixMilli()/100%100_000_000)
)

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func shard(number int) string { return fmt.Sprintf("shardId-%012d", number) }

// Operations that were answered with success.
type touched struct {
	mutex sync.Mutex
	names map[string]bool
}

var operations = touched{names: map[string]bool{}}

func (t *touched) list() string {
	names := []string{}
	for name := range t.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ",")
}

// Counts what succeeds, at the outermost step.
func count(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil && awsmiddleware.GetServiceID(ctx) == "Kinesis" {
			operations.mutex.Lock()
			operations.names[awsmiddleware.GetOperationName(ctx)] = true
			operations.mutex.Unlock()
		}
		return out, metadata, err
	}), middleware.After)
}

func settings(ctx context.Context) aws.Config {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithBaseEndpoint(endpoint),
		config.WithRetryMaxAttempts(1))
	if err != nil {
		panic(err)
	}
	return loaded
}

func newClient(ctx context.Context, options ...func(*kinesis.Options)) *kinesis.Client {
	options = append(options, kinesis.WithAPIOptions(count))
	return kinesis.NewFromConfig(settings(ctx), options...)
}

// Kit is what a case works with. Whatever does not hold ends the case by a panic.
type Kit struct {
	*kinesis.Client
	ctx     context.Context
	name    string
	streams []string
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func got[T any](value T, err error) T {
	check(err)
	return value
}

func holds(condition bool, format string, arguments ...any) {
	if !condition {
		panic(fmt.Errorf(format, arguments...))
	}
}

func equal[T comparable](found, expected T, what string) {
	holds(found == expected, "%s: expected %v, found %v", what, expected, found)
}

// An error of the API with this code, and of this type where the model has one.
func fails[T error](code string, err error) {
	holds(err != nil, "expected %s, but it succeeded", code)
	var api smithy.APIError
	holds(errors.As(err, &api), "expected %s, found %v", code, err)
	equal(api.ErrorCode(), code, err.Error())
	holds(api.ErrorMessage() != "", "%s came without a message", code)
	var typed T
	holds(errors.As(err, &typed), "%s was given as %T", code, err)
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		equal(response.HTTPStatusCode(), 400, "status of "+code)
	}
}

func eventually(what string, seconds int, probe func() bool) {
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for !probe() {
		holds(time.Now().Before(end), "not within %d s: %s", seconds, what)
		time.Sleep(50 * time.Millisecond)
	}
}

func (k *Kit) newName() *string {
	name := fmt.Sprintf("go.%s.%s.%d", k.name, run, len(k.streams))
	k.streams = append(k.streams, name)
	return &name
}

func (k *Kit) stream(shards int32) *string {
	name := k.newName()
	_, err := k.CreateStream(k.ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: &shards})
	check(err)
	k.wait(name)
	return name
}

func (k *Kit) arn(name *string) *string {
	return aws.String("arn:aws:kinesis:" + region + ":" + account + ":stream/" + *name)
}

func (k *Kit) summary(name *string) *types.StreamDescriptionSummary {
	answer := got(k.DescribeStreamSummary(k.ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name}))
	return answer.StreamDescriptionSummary
}

func (k *Kit) wait(name *string) *types.StreamDescriptionSummary {
	eventually(*name+" is ACTIVE", 30, func() bool {
		return k.summary(name).StreamStatus == types.StreamStatusActive
	})
	return k.summary(name)
}

func (k *Kit) put(name *string, data string) *kinesis.PutRecordOutput {
	return got(k.PutRecord(k.ctx, &kinesis.PutRecordInput{
		StreamName: name, Data: []byte(data), PartitionKey: aws.String("a")}))
}

func (k *Kit) iterator(in kinesis.GetShardIteratorInput) *string {
	if in.ShardId == nil {
		in.ShardId = aws.String(first)
	}
	return got(k.GetShardIterator(k.ctx, &in)).ShardIterator
}

// Records from an iterator on, until the end, and as many as are known to be there.
func (k *Kit) read(iterator *string, least int) []types.Record {
	records := []types.Record{}
	end := time.Now().Add(30 * time.Second)
	for iterator != nil {
		answer := got(k.GetRecords(k.ctx, &kinesis.GetRecordsInput{ShardIterator: iterator}))
		records = append(records, answer.Records...)
		iterator = answer.NextShardIterator
		if len(answer.Records) == 0 && *answer.MillisBehindLatest == 0 && len(records) >= least {
			break
		}
		holds(time.Now().Before(end), "%d records after 30 s, not %d", len(records), least)
	}
	return records
}

func (k *Kit) readAll(name *string, shardID string) []types.Record {
	return k.read(k.iterator(kinesis.GetShardIteratorInput{StreamName: name, ShardId: &shardID,
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon}), 0)
}

func texts(records []types.Record) string {
	found := []string{}
	for _, record := range records {
		found = append(found, string(record.Data))
	}
	return strings.Join(found, " ")
}

func (k *Kit) consumer(name *string, consumer string) *string {
	made := got(k.RegisterStreamConsumer(k.ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: k.arn(name), ConsumerName: &consumer}))
	eventually("the consumer is ACTIVE", 30, func() bool {
		told := got(k.DescribeStreamConsumer(k.ctx, &kinesis.DescribeStreamConsumerInput{
			ConsumerARN: made.Consumer.ConsumerARN}))
		return told.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	})
	return made.Consumer.ConsumerARN
}

func (k *Kit) cleanUp() {
	for _, name := range k.streams {
		// The case may have deleted it, or never made it.
		_, _ = k.DeleteStream(k.ctx, &kinesis.DeleteStreamInput{
			StreamName: &name, EnforceConsumerDeletion: aws.Bool(true)})
	}
}
