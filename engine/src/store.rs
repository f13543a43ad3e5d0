//! The store: a directory of shards that one process owns, and the threads that work for them.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use millstream_format::{BatchBuilder, crc32c};

use crate::{
    clock::{Join, Random},
    error::Error,
    ground::Ground,
    io::{
        create_directory,
        device::{Access, Device, DeviceOptions, DeviceReport, Lock},
        pool::PoolBuffer,
        system_device,
    },
    options::{ShardOptions, StoreOptions},
    recover,
    retain::reaper::Reaper,
    segment::list::lock,
    sequence::ShardId,
    shard::{Shard, ShardCore, staging::Condition, ticket::Room},
    writer::{Preparer, Writer},
};

/// Name of the file that makes a directory a store.
pub(crate) const STORE_FILE: &str = "STORE";
const LOCK_FILE: &str = "LOCK";
/// The directory of the shards.
pub(crate) const SHARDS_DIR: &str = "shards";
/// What the directory of a shard that was deleted ends with, until its files are gone.
const DELETED: &str = "deleted";
/// Version of the layout of a store.
pub const STORE_FORMAT: u32 = 1;
const STORE_MAGIC: u64 = u64::from_le_bytes(*b"MSSTORE1");
const STORE_LEN: usize = 28;
/// Least memory budget.
const MIN_BUDGET: usize = 2 << 20;

/// A look at a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Bytes of buffers in use, out of the memory budget.
    pub buffer_bytes: usize,
    /// Segments mapped.
    pub mapped_segments: usize,
    /// Shards open.
    pub open_shards: usize,
}

struct Inner {
    ground: Arc<Ground>,
    id: u64,
    path: PathBuf,
    options: StoreOptions,
    reaper: Arc<crate::retain::reaper::Control>,
    threads: Mutex<Threads>,
    /// Shards that are being made, opened or deleted: one thread at a time works on each.
    busy: Mutex<HashSet<ShardId>>,
    freed: Condvar,
    lock: Mutex<Option<Arc<dyn Lock>>>,
}

#[derive(Default)]
struct Threads {
    writer: Option<Box<dyn Join>>,
    others: Vec<Box<dyn Join>>,
}

/// An open store; clones are the same store. It is closed by [`Store::close`], or when the last
/// handle is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `path`, making it where the directory is missing or empty.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it, [`Error::StoreFormat`] when it is of
    /// another format, [`Error::NotAStore`] when the directory holds something else.
    pub fn open(path: impl AsRef<Path>, options: StoreOptions) -> Result<Store, Error> {
        let path = path.as_ref();
        if options.memory_budget < MIN_BUDGET {
            return Err(Error::Option {
                option: "memory_budget",
                reason: format!(
                    "{} bytes, at least {MIN_BUDGET} are needed",
                    options.memory_budget
                ),
            });
        }
        let device = match &options.environment.device {
            Some(device) => Arc::clone(device),
            None => {
                create_directory(path).map_err(Error::io("making the store", path))?;
                system_device(&DeviceOptions {
                    choice: options.device,
                    direct: options.direct_io,
                    allow_network: options.allow_network,
                    path: path.to_path_buf(),
                })?
            }
        };
        device
            .create_dir(path)
            .map_err(Error::io("making the store", path))?;
        check_strangers(&*device, path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = match device.lock(&lock_path, options.lock_wait) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return Err(Error::InUse {
                    path: path.to_path_buf(),
                });
            }
            other => other.map_err(Error::io("locking", lock_path))?,
        };
        let block = device.report().block;
        let environment = &options.environment;
        let id = open_store_file(&*device, path, block, &*environment.random)?;
        let queue = device
            .queue(&lock)
            .map_err(Error::io("starting the writer of", path))?;

        let ground = Arc::new(Ground::new(device, path, &options));
        let writer = Writer::new(Arc::clone(&ground), queue);
        let preparer = Preparer::new(Arc::clone(&ground));
        let (reaper, control) = Reaper::new(
            Arc::clone(&ground),
            options.reap_interval,
            options.clock_settle,
        );
        let start = |name, work| {
            let started = environment.threads.start(name, work);
            started.map_err(Error::io("starting a thread for", path))
        };
        let threads = Threads {
            others: vec![
                start("millstream-prepare", Box::new(preparer))?,
                start("millstream-compact", Box::new(reaper))?,
            ],
            writer: Some(start("millstream-writer", Box::new(writer))?),
        };
        Ok(Store {
            inner: Arc::new(Inner {
                ground,
                id,
                path: path.to_path_buf(),
                options: options.clone(),
                reaper: control,
                threads: Mutex::new(threads),
                busy: Mutex::default(),
                freed: Condvar::new(),
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// Whether there is a store in `path`: its file, whatever else is missing.
    #[must_use]
    pub fn exists(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(STORE_FILE).exists()
    }

    /// The random number that tells it from other stores, and stays with it for good.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.id
    }

    /// What everything in the store stands on.
    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.inner.ground
    }

    /// What the store's device is.
    #[must_use]
    pub fn device(&self) -> DeviceReport {
        self.inner.ground.device.report()
    }

    /// Makes a shard, durably, and opens it.
    ///
    /// # Errors
    /// [`Error::ShardExists`] when the number is taken.
    pub fn create_shard(&self, id: ShardId, options: ShardOptions) -> Result<Shard, Error> {
        let _sole = self.inner.sole(id);
        let dir = self.shard_dir(id);
        self.inner.check_shard(id, &options)?;
        if lock(&self.inner.ground.shards).contains_key(&id) {
            return Err(Error::ShardExists { shard: id });
        }
        recover::create(&self.inner.ground, id, &dir, &options)?;
        self.inner
            .open_shard(id, &dir, options, recover::Opening::Fresh)
    }

    /// Opens a shard, recovering it; the same shard when it is open already.
    ///
    /// # Errors
    /// [`Error::NoShard`] when there is none of that number. Damage does not fail the opening
    /// where something can still be read: see [`Shard::status`].
    pub fn open_shard(&self, id: ShardId, options: ShardOptions) -> Result<Shard, Error> {
        let _sole = self.inner.sole(id);
        self.inner.check_shard(id, &options)?;
        if let Some(core) = lock(&self.inner.ground.shards).get(&id) {
            return Ok(Shard {
                core: Arc::clone(core),
            });
        }
        let dir = self.shard_dir(id);
        if !exists(&*self.inner.ground.device, &dir) {
            return Err(Error::NoShard { shard: id });
        }
        self.inner
            .open_shard(id, &dir, options, recover::Opening::Found)
    }

    /// Closes a shard and opens it again, which ends the state after a failed write. Older
    /// handles stay closed. What was in flight and was not acknowledged is void.
    ///
    /// # Errors
    /// As [`Store::open_shard`]; the shard stays closed then.
    pub fn reopen_shard(&self, id: ShardId) -> Result<Shard, Error> {
        let _sole = self.inner.sole(id);
        let core = lock(&self.inner.ground.shards).get(&id).cloned();
        let Some(core) = core else {
            return Err(Error::NoShard { shard: id });
        };
        self.inner.retire(&core)?;
        let ceiling = core.watermark.get();
        let (read_only, sealed) = {
            let stage = lock(&core.stage);
            (
                matches!(stage.condition, Condition::ReadOnly(_)),
                stage.sealed,
            )
        };
        let options = ShardOptions {
            retention: *lock(&core.retention),
            ..core.options
        };
        let opening = match read_only {
            true => recover::Opening::Found,
            false => recover::Opening::Reopened(ceiling),
        };
        let reopened = self.inner.open_shard(id, &core.dir, options, opening);
        match &reopened {
            Ok(reopened) => lock(&reopened.core.stage).sealed = sealed,
            // Still there, so that it can be tried again.
            Err(_) => drop(lock(&self.inner.ground.shards).insert(id, core)),
        }
        reopened
    }

    /// Deletes a shard with all its records. Handles and cursors of it fail from then on.
    ///
    /// # Errors
    /// [`Error::NoShard`] when there is none of that number.
    pub fn delete_shard(&self, id: ShardId) -> Result<(), Error> {
        let _sole = self.inner.sole(id);
        let core = lock(&self.inner.ground.shards).get(&id).cloned();
        if let Some(core) = core {
            core.refuse_appends(Condition::Closed);
            self.inner.retire(&core)?;
        }
        let device = &*self.inner.ground.device;
        let dir = self.shard_dir(id);
        if !exists(device, &dir) {
            return Err(Error::NoShard { shard: id });
        }
        // It goes at once, whatever a crash leaves of its files.
        let io = || Error::io("deleting the shard", &dir);
        let deleted = dir.with_extension(DELETED);
        device.rename(&dir, &deleted).map_err(io())?;
        device
            .sync_dir(&self.inner.path.join(SHARDS_DIR))
            .map_err(io())?;
        if let Err(error) = remove_tree(device, &deleted) {
            tracing::warn!(shard = %id, %error, "files of a deleted shard are left; the next open removes them");
        }
        Ok(())
    }

    /// The shards on the medium, open or not, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn shard_ids(&self) -> Result<Vec<ShardId>, Error> {
        shard_ids(&*self.inner.ground.device, &self.inner.path)
    }

    fn shard_dir(&self, id: ShardId) -> PathBuf {
        self.inner.path.join(SHARDS_DIR).join(id.dir_name())
    }

    /// A block-aligned buffer for a ready batch of `len` bytes, out of the memory budget; `None`
    /// when that is used up: wait for [`Store::room`] and try again.
    #[must_use]
    pub fn buffer(&self, len: usize) -> Option<PoolBuffer> {
        self.inner.ground.pool.get(len)
    }

    /// A builder of a ready batch in such a buffer, with `len` bytes for header and body. What it
    /// builds goes to one shard by [`crate::Shard::append_ready`], without a copy.
    #[must_use]
    pub fn batch(&self, len: usize) -> Option<BatchBuilder<PoolBuffer>> {
        self.buffer(len).map(BatchBuilder::new)
    }

    /// Resolves when there may be memory again.
    pub fn room(&self) -> Room {
        Room::new(None, Arc::clone(&self.inner.ground))
    }

    /// Looks for segments past retention now; how many were dropped.
    ///
    /// # Errors
    /// The first error met; other shards were looked at all the same.
    pub fn reap(&self) -> Result<usize, Error> {
        self.inner.reaper.reap(&self.inner.ground)
    }

    /// Says that the wall clock is right: segments may be dropped by age at once.
    pub fn confirm_clock(&self) {
        self.inner.reaper.confirm_clock();
    }

    /// A look at the store.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let ground = &self.inner.ground;
        StoreStats {
            buffer_bytes: ground.pool.used(),
            mapped_segments: ground.maps.len(),
            open_shards: lock(&ground.shards).len(),
        }
    }

    /// Refuses appends, finishes what was accepted, marks every shard as closed cleanly, ends the
    /// threads and gives the lock back. A second call does nothing.
    ///
    /// # Errors
    /// None today: an index that cannot be written (on a full medium, say) is made again by the
    /// next open.
    pub fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }
}

/// The right to make, open or delete one shard.
struct Sole<'a> {
    inner: &'a Inner,
    id: ShardId,
}

impl Drop for Sole<'_> {
    fn drop(&mut self) {
        lock(&self.inner.busy).remove(&self.id);
        self.inner.freed.notify_all();
    }
}

impl Inner {
    fn sole(&self, id: ShardId) -> Sole<'_> {
        let mut busy = lock(&self.busy);
        while !busy.insert(id) {
            busy = self
                .freed
                .wait(busy)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Sole { inner: self, id }
    }

    fn check_shard(&self, id: ShardId, options: &ShardOptions) -> Result<(), Error> {
        let wrong = |option, reason| Err(Error::Option { option, reason });
        if self.ground.is_closing() {
            return Err(Error::Closed { shard: id });
        }
        let bytes = options.segment_bytes;
        if !(1 << 20..=4 << 30).contains(&bytes) || !bytes.is_multiple_of(self.ground.block as u64)
        {
            let reason = format!(
                "{bytes} bytes; 1 MiB to 4 GiB, a multiple of {}",
                self.ground.block
            );
            return wrong("segment_bytes", reason);
        }
        if let crate::options::CompressionChoice::Zstd(level) = options.compression
            && !millstream_format::compression::LEVELS.contains(&level)
        {
            return wrong("compression", format!("zstd level {level}; 1 to 19"));
        }
        Ok(())
    }

    /// Most bytes of a batch: a quarter of a segment and of the memory budget.
    fn batch_limit(&self, options: &ShardOptions) -> usize {
        let segment = usize::try_from(options.segment_bytes / 4).unwrap_or(usize::MAX);
        let whole = millstream_format::MAX_BODY_BYTES + self.ground.block;
        segment.min(self.options.memory_budget / 4).min(whole)
    }

    fn open_shard(
        &self,
        id: ShardId,
        dir: &Path,
        options: ShardOptions,
        opening: recover::Opening,
    ) -> Result<Shard, Error> {
        let limit = self.batch_limit(&options);
        let recovered = recover::open(&self.ground, id, dir, &options, opening, limit)?;
        let ground = Arc::clone(&self.ground);
        let core = Arc::new(ShardCore::new(
            id,
            dir.to_path_buf(),
            ground,
            options,
            limit,
            recovered,
        ));
        let mut shards = lock(&self.ground.shards);
        if self.ground.is_closing() {
            return Err(Error::Closed { shard: id });
        }
        shards.insert(id, Arc::clone(&core));
        drop(shards);
        if !lock(&core.sealed).is_empty() {
            core.call_reaper();
        }
        if core.needs_stamp() {
            // What was found is to be guarded like what will be written.
            core.stamp_due.store(true, Ordering::Release);
            core.call_writer();
        }
        Ok(Shard { core })
    }

    /// Takes a shard out of use: waits until nothing of it is in flight.
    fn retire(&self, core: &Arc<ShardCore>) -> Result<(), Error> {
        // In this order: what is published by now is acknowledged, nothing more will be.
        lock(&core.log).retire();
        {
            let mut stage = lock(&core.stage);
            if matches!(
                stage.condition,
                Condition::Open | Condition::NoSpace | Condition::Closed
            ) {
                let watermark = core.watermark.get();
                stage.fail(watermark, Condition::Closed);
            }
        }
        core.retired.store(true, Ordering::SeqCst);
        // Once each has been had, no other thread works on the shard's files any more.
        drop(lock(&core.preparing));
        drop(lock(&core.reaping));
        while !lock(&core.log).is_idle() {
            self.ground.writer.wake();
            std::thread::sleep(Duration::from_millis(1));
        }
        lock(&self.ground.shards).remove(&core.id);
        core.wake_all();
        core.announce_room();
        Ok(())
    }

    fn close(&self) -> Result<(), Error> {
        let mut threads = lock(&self.threads);
        let Some(writer) = threads.writer.take() else {
            return Ok(());
        };
        let open = lock(&self.ground.shards);
        self.ground.begin_close();
        let shards: Vec<_> = open.values().cloned().collect();
        drop(open);
        for shard in &shards {
            shard.refuse_appends(Condition::Closed);
        }
        self.ground.writer.wake();
        writer.join();
        for shard in &shards {
            shard.wake_all();
            if let Err(error) = shard.write_checkpoints() {
                // Perhaps the medium is full. The next open scans a little more.
                tracing::warn!(shard = %shard.id, %error, "an index was not written at the close");
            }
        }
        self.ground.stop();
        self.ground.preparer.wake();
        self.ground.reaper.wake();
        for thread in threads.others.drain(..) {
            thread.join();
        }
        lock(&self.ground.shards).clear();
        self.ground.forget_calls();
        // Everything that could write is gone: the lock may go.
        lock(&self.lock).take();
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing the store");
        }
    }
}

/// Whether a directory is there.
fn exists(device: &dyn Device, dir: &Path) -> bool {
    device.list(dir).is_ok()
}

/// The shards of the store in `path`.
pub(crate) fn shard_ids(device: &dyn Device, path: &Path) -> Result<Vec<ShardId>, Error> {
    let dir = path.join(SHARDS_DIR);
    let entries = device
        .list(&dir)
        .map_err(Error::io("listing the shards", dir))?;
    Ok(entries
        .iter()
        .filter(|entry| entry.is_dir)
        .filter_map(|entry| ShardId::from_dir_name(&entry.name))
        .collect())
}

/// A directory that holds something but no store is left alone.
fn check_strangers(device: &dyn Device, path: &Path) -> Result<(), Error> {
    let entries = device.list(path).map_err(Error::io("listing", path))?;
    let ours = |name: &str| {
        name == STORE_FILE
            || name == LOCK_FILE
            || name == SHARDS_DIR
            || name.ends_with(".partial")
            || name == "lost+found"
    };
    let is_store = entries.iter().any(|entry| entry.name == STORE_FILE);
    // Shards without the file that makes their store are somebody's records, and no empty store.
    let orphans = !is_store
        && device
            .list(&path.join(SHARDS_DIR))
            .is_ok_and(|shards| !shards.is_empty());
    if orphans || !is_store && entries.iter().any(|entry| !ours(&entry.name)) {
        return Err(Error::NotAStore {
            path: path.to_path_buf(),
        });
    }
    Ok(())
}

/// Reads the file that makes a directory a store, or makes it, with the directory of the shards.
/// The identity of the store.
fn open_store_file(
    device: &dyn Device,
    path: &Path,
    block: usize,
    random: &dyn Random,
) -> Result<u64, Error> {
    let file_path = path.join(STORE_FILE);
    let io = |doing| Error::io(doing, &file_path);
    let mut found = read_store_file(device, path)?;
    if found.is_none() {
        let id = random.next_u64();
        found = Some(id);
        write_store_file(device, path, block, id).map_err(io("making"))?;
    }
    let shards = path.join(SHARDS_DIR);
    // What a killed process has made or deleted there is not to change once it was seen.
    let made = device
        .create_dir(&shards)
        .and_then(|()| device.sync_dir(&shards));
    made.map_err(io("making the shards beside"))?;
    for entry in device
        .list(&shards)
        .map_err(io("listing the shards beside"))?
    {
        let left = shards.join(&entry.name);
        if left.extension().is_some_and(|end| end == DELETED)
            && let Err(error) = remove_tree(device, &left)
        {
            tracing::warn!(path = %left.display(), %error, "files of a deleted shard are left");
        }
    }
    Ok(found.unwrap_or_default())
}

/// Makes the file that makes a directory a store, durably.
pub(crate) fn write_store_file(
    device: &dyn Device,
    path: &Path,
    block: usize,
    id: u64,
) -> io::Result<()> {
    let mut bytes = vec![0; block];
    bytes[0..8].copy_from_slice(&STORE_MAGIC.to_le_bytes());
    bytes[8..12].copy_from_slice(&STORE_FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&id.to_le_bytes());
    let crc = crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    let partial = path.join("STORE.partial");
    let _ = device.remove_file(&partial);
    let file = device.open(&partial, Access::Create)?;
    file.write_durable_at(&bytes, 0)?;
    device.rename(&partial, &path.join(STORE_FILE))?;
    device.sync_dir(path)
}

/// Identity of the store in `path`; `None` when there is none.
pub(crate) fn read_store_file(device: &dyn Device, path: &Path) -> Result<Option<u64>, Error> {
    let file_path = path.join(STORE_FILE);
    let io = || Error::io("reading", &file_path);
    let file = match device.open(&file_path, Access::Read) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io())?,
    };
    let mut bytes = [0; STORE_LEN];
    if file.len().map_err(io())? >= STORE_LEN as u64 {
        file.read_at(&mut bytes, 0).map_err(io())?;
    }
    let u32_at =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    if u64_at(0) != STORE_MAGIC || u32_at(24) != crc32c(&bytes[..24]) {
        let reason = io::Error::new(
            io::ErrorKind::InvalidData,
            "it is damaged: restore it from a backup",
        );
        return Err(io()(reason));
    }
    if u32_at(8) != STORE_FORMAT {
        return Err(Error::StoreFormat {
            path: path.to_path_buf(),
            found: u32_at(8),
            expected: STORE_FORMAT,
        });
    }
    Ok(Some(u64_at(16)))
}

fn remove_tree(device: &dyn Device, dir: &Path) -> io::Result<()> {
    for entry in device.list(dir)? {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            remove_tree(device, &path)?;
        } else {
            device.remove_file(&path)?;
        }
    }
    device.remove_dir(dir)
}
