// AWS SDK for JavaScript 3, with the handler that it has for Kinesis: HTTP/2 with prior knowledge.

import assert from "node:assert/strict";
import { randomBytes, createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudWatch } from "@aws-sdk/client-cloudwatch";
import * as sdk from "@aws-sdk/client-kinesis";
import { STS } from "@aws-sdk/client-sts";

const setting = (name, otherwise) => process.env[name] || otherwise;
const endpoint = setting("KINESIS_ENDPOINT", "http://127.0.0.1:4567");
const region = setting("AWS_REGION", "us-east-1");
const account = setting("AWS_ACCOUNT_ID", "000000000000");
const checksSignatures = setting("KINESIS_CHECKS_SIGNATURES", "0") === "1";

const operations = new Set();
const run = Math.floor(Date.now() / 100).toString(36);
const FIRST = shard(0);
const TOP = 2n ** 128n - 1n;
const utf8 = (bytes) => Buffer.from(bytes).toString("utf8");
const bytes = (text) => Buffer.from(text, "utf8");

function shard(number) {
  return `shardId-${String(number).padStart(12, "0")}`;
}

// Tries once, so that each error is seen, and each success counted.
function makeClient(settings = {}) {
  const made = new sdk.Kinesis({ endpoint, region, maxAttempts: 1, ...settings });
  const count = (next, context) => async (args) => {
    const answer = await next(args);
    operations.add(context.commandName.replace(/Command$/, ""));
    assert(!("StreamId" in (answer.output ?? {})), "an answer with a StreamId");
    return answer;
  };
  made.middlewareStack.add(count, { step: "initialize", name: "count" });
  return made;
}

const client = makeClient();

class Skip extends Error {}

class Context {
  constructor(name) {
    this.name = name;
    this.streams = [];
  }

  newName() {
    const name = `js.${this.name}.${run}.${this.streams.length}`;
    this.streams.push(name);
    return name;
  }

  async stream(ShardCount = 1, settings = {}) {
    const name = this.newName();
    await client.createStream({ StreamName: name, ShardCount, ...settings });
    await this.wait(name);
    return name;
  }

  arn(name) {
    return `arn:aws:kinesis:${region}:${account}:stream/${name}`;
  }

  async summary(StreamName) {
    return (await client.describeStreamSummary({ StreamName })).StreamDescriptionSummary;
  }

  async wait(name) {
    await eventually(`${name} is ACTIVE`, async () => (await this.summary(name)).StreamStatus === "ACTIVE");
    return this.summary(name);
  }

  async iterator(StreamName, ShardIteratorType = "TRIM_HORIZON", settings = {}) {
    const answer = await client.getShardIterator({ StreamName, ShardId: FIRST, ShardIteratorType, ...settings });
    return answer.ShardIterator;
  }

  async read(iterator, least = 0) {
    const records = [];
    const end = Date.now() + 30_000;
    while (iterator) {
      const answer = await client.getRecords({ ShardIterator: iterator });
      records.push(...answer.Records);
      iterator = answer.NextShardIterator;
      if (answer.Records.length === 0 && answer.MillisBehindLatest === 0 && records.length >= least) break;
      assert(Date.now() < end, `${records.length} records after 30 s, not ${least}`);
    }
    return records;
  }

  async readAll(name, ShardId = FIRST) {
    return this.read(await this.iterator(name, "TRIM_HORIZON", { ShardId }));
  }

  async put(StreamName, text, settings = {}) {
    return client.putRecord({ StreamName, Data: bytes(text), PartitionKey: "a", ...settings });
  }

  async consumer(name, ConsumerName = "one") {
    const made = await client.registerStreamConsumer({ StreamARN: this.arn(name), ConsumerName });
    const { ConsumerARN } = made.Consumer;
    await eventually("the consumer is ACTIVE", async () => {
      const told = await client.describeStreamConsumer({ ConsumerARN });
      return told.ConsumerDescription.ConsumerStatus === "ACTIVE";
    });
    return ConsumerARN;
  }

  async cleanUp() {
    for (const StreamName of this.streams) {
      // The case may have deleted it, or never made it.
      await client.deleteStream({ StreamName, EnforceConsumerDeletion: true }).catch(() => {});
    }
  }
}

async function eventually(what, probe, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (!(await probe())) {
    assert(Date.now() < end, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

async function fails(name, promise) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.name, name, error.message);
    assert.equal(error.$metadata?.httpStatusCode, 400, error.message);
    assert(error.$metadata.requestId, "an error without a request id");
    if (sdk[name]) assert(error instanceof sdk[name], `${name} has its class`);
    return error;
  }
  assert.fail(`expected ${name}, but it succeeded`);
}

// Events of one subscription, as they come.
class Events {
  constructor(answer) {
    this.events = [];
    this.error = undefined;
    this.ended = false;
    this.stream = answer.EventStream;
    this.read();
  }

  static async from(ConsumerARN, StartingPosition, ShardId = FIRST) {
    return new Events(await client.subscribeToShard({ ConsumerARN, ShardId, StartingPosition }));
  }

  async read() {
    try {
      for await (const event of this.stream) {
        if (event.SubscribeToShardEvent) this.events.push(event.SubscribeToShardEvent);
        else this.error = Object.values(event)[0];
        if (this.closed) break;
      }
    } catch (error) {
      this.error = error;
    }
    this.ended = true;
  }

  get texts() {
    return this.events.flatMap((event) => event.Records).map((record) => utf8(record.Data));
  }

  async await(count) {
    await eventually(`${count} records`, () => this.texts.length >= count || this.ended, 15);
    return this.texts;
  }

  close() {
    this.closed = true;
  }
}

const cases = {
  async speaks_http2() {
    const kind = client.config.requestHandler.constructor.name;
    assert.equal(kind, "NodeHttp2Handler");
    const { $metadata } = await client.describeLimits({});
    assert.equal($metadata.httpStatusCode, 200);
    assert.match($metadata.requestId, /^[0-9a-f-]{36}$/);
  },

  async life_of_a_stream(k) {
    const StreamName = await k.stream(2);
    const StreamARN = k.arn(StreamName);
    const told = (await client.describeStream({ StreamName, Limit: 1 })).StreamDescription;
    assert.equal(told.StreamARN, StreamARN);
    assert.equal(told.HasMoreShards, true);
    assert(told.StreamCreationTimestamp instanceof Date);
    assert(Math.abs(told.StreamCreationTimestamp - Date.now()) < 30_000, "created now");
    await client.increaseStreamRetentionPeriod({ StreamName, RetentionPeriodHours: 48 });
    assert.equal((await k.wait(StreamName)).RetentionPeriodHours, 48);
    await client.decreaseStreamRetentionPeriod({ StreamARN, RetentionPeriodHours: 24 });
    await k.wait(StreamName);
    const kms = { StreamName, EncryptionType: "KMS", KeyId: "alias/aws/kinesis" };
    await client.startStreamEncryption(kms);
    assert.equal((await k.wait(StreamName)).EncryptionType, "KMS");
    await client.stopStreamEncryption(kms);
    assert.equal((await k.wait(StreamName)).EncryptionType, "NONE");
    const on = await client.enableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ["ALL"] });
    assert.equal(on.DesiredShardLevelMetrics.length, 7);
    await k.wait(StreamName);
    const off = await client.disableEnhancedMonitoring({ StreamName, ShardLevelMetrics: ["ALL"] });
    assert.deepEqual(off.DesiredShardLevelMetrics, []);
    await k.wait(StreamName);
    await client.updateStreamMode({ StreamARN, StreamModeDetails: { StreamMode: "ON_DEMAND" } });
    assert.equal((await k.wait(StreamName)).StreamModeDetails.StreamMode, "ON_DEMAND");
    await client.deleteStream({ StreamName });
    await sdk.waitUntilStreamNotExists({ client, maxWaitTime: 30, minDelay: 1 }, { StreamName });
    await fails("ResourceNotFoundException", client.describeStream({ StreamName }));
  },

  async list_streams_by_pages(k) {
    const names = [await k.stream(), await k.stream(), await k.stream()];
    const seen = [];
    for await (const page of sdk.paginateListStreams({ client, pageSize: 2 }, {})) seen.push(...page.StreamNames);
    for (const name of names) assert(seen.includes(name), `${name} is listed`);
    assert.equal(new Set(seen).size, seen.length, "each once");
    const page = await client.listStreams({ Limit: 1 });
    assert.equal(page.StreamSummaries[0].StreamName, page.StreamNames[0]);
  },

  async records(k) {
    const StreamName = await k.stream();
    const every = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    const put = await client.putRecord({ StreamName, Data: every, PartitionKey: "ключ-🔑" });
    assert.equal(put.SequenceNumber.length, 56);
    await client.putRecord({ StreamName, Data: new Uint8Array(), PartitionKey: "empty",
      SequenceNumberForOrdering: put.SequenceNumber });
    const found = await k.readAll(StreamName);
    assert.deepEqual(Buffer.from(found[0].Data), every);
    assert.equal(found[0].PartitionKey, "ключ-🔑");
    assert.equal(found[1].Data.length, 0);
    assert(Math.abs(found[0].ApproximateArrivalTimestamp - Date.now()) < 30_000);
  },

  async put_records_in_order(k) {
    const StreamName = await k.stream(4);
    const Records = Array.from({ length: 500 }, (_, n) => ({ Data: bytes(`${n}`), PartitionKey: `key-${n % 7}` }));
    const answer = await client.putRecords({ StreamName, Records });
    assert.equal(answer.FailedRecordCount, 0);
    const { Shards } = await client.listShards({ StreamName });
    Records.forEach((record, n) => {
      const hash = BigInt(`0x${createHash("md5").update(record.PartitionKey).digest("hex")}`);
      const at = Shards.find((s) => BigInt(s.HashKeyRange.EndingHashKey) >= hash);
      assert.equal(answer.Records[n].ShardId, at.ShardId);
    });
    for (const { ShardId } of Shards) {
      const expected = Records.map((r) => utf8(r.Data)).filter((_, n) => answer.Records[n].ShardId === ShardId);
      const found = await k.readAll(StreamName, ShardId);
      assert.deepEqual(found.map((r) => utf8(r.Data)), expected);
    }
    await fails("ValidationException", client.putRecords({ StreamName, Records: [...Records, Records[0]] }));
    const high = await k.put(StreamName, "x", { ExplicitHashKey: `${TOP}` });
    assert.equal(high.ShardId, shard(3));
  },

  async iterators(k) {
    const StreamName = await k.stream();
    const numbers = [];
    for (const n of [0, 1, 2, 3]) numbers.push((await k.put(StreamName, `${n}`)).SequenceNumber);
    const latest = await k.iterator(StreamName, "LATEST");
    const read = async (type, settings, least) =>
      (await k.read(await k.iterator(StreamName, type, settings), least)).map((r) => Number(utf8(r.Data)));
    assert.deepEqual(await read("TRIM_HORIZON", {}, 4), [0, 1, 2, 3]);
    assert.deepEqual(await read("AT_SEQUENCE_NUMBER", { StartingSequenceNumber: numbers[2] }, 2), [2, 3]);
    assert.deepEqual(await read("AFTER_SEQUENCE_NUMBER", { StartingSequenceNumber: numbers[2] }, 1), [3]);
    await sleep(20);
    const Timestamp = new Date();
    await k.put(StreamName, "4");
    // The SDK writes times with their milliseconds.
    assert.deepEqual(await read("AT_TIMESTAMP", { Timestamp }, 1), [4]);
    assert.deepEqual((await k.read(latest, 1)).map((r) => utf8(r.Data)), ["4"]);
    const future = { Timestamp: new Date(Date.now() + 3_600_000) };
    await fails("InvalidArgumentException", k.iterator(StreamName, "AT_TIMESTAMP", future));
    await fails("InvalidArgumentException", client.getRecords({ ShardIterator: latest.slice(0, -4) }));
    await fails("ValidationException", client.getRecords({ ShardIterator: latest, Limit: 10_001 }));
    await fails("ResourceNotFoundException", k.iterator(StreamName, "LATEST", { ShardId: shard(7) }));
    const page = await client.getRecords({ ShardIterator: await k.iterator(StreamName), Limit: 2 });
    assert.equal(page.Records.length, 2);
  },

  async split_and_merge(k) {
    const StreamName = await k.stream();
    await k.put(StreamName, "before");
    const half = `${2n ** 127n}`;
    await client.splitShard({ StreamName, ShardToSplit: FIRST, NewStartingHashKey: half });
    await k.wait(StreamName);
    const last = await client.getRecords({ ShardIterator: await k.iterator(StreamName) });
    assert.equal(last.NextShardIterator, undefined);
    assert.deepEqual(last.ChildShards.map((c) => c.ParentShards), [[FIRST], [FIRST]]);
    await client.mergeShards({ StreamName, ShardToMerge: shard(1), AdjacentShardToMerge: shard(2) });
    await k.wait(StreamName);
    const { Shards } = await client.listShards({ StreamName });
    assert.deepEqual(Shards.map((s) => [s.ParentShardId, s.AdjacentParentShardId]),
      [[undefined, undefined], [FIRST, undefined], [FIRST, undefined], [shard(1), shard(2)]]);
    const open = await client.listShards({ StreamName, ShardFilter: { Type: "AT_LATEST" } });
    assert.deepEqual(open.Shards.map((s) => s.ShardId), [shard(3)]);
    await fails("InvalidArgumentException",
      client.splitShard({ StreamName, ShardToSplit: shard(3), NewStartingHashKey: "0" }));
  },

  async update_shard_count(k) {
    const StreamName = await k.stream(2);
    const settings = { StreamName, ScalingType: "UNIFORM_SCALING" };
    const answer = await client.updateShardCount({ ...settings, TargetShardCount: 3 });
    assert.deepEqual([answer.CurrentShardCount, answer.TargetShardCount], [2, 3]);
    assert.equal((await k.wait(StreamName)).OpenShardCount, 3);
    const found = [];
    for await (const page of sdk.paginateListShards?.({ client, pageSize: 2 }, { StreamName }) ?? []) {
      found.push(...page.Shards);
    }
    if (sdk.paginateListShards) assert(found.length >= 5);
  },

  async large_records(k) {
    const StreamName = await k.stream();
    const Data = randomBytes(10 * 1024 * 1024 - 1);
    await client.updateMaxRecordSize({ StreamARN: k.arn(StreamName), MaxRecordSizeInKiB: 10240 });
    assert.equal((await k.wait(StreamName)).MaxRecordSizeInKiB, 10240);
    await client.putRecord({ StreamName, Data, PartitionKey: "a" });
    const [found] = await k.readAll(StreamName);
    assert(Data.equals(Buffer.from(found.Data)), "10 MiB come as they were");
  },

  async many_at_once(k) {
    // All on one connection: HTTP/2 has a stream for each.
    const StreamName = await k.stream(2);
    const puts = Array.from({ length: 100 }, (_, n) => k.put(StreamName, `${n}`, { PartitionKey: `${n}` }));
    const answers = await Promise.all(puts);
    assert.equal(new Set(answers.map((a) => a.ShardId + a.SequenceNumber)).size, 100);
    const found = [...(await k.readAll(StreamName)), ...(await k.readAll(StreamName, shard(1)))];
    assert.equal(found.length, 100);
  },

  async dry_runs(k) {
    const StreamName = await k.stream();
    await fails("DryRunOperationException", k.put(StreamName, "x", { DryRun: true }));
    assert.deepEqual(await k.readAll(StreamName), []);
  },

  async fan_out(k) {
    const StreamName = await k.stream();
    await k.put(StreamName, "0");
    const { SequenceNumber } = await k.put(StreamName, "1");
    const horizon = await Events.from(await k.consumer(StreamName, "a"), { Type: "TRIM_HORIZON" });
    const after = await Events.from(await k.consumer(StreamName, "b"),
      { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber });
    const latest = await Events.from(await k.consumer(StreamName, "c"), { Type: "LATEST" });
    await eventually("a first event", () => latest.events.length > 0, 15);
    await k.put(StreamName, "2");
    assert.deepEqual(await horizon.await(3), ["0", "1", "2"]);
    assert.deepEqual(await after.await(1), ["2"]);
    assert.deepEqual(await latest.await(1), ["2"]);
    const count = latest.events.length;
    await eventually("events of an idle shard", () => latest.events.length > count, 15);
    const beat = latest.events.at(-1);
    assert.deepEqual(beat.Records, []);
    assert(beat.ContinuationSequenceNumber);
    await k.put(StreamName, "3");
    const again = await Events.from(await k.consumer(StreamName, "d"),
      { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber: beat.ContinuationSequenceNumber });
    assert.deepEqual(await again.await(1), ["3"]);
    for (const events of [horizon, after, latest, again]) events.close();
  },

  async fan_out_ends_with_children(k) {
    const StreamName = await k.stream();
    const consumer = await k.consumer(StreamName);
    const events = await Events.from(consumer, { Type: "TRIM_HORIZON" });
    await k.put(StreamName, "x");
    assert.deepEqual(await events.await(1), ["x"]);
    await client.splitShard({ StreamName, ShardToSplit: FIRST, NewStartingHashKey: `${2n ** 127n}` });
    await eventually("it ends", () => events.ended, 15);
    assert.equal(events.error, undefined);
    const last = events.events.at(-1);
    assert.equal(last.ContinuationSequenceNumber, undefined);
    assert.equal(last.ChildShards.length, 2);
  },

  async fan_out_is_refused(k) {
    const StreamName = await k.stream();
    const consumer = await k.consumer(StreamName);
    const first = await Events.from(consumer, { Type: "LATEST" });
    await fails("ResourceInUseException", Events.from(consumer, { Type: "LATEST" }));
    await fails("ResourceNotFoundException", Events.from(consumer, { Type: "LATEST" }, shard(5)));
    await sleep(5300);
    const second = await Events.from(consumer, { Type: "LATEST" });
    await eventually("the newer one takes over", () => first.ended, 15);
    assert.equal(first.error?.name, "ResourceInUseException", `${first.error}`);
    await k.put(StreamName, "x");
    assert.deepEqual(await second.await(1), ["x"]);
    second.close();
  },

  async tags_and_policies(k) {
    const StreamName = await k.stream();
    const ResourceARN = k.arn(StreamName);
    await client.addTagsToStream({ StreamName, Tags: { a: "1", b: "2" } });
    await client.removeTagsFromStream({ StreamName, TagKeys: ["a"] });
    assert.deepEqual((await client.listTagsForStream({ StreamName })).Tags, [{ Key: "b", Value: "2" }]);
    await client.tagResource({ ResourceARN, Tags: { c: "3" } });
    await client.untagResource({ ResourceARN, TagKeys: ["b"] });
    assert.deepEqual((await client.listTagsForResource({ ResourceARN })).Tags, [{ Key: "c", Value: "3" }]);
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow",
      Principal: { AWS: "111111111111" }, Action: "kinesis:GetRecords", Resource: ResourceARN }] });
    await client.putResourcePolicy({ ResourceARN, Policy });
    const told = await client.getResourcePolicy({ ResourceARN });
    assert.deepEqual(JSON.parse(told.Policy), JSON.parse(Policy));
    await client.deleteResourcePolicy({ ResourceARN });
  },

  async consumers(k) {
    const StreamName = await k.stream();
    const StreamARN = k.arn(StreamName);
    const arn = await k.consumer(StreamName, "one");
    await k.consumer(StreamName, "two");
    const names = [];
    for await (const page of sdk.paginateListStreamConsumers({ client, pageSize: 1 }, { StreamARN })) {
      names.push(...page.Consumers.map((c) => c.ConsumerName));
      assert(names.length <= 2, "pages without an end");
    }
    assert.deepEqual(names.sort(), ["one", "two"]);
    await fails("ResourceInUseException", client.registerStreamConsumer({ StreamARN, ConsumerName: "one" }));
    await fails("ResourceInUseException", client.deleteStream({ StreamName }));
    await client.deregisterStreamConsumer({ ConsumerARN: arn });
  },

  async account_settings(k) {
    const MinimumThroughputBillingCommitment = { Status: "ENABLED" };
    await client.updateAccountSettings({ MinimumThroughputBillingCommitment });
    const told = await client.describeAccountSettings({});
    assert.equal(told.MinimumThroughputBillingCommitment.Status, "ENABLED");
    assert(told.MinimumThroughputBillingCommitment.EarliestAllowedEndAt > new Date());
    const StreamName = k.newName();
    await client.createStream({ StreamName, StreamModeDetails: { StreamMode: "ON_DEMAND" } });
    assert.equal((await k.wait(StreamName)).OpenShardCount, 4);
    const warm = await client.updateStreamWarmThroughput({ StreamName, WarmThroughputMiBps: 30 });
    assert.equal(warm.WarmThroughput.TargetMiBps, 30);
  },

  async errors(k) {
    const StreamName = await k.stream();
    await fails("ResourceInUseException", client.createStream({ StreamName, ShardCount: 1 }));
    await fails("InvalidArgumentException", client.describeStream({}));
    const error = await fails("ValidationException",
      k.put("a b", "x", { PartitionKey: "k".repeat(300), ExplicitHashKey: "07" }));
    assert.match(error.message, /^3 validation errors detected: /);
  },

  async wrong_credentials() {
    if (!checksSignatures) throw new Skip("this server takes any signature");
    const accessKeyId = process.env.AWS_ACCESS_KEY_ID;
    const secretAccessKey = "x".repeat(40);
    let wrong = makeClient({ credentials: { accessKeyId, secretAccessKey } });
    await fails("InvalidSignatureException", wrong.listStreams({}));
    wrong.destroy();
    wrong = makeClient({ credentials: { accessKeyId: "AKIAUNKNOWNUNKNOWN00", secretAccessKey } });
    await fails("UnrecognizedClientException", wrong.listStreams({}));
    wrong.destroy();
  },

  async other_services() {
    const identity = await new STS({ endpoint, region, maxAttempts: 1 }).getCallerIdentity({});
    assert.equal(identity.Account, account);
    const metric = { MetricName: "m", Value: 1, Timestamp: new Date() };
    const cloudwatch = new CloudWatch({ endpoint, region, maxAttempts: 1 });
    await cloudwatch.putMetricData({ Namespace: "compat", MetricData: [metric] });
    await cloudwatch.putMetricData({ Namespace: "compat", MetricData: Array(500).fill(metric) });
  },
};

const words = process.argv.slice(2);
let ran = 0, failed = 0, skipped = 0;
for (const [name, body] of Object.entries(cases)) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  ran += 1;
  const context = new Context(name.replaceAll("_", "-"));
  const start = Date.now();
  let verdict = "ok", reason = "";
  try {
    await body(context);
  } catch (error) {
    verdict = error instanceof Skip ? "skip" : "FAIL";
    reason = `: ${`${error.name}: ${error.message}`.split("\n").slice(0, 12).join(" ").slice(0, 400)}`;
    if (verdict === "skip") skipped += 1;
    else failed += 1;
    console.error(name, error);
  }
  const seconds = ((Date.now() - start) / 1000).toFixed(2);
  console.log(`${verdict.padEnd(4)} ${seconds.padStart(6)} s  ${name}${reason}`);
  await context.cleanUp();
}
const names = [...operations].sort().join(",");
console.log(`compat: cases=${ran} failed=${failed} skipped=${skipped} operations=${names}`);
process.exit(failed === 0 ? 0 : 1);
