//! The virtual machine in which the engine writes.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    Arguments,
    parts::Parts,
    recorder::{DISK, MARKS, Recorder},
};
use crate::failure::Failure;

/// What the writer prints last, and what the script says of a failure.
const DONE: &str = "powercut: done";
/// How much longer than it writes the machine may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Writes under the machine's kernel, and records its disk.
pub(super) fn write(
    parts: &Parts,
    disk: &Path,
    record: &Path,
    work: &Path,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let socket = work.join("disk.socket");
    let console = work.join("console.txt");
    let recorder = Recorder::new(&socket, disk, record, arguments.seed)?;
    let stop = recorder.stop();
    let recording = thread::spawn(move || recorder.serve());
    println!(
        "writing for {} s on {} in a virtual machine ({})",
        arguments.seconds,
        arguments.fs.name(),
        console.display()
    );
    let output = File::create(&console).map_err(Failure::io("make", &console))?;
    let block = |name: &str| {
        format!(
            "driver=nbd,node-name={name},export={name},server.type=unix,server.path={}",
            socket.display()
        )
    };
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "768"])
        .args(["-nographic", "-no-reboot", "-net", "none"])
        .args(["-blockdev", &block(DISK), "-blockdev", &block(MARKS)])
        .args(["-device", "virtio-blk-pci,drive=disk,num-queues=2"])
        .args(["-device", "virtio-blk-pci,drive=marks"])
        .arg("-kernel")
        .arg(&parts.kernel)
        .arg("-initrd")
        .arg(&parts.initramfs)
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 random.trust_cpu=on",
        ])
        .stdin(Stdio::null())
        .stdout(output)
        .spawn()
        .map_err(Failure::io("start", "qemu-system-x86_64"))?;
    let limit = Instant::now() + Duration::from_secs(arguments.seconds) + PATIENCE;
    let ended = loop {
        let ended = machine
            .try_wait()
            .map_err(Failure::io("wait for", "qemu-system-x86_64"))?;
        if ended.is_some() || recording.is_finished() || Instant::now() > limit {
            break ended;
        }
        thread::sleep(Duration::from_millis(50));
    };
    if ended.is_none() {
        let stopped = machine.kill().and_then(|()| machine.wait().map(drop));
        stopped.map_err(Failure::io("stop", "qemu-system-x86_64"))?;
    }
    stop.stop();
    recording
        .join()
        .map_err(|_| Failure::Wrong("the recorder panicked".to_owned()))??;
    let said = fs::read(&console).map_err(Failure::io("read", &console))?;
    let said = String::from_utf8_lossy(&said);
    for line in said.lines().filter(|line| line.contains("round ")) {
        println!("  {}", line.trim());
    }
    match said.contains(DONE) {
        true => Ok(()),
        false => Err(Failure::Wrong(format!(
            "the machine did not end well: {} says why",
            console.display()
        ))),
    }
}
