use millstream_engine::format::HashKey;

use super::*;
use crate::{kinesis::fixture::Stand, service::PutOutcome};

fn outline(size: usize, hash: u128) -> RecordOutline<'static> {
    RecordOutline {
        key: "k",
        explicit_hash: Some(HashKey(hash)),
        data_len: size,
    }
}

async fn put(stand: &Stand, records: &[RecordOutline<'_>]) -> Result<PutOutcome, usize> {
    let service = &stand.front.service;
    let stream = service.stream("s").unwrap();
    let decode = |at: usize, out: &mut [u8]| {
        out.fill(at as u8);
        // Of 13 bytes there is nothing good to be had.
        if out.len() == 13 { Err(at) } else { Ok(()) }
    };
    let pending = service
        .put_outlines(&stream, records, &stand.front.capacity, decode)
        .await?;
    Ok(pending.await)
}

#[tokio::test]
async fn groups_are_as_large_as_one_write() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    let mut records = vec![outline(400_000, 0); 5];
    records.push(outline(10, u128::MAX));
    records.push(outline(2_000_000, 0));
    records.push(outline(10, 0));
    let outcome = put(&stand, &records).await.unwrap();
    assert_eq!(outcome.group_of, [0, 0, 1, 1, 2, 3, 4, 5]);
    let firsts: Vec<(u32, u64)> = outcome
        .groups
        .into_iter()
        .map(|(shard, first)| (shard.index, first.unwrap()))
        .collect();
    assert_eq!(firsts, [(0, 0), (0, 2), (0, 4), (1, 0), (0, 5), (0, 6)]);
}

#[tokio::test]
async fn what_cannot_be_decoded_leaves_nothing_and_gives_its_memory_back() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    let used = stand.front.service.store.stats().buffer_bytes;
    for bad in 0..3 {
        let mut records = [
            outline(100_000, 0),
            outline(100, u128::MAX),
            outline(100_000, u128::MAX),
        ];
        records[bad].data_len = 13;
        assert_eq!(put(&stand, &records).await.err(), Some(bad));
    }
    assert_eq!(stand.front.service.store.stats().buffer_bytes, used);
    let outcome = put(&stand, &[outline(1, 0), outline(1, u128::MAX)])
        .await
        .unwrap();
    for (_, first) in outcome.groups {
        assert_eq!(first.unwrap(), 0);
    }
}

#[tokio::test]
async fn without_memory_large_groups_are_refused_and_those_that_fit_are_not() {
    let stand = Stand::new();
    stand.stream("s", 2).await;
    // The staging batch of a shard that is in use needs none.
    let small = outline(10, 0);
    put(&stand, &[small]).await.unwrap();
    let store = &stand.front.service.store;
    let held: Vec<PoolBuffer> = std::iter::from_fn(|| store.buffer(1 << 20)).collect();
    let rest: Vec<PoolBuffer> = std::iter::from_fn(|| store.buffer(100_000)).collect();
    let outcome = put(&stand, &[outline(500_000, 0), outline(500_000, u128::MAX)])
        .await
        .unwrap();
    for (_, refused) in outcome.groups {
        assert!(
            matches!(refused, Err(ServiceError::Overloaded)),
            "{refused:?}"
        );
    }
    drop((held, rest));
    let outcome = put(&stand, &[outline(500_000, 0), outline(500_000, u128::MAX)])
        .await
        .unwrap();
    assert!(outcome.groups.into_iter().all(|(_, first)| first.is_ok()));
}
