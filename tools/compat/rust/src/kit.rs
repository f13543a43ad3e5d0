//! What a case works with: a client, streams of its own, and what is read from them.

use std::{
    collections::BTreeSet,
    env, fmt,
    future::Future,
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_kinesis::{
    Client,
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{ConsumerStatus, Record, ShardIteratorType, StreamDescriptionSummary, StreamStatus},
};

pub const FIRST: &str = "shardId-000000000000";

/// Operations that were answered with success.
pub static OPERATIONS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

#[derive(Debug)]
pub enum Trouble {
    Skipped(&'static str),
    Failed(String),
}

pub type Outcome<T = ()> = Result<T, Trouble>;

pub fn holds(condition: bool, what: impl fmt::Display) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Trouble::Failed(what.to_string()))
    }
}

pub fn equal<T: PartialEq + fmt::Debug>(found: T, expected: T, what: &str) -> Outcome {
    let same = found == expected;
    holds(
        same,
        format_args!("{what}: expected {expected:?}, found {found:?}"),
    )
}

/// What may be missing in an answer, and is not to be.
pub fn there<T>(value: Option<T>, what: &str) -> Outcome<T> {
    value.ok_or_else(|| Trouble::Failed(format!("{what} is missing")))
}

/// Waits for an answer that has to be a success, and notes the operation.
pub async fn ok<T, E: fmt::Debug>(
    operation: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Outcome<T> {
    let answer = call.await;
    let answer = answer.map_err(|error| Trouble::Failed(format!("{operation}: {error:?}")))?;
    if let Ok(mut names) = OPERATIONS.lock() {
        names.insert(operation.to_owned());
    }
    Ok(answer)
}

/// Waits for an answer that has to be this error; its message.
pub async fn fails<T: fmt::Debug, E: ProvideErrorMetadata + fmt::Debug>(
    code: &str,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Outcome<String> {
    match call.await {
        Ok(answer) => Err(Trouble::Failed(format!(
            "expected {code}, found {answer:?}"
        ))),
        Err(error) => {
            equal(error.code(), Some(code), &format!("{error:?}"))?;
            let status = error
                .raw_response()
                .map(|response| response.status().as_u16());
            equal(status, Some(400), "status")?;
            Ok(there(error.message(), "a message")?.to_owned())
        }
    }
}

pub fn setting(name: &str, otherwise: &str) -> String {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| otherwise.to_owned())
}

pub async fn settings() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(setting("KINESIS_ENDPOINT", "http://127.0.0.1:4567"))
        .region(Region::new(setting("AWS_REGION", "us-east-1")))
        // Once, so that each error is seen.
        .retry_config(RetryConfig::disabled())
        .load()
        .await
}

pub fn shard(number: u32) -> String {
    format!("shardId-{number:012}")
}

pub fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.data().as_ref()).into_owned();
    records.iter().map(text).collect()
}

pub struct Kit {
    pub client: Client,
    name: String,
    streams: Vec<String>,
}

impl Kit {
    pub async fn new(name: &str) -> Kit {
        // A server that runs on keeps the streams of the time before.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Kit {
            client: Client::new(&settings().await),
            name: format!(
                "rust.{}.{:x}",
                name.replace('_', "-"),
                now.as_millis() / 100 % 100_000_000
            ),
            streams: Vec::new(),
        }
    }

    pub async fn as_other(key: &str) -> Client {
        let credentials = Credentials::new(key, "x".repeat(40), None, None, "wrong");
        let config = aws_sdk_kinesis::config::Builder::from(&settings().await);
        Client::from_conf(config.credentials_provider(credentials).build())
    }

    pub fn new_name(&mut self) -> String {
        let name = format!("{}.{}", self.name, self.streams.len());
        self.streams.push(name.clone());
        name
    }

    pub async fn stream(&mut self, shards: i32) -> Outcome<String> {
        let name = self.new_name();
        let create = self
            .client
            .create_stream()
            .stream_name(&name)
            .shard_count(shards);
        ok("CreateStream", create.send()).await?;
        self.wait(&name).await?;
        Ok(name)
    }

    pub fn arn(&self, name: &str) -> String {
        let region = setting("AWS_REGION", "us-east-1");
        let account = setting("AWS_ACCOUNT_ID", "000000000000");
        format!("arn:aws:kinesis:{region}:{account}:stream/{name}")
    }

    /// Until the stream is ACTIVE again; its summary.
    pub async fn wait(&self, name: &str) -> Outcome<StreamDescriptionSummary> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let ask = self.client.describe_stream_summary().stream_name(name);
            let answer = ok("DescribeStreamSummary", ask.send()).await?;
            let summary = there(answer.stream_description_summary, "a summary")?;
            holds(summary.stream_id().is_none(), "an answer with a StreamId")?;
            if summary.stream_status == StreamStatus::Active {
                return Ok(summary);
            }
            holds(
                Instant::now() < end,
                format_args!("{name} is not ACTIVE after 30 s"),
            )?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Puts a record; its number.
    pub async fn put(&self, name: &str, data: &str) -> Outcome<String> {
        let put = self
            .client
            .put_record()
            .stream_name(name)
            .partition_key("a");
        let answer = ok("PutRecord", put.data(Blob::new(data)).send()).await?;
        Ok(answer.sequence_number)
    }

    pub async fn iterator(
        &self,
        name: &str,
        shard: &str,
        kind: ShardIteratorType,
    ) -> Outcome<String> {
        let ask = self
            .client
            .get_shard_iterator()
            .stream_name(name)
            .shard_id(shard);
        let answer = ok("GetShardIterator", ask.shard_iterator_type(kind).send()).await?;
        there(answer.shard_iterator, "an iterator")
    }

    /// Records from an iterator on, until the end, and as many as are known to be there.
    pub async fn read(&self, iterator: String, least: usize) -> Outcome<Vec<Record>> {
        let end = Instant::now() + Duration::from_secs(30);
        let (mut records, mut next) = (Vec::new(), Some(iterator));
        while let Some(iterator) = next {
            let ask = self.client.get_records().shard_iterator(iterator);
            let answer = ok("GetRecords", ask.send()).await?;
            let at_end = answer.records.is_empty() && answer.millis_behind_latest == Some(0);
            records.extend(answer.records);
            if at_end && records.len() >= least {
                break;
            }
            holds(
                Instant::now() < end,
                format_args!("{} records, not {least}", records.len()),
            )?;
            next = answer.next_shard_iterator;
        }
        Ok(records)
    }

    pub async fn read_all(&self, name: &str, shard: &str) -> Outcome<Vec<Record>> {
        let iterator = self
            .iterator(name, shard, ShardIteratorType::TrimHorizon)
            .await?;
        self.read(iterator, 0).await
    }

    /// A consumer that is ACTIVE; its ARN.
    pub async fn consumer(&self, name: &str, consumer: &str) -> Outcome<String> {
        let register = self
            .client
            .register_stream_consumer()
            .stream_arn(self.arn(name));
        let made = ok(
            "RegisterStreamConsumer",
            register.consumer_name(consumer).send(),
        )
        .await?;
        let arn = there(made.consumer, "a consumer")?.consumer_arn;
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let ask = self.client.describe_stream_consumer().consumer_arn(&arn);
            let told = ok("DescribeStreamConsumer", ask.send())
                .await?
                .consumer_description;
            if there(told, "a consumer")?.consumer_status == ConsumerStatus::Active {
                return Ok(arn);
            }
            holds(
                Instant::now() < end,
                "the consumer is not ACTIVE after 30 s",
            )?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn clean_up(&self) {
        for name in &self.streams {
            // The case may have deleted it, or never made it.
            let delete = self.client.delete_stream().stream_name(name);
            let _ = delete.enforce_consumer_deletion(true).send().await;
        }
    }
}
