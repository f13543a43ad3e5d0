//! The real device: probed and chosen when a store is opened.

#[cfg(test)]
mod tests;

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use super::{
    aligned::BLOCK,
    device::{
        Access, Device, DeviceChoice, DeviceOptions, DeviceReport, DirEntry, File, Lock, WriteOp,
        WriteQueue,
    },
    directory,
    file::{SystemFile, Traits},
    lock::SystemLock,
    network::network_kind,
    portable::{PortableQueue, THREADS},
    probe,
    write::Write,
};
use crate::Error;

/// The system's device for the store in `options.path`, which exists: io_uring where it is
/// granted, direct I/O where it works. [`Device::report`] tells what came of it, and why.
///
/// # Errors
/// [`Error::NetworkFileSystem`] unless it is allowed; [`Error::Option`] when io_uring was asked
/// for and is refused; [`Error::Io`] when the directory cannot be examined.
pub fn system_device(options: &DeviceOptions) -> Result<Arc<dyn Device>, Error> {
    let path = &options.path;
    let kind = network_kind(path).map_err(Error::io("examine the file system of", path))?;
    if let Some(kind) = kind
        && !options.allow_network
    {
        return Err(Error::NetworkFileSystem {
            path: path.clone(),
            kind,
        });
    }

    let mut notes = Vec::new();
    let uring = match options.choice {
        DeviceChoice::Portable => false,
        choice => match probe::uring(path) {
            Ok(()) => true,
            Err(error) if choice == DeviceChoice::Auto => {
                notes.push(format!("io_uring is refused ({error})"));
                false
            }
            Err(error) => {
                return Err(Error::Option {
                    option: "device",
                    reason: format!(
                        "io_uring is refused by the system ({error}); choose auto or portable"
                    ),
                });
            }
        },
    };
    let direct = options.direct
        && match probe::direct(path) {
            Ok(()) => true,
            Err(error) => {
                notes.push(format!("direct I/O is refused ({error})"));
                false
            }
        };
    Ok(Arc::new(SystemDevice {
        report: DeviceReport {
            name: if uring { "io_uring" } else { "portable" },
            direct,
            block: BLOCK,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        },
        uring,
        traits: Arc::new(Traits::new(direct)),
    }))
}

#[derive(Debug)]
struct SystemDevice {
    report: DeviceReport,
    uring: bool,
    traits: Arc<Traits>,
}

impl Device for SystemDevice {
    fn report(&self) -> DeviceReport {
        self.report.clone()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        directory::create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        directory::list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        directory::sync(path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        directory::sync_all(path)
    }

    fn lock(&self, path: &Path, wait: Duration) -> io::Result<Arc<dyn Lock>> {
        Ok(Arc::new(SystemLock::take(path, wait)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(SystemFile::open(path, access, &self.traits)?))
    }

    fn write(&self, op: WriteOp) -> io::Result<()> {
        Write::new(op)?.run(&self.traits.flushing)
    }

    fn queue(&self, lock: &Arc<dyn Lock>) -> io::Result<Box<dyn WriteQueue>> {
        #[cfg(target_os = "linux")]
        if self.uring {
            return Ok(Box::new(super::uring::UringQueue::new(lock)?));
        }
        Ok(Box::new(PortableQueue::new(lock, &self.traits, THREADS)?))
    }
}
