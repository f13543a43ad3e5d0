//! The clients: what each is, how its suite is built, and what server it wants.

use std::time::Duration;

/// A client, and the suite of ours that drives it.
#[derive(Debug)]
pub(super) struct Client {
    /// How it is called on the command line.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) what: &'static str,
    /// Whether CI runs it.
    pub(super) in_ci: bool,
    /// How its suite becomes a program.
    pub(super) kind: Kind,
    /// The server that it wants.
    pub(super) served: Served,
    /// Longest that its suite may take.
    pub(super) patience: Duration,
}

/// How a suite becomes a program; directories are in `tools/compat`.
#[derive(Debug)]
pub(super) enum Kind {
    /// A script in `python`, in a virtual environment with its requirements.
    Python { script: &'static str },
    /// A Maven project, and settings of its build: two versions of one client are one project.
    /// One that has a `requirements.txt` too finds a server for its leases there.
    Maven {
        directory: &'static str,
        settings: &'static [&'static str],
    },
    /// A package of npm.
    Node { directory: &'static str },
    /// A module of Go.
    Go { directory: &'static str },
    /// A crate with a lock of its own.
    Cargo { directory: &'static str },
}

/// The server that a suite wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// One that is started before it, without TLS.
    Plain,
    /// One that is started before it, with a certificate that it made itself.
    Tls,
    /// The suite starts it, kills it, and starts it again.
    ByItself,
}

const MINUTE: Duration = Duration::from_secs(60);

pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "aws-cli",
        what: "AWS CLI 1.46",
        in_ci: true,
        kind: Kind::Python {
            script: "cli_suite.py",
        },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "boto3",
        what: "boto3 1.44",
        in_ci: true,
        kind: Kind::Python {
            script: "boto3_suite.py",
        },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "restarts",
        what: "boto3, the server killed in the middle of what it does",
        in_ci: true,
        kind: Kind::Python {
            script: "restart_suite.py",
        },
        served: Served::ByItself,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "java-v2",
        what: "AWS SDK for Java 2.57, blocking and asynchronous, CBOR and JSON",
        in_ci: true,
        kind: Kind::Maven {
            directory: "java-v2",
            settings: &[],
        },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "java-v1",
        what: "AWS SDK for Java 1.12",
        in_ci: false,
        kind: Kind::Maven {
            directory: "java-v1",
            settings: &[],
        },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "js-v3",
        what: "AWS SDK for JavaScript 3, over HTTP/2",
        in_ci: false,
        kind: Kind::Node { directory: "js-v3" },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "go-v2",
        what: "AWS SDK for Go 2",
        in_ci: false,
        kind: Kind::Go { directory: "go-v2" },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "rust",
        what: "AWS SDK for Rust",
        in_ci: false,
        kind: Kind::Cargo { directory: "rust" },
        served: Served::Plain,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "kpl-1.0",
        what: "Kinesis Producer Library 1.0.4, over TLS",
        in_ci: false,
        kind: Kind::Maven {
            directory: "kpl",
            settings: &["-Dkpl.version=1.0.4"],
        },
        served: Served::Tls,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "kpl-1.1",
        what: "Kinesis Producer Library 1.1.1, over TLS",
        in_ci: false,
        kind: Kind::Maven {
            directory: "kpl",
            settings: &["-Dkpl.version=1.1.1"],
        },
        served: Served::Tls,
        patience: MINUTE.saturating_mul(10),
    },
    Client {
        name: "kcl",
        what: "Kinesis Client Library 3.5.1, polling and fan-out, two workers, one killed",
        in_ci: false,
        kind: Kind::Maven {
            directory: "kcl",
            settings: &[],
        },
        served: Served::ByItself,
        patience: MINUTE.saturating_mul(20),
    },
];
