//! A copy of a data directory that a server has open: the store, and the catalog that belongs to
//! it.

use std::{collections::HashSet, path::Path};

use millstream_engine::{
    ShardId,
    inspect::Progress,
    snapshot::{Snapshot, SnapshotReport},
};

use crate::{
    ServerError,
    catalog::{Catalog, CatalogError, Image, ShardLife},
};

/// How often the catalog may change while shards are copied.
const ROUNDS: usize = 50;

/// Copies the data directory `data`, whose server may be running, to the directory `target`,
/// which is not there or empty. Without `link` every segment is copied; with it, sealed ones
/// share their bytes with the store where the file system can do that.
///
/// Every record that was acknowledged before is in it. Each shard is copied at a moment of its
/// own; the streams are those of one moment.
///
/// # Errors
/// When the directory or its catalog cannot be read, the target not be written, or streams are
/// made and deleted all the time.
pub fn snapshot(
    data: &Path,
    target: &Path,
    link: bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<SnapshotReport, ServerError> {
    let store = |source| ServerError::Store {
        path: data.to_path_buf(),
        source,
    };
    let mut image = Image::take(data)?;
    let mut snapshot =
        Snapshot::begin(&data.join("store"), &target.join("store"), link).map_err(store)?;
    let mut copied: HashSet<ShardId> = HashSet::new();
    for _ in 0..ROUNDS {
        let named: HashSet<ShardId> = image
            .streams()?
            .iter()
            .filter(|stream| stream.row.is_served())
            .flat_map(|stream| &stream.shards)
            .filter(|shard| shard.life != ShardLife::Opening)
            .map(|shard| ShardId(shard.id))
            .collect();
        for gone in copied.difference(&named).copied().collect::<Vec<_>>() {
            snapshot.forget(gone).map_err(store)?;
            copied.remove(&gone);
        }
        let mut fresh: Vec<ShardId> = named.difference(&copied).copied().collect();
        fresh.sort_unstable();
        for id in fresh {
            if snapshot.shard(id, progress).map_err(store)? {
                copied.insert(id);
            }
        }
        // Only with the same catalog before and after it are these the shards that it names.
        let now = Image::take(data)?;
        if now == image {
            let mut report = snapshot.finish().map_err(store)?;
            let mut missing: Vec<ShardId> = named.difference(&copied).copied().collect();
            missing.sort_unstable();
            report.damaged.append(&mut missing);
            image.write(target)?;
            return Ok(report);
        }
        image = now;
    }
    Err(ServerError::DataDirectory {
        path: data.to_path_buf(),
        reason: "streams are made and deleted all the time; try again when fewer are".into(),
    })
}

/// Copies the catalog of the data directory `data`, as it is, to the directory
/// `target`, which is there; whether there is one.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy_catalog(data: &Path, target: &Path) -> Result<bool, CatalogError> {
    if !Catalog::exists(data) {
        return Ok(false);
    }
    Image::take(data)?.write(target)?;
    Ok(true)
}
