//! Clients that write.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use millstream_client::{
    Client, Delivery, Error, ErrorAnswer, ErrorCode, Producer, ProducerOptions, Record,
};
use tokio::{sync::mpsc, time};

use crate::{ground::Ground, ledger::Ledger, random::Random, record::Identity};

/// Most records of a producer that are sent and not acknowledged.
const UNANSWERED: usize = 2000;
/// Most records of a put without a producer.
const TOGETHER: u64 = 8;

/// Producers one after the other, each for `life` records, until writing is to end.
pub(super) async fn produce(
    ground: Arc<Ground>,
    ledger: Arc<Ledger>,
    mut random: Random,
    life: u64,
) {
    while !ground.budget.is_closed() {
        if let Err(error) = one_producer(&ground, &ledger, &mut random, life).await {
            let name = &ledger.name;
            return ground
                .history
                .wrong(format!("a producer of {name}: {error}"));
        }
    }
}

async fn one_producer(
    ground: &Arc<Ground>,
    ledger: &Arc<Ledger>,
    random: &mut Random,
    life: u64,
) -> Result<(), Error> {
    let client = ground.connect().await?;
    let options = ProducerOptions {
        batch_bytes: random.one_of(&[4 << 10, 64 << 10, 240 << 10]),
        linger: Duration::from_millis(random.below(6)),
        memory_bytes: 4 << 20,
        in_flight_per_shard: random.one_of(&[1, 4, 32]),
        retry_for: None,
        ..ProducerOptions::default()
    };
    let producer = client.producer(&ledger.name, options).await?;
    let writer = ledger.writer(true);
    let (sent, deliveries) = mpsc::channel(UNANSWERED);
    let collector = tokio::spawn(collect(Arc::clone(ground), Arc::clone(ledger), deliveries));
    let ended = send(ground, ledger, &producer, writer, life, &sent).await;
    drop(sent);
    if random.below(2) == 0 {
        producer.close().await?;
    } else {
        // What was taken is still sent in the background.
        drop(producer);
    }
    // It ends when every record has an outcome.
    let collected = collector.await;
    collected.map_err(|_| Error::Closed)?;
    ended
}

async fn send(
    ground: &Ground,
    ledger: &Ledger,
    producer: &Producer,
    writer: u32,
    life: u64,
    sent: &mpsc::Sender<(Identity, Delivery)>,
) -> Result<(), Error> {
    for _ in 0..life {
        // Mostly small: a part of a KiB each.
        if !ground.may_send(1).await {
            break;
        }
        let who = ledger.sends(writer);
        let (key, data) = who.record(ground.seed);
        let delivery = producer.send(&key, None, &data).await?;
        if sent.send((who, delivery)).await.is_err() || !ground.may_send(data.len()).await {
            break;
        }
    }
    Ok(())
}

async fn collect(
    ground: Arc<Ground>,
    ledger: Arc<Ledger>,
    mut deliveries: mpsc::Receiver<(Identity, Delivery)>,
) {
    while let Some((who, delivery)) = deliveries.recv().await {
        let said = match delivery.await {
            Ok(at) => ledger.acknowledged(who, at.shard, at.sequence),
            Err(error) => Err(format!("{who} was given up: {error}")),
        };
        if let Err(error) = said {
            let name = &ledger.name;
            ground.history.wrong(format!("stream {name}: {error}"));
        }
    }
}

/// Puts that are sent once, until writing is to end.
pub(super) async fn put(ground: Arc<Ground>, ledger: Arc<Ledger>, mut random: Random) {
    let name = &ledger.name;
    let client = match ground.connect().await {
        Ok(client) => client,
        Err(error) => return ground.history.wrong(format!("a put to {name}: {error}")),
    };
    let writer = ledger.writer(false);
    while ground.may_send(1).await {
        let count = 1 + random.below(TOGETHER);
        let batch: Vec<Identity> = (0..count).map(|_| ledger.sends(writer)).collect();
        if let Err(error) = put_once(&ground, &ledger, &client, &batch).await {
            ground
                .history
                .wrong(format!("stream {name}: a put: {error}"));
        }
        time::sleep(Duration::from_millis(random.below(10))).await;
    }
}

async fn put_once(
    ground: &Ground,
    ledger: &Ledger,
    client: &Client,
    batch: &[Identity],
) -> Result<(), String> {
    let texts: Vec<_> = batch.iter().map(|who| who.record(ground.seed)).collect();
    let records: Vec<Record<'_>> = texts
        .iter()
        .map(|(key, data)| Record::new(key, data))
        .collect();
    let answer = client.put(&ledger.name, &records).await;
    let results: Vec<Result<(u32, u64), Error>> = match answer {
        Ok(answer) => answer
            .results()
            .map(|one| match one.result {
                Ok(sequence) => Ok((one.shard, sequence)),
                Err(code) => Err(ErrorAnswer::new(code, "one record").into()),
            })
            .collect(),
        Err(error) => vec![Err(error); batch.len()],
    };
    if results.len() != batch.len() {
        let (sent, answered) = (batch.len(), results.len());
        return Err(format!("{sent} records have {answered} results"));
    }
    for (who, result) in batch.iter().zip(results) {
        match result {
            Ok((shard, sequence)) => ledger.acknowledged(*who, shard, sequence)?,
            Err(error) => {
                if error.code() == Some(ErrorCode::NoSpace) {
                    ground.no_space.fetch_add(1, Ordering::Relaxed);
                }
                if !ground.is_excused(&error) {
                    return Err(format!("{who}: {error}"));
                }
                if !error.outcome_unknown() {
                    ledger.refused(*who)?;
                }
            }
        }
    }
    Ok(())
}
