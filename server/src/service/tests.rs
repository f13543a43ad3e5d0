mod flaky;
mod lives;

use std::{path::Path, sync::atomic::AtomicU64, time::Instant as StdInstant};

use flaky::{Faults, FlakyDevice};
use millstream_engine::{
    Position, ShardOptions, StoreOptions,
    clock::SystemClock,
    format::{BatchBuilder, Record},
};
use tempfile::TempDir;

use super::*;
use crate::{
    catalog::{CatalogError, NewStream, StreamMode, StreamStatus},
    error::ServerError,
    shutdown,
};

fn store(data: &Path, faults: &Arc<Faults>) -> Store {
    let path = data.join("store");
    std::fs::create_dir_all(&path).unwrap();
    let mut options = StoreOptions {
        memory_budget: 16 << 20,
        ..StoreOptions::default()
    };
    options.environment.device = Some(Arc::new(FlakyDevice::new(&path, faults)));
    Store::open(&path, options).unwrap()
}

fn start(data: &Path, store: Store) -> Result<Arc<Service>, ServerError> {
    let catalog = Catalog::open(data)?;
    let mut settings = Settings::of(&Config::default());
    settings.put_wait = Duration::from_millis(500);
    settings.segment_bytes = 16 << 20;
    let clock = Arc::new(SystemClock::default());
    let service = Service::start(data, store, catalog, settings, clock).map(Arc::new)?;
    service.resume();
    Ok(service)
}

/// Ends changes after some of their steps, as a crash would.
#[derive(Default)]
pub(super) struct Halt {
    /// Steps until then; 0 for never.
    after: AtomicU64,
    halted: tokio::sync::Notify,
}

impl Halt {
    pub(super) fn step(&self, stopping: &AtomicBool) -> Result<(), ServiceError> {
        if stopping.load(Ordering::SeqCst) {
            return Err(ServiceError::ShuttingDown);
        }
        let left = self.after.load(Ordering::SeqCst);
        if left > 0 && self.after.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Nothing that fails from here on is undone.
            stopping.store(true, Ordering::SeqCst);
            self.halted.notify_one();
            return Err(ServiceError::ShuttingDown);
        }
        Ok(())
    }
}

fn service(data: &TempDir) -> Arc<Service> {
    start(data.path(), store(data.path(), &Arc::default())).unwrap()
}

fn wanted(name: &str, shards: u32) -> CreateStream {
    CreateStream::plain(name, shards)
}

fn new_stream(name: &str, shards: u32) -> NewStream {
    NewStream {
        name: name.to_owned(),
        created_ms: 1,
        shards,
        retention_hours: 24,
        compression: CompressionChoice::None,
        durability: Durability::Durable,
        mode: StreamMode::Provisioned,
        max_record_kib: None,
        warm_mibps: None,
        tags: Vec::new(),
    }
}

/// The sequence number of one record that was put.
async fn put(service: &Arc<Service>, stream: &str) -> Result<u64, ServiceError> {
    let mut builder = BatchBuilder::new(vec![0; 1024]);
    assert!(builder.push(&Record::new("key", b"data")));
    let (batch, header) = builder.finish();
    let stream = service.stream(stream).unwrap();
    let pending = service
        .put(&stream, &batch[..header.batch_len()], 10)
        .await?;
    pending.await.groups.remove(0).1
}

fn names(service: &Service) -> Vec<String> {
    let (streams, _) = service.list_streams("", 100);
    streams
        .iter()
        .map(|stream| stream.name().to_owned())
        .collect()
}

/// Waits until a stream is as it is wanted.
async fn until(service: &Arc<Service>, stream: &str, wanted: impl Fn(&Stream) -> bool) {
    let mut changed = service.changed.subscribe();
    let waiting = async {
        while !service.stream(stream).is_ok_and(|stream| wanted(&stream)) {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

async fn until_gone(service: &Arc<Service>, stream: &str) {
    let mut changed = service.changed.subscribe();
    let waiting = async {
        while service.stream(stream).is_ok() {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

fn is_active(stream: &Stream) -> bool {
    stream.row.status == StreamStatus::Active
}

#[tokio::test]
async fn a_creation_cut_short_is_finished() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("whole", 2)).await.unwrap();
    // The crash: rows, and one of three shards.
    let half = before.catalog.begin_create(&new_stream("half", 3)).unwrap();
    let first = ShardId(half.shards[0].id);
    before
        .store
        .create_shard(first, ShardOptions::default())
        .unwrap();
    before.close().unwrap();
    drop(before);

    let after = service(&data);
    until(&after, "half", is_active).await;
    assert_eq!(names(&after), ["half", "whole"]);
    assert_eq!(after.store.shard_ids().unwrap().len(), 5);
    assert_eq!(after.counts(), (2, 5));
    assert_eq!(put(&after, "half").await.unwrap(), 0);
}

#[tokio::test]
async fn a_full_medium_does_not_keep_the_server_from_starting() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("whole", 2)).await.unwrap();
    before.create_stream(wanted("half", 1)).await.unwrap();
    let half = before.stream("half").unwrap();
    before.set_status(&half, StreamStatus::Deleting).unwrap();
    before.close().unwrap();
    drop((before, half));

    let faults = Arc::new(Faults::default());
    faults.brimful.store(true, Ordering::SeqCst);
    let after = start(data.path(), store(data.path(), &faults)).unwrap();
    assert_eq!(names(&after), ["half", "whole"]);
    assert_eq!(put(&after, "whole").await.unwrap(), 0);
    assert!(matches!(
        after.served("half"),
        Err(ServiceError::NoSuchStream { .. })
    ));
    faults.brimful.store(false, Ordering::SeqCst);
    until_gone(&after, "half").await;
    assert_eq!(after.catalog.load().unwrap().len(), 1);
}

#[tokio::test]
async fn shards_of_no_stream_are_removed_and_strange_ones_are_not() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("s", 2)).await.unwrap();
    let row = before.catalog.begin_create(&new_stream("gone", 1)).unwrap();
    let orphan = ShardId(row.shards[0].id);
    before
        .store
        .create_shard(orphan, ShardOptions::default())
        .unwrap();
    before.catalog.remove("gone").unwrap();
    before.close().unwrap();
    drop(before);

    let after = service(&data);
    assert_eq!(after.store.shard_ids().unwrap().len(), 2);
    // Never named by this catalog: it belongs to another one.
    let strange = ShardId(1000);
    after
        .store
        .create_shard(strange, ShardOptions::default())
        .unwrap();
    after.close().unwrap();
    drop(after);
    let store = store(data.path(), &Arc::default());
    let refused = start(data.path(), store.clone());
    assert!(matches!(refused, Err(ServerError::DataDirectory { .. })));
    assert_eq!(store.shard_ids().unwrap().len(), 3, "nothing was removed");
    store.close().unwrap();
}

#[tokio::test]
async fn a_stream_for_which_there_is_no_room_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let service = start(data.path(), store(data.path(), &faults)).unwrap();
    faults.full.store(true, Ordering::SeqCst);
    let refused = service.create_stream(wanted("s", 4)).await;
    assert!(matches!(refused, Err(ServiceError::NoSpace { .. })));
    assert_eq!(service.counts(), (0, 0));
    assert_eq!(service.catalog.load().unwrap(), []);
    assert_eq!(service.store.shard_ids().unwrap(), []);
    faults.full.store(false, Ordering::SeqCst);
    service.create_stream(wanted("s", 4)).await.unwrap();
    service.close().unwrap();
}

#[test]
fn a_catalog_without_room_is_told_as_such() {
    let told = |source: redb::Error| {
        ServiceError::from(CatalogError::Database {
            doing: "writing",
            path: "catalog.redb".into(),
            source: Box::new(source),
        })
    };
    let full = std::io::ErrorKind::StorageFull.into();
    let full = told(redb::Error::Io(full));
    assert!(matches!(full, ServiceError::NoSpace { .. }), "{full}");
    let met = told(redb::Error::PreviousIo);
    assert!(matches!(met, ServiceError::Overloaded), "{met}");
    let other = told(redb::Error::DatabaseClosed);
    assert!(matches!(other, ServiceError::Catalog(_)), "{other}");
}

#[tokio::test]
async fn as_many_streams_and_shards_as_allowed() {
    let data = tempfile::tempdir().unwrap();
    let store = store(data.path(), &Arc::default());
    let mut settings = Settings::of(&Config::default());
    (settings.streams, settings.shards) = (2, 5);
    let catalog = Catalog::open(data.path()).unwrap();
    let clock = Arc::new(SystemClock::default());
    let service = Service::start(data.path(), store, catalog, settings, clock).unwrap();
    let service = Arc::new(service);
    let refused = |result: Result<Arc<Stream>, ServiceError>| match result {
        Err(ServiceError::TooMany { key, .. }) => key,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was made"),
    };
    service.create_stream(wanted("a", 4)).await.unwrap();
    assert_eq!(
        refused(service.create_stream(wanted("b", 2)).await),
        "limits.shards"
    );
    service.create_stream(wanted("b", 1)).await.unwrap();
    assert_eq!(
        refused(service.create_stream(wanted("c", 1)).await),
        "limits.streams"
    );
    service.delete_stream("a").await.unwrap();
    service.create_stream(wanted("c", 4)).await.unwrap();
    service.close().unwrap();
}

/// Puts until one succeeds; its sequence number.
async fn put_until_taken(service: &Arc<Service>, stream: &str) -> u64 {
    let deadline = StdInstant::now() + Duration::from_secs(30);
    loop {
        match put(service, stream).await {
            Ok(sequence) => return sequence,
            Err(error) if StdInstant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test]
async fn a_poisoned_shard_is_opened_again_by_itself() {
    let data = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let service = start(data.path(), store(data.path(), &faults)).unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let maintenance = tokio::spawn(maintenance::run(Arc::clone(&service), shutdown));
    service.create_stream(wanted("s", 1)).await.unwrap();
    service.create_stream(wanted("other", 1)).await.unwrap();
    assert_eq!(put(&service, "s").await.unwrap(), 0);

    faults.broken.store(true, Ordering::SeqCst);
    let error = put(&service, "s").await.unwrap_err();
    assert!(
        matches!(&error, ServiceError::Engine(error) if error.outcome_unknown()),
        "{error}"
    );
    // Reads go on below the watermark.
    let mut reading = service.read("s", 0, Position::Oldest).await.unwrap();
    let limits = PieceLimits {
        bytes: 1000,
        records: 0,
        frame: 1000,
    };
    let piece = service.next_piece(&mut reading, limits).await.unwrap();
    assert_eq!((piece.first, piece.next), (0, 1));

    faults.broken.store(false, Ordering::SeqCst);
    assert!(put_until_taken(&service, "s").await >= 1);
    assert_eq!(
        put(&service, "other").await.unwrap(),
        0,
        "the others were not concerned"
    );
    trigger.stop();
    maintenance.await.unwrap();
    service.close().unwrap();
}

#[tokio::test]
async fn a_shard_that_cannot_be_opened_again_yet_is_not_taken_for_gone() {
    let data = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let service = start(data.path(), store(data.path(), &faults)).unwrap();
    let stream = service.create_stream(wanted("s", 1)).await.unwrap();
    let shard = stream.map.all()[0].id;
    faults.broken.store(true, Ordering::SeqCst);
    assert!(put(&service, "s").await.is_err());
    faults.full.store(true, Ordering::SeqCst);
    assert!(service.store.reopen_shard(shard).is_err());
    let error = service.being_opened(shard);
    assert!(matches!(
        error,
        Some(ServiceError::Unavailable { index: 0, .. })
    ));
    service.delete_stream("s").await.unwrap();
    assert!(service.being_opened(shard).is_none());
}

#[tokio::test]
async fn a_full_medium_refuses_puts_until_there_is_room() {
    let data = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let service = start(data.path(), store(data.path(), &faults)).unwrap();
    service.create_stream(wanted("s", 1)).await.unwrap();
    assert_eq!(put(&service, "s").await.unwrap(), 0);
    faults.full.store(true, Ordering::SeqCst);
    // What was prepared ahead is used up first.
    let refusal = loop {
        if let Err(error) = put_large(&service, "s").await {
            break error;
        }
    };
    assert!(
        matches!(refusal, ServiceError::Engine(EngineError::NoSpace { .. })),
        "{refusal}"
    );
    assert!(service.read("s", 0, Position::Oldest).await.is_ok());
    faults.full.store(false, Ordering::SeqCst);
    assert!(put_until_taken(&service, "s").await >= 1);
    service.close().unwrap();
}

async fn put_large(service: &Arc<Service>, stream: &str) -> Result<u64, ServiceError> {
    let data = vec![7; 1 << 20];
    let mut builder = BatchBuilder::new(vec![0; data.len() + 1024]);
    assert!(builder.push(&Record::new("key", &data)));
    let (batch, header) = builder.finish();
    let stream = service.stream(stream).unwrap();
    let pending = service
        .put(&stream, &batch[..header.batch_len()], 10)
        .await?;
    pending.await.groups.remove(0).1
}
