//! File systems made for a run.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// A kind of file system that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
            Kind::Btrfs => "btrfs",
            Kind::Tmpfs => "tmpfs",
        }
    }

    /// The program that makes one, its switches, and Debian's package of it.
    fn maker(self) -> Option<(&'static str, &'static [&'static str], &'static str)> {
        match self {
            Kind::Ext4 => Some(("mkfs.ext4", &["-q", "-F"], "e2fsprogs")),
            Kind::Xfs => Some(("mkfs.xfs", &["-q", "-f"], "xfsprogs")),
            Kind::Btrfs => Some(("mkfs.btrfs", &["-q", "-f"], "btrfs-progs")),
            Kind::Tmpfs => None,
        }
    }
}

/// A file system of its own, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    point: PathBuf,
    image: Option<PathBuf>,
}

impl Mounted {
    /// Makes one of `bytes` in the directory `work`.
    pub(crate) fn new(kind: Kind, work: &Path, bytes: u64) -> Result<Mounted, String> {
        let point = work.join("mount");
        let text = |error| format!("{}: {error}", work.display());
        fs::create_dir_all(&point).map_err(text)?;
        let mut mount = Command::new("mount");
        let mut image = None;
        match kind.maker() {
            None => {
                let size = format!("size={bytes}");
                mount.args(["-t", "tmpfs", "-o", &size, "torture"]);
            }
            Some((program, switches, package)) => {
                let path = work.join(format!("{}.img", kind.name()));
                let file = File::create(&path).map_err(text)?;
                file.set_len(bytes).map_err(text)?;
                run(Command::new(program).args(switches).arg(&path)).map_err(|error| {
                    format!("{error}; {program} comes with: apt-get install {package}")
                })?;
                mount.args(["-o", "loop"]).arg(&path);
                image = Some(path);
            }
        }
        run(mount.arg(&point)).map_err(|error| format!("{error}; mounting needs root"))?;
        Ok(Mounted { point, image })
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    /// Keeps what is on it beyond its end; how to look at it.
    pub(crate) fn keep(&self) -> Result<String, String> {
        if let Some(image) = &self.image {
            let (image, point) = (image.display(), self.point.display());
            return Ok(format!("mount -o loop {image} {point}"));
        }
        let copy = self.point.with_file_name("store");
        run(Command::new("cp")
            .arg("-a")
            .arg(self.point.join("store"))
            .arg(&copy))?;
        Ok(format!("ls {}", copy.display()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The ring of a process that was killed holds its files for a moment.
        for left in (0..100).rev() {
            match run(Command::new("umount").arg(&self.point)) {
                Ok(()) => break,
                Err(error) if left == 0 => eprintln!("{error}"),
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{program} ended with {}: {said}", output.status))
}
