package main

import (
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Events of one subscription, as they come.
type events struct {
	stream *kinesis.SubscribeToShardEventStream
	mutex  sync.Mutex
	all    []types.SubscribeToShardEvent
	ended  bool
	err    error
}

func (k *Kit) subscribe(consumer *string, shardID string, from types.StartingPosition) (*events, error) {
	answer, err := k.SubscribeToShard(k.ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: consumer, ShardId: &shardID, StartingPosition: &from})
	if err != nil {
		return nil, err
	}
	e := &events{stream: answer.GetStream()}
	go func() {
		for event := range e.stream.Events() {
			if told, is := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); is {
				e.mutex.Lock()
				e.all = append(e.all, told.Value)
				e.mutex.Unlock()
			}
		}
		e.mutex.Lock()
		e.ended, e.err = true, e.stream.Err()
		e.mutex.Unlock()
	}()
	return e, nil
}

func (e *events) seen() ([]types.SubscribeToShardEvent, bool) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.all, e.ended
}

func (e *events) records() []types.Record {
	all, _ := e.seen()
	records := []types.Record{}
	for _, event := range all {
		records = append(records, event.Records...)
	}
	return records
}

func (e *events) await(count int) string {
	eventually("records of a subscription", 15, func() bool {
		_, ended := e.seen()
		return ended || len(e.records()) >= count
	})
	return texts(e.records())
}

func (e *events) awaitEnd() error {
	eventually("a subscription ends", 15, func() bool {
		_, ended := e.seen()
		return ended
	})
	return e.err
}

func (e *events) awaitEvents(count int) types.SubscribeToShardEvent {
	eventually("events of an idle shard", 15, func() bool {
		all, _ := e.seen()
		return len(all) >= count
	})
	all, _ := e.seen()
	return all[len(all)-1]
}

var (
	horizon = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	latest  = types.StartingPosition{Type: types.ShardIteratorTypeLatest}
)

func fanOut(k *Kit) {
	name := k.stream(1)
	k.put(name, "0")
	number := k.put(name, "1").SequenceNumber
	all := got(k.subscribe(k.consumer(name, "a"), first, horizon))
	after := got(k.subscribe(k.consumer(name, "b"), first, types.StartingPosition{
		Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: number}))
	end := got(k.subscribe(k.consumer(name, "c"), first, latest))
	end.awaitEvents(1)
	k.put(name, "2")
	equal(all.await(3), "0 1 2", "from the horizon")
	equal(after.await(1), "2", "after a number")
	equal(end.await(1), "2", "from the end")
	near(all.records()[0].ApproximateArrivalTimestamp)
	count, _ := end.seen()
	beat := end.awaitEvents(len(count) + 1)
	equal(len(beat.Records), 0, "records of an idle shard")
	check(end.stream.Close())
	k.put(name, "3")
	again := got(k.subscribe(k.consumer(name, "d"), first, types.StartingPosition{
		Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: beat.ContinuationSequenceNumber}))
	equal(again.await(1), "3", "after the continuation")
	for _, e := range []*events{all, after, again} {
		check(e.stream.Close())
	}
}

func fanOutEndsWithChildren(k *Kit) {
	name := k.stream(1)
	k.put(name, "x")
	e := got(k.subscribe(k.consumer(name, "one"), first, horizon))
	equal(e.await(1), "x", "records of the parent")
	got(k.SplitShard(k.ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: aws.String(first),
		NewStartingHashKey: aws.String(half)}))
	check(e.awaitEnd())
	all, _ := e.seen()
	last := all[len(all)-1]
	holds(last.ContinuationSequenceNumber == nil, "there is nowhere to go on")
	equal(len(last.ChildShards), 2, "children")
}

func fanOutIsRefused(k *Kit) {
	name := k.stream(1)
	consumer := k.consumer(name, "one")
	one := got(k.subscribe(consumer, first, latest))
	_, err := k.subscribe(consumer, first, latest)
	fails[*types.ResourceInUseException]("ResourceInUseException", err)
	_, err = k.subscribe(consumer, shard(5), latest)
	fails[*types.ResourceNotFoundException]("ResourceNotFoundException", err)
	time.Sleep(5300 * time.Millisecond)
	two := got(k.subscribe(consumer, first, latest))
	fails[*types.ResourceInUseException]("ResourceInUseException", one.awaitEnd())
	k.put(name, "x")
	equal(two.await(1), "x", "of the newer one")
	check(two.stream.Close())
}
