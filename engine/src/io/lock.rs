//! The exclusive lock of a store: `flock` on a file that names the holder.

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::device::Lock;

/// How often a lock that is held is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped, or the process and its last write have ended.
#[derive(Debug)]
pub(super) struct SystemLock {
    file: fs::File,
}

impl SystemLock {
    /// Takes the lock on the file `path`, which is made when missing, waiting up to `wait`.
    pub(super) fn take(path: &Path, wait: Duration) -> io::Result<SystemLock> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    let left = wait.saturating_sub(began.elapsed());
                    if left.is_zero() {
                        return Err(io::Error::new(io::ErrorKind::WouldBlock, holder(&file)));
                    }
                    thread::sleep(RETRY.min(left));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let lock = SystemLock { file };
        // A full medium must not keep a store from being opened: the name is for people.
        if let Err(error) = lock.name_holder() {
            tracing::debug!(%error, "could not write the process id into the lock file");
        }
        Ok(lock)
    }

    fn name_holder(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        let name = format!("{}\n", std::process::id());
        self.file.write_all_at(name.as_bytes(), 0)
    }
}

impl Lock for SystemLock {
    fn descriptor(&self) -> Option<i32> {
        Some(self.file.as_raw_fd())
    }
}

impl Drop for SystemLock {
    fn drop(&mut self) {
        // A ring that is being torn down may still refer to the open file. Each queue holds the
        // lock until its writes have ended, so nothing is in flight any more: let go now.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!(%error, "could not release the lock; it ends with its descriptor");
        }
    }
}

/// Who holds the lock, as far as the file tells.
fn holder(file: &fs::File) -> String {
    let mut name = [0; 20];
    let read = file.read_at(&mut name, 0).unwrap_or(0);
    match std::str::from_utf8(&name[..read]).map(|name| name.trim().parse::<u32>()) {
        Ok(Ok(process)) => format!("held by process {process}"),
        _ => "held by another process".to_owned(),
    }
}
