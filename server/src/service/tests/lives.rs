//! Lives of streams: made, split, merged, deleted, and cut short after each step.

use std::collections::BTreeMap;

use millstream_engine::format::{HashKey, HashRange};

use super::*;
use crate::catalog::{ConsumerStatus, Metrics};

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
        let records = texts.iter().map(|(k, n)| Record::new(k, n.as_bytes()));
        let outcome = service.put_records(&stream, records).await.await;
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
                frame: 1 << 20,
            };
            let piece = service.next_piece(&mut reading, limits).await.unwrap();
            for batch in &piece.batches {
                for record in batch.records() {
                    let (_, record) = record.unwrap();
                    let key = record.key.to_owned();
                    assert!(shard.range.contains(record.as_record().hash_key()));
                    let number = std::str::from_utf8(record.data).unwrap();
                    let next = found.entry(key.clone()).or_default();
                    assert_eq!(number, next.to_string(), "{key} in shard {}", shard.index);
                    *next += 1;
                }
            }
            if piece.batches.is_empty() {
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

/// Cuts an operation short after each of its steps, starts again on what a kill leaves, and
/// looks at it there.
async fn cut_short<F: Future<Output = ()>, G: Future<Output = ()>>(
    prepare: impl Fn(Arc<Service>, Arc<tokio::sync::Mutex<Producer>>) -> F,
    operate: impl Fn(Arc<Service>) -> G,
    check: impl AsyncFn(&Arc<Service>, &Producer, u64),
) -> u64 {
    for step in 1.. {
        let data = tempfile::tempdir().unwrap();
        let before = service(&data);
        let producer = Arc::new(tokio::sync::Mutex::new(Producer::default()));
        prepare(Arc::clone(&before), Arc::clone(&producer)).await;
        before.halt.after.store(step, Ordering::SeqCst);
        operate(Arc::clone(&before)).await;
        let halted = before.halt.halted.notified();
        if tokio::time::timeout(Duration::from_secs(1), halted)
            .await
            .is_err()
        {
            // It had fewer steps.
            return step - 1;
        }
        let left = killed(&data);
        before.close().unwrap();
        let after = service(&left);
        check(&after, &*producer.lock().await, step).await;
        after.close().unwrap();
        // Once more, from what that has left.
        drop(after);
        let again = service(&left);
        check(&again, &*producer.lock().await, step).await;
        again.close().unwrap();
    }
    0
}

#[tokio::test]
async fn a_creation_cut_short_anywhere_is_finished() {
    let steps = cut_short(
        |_, _| async {},
        |service| async move {
            let _ = service.start_stream(wanted("s", 3)).await;
        },
        async |service, _, _| {
            until(service, "s", is_active).await;
            put(service, "s").await.unwrap();
            assert_eq!(service.store.shard_ids().unwrap().len(), 3);
        },
    );
    assert!(steps.await >= 1);
}

#[tokio::test]
async fn a_deletion_cut_short_anywhere_is_finished() {
    let steps = cut_short(
        |service, _| async move {
            service.create_stream(wanted("s", 3)).await.unwrap();
            let tags = vec![("key".to_owned(), "value".to_owned())];
            service.add_tags("s", None, tags).await.unwrap();
            service
                .register_consumer("s", "c", Vec::new())
                .await
                .unwrap();
            until(&service, "s", |s| s.active_consumer("c").is_ok()).await;
        },
        |service| async move {
            let deletion = Deletion::WithConsumers;
            let _ = service.start_deletion("s", deletion).await;
        },
        async |service, _, _| {
            until_gone(service, "s").await;
            assert_eq!(service.store.shard_ids().unwrap(), []);
            assert_eq!(service.catalog.load().unwrap(), []);
            let again = service.create_stream(wanted("s", 1)).await.unwrap();
            assert_eq!(service.tags("s", None).await.unwrap(), []);
            assert!(again.consumers.is_empty());
            service.delete_stream("s").await.unwrap();
        },
    );
    assert!(steps.await >= 2);
}

async fn two_shards(service: Arc<Service>, producer: Arc<tokio::sync::Mutex<Producer>>) {
    service.create_stream(wanted("s", 2)).await.unwrap();
    producer.lock().await.put(&service, "s", 20).await;
}

/// Everything that was acknowledged before is there, in order, and more can be put.
async fn assert_goes_on(service: &Arc<Service>, before: &Producer, ranges: &[HashRange]) {
    until(service, "s", is_active).await;
    assert_eq!(open_ranges(service, "s"), ranges);
    let mut producer = Producer {
        acknowledged: before.acknowledged.clone(),
    };
    // A second look has what the first one put.
    let extra = service.tags("s", None).await.unwrap().len() as u64;
    for more in producer.acknowledged.values_mut() {
        *more += extra;
    }
    producer.put(service, "s", 20).await;
    assert_in_order(service, "s", &producer.acknowledged).await;
    let tag = (format!("look-{extra}"), String::new());
    service.add_tags("s", None, vec![tag]).await.unwrap();
    let stream = service.stream("s").unwrap();
    assert!(stream.opening.is_empty() && stream.target.is_none());
    let named = stream.map.all().len();
    assert_eq!(service.store.shard_ids().unwrap().len(), named);
}

#[tokio::test]
async fn a_split_cut_short_anywhere_is_finished() {
    let quarter = HashKey(1 << 126);
    let range = |start: u128, end: u128| HashRange {
        start: HashKey(start),
        end: HashKey(end),
    };
    let ranges = [
        range(0, quarter.0 - 1),
        range(quarter.0, HALF.0 - 1),
        range(HALF.0, u128::MAX),
    ];
    let steps = cut_short(
        two_shards,
        |service| async move {
            let _ = service.split_shard("s", 0, quarter).await;
        },
        async |service, producer, _| assert_goes_on(service, producer, &ranges).await,
    );
    assert!(steps.await >= 3);
}

#[tokio::test]
async fn a_merge_cut_short_anywhere_is_finished() {
    let steps = cut_short(
        two_shards,
        |service| async move {
            let _ = service.merge_shards("s", 0, 1).await;
        },
        async |service, producer, _| assert_goes_on(service, producer, &HashRange::even(1)).await,
    );
    assert!(steps.await >= 3);
}

#[tokio::test]
async fn a_new_shard_count_cut_short_anywhere_is_reached() {
    let steps = cut_short(
        two_shards,
        |service| async move {
            let _ = service.update_shard_count("s", 3).await;
        },
        async |service, producer, _| assert_goes_on(service, producer, &HashRange::even(3)).await,
    );
    // Rounds of splits and of merges.
    assert!(steps.await >= 6);
}

#[tokio::test]
async fn a_sealed_parent_takes_nothing_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let before = service(&data);
    before.create_stream(wanted("s", 1)).await.unwrap();
    before.halt.after.store(3, Ordering::SeqCst);
    before.split_shard("s", 0, HALF).await.unwrap();
    before.halt.halted.notified().await;
    let left = killed(&data);
    // Not resumed: whoever comes before that is not let in either.
    let catalog = Catalog::open(left.path()).unwrap();
    let store = store(left.path(), &Arc::default());
    let clock = Arc::new(SystemClock::default());
    let settings = Settings::of(&Config::default());
    let after = Service::start(left.path(), store, catalog, settings, clock).unwrap();
    let stream = after.stream("s").unwrap();
    let parent = stream.open(stream.shard(0).unwrap()).unwrap();
    let refused = parent.try_append(&[Record::new("key", b"data")]);
    assert!(matches!(refused, Err(EngineError::Sealed { .. })));
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
