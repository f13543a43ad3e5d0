//! Lives many lives, until enough ends were recovered from or one was not.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use millstream_simulation::{Choices, Manner, Totals, live};

/// Lives of a store on a simulated device, judged by an oracle.
#[derive(Debug, Parser)]
struct Arguments {
    /// Recover from so many ends of the process or the power
    #[arg(long, default_value_t = 10_000)]
    crashes: u64,
    /// Live the life of one seed, and print its history
    #[arg(long)]
    seed: Option<u64>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads; each life is lived by one
    #[arg(long)]
    threads: Option<usize>,
    /// Try what would be left once in so many operations
    #[arg(long, default_value_t = 2)]
    trial_rate: u64,
    /// Print nothing but failures
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => replay(seed, arguments.trial_rate),
        None => many(&arguments),
    }
}

fn replay(seed: u64, trial_rate: u64) -> ExitCode {
    let totals = Arc::new(Totals::default());
    let manner = Manner {
        trial_rate,
        log: true,
    };
    totals.verbose.store(true, Ordering::Relaxed);
    let outcome = live(Choices::seeded(seed), manner, &totals);
    for line in &outcome.log {
        println!("{line}");
    }
    println!("trace {:016x}", outcome.trace);
    match outcome.failure {
        None => ExitCode::SUCCESS,
        Some(what) => {
            eprintln!("error: seed {seed}: {what}");
            ExitCode::FAILURE
        }
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads = arguments.threads.unwrap_or(cores).max(1);
    let (next, stop) = (AtomicU64::new(arguments.first), AtomicBool::new(false));
    let all: Vec<Arc<Totals>> = (0..threads).map(|_| Arc::new(Totals::default())).collect();
    let sum = |of: fn(&Totals) -> &AtomicU64| {
        all.iter()
            .map(|t| of(t).load(Ordering::Relaxed))
            .sum::<u64>()
    };
    let begun = Instant::now();
    let work = |totals: &Arc<Totals>| {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let manner = Manner {
                trial_rate: arguments.trial_rate,
                log: false,
            };
            let lived = catch_unwind(AssertUnwindSafe(|| {
                live(Choices::seeded(seed), manner, totals).failure
            }));
            let failure = lived.unwrap_or_else(|_| Some("it panicked".into()));
            if let Some(what) = failure {
                stop.store(true, Ordering::Relaxed);
                return Some((seed, what));
            }
        }
        None
    };
    let failure = thread::scope(|scope| {
        let running: Vec<_> = all
            .iter()
            .map(|totals| {
                let work = &work;
                scope.spawn(move || work(totals))
            })
            .collect();
        let mut told = Instant::now();
        while running.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            let crashes = sum(|t| &t.crashes);
            if crashes >= arguments.crashes {
                stop.store(true, Ordering::Relaxed);
            }
            if !arguments.quiet && told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                let rate = crashes as f64 / begun.elapsed().as_secs_f64();
                eprintln!(
                    "{crashes} of {} ends, {rate:.0}/s, {} lives",
                    arguments.crashes,
                    sum(|t| &t.lives)
                );
            }
        }
        let failures = running
            .into_iter()
            .filter_map(|thread| thread.join().ok().flatten());
        failures.min()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let crashes = sum(|t| &t.crashes);
    if !arguments.quiet {
        println!(
            "{crashes} ends recovered from ({} of them while recovering) in {} lives with {} operations; {} media harmed, {} of these reported; {seconds:.1} s, {:.0} ends/s",
            sum(|t| &t.nested),
            sum(|t| &t.lives),
            sum(|t| &t.operations),
            sum(|t| &t.harms),
            sum(|t| &t.reported),
            crashes as f64 / seconds,
        );
    }
    match failure {
        None => ExitCode::SUCCESS,
        Some((seed, what)) => {
            eprintln!("error: seed {seed}: {what}");
            eprintln!("replay it: cargo xtask simulate --seed {seed}");
            ExitCode::FAILURE
        }
    }
}
