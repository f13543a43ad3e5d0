//! Lives of streams: made, split, merged and deleted.

mod cut_short;

use std::collections::BTreeMap;

use millstream_engine::format::{HashKey, HashRange, RecordOutline};

use super::*;
use crate::{
    capacity::{Capacity, CapacityProfile},
    catalog::{ConsumerStatus, Metrics},
};

/// The data directory as a kill at this moment would leave it, nothing being in flight.
fn killed(data: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(data.path(), copy.path());
    copy
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else if !target.to_string_lossy().ends_with(".partial") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Records of several keys, numbered by key.
#[derive(Default)]
struct Producer {
    acknowledged: BTreeMap<String, u64>,
    puts: u64,
}

async fn put_decoded(
    service: &Service,
    stream: &Arc<Stream>,
    texts: &[(String, String)],
) -> PutOutcome {
    let mut builder = BatchBuilder::new(vec![0; 64 << 10]);
    for (key, data) in texts {
        assert!(builder.push(&Record::new(key, data.as_bytes())));
    }
    let (batch, header) = builder.finish();
    let batch = &batch[..header.batch_len()];
    service.put(stream, batch, 1000).await.unwrap().await
}

async fn put_encoded(
    service: &Service,
    stream: &Arc<Stream>,
    texts: &[(String, String)],
    width: usize,
) -> PutOutcome {
    let outlines: Vec<RecordOutline<'_>> = texts
        .iter()
        .map(|(key, _)| RecordOutline {
            key,
            explicit_hash: None,
            data_len: width,
        })
        .collect();
    let clock = Arc::new(SystemClock::default());
    let capacity = Capacity::new(CapacityProfile::default(), clock);
    let decode = |at: usize, data: &mut [u8]| {
        data.copy_from_slice(format!("{:<width$}", texts[at].1).as_bytes());
        Ok::<(), ()>(())
    };
    let pending = service.put_outlines(stream, &outlines, &capacity, decode);
    pending.await.unwrap().await
}

impl Producer {
    /// Puts the next record of each of `keys` keys; all have to be taken.
    async fn put(&mut self, service: &Arc<Service>, stream: &str, keys: usize) {
        let stream = service.served(stream).unwrap();
        let texts: Vec<(String, String)> = (0..keys)
            .map(|key| {
                let key = format!("key-{key}");
                let next = self.acknowledged.get(&key).copied().unwrap_or(0);
                (key, next.to_string())
            })
            .collect();
        self.puts += 1;
        let outcome = match self.puts % 3 {
            0 => put_decoded(service, &stream, &texts).await,
            // In a batch of its own, and copied.
            width => put_encoded(service, &stream, &texts, width as usize * 1500).await,
        };
        for (shard, result) in &outcome.groups {
            assert!(result.is_ok(), "shard {}: {result:?}", shard.index);
        }
        for (key, _) in texts {
            *self.acknowledged.entry(key).or_default() += 1;
        }
    }
}

/// Reads shards parents first, to their ends, and checks that each key's records are there, once
/// and in order.
async fn assert_in_order(service: &Arc<Service>, stream: &str, wanted: &BTreeMap<String, u64>) {
    let stream = service.served(stream).unwrap();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    // A child has a higher number than its parents.
    for shard in stream.map.all() {
        let mut reading = service
            .read(stream.name(), shard.index, Position::Oldest)
            .await
            .unwrap();
        loop {
            let limits = PieceLimits {
                bytes: 1 << 20,
                records: 0,
                frame: 4 << 20,
            };
            let piece = service.next_piece(&mut reading, limits).await.unwrap();
            for batch in &piece.batches {
                for record in batch.records() {
                    let (_, record) = record.unwrap();
                    let key = record.key.to_owned();
                    assert!(shard.range.contains(record.as_record().hash_key()));
                    let number = std::str::from_utf8(record.data).unwrap().trim_end();
                    let next = found.entry(key.clone()).or_default();
                    assert_eq!(number, next.to_string(), "{key} in shard {}", shard.index);
                    *next += 1;
                }
            }
            if piece.batches.is_empty() {
                if !shard.is_open() && !piece.closed {
                    // The children are shown a moment before it is closed.
                    reading.readable().await.unwrap();
                    continue;
                }
                assert_eq!(piece.closed, !shard.is_open());
                break;
            }
        }
        if let Some(closed) = shard.closed {
            assert_eq!(stream.open(shard).unwrap().end().0, closed.end);
            assert!(stream.map.children(shard.index).count() > 0);
        }
    }
    assert_eq!(&found, wanted);
}

fn open_ranges(service: &Service, stream: &str) -> Vec<HashRange> {
    let stream = service.stream(stream).unwrap();
    stream.map.open().map(|shard| shard.range).collect()
}

const HALF: HashKey = HashKey(1 << 127);

#[tokio::test]
async fn a_split_and_a_merge_keep_order_and_lineage() {
    let data = tempfile::tempdir().unwrap();
    let service = service(&data);
    service.create_stream(wanted("s", 1)).await.unwrap();
    let mut producer = Producer::default();
    producer.put(&service, "s", 20).await;
    service.split_shard("s", 0, HALF).await.unwrap();
    let updating = service.stream("s").unwrap();
    assert!(matches!(
        updating.row.status,
        StreamStatus::Updating | StreamStatus::Active
    ));
    producer.put(&service, "s", 20).await;
    until(&service, "s", is_active).await;
    producer.put(&service, "s", 20).await;
    service.merge_shards("s", 2, 1).await.unwrap();
    until(&service, "s", is_active).await;
    producer.put(&service, "s", 20).await;

    let stream = service.stream("s").unwrap();
    let lineage: Vec<_> = stream
        .map
        .all()
        .iter()
        .map(|s| (s.index, s.parents, s.is_open()))
        .collect();
    assert_eq!(
        lineage,
        [
            (0, [None, None], false),
            (1, [Some(0), None], false),
            (2, [Some(0), None], false),
            (3, [Some(2), Some(1)], true)
        ]
    );
    for child in stream.map.all() {
        for parent in child.parents.iter().flatten() {
            let parent = stream.map.get(*parent).unwrap();
            assert!(child.created_s > parent.created_s);
            assert_eq!(parent.closed.unwrap().at_ms, child.opened_ms);
        }
    }
    assert_in_order(&service, "s", &producer.acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_that_race_with_resharding_are_taken_in_order() {
    let data = tempfile::tempdir().unwrap();
    let service = service(&data);
    service.create_stream(wanted("s", 2)).await.unwrap();
    let writing = {
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let mut producer = Producer::default();
            while service.stream("s").unwrap().map.all().len() < 14 {
                producer.put(&service, "s", 50).await;
            }
            producer.put(&service, "s", 50).await;
            producer
        })
    };
    for target in [4, 3, 2] {
        service.update_shard_count("s", target).await.unwrap();
        until(&service, "s", is_active).await;
        assert_eq!(open_ranges(&service, "s"), HashRange::even(target));
    }
    let numbers = service.stream("s").unwrap().map.all().len();
    assert!(numbers >= 14, "{numbers}");
    let producer = writing.await.unwrap();
    assert_in_order(&service, "s", &producer.acknowledged).await;
}

#[tokio::test]
async fn what_a_stream_is_not_ready_for_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let service = service(&data);
    service.create_stream(wanted("s", 2)).await.unwrap();
    let invalid = |result: Result<(), ServiceError>| {
        assert!(
            matches!(result, Err(ServiceError::Invalid(_))),
            "{result:?}"
        );
    };
    invalid(service.split_shard("s", 0, HashKey(0)).await);
    invalid(service.split_shard("s", 0, HALF).await);
    invalid(service.merge_shards("s", 0, 0).await);
    let none = service.split_shard("s", 9, HALF).await;
    assert!(matches!(none, Err(ServiceError::NoSuchShard { .. })));
    for target in [0, 5, 10_001] {
        let refused = service.update_shard_count("s", target).await;
        assert!(matches!(refused, Err(ServiceError::Quota(_))), "{target}");
    }
    service.merge_shards("s", 0, 1).await.unwrap();
    until(&service, "s", is_active).await;
    invalid(service.split_shard("s", 0, HashKey(7)).await);

    service
        .set_mode("s", StreamMode::OnDemand, None)
        .await
        .unwrap();
    let refused = [
        service.split_shard("s", 2, HALF).await,
        service.merge_shards("s", 2, 2).await,
        service.update_shard_count("s", 1).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(ServiceError::NotInThisMode(_))));
    }
    // Nothing of it has left a trace.
    let stream = service.stream("s").unwrap();
    assert!(is_active(&stream) && stream.map.all().len() == 3);
}

#[tokio::test]
async fn consumers_come_and_go() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("s", 1)).await.unwrap();
    let tags = vec![("key".to_owned(), "value".to_owned())];
    let first = before.register_consumer("s", "c", tags).await.unwrap();
    assert_eq!(first.status, ConsumerStatus::Creating);
    let again = before.register_consumer("s", "c", Vec::new()).await;
    assert!(matches!(again, Err(ServiceError::ConsumerExists { .. })));
    until(&before, "s", |s| s.active_consumer("c").is_ok()).await;
    assert_eq!(before.tags("s", Some("c")).await.unwrap().len(), 1);
    let kept = before.start_deletion("s", Deletion::WithoutConsumers).await;
    assert!(matches!(kept, Err(ServiceError::HasConsumers { .. })));

    before.deregister_consumer("s", "c").await.unwrap();
    until(&before, "s", |s| s.consumer("c").is_none()).await;
    before.halt.after.store(1, Ordering::SeqCst);
    let second = before
        .register_consumer("s", "c", Vec::new())
        .await
        .unwrap();
    assert!(second.created_s > first.created_s, "it is another one");
    assert_eq!(before.tags("s", Some("c")).await.unwrap(), []);
    // Cut short before it is active.
    before.halt.halted.notified().await;
    let left = killed(&data);
    let after = service(&left);
    until(&after, "s", |s| s.active_consumer("c").is_ok()).await;
    let none = after.deregister_consumer("s", "d").await;
    assert!(matches!(none, Err(ServiceError::NoSuchConsumer { .. })));
}

#[tokio::test]
async fn properties_change_and_stay() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("s", 1)).await.unwrap();
    before.raise_retention("s", 48).await.unwrap();
    before.raise_retention("s", 48).await.unwrap();
    let less = before.raise_retention("s", 47).await;
    assert!(matches!(less, Err(ServiceError::Invalid(_))));
    let more = before.lower_retention("s", 49).await;
    assert!(matches!(more, Err(ServiceError::Invalid(_))));
    before.lower_retention("s", 36).await.unwrap();
    before.set_max_record("s", 2048).await.unwrap();
    let key = Some("alias/key".to_owned());
    before.set_encryption("s", key.clone()).await.unwrap();
    let change = before.enable_metrics("s", Metrics(3)).await.unwrap();
    assert_eq!((change.before.0, change.after.0), (0, 3));
    let change = before.disable_metrics("s", Metrics(2)).await.unwrap();
    assert_eq!((change.before.0, change.after.0), (3, 1));
    let cold = before.set_warm_throughput("s", 10).await;
    assert!(matches!(cold, Err(ServiceError::NotInThisMode(_))));
    before
        .set_mode("s", StreamMode::OnDemand, None)
        .await
        .unwrap();
    let cold = before.set_warm_throughput("s", 10).await;
    assert!(matches!(cold, Err(ServiceError::NotInThisMode(_))));
    before.set_commitment(true).await.unwrap();
    before.set_warm_throughput("s", 10).await.unwrap();
    before.put_policy("s", None, "{}".to_owned()).await.unwrap();
    before.close().unwrap();
    drop(before);

    let after = service(&data);
    let row = after.stream("s").unwrap().row.clone();
    assert_eq!((row.retention_hours, row.max_record_kib), (36, Some(2048)));
    assert_eq!((row.encryption_key, row.monitoring), (key, Metrics(1)));
    assert_eq!((row.mode, row.warm_mibps), (StreamMode::OnDemand, Some(10)));
    assert!(after.is_committed());
    assert_eq!(after.policy("s", None).await.unwrap().unwrap(), "{}");
}

/// The system's clock, set ahead.
#[derive(Debug, Default)]
struct Ahead {
    system: SystemClock,
    ms: AtomicU64,
}

impl Clock for Ahead {
    fn wall_ms(&self) -> u64 {
        self.system.wall_ms() + self.ms.load(Ordering::SeqCst)
    }
    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

#[tokio::test]
async fn a_closed_shard_is_kept_as_long_as_its_records() {
    const HOUR: u64 = 3_600_000;
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(Ahead::default());
    let path = data.path().join("store");
    std::fs::create_dir_all(&path).unwrap();
    let mut options = StoreOptions::default();
    options.environment.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let store = Store::open(&path, options).unwrap();
    let catalog = Catalog::open(data.path()).unwrap();
    let settings = Settings::of(&Config::default());
    let clocks = Arc::clone(&clock);
    let service = Service::start(data.path(), store, catalog, settings, clocks).unwrap();
    let service = Arc::new(service);
    service.create_stream(wanted("s", 1)).await.unwrap();
    let mut producer = Producer::default();
    producer.put(&service, "s", 5).await;
    service.split_shard("s", 0, HALF).await.unwrap();
    until(&service, "s", is_active).await;
    producer.put(&service, "s", 5).await;
    let shards = || service.stream("s").unwrap().map.all().len();
    let pass = async |hours: u64| {
        clock.ms.fetch_add(hours * HOUR, Ordering::SeqCst);
        service.store.confirm_clock();
        service.store.reap().unwrap();
        service.expire_shards().await;
    };

    pass(23).await;
    assert_eq!(shards(), 3);
    assert_in_order(&service, "s", &producer.acknowledged).await;
    // A longer retention counts for what is still there.
    service.raise_retention("s", 48).await.unwrap();
    pass(2).await;
    assert_eq!(shards(), 3);
    assert_in_order(&service, "s", &producer.acknowledged).await;
    service.lower_retention("s", 24).await.unwrap();
    // Nobody trusts a clock that only says so: the records are still there.
    service.expire_shards().await;
    assert_eq!(shards(), 3);
    pass(0).await;
    assert_eq!(shards(), 2);
    assert_eq!(service.store.shard_ids().unwrap().len(), 2);
    let gone = service.read("s", 0, Position::Oldest).await.err().unwrap();
    assert!(matches!(gone, ServiceError::NoSuchShard { .. }), "{gone}");
    // Its children know whose they are, and another round goes on counting.
    let stream = service.stream("s").unwrap();
    assert_eq!(stream.map.all()[0].parents, [Some(0), None]);
    service.merge_shards("s", 1, 2).await.unwrap();
    until(&service, "s", is_active).await;
    assert_eq!(
        service
            .stream("s")
            .unwrap()
            .map
            .open()
            .next()
            .unwrap()
            .index,
        3
    );
    service.close().unwrap();
}
