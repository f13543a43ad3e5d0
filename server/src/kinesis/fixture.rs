//! A front over a store of its own, for the tests of operations.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use millstream_engine::{
    DeviceChoice, Store, StoreOptions,
    clock::{Clock, SystemClock},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Caller, Front, Opened,
    answer::Answer,
    body::Encoding,
    fault::{Fault, FaultKind},
    model::Operation,
    op,
};
use crate::{
    catalog::{Catalog, StreamStatus},
    config::Config,
    kinesis,
    service::{CreateStream, Service, Settings, Stream},
    shutdown::{self, Trigger},
};

/// The system's clock, and what it was set ahead or back.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock {
    system: SystemClock,
    ahead_ms: AtomicI64,
}

impl ShiftedClock {
    pub(crate) fn shift(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn wall_ms(&self) -> u64 {
        let ahead_ms = self.ahead_ms.load(Ordering::SeqCst);
        self.system.wall_ms().saturating_add_signed(ahead_ms)
    }
    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

/// The same, but no time passes by it but what it is set ahead: for what is limited by time.
#[derive(Debug)]
struct HeldClock(Arc<ShiftedClock>);

impl Clock for HeldClock {
    fn wall_ms(&self) -> u64 {
        self.0.wall_ms()
    }
    fn monotonic(&self) -> Duration {
        let ahead_ms = self.0.ahead_ms.load(Ordering::SeqCst).max(0);
        Duration::from_millis(ahead_ms.unsigned_abs())
    }
}

/// Waits until nothing is being done to a stream.
pub(crate) async fn settled(stand: &Stand, stream: &str) {
    for _ in 0..3000 {
        let is_active = |s: &Stream| s.row.status == StreamStatus::Active;
        match stand.front.service.stream(stream) {
            Ok(stream) if is_active(&stream) => return,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("{stream} is never active");
}

/// A front that is asked without a socket.
pub(crate) struct Stand {
    pub front: Front,
    pub clock: Arc<ShiftedClock>,
    pub trigger: Trigger,
    pub data: TempDir,
}

impl Stand {
    pub(crate) fn new() -> Stand {
        Stand::with("none")
    }

    /// With the limits of a profile.
    pub(crate) fn with(limits: &str) -> Stand {
        Stand::on(tempfile::tempdir().unwrap(), limits)
    }

    /// The same after a restart.
    pub(crate) fn restarted(self) -> Stand {
        self.restarted_after(|_| ())
    }

    /// The same after a restart, and something that was done to the data directory before it.
    pub(crate) fn restarted_after(self, what: impl FnOnce(&Path)) -> Stand {
        self.front.service.close().unwrap();
        drop(self.front);
        what(self.data.path());
        Stand::on(self.data, "none")
    }

    fn on(data: TempDir, limits: &str) -> Stand {
        let clock = Arc::new(ShiftedClock::default());
        let mut config = Config {
            data: data.path().to_owned(),
            ..Config::default()
        };
        config.kinesis.limits = limits.to_owned();
        let mut options = StoreOptions {
            memory_budget: 64 << 20,
            device: DeviceChoice::Portable,
            direct_io: false,
            ..StoreOptions::default()
        };
        options.environment.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let store = Store::open(data.path().join("store"), options).unwrap();
        let catalog = Catalog::open(data.path()).unwrap();
        let mut settings = Settings::of(&config);
        settings.segment_bytes = 64 << 20;
        settings.put_wait = Duration::from_millis(500);
        settings.quotas = kinesis::profile(&config).unwrap().control;
        let held = Arc::new(HeldClock(Arc::clone(&clock)));
        let service = Service::start(data.path(), store, catalog, settings, held).unwrap();
        let service = Arc::new(service);
        service.resume();
        let (trigger, shutdown) = shutdown::channel();
        let opened = Opened::of(&config).unwrap();
        Stand {
            front: Front::new(&config, service, None, None, shutdown, opened),
            clock,
            trigger,
            data,
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn clock_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    pub(crate) async fn stream(&self, name: &str, shards: u32) {
        let wanted = CreateStream::plain(name, shards);
        self.front.service.create_stream(wanted).await.unwrap();
    }

    /// The answer to a body in JSON.
    pub(crate) async fn ask(&self, operation: &str, body: Value) -> Result<Value, Fault> {
        let body = serde_json::to_vec(&body).unwrap();
        let answer = self.ask_bytes(operation, Encoding::Json11, body).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    /// The answer to a body.
    pub(crate) async fn ask_bytes(
        &self,
        operation: &str,
        encoding: Encoding,
        body: Vec<u8>,
    ) -> Result<Bytes, Fault> {
        match self.answer(operation, encoding, body).await? {
            Answer::Whole(bytes) => Ok(bytes),
            Answer::Stream(_) => panic!("a stream"),
        }
    }

    pub(crate) async fn answer(
        &self,
        operation: &str,
        encoding: Encoding,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        let operation = *Operation::ALL
            .iter()
            .find(|o| o.name() == operation)
            .unwrap();
        let caller = Caller::default();
        op::answer(&self.front, operation, encoding, body.into(), &caller).await
    }

    /// What is wrong with a body in JSON.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> (FaultKind, String) {
        match self.ask(operation, body).await {
            Ok(answer) => panic!("{answer}"),
            Err(fault) => (fault.kind(), fault.message().to_owned()),
        }
    }
}

/// Changes a byte of data that is all `filling`.
pub(crate) fn damage(data: &Path, filling: u8) {
    let shards = data.join("store/shards");
    let files = || {
        let shards = fs::read_dir(&shards)
            .unwrap()
            .map(|shard| shard.unwrap().path());
        shards.flat_map(|shard| {
            fs::read_dir(shard)
                .unwrap()
                .map(|file| file.unwrap().path())
        })
    };
    for path in files() {
        let mut bytes = fs::read(&path).unwrap();
        let run = vec![filling; 1000];
        if let Some(at) = memchr::memmem::find(&bytes, &run) {
            bytes[at + 500] ^= 1;
            fs::write(&path, bytes).unwrap();
            return;
        }
    }
    panic!("{filling} is nowhere");
}
