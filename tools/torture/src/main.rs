//! `cargo xtask torture`: the server as it is shipped, killed at random moments under load.
//!
//! - [`load`]: clients that write, read, follow, and make streams.
//! - [`record`]: records that say who they are, and [`ledger`]: the oracle over them.
//! - [`audit`]: what is there, over the wire.
//! - [`mod@run`]: the kills, and the full disk; [`server`] and [`filesystem`] are what they stand on.

// A command-line program speaks on its standard output.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![forbid(unsafe_code)]

mod audit;
mod filesystem;
mod ground;
mod history;
mod ledger;
mod load;
mod random;
mod record;
mod run;
mod server;

use std::{
    fs,
    path::{Path, PathBuf, absolute},
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use filesystem::{Kind, Mounted};
use history::History;
use run::Plan;
use server::{Server, Setting};

/// Bytes of a file system that is made for a run, and of one that is to fill up.
const ROOMY: u64 = 3 << 30;
const SMALL: u64 = 400 << 20;

/// Kill the server at random moments under load, and hold what is there against what was told
#[derive(Debug, Parser)]
#[command(name = "cargo xtask torture")]
struct Arguments {
    /// The server
    #[arg(long, default_value = "target/release/millstream")]
    server_bin: PathBuf,
    /// Kills of each run
    #[arg(long, default_value_t = 30)]
    kills: u32,
    /// Chooses moments and records; from the clock if not given. The same seed meets the same
    /// moments, but not the same schedule of threads
    #[arg(long)]
    seed: Option<u64>,
    /// The devices that the server writes with, a run for each: auto, io_uring, portable
    #[arg(long, value_delimiter = ',', default_value = "auto")]
    device: Vec<String>,
    /// The server writes through the page cache
    #[arg(long)]
    buffered: bool,
    /// Where stores, logs and histories go; what a failure leaves stays
    #[arg(long, default_value = "target/torture")]
    dir: PathBuf,
    /// File systems to make in image files and to run on, a run for each; needs root
    #[arg(long, value_enum, value_delimiter = ',')]
    filesystems: Vec<Kind>,
    /// Let a small file system fill up, kill the server there, and make room again
    #[arg(long, requires = "filesystems")]
    full_disk: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = all(&arguments) => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
        }
    });
    // Clients of a run that failed may wait for a server that does not come back.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn all(arguments: &Arguments) -> Result<(), String> {
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |now| u64::from(now.subsec_nanos()))
    });
    let filesystems: Vec<Option<Kind>> = match &arguments.filesystems[..] {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    for filesystem in filesystems {
        for device in &arguments.device {
            one(arguments, seed, filesystem, device).await?;
        }
    }
    Ok(())
}

/// One run; its directory is removed when it was clean.
async fn one(
    arguments: &Arguments,
    seed: u64,
    filesystem: Option<Kind>,
    device: &str,
) -> Result<(), String> {
    let mut name = filesystem.map_or("here", Kind::name).to_owned();
    name += &format!("-{device}");
    for (given, word) in [
        (arguments.buffered, "-buffered"),
        (arguments.full_disk, "-full"),
    ] {
        name += if given { word } else { "" };
    }
    println!("{name}: {} kills, --seed {seed}", arguments.kills);
    let at = |error: std::io::Error| format!("{name}: {error}");
    let work = absolute(&arguments.dir)
        .map_err(at)?
        .join(format!("{name}-{seed}"));
    fs::create_dir_all(&work).map_err(at)?;
    let bytes = if arguments.full_disk { SMALL } else { ROOMY };
    let mounted = filesystem
        .map(|kind| Mounted::new(kind, &work, bytes))
        .transpose()?;
    let place = mounted.as_ref().map_or(&*work, |mounted| mounted.point());
    let mut server = Server::new(Setting {
        program: absolute(&arguments.server_bin).map_err(at)?,
        data: place.join("store"),
        work: work.clone(),
        device: device.to_owned(),
        buffered: arguments.buffered,
    })
    .map_err(at)?;
    let history = Arc::new(History::new(&work.join("history")).map_err(at)?);
    let plan = Plan {
        kills: arguments.kills,
        seed,
        full_disk: arguments.full_disk,
    };
    let result = run::run(plan, &mut server, &history).await;
    // Before the file system under it goes.
    drop(server);
    match result {
        Ok(summary) => {
            println!("{name}: {summary}");
            drop(mounted);
            fs::remove_dir_all(&work).map_err(at)
        }
        Err(error) => Err(format!(
            "{name}: {error}\n{}",
            look(&work, mounted.as_ref())
        )),
    }
}

/// Where to look after a failure.
fn look(work: &Path, mounted: Option<&Mounted>) -> String {
    let store = match mounted {
        None => work.join("store").display().to_string(),
        Some(mounted) => match mounted.keep() {
            Ok(how) => how,
            Err(error) => format!("lost ({error})"),
        },
    };
    let work = work.display();
    format!(
        "look at {work}/history (what was done, and WRONG lines), then at {work}/server.log; \
         the store: {store}"
    )
}
