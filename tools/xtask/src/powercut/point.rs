//! One disk that a cut left: mounted, recovered, judged.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{Arguments, FileSystem};
use crate::failure::{self, Failure};

/// The files of one point.
pub(super) struct Bench {
    directory: PathBuf,
    image: PathBuf,
    fs: FileSystem,
    device: &'static str,
}

impl Bench {
    pub(super) fn new(directory: &Path, arguments: &Arguments) -> Result<Bench, Failure> {
        let mount = directory.join("mount");
        fs::create_dir_all(&mount).map_err(Failure::io("make", &mount))?;
        Ok(Bench {
            image: directory.join("disk.img"),
            directory: directory.to_owned(),
            fs: arguments.fs,
            device: arguments.device.name(),
        })
    }

    pub(super) fn image(&self) -> &Path {
        &self.image
    }

    pub(super) fn give_marks(&self, marks: &[u8]) -> Result<(), Failure> {
        let path = self.directory.join("marks");
        fs::write(&path, marks).map_err(Failure::io("write", &path))
    }

    /// Keeps the disk as the cut left it.
    pub(super) fn keep(&self, kept: &Path) -> Result<(), Failure> {
        failure::run(
            Command::new("cp")
                .arg("--sparse=always")
                .arg(&self.image)
                .arg(kept),
        )
    }

    /// Mounts, recovers twice and judges; what is wrong, if anything.
    pub(super) fn judge(&self, checker: &Path) -> Result<Result<(), String>, Failure> {
        let mount = self.directory.join("mount");
        let options = match self.fs {
            FileSystem::Ext4 => "loop,noatime",
            // Several disks of one identity are mounted at a time.
            FileSystem::Xfs => "loop,noatime,nouuid",
        };
        let mut command = Command::new("mount");
        command.args(["-t", self.fs.name(), "-o", options]);
        if let Err(said) = run(command.arg(&self.image).arg(&mount))? {
            return Ok(Err(format!("the file system cannot be mounted: {said}")));
        }
        let verdict = self.check(checker, &mount);
        unmount(&mount)?;
        verdict
    }

    fn check(&self, checker: &Path, mount: &Path) -> Result<Result<(), String>, Failure> {
        for second in [false, true] {
            let mut command = Command::new(checker);
            command.arg("check").arg("--mount").arg(mount);
            command.args(["--device", self.device]);
            command.arg("--marks").arg(self.directory.join("marks"));
            command
                .arg("--findings")
                .arg(self.directory.join("findings"));
            if second {
                command.arg("--second");
            }
            if let Err(said) = run(&mut command)? {
                let which = if second { "second" } else { "first" };
                return Ok(Err(format!("{which} recovery: {said}")));
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn clear(&self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.directory).map_err(Failure::io("remove", &self.directory))
    }
}

/// Unmounts: the rings of a process that has ended may keep its files open for a moment.
fn unmount(mount: &Path) -> Result<(), Failure> {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        match run(Command::new("umount").arg(mount))? {
            Ok(()) => return Ok(()),
            Err(said) if Instant::now() > limit => return Err(Failure::Wrong(said)),
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Runs a program to its end; what it said when that was not a good one.
fn run(command: &mut Command) -> Result<Result<(), String>, Failure> {
    let output = command
        .output()
        .map_err(Failure::io("start", command.get_program()))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Err(match said.is_empty() {
        true => output.status.to_string(),
        false => said,
    }))
}
