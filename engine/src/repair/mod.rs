//! What still verifies of a damaged store, written to a new one.
//!
//! Sequence numbers, times and the memory of producers stay as they are: the numbers of records
//! that are gone are skipped, and nobody gets them again. The source is only read, without its
//! lock; where it is in use, the result is what was seen at that moment.

mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    buffer::copy::copy_cursors,
    clock::{Random, SystemRandom},
    duplicate::{make_dir, make_target},
    error::Error,
    inspect::{
        ExpectedShards, Finding, Place, Progress, missing_shards, outside, place, survey::Survey,
    },
    io::device::Device,
    sequence::ShardId,
    store::{SHARDS_DIR, read_store_file, shard_ids, write_store_file},
};
use writer::ShardWriter;

/// How often a shard is begun again whose oldest segments are dropped meanwhile.
const ATTEMPTS: usize = 10;

/// What a repair came to.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// The shards, by number.
    pub shards: Vec<RepairedShard>,
    /// Cursors of a buffer that were left out: both copies of their positions are damaged.
    pub cursors_left_out: Vec<String>,
    /// Shards that should be there, and of which there is nothing.
    pub missing: Vec<Finding>,
}

/// A shard that was written anew.
#[derive(Debug, Clone)]
pub struct RepairedShard {
    /// Its number.
    pub id: ShardId,
    /// Its new directory.
    pub dir: PathBuf,
    /// Segments written.
    pub segments: u64,
    /// Records written.
    pub records: u64,
    /// Bytes of batch bodies written, as stored.
    pub bytes: u64,
    /// What did not verify, with the records that are gone.
    pub damage: Vec<Finding>,
}

impl RepairReport {
    /// Everything that did not verify, by shard, and what is missing.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        let shards = self.shards.iter().flat_map(|shard| &shard.damage);
        shards.chain(&self.missing)
    }
}

/// Writes what verifies of the store or shard directory in `source` to `target`, which is not
/// there or empty. With `only`, the directory of that one shard is written.
///
/// # Errors
/// When the source is neither, or cannot be read, or the target cannot be written. What was
/// written up to then stays; it is no store, as the file that makes one comes last.
pub fn repair(
    source: &Path,
    target: &Path,
    only: Option<ShardId>,
    expected: &ExpectedShards,
    progress: &mut dyn FnMut(Progress),
) -> Result<RepairReport, Error> {
    let device = outside(source)?;
    repair_on(
        &device,
        &SystemRandom,
        source,
        target,
        only,
        expected,
        progress,
    )
}

/// The same on a device and with a randomness of the caller's.
///
/// # Errors
/// As [`repair`].
pub fn repair_on(
    device: &Arc<dyn Device>,
    random: &dyn Random,
    source: &Path,
    target: &Path,
    only: Option<ShardId>,
    expected: &ExpectedShards,
    progress: &mut dyn FnMut(Progress),
) -> Result<RepairReport, Error> {
    let mut repair = Repair {
        device: &**device,
        random,
        expected,
        progress,
        seen: Progress::default(),
        report: RepairReport::default(),
    };
    match (place(repair.device, source)?, only) {
        (Place::Store(dir), None) => repair.store(&dir, target)?,
        (Place::Store(dir), Some(id)) => {
            let dir = dir.join(SHARDS_DIR).join(id.dir_name());
            if repair.device.list(&dir).is_err() {
                return Err(Error::NoShard { shard: id });
            }
            make_target(repair.device, target)?;
            repair.shard(id, &dir, target)?;
        }
        (Place::Shard(id), only) if only.is_none_or(|only| only == id) => {
            make_target(repair.device, target)?;
            repair.shard(id, source, target)?;
        }
        (Place::Shard(_), Some(only)) => return Err(Error::NoShard { shard: only }),
        _ => {
            return Err(Error::Option {
                option: "source",
                reason: format!(
                    "{} is a segment file; name the directory of its shard, or the store",
                    source.display()
                ),
            });
        }
    }
    Ok(repair.report)
}

struct Repair<'a> {
    device: &'a dyn Device,
    random: &'a dyn Random,
    expected: &'a ExpectedShards,
    progress: &'a mut dyn FnMut(Progress),
    seen: Progress,
    report: RepairReport,
}

impl Repair<'_> {
    fn store(&mut self, source: &Path, target: &Path) -> Result<(), Error> {
        // A file that is lost or damaged is made anew.
        let id = match read_store_file(self.device, source) {
            Ok(Some(id)) => id,
            Err(error @ Error::StoreFormat { .. }) => return Err(error),
            _ => self.random.next_u64(),
        };
        let mut ids = shard_ids(self.device, source)?;
        ids.sort_unstable();
        self.report.missing = missing_shards(source, &ids, self.expected);
        make_target(self.device, target)?;
        self.report.cursors_left_out = copy_cursors(self.device, source, target)?;
        let shards = target.join(SHARDS_DIR);
        make_dir(self.device, &shards)?;
        for id in ids {
            let dir = source.join(SHARDS_DIR).join(id.dir_name());
            let made = shards.join(id.dir_name());
            make_dir(self.device, &made)?;
            match self.shard(id, &dir, &made) {
                // Deleted meanwhile.
                Err(_) if self.device.list(&dir).is_err() => {
                    writer::clear(self.device, &made)?;
                    let removed = self.device.remove_dir(&made);
                    removed.map_err(Error::io("removing", &made))?;
                }
                outcome => outcome?,
            }
        }
        let sync = self.device.sync_dir(&shards);
        sync.map_err(Error::io("repairing to", &shards))?;
        let block = self.device.report().block;
        write_store_file(self.device, target, block, id)
            .map_err(Error::io("making the store", target))
    }

    fn shard(&mut self, id: ShardId, source: &Path, target: &Path) -> Result<(), Error> {
        for attempt in 1.. {
            let expected = self.expected.get(&id).copied().unwrap_or_default();
            let survey = Survey {
                device: self.device,
                id,
                dir: source,
                expected,
            };
            let begun = self.seen;
            let mut writer = ShardWriter::new(
                self.device,
                self.random,
                id,
                (source, target),
                (&mut self.seen, self.progress),
            );
            let done = survey.run(&mut writer).and_then(|()| writer.finish());
            if writer.restart && attempt < ATTEMPTS {
                writer::clear(self.device, target)?;
                self.seen = begun;
                continue;
            }
            done?;
            self.report.shards.push(writer.into_shard());
            break;
        }
        Ok(())
    }
}
