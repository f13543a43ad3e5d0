//! Where many shards' output comes together: whole chunks, one after another, on standard output.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::mpsc;

/// Chunks that wait for standard output; more make their shard wait.
const CHUNKS_WAITING: usize = 16;
/// Small chunks are gathered up to this many bytes while more are waiting.
const GATHERED_BYTES: usize = 1 << 20;
/// Buffers that are kept to be filled again.
const SPARE_BUFFERS: usize = 32;

/// The way to standard output. Clones lead to the same.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    chunks: mpsc::Sender<Vec<u8>>,
    spare: Spare,
}

/// The thread that writes; ends when every [`Sink`] is gone, or the output fails.
#[derive(Debug)]
pub(crate) struct Writer(JoinHandle<io::Result<()>>);

#[derive(Debug, Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

/// The output failed; [`Writer::finish`] tells why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Starts a thread that writes to `out`.
pub(crate) fn start(out: impl Write + Send + 'static) -> (Sink, Writer) {
    let (chunks, receiver) = mpsc::channel(CHUNKS_WAITING);
    let spare = Spare::default();
    let sink = Sink {
        chunks,
        spare: spare.clone(),
    };
    let thread = std::thread::spawn(move || write_all(out, receiver, &spare));
    (sink, Writer(thread))
}

impl Sink {
    /// An empty buffer for a chunk, perhaps with room from an earlier one.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.spare.take()
    }

    /// Writes a chunk after those that came before; waits while too many are waiting.
    ///
    /// # Errors
    /// When the output has failed.
    pub(crate) async fn write(&self, chunk: Vec<u8>) -> Result<(), Stopped> {
        self.chunks.send(chunk).await.map_err(|_| Stopped)
    }
}

impl Writer {
    /// Waits until everything was written. Every [`Sink`] must be gone.
    ///
    /// # Errors
    /// What the output failed with.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.0
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writing thread ended early")))
    }
}

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = self.lock();
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_all(
    mut out: impl Write,
    mut chunks: mpsc::Receiver<Vec<u8>>,
    spare: &Spare,
) -> io::Result<()> {
    let mut gathered = Vec::new();
    while let Some(chunk) = chunks.blocking_recv() {
        if gathered.is_empty() && chunk.len() >= GATHERED_BYTES {
            out.write_all(&chunk)?;
        } else {
            gathered.extend_from_slice(&chunk);
        }
        spare.give(chunk);
        // Nobody waits for what is held back here: it goes as soon as nothing more is at hand.
        if gathered.len() >= GATHERED_BYTES || chunks.is_empty() {
            out.write_all(&gathered)?;
            out.flush()?;
            gathered.clear();
        }
    }
    out.write_all(&gathered)?;
    out.flush()
}

#[cfg(test)]
mod tests;
