//! A server of the protocol in memory, with faults on demand, and checks of what it holds.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use millstream_client::{ClientOptions, HashKey, HashRange};
use millstream_format::{BATCH_HEADER_LEN, BatchHeader, BatchLimits, RawBody, ShardRouter, Stamp};
use millstream_wire::{
    BatchResult, BatchesAnswer, Chunk, DEFAULT_FRAME_LIMIT, ErrorAnswer, ErrorCode,
    FRAME_HEADER_LEN, FrameHeader, Position, PutAnswer, PutGroup, Request, Response, ShardEntry,
    ShardMap,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

pub const STREAM: &str = "stream";

/// What happens to a PutBatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The connection ends before it is done.
    LoseRequest,
    /// The connection ends after it was done.
    LoseAnswer,
    /// It is refused.
    Refuse(ErrorCode),
    /// It is done, and answered with an error that says so little.
    DoneBut(ErrorCode),
    /// The shard forgets all producers first.
    Forget,
    /// There is never an answer.
    Silence,
}

pub type Plan = Box<dyn FnMut(&mut Random) -> Fault + Send>;

/// A small generator, so that a failure can be repeated.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

#[derive(Default)]
struct ProducerState {
    next: u64,
    taken: HashMap<u64, (u64, u32)>,
}

pub struct FakeShard {
    pub entry: ShardEntry,
    /// Stored batches with their headers.
    pub batches: Vec<(BatchHeader, Vec<u8>)>,
    pub end: u64,
    producers: HashMap<u64, ProducerState>,
}

pub struct State {
    pub shards: Vec<FakeShard>,
    /// Shards that the map no longer has, with what they hold.
    pub retired: Vec<FakeShard>,
    pub map_version: u64,
    pub plan: Plan,
    pub random: Random,
    pub exists: bool,
    /// Drops a follow's connection after so many chunks.
    pub drop_follow_after: Option<usize>,
    /// Flips a bit in what is read.
    pub corrupt: bool,
    pub max_unpaid: i64,
    next_id: u64,
}

impl State {
    fn reshard(&mut self, shards: u32) {
        self.map_version += 1;
        let ranges = HashRange::even(shards);
        let fresh = (0..).zip(ranges).map(|(index, range)| FakeShard {
            entry: ShardEntry {
                id: self.next_id + u64::from(index),
                index,
                range,
            },
            batches: Vec::new(),
            end: 0,
            producers: HashMap::new(),
        });
        let fresh: Vec<_> = fresh.collect();
        self.next_id += u64::from(shards);
        self.retired.append(&mut self.shards);
        self.shards = fresh;
    }

    fn map(&self) -> ShardMap {
        ShardMap {
            stream: 1,
            version: self.map_version,
            max_record_bytes: 1 << 20,
            total: self.shards.len() as u32,
            shards: self.shards.iter().map(|shard| shard.entry).collect(),
        }
    }
}

pub struct FakeServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeServer {
    pub async fn start(shards: u32, seed: u64, plan: Plan) -> FakeServer {
        let mut state = State {
            shards: Vec::new(),
            retired: Vec::new(),
            map_version: 0,
            plan,
            random: Random(seed | 1),
            exists: true,
            drop_follow_after: None,
            corrupt: false,
            max_unpaid: 0,
            next_id: 1,
        };
        state.reshard(shards);
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, state.clone()));
        FakeServer {
            address,
            state,
            task,
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn reshard(&self, shards: u32) {
        self.state().reshard(shards);
    }

    /// Every record of every shard in order: key and data. Retired shards first.
    pub fn records(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.state();
        let mut all = Vec::new();
        for shard in state.retired.iter().chain(&state.shards) {
            for (header, bytes) in &shard.batches {
                let raw = RawBody::new(header, &bytes[BATCH_HEADER_LEN..]).unwrap();
                for record in raw.records() {
                    let record = record.unwrap();
                    assert!(shard.entry.range.contains(record.as_record().hash_key()));
                    all.push((record.key.to_owned(), record.data.to_vec()));
                }
            }
        }
        all
    }
}

/// Options whose pauses suit a test.
pub fn quick() -> ClientOptions {
    ClientOptions {
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(8),
        retry_for: Duration::from_secs(1),
        // So long that a wake-up that is missed cannot hide behind it.
        answer_timeout: Duration::from_secs(3600),
        ..ClientOptions::default()
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, state.clone()));
    }
}

async fn read_frame(stream: &mut OwnedReadHalf) -> Option<(FrameHeader, Vec<u8>, Vec<u8>)> {
    let mut header = [0; FRAME_HEADER_LEN];
    stream.read_exact(&mut header).await.ok()?;
    let header = FrameHeader::decode(&header, DEFAULT_FRAME_LIMIT).unwrap();
    let mut meta = vec![0; header.meta_len];
    stream.read_exact(&mut meta).await.ok()?;
    header.verify(&meta).unwrap();
    let mut payload = vec![0; header.payload_len];
    stream.read_exact(&mut payload).await.ok()?;
    Some((header, meta, payload))
}

async fn answer(
    stream: &mut OwnedWriteHalf,
    correlation: u64,
    response: &Response,
    payload: &[u8],
) -> Option<()> {
    let mut bytes = Vec::new();
    response
        .encode(correlation, payload.len(), &mut bytes)
        .unwrap();
    bytes.extend_from_slice(payload);
    stream.write_all(&bytes).await.ok()
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let (mut read, mut write) = stream.into_split();
    let (header, meta, _) = read_frame(&mut read).await?;
    let Ok(Request::Hello(hello)) = Request::decode(header.opcode, &meta) else {
        panic!("the first frame is not a Hello");
    };
    let hello_ok = Response::HelloOk {
        version: hello.max_version,
        frame_limit: hello.frame_limit,
        window: 8,
        server: "fake".to_owned(),
    };
    answer(&mut write, header.correlation, &hello_ok, &[]).await?;
    loop {
        let (header, meta, payload) = read_frame(&mut read).await?;
        let request = Request::decode(header.opcode, &meta).unwrap();
        if let Request::Follow {
            shard,
            position,
            credit,
            ..
        } = request
        {
            return follow(
                read,
                write,
                state,
                header.correlation,
                shard,
                position,
                credit,
            )
            .await;
        }
        let (response, body, fault) = handle(&state, &request, payload);
        match fault {
            Fault::LoseAnswer | Fault::LoseRequest => return None,
            Fault::Silence => continue,
            _ => answer(&mut write, header.correlation, &response, &body).await?,
        }
    }
}

fn handle(
    state: &Mutex<State>,
    request: &Request<'_>,
    mut payload: Vec<u8>,
) -> (Response, Vec<u8>, Fault) {
    let mut state = state.lock().unwrap();
    let state = &mut *state;
    let plain = |response| (response, Vec::new(), Fault::None);
    if !state.exists && !matches!(request, Request::Ping) {
        let error = ErrorAnswer::new(ErrorCode::NoSuchStream, "no such stream");
        return plain(Response::Error(error));
    }
    match request {
        Request::Ping => plain(Response::Pong),
        Request::ShardMapOf { .. } => plain(Response::ShardMap(state.map())),
        Request::Put { .. } => plain(Response::Put(put(state, &payload))),
        Request::PutBatches { entries, .. } => {
            let fault = (state.plan)(&mut state.random);
            if fault == Fault::LoseRequest {
                return (Response::Pong, Vec::new(), fault);
            }
            if let Fault::Refuse(code) = fault {
                let results = entries
                    .iter()
                    .map(|_| BatchResult::Failed(ErrorAnswer::new(code, "as planned")));
                let answer = BatchesAnswer {
                    results: results.collect(),
                    shard_map: None,
                };
                return plain(Response::Batches(answer));
            }
            let mut rest = &mut payload[..];
            let mut results = Vec::new();
            for entry in entries {
                let (batch, after) = rest.split_at_mut(entry.len as usize);
                rest = after;
                results.push(put_batch(state, entry.shard, batch, fault == Fault::Forget));
            }
            assert!(rest.is_empty());
            if let Fault::DoneBut(code) = fault {
                let failed = |_| BatchResult::Failed(ErrorAnswer::new(code, "as planned"));
                results = results.into_iter().map(failed).collect();
            }
            let answer = BatchesAnswer {
                results,
                shard_map: None,
            };
            (Response::Batches(answer), Vec::new(), fault)
        }
        Request::Get {
            shard,
            position,
            max_bytes,
            ..
        } => {
            let (chunk, body) = read(state, *shard as usize, *position, *max_bytes as usize);
            (Response::Got(chunk), body, Fault::None)
        }
        other => panic!("{other:?}"),
    }
}

fn put_batch(state: &mut State, id: u64, batch: &mut [u8], forget: bool) -> BatchResult {
    let failed = |code, detail| BatchResult::Failed(ErrorAnswer::new(code, "").with_detail(detail));
    let Some(shard) = state.shards.iter_mut().find(|s| s.entry.id == id) else {
        return failed(ErrorCode::ShardMapChanged, 0);
    };
    let mut header = BatchHeader::decode(batch).unwrap().unwrap();
    let body = &batch[BATCH_HEADER_LEN..];
    header.verify_body(body).unwrap();
    let raw = RawBody::new(&header, body).unwrap();
    raw.check(&BatchLimits::default()).unwrap();
    let entries: Vec<_> = raw.producers().collect();
    let [entry] = entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!((entry.first, entry.count), (0, header.count));
    if forget {
        shard.producers.clear();
    }
    if entry.number > 0 && !shard.producers.contains_key(&entry.producer) {
        return failed(ErrorCode::UnknownProducer, 0);
    }
    let producer = shard.producers.entry(entry.producer).or_default();
    if let Some((first, count)) = producer.taken.get(&entry.number) {
        return BatchResult::Written {
            first_sequence: *first,
            count: *count,
            duplicate: true,
        };
    }
    if entry.number != producer.next {
        return failed(ErrorCode::OutOfOrder, producer.next);
    }
    producer.next += 1;
    let first = shard.end;
    producer.taken.insert(entry.number, (first, header.count));
    header.stamp(Stamp {
        epoch: 7,
        first_sequence: first,
        time_ms: 1000 + first,
        watermark: first,
    });
    header.encode(batch);
    shard.end += u64::from(header.count);
    shard.batches.push((header, batch.to_vec()));
    BatchResult::Written {
        first_sequence: first,
        count: header.count,
        duplicate: false,
    }
}

fn put(state: &mut State, payload: &[u8]) -> PutAnswer {
    let header = BatchHeader::decode(payload).unwrap().unwrap();
    let body = &payload[BATCH_HEADER_LEN..];
    header.verify_body(body).unwrap();
    let ranges: Vec<_> = state.shards.iter().map(|s| s.entry.range).collect();
    let router = ShardRouter::new(&ranges).unwrap();
    let mut answer = PutAnswer::default();
    for shard in &state.shards {
        answer.groups.push(PutGroup {
            shard: shard.entry.index,
            refused: None,
            first_sequence: shard.end,
        });
    }
    for record in RawBody::new(&header, body).unwrap().records() {
        let at = router.route(record.unwrap().as_record().hash_key());
        state.shards[at].end += 1;
        answer.group_of.push(at as u32);
    }
    answer
}

fn read(state: &State, shard: usize, position: Position, max: usize) -> (Chunk, Vec<u8>) {
    let shard = &state.shards[shard];
    let from = match position {
        Position::Oldest => 0,
        Position::AfterLatest => shard.end,
        Position::At(sequence) => sequence,
        Position::After(sequence) => sequence + 1,
        Position::AtTime(ms) => ms.saturating_sub(1000),
    };
    let mut chunk = Chunk {
        first: from,
        next: from,
        end: shard.end,
        ..Chunk::default()
    };
    let mut body = Vec::new();
    for (header, bytes) in &shard.batches {
        if header.end_sequence() <= from {
            continue;
        }
        if !body.is_empty() && body.len() + bytes.len() > max {
            break;
        }
        body.extend_from_slice(bytes);
        chunk.next = header.end_sequence();
    }
    if state.corrupt
        && let Some(last) = body.last_mut()
    {
        *last ^= 1;
    }
    (chunk, body)
}

async fn follow(
    mut stream: OwnedReadHalf,
    mut write: OwnedWriteHalf,
    state: Arc<Mutex<State>>,
    correlation: u64,
    shard: u32,
    mut position: Position,
    credit: u64,
) -> Option<()> {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let reading = tokio::spawn(async move {
        while let Some((header, meta, _)) = read_frame(&mut stream).await {
            let more = match Request::decode(header.opcode, &meta).unwrap() {
                Request::Credit { bytes } => Some(bytes),
                Request::Unfollow => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(header.correlation, correlation);
            if sender.send(more).is_err() {
                break;
            }
        }
    });
    let mut credit = i64::try_from(credit).unwrap();
    let mut sent = 0;
    loop {
        let mut idle = true;
        if credit > 0 {
            let (chunk, body, drop_after) = {
                let state = state.lock().unwrap();
                let (chunk, body) = read(&state, shard as usize, position, credit as usize);
                (chunk, body, state.drop_follow_after)
            };
            if sent == 0 || !body.is_empty() {
                position = Position::At(chunk.next);
                credit -= body.len() as i64;
                {
                    let mut state = state.lock().unwrap();
                    state.max_unpaid = state.max_unpaid.max(-credit);
                }
                answer(&mut write, correlation, &Response::Followed(chunk), &body).await?;
                sent += 1;
                idle = false;
            }
            if drop_after.is_some_and(|most| sent >= most) {
                return None;
            }
        }
        let request = if idle {
            match tokio::time::timeout(Duration::from_millis(5), requests.recv()).await {
                Ok(None) => return None,
                Ok(Some(request)) => Some(request),
                Err(_) => None,
            }
        } else {
            requests.try_recv().ok()
        };
        match request {
            Some(Some(bytes)) => credit += bytes as i64,
            Some(None) => {
                let end = Response::FollowEnd { next: 0 };
                answer(&mut write, correlation, &end, &[]).await?;
                reading.abort();
                return None;
            }
            None => {}
        }
    }
}

/// The place of a key among `shards` shards.
pub fn shard_of(key: &str, shards: u32) -> usize {
    let router = ShardRouter::new(&HashRange::even(shards)).unwrap();
    router.route(HashKey::of_partition_key(key))
}

/// Checks that the numbers of each key are `0..n` in order, each once; how many there are.
pub fn assert_once_and_in_order(records: &[(String, Vec<u8>)]) -> usize {
    let mut next: HashMap<&str, u64> = HashMap::new();
    for (key, data) in records {
        let number: u64 = std::str::from_utf8(data).unwrap().parse().unwrap();
        let expected = next.entry(key).or_default();
        assert_eq!(number, *expected, "key {key}");
        *expected += 1;
    }
    records.len()
}
