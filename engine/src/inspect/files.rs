//! Files of a store that may be in use: whether they are there, and what their headers say.

use std::{io, path::Path};

use crate::{
    io::device::{Access, Device},
    segment::{SegmentHeader, header::SEGMENT_HEADER_LEN},
};

/// Whether there is a file of that name. One that cannot be opened for another reason is there.
pub(crate) fn exists(device: &dyn Device, path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    let opened = device.open(path, Access::Read);
    !opened.is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// Reads a segment's header: what it says, nothing where it is zeros, or why it does not verify.
pub(crate) fn raw_header(
    device: &dyn Device,
    path: &Path,
) -> io::Result<Result<Option<SegmentHeader>, String>> {
    let file = device.open(path, Access::Read)?;
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    if file.len()? < SEGMENT_HEADER_LEN as u64 {
        return Ok(Err("the file is too short for a segment".into()));
    }
    let mut read = file.read_at(&mut bytes, 0);
    if read.is_ok() && SegmentHeader::decode(&bytes).is_err() {
        // The page cache may be behind direct writes of a process that has the store open.
        read = file.read_medium_at(&mut bytes, 0);
    }
    if let Err(error) = read {
        return Ok(Err(format!("the medium cannot be read here: {error}")));
    }
    Ok(SegmentHeader::decode(&bytes).map_err(|e| e.to_string()))
}
