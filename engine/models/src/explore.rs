//! Many runs of a model, each another interleaving.

use std::{
    path::PathBuf,
    sync::Arc,
    unscheduled::{
        self,
        atomic::{AtomicUsize, Ordering},
    },
};

use shuttle::{
    Config, FailurePersistence, MaxSteps, Runner,
    scheduler::{PctScheduler, RandomScheduler, ReplayScheduler},
};

/// Bytes of the stack of a thread: unoptimised frames are large.
const STACK_BYTES: usize = 512 * 1024;
/// Steps of a run that goes on for ever, far above what any model takes.
const MOST_STEPS: usize = 400_000;
/// Preemptions that the second scheduler spends on a run, and one.
const DEPTH: usize = 4;

/// How a model is run.
#[derive(Debug, Clone)]
pub struct Exploration {
    /// Runs, half of them by each scheduler.
    pub runs: usize,
    /// Chooses the schedules.
    pub seed: u64,
    /// Where the schedule of a run that fails is kept.
    pub schedules: PathBuf,
    /// The schedule to run again, and no other.
    pub replay: Option<PathBuf>,
}

/// Runs `model` again and again; panics when a run does.
pub fn explore(model: fn(), how: &Exploration) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::File(Some(how.schedules.clone()));
    if let Some(path) = &how.replay {
        let replay = ReplayScheduler::new_from_file(path).expect("the schedule can be read");
        Runner::new(replay, config).run(model);
        return;
    }
    let counter = Counter {
        begun: Arc::default(),
        of: how.runs,
    };
    let begun = Arc::clone(&counter.begun);
    let counted = move || {
        begun.fetch_add(1, Ordering::Relaxed);
        model();
    };
    let fair = RandomScheduler::new_from_seed(how.seed, how.runs.div_ceil(2));
    Runner::new(fair, config.clone()).run(counted.clone());
    let unfair = PctScheduler::new_from_seed(how.seed, DEPTH, how.runs / 2);
    Runner::new(unfair, config).run(counted);
}

/// Says which run has failed.
struct Counter {
    begun: Arc<AtomicUsize>,
    of: usize,
}

impl Drop for Counter {
    fn drop(&mut self) {
        if unscheduled::panicking() {
            let begun = self.begun.load(Ordering::Relaxed);
            eprintln!("it was run {begun} of {} that failed", self.of);
        }
    }
}
