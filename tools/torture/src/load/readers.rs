//! Clients that read.

use std::{sync::Arc, time::Duration};

use millstream_client::{FollowOptions, Position};
use tokio::time;

use crate::{
    ground::Ground,
    ledger::{Ledger, Sequence},
    random::Random,
};

/// Where a pass begins: anywhere that records may be.
fn begin(ledger: &Ledger, shard: u32, random: &mut Random) -> u64 {
    match ledger.jumps {
        // Between two jumps there is nothing.
        true => 0,
        false => random.below(ledger.end(shard) + 1),
    }
}

/// Reads from somewhere to the end or less, again and again.
pub(super) async fn catch_up(ground: Arc<Ground>, ledger: Arc<Ledger>, mut random: Random) {
    loop {
        let shard = random.below(ledger.shards.into()) as u32;
        let from = begin(&ledger, shard, &mut random);
        let most = random.below(100);
        let read = async {
            let client = ground.connect().await.map_err(|error| error.to_string())?;
            let mut reader = client.reader(&ledger.name, shard, Position::At(from));
            let mut pass = Sequence::new(&ledger, shard, from);
            for _ in 0..most {
                match reader.next_batch().await {
                    Ok(Some(batch)) => ground.check(&mut pass, &batch)?,
                    Ok(None) => break,
                    Err(error) if ground.is_shut(&error) => break,
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok(())
        };
        let read: Result<(), String> = read.await;
        if let Err(error) = read {
            let name = &ledger.name;
            return ground.history.wrong(format!(
                "stream {name}, shard {shard}, a reader from {from}: {error}"
            ));
        }
        time::sleep(Duration::from_millis(random.below(30))).await;
    }
}

/// Follows a shard from somewhere, for a while, again and again.
pub(super) async fn follow(
    ground: Arc<Ground>,
    ledger: Arc<Ledger>,
    shard: u32,
    mut random: Random,
) {
    loop {
        let from = begin(&ledger, shard, &mut random);
        let most = 1 + random.below(2000);
        let options = FollowOptions {
            credit: random.one_of(&[1, 64 << 10, 1 << 20]),
        };
        let follow = async {
            let client = ground.connect().await.map_err(|error| error.to_string())?;
            let position = Position::At(from);
            let follower = client.follow(&ledger.name, shard, position, options).await;
            let mut follower = match follower {
                Ok(follower) => follower,
                Err(error) if ground.is_shut(&error) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let mut pass = Sequence::new(&ledger, shard, from);
            let mut end = 0;
            for _ in 0..most {
                match follower.next_batch().await {
                    Ok(Some(batch)) => ground.check(&mut pass, &batch)?,
                    Ok(None) => return Err("an end of the shard".to_owned()),
                    Err(error) if ground.is_shut(&error) => break,
                    Err(error) => return Err(error.to_string()),
                }
                if follower.end() < end {
                    let back = follower.end();
                    return Err(format!("the end went from {end} to {back}"));
                }
                end = follower.end();
            }
            follower.stop().await;
            Ok(())
        };
        let followed: Result<(), String> = follow.await;
        if let Err(error) = followed {
            let name = &ledger.name;
            return ground.history.wrong(format!(
                "stream {name}, shard {shard}, a follower from {from}: {error}"
            ));
        }
    }
}
