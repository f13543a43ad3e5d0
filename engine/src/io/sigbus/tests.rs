use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::{Arc, Barrier},
    thread,
};

use memmap2::{Mmap, MmapOptions};
use tempfile::NamedTempFile;

use super::*;
use crate::io::{device::Map, fixture::pattern, mmap::SystemMap};

const PIECE: usize = 4096;

/// A file of so many pages, and its map.
fn mapped(pages: usize) -> (NamedTempFile, SystemMap) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pattern(7, pages * PIECE)).unwrap();
    let map = SystemMap::of(file.as_file()).unwrap();
    (file, map)
}

fn cut(file: &NamedTempFile, pages: usize) {
    file.as_file().set_len((pages * PIECE) as u64).unwrap();
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[test]
fn a_page_that_is_gone_is_zeros_and_a_mark() {
    let (file, map) = mapped(8);
    let (_other_file, other) = mapped(1);
    let whole = pattern(7, 8 * PIECE);
    assert!(map.bytes(0, 8 * PIECE).unwrap() == whole);
    cut(&file, 3);
    assert!(map.bytes(0, 3 * PIECE).unwrap() == &whole[..3 * PIECE]);
    assert!(!map.has_faulted(), "nothing was missed yet");
    assert!(is_zero(map.bytes(5 * PIECE, PIECE).unwrap()));
    assert!(map.has_faulted() && !other.has_faulted());
    // The rest is as it was, also where nobody has looked yet.
    assert!(map.bytes(0, 3 * PIECE).unwrap() == &whole[..3 * PIECE]);
    assert!(is_zero(map.bytes(3 * PIECE, 5 * PIECE).unwrap()));
    // What comes back to the file is not seen through this map, but through the next.
    std::fs::write(file.path(), &whole).unwrap();
    let again = SystemMap::of(file.as_file()).unwrap();
    assert!(again.bytes(0, 8 * PIECE).unwrap() == whole);
    assert!(map.has_faulted() && !again.has_faulted());
}

#[test]
fn a_map_is_exchanged_as_a_whole_where_a_page_cannot_be() {
    let (file, map) = mapped(8);
    cut(&file, 1);
    let start = map.bytes(0, 1).unwrap().as_ptr().addr();
    assert!(!put_zeros(start + 1, PIECE), "not the start of a page");
    assert!(put_zeros(start, 8 * PIECE));
    assert!(is_zero(map.bytes(0, 8 * PIECE).unwrap()));
}

#[test]
fn many_threads_may_miss_pages_at_once() {
    let (file, map) = mapped(512);
    let map = Arc::new(map);
    cut(&file, 100);
    let start = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (map, start) = (Arc::clone(&map), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                // Half of them forwards, half of them backwards, all over the same pages.
                for step in 0..512 {
                    let page = if thread % 2 == 0 { step } else { 511 - step };
                    let bytes = map.bytes(page * PIECE, PIECE).unwrap();
                    assert_eq!(is_zero(bytes), page >= 100, "{page}");
                    assert!(page < 100 || map.has_faulted());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn maps_come_and_go_while_others_miss_pages() {
    let missing: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..200 {
                    let (file, map) = mapped(4);
                    cut(&file, 1);
                    assert!(!map.has_faulted(), "the mark of the map before");
                    assert!(is_zero(map.bytes(2 * PIECE, PIECE).unwrap()));
                    assert!(map.has_faulted());
                }
            })
        })
        .collect();
    let whole = pattern(7, 4 * PIECE);
    let (file, _map) = mapped(4);
    while missing.iter().any(|thread| !thread.is_finished()) {
        let maps: Vec<_> = (0..20)
            .map(|_| SystemMap::of(file.as_file()).unwrap())
            .collect();
        for map in &maps {
            assert!(map.bytes(0, 4 * PIECE).unwrap() == whole);
            assert!(!map.has_faulted());
        }
    }
    for thread in missing {
        thread.join().unwrap();
    }
}

#[test]
fn a_slot_that_changes_holds_nothing() {
    let slot = Slot::free();
    assert_eq!(slot.holds(0), None);
    slot.set(0x10_0000, 0x2000);
    assert_eq!(slot.holds(0xf_ffff), None);
    assert_eq!(slot.holds(0x10_0000), Some((0x10_0000, 0x2000)));
    assert_eq!(slot.holds(0x10_1fff), Some((0x10_0000, 0x2000)));
    assert_eq!(slot.holds(0x10_2000), None);
    slot.version.fetch_add(1, Ordering::SeqCst);
    assert_eq!(slot.holds(0x10_0000), None);
    slot.version.fetch_add(1, Ordering::SeqCst);
    slot.set(0, 0);
    assert_eq!(slot.holds(0x10_0000), None);
}

// What follows ends processes, or changes what SIGBUS does in one, or looks at all that one has
// mapped: it happens in children, which are this test again, told by a variable what to do.

const TASK: &str = "MILLSTREAM_SIGBUS_TASK";

/// Runs a task in a child.
fn child(task: &str) -> (std::process::ExitStatus, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "io::sigbus::tests::the_child", "--nocapture"])
        .env(TASK, task)
        .output()
        .unwrap();
    (
        output.status,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A map that the handler does not know, of a file that is gone.
fn foreign() -> Mmap {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(PIECE as u64).unwrap();
    let opened = File::open(file.path()).unwrap();
    // SAFETY: It is only read, by volatile reads below.
    let map = unsafe { MmapOptions::new().len(PIECE).map(&opened) }.unwrap();
    file.as_file().set_len(0).unwrap();
    map
}

fn touch(map: &Mmap) -> u8 {
    // SAFETY: It is mapped, whatever happens.
    unsafe { map.as_ptr().read_volatile() }
}

/// A page of a map of ours is missed, which must go well whatever else is installed.
fn miss() {
    let (file, map) = mapped(2);
    cut(&file, 0);
    assert!(is_zero(map.bytes(0, 2 * PIECE).unwrap()) && map.has_faulted());
}

fn action(handler: libc::sighandler_t, flags: c_int) {
    // SAFETY: As in `exchange`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    exchange(Some(&action)).unwrap();
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn simple(signal: c_int) {
    assert_eq!(signal, libc::SIGBUS);
    SEEN.fetch_add(1, Ordering::SeqCst);
}

/// Leaves with the code that says that it saw the address that it should have.
extern "C" fn informed(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: The system passes what lives as long as the call.
    let address = unsafe { (*info).si_addr() }.addr();
    let right = signal == libc::SIGBUS && !context.is_null();
    let right = right && address == SEEN.load(Ordering::SeqCst);
    // SAFETY: A handler may.
    unsafe { libc::_exit(if right { 77 } else { 78 }) };
}

fn send() {
    // SAFETY: What comes of it is the test.
    unsafe { libc::raise(libc::SIGBUS) };
}

#[test]
fn the_child() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let informed: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = informed;
    let informed = informed as *const () as libc::sighandler_t;
    let simple: extern "C" fn(c_int) = simple;
    let simple = simple as *const () as libc::sighandler_t;
    match task.as_str() {
        "foreign-informed" => {
            action(informed, libc::SA_SIGINFO);
            miss();
            let map = foreign();
            SEEN.store(map.as_ptr().addr(), Ordering::SeqCst);
            touch(&map);
        }
        "sent-simple" => {
            action(simple, 0);
            miss();
            for times in 1..4 {
                send();
                assert_eq!(SEEN.load(Ordering::SeqCst), times);
                miss();
            }
            std::process::exit(77);
        }
        "sent-simple-once" => {
            action(simple, libc::SA_RESETHAND);
            miss();
            send();
            assert_eq!(SEEN.load(Ordering::SeqCst), 1);
            miss();
            eprintln!("seen once");
            send();
        }
        "foreign-default" => {
            action(libc::SIG_DFL, 0);
            miss();
            touch(&foreign());
        }
        "sent-default" => {
            action(libc::SIG_DFL, 0);
            miss();
            send();
        }
        "foreign-ignored" => {
            action(libc::SIG_IGN, 0);
            miss();
            send();
            miss();
            eprintln!("ignored");
            touch(&foreign());
        }
        // The standard library's is there when a Rust program starts.
        "foreign-rust" => {
            miss();
            touch(&foreign());
        }
        "sent-rust" => {
            miss();
            // It chooses the default for the next one, and goes on.
            send();
            miss();
            eprintln!("once is nothing");
            send();
        }
        "foreign-twice" => {
            miss();
            let map = foreign();
            thread::spawn(move || touch(&map)).join().unwrap();
        }
        "unmapped" => {
            let (file, map) = mapped(64);
            cut(&file, 0);
            for page in (0..64).step_by(2) {
                assert!(is_zero(map.bytes(page * PIECE, PIECE).unwrap()));
            }
            let start = map.bytes(0, 1).unwrap().as_ptr().addr();
            let lie_there = || {
                let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
                let own = maps.lines().filter(|line| {
                    let (from, _) = line.split_once('-').unwrap();
                    let from = usize::from_str_radix(from, 16).unwrap();
                    (start..start + 64 * PIECE).contains(&from)
                });
                own.count()
            };
            assert!(lie_there() > 60, "each second page was exchanged");
            drop(map);
            assert_eq!(lie_there(), 0);
            std::process::exit(77);
        }
        other => panic!("no task {other}"),
    }
    panic!("the child was to end before");
}

#[test]
fn the_map_goes_with_the_pages_that_were_exchanged() {
    let (status, errors) = child("unmapped");
    assert_eq!(status.code(), Some(77), "{errors}");
}

fn dies_of_it(task: &str) -> String {
    let (status, errors) = child(task);
    assert_eq!(
        status.signal(),
        Some(libc::SIGBUS),
        "{task}: {status} {errors}"
    );
    errors
}

#[test]
fn a_fault_outside_of_the_maps_reaches_the_handler_before() {
    let (status, errors) = child("foreign-informed");
    assert_eq!(status.code(), Some(77), "{errors}");
}

#[test]
fn a_signal_that_was_sent_reaches_the_handler_before() {
    let (status, errors) = child("sent-simple");
    assert_eq!(status.code(), Some(77), "{errors}");
    assert!(dies_of_it("sent-simple-once").contains("seen once"));
}

#[test]
fn without_a_handler_before_the_process_ends_as_it_would() {
    dies_of_it("foreign-default");
    dies_of_it("sent-default");
    dies_of_it("foreign-rust");
    dies_of_it("foreign-twice");
    assert!(dies_of_it("foreign-ignored").contains("ignored"));
    assert!(dies_of_it("sent-rust").contains("once is nothing"));
}
