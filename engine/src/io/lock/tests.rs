use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
};

use super::*;
use crate::io::{
    aligned::BLOCK,
    device::{Access, Device, DeviceChoice, File},
    fixture::{ends, options, pattern, places, write},
    pool::Pool,
    system_device,
};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_second_taker_is_told_who_holds_it() {
    for place in places() {
        let path = place.path("LOCK");
        let held = place.device.lock(&path, Duration::ZERO).unwrap();
        for wait in [Duration::ZERO, Duration::from_millis(25)] {
            let error = place.device.lock(&path, wait).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let holder = format!("process {}", std::process::id());
            assert!(error.to_string().contains(&holder), "{error}");
        }
        drop(held);
        place.device.lock(&path, Duration::ZERO).unwrap();
    }
}

#[test]
fn a_taker_waits_for_the_holder_to_end() {
    ends(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("LOCK");
        let held = SystemLock::take(&path, Duration::ZERO).unwrap();
        let (send, receive) = mpsc::channel();
        let taker = thread::spawn(move || {
            send.send(()).unwrap();
            SystemLock::take(&path, LONG).map(drop)
        });
        receive.recv().unwrap();
        thread::sleep(3 * RETRY);
        assert!(!taker.is_finished());
        drop(held);
        taker.join().unwrap().unwrap();
    });
}

#[test]
fn a_queue_holds_the_lock_until_its_writes_have_ended() {
    ends(|| {
        for place in places() {
            let path = place.path("LOCK");
            let lock = place.device.lock(&path, Duration::ZERO).unwrap();
            let mut queue = place.device.queue(&lock).unwrap();
            drop(lock);
            let pool = Pool::new(4 << 20);
            let file = place.create("a");
            let op = write(&pool, &file, 1, 0, &[&[1; 1 << 20]]);
            queue.submit(op).unwrap();
            let error = place.device.lock(&path, Duration::ZERO).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            drop(queue);
            place.device.lock(&path, Duration::ZERO).unwrap();
        }
    });
}

const DIRECTORY: &str = "MILLSTREAM_TEST_DIRECTORY";
const CHOICE: &str = "MILLSTREAM_TEST_PORTABLE";
const WRITES: usize = 32;
const BYTES: usize = 1 << 20;

/// A process that keeps a store locked and its queue full, until it is killed.
struct Writer(Child);

impl Writer {
    fn start(directory: &Path, choice: DeviceChoice) -> Writer {
        let portable = choice == DeviceChoice::Portable;
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "io::lock::tests::a_writer_that_never_ends"])
            .args(["--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(CHOICE, portable.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut writer = Writer(child);
        let output = BufReader::new(writer.0.stdout.take().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("writing")));
        writer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "a process of its own, started and killed by another test"]
fn a_writer_that_never_ends() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("not started by hand"));
    let choice = match std::env::var(CHOICE).as_deref() {
        Ok("true") => DeviceChoice::Portable,
        _ => DeviceChoice::Auto,
    };
    let device = child_device(&directory, choice);
    let lock = device.lock(&directory.join("LOCK"), LONG).unwrap();
    let mut queue = device.queue(&lock).unwrap();
    let pool = Pool::new((WRITES + 1) * (BYTES + BYTES / 16));
    let file = device.open(&directory.join("a"), Access::Write).unwrap();
    let (mut ops, mut done, mut ended) = (Vec::new(), Vec::new(), 0);
    let mut bytes = pattern(1, BYTES);
    for turn in 0_u64.. {
        bytes[BYTES - 8..].copy_from_slice(&turn.to_le_bytes());
        let offset = turn % WRITES as u64 * BYTES as u64;
        ops.push(write(&pool, &file, turn, offset, &[&bytes]));
        if ops.len() == WRITES {
            for op in ops.drain(..) {
                queue.submit(op).unwrap();
            }
            println!("\nwriting");
        }
        while ops.is_empty() && ended <= turn {
            queue.wait(None, &mut done).unwrap();
            ended += done.drain(..).count() as u64;
        }
    }
}

fn child_device(directory: &Path, choice: DeviceChoice) -> Arc<dyn Device> {
    system_device(&crate::io::device::DeviceOptions {
        choice,
        direct: true,
        allow_network: false,
        path: directory.to_owned(),
    })
    .unwrap()
}

/// The last block of each place that the writer writes.
fn ends_of_writes(file: &dyn File) -> Vec<Vec<u8>> {
    (1..=WRITES)
        .map(|write| {
            let mut block = vec![0; BLOCK];
            let end = (write * BYTES - BLOCK) as u64;
            file.read_medium_at(&mut block, end).unwrap();
            block
        })
        .collect()
}

#[test]
fn a_killed_process_holds_it_until_its_last_write_has_landed() {
    ends(|| {
        for choice in [DeviceChoice::Auto, DeviceChoice::Portable] {
            for _ in 0..3 {
                let directory = tempfile::tempdir().unwrap();
                let device = system_device(&options(&directory, choice, true)).unwrap();
                let path = directory.path().join("a");
                let file = device.open(&path, Access::Create).unwrap();
                file.write_zeros(0, (WRITES * BYTES) as u64).unwrap();
                file.sync().unwrap();

                let lock_path = directory.path().join("LOCK");
                let mut writer = Writer::start(directory.path(), choice);
                let error = device.lock(&lock_path, Duration::ZERO).unwrap_err();
                let holder = format!("process {}", writer.0.id());
                assert!(error.to_string().contains(&holder), "{error}");
                // Not by waiting, which looks every now and then: at the very moment.
                writer.0.kill().unwrap();
                let lock = loop {
                    match device.lock(&lock_path, Duration::ZERO) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        outcome => break outcome.unwrap(),
                    }
                };
                let first = ends_of_writes(file.as_ref());
                thread::sleep(Duration::from_millis(200));
                let second = ends_of_writes(file.as_ref());
                let pairs = first.iter().zip(&second);
                let changed = pairs.filter(|(first, second)| first != second).count();
                assert_eq!(changed, 0, "writes landed after the lock was free");
                drop(lock);
            }
        }
    });
}
