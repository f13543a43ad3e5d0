//! The body of a request: received into one buffer, bounded in bytes and time, and decompressed.

use std::{future::poll_fn, io::Read as _, pin::Pin, sync::Arc};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, EXPECT},
};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Front,
    bodies::Bodies,
    fault::{Fault, FaultKind},
};

/// Bytes that a request counts for beside its body, so that their number is bounded too.
const OVERHEAD: usize = 4 << 10;
/// Compressed bodies above this are decompressed on a thread of their own.
const INFLATE_APART: usize = 64 << 10;
/// Bytes of a body that is refused which are still received, so that its sender can read why.
const DRAINED_BYTES: u64 = 64 << 20;

/// A body as it was sent.
pub(super) struct Received {
    pub bytes: Bytes,
    compressed: bool,
    /// The place in memory of this request, until it is answered.
    _room: OwnedSemaphorePermit,
}

/// Receives a body.
///
/// # Errors
/// `RequestEntityTooLargeException` for a body over the limit; `SerializationException` for one
/// that is encoded in an unknown way, or does not come, or not in time;
/// `ServiceUnavailableException` when there is no room in memory for so long.
pub(super) async fn receive(
    front: &Front,
    headers: &HeaderMap,
    mut body: Incoming,
) -> Result<Received, Fault> {
    let limit = front.settings.body_bytes;
    let compressed = is_compressed(headers)?;
    let announced = body.size_hint().exact();
    if announced.is_some_and(|len| len > limit as u64) {
        // Whoever asks before it sends is told before it sends.
        if !headers.contains_key(EXPECT) {
            drain(front, body).await;
        }
        return Err(too_large(limit));
    }
    // All at once, so that no request holds room while it waits for more: a body of unknown length
    // takes what the longest would, and a compressed one the same once more.
    let len = announced.map_or(limit, |len| len as usize);
    let room = OVERHEAD + len + if compressed { limit } else { 0 };
    let room = room.min(front.settings.bytes_in_flight) as u32;
    let memory = Arc::clone(&front.memory);
    let room = match memory.clone().try_acquire_many_owned(room) {
        Ok(room) => room,
        Err(_) => match timeout(front.limits.put_wait, memory.acquire_many_owned(room)).await {
            Ok(Ok(room)) => room,
            _ => {
                return Err(Fault::new(
                    FaultKind::ServiceUnavailableException,
                    "the server has no memory for one more request at the moment; try again",
                ));
            }
        },
    };
    let patience = front.limits.receive_timeout;
    let collecting = collect(&front.bodies, &mut body, announced, limit);
    let collected = timeout(patience, collecting).await;
    let bytes = match collected {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => {
            drain(front, body).await;
            return Err(too_large(limit));
        }
        Ok(Err(error)) => {
            let message = format!("the body did not come whole: {error}");
            return Err(Fault::new(FaultKind::SerializationException, message));
        }
        Err(_) => {
            let message = format!("the body did not come within {} s", patience.as_secs_f32());
            return Err(Fault::new(FaultKind::SerializationException, message));
        }
    };
    Ok(Received {
        bytes,
        compressed,
        _room: room,
    })
}

/// The bytes of a body; `None` where they are more than `limit`.
async fn collect(
    bodies: &Arc<Bodies>,
    body: &mut Incoming,
    announced: Option<u64>,
    limit: usize,
) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole: Option<Vec<u8>> = None;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let Ok(part) = frame?.into_data() else {
            continue;
        };
        let held = whole.as_ref().map_or(0, Vec::len);
        if held + part.len() > limit {
            return Ok(None);
        }
        if held == 0 && announced == Some(part.len() as u64) {
            return Ok(Some(part));
        }
        let len = announced.map_or(part.len(), |len| len as usize);
        whole
            .get_or_insert_with(|| bodies.take(len))
            .extend_from_slice(&part);
    }
    Ok(Some(
        whole.map_or_else(Bytes::new, |whole| bodies.whole(whole)),
    ))
}

/// Receives what a client goes on sending, within bounds: a close with bytes unread would take the
/// answer away.
async fn drain(front: &Front, mut body: Incoming) {
    let reading = async {
        let mut left = DRAINED_BYTES;
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let part = frame.into_data().map_or(0, |part| part.len() as u64);
            left = left.saturating_sub(part);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(front.limits.receive_timeout, reading).await;
}

impl Received {
    /// The body, decompressed if need be.
    ///
    /// # Errors
    /// `SerializationException` when it is not what its header says;
    /// `RequestEntityTooLargeException` when there is too much in it.
    pub(super) async fn inflated(&self, limit: usize) -> Result<Bytes, Fault> {
        if !self.compressed {
            return Ok(self.bytes.clone());
        }
        let bytes = self.bytes.clone();
        if bytes.len() <= INFLATE_APART {
            return inflate(&bytes, limit);
        }
        let inflating = tokio::task::spawn_blocking(move || inflate(&bytes, limit)).await;
        inflating.unwrap_or_else(|_| {
            let message = "decompression ended in a defect; see the server's log";
            Err(Fault::new(FaultKind::InternalFailure, message))
        })
    }
}

fn inflate(bytes: &[u8], limit: usize) -> Result<Bytes, Fault> {
    let mut whole = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    if let Err(error) = decoder.read_to_end(&mut whole) {
        let message = format!("the body is not in gzip, as its Content-Encoding says: {error}");
        return Err(Fault::new(FaultKind::SerializationException, message));
    }
    if whole.len() > limit {
        return Err(too_large(limit));
    }
    Ok(whole.into())
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, Fault> {
    match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"") => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"identity") => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(value) => {
            let value = String::from_utf8_lossy(value);
            let message = format!("Content-Encoding {value:?} is not known here: gzip, or none");
            Err(Fault::new(FaultKind::SerializationException, message))
        }
    }
}

fn too_large(limit: usize) -> Fault {
    let message = format!("the body is over the limit of {limit} bytes; send less at a time");
    Fault::new(FaultKind::RequestEntityTooLargeException, message)
}
