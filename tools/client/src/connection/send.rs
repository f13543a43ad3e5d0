//! The writing task: whatever is queued goes out in as few vectored writes as can be.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use tokio::{io::AsyncWriteExt, sync::mpsc};

use super::{Outgoing, Sending, Shared};
use crate::Error;

/// Most frames in one write.
const MOST_FRAMES: usize = 64;

pub(super) async fn run(
    mut stream: Sending,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    shared: Arc<Shared>,
) {
    let mut frames = Vec::with_capacity(MOST_FRAMES);
    let reason = loop {
        let got = tokio::select! {
            got = queue.recv_many(&mut frames, MOST_FRAMES) => got,
            () = shared.died() => 0,
        };
        if got == 0 {
            break "closed".to_owned();
        }
        let written = tokio::select! {
            written = write_all(&mut stream, &frames) => written,
            () = shared.died() => break "closed".to_owned(),
        };
        if let Err(error) = written {
            tracing::debug!(address = %shared.address, %error, "sending failed");
            break error.to_string();
        }
        frames.clear();
    };
    shared.die(&Error::lost(&shared.address, reason));
    // The peer may be gone already.
    drop(stream.shutdown().await);
}

async fn write_all(stream: &mut Sending, frames: &[Outgoing]) -> io::Result<()> {
    let mut slices = Vec::with_capacity(frames.len() * 2);
    for frame in frames {
        slices.push(IoSlice::new(&frame.head));
        if frame.payload.len > 0 {
            slices.push(IoSlice::new(frame.payload.as_slice()));
        }
    }
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let written = stream.write_vectored(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    // TLS keeps what the socket did not take at once.
    stream.flush().await
}
