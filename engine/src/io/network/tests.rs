use super::*;
use crate::io::fixture::directories;

#[test]
fn local_directories_are_local() {
    for directory in directories() {
        assert_eq!(network_kind(directory.path()).unwrap(), None);
    }
    let missing = network_kind(Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[cfg(target_os = "linux")]
#[test]
fn network_file_systems_are_known_by_their_numbers() {
    for (magic, name) in [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0x0102_1997, "9p")] {
        assert_eq!(named(magic), Some(name));
    }
    // ext4, XFS, Btrfs, tmpfs, overlayfs.
    for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
        assert_eq!(named(magic), None);
    }
}
