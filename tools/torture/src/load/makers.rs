//! A client that makes and removes streams.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use millstream_client::{Client, CreateStream, Error, ErrorCode};
use tokio::time;

use crate::{ground::Ground, random::Random};

/// Makes a stream and removes it, again and again: what is acknowledged holds.
pub(super) async fn make_and_remove(ground: Arc<Ground>, mut random: Random) {
    let client = match ground.connect().await {
        Ok(client) => client,
        Err(error) => return ground.history.wrong(format!("a maker of streams: {error}")),
    };
    for turn in 0.. {
        let name = format!("passing-{:x}-{turn}", random.next());
        if let Err(error) = one(&ground, &client, &name, &mut random).await {
            return ground
                .history
                .wrong(format!("stream {name}, which is made and removed: {error}"));
        }
        ground.made.fetch_add(1, Ordering::Relaxed);
    }
}

async fn one(
    ground: &Ground,
    client: &Client,
    name: &str,
    random: &mut Random,
) -> Result<(), String> {
    let create = CreateStream {
        shards: 1 + random.below(3) as u32,
        ..CreateStream::default()
    };
    let made = client.create_stream(name, create.clone()).await;
    let known = outcome(ground, made.map(drop), ErrorCode::StreamExists)?;
    time::sleep(Duration::from_millis(random.below(200))).await;
    let there = is_there(client, name).await?;
    match known {
        Some(true) if !there => return Err("it was made, and is not there".to_owned()),
        Some(false) if there => return Err("it was refused, and is there".to_owned()),
        _ => {}
    }
    if !there {
        return Ok(());
    }
    let stream = client.describe_stream(name).await;
    let shards = stream.map_err(|error| error.to_string())?.shards.len();
    if shards != create.shards as usize {
        return Err(format!("it has {shards} shards, not {}", create.shards));
    }
    loop {
        let removed = client.delete_stream(name).await;
        let known = outcome(ground, removed, ErrorCode::NoSuchStream)?;
        time::sleep(Duration::from_millis(random.below(200))).await;
        match (known, is_there(client, name).await?) {
            (Some(true), true) => return Err("it was removed, and is there".to_owned()),
            (_, true) => {}
            (_, false) => return Ok(()),
        }
    }
}

/// Whether it was done, where that is known; `done_before` is the answer to a request that is
/// sent again.
fn outcome(
    ground: &Ground,
    result: Result<(), Error>,
    done_before: ErrorCode,
) -> Result<Option<bool>, String> {
    match result {
        Ok(()) => Ok(Some(true)),
        Err(error) if error.outcome_unknown() && ground.is_excused(&error) => Ok(None),
        Err(error) if error.code() == Some(done_before) => Ok(None),
        Err(error) if ground.is_excused(&error) => Ok(Some(false)),
        Err(error) => Err(error.to_string()),
    }
}

async fn is_there(client: &Client, name: &str) -> Result<bool, String> {
    let streams = client.list_streams().await;
    let streams = streams.map_err(|error| format!("the list of streams: {error}"))?;
    Ok(streams.iter().any(|stream| stream.name == name))
}
