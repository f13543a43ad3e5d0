//! The directory of one run: empty before it, gone after it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A directory that is gone when this is dropped.
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes `name` in `root`, without what an earlier run may have left there.
    pub(crate) fn new(root: &Path, name: &str) -> Result<Directory> {
        // Absolute, for peers that depend on the working directory.
        let root = std::path::absolute(root)?;
        let path = root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", path.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Directory { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes durable what opening a store wrote, so that no append pays for it.
    pub(crate) fn sync(&self) -> Result<()> {
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                } else {
                    File::open(entry.path())?.sync_all()?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left lies where the next run removes it.
        let _ = fs::remove_dir_all(&self.path);
        // Discards and journal of the removal belong to this run, not to what is measured next.
        rustix::fs::sync();
    }
}
