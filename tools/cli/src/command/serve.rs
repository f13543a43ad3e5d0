//! `millstream serve`: the server, in the foreground.

mod screen;

use std::path::{self, PathBuf};

use clap::{Args, ValueEnum};
use millstream_engine::DeviceChoice;
use millstream_server::{Server, config::Config};

use crate::{
    arguments::{Global, Output},
    failure::Failure,
    log, output,
    signals::Signals,
};
use screen::Screen;

const LONG_ABOUT: &str = "\
Runs the server with an embedded store, in the foreground, until it is interrupted.

Without any option it keeps its data in ./millstream-data and listens on 127.0.0.1:7071. SIGINT
(Ctrl-C) and SIGTERM stop it cleanly: what was accepted is finished and acknowledged. A second
signal ends it at once; nothing that was acknowledged is lost by that either.

There is no authentication yet, so listening anywhere but on loopback is refused unless
--insecure is given. A configuration file (TOML) may hold what the options say and more; options
win over it. docs/OPERATING.md lists every key.";

const EXAMPLES: &str = "\
Examples:
  millstream serve
  millstream serve --data /var/lib/millstream --listen 127.0.0.1:7100
  millstream serve --config /etc/millstream.toml
  millstream serve --listen 127.0.0.1:0             a free port, told on standard output
  millstream serve --device portable                no io_uring
  millstream --output json serve                    the start-up report as one JSON line";

/// Run the server
#[derive(Debug, Args)]
#[command(long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct ServeArguments {
    /// Where streams are stored; made when it is missing [default: ./millstream-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:7071]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// A configuration file in TOML; options win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen elsewhere than on loopback although there is no authentication: whoever reaches
    /// the address can read, write and delete everything
    #[arg(long)]
    pub(crate) insecure: bool,
    /// How files are written; auto takes io_uring where the system grants it [default: auto]
    #[arg(
        long,
        value_enum,
        value_name = "auto|io_uring|portable",
        hide_possible_values = true
    )]
    pub(crate) device: Option<DeviceArgument>,
    /// Write through the page cache even where direct I/O works
    #[arg(long)]
    pub(crate) buffered: bool,
    /// Most memory for records on their way, such as 256MiB
    #[arg(long, value_name = "SIZE", value_parser = crate::quantity::parse_bytes)]
    pub(crate) memory: Option<u64>,
    /// Accept a data directory on a network file system, whose locks and flushes may lie
    #[arg(long)]
    pub(crate) allow_network: bool,
}

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceArgument {
    /// io_uring where the system grants it, else portable
    Auto,
    /// io_uring, or an error
    #[value(name = "io_uring", alias = "io-uring")]
    IoUring,
    /// Ordinary system calls
    Portable,
}

/// Runs the command.
///
/// # Errors
/// When the server cannot start, or does not stop cleanly.
pub(crate) async fn run(global: &Global, arguments: ServeArguments) -> Result<(), Failure> {
    log::to_stderr(log::SERVER);
    let config = arguments.config()?;
    // Before the start, so that no signal finds nobody listening.
    let mut signals = Signals::new()?;
    let server = Server::start(config).await?;
    let device = server.device();
    let (streams, shards) = server.counts();
    let screen = Screen {
        listening: server.local_addr(),
        data: path::absolute(server.data()).unwrap_or_else(|_| server.data().to_owned()),
        device: device.name,
        direct: device.direct,
        block: device.block,
        device_note: device.note,
        streams,
        shards,
        binary: screen::binary_call(),
    };
    // The server runs on when nobody wants to read this.
    let _ = match global.output {
        Output::Json => output::print_json(&screen.json()),
        Output::Table => output::print(screen.text()),
    };
    let name = signals.next().await;
    if !global.quiet {
        eprintln!("{name}: finishing what was accepted; a second signal ends it at once");
    }
    let at_once = signals.end_at_once();
    let stopped = server.shutdown().await;
    at_once.abort();
    stopped?;
    if !global.quiet {
        eprintln!("stopped cleanly");
    }
    Ok(())
}

impl ServeArguments {
    /// The configuration file, with the options over it.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        if let Some(listen) = &self.listen {
            config.listen.clone_from(listen);
        }
        if let Some(device) = self.device {
            config.store.device = match device {
                DeviceArgument::Auto => DeviceChoice::Auto,
                DeviceArgument::IoUring => DeviceChoice::IoUring,
                DeviceArgument::Portable => DeviceChoice::Portable,
            };
        }
        if let Some(memory) = self.memory {
            // What does not fit is refused by the check of the configuration.
            config.store.memory_budget = usize::try_from(memory).unwrap_or(usize::MAX);
        }
        // A switch that is not given leaves what the file says.
        config.insecure |= self.insecure;
        config.store.allow_network |= self.allow_network;
        config.store.direct_io &= !self.buffered;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
