//! The files that an input makes, as files: `millstream inspect` and `verify` can be run on them.

use std::{env, fs, path::PathBuf, sync::OnceLock};

use millstream_engine::io::simulated::Disk;

use crate::stand::STORE;

/// Where to, if it is asked for. `cargo xtask fuzz --dump` sets it.
const VARIABLE: &str = "MILLSTREAM_FUZZ_DUMP";

/// Writes the files of a store to the directory that the environment names, if it names one.
pub fn when_asked(disk: &Disk) {
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let asked = DIRECTORY.get_or_init(|| env::var_os(VARIABLE).map(PathBuf::from));
    if let Some(directory) = asked {
        for path in disk.files() {
            let inside = path.strip_prefix(STORE).expect("a file of the store");
            let to = directory.join(inside);
            fs::create_dir_all(to.parent().expect("a directory")).expect("room for it");
            fs::write(&to, disk.bytes(&path).expect("a file")).expect("room for a file");
            println!("{}", to.display());
        }
    }
}
