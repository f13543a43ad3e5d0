//! A server in a process of its own, and a stream in it.

use std::{
    fs::{self, File},
    future::Future,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use millstream_client::{Client, ClientOptions, CreateStream, Position};
use tokio::{runtime, task::JoinSet};

use crate::{error::BenchError, noise::Tally, rounds::Bench, statistics::Throughput};

/// The stream that is measured, made by [`MeasuredServer::start`].
pub(crate) const STREAM: &str = "measured";
/// Its shards.
pub(super) const SHARDS: u32 = 4;
/// Bytes of a segment by default.
const SEGMENT: u64 = 64 << 20;

/// Longest that a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest that making segments ahead may take.
const PATIENCE_TO_PREPARE: Duration = Duration::from_secs(180);

/// A server with its default configuration; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct MeasuredServer {
    child: Child,
    address: String,
    /// Where it speaks the AWS API.
    pub(crate) http: String,
    runtime: runtime::Runtime,
    /// What it made ahead.
    pub(super) prepared: Throughput,
}

impl MeasuredServer {
    /// One whose stream is empty.
    pub(crate) fn start(bench: &Bench, directory: &Path) -> Result<MeasuredServer, BenchError> {
        MeasuredServer::launch(bench, directory, "")
    }

    /// One that made segments ahead, for `bytes` over all shards of the stream.
    pub(crate) fn prepared(
        bench: &Bench,
        directory: &Path,
        bytes: u64,
    ) -> Result<MeasuredServer, BenchError> {
        // A segment more than its share: keys do not spread quite evenly.
        let share = bytes / u64::from(SHARDS) + SEGMENT;
        let configuration = format!("[store]\nprepare = {share}\n");
        let start = Instant::now();
        let mut server = MeasuredServer::launch(bench, directory, &configuration)?;
        let wanted = share * u64::from(SHARDS);
        if allocated(directory)? < wanted {
            return Err(BenchError::wrong(
                "the server did not make segments ahead: store.prepare had no effect",
            ));
        }
        server.prepared = Throughput {
            bytes: wanted,
            elapsed: start.elapsed(),
        };
        // What preparing left to the device to do is not for the window.
        rustix::fs::sync();
        Ok(server)
    }

    fn launch(
        bench: &Bench,
        directory: &Path,
        configuration: &str,
    ) -> Result<MeasuredServer, BenchError> {
        let program = &bench.server_bin;
        let config = directory.join("millstream.toml");
        fs::write(&config, configuration).map_err(BenchError::io("write", &config))?;
        let (address, http) = (free_address()?, free_address()?);
        let log = directory.join("server.log");
        let log_file = File::create(&log).map_err(BenchError::io("make", &log))?;
        let child = Command::new(program)
            .args(["serve", "--listen", &address, "--kinesis", &http, "--data"])
            .arg(directory.join("data"))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .spawn()
            .map_err(BenchError::io("start", program))?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(BenchError::io("start threads for", "the client"))?;
        let mut server = MeasuredServer {
            child,
            address,
            http,
            runtime,
            prepared: Throughput::default(),
        };
        server.wait_until_listening(&log)?;
        server.block_on(async {
            let patient = ClientOptions {
                answer_timeout: PATIENCE_TO_PREPARE,
                ..ClientOptions::default()
            };
            let client = Client::connect_with(&server.address, patient).await?;
            let create = CreateStream {
                shards: SHARDS,
                ..CreateStream::default()
            };
            client.create_stream(STREAM, create).await?;
            Ok(())
        })?;
        Ok(server)
    }

    fn wait_until_listening(&mut self, log: &Path) -> Result<(), BenchError> {
        let start = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            let ended = self
                .child
                .try_wait()
                .map_err(BenchError::io("wait for", "the server"))?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(BenchError::wrong(format!(
                    "the server does not listen: {said}"
                )));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A client with a connection of its own.
    pub(super) async fn client(&self) -> Result<Client, BenchError> {
        Ok(Client::connect(&self.address).await?)
    }

    pub(crate) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, BenchError>>,
    ) -> Result<T, BenchError> {
        self.runtime.block_on(work)
    }

    /// Reads everything back, all shards at a time.
    async fn tally(&self, stream: &'static str, shards: u32) -> Result<Tally, BenchError> {
        let mut reads = JoinSet::new();
        for shard in 0..shards {
            let client = self.client().await?;
            reads.spawn(async move {
                let mut tally = Tally::default();
                let mut reader = client.reader(stream, shard, Position::Oldest);
                while let Some(batch) = reader.next_batch().await? {
                    for record in batch.records() {
                        let record = record?.record;
                        tally.add(record.key, record.data);
                    }
                }
                Ok::<Tally, BenchError>(tally)
            });
        }
        join(reads).await
    }

    /// Checks that what was acknowledged is there, and nothing else.
    pub(crate) async fn check(&self, acknowledged: Tally) -> Result<(), BenchError> {
        self.check_of(STREAM, SHARDS, acknowledged).await
    }

    /// The same of another stream.
    pub(crate) async fn check_of(
        &self,
        stream: &'static str,
        shards: u32,
        acknowledged: Tally,
    ) -> Result<(), BenchError> {
        let read = self.tally(stream, shards).await?;
        if read == acknowledged {
            return Ok(());
        }
        Err(BenchError::wrong(format!(
            "acknowledged {acknowledged:?}, read back {read:?}"
        )))
    }
}

fn free_address() -> Result<String, BenchError> {
    let address =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let address = address.map_err(BenchError::io("find a port on", "127.0.0.1"))?;
    Ok(address.to_string())
}

/// Bytes that the files in a directory and below take on the medium.
fn allocated(directory: &Path) -> Result<u64, BenchError> {
    let failed = |error| BenchError::io("list", directory)(error);
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A file may be renamed meanwhile.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        bytes += match metadata.is_dir() {
            true => allocated(&entry.path())?,
            false => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}

impl Drop for MeasuredServer {
    fn drop(&mut self) {
        // Its data goes with the row, so it need not end well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sum of what tasks did.
pub(super) async fn join(
    mut tasks: JoinSet<Result<Tally, BenchError>>,
) -> Result<Tally, BenchError> {
    let mut sum = Tally::default();
    while let Some(ended) = tasks.join_next().await {
        sum.merge(ended.map_err(|error| BenchError::wrong(format!("a task ended: {error}")))??);
    }
    Ok(sum)
}
