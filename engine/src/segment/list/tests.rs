use std::fs::OpenOptions;

use super::*;
use crate::io::{
    device::{DeviceChoice, DeviceOptions},
    system_device,
};

#[test]
fn a_map_that_has_faulted_is_not_given_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let device = system_device(&DeviceOptions {
        choice: DeviceChoice::Portable,
        direct: false,
        allow_network: false,
        path: dir.path().to_owned(),
    })
    .unwrap();
    let segment = Segment::new(ShardId(1), dir.path(), 0);
    let whole = vec![7; 4 * 4096];
    std::fs::write(&segment.path, &whole).unwrap();
    let maps = MapCache::new(8);
    let map = || maps.map(&*device, &segment).unwrap();
    let first = map();
    assert!(first.bytes(0, whole.len()).unwrap() == whole);
    assert!(Arc::ptr_eq(&first, &map()));
    let file = OpenOptions::new().write(true).open(&segment.path).unwrap();
    file.set_len(4096).unwrap();
    assert!(first.bytes(8192, 4096).unwrap().iter().all(|b| *b == 0));
    std::fs::write(&segment.path, &whole).unwrap();
    let second = map();
    assert!(second.bytes(0, whole.len()).unwrap() == whole);
    assert!(first.has_faulted() && !second.has_faulted());
    assert!(Arc::ptr_eq(&second, &map()));
    assert_eq!(maps.len(), 1, "one segment is mapped");
}
