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
use screen::{Screen, Shown};

const LONG_ABOUT: &str = "\
Runs the server with an embedded store, in the foreground, until it is interrupted.

Without any option it keeps its data in ./millstream-data, listens on 127.0.0.1:7071 for the
commands and libraries of Millstream, and on 127.0.0.1:4567 for AWS SDKs. SIGINT (Ctrl-C) and
SIGTERM stop it cleanly: what was accepted is finished and acknowledged. A second signal ends it at
once; nothing that was acknowledged is lost by that either.

Without --credentials nobody is asked who they are, and without a certificate the line is open: then
listening anywhere but on loopback is refused unless --insecure is given. A configuration file (TOML)
may hold what the options say and more; options win over it. docs/OPERATING.md lists every key.";

const EXAMPLES: &str = "\
Examples:
  millstream serve
  millstream serve --data /var/lib/millstream --listen 127.0.0.1:7100
  millstream serve --config /etc/millstream.toml
  millstream serve --listen 127.0.0.1:0             a free port, told on standard output
  millstream serve --device portable                no io_uring
  millstream serve --kinesis off                    without the AWS API
  millstream serve --kinesis 0.0.0.0:4567 --credentials clients.ini --tls-self-signed
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
    /// Address of the AWS API, or off; port 0 takes a free one [default: 127.0.0.1:4567]
    #[arg(long, value_name = "HOST:PORT|off")]
    pub(crate) kinesis: Option<String>,
    /// The region that the AWS API says it is [default: us-east-1]
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// The AWS account that every stream belongs to [default: 000000000000]
    #[arg(long, value_name = "12 DIGITS")]
    pub(crate) account_id: Option<String>,
    /// How much a shard takes and gives: as in AWS, as much as it can, or by a file [default: none]
    #[arg(long, value_name = "aws|none|FILE")]
    pub(crate) limits: Option<String>,
    /// The clients that may come in, in the form of ~/.aws/credentials; each profile is one
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// A certificate in PEM, with those between it and its authority; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Make a certificate at the first start, for clients to trust by its file
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) tls_self_signed: bool,
    /// A name or address that the made certificate is for, beside this machine; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    pub(crate) tls_name: Vec<String>,
    /// A configuration file in TOML; options win over it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen elsewhere than on loopback without credentials or without a certificate: whoever
    /// reaches the address can read, write and delete everything
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
        kinesis: server.kinesis_addr(),
        certificate: server.certificate().map(|(fingerprint, file)| Shown {
            fingerprint,
            file: path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        }),
        asks: server.asks_for_credentials(),
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
        self.fronts(&mut config);
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

    /// What the options say of the AWS API, of certificates, and of who may come in.
    fn fronts(&self, config: &mut Config) {
        for (option, key) in [
            (&self.kinesis, &mut config.kinesis.listen),
            (&self.region, &mut config.kinesis.region),
            (&self.account_id, &mut config.kinesis.account_id),
            (&self.limits, &mut config.kinesis.limits),
        ] {
            if let Some(value) = option {
                key.clone_from(value);
            }
        }
        if self.credentials.is_some() {
            config.credentials.clone_from(&self.credentials);
        }
        let makes = self.tls_self_signed || !self.tls_name.is_empty();
        if self.tls_cert.is_some() {
            config.tls.cert.clone_from(&self.tls_cert);
            config.tls.key.clone_from(&self.tls_key);
            config.tls.self_signed = false;
            config.tls.names.clear();
        } else if makes {
            (config.tls.cert, config.tls.key) = (None, None);
            config.tls.self_signed = true;
        }
        if !self.tls_name.is_empty() {
            config.tls.names.clone_from(&self.tls_name);
        }
    }
}

#[cfg(test)]
mod tests;
