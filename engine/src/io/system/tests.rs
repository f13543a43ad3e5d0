use std::thread;

use super::*;
use crate::io::{
    fixture::{directories, ends, options, pattern, write},
    pool::Pool,
};

#[test]
fn probing_leaves_nothing_behind() {
    for directory in directories() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Portable] {
            system_device(&options(&directory, choice, true)).unwrap();
            let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
            assert!(names.is_empty(), "{names:?}");
        }
    }
}

#[test]
fn what_was_not_asked_for_is_not_used() {
    for directory in directories() {
        let device = system_device(&options(&directory, DeviceChoice::Portable, false)).unwrap();
        let expected = DeviceReport {
            name: "portable",
            direct: false,
            block: BLOCK,
            note: None,
        };
        assert_eq!(device.report(), expected);
    }
}

#[test]
fn a_directory_that_is_missing_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&directory, DeviceChoice::Auto, true);
    options.path = directory.path().join("missing");
    let error = system_device(&options).unwrap_err();
    let Error::Io { path, source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(path, options.path);
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
}

#[cfg(target_os = "linux")]
mod forbidden {
    //! Where a container's filter forbids io_uring.
    #![allow(unsafe_code)]

    use super::*;

    /// Makes `io_uring_setup` fail with `EPERM` in this thread and those that it starts.
    fn forbid_io_uring() {
        let step = |code: u32, jt, jf, k| libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        };
        let number = std::mem::offset_of!(libc::seccomp_data, nr) as u32;
        let mut steps = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, number),
            step(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                0,
                1,
                libc::SYS_io_uring_setup as u32,
            ),
            step(
                libc::BPF_RET | libc::BPF_K,
                0,
                0,
                libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
            ),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog {
            len: steps.len() as u16,
            filter: steps.as_mut_ptr(),
        };
        // SAFETY: Plain numbers; this thread gains no privileges from now on.
        let outcome = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        assert_eq!(outcome, 0);
        // SAFETY: `program` and its steps live through the call, which copies them.
        let outcome = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            )
        };
        assert_eq!(outcome, 0, "{}", io::Error::last_os_error());
    }

    #[test]
    fn auto_falls_back_and_says_why() {
        ends(|| {
            // A thread of its own: the filter stays with it.
            thread::spawn(|| {
                forbid_io_uring();
                for directory in directories() {
                    let device =
                        system_device(&options(&directory, DeviceChoice::Auto, true)).unwrap();
                    let report = device.report();
                    assert_eq!(report.name, "portable");
                    let note = report.note.unwrap();
                    assert!(note.contains("io_uring is refused"), "{note}");

                    let lock = directory.path().join("LOCK");
                    let lock = device.lock(&lock, Duration::ZERO).unwrap();
                    let mut queue = device.queue(&lock).unwrap();
                    let path = directory.path().join("a");
                    let file = device.open(&path, Access::Create).unwrap();
                    let bytes = pattern(1, BLOCK);
                    let pool = Pool::new(1 << 20);
                    queue.submit(write(&pool, &file, 9, 0, &[&bytes])).unwrap();
                    let mut done = Vec::new();
                    queue.wait(None, &mut done).unwrap();
                    assert!(done.remove(0).result.is_ok());
                    assert!(fs::read(path).unwrap() == bytes);
                }
            })
            .join()
            .unwrap();
        });
    }

    #[test]
    fn io_uring_by_name_is_an_error_that_says_what_to_do() {
        thread::spawn(|| {
            forbid_io_uring();
            let directory = tempfile::tempdir().unwrap();
            let error =
                system_device(&options(&directory, DeviceChoice::IoUring, true)).unwrap_err();
            let Error::Option { option, reason } = error else {
                panic!("{error}");
            };
            assert_eq!(option, "device");
            assert!(reason.contains("portable"), "{reason}");
        })
        .join()
        .unwrap();
    }
}
