//! What the virtual machine is made of, all of it out of Debian's packages: a kernel, its modules, a
//! shell, and the writer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Arguments, FileSystem};
use crate::{
    failure::{self, Failure},
    workspace,
};

/// Programs, and the packages that bring them.
const PROGRAMS: [(&str, &str); 8] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("dpkg", "dpkg"),
    ("apt-get", "apt"),
    ("mount", "mount"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
];
/// The package that depends on the newest kernel.
const KERNEL: &str = "linux-image-cloud-amd64";
/// Modules in the order in which they are inserted.
const VIRTIO: [&str; 6] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
];
const XFS: [&str; 2] = ["lib/libcrc32c.ko", "fs/xfs/xfs.ko"];
/// What is built for the virtual machine must need no library of this one.
const TARGET: &str = "x86_64-unknown-linux-gnu";

pub(super) struct Parts {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
}

impl Parts {
    pub(super) fn gather(
        home: &Path,
        work: &Path,
        arguments: &Arguments,
        writer: &Path,
    ) -> Result<Parts, Failure> {
        let missing: Vec<_> = PROGRAMS
            .iter()
            .filter(|(program, _)| find(program).is_none())
            .map(|(_, package)| *package)
            .collect();
        if !missing.is_empty() {
            return Err(Failure::Wrong(format!(
                "programs are missing: apt-get install --no-install-recommends {}",
                missing.join(" ")
            )));
        }
        let unpacked = home.join("kernel");
        let kernel = match kernel_in(&unpacked) {
            Some(kernel) => kernel,
            None => fetch_kernel(&unpacked)?,
        };
        let initramfs = work.join("initramfs");
        make_initramfs(&initramfs, &unpacked, arguments, writer)?;
        Ok(Parts { kernel, initramfs })
    }
}

/// The program that writes in the virtual machine, and judges here.
pub(super) fn writer(home: &Path) -> Result<PathBuf, Failure> {
    let target = home.join("build");
    failure::run(
        workspace::cargo()
            .args(["build", "--quiet", "--release"])
            .args(["--package", "millstream-powercut", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    Ok(target.join(TARGET).join("release/millstream-powercut"))
}

/// An empty disk with a file system.
pub(super) fn make_disk(disk: &Path, fs: FileSystem) -> Result<(), Failure> {
    let made = fs::File::create(disk).and_then(|file| file.set_len(fs.disk_bytes()));
    made.map_err(Failure::io("make", disk))?;
    let mut command = Command::new(format!("mkfs.{}", fs.name()));
    match fs {
        // Nothing is left to be done in the background: what is written is the engine's.
        FileSystem::Ext4 => command.args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"]),
        FileSystem::Xfs => command.args(["-q", "-f"]),
    };
    failure::run(command.arg(disk))
}

fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::split_paths(&paths).chain(["/usr/sbin".into(), "/sbin".into()]);
    paths
        .map(|path| path.join(program))
        .find(|path| path.is_file())
}

fn kernel_in(unpacked: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(unpacked.join("boot")).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    })
}

fn fetch_kernel(unpacked: &Path) -> Result<PathBuf, Failure> {
    println!("fetching the kernel of {KERNEL}");
    fs::create_dir_all(unpacked).map_err(Failure::io("make", unpacked))?;
    let depends = Command::new("apt-cache")
        .args(["depends", KERNEL])
        .output()
        .map_err(Failure::io("start", "apt-cache"))?;
    let depends = String::from_utf8_lossy(&depends.stdout);
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .ok_or_else(|| {
            Failure::Wrong(format!(
                "apt knows no {KERNEL}: run apt-get update, on Debian for amd64"
            ))
        })?;
    failure::run(
        Command::new("apt-get")
            .args(["download", "--quiet", package])
            .current_dir(unpacked),
    )?;
    let entries = fs::read_dir(unpacked).map_err(Failure::io("list", unpacked))?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = paths.find(|path| path.extension().is_some_and(|end| end == "deb"));
    if let Some(archive) = archive {
        failure::run(Command::new("dpkg").arg("-x").arg(&archive).arg(unpacked))?;
        fs::remove_file(&archive).map_err(Failure::io("remove", &archive))?;
    }
    kernel_in(unpacked).ok_or_else(|| Failure::Wrong(format!("{package} holds no kernel")))
}

/// A root in memory: modules, a shell, the writer, and a script that starts it.
fn make_initramfs(
    path: &Path,
    unpacked: &Path,
    arguments: &Arguments,
    writer: &Path,
) -> Result<(), Failure> {
    let root = path.with_extension("d");
    match fs::remove_dir_all(&root) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::io("remove", &root)(error));
        }
        _ => {}
    }
    for directory in ["bin", "dev", "proc", "sys", "mnt", "modules"] {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).map_err(Failure::io("make", &directory))?;
    }
    let copy = |from: &Path, to: &str| {
        let to = root.join(to);
        fs::copy(from, &to)
            .map(drop)
            .map_err(Failure::io("copy", from))
    };
    copy(&find("busybox").unwrap_or_default(), "bin/busybox")?;
    copy(writer, "bin/writer")?;

    let kernel_modules = modules_in(unpacked)?;
    let wanted: &[&str] = match arguments.fs {
        FileSystem::Ext4 => &[],
        FileSystem::Xfs => &XFS,
    };
    let mut insert = String::new();
    for (number, module) in VIRTIO.iter().chain(wanted).enumerate() {
        copy(
            &kernel_modules.join(module),
            &format!("modules/{number}.ko"),
        )?;
        insert += &format!("$b insmod /modules/{number}.ko || fail modules\n");
    }
    let bug = arguments
        .bug
        .map_or(String::new(), |bug| format!(" --bug {}", bug.name()));
    let script = format!(
        r#"#!/bin/busybox sh
b=/bin/busybox
fail() {{ echo "powercut: failed: $1"; $b poweroff -f; }}
$b mount -t devtmpfs none /dev
$b mount -t proc none /proc
$b mount -t sysfs none /sys
{insert}
$b grep -q 'write back' /sys/block/vda/queue/write_cache || fail "the disk has no write-back cache"
$b mount -t {fs} -o noatime /dev/vda /mnt || fail mount
/bin/writer write --mount /mnt --device {device} --marks /dev/vdb --seconds {seconds} --seed {seed}{bug} || fail writer
echo "powercut: done"
$b poweroff -f
"#,
        fs = arguments.fs.name(),
        device = arguments.device.name(),
        seconds = arguments.seconds,
        seed = arguments.seed,
    );
    let init = root.join("init");
    fs::write(&init, script).map_err(Failure::io("write", &init))?;
    failure::run(Command::new("chmod").args(["755"]).arg(&init))?;

    let archive = fs::File::create(path).map_err(Failure::io("make", path))?;
    let list = Command::new("find")
        .arg(".")
        .current_dir(&root)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::io("start", "find"))?;
    let names = list
        .stdout
        .ok_or_else(|| Failure::Wrong("find says nothing".to_owned()))?;
    failure::run(
        Command::new("cpio")
            .args(["--create", "--format=newc", "--quiet"])
            .current_dir(&root)
            .stdin(names)
            .stdout(archive),
    )
}

/// The directory of the kernel's modules.
fn modules_in(unpacked: &Path) -> Result<PathBuf, Failure> {
    let versions = unpacked.join("lib/modules");
    let entries = fs::read_dir(&versions).map_err(Failure::io("list", &versions))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join("kernel")))
        .find(|path| path.is_dir())
        .ok_or_else(|| Failure::Wrong(format!("{} holds no modules", versions.display())))
}
