//! The queue of writes by ordinary system calls, on a few threads.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    device::{Completion, Lock, Wake, WriteOp, WriteQueue},
    file::Traits,
    write::Write,
};

/// Most writes in flight, waiting for a thread or with one.
const DEPTH: usize = 64;

/// Threads of a queue, and so the writes that the medium sees at a time.
pub(super) const THREADS: usize = 4;

/// Writes that wait for a thread, and those that have ended.
#[derive(Default)]
struct Board {
    waiting: VecDeque<Write>,
    ended: Vec<Completion>,
    in_flight: usize,
    woken: bool,
    closing: bool,
}

struct Shared {
    board: Mutex<Board>,
    /// There is a write, or the end.
    work: Condvar,
    /// A write has ended, or somebody wakes the owner.
    news: Condvar,
    traits: Arc<Traits>,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does until the queue closes.
    fn work(&self) {
        let mut board = self.board();
        loop {
            if let Some(mut write) = board.waiting.pop_front() {
                drop(board);
                let result = write.run(&self.traits.flushing);
                let token = write.token;
                // The buffers go back before the end is known, so that there is room for more.
                drop(write);
                board = self.board();
                board.ended.push(Completion { token, result });
                self.news.notify_one();
            } else if board.closing {
                return;
            } else {
                board = self
                    .work
                    .wait(board)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Wake for Shared {
    fn wake(&self) {
        let mut board = self.board();
        if !board.woken {
            board.woken = true;
            self.news.notify_one();
        }
    }
}

/// The queue; dropping it waits for what is in flight.
pub(super) struct PortableQueue {
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
    /// Held until the last write has ended. A killed process keeps it until its threads, and so
    /// their writes, have ended too.
    _lock: Arc<dyn Lock>,
}

impl PortableQueue {
    pub(super) fn new(
        lock: &Arc<dyn Lock>,
        traits: &Arc<Traits>,
        threads: usize,
    ) -> io::Result<PortableQueue> {
        let mut queue = PortableQueue {
            shared: Arc::new(Shared {
                board: Mutex::default(),
                work: Condvar::new(),
                news: Condvar::new(),
                traits: Arc::clone(traits),
            }),
            threads: Vec::with_capacity(threads),
            _lock: Arc::clone(lock),
        };
        for number in 0..threads {
            let shared = Arc::clone(&queue.shared);
            let thread = thread::Builder::new()
                .name(format!("millstream-io-{number}"))
                .spawn(move || shared.work())?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }
}

impl WriteQueue for PortableQueue {
    fn depth(&self) -> usize {
        DEPTH
    }

    fn submit(&mut self, op: WriteOp) -> io::Result<()> {
        let write = Write::new(op)?;
        let mut board = self.shared.board();
        if board.in_flight >= DEPTH {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        board.in_flight += 1;
        board.waiting.push_back(write);
        self.shared.work.notify_one();
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, done: &mut Vec<Completion>) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut board = self.shared.board();
        while board.ended.is_empty() && !board.woken {
            board = match deadline {
                None => self.shared.news.wait(board),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(());
                    }
                    match self.shared.news.wait_timeout(board, left) {
                        Ok((board, _)) => Ok(board),
                        Err(poisoned) => Ok(poisoned.into_inner().0),
                    }
                }
            }
            .unwrap_or_else(PoisonError::into_inner);
        }
        board.woken = false;
        board.in_flight -= board.ended.len();
        done.append(&mut board.ended);
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.shared) as Arc<dyn Wake>
    }
}

impl Drop for PortableQueue {
    fn drop(&mut self) {
        self.shared.board().closing = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that writes panicked");
            }
        }
    }
}

impl fmt::Debug for PortableQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortableQueue")
            .field("in_flight", &self.shared.board().in_flight)
            .finish_non_exhaustive()
    }
}
