//! Reads over the wire what is there, and holds it against the ledger.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use millstream_client::{Client, Position};
use tokio::task::JoinSet;

use crate::{
    ground::Ground,
    ledger::{Ledger, Sequence},
};

/// How far each shard of a stream was audited.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    ledger: Arc<Ledger>,
    next: Vec<u64>,
}

impl Marks {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Marks {
        Marks {
            ledger: Arc::clone(ledger),
            next: vec![0; ledger.shards as usize],
        }
    }
}

/// What of a stream is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What came since the last audit: sealed segments do not change.
    Newest,
    /// All.
    Whole,
    /// All, on a full medium: but for shards that need room to be opened.
    WhatIsOpen,
}

/// Audits all streams at a time.
pub(crate) async fn all(
    ground: &Arc<Ground>,
    marks: &mut [Marks],
    extent: Extent,
) -> Result<(), String> {
    let mut audits = JoinSet::new();
    for (at, marks) in marks.iter().enumerate() {
        let (ground, marks) = (Arc::clone(ground), marks.clone());
        audits.spawn(async move { (at, stream(&ground, marks, extent).await) });
    }
    while let Some(ended) = audits.join_next().await {
        let (at, audited) = ended.map_err(|error| format!("an audit: {error}"))?;
        marks[at] = audited?;
    }
    Ok(())
}

async fn stream(ground: &Ground, mut marks: Marks, extent: Extent) -> Result<Marks, String> {
    let ledger = Arc::clone(&marks.ledger);
    let patience = Duration::from_secs(if extent == Extent::WhatIsOpen { 3 } else { 120 });
    let client = ground.connect_for(patience).await;
    let client = client.map_err(|error| error.to_string())?;
    for shard in 0..ledger.shards {
        let mark = &mut marks.next[shard as usize];
        let from = match extent {
            Extent::Newest => *mark,
            Extent::Whole | Extent::WhatIsOpen => 0,
        };
        let audited = audit(ground, &client, &ledger, shard, from, extent).await;
        *mark = audited.map_err(|error| {
            format!(
                "stream {}, shard {shard}, an audit from {from}: {error}",
                ledger.name
            )
        })?;
    }
    Ok(marks)
}

/// Reads a shard from a number on, at least as far as is known; where it ended.
async fn audit(
    ground: &Ground,
    client: &Client,
    ledger: &Ledger,
    shard: u32,
    from: u64,
    extent: Extent,
) -> Result<u64, String> {
    let known = ledger.end(shard);
    let mut reader = client.reader(&ledger.name, shard, Position::At(from));
    let mut pass = Sequence::new(ledger, shard, from);
    loop {
        match reader.next_batch().await {
            Ok(Some(batch)) => ground.check(&mut pass, &batch)?,
            Ok(None) => break,
            Err(error) if extent == Extent::WhatIsOpen && ground.is_shut(&error) => {
                ground.shut.fetch_add(1, Ordering::Relaxed);
                let name = &ledger.name;
                ground
                    .history
                    .note(format!("stream {name}, shard {shard} is shut: {error}"));
                return Ok(from);
            }
            Err(error) => return Err(error.to_string()),
        }
        // Writers go on: what comes from here on is for the next audit.
        if pass.next() > known && !ground.budget.is_closed() {
            break;
        }
    }
    if reader.end() < known {
        let end = reader.end();
        return Err(format!(
            "it ends at {end}, and was known to end at {known} or later"
        ));
    }
    if pass.next() < known {
        let next = pass.next();
        return Err(format!("numbers {next} to {} are missing", known - 1));
    }
    Ok(pass.next())
}
