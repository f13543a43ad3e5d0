//! Directories of the real device.

#[cfg(test)]
mod tests;

use std::{fs, io, path::Path};

use super::device::DirEntry;

/// Makes `path` and its missing parents, each name synced into the directory that holds it.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    let made = match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(parent)?;
            fs::create_dir(path)
        }
        outcome => outcome,
    };
    match made {
        Ok(()) => sync(parent),
        Err(_) if path.is_dir() => match sync(parent) {
            // Whoever made it may have been killed before the sync; but where the parent is not
            // ours to open, it is not ours to sync.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome,
        },
        Err(error) => Err(error),
    }
}

/// The names in `path`.
pub(super) fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            let is_dir = entry.file_type()?.is_dir();
            entries.push(DirEntry { name, is_dir });
        }
    }
    Ok(entries)
}

/// Makes the names in `path` durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let path = if path.as_os_str().is_empty() {
        here
    } else {
        path
    };
    fs::File::open(path)?.sync_all()
}

/// Makes everything on the file system of `path` durable.
#[cfg(target_os = "linux")]
pub(super) fn sync_all(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

/// There is no call for it that waits.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_all(_path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
