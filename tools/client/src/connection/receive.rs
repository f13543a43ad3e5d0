//! The reading task: heads out of a small buffer, payloads straight to where they stay.

use std::sync::Arc;

use millstream_wire::{FrameHead, FrameHeader, Response};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Receiving, Shared, Waiter, answer};
use crate::Error;

/// Bytes read at a time while no payload is awaited.
const BUFFER_BYTES: usize = 64 << 10;

pub(super) async fn run(stream: Receiving, shared: Arc<Shared>, limit: u32) {
    let result = tokio::select! {
        result = receive(stream, &shared, limit) => result,
        () = shared.died() => Ok(()),
    };
    // Whatever it was, for those who wait it is a connection that was lost.
    let error = match result {
        Ok(()) => Error::lost(&shared.address, "closed by the server"),
        Err(error) => {
            tracing::debug!(address = %shared.address, %error, "receiving failed");
            Error::lost(&shared.address, error)
        }
    };
    shared.die(&error);
}

async fn receive(
    mut stream: impl AsyncRead + Unpin,
    shared: &Shared,
    limit: u32,
) -> Result<(), Error> {
    let lost = |error| Error::io("receiving from", &shared.address, error);
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut start = 0;
    loop {
        let rest = &buffer[start..];
        let Some(head) = FrameHead::parse(rest, limit)? else {
            let needed = FrameHead::needed(rest);
            buffer.drain(..start);
            start = 0;
            buffer.reserve(needed.max(BUFFER_BYTES) - buffer.len());
            if stream.read_buf(&mut buffer).await.map_err(lost)? == 0 {
                return Ok(());
            }
            continue;
        };
        let header = head.header;
        let response = Response::decode(header.opcode, head.meta)?;
        start += head.len();
        let mut payload = Vec::new();
        if header.payload_len > 0 {
            payload.reserve_exact(header.payload_len);
            let there = header.payload_len.min(buffer.len() - start);
            payload.extend_from_slice(&buffer[start..start + there]);
            start += there;
            while payload.len() < header.payload_len {
                let missing = (header.payload_len - payload.len()) as u64;
                let mut part = (&mut stream).take(missing);
                if part.read_buf(&mut payload).await.map_err(lost)? == 0 {
                    return Ok(());
                }
            }
        }
        hand_over(shared, &header, response, payload).await?;
    }
}

async fn hand_over(
    shared: &Shared,
    header: &FrameHeader,
    response: Response,
    payload: Vec<u8>,
) -> Result<(), Error> {
    let goes_on = matches!(response, Response::Followed(_));
    let result = match response {
        // Correlation 0 belongs to no request: the server speaks of the connection.
        Response::Error(error) if header.correlation == 0 => return Err(error.into()),
        Response::Error(error) => Err(error.into()),
        response => Ok((response, payload)),
    };
    if goes_on {
        let sender = match shared.pending().get(&header.correlation) {
            Some(follow) => match &follow.waiter {
                Waiter::Many(sender) => sender.clone(),
                _ => return Ok(()),
            },
            None => return Ok(()),
        };
        // A follower that was dropped takes its connection with it.
        drop(sender.send(result).await);
        return Ok(());
    }
    let Some(waiting) = shared.pending().remove(&header.correlation) else {
        return Ok(());
    };
    match waiting.waiter {
        Waiter::Many(sender) => drop(sender.send(result).await),
        waiter => answer(waiter, result),
    }
    Ok(())
}
