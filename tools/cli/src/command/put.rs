//! `millstream put`: lines, or a whole input, become records.

mod stall;

use std::{
    io::Read,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use millstream_client::{Producer, ProducerOptions, ProducerStats};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    arguments::{Global, Output},
    connection,
    failure::Failure,
    input::{Block, BlockError, BlockReader, Input, Lines},
    key::{self, Delimiter, KeyRule, RandomKeys},
    output,
    progress::Progress,
    quantity,
    signals::Signals,
};

const LONG_ABOUT: &str = "\
Puts records into a stream: one record a line, from a file or from standard input.

Each line becomes a record without its newline, byte for byte; it need not be UTF-8. The last
line needs no newline, and an empty line is a record without data. The partition key decides
the shard: records of one key keep their order. Without --key or --key-field every record gets
a random key, so that records spread evenly over the shards.

A line whose key field is missing, empty, not UTF-8 or over 256 characters, or that is over the
record limit, ends the put with an error that names the line; the lines before it are put.

Puts are retried while the server is away, and a retried record is still written once. When it
is interrupted (Ctrl-C), the whole lines that it has read are put and the exit code is 1.

The summary tells records, bytes (of data), records/s, MB/s and how many records were retried.
The exit code is 0 only if every record was acknowledged.";

const EXAMPLES: &str = "\
Examples:
  millstream put logs access.log                    one record a line, random keys
  millstream put logs access.log --key-field 1      the first word of each line is its key
  millstream put orders orders.csv --key-field 2 --delimiter ,
  journalctl -f -o cat | millstream put journal --key $(hostname)
  millstream put images cat.png --raw --key cats    the whole file is one record
  millstream --output json put logs access.log      the summary as JSON";

/// Put lines (or a whole input) into a stream
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct PutArguments {
    /// The stream
    #[arg(value_name = "NAME")]
    pub(crate) stream: String,
    /// The input; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
    /// One partition key for all records
    #[arg(long, value_name = "KEY", conflicts_with = "key_field")]
    pub(crate) key: Option<String>,
    /// Take the partition key from this field of each line; the first is 1
    #[arg(long, value_name = "N")]
    pub(crate) key_field: Option<NonZeroUsize>,
    /// The character between fields (\t is a tab); a run of white space if not given, and then
    /// white space at the beginning of the line is skipped
    #[arg(long, value_name = "C", requires = "key_field")]
    pub(crate) delimiter: Option<Delimiter>,
    /// Put the whole input as one record
    #[arg(long, conflicts_with = "key_field")]
    pub(crate) raw: bool,
    /// How long a record is tried again while the server is away, such as 30s, 5m or 0s
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::quantity::parse_duration)]
    pub(crate) retry_for: Duration,
}

/// Blocks that are read ahead of the one being put.
const BLOCKS_AHEAD: usize = 3;

/// Runs the command.
///
/// # Errors
/// When not every record was acknowledged.
pub(crate) async fn run(global: &Global, arguments: PutArguments) -> Result<(), Failure> {
    let rule = arguments.key_rule()?;
    let input = Input::open(&arguments.file)?;
    if input.from_terminal && !global.quiet {
        eprintln!("reading records from the terminal, one a line; end with Ctrl-D");
    }
    let client = connection::connect_for(global, arguments.retry_for).await?;
    let map = client.shard_map(&arguments.stream).await?;
    let options = ProducerOptions {
        retry_for: Some(arguments.retry_for),
        ..ProducerOptions::default()
    };
    let producer = client.producer(&arguments.stream, options).await?;
    let mut put = Put {
        name: input.name.clone(),
        rule,
        limit: map.max_record_bytes as usize,
        progress: Progress::new(!global.quiet, input.len),
        taken: Arc::default(),
        producer,
        records: 0,
        bytes: 0,
    };
    let mut signals = Signals::new()?;
    let begun = Instant::now();
    let stall = stall::watch(put.producer.clone(), Arc::clone(&put.taken));
    let sent = tokio::select! {
        sent = put.all(input, arguments.raw) => sent,
        _ = signals.next() => Err(Failure::Interrupted),
    };
    // What was taken is finished; who does not want to wait for that asks again.
    let at_once = signals.end_at_once();
    let stats = put.producer.close().await?;
    at_once.abort();
    stall.abort();
    put.progress.finish();
    let summary = Summary {
        records: put.records,
        bytes: put.bytes,
        elapsed: begun.elapsed(),
        stats,
    };
    summary.print(global)?;
    sent.and_then(|()| summary.outcome())
}

impl PutArguments {
    fn key_rule(&self) -> Result<KeyRule, Failure> {
        if let Some(key) = &self.key {
            if key.is_empty() {
                return Err(Failure::Usage(
                    "--key is empty, and a partition key must not be; leave it out for random keys"
                        .to_owned(),
                ));
            }
            if !key::fits(key) {
                return Err(Failure::Usage(format!(
                    "--key has more than {} characters, the most that a partition key may have",
                    key::MAX_KEY_CHARS
                )));
            }
            return Ok(KeyRule::Fixed(key.clone()));
        }
        Ok(match self.key_field {
            Some(number) => KeyRule::Field {
                number,
                delimiter: self.delimiter.clone().unwrap_or(Delimiter::WhiteSpace),
            },
            None => KeyRule::Random(RandomKeys::new()),
        })
    }
}

/// A put under way.
struct Put {
    /// The input, for errors.
    name: String,
    rule: KeyRule,
    /// Most bytes of data and key in a record.
    limit: usize,
    producer: Producer,
    progress: Progress,
    /// Records given to the producer, for who watches it.
    taken: Arc<AtomicU64>,
    /// The same.
    records: u64,
    /// Their data.
    bytes: u64,
}

impl Put {
    async fn all(&mut self, input: Input, raw: bool) -> Result<(), Failure> {
        if raw {
            self.whole(input).await
        } else {
            self.lines(input).await
        }
    }

    /// One record a line.
    async fn lines(&mut self, input: Input) -> Result<(), Failure> {
        let (filled, mut blocks) = mpsc::channel(BLOCKS_AHEAD);
        let (used, empty) = std::sync::mpsc::channel::<Block>();
        let mut reader = BlockReader::new(input.reader, self.limit);
        std::thread::spawn(move || {
            loop {
                let mut block = empty.try_recv().unwrap_or_default();
                let next = reader.next(&mut block).map(|more| more.then_some(block));
                let last = !matches!(next, Ok(Some(_)));
                if filled.blocking_send(next).is_err() || last {
                    return;
                }
            }
        });
        while let Some(block) = blocks.recv().await {
            let block = match block {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(BlockError::Io(source)) => return Err(self.input_failed(source)),
                Err(error @ BlockError::LineTooLong { .. }) => {
                    return Err(self.bad_line(error.to_string()));
                }
            };
            self.block(block.bytes()).await?;
            if self.any_lost() {
                break;
            }
            // The reader may have ended, and needs no more room then.
            let _ = used.send(block);
        }
        Ok(())
    }

    async fn block(&mut self, block: &[u8]) -> Result<(), Failure> {
        for line in Lines::of(block) {
            let key = match self.rule.key(line) {
                Ok(key) => key,
                Err(error) => return Err(self.bad_line(error.to_string())),
            };
            let bytes = key.len() + line.len();
            if bytes > self.limit {
                let limit = self.limit;
                return Err(self.bad_line(format!(
                    "the line and its key are {bytes} bytes, the most that a record may have is {limit}"
                )));
            }
            self.producer.send_detached(key, line).await?;
            self.took(line.len());
        }
        let records = format_args!("{} records", self.records);
        self.progress.advance(block.len() as u64, records);
        Ok(())
    }

    /// The whole input as one record.
    async fn whole(&mut self, input: Input) -> Result<(), Failure> {
        let most = self.limit as u64 + 1;
        let read = tokio::task::spawn_blocking(move || {
            let mut data = Vec::new();
            input.reader.take(most).read_to_end(&mut data).map(|_| data)
        });
        let data = match read.await.map_err(std::io::Error::other).flatten() {
            Ok(data) => data,
            Err(source) => return Err(self.input_failed(source)),
        };
        let key = self
            .rule
            .key(&data)
            .map_err(|e| Failure::Usage(e.to_string()))?;
        if key.len() + data.len() > self.limit {
            return Err(Failure::TooLarge {
                name: self.name.clone(),
                limit: self.limit,
            });
        }
        self.producer.send_detached(key, &data).await?;
        self.took(data.len());
        Ok(())
    }

    fn took(&mut self, data: usize) {
        self.records += 1;
        self.bytes += data as u64;
        self.taken.store(self.records, Ordering::Relaxed);
    }

    /// Whether a record will not be acknowledged, so that going on only makes the hole larger.
    fn any_lost(&self) -> bool {
        let stats = self.producer.stats();
        stats.refused + stats.unknown > 0
    }

    fn input_failed(&self, source: std::io::Error) -> Failure {
        Failure::Input {
            name: self.name.clone(),
            source,
        }
    }

    /// The line after those that were put.
    fn bad_line(&self, reason: String) -> Failure {
        Failure::Line {
            name: self.name.clone(),
            line: self.records + 1,
            reason,
        }
    }
}

/// What a put came to.
struct Summary {
    /// Records given to the producer.
    records: u64,
    /// Their data.
    bytes: u64,
    elapsed: Duration,
    stats: ProducerStats,
}

impl Summary {
    fn print(&self, global: &Global) -> Result<(), Failure> {
        let ProducerStats {
            acknowledged,
            refused,
            unknown,
            retried,
            ..
        } = self.stats;
        let seconds = self.elapsed.as_secs_f64();
        let records_per_second = quantity::per_second(acknowledged, self.elapsed);
        // How much of the data was acknowledged is known only where all of it was.
        let complete = acknowledged == self.records;
        let megabytes_per_second =
            complete.then(|| quantity::per_second(self.bytes, self.elapsed) / 1e6);
        if global.output == Output::Json {
            return output::print_json(&json!({
                "records": self.records,
                "acknowledged": acknowledged,
                "refused": refused,
                "unknown": unknown,
                "retried": retried,
                "bytes": self.bytes,
                "seconds": seconds,
                "records_per_second": records_per_second,
                "megabytes_per_second": megabytes_per_second,
            }));
        }
        if global.quiet {
            return Ok(());
        }
        let records = quantity::counted(self.records, "record");
        let of = if complete {
            records
        } else {
            format!("{acknowledged} of {records}")
        };
        let megabytes = megabytes_per_second
            .map(|rate| format!(" {rate:.1} MB/s,"))
            .unwrap_or_default();
        output::print(format_args!(
            "put {of}, {} in {seconds:.3} s: {records_per_second:.0} records/s,{megabytes} {retried} retried",
            quantity::counted(self.bytes, "byte"),
        ))
    }

    fn outcome(&self) -> Result<(), Failure> {
        let ProducerStats {
            refused,
            unknown,
            acknowledged,
            ..
        } = self.stats;
        if refused + unknown == 0 && acknowledged == self.records {
            return Ok(());
        }
        let cause = match &self.stats.first_error {
            Some(error) => format!("; the first: {error}"),
            None => String::new(),
        };
        Err(Failure::NotAcknowledged(format!(
            "of {}, {acknowledged} acknowledged, {refused} not written, {unknown} perhaps written{cause}",
            quantity::counted(self.records, "record"),
        )))
    }
}
