//! `cargo xtask powercut`: the engine writes under a real kernel in a small virtual machine whose
//! disk is recorded, and what any cut of that record would leave is recovered and judged.
//!
//! - [`parts`]: the kernel, the writer, the initramfs and the empty disk.
//! - [`machine`]: the virtual machine; [`recorder`]: its disks, over [`nbd`].
//! - [`record`]: what was recorded: when each write and flush began and ended.
//! - [`cut`]: what a cut at a point may leave. [`point`]: recovering and judging it.

mod cut;
mod machine;
mod nbd;
mod parts;
mod point;
mod record;
mod recorder;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use cut::{Cutter, Left};
use point::Bench;
use record::Record;

use crate::{failure::Failure, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Moments at which the power is cut
    #[arg(long, default_value_t = 1000)]
    points: u64,
    /// The file system in the virtual machine
    #[arg(long, default_value = "ext4")]
    fs: FileSystem,
    /// The device that the engine writes with
    #[arg(long, default_value = "io_uring")]
    device: DeviceName,
    /// Chooses the points, what each leaves, and what is written
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long is written in the virtual machine
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Break the engine's device on purpose: all is well when that is found
    #[arg(long)]
    bug: Option<Bug>,
    /// Cut the record that is there, instead of making one
    #[arg(long)]
    reuse: bool,
    /// Only this point of the record that is there, and keep its disk
    #[arg(long)]
    replay: Option<u64>,
    /// Points judged at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where the disks that are judged go: memory is best
    #[arg(long, default_value = "/dev/shm")]
    scratch: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
        }
    }

    /// Bytes of the disk: little, but mkfs.xfs makes nothing smaller.
    fn disk_bytes(self) -> u64 {
        match self {
            FileSystem::Ext4 => 128 << 20,
            FileSystem::Xfs => 320 << 20,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DeviceName {
    #[value(name = "io_uring")]
    IoUring,
    Portable,
}

impl DeviceName {
    fn name(self) -> &'static str {
        match self {
            DeviceName::IoUring => "io_uring",
            DeviceName::Portable => "portable",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Bug {
    /// Durable writes are not flushed
    AcknowledgeBeforeFlush,
}

impl Bug {
    fn name(self) -> &'static str {
        match self {
            Bug::AcknowledgeBeforeFlush => "acknowledge-before-flush",
        }
    }
}

/// After so many failures the rest would say nothing new.
const MOST_FAILURES: usize = 5;
/// How many show that a bug is found.
const PROOF: usize = 1;

/// A point that is to be judged.
struct Task {
    number: u64,
    at: usize,
    left: Left,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    needs_root()?;
    let home = workspace::root().join("target/powercut");
    let name = format!(
        "{}-{}{}",
        arguments.fs.name(),
        arguments.device.name(),
        arguments
            .bug
            .map_or(String::new(), |bug| format!("-{}", bug.name()))
    );
    let work = home.join(&name);
    fs::create_dir_all(&work).map_err(Failure::io("make", &work))?;
    let writer = parts::writer(&home)?;
    let (disk, record) = (work.join("disk.img"), work.join("record"));
    if !arguments.reuse && arguments.replay.is_none() {
        let parts = parts::Parts::gather(&home, &work, arguments, &writer)?;
        parts::make_disk(&disk, arguments.fs)?;
        machine::write(&parts, &disk, &record, &work, arguments)?;
    }
    let record = Record::open(&record)?;
    println!("record: {record}");
    let image = fs::read(&disk).map_err(Failure::io("read", &disk))?;
    let places = record.places()?;
    let numbers = match arguments.replay {
        Some(point) => point..point + 1,
        None => 0..arguments.points,
    };
    // In the order of the record, so that one disk can be carried forward.
    let points: BTreeSet<(usize, u64)> = numbers
        .map(|number| {
            let mut dice = cut::Dice::of(arguments.seed, number);
            let place = places[dice.below(places.len() as u64) as usize];
            (place, number)
        })
        .collect();

    let scratch = arguments
        .scratch
        .join(format!("millstream-powercut-{}", std::process::id()));
    let judging = Judging {
        arguments,
        record: &record,
        writer: &writer,
        work: &work,
        scratch: &scratch,
        done: AtomicUsize::new(0),
        loose: AtomicUsize::new(0),
        mixed: AtomicUsize::new(0),
        failures: Mutex::default(),
        start: Instant::now(),
        total: points.len(),
    };
    let judged = judging.all(image, points.into_iter());
    let removed = fs::remove_dir_all(&scratch).map_err(Failure::io("remove", &scratch));
    judged.and(removed)?;
    judging.sum_up(&name)
}

/// Loop devices and mounts are root's.
fn needs_root() -> Result<(), Failure> {
    let own = Path::new("/proc/self");
    let uid = fs::metadata(own)
        .map_err(Failure::io("look at", own))?
        .uid();
    match uid {
        0 => Ok(()),
        _ => Err(Failure::Wrong(
            "disks are mounted on loop devices, which needs root: run it as root".to_owned(),
        )),
    }
}

struct Judging<'a> {
    arguments: &'a Arguments,
    record: &'a Record,
    writer: &'a Path,
    work: &'a Path,
    scratch: &'a Path,
    done: AtomicUsize,
    /// Points at which there was something that no flush had promised, and those that leave some of it.
    loose: AtomicUsize,
    mixed: AtomicUsize,
    failures: Mutex<Vec<u64>>,
    start: Instant,
    total: usize,
}

impl Judging<'_> {
    fn all(
        &self,
        image: Vec<u8>,
        points: impl Iterator<Item = (usize, u64)>,
    ) -> Result<(), Failure> {
        let mut cutter = Cutter::new(self.record, image);
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel::<(Task, Bench)>(0);
            // It goes with the last worker, so that nobody waits for those that have failed.
            let receiver = Arc::new(Mutex::new(receiver));
            let workers: Vec<_> = (0..self.arguments.jobs.max(1))
                .map(|_| {
                    let receiver = Arc::clone(&receiver);
                    scope.spawn(move || {
                        loop {
                            let next = receiver
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .recv();
                            let Ok((task, bench)) = next else {
                                return Ok(());
                            };
                            self.judge(&task, &bench)?;
                        }
                    })
                })
                .collect();
            drop(receiver);
            let mut made = Ok(());
            for (at, number) in points {
                let enough = self.arguments.bug.map_or(MOST_FAILURES, |_| PROOF);
                if self.failed().len() >= enough {
                    break;
                }
                made = self.prepare(&mut cutter, at, number).and_then(|job| {
                    sender
                        .send(job)
                        .map_err(|_| Failure::Wrong("the judges have stopped".to_owned()))
                });
                if made.is_err() {
                    break;
                }
            }
            drop(sender);
            for worker in workers {
                let ended = worker.join();
                ended.map_err(|_| Failure::Wrong("a judge panicked".to_owned()))??;
            }
            made
        })
    }

    /// The disk that a cut at a point leaves.
    fn prepare(
        &self,
        cutter: &mut Cutter<'_>,
        at: usize,
        number: u64,
    ) -> Result<(Task, Bench), Failure> {
        cutter.advance(at)?;
        let left = cutter.cut(&mut cut::Dice::of(self.arguments.seed, !number))?;
        let bench = Bench::new(&self.scratch.join(number.to_string()), self.arguments)?;
        cutter.write(&left, bench.image())?;
        bench.give_marks(&self.record.marks(at)?)?;
        Ok((Task { number, at, left }, bench))
    }

    fn judge(&self, task: &Task, bench: &Bench) -> Result<(), Failure> {
        let keep = self.arguments.replay.is_some();
        let kept = self.work.join(format!("point-{}.img", task.number));
        if keep {
            bench.keep(&kept)?;
        }
        let verdict = bench.judge(self.writer)?;
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let (left, loose) = task.left.sectors();
        self.loose
            .fetch_add(usize::from(loose > 0), Ordering::Relaxed);
        self.mixed
            .fetch_add(usize::from(left > 0 && left < loose), Ordering::Relaxed);
        match verdict {
            Ok(()) if keep => println!("point {}: {}, all is well", task.number, task.left),
            Ok(()) => {}
            Err(said) => {
                self.failures
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(task.number);
                println!(
                    "point {} (event {} of the record; {}): {said}",
                    task.number, task.at, task.left
                );
                let path = self.work.join(format!("point-{}.txt", task.number));
                fs::write(&path, &said).map_err(Failure::io("write", &path))?;
            }
        }
        if done.is_multiple_of(100) || done == self.total {
            let seconds = self.start.elapsed().as_secs_f64();
            println!(
                "{done} of {} points in {seconds:.0} s, {:.1} a second; {} failed",
                self.total,
                done as f64 / seconds,
                self.failed().len()
            );
        }
        bench.clear()
    }

    fn failed(&self) -> Vec<u64> {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn sum_up(&self, name: &str) -> Result<(), Failure> {
        let failed = self.failed();
        let done = self.done.load(Ordering::Relaxed);
        let Arguments { fs, device, .. } = self.arguments;
        println!(
            "at {} of {done} points writes were on their way, at {} of these only some sectors of them are left",
            self.loose.load(Ordering::Relaxed),
            self.mixed.load(Ordering::Relaxed)
        );
        let (fs, device, seed) = (fs.name(), device.name(), self.arguments.seed);
        match (self.arguments.bug, failed.first()) {
            (Some(bug), Some(point)) => {
                let bug = bug.name();
                println!("powercut: {bug} was found, after {done} points, at point {point}");
                Ok(())
            }
            (Some(bug), None) => Err(Failure::Wrong(format!(
                "{} was not found at {done} points",
                bug.name()
            ))),
            (None, None) => {
                println!("powercut {name}: {done} points, all is well");
                Ok(())
            }
            (None, Some(point)) => Err(Failure::Wrong(format!(
                "{} of {done} points failed; what the first says is in {}; once more, and with its disk kept: cargo xtask powercut --fs {fs} --device {device} --seed {seed} --replay {point}",
                failed.len(),
                self.work.join(format!("point-{point}.txt")).display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
