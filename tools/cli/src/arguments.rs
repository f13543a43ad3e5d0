//! The command line as a whole: what is common to all commands, and which command runs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::{
    get::GetArguments, inspect::InspectArguments, put::PutArguments, repair::RepairArguments,
    serve::ServeArguments, snapshot::SnapshotArguments, stream::StreamCommand,
    verify::VerifyArguments,
};

/// Where commands look for the server, and where `serve` listens, unless told otherwise.
pub(crate) const DEFAULT_SERVER: &str = "127.0.0.1:7071";

const EXAMPLES: &str = "\
Try it (in two terminals):
  millstream serve
  millstream stream create demo --shards 4
  echo 'hello, stream' | millstream put demo
  millstream get demo

Exit codes:
  0  done
  1  it failed, or records are damaged or were not acknowledged
  2  wrong usage, or what was to be read cannot be read

`millstream help COMMAND` tells more, with examples for each command.";

/// A durable, ordered, sharded log: the server, and the tools to work with it
#[derive(Debug, Parser)]
#[command(name = "millstream", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The server to talk to
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "MILLSTREAM_SERVER"
    )]
    #[arg(default_value = DEFAULT_SERVER, help_heading = "Global options")]
    pub(crate) server: String,
    /// Speak TLS, and trust this certificate, or those of this authority, in PEM; `serve` tells
    /// where its own is
    #[arg(long, global = true, value_name = "FILE", env = "MILLSTREAM_TLS_CA")]
    #[arg(help_heading = "Global options")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The name that the server's certificate is for, where the address has another
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "MILLSTREAM_TLS_SERVER_NAME"
    )]
    #[arg(help_heading = "Global options")]
    pub(crate) tls_server_name: Option<String>,
    /// Who you are, for a server that asks; else what the profile says
    #[arg(long, global = true, value_name = "KEY", env = "AWS_ACCESS_KEY_ID")]
    #[arg(help_heading = "Global options")]
    pub(crate) access_key: Option<String>,
    /// The secret of the access key. On the command line others on this machine can read it: the
    /// variable is better
    #[arg(
        long,
        global = true,
        value_name = "SECRET",
        env = "AWS_SECRET_ACCESS_KEY"
    )]
    #[arg(help_heading = "Global options", hide_env_values = true)]
    pub(crate) secret_key: Option<String>,
    /// A profile of ~/.aws/credentials that says who you are [default: default]
    #[arg(long, global = true, value_name = "NAME", env = "AWS_PROFILE")]
    #[arg(help_heading = "Global options")]
    pub(crate) profile: Option<String>,
    /// How results are printed: for people, or as JSON for programs
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    #[arg(hide_possible_values = true, value_name = "table|json")]
    #[arg(help_heading = "Global options")]
    pub(crate) output: Output,
    /// Print no progress and no summary; errors are still told
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// One command each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArguments),
    #[command(subcommand)]
    Stream(StreamCommand),
    Put(PutArguments),
    Get(GetArguments),
    Inspect(InspectArguments),
    Verify(VerifyArguments),
    Repair(RepairArguments),
    Snapshot(SnapshotArguments),
}

#[cfg(test)]
mod tests;
