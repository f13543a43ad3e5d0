//! The catalog's file as it is at one moment, although a server may be writing to it.

use std::{fs, io, io::Write, path::Path, thread, time::Duration};

use millstream_engine::{
    Durability, ShardId,
    inspect::{Expected, ExpectedShards},
};

use super::{Catalog, CatalogError, FILE_NAME, ShardLife, WholeStream};

/// How often a file that changes is read again.
const ATTEMPTS: u32 = 100;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// The bytes of a catalog: what a killed server would have left at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// Reads the catalog in `directory`. A file that reads the same twice in a row did not
    /// change between the end of the first reading and the beginning of the second: it is what it
    /// was at that moment, and the database recovers from any.
    ///
    /// # Errors
    /// When it cannot be read, or is written all the time.
    pub(crate) fn take(directory: &Path) -> Result<Image, CatalogError> {
        let path = directory.join(FILE_NAME);
        let read = || fs::read(&path).map_err(CatalogError::io("reading", &path));
        let mut bytes = read()?;
        for _ in 0..ATTEMPTS {
            let again = read()?;
            if again == bytes {
                return Ok(Image { bytes });
            }
            bytes = again;
            thread::sleep(PAUSE);
        }
        let busy = io::Error::new(
            io::ErrorKind::ResourceBusy,
            "it is written all the time; try again when fewer streams are made or deleted",
        );
        Err(CatalogError::io("reading", &path)(busy))
    }

    /// Writes it to `directory`, durably.
    ///
    /// # Errors
    /// When that is refused.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), CatalogError> {
        let path = directory.join(FILE_NAME);
        let written = (|| {
            let mut file = fs::File::create_new(&path)?;
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            fs::File::open(directory)?.sync_all()
        })();
        written.map_err(CatalogError::io("writing", &path))
    }

    /// Its streams, as a copy of it shows them: opening it may write to it.
    ///
    /// # Errors
    /// When it does not open.
    pub(crate) fn streams(&self) -> Result<Vec<WholeStream>, CatalogError> {
        let copy =
            tempfile::tempdir().map_err(CatalogError::io("copying", Path::new(FILE_NAME)))?;
        let target = copy.path().join(FILE_NAME);
        fs::write(&target, &self.bytes).map_err(CatalogError::io("copying", &target))?;
        Catalog::open(copy.path())?.load()
    }

    /// What it says of shards: those that are made wholly have to be there.
    ///
    /// # Errors
    /// As [`Image::streams`].
    pub(crate) fn expected_shards(&self) -> Result<ExpectedShards, CatalogError> {
        let mut expected = ExpectedShards::new();
        for stream in self.streams()? {
            let row = &stream.row;
            for shard in &stream.shards {
                let of_shard = Expected {
                    range: Some(shard.range),
                    lossy: row.durability == Durability::Written,
                    finished: row.is_served() && shard.life != ShardLife::Opening,
                };
                expected.insert(ShardId(shard.id), of_shard);
            }
        }
        Ok(expected)
    }
}
