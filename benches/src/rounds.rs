//! Rounds: every family of figures in turn, again and again, so that the machine's moods meet all
//! of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    device_counts::DeviceCounter, error::BenchError, figure::Outcome, limits::OverwriteLimit,
    report::Report,
};

/// What is prepared for at least, in bytes a second: the device may be in a better mood in a
/// moment.
const FAST_DEVICE: f64 = 3.5e9;
/// Most bytes that are prepared.
const MOST_PREPARED: f64 = 18e9;

/// What a measurement finds when it runs.
#[derive(Debug)]
pub(crate) struct Bench {
    /// A directory on the device to be measured; measurements make their own in it.
    root: PathBuf,
    /// How long a throughput is measured.
    pub(crate) seconds: Duration,
    /// Whether it is to be over soon: less is stored, and nothing is to be quoted.
    pub(crate) quick: bool,
    /// The server program.
    pub(crate) server_bin: PathBuf,
    /// Counters of the device under `root`.
    pub(crate) counter: DeviceCounter,
    /// The limit that most figures stand beside; its file is kept for all rounds.
    pub(crate) overwrite: OverwriteLimit,
    _file_of_limit: FreshDir,
}

impl Bench {
    pub(crate) fn new(
        root: &Path,
        seconds: Duration,
        quick: bool,
        server_bin: &Path,
    ) -> Result<Bench, BenchError> {
        let dir = FreshDir::new(root, "limit")?;
        Ok(Bench {
            root: root.to_owned(),
            seconds,
            quick,
            server_bin: server_bin.to_owned(),
            counter: DeviceCounter::of(root)?,
            overwrite: OverwriteLimit::new(dir.path())?,
            _file_of_limit: dir,
        })
    }

    /// How long a throughput runs before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        self.seconds / 5
    }

    /// How long latencies are measured: a p99 needs some thousand of them, whatever is said of
    /// throughputs.
    pub(crate) fn latency_seconds(&self) -> Duration {
        self.seconds.max(Duration::from_secs(2))
    }

    /// Bytes of segments that are made ahead for a warm-up and a window on a device that was just
    /// seen to take `limit` bytes a second.
    pub(crate) fn bytes_to_prepare(&self, limit: f64) -> u64 {
        let seconds = (self.warm_up() + self.seconds).as_secs_f64();
        let bytes = (limit * 1.2).max(FAST_DEVICE) * seconds;
        bytes.min(MOST_PREPARED) as u64
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// An empty directory that is gone when it is dropped.
    pub(crate) fn fresh_dir(&self, name: &str) -> Result<FreshDir, BenchError> {
        FreshDir::new(&self.root, name)
    }

    /// Measures with the overwrite limit beside it: half of the limit's window before, the other
    /// half after. What is measured is told the first half's bytes a second; the limit of both
    /// comes with the result.
    pub(crate) fn beside_overwrite<T>(
        &self,
        measure: impl FnOnce(f64) -> Result<T, BenchError>,
    ) -> Result<(T, f64), BenchError> {
        let before = self.overwrite.measure(self.seconds / 2)?;
        let measured = measure(before.rate())?;
        let after = self.overwrite.measure(self.seconds / 2)?;
        Ok((measured, before.plus(after).rate()))
    }
}

/// A directory that is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct FreshDir {
    path: PathBuf,
}

impl FreshDir {
    fn new(root: &Path, name: &str) -> Result<FreshDir, BenchError> {
        let path = root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BenchError::io("remove", &path)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&path).map_err(BenchError::io("make", &path))?;
        Ok(FreshDir { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FreshDir {
    fn drop(&mut self) {
        // What is left lies where the next run removes it.
        let _ = fs::remove_dir_all(&self.path);
        // Discards and journal of the removal belong to this figure, not to the next.
        rustix::fs::sync();
    }
}

/// What measures one round of a family.
type Measure = Box<dyn FnMut(&Bench) -> Result<Vec<Outcome>, BenchError>>;

/// Figures that come out of one measurement.
pub(crate) struct Family {
    figures: Vec<String>,
    measure: Measure,
}

impl Family {
    pub(crate) fn new(
        figures: &[&str],
        measure: impl FnMut(&Bench) -> Result<Vec<Outcome>, BenchError> + 'static,
    ) -> Family {
        Family {
            figures: figures.iter().map(|name| (*name).to_owned()).collect(),
            measure: Box::new(measure),
        }
    }

    fn is_wanted(&self, only: &str) -> bool {
        self.figures.iter().any(|figure| figure.contains(only))
    }
}

/// Measures the families with a figure whose name holds `only`, in turn, a round at a time.
pub(crate) fn run(
    bench: &Bench,
    rounds: usize,
    only: &str,
    mut families: Vec<Family>,
    report: &mut Report,
) -> Result<(), BenchError> {
    families.retain(|family| family.is_wanted(only));
    if families.is_empty() {
        return Err(BenchError::wrong(format!(
            "no figure's name holds '{only}'"
        )));
    }
    let start = Instant::now();
    for round in 0..rounds {
        for family in &mut families {
            let names = family.figures.join(", ");
            eprintln!(
                "{:5.0} s  round {} of {rounds}: {names}",
                start.elapsed().as_secs_f64(),
                round + 1,
            );
            for outcome in (family.measure)(bench)? {
                report.add(round, outcome)?;
            }
        }
    }
    eprintln!("{:5.0} s  done", start.elapsed().as_secs_f64());
    Ok(())
}
