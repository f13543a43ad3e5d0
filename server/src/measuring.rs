//! Doors for the benches to what is private here. Nothing else uses them, and they may change at
//! any time.

use std::{path::Path, sync::Arc};

use millstream_engine::{Store, StoreOptions, clock::SystemClock};

use crate::{
    catalog::Catalog,
    config::Config,
    kinesis::{Bench, Front, Opened, body::Encoding},
    service::{CreateStream, Service, Settings},
    shutdown::{self, Trigger},
};

/// One stream in a store of its own, behind the operations of the AWS API, without a socket.
pub struct KinesisStand {
    bench: Bench,
    encoding: Encoding,
    _trigger: Trigger,
}

/// What could not be done, for whoever runs the bench.
pub type Failure = String;

fn told(error: impl std::fmt::Display) -> Failure {
    error.to_string()
}

impl KinesisStand {
    /// The stream `s` of so many shards, in an empty directory. In a runtime.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn new(data: &Path, shards: u32) -> Result<KinesisStand, Failure> {
        let config = Config {
            data: data.to_owned(),
            ..Config::default()
        };
        let store = Store::open(data.join("store"), StoreOptions::default()).map_err(told)?;
        let catalog = Catalog::open(data).map_err(told)?;
        let clock = Arc::new(SystemClock::default());
        let settings = Settings::of(&config);
        let service = Service::start(data, store, catalog, settings, clock).map_err(told)?;
        let service = Arc::new(service);
        let wanted = CreateStream::plain("s", shards);
        service.create_stream(wanted).await.map_err(told)?;
        let (trigger, shutdown) = shutdown::channel();
        let opened = Opened::of(&config).map_err(told)?;
        Ok(KinesisStand {
            bench: Bench(Front::new(&config, service, None, None, shutdown, opened)),
            encoding: Encoding::Json11,
            _trigger: trigger,
        })
    }

    /// The same, asked in CBOR or JSON.
    #[must_use]
    pub fn speaking(self, cbor: bool) -> KinesisStand {
        let encoding = match cbor {
            true => Encoding::Cbor11,
            false => Encoding::Json11,
        };
        KinesisStand { encoding, ..self }
    }

    /// Does what PutRecords does before a shard is asked and after it has answered; bytes of the
    /// answer.
    ///
    /// # Errors
    /// When the body is not a plain one.
    pub fn stage(&self, body: &[u8]) -> Result<usize, Failure> {
        self.bench.stage(body).map_err(told)
    }

    /// PutRecords; bytes of the answer.
    ///
    /// # Errors
    /// When it fails as a whole.
    pub async fn put(&self, body: &[u8]) -> Result<usize, Failure> {
        self.bench.put(self.encoding, body).await.map_err(told)
    }

    /// GetRecords from the oldest on of a shard; bytes of the answer.
    ///
    /// # Errors
    /// When it fails.
    pub async fn get(&self, shard: u32) -> Result<usize, Failure> {
        self.bench.get(self.encoding, shard).await.map_err(told)
    }
}
