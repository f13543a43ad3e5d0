//! The server as a whole: started from a configuration, stopped by its owner.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use millstream_engine::{DeviceReport, Store, StoreOptions};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    catalog::{self, Catalog},
    config::Config,
    credentials::Clients,
    descriptors,
    error::ServerError,
    kinesis,
    listener::{self, Entrance, Listener},
    protocol,
    service::{Service, Settings, maintenance},
    shutdown::{self, Trigger},
    tls::Tls,
};

/// Name of the store's directory in the data directory.
const STORE_DIR: &str = "store";
/// What a data directory may hold before there is anything of ours: file systems make it.
const LOST_AND_FOUND: &str = "lost+found";

/// A running server.
///
/// Dropping it cuts off connections and requests in flight; what was acknowledged is safe.
/// [`Server::shutdown`] ends it in order.
pub struct Server {
    service: Arc<Service>,
    trigger: Trigger,
    /// The listener of each front.
    listening: Vec<JoinHandle<usize>>,
    maintenance: JoinHandle<()>,
    address: SocketAddr,
    kinesis: Option<SocketAddr>,
    tls: Option<Arc<Tls>>,
    asks: bool,
    data: PathBuf,
}

impl Server {
    /// Opens the data directory, recovers what was not closed cleanly, and listens.
    ///
    /// # Errors
    /// When the configuration, the data directory or the address cannot be used; each says what
    /// to do.
    pub async fn start(config: Config) -> Result<Server, ServerError> {
        config.check()?;
        descriptors::raise_limit();
        let entrance = Entrance {
            credentials: config.credentials.is_some(),
            tls: config.tls.source().is_some(),
            insecure: config.insecure,
        };
        let (listener, address) = bind(&config.listen, entrance).await?;
        let kinesis = match config.kinesis.address() {
            Some(address) => Some(bind(address, entrance).await?),
            None => None,
        };
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let clients = opening
                .credentials
                .as_deref()
                .map(Clients::load)
                .transpose()?;
            let service = open(&opening)?;
            let tls = Tls::open(&opening.tls, &opening.data)?;
            let kinesis = opening.kinesis.address();
            let kinesis = kinesis.map(|_| kinesis::Opened::of(&opening)).transpose()?;
            Ok((service, tls, clients, kinesis))
        });
        let stopped = |_| ServerError::Stopped { part: "opening" };
        let opened: Result<_, ServerError> = opened.await.map_err(stopped)?;
        let (service, tls, clients, for_kinesis) = opened?;
        let (service, tls) = (Arc::new(service), tls.map(Arc::new));
        let clients = clients.map(Arc::new);
        service.resume();
        let (trigger, shutdown) = shutdown::channel();
        if let Some(tls) = &tls {
            tokio::spawn(Arc::clone(tls).follow_files(shutdown.clone()));
        }
        let grace = config.shutdown_grace;
        let context = protocol::Context::new(
            &config,
            Arc::clone(&service),
            tls.clone(),
            clients.clone(),
            shutdown.clone(),
        );
        let mut listening = vec![tokio::spawn(
            Listener::new(listener, Arc::new(context)).run(grace),
        )];
        let mut kinesis_address = None;
        if let (Some((listener, address)), Some(opened)) = (kinesis, for_kinesis) {
            let (service, tls) = (Arc::clone(&service), tls.clone());
            let front =
                kinesis::Front::new(&config, service, tls, clients, shutdown.clone(), opened);
            let listener = Listener::new(listener, Arc::new(front));
            listening.push(tokio::spawn(listener.run(grace)));
            kinesis_address = Some(address);
        }
        let server = Server {
            listening,
            maintenance: tokio::spawn(maintenance::run(Arc::clone(&service), shutdown)),
            data: config.data,
            service,
            trigger,
            address,
            kinesis: kinesis_address,
            tls,
            asks: entrance.credentials,
        };
        let kinesis = server.kinesis.map(|address| address.to_string());
        tracing::info!(
            %address,
            kinesis = kinesis.as_deref().unwrap_or("off"),
            data = %server.data.display(),
            "listening"
        );
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the AWS API listens; `None` where it is off.
    #[must_use]
    pub fn kinesis_addr(&self) -> Option<SocketAddr> {
        self.kinesis
    }

    /// SHA-256 of the certificate in force, and the file that it is in; `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<(String, &Path)> {
        let tls = self.tls.as_ref()?;
        Some((tls.fingerprint(), tls.cert_file()))
    }

    /// Whether clients have to show that they have a secret.
    #[must_use]
    pub fn asks_for_credentials(&self) -> bool {
        self.asks
    }

    /// How the disk is written.
    #[must_use]
    pub fn device(&self) -> DeviceReport {
        self.service.device()
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Streams, and their shards in all.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.service.counts()
    }

    /// Stops in order: accepts nothing more, finishes and answers what was accepted, tells
    /// followers, closes the store. Clients get `shutdown_grace`, the store takes what it needs.
    ///
    /// # Errors
    /// When the store could not be closed cleanly; the next start recovers it.
    pub async fn shutdown(mut self) -> Result<(), ServerError> {
        let started = Instant::now();
        tracing::info!("shutting down");
        self.trigger.stop();
        let mut cut_off = 0;
        for listening in std::mem::take(&mut self.listening) {
            cut_off += listening.await.map_err(|_| ServerError::Stopped {
                part: "the listener",
            })?;
        }
        if cut_off > 0 {
            tracing::warn!(
                connections = cut_off,
                "connections were cut off at the end of the grace"
            );
        }
        // It may be about to open a shard again, for which the store must be there.
        let _ = (&mut self.maintenance).await;
        self.service.quiesce().await;
        let (service, path) = (Arc::clone(&self.service), self.data.clone());
        let closed = tokio::task::spawn_blocking(move || service.close()).await;
        let closed = closed.map_err(|_| ServerError::Stopped { part: "closing" })?;
        closed.map_err(|source| ServerError::Store { path, source })?;
        let milliseconds = started.elapsed().as_millis() as u64;
        tracing::info!(milliseconds, "closed cleanly");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.maintenance.abort();
        for listening in &self.listening {
            listening.abort();
        }
    }
}

/// Listens on a configured address; which that is.
async fn bind(
    configured: &str,
    entrance: Entrance,
) -> Result<(TcpListener, SocketAddr), ServerError> {
    let listener = listener::bind(configured, entrance).await?;
    let address = listener.local_addr();
    let address = address.map_err(|source| ServerError::Listen {
        address: configured.to_owned(),
        source,
    })?;
    Ok((listener, address))
}

/// Opens store and catalog. The store comes first: it has the lock, and waits for the last writes
/// of a process that was killed.
fn open(config: &Config) -> Result<Service, ServerError> {
    let started = Instant::now();
    check_directory(&config.data)?;
    let store_error = |source| ServerError::Store {
        path: config.data.clone(),
        source,
    };
    check_store(&config.data)?;
    let options = store_options(config);
    let clock = Arc::clone(&options.environment.clock);
    let store = Store::open(config.data.join(STORE_DIR), options).map_err(store_error)?;
    let opened = open_service(config, &store, clock);
    match opened {
        Ok(service) => {
            let device = service.device();
            tracing::info!(
                device = device.name,
                direct = device.direct,
                block = device.block,
                note = device.note.as_deref().unwrap_or_default(),
                milliseconds = started.elapsed().as_millis() as u64,
                "store opened"
            );
            Ok(service)
        }
        Err(error) => {
            if let Err(error) = store.close() {
                tracing::warn!(%error, "the store could not be closed cleanly");
            }
            Err(error)
        }
    }
}

fn open_service(
    config: &Config,
    store: &Store,
    clock: Arc<dyn millstream_engine::clock::Clock>,
) -> Result<Service, ServerError> {
    let unusable = |reason: String| ServerError::DataDirectory {
        path: config.data.clone(),
        reason,
    };
    if !Catalog::exists(&config.data) {
        let shards = store
            .shard_ids()
            .map_err(|error| unusable(error.to_string()))?;
        if !shards.is_empty() {
            let (file, shards) = (catalog::FILE_NAME, shards.len());
            return Err(unusable(format!(
                "it has {shards} shards and no {file} that names their streams; put {file} back from a backup"
            )));
        }
    }
    let catalog = Catalog::open(&config.data)?;
    let mut settings = Settings::of(config);
    settings.quotas = kinesis::profile(config)?.control;
    Service::start(&config.data, store.clone(), catalog, settings, clock)
}

/// A new store is not made under a catalog that names the shards of another.
fn check_store(path: &Path) -> Result<(), ServerError> {
    let store = path.join(STORE_DIR);
    if !Catalog::exists(path) || Store::exists(&store) {
        return Ok(());
    }
    let file = catalog::FILE_NAME;
    Err(ServerError::DataDirectory {
        path: path.to_owned(),
        reason: format!(
            "it has a {file} and no store that holds the records of its streams ({store} is missing or not whole); put {STORE_DIR}/ back from a backup, or remove {file} as well to begin anew without streams",
            store = store.display()
        ),
    })
}

/// A directory of something else is not made into a data directory.
fn check_directory(path: &Path) -> Result<(), ServerError> {
    let unusable = |reason: String| ServerError::DataDirectory {
        path: path.to_owned(),
        reason,
    };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let mut stranger = None;
    for entry in entries {
        let name = entry
            .map_err(|error| unusable(error.to_string()))?
            .file_name();
        if name == STORE_DIR || name == catalog::FILE_NAME {
            return Ok(());
        }
        if name != LOST_AND_FOUND && name != catalog::NEW_FILE_NAME {
            stranger = Some(name);
        }
    }
    match stranger {
        None => Ok(()),
        Some(name) => Err(unusable(format!(
            "it is not empty ({name:?} is there) and holds no data of Millstream; choose an empty one"
        ))),
    }
}

fn store_options(config: &Config) -> StoreOptions {
    let store = &config.store;
    StoreOptions {
        device: store.device,
        direct_io: store.direct_io,
        allow_network: store.allow_network,
        memory_budget: store.memory_budget,
        linger: store.linger,
        mapped_segments: store.mapped_segments,
        recycled_segments: store.recycled_segments,
        reap_interval: store.reap_interval,
        lock_wait: store.lock_wait,
        clock_settle: store.clock_settle,
        ..StoreOptions::default()
    }
}
