//! Dependencies point one way.

use super::{Finding, Tree};

/// What a package may know.
struct Door {
    package: &'static str,
    /// Packages of this workspace that it may depend on.
    may_use: &'static [&'static str],
    /// More of them that its tests may use.
    tests_may_use: &'static [&'static str],
    /// Packages from outside that it must not depend on, not even for tests.
    never: &'static [&'static str],
}

const ASYNC_AND_NETWORK: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "hyper",
    "axum",
    "reqwest",
    "serde",
    "serde_json",
    "redb",
];

const DOORS: &[Door] = &[
    Door {
        package: "millstream-format",
        may_use: &[],
        tests_may_use: &[],
        never: ASYNC_AND_NETWORK,
    },
    Door {
        package: "millstream-engine",
        may_use: &["millstream-format"],
        tests_may_use: &[],
        never: ASYNC_AND_NETWORK,
    },
    Door {
        package: "millstream-wire",
        may_use: &["millstream-format"],
        tests_may_use: &[],
        never: ASYNC_AND_NETWORK,
    },
    Door {
        package: "millstream-server",
        may_use: &["millstream-format", "millstream-engine", "millstream-wire"],
        tests_may_use: &[],
        never: &[],
    },
    Door {
        package: "millstream-client",
        may_use: &["millstream-format", "millstream-wire"],
        tests_may_use: &["millstream-server", "millstream-engine"],
        never: &["redb"],
    },
    Door {
        // The engine for `inspect` and `verify`, the server for `serve`.
        package: "millstream-cli",
        may_use: &[
            "millstream-format",
            "millstream-engine",
            "millstream-wire",
            "millstream-client",
            "millstream-server",
        ],
        tests_may_use: &[],
        never: &["redb"],
    },
    Door {
        // What runs inside the virtual machine of `cargo xtask powercut`, and judges its disks.
        package: "millstream-powercut",
        may_use: &["millstream-engine"],
        tests_may_use: &[],
        never: ASYNC_AND_NETWORK,
    },
    Door {
        package: "millstream-simulation",
        may_use: &["millstream-format", "millstream-engine"],
        tests_may_use: &[],
        never: ASYNC_AND_NETWORK,
    },
    Door {
        // With serde, to read the service model of Kinesis.
        package: "xtask",
        may_use: &["millstream-format", "millstream-wire"],
        tests_may_use: &[],
        never: &["tokio", "hyper", "reqwest", "redb"],
    },
    Door {
        // The server only as the program that is shipped.
        package: "millstream-torture",
        may_use: &["millstream-client"],
        tests_may_use: &[],
        never: &[],
    },
    Door {
        // The engine for the embedded rows; the server only as the program that is shipped.
        package: "millstream-benches",
        may_use: &[
            "millstream-format",
            "millstream-engine",
            "millstream-wire",
            "millstream-client",
        ],
        // The AWS API's operations without a socket.
        tests_may_use: &["millstream-server"],
        never: &[],
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_ours = |name: &String| tree.packages.iter().any(|package| package.name == *name);
    let mut findings = Vec::new();
    for package in &tree.packages {
        let mut wrong = |what| {
            findings.push(Finding {
                place: package.name.clone(),
                line: None,
                what,
            });
        };
        let Some(door) = DOORS.iter().find(|door| door.package == package.name) else {
            wrong("it has no door: say in tools/xtask/src/tidy/doors.rs what it may know".into());
            continue;
        };
        let (normal, dev) = (package.dependencies(), package.dev_dependencies());
        for name in normal.iter().filter(|name| is_ours(name)) {
            if !door.may_use.contains(&name.as_str()) {
                wrong(format!(
                    "it must not know {name}: dependencies point one way"
                ));
            }
        }
        for name in dev.iter().filter(|name| is_ours(name)) {
            let known = [door.may_use, door.tests_may_use].concat();
            if !known.contains(&name.as_str()) {
                wrong(format!(
                    "its tests must not know {name}: dependencies point one way"
                ));
            }
        }
        for name in normal.iter().chain(&dev) {
            if door.never.contains(&name.as_str()) {
                wrong(format!("it must not depend on {name}"));
            }
        }
    }
    findings
}
