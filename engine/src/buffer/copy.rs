//! The cursors of a buffer in a copy of it.

use std::{io, path::Path};

use super::{
    CURSORS_DIR, cursor,
    slot::{self, SLOT_LEN},
};
use crate::{
    duplicate,
    error::Error,
    io::device::{Access, Device},
};

/// How often a cursor is read again whose copies are not both whole: one may be being written.
const ATTEMPTS: u32 = 100;

/// Copies the cursors of the store in `from` to the one in `to`, durably; the names of those
/// that are left out, because both copies of their positions are damaged. A store that is no
/// buffer has none.
pub(crate) fn copy_cursors(
    device: &dyn Device,
    from: &Path,
    to: &Path,
) -> Result<Vec<String>, Error> {
    let (from, to) = (from.join(CURSORS_DIR), to.join(CURSORS_DIR));
    let entries = match device.list(&from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("listing the cursors", &from))?,
    };
    duplicate::make_dir(device, &to)?;
    let mut left_out = Vec::new();
    for entry in entries {
        let Some(name) = cursor::name_of(&entry.name) else {
            continue;
        };
        let path = from.join(&entry.name);
        match read_whole(device, &path, name) {
            Ok(Some(bytes)) => {
                let target = to.join(&entry.name);
                let io = || Error::io("copying the cursor", &target);
                let file = device.open(&target, Access::Create).map_err(io())?;
                file.write_durable_at(&bytes, 0).map_err(io())?;
                file.sync().map_err(io())?;
            }
            Ok(None) => left_out.push(name.to_owned()),
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("reading the cursor", path)(error)),
        }
    }
    device
        .sync_dir(&to)
        .map_err(Error::io("copying the cursors to", to))?;
    Ok(left_out)
}

/// Both copies, the best that can be had; `None` when neither is whole.
fn read_whole(device: &dyn Device, path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let block = device.report().block;
    let mut best = (0, None);
    for _ in 0..ATTEMPTS {
        let file = device.open(path, Access::Read)?;
        let mut bytes = vec![0; 2 * block];
        let len = (file.len()? as usize).min(bytes.len());
        file.read_at(&mut bytes[..len], 0)?;
        let whole = [0, 1].into_iter().filter(|at| {
            let slot = &bytes[*at as usize * block..];
            let slot = slot.first_chunk::<SLOT_LEN>();
            slot.is_some_and(|slot| slot::decode(name, *at, slot).is_ok())
        });
        let whole = whole.count();
        if whole > best.0 {
            best = (whole, Some(bytes));
        }
        if best.0 == 2 {
            break;
        }
    }
    Ok(best.1)
}
