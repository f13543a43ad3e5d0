//! File systems whose locks and flushes cannot be relied on.

#[cfg(test)]
mod tests;

use std::{io, path::Path};

/// The magic numbers of `statfs` (linux/magic.h and the file systems' own sources).
#[cfg(target_os = "linux")]
const NETWORK: [(u32, &str); 16] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "kAFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x2003_0528, "OrangeFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
];

/// The kind of network file system that `path` is on; `None` for a local one.
///
/// # Errors
/// When the system cannot tell.
#[cfg(target_os = "linux")]
pub fn network_kind(path: &Path) -> io::Result<Option<String>> {
    let magic = rustix::fs::statfs(path)?.f_type;
    Ok(named(magic as u32).map(str::to_owned))
}

#[cfg(target_os = "linux")]
fn named(magic: u32) -> Option<&'static str> {
    let known = NETWORK.iter().find(|(known, _)| *known == magic);
    known.map(|(_, name)| *name)
}

/// The kind of network file system that `path` is on; `None` for a local one.
///
/// # Errors
/// When the system cannot tell.
#[cfg(not(target_os = "linux"))]
pub fn network_kind(path: &Path) -> io::Result<Option<String>> {
    path.metadata().map(|_| None)
}
