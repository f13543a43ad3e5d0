//! `millstream get`: records of a stream on standard output.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use millstream_client::{
    Client, Error, ErrorCode, FollowOptions, Follower, Position, ReadBatch, Reader,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    arguments::Global,
    connection,
    failure::Failure,
    format::{Format, RecordFormatter},
    progress::Progress,
    quantity,
    shard_name::{parse_shard, shard_name},
    signals::Signals,
    sink::{self, Sink},
    start::Start,
};

const LONG_ABOUT: &str = "\
Reads records of a stream to standard output.

All shards are read at the same time unless --shard names one. Records of one shard (and so of
one partition key) come in order; shards are interleaved by whole batches, in no order. Without
--follow it ends at the end that each shard had when it began; with --follow it waits for more
until it is interrupted.

raw writes the data of each record and a newline. json writes one object a line:
  {\"shard\":\"shardId-000000000000\",\"sequence\":17,\"timestamp\":\"2026-11-23T14:30:00.123Z\",
   \"partition_key\":\"alice\",\"data\":\"alice logged in\"}
with \"data_base64\" in place of \"data\" where the data is not UTF-8.

Damaged records are told on standard error and skipped; the exit code is then 1. When all is
read, records, bytes (of data) and rates are told on standard error.";

const EXAMPLES: &str = "\
Examples:
  millstream get logs                               everything that is kept
  millstream get logs --follow --from latest        what comes from now on
  millstream get logs --limit 10 --format json
  millstream get logs --shard 2 --from at:1000000   one shard, from a sequence number on
  millstream get logs --from time:2026-11-23T14:30:00Z
  millstream get logs --format json | jq -r .partition_key | sort | uniq -c";

/// Read records of a stream
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct GetArguments {
    /// The stream
    #[arg(value_name = "NAME")]
    pub(crate) stream: String,
    /// One shard only: its index, or its name such as shardId-000000000000
    #[arg(long, value_name = "ID", value_parser = parse_shard)]
    pub(crate) shard: Option<u32>,
    /// Where to start in each shard: oldest, latest, at:SEQUENCE, after:SEQUENCE, time:RFC3339
    #[arg(long, value_name = "WHERE", default_value = "oldest")]
    pub(crate) from: Start,
    /// Wait for more records at the end
    #[arg(long)]
    pub(crate) follow: bool,
    /// Stop after this many records
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// How records are written
    #[arg(long, value_enum, default_value_t = Format::Raw)]
    pub(crate) format: Format,
}

/// Shards that are read at the same time when nothing is followed: each reads ahead.
const SHARDS_AT_A_TIME: usize = 16;
/// Bytes that the server may send ahead, over all shards that are followed.
const FOLLOW_BYTES: u64 = 64 << 20;
/// The same for one shard, at least and at most.
const SHARD_FOLLOW_BYTES: (u64, u64) = (64 << 10, 8 << 20);
/// Most shards that are followed at the same time: each has a connection of its own.
const SHARDS_FOLLOWED: usize = 500;
/// How often the progress is looked at.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Runs the command.
///
/// # Errors
/// The server's, the output's, or when records are damaged.
pub(crate) async fn run(global: &Global, arguments: GetArguments) -> Result<(), Failure> {
    let client = connection::connect(global).await?;
    let stream = client.describe_stream(&arguments.stream).await?;
    let mut shards: Vec<(u32, u64)> = stream
        .shards
        .iter()
        .map(|shard| (shard.shard.index, shard.end))
        .collect();
    if let Some(wanted) = arguments.shard {
        shards.retain(|(index, _)| *index == wanted);
        if shards.is_empty() {
            return Err(Failure::NoShard {
                stream: arguments.stream,
                index: wanted,
                shards: stream.shards.len(),
            });
        }
    }
    if arguments.follow && shards.len() > SHARDS_FOLLOWED {
        return Err(Failure::Usage(format!(
            "stream {} has {} shards, at most {SHARDS_FOLLOWED} are followed at the same time; name one with --shard, or share them out over processes",
            arguments.stream,
            shards.len()
        )));
    }
    let begun = Instant::now();
    let (sink, writer) = sink::start(std::io::stdout());
    let totals = Arc::new(Totals::new(arguments.limit));
    let reading = Arc::new(Semaphore::new(SHARDS_AT_A_TIME));
    let mut tasks = JoinSet::new();
    // Before the first record is shown: whoever has seen one may ask for the end.
    let signals = Signals::new()?;
    for &(index, end) in &shards {
        let read = ShardRead {
            client: client.clone(),
            stream: arguments.stream.clone(),
            index,
            formatter: RecordFormatter::new(arguments.format, index),
            sink: sink.clone(),
            totals: Arc::clone(&totals),
            next: None,
        };
        let start = position(arguments.from);
        if arguments.follow {
            let share = FOLLOW_BYTES / shards.len() as u64;
            let credit = share.clamp(SHARD_FOLLOW_BYTES.0, SHARD_FOLLOW_BYTES.1);
            tasks.spawn(read.follow(start, credit));
        } else {
            tasks.spawn(read.up_to(start, end, Arc::clone(&reading)));
        }
    }
    drop(sink);
    let read = wait(global, tasks, &totals, signals).await;
    let written = tokio::task::spawn_blocking(|| writer.finish())
        .await
        .unwrap_or_else(|error| Err(error.into()));
    written.map_err(Failure::Output)?;
    if !global.quiet {
        totals.tell(begun.elapsed());
    }
    read?;
    match totals.damaged.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(Failure::Damaged(
            "some records are damaged, see above; `millstream verify` on the data directory tells more"
                .to_owned(),
        )),
    }
}

fn position(start: Start) -> Position {
    match start {
        Start::Oldest => Position::Oldest,
        Start::Latest => Position::AfterLatest,
        Start::At(sequence) => Position::At(sequence),
        Start::After(sequence) => Position::After(sequence),
        Start::Time(ms) => Position::AtTime(ms),
    }
}

/// Waits until all shards are read, the first fails, or the user has had enough.
async fn wait(
    global: &Global,
    mut tasks: JoinSet<Result<(), Failure>>,
    totals: &Totals,
    mut signals: Signals,
) -> Result<(), Failure> {
    // Where the records themselves go to a terminal, a bar would only be in their way.
    let to_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let mut progress = Progress::new(!global.quiet && !to_terminal, None);
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    let mut shown = 0;
    let result = loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => break Ok(()),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => break Err(failure),
                Some(Err(error)) => break Err(Failure::System {
                    doing: "reading a shard",
                    source: std::io::Error::other(error),
                }),
            },
            _ = tick.tick() => {
                let (records, bytes) = totals.read();
                progress.advance(bytes - shown, format_args!("{records} records"));
                shown = bytes;
            }
            _ = signals.next() => break Ok(()),
        }
    };
    // Whoever asks again does not want to wait for the output either.
    signals.end_at_once();
    progress.finish();
    tasks.shutdown().await;
    result
}

/// What all shards share.
#[derive(Debug)]
struct Totals {
    /// Records that may still be written.
    left: AtomicU64,
    /// Whether none may be, for those who wait for more.
    full: watch::Sender<bool>,
    records: AtomicU64,
    bytes: AtomicU64,
    damaged: AtomicBool,
}

impl Totals {
    fn new(limit: Option<u64>) -> Totals {
        Totals {
            left: AtomicU64::new(limit.unwrap_or(u64::MAX)),
            full: watch::Sender::new(limit == Some(0)),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            damaged: AtomicBool::new(false),
        }
    }

    /// Takes up to `count` records off the limit; how many.
    fn claim(&self, count: u64) -> u64 {
        let claim = |left: u64| Some(left - left.min(count));
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
            .unwrap_or(0);
        if before <= count {
            self.full.send_replace(true);
        }
        before.min(count)
    }

    fn limit_reached(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    fn add(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.records), load(&self.bytes))
    }

    fn tell(&self, elapsed: Duration) {
        let (records, bytes) = self.read();
        eprintln!(
            "got {}, {} in {:.3} s: {:.0} records/s, {:.1} MB/s",
            quantity::counted(records, "record"),
            quantity::counted(bytes, "byte"),
            elapsed.as_secs_f64(),
            quantity::per_second(records, elapsed),
            quantity::per_second(bytes, elapsed) / 1e6,
        );
    }
}

/// Whether to go on with a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Stop,
}

/// The reading of one shard.
struct ShardRead {
    client: Client,
    stream: String,
    index: u32,
    formatter: RecordFormatter,
    sink: Sink,
    totals: Arc<Totals>,
    /// Sequence number that comes next, once a record has been read.
    next: Option<u64>,
}

impl ShardRead {
    /// Reads up to `end`.
    async fn up_to(
        mut self,
        start: Position,
        end: u64,
        reading: Arc<Semaphore>,
    ) -> Result<(), Failure> {
        let Ok(_turn) = reading.acquire().await else {
            return Ok(());
        };
        let mut reader: Reader = self.client.reader(&self.stream, self.index, start);
        while self.next.is_none_or(|next| next < end) && !self.totals.limit_reached() {
            match reader.next_batch().await {
                Ok(None) => break,
                Ok(Some(batch)) => {
                    if self.batch(&batch, end).await? == Go::Stop {
                        break;
                    }
                }
                Err(error) => match self.around(error)? {
                    Some(resume) if resume < end => {
                        let position = Position::At(resume);
                        reader = self.client.reader(&self.stream, self.index, position);
                    }
                    _ => break,
                },
            }
        }
        Ok(())
    }

    /// Reads what is there and what comes.
    async fn follow(mut self, mut start: Position, credit: u64) -> Result<(), Failure> {
        let mut full = self.totals.full.subscribe();
        loop {
            let options = FollowOptions { credit };
            let follower = self
                .client
                .follow(&self.stream, self.index, start, options)
                .await;
            let mut follower: Follower = match follower {
                Ok(follower) => follower,
                Err(error) => match self.around(error)? {
                    Some(resume) => {
                        start = Position::At(resume);
                        continue;
                    }
                    None => return Ok(()),
                },
            };
            let error = loop {
                let next = tokio::select! {
                    next = follower.next_batch() => next,
                    _ = full.wait_for(|full| *full) => Ok(None),
                };
                match next {
                    Ok(None) => return Ok(()),
                    Ok(Some(batch)) => {
                        if self.batch(&batch, u64::MAX).await? == Go::Stop {
                            follower.stop().await;
                            return Ok(());
                        }
                    }
                    Err(error) => break error,
                }
            };
            match self.around(error)? {
                Some(resume) => start = Position::At(resume),
                None => return Ok(()),
            }
        }
    }

    /// Writes the records of a batch that are before `end`.
    async fn batch(&mut self, batch: &ReadBatch, end: u64) -> Result<Go, Failure> {
        let first = batch.first();
        if first >= end {
            return Ok(Go::Stop);
        }
        if let Some(next) = self.next.filter(|next| *next < first) {
            eprintln!(
                "note: {}: records {next} to {} are not kept: past retention, or numbers that were skipped when the server had not been stopped cleanly",
                shard_name(self.index),
                first - 1,
            );
        }
        let wanted = batch.end().min(end) - first;
        let claimed = self.totals.claim(wanted);
        let mut chunk = self.sink.buffer();
        let mut bytes = 0;
        for record in batch
            .records()
            .take(usize::try_from(claimed).unwrap_or(usize::MAX))
        {
            let record = record?;
            let (key, data) = (record.record.key, record.record.data);
            self.formatter
                .write(&mut chunk, record.sequence, record.time_ms, key, data);
            bytes += data.len() as u64;
        }
        self.next = Some(batch.end());
        self.totals.add(claimed, bytes);
        let stop = claimed < wanted || self.totals.limit_reached() || batch.end() >= end;
        match self.sink.write(chunk).await {
            Ok(()) if !stop => Ok(Go::On),
            // The writer tells why the output has stopped.
            _ => Ok(Go::Stop),
        }
    }

    /// Tells of damage; where reading can go on, if it can.
    fn around(&mut self, error: Error) -> Result<Option<u64>, Failure> {
        let (damage, resume) = match &error {
            Error::Server(answer) if answer.code == ErrorCode::Damaged => {
                (answer, Some(answer.detail).filter(|at| *at != u64::MAX))
            }
            Error::Server(answer) if answer.code == ErrorCode::ShardLost => (answer, None),
            _ => return Err(error.into()),
        };
        self.totals.damaged.store(true, Ordering::Relaxed);
        eprintln!(
            "damaged: {}: {}",
            shard_name(self.index),
            crate::table::printable(&damage.message)
        );
        // What is skipped was told; it is not to be told again as a gap.
        self.next = resume;
        Ok(resume)
    }
}

#[cfg(test)]
mod tests;
