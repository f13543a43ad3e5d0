//! A medium that does not give what was written, and a full file system in memory, under a store
//! that is open. Both need a mount, and so the superuser: elsewhere these tests say that they did
//! nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // helpers of tests are tests too

mod support;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use millstream_engine::{
    Damage, DeviceChoice, Error, Position, SequenceNumber, Shard, ShardId, ShardState, Store,
    StoreOptions,
    clock::{Join, Threads, Turn, Work},
    format::Record,
    inspect,
    io::{
        device::{Access, DeviceOptions},
        system_device,
    },
};
use support::*;

const OTHER: ShardId = ShardId(8);
const LEN: usize = 30_000;
const INSIDE: &str = "MILLSTREAM_TEST_MOUNTS";

/// Runs a test again where its mounts are its own, and end with it; `true` in there.
fn with_own_mounts(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let own = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--"]).arg(program).args(arguments);
        command
    };
    match own(Path::new("true"), &[]).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!("not tested: mounts are not allowed here ({})", why.trim());
            return false;
        }
        Err(error) => {
            eprintln!("not tested: unshare: {error}");
            return false;
        }
    }
    let program = std::env::current_exe().unwrap();
    let status = own(&program, &["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    false
}

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn open_small(path: &Path) -> Store {
    let options = StoreOptions {
        memory_budget: 2 << 20,
        ..store_options()
    };
    Store::open(path, options).unwrap()
}

/// Background work that does not begin before this is dropped: it would give blocks to files, and
/// what is written behind the end of a failing device makes it longer again.
#[derive(Debug, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

#[derive(Debug)]
struct HeldThreads(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Threads for HeldThreads {
    fn start(&self, _name: &str, mut work: Box<dyn Work>) -> io::Result<Box<dyn Join>> {
        let held = Arc::clone(&self.0);
        Ok(Box::new(std::thread::spawn(move || {
            let begun = held.1.wait_while(held.0.lock().unwrap(), |begun| !*begun);
            drop(begun.unwrap());
            while work.turn(true) == Turn::Again {}
        })))
    }
}

fn open_held(path: &Path) -> (Store, Held) {
    let held = Held::default();
    let mut options = StoreOptions {
        memory_budget: 2 << 20,
        ..store_options()
    };
    options.environment.threads = Arc::new(HeldThreads(Arc::clone(&held.0)));
    (Store::open(path, options).unwrap(), held)
}

fn damage(error: Error) -> Arc<Damage> {
    match error {
        Error::Damaged { damage, .. } | Error::ReadOnly { damage, .. } => damage,
        other => panic!("{other}"),
    }
}

/// Reads from a position to the end or to damage; each record is the one that it should be.
fn read_on(shard: &Shard, from: u64) -> (u64, Option<Arc<Damage>>) {
    let mut cursor = shard.read(Position::At(SequenceNumber(from))).unwrap();
    let mut next = from;
    loop {
        let batch = match cursor.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => return (next, None),
            Err(error) => return (next, Some(damage(error))),
        };
        for record in batch.records() {
            let (sequence, record) = record.unwrap();
            assert_eq!(
                (sequence.0, record.data),
                (next, &data(next, LEN)[..]),
                "{next}"
            );
            next += 1;
        }
    }
}

/// A file system that is mounted as long as this is held.
struct Mounted(PathBuf);

impl Mounted {
    fn new(arguments: &[&str], at: &Path) -> Result<Mounted, String> {
        let arguments = [arguments, &[at.to_str().unwrap()]].concat();
        run("mount", &arguments).map(|_| Mounted(at.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}

/// A device that is a file, of which what lies behind its end cannot be read.
struct Failing {
    backing: PathBuf,
    mounted: Mounted,
}

impl Failing {
    fn mount(dir: &Path) -> Result<Failing, String> {
        let (backing, mounted) = (dir.join("backing"), dir.join("mounted"));
        let file = File::create(&backing).unwrap();
        file.set_len(64 << 20).unwrap();
        std::fs::create_dir(&mounted).unwrap();
        let from = backing.to_str().unwrap();
        // No journal: nothing but the files is written after the store is.
        run(
            "mkfs.ext4",
            &["-q", "-b", "4096", "-O", "^has_journal", from],
        )?;
        // Given back with the mount.
        let mounted = Mounted::new(&["-o", "loop", from], &mounted)?;
        let list = run("losetup", &["--noheadings", "-O", "NAME", "-j", from])?;
        // Past the page cache of the file system below, which answers with zeros.
        run("losetup", &["--direct-io=on", list.trim()])?;
        Ok(Failing { backing, mounted })
    }

    /// Where a batch lies on the device.
    fn place_of(&self, segment: &Path, offset: u64) -> u64 {
        let mut block = [0; 4096];
        let file = File::open(segment).unwrap();
        file.read_exact_at(&mut block, offset).unwrap();
        let all = std::fs::read(&self.backing).unwrap();
        let place = all.chunks(4096).position(|other| other == block);
        place.unwrap() as u64 * 4096
    }

    /// Makes everything from a place on unreadable; what was there.
    fn fail_from(&self, place: u64) -> Vec<u8> {
        // What is written later would make the device longer again.
        run("sync", &["-f", self.mounted.0.to_str().unwrap()]).unwrap();
        let file = self.open_backing();
        let all = std::fs::read(&self.backing).unwrap();
        file.set_len(place).unwrap();
        all[place as usize..].to_vec()
    }

    fn mend(&self, place: u64, lost: &[u8]) {
        self.open_backing().write_all_at(lost, place).unwrap();
    }

    fn open_backing(&self) -> File {
        OpenOptions::new().write(true).open(&self.backing).unwrap()
    }
}

/// What the page cache has of files is to be read from the medium again.
fn forget(files: &[PathBuf]) {
    for path in files {
        let from = format!("if={}", path.display());
        run("dd", &[&from, "iflag=nocache", "count=0"]).unwrap();
    }
}

/// A store on a device that can fail: one shard of several segments, in the order in which they
/// lie on it, behind another shard. The number of records.
fn failing_store() -> Result<(tempfile::TempDir, Failing, PathBuf, u64), String> {
    let dir = tempfile::tempdir().unwrap();
    let failing = Failing::mount(dir.path())?;
    let path = failing.mounted.0.join("store");
    let store = open_small(&path);
    let other = store.create_shard(OTHER, small_segments()).unwrap();
    append(&other, 0..10, LEN);
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    let mut end = 0;
    while shard.status().segments < 4 {
        append(&shard, end..end + 1, LEN);
        end += 1;
    }
    append(&shard, end..end + 10, LEN);
    store.close().unwrap();
    Ok((dir, failing, path, end + 10))
}

const CANNOT: &str = "the medium cannot be read here: Input/output error (os error 5)";

#[test]
fn what_the_medium_does_not_give_is_damage_there_and_nowhere_else() {
    if !with_own_mounts("what_the_medium_does_not_give_is_damage_there_and_nowhere_else") {
        return;
    }
    let (_dir, failing, path, end) = match failing_store() {
        Ok(made) => made,
        Err(error) => return eprintln!("not tested: {error}"),
    };
    let segments = files(&path, "seg");
    let places = batches(&segments[2]);
    let (offset, header) = places[places.len() / 2];
    let place = failing.place_of(&segments[2], offset);
    forget(&segments);
    let (store, held) = open_held(&path);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let other = store.open_shard(OTHER, small_segments()).unwrap();
    // Mapped, and read up to there.
    let before = header.first_sequence;
    let mut reader = shard
        .read(Position::At(SequenceNumber(before - 5)))
        .unwrap();
    let lent = reader.next_batch().unwrap().unwrap();
    // The system reads ahead; what it has is not missed.
    forget(&segments);
    let lost = failing.fail_from(place);
    if std::fs::read(&segments[2]).is_ok() {
        return eprintln!("not tested: this system hides that a device fails");
    }
    forget(&segments);
    let (read, found) = read_on(&shard, 0);
    let found = found.unwrap();
    assert_eq!((&found.file, found.sequence.0), (&segments[2], read));
    assert!((before - 5..=before).contains(&read), "{found}");
    assert_eq!(found.reason, CANNOT);
    assert!(lent.is_intact());
    assert_eq!(read_on(&shard, read), (read, Some(Arc::clone(&found))));
    // What can be looked at is looked at.
    let look = inspect::inspect(&path, &mut |_| {}).unwrap();
    let mut told = look
        .damage()
        .filter(|finding| finding.damage.file == segments[2]);
    assert_eq!(told.next().unwrap().damage.reason, CANNOT);
    assert_eq!(read_on(&other, 0), (10, None));
    assert!(matches!(shard.status().state, ShardState::Open));

    // It was the cable.
    failing.mend(place, &lost);
    drop(held);
    assert_eq!(read_on(&shard, 0), (end, None));
    append(&shard, end..end + 10, LEN);
    append(&other, 10..20, LEN);
    assert_eq!(read_on(&shard, 0), (end + 10, None));
    assert_eq!(read_on(&other, 0), (20, None));
}

#[test]
fn a_tail_that_cannot_be_read_is_not_cut_off() {
    if !with_own_mounts("a_tail_that_cannot_be_read_is_not_cut_off") {
        return;
    }
    let (_dir, failing, path, end) = match failing_store() {
        Ok(made) => made,
        Err(error) => return eprintln!("not tested: {error}"),
    };
    let segments = files(&path, "seg");
    let active = segments.last().unwrap();
    // Without the index, from its first batch on.
    let _ = std::fs::remove_file(active.with_extension("idx"));
    let places = batches(active);
    // Whatever tells that this was acknowledged lies behind it.
    let (offset, header) = places[places.len() - 3];
    let place = failing.place_of(active, offset);
    forget(&segments);
    let (store, held) = open_held(&path);
    let lost = failing.fail_from(place);
    if std::fs::read(active).is_ok() {
        return eprintln!("not tested: this system hides that a device fails");
    }
    forget(&segments);
    let other = store.open_shard(OTHER, small_segments()).unwrap();
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let ShardState::ReadOnly(found) = shard.status().state else {
        panic!("{:?}", shard.status());
    };
    assert_eq!((&found.file, found.offset), (active, offset));
    assert_eq!(found.sequence.0, header.first_sequence);
    assert_eq!(found.reason, CANNOT);
    assert_eq!(read_on(&shard, 0).0, header.first_sequence);
    assert_eq!(read_on(&other, 0), (10, None));
    assert_eq!(files(&path, "seg"), segments, "nothing was begun");

    failing.mend(place, &lost);
    drop(held);
    drop((shard, other, store));
    let store = open_small(&path);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    assert_eq!(read_on(&shard, 0), (end, None));
    append(&shard, end..end + 10, LEN);
    assert_eq!(read_on(&shard, 0), (end + 10, None));
}

#[test]
fn what_cannot_be_read_behind_a_torn_batch_is_not_cut_off() {
    if !with_own_mounts("what_cannot_be_read_behind_a_torn_batch_is_not_cut_off") {
        return;
    }
    let (_dir, failing, path, _) = match failing_store() {
        Ok(made) => made,
        Err(error) => return eprintln!("not tested: {error}"),
    };
    let segments = files(&path, "seg");
    let active = segments.last().unwrap();
    let _ = std::fs::remove_file(active.with_extension("idx"));
    let places = batches(active);
    let (torn, header) = places[places.len() - 4];
    let (offset, _) = places[places.len() - 3];
    let place = failing.place_of(active, offset);
    overwrite(active, torn, &[0xee; 64]);
    forget(&segments);
    let (store, _held) = open_held(&path);
    failing.fail_from(place);
    if std::fs::read(active).is_ok() {
        return eprintln!("not tested: this system hides that a device fails");
    }
    forget(&segments);
    let shard = store.open_shard(SHARD, small_segments()).unwrap();
    let ShardState::ReadOnly(found) = shard.status().state else {
        panic!("{:?}", shard.status());
    };
    assert_eq!(found.sequence.0, header.first_sequence);
    assert_eq!((found.offset, found.reason.as_str()), (offset, CANNOT));
    assert_eq!(read_on(&shard, 0).0, header.first_sequence);
}

#[test]
fn a_full_file_system_in_memory_damages_nothing() {
    if !with_own_mounts("a_full_file_system_in_memory_damages_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let memory = ["-t", "tmpfs", "-o", "size=16m", "none"];
    let _memory = match Mounted::new(&memory, dir.path()) {
        Ok(mounted) => mounted,
        Err(error) => return eprintln!("not tested: {error}"),
    };
    let path = dir.path().join("store");
    let store = open_small(&path);
    let shard = store.create_shard(SHARD, small_segments()).unwrap();
    append(&shard, 0..50, LEN);
    // Made while there is room, as a crash leaves it, to be opened when there is none.
    let copy = dir.path().join("copy");
    run(
        "cp",
        &[
            "-r",
            "--sparse=always",
            path.to_str().unwrap(),
            copy.to_str().unwrap(),
        ],
    )
    .unwrap();
    let sparse = dir.path().join("sparse");
    File::create(&sparse).unwrap().set_len(1 << 20).unwrap();
    let filling = dir.path().join("filling");
    let mut file = File::create(&filling).unwrap();
    let full = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);

    // A hole has no page, and none is to be had for it: it reads as zeros all the same.
    let device = system_device(&DeviceOptions {
        choice: DeviceChoice::Portable,
        direct: false,
        allow_network: false,
        path: path.clone(),
    })
    .unwrap();
    let opened = device.open(&sparse, Access::Read).unwrap();
    let map = opened.map().unwrap();
    let hole = map.bytes(4096, 4096).unwrap();
    assert!(hole.iter().all(|byte| *byte == 0));
    assert!(
        map.has_faulted(),
        "the test is not about what it is to be about"
    );

    assert_eq!(read_on(&shard, 0), (50, None));
    let look = inspect::inspect(&path, &mut |_| {}).unwrap();
    assert_eq!(
        look.damage().next().map(|finding| finding.damage.clone()),
        None
    );
    let second = open_small(&copy);
    let opened = second.open_shard(SHARD, small_segments()).unwrap();
    assert!(!matches!(opened.status().state, ShardState::ReadOnly(_)));
    assert_eq!(read_on(&opened, 0), (50, None));

    drop(file);
    std::fs::remove_file(filling).unwrap();
    for (shard, end) in [(&opened, 60), (&shard, 100)] {
        // They look by themselves whether there is room again.
        let mut tries = 0;
        while let Err(error) = shard
            .append(&[Record::new("key", &data(50, LEN))])
            .and_then(|ticket| ticket.wait())
        {
            assert!(matches!(error, Error::NoSpace { .. }), "{error}");
            std::thread::sleep(Duration::from_millis(20));
            tries += 1;
            assert!(tries < 500, "writes did not resume");
        }
        append(shard, 51..end, LEN);
    }
    assert_eq!(read_on(&shard, 0), (100, None));
    assert_eq!(read_on(&opened, 0), (60, None));
}
