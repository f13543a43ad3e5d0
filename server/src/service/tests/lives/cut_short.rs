//! Cut short after each step, and started again on what that leaves.

use super::*;

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
        puts: 0,
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
