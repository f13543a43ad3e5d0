//! `cargo xtask bench`: builds what is measured as it is shipped, then runs the harness.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{self, Failure},
    workspace,
};

/// The peers' workspace, apart from ours: nobody who builds or tests Millstream needs it.
const PEERS: &str = "benches/peers";

/// The harness and its arguments are in `benches`; the server, and the peers, are programs that
/// it starts.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let asks = |option: &str| arguments.iter().any(|argument| argument == option);
    let what = arguments.first().map(String::as_str);
    let mut more = Vec::new();
    if matches!(what, Some("engine" | "tcp" | "kinesis")) && !asks("--help") {
        failure::run(&mut build(
            "millstream-cli",
            &workspace::root().join("Cargo.toml"),
        ))?;
        if !asks("--server-bin") {
            more.push("--server-bin".into());
            more.push(
                workspace::target_directory()
                    .join("release/millstream")
                    .into_os_string(),
            );
        }
    }
    let alone = ["--help", "--quick", "--no-peers", "--peers-bin"];
    if what == Some("engine") && !alone.into_iter().any(asks) {
        more.push("--peers-bin".into());
        more.push(build_peers()?.into_os_string());
    }
    failure::run(
        workspace::cargo()
            .args([
                "run",
                "--quiet",
                "--release",
                "--package",
                "millstream-benches",
            ])
            .args(["--bin", "millstream-bench", "--"])
            .args(arguments)
            .args(more),
    )
}

fn build(package: &str, manifest: &Path) -> Command {
    let mut cargo = workspace::cargo();
    cargo
        .args(["build", "--release", "--package", package])
        .arg("--manifest-path")
        .arg(manifest);
    cargo
}

/// Builds the peers; the program that measures them.
fn build_peers() -> Result<PathBuf, Failure> {
    let directory = workspace::root().join(PEERS);
    // Its own, as its README has it: it is built once, and takes long.
    let target = directory.join("target");
    let mut cargo = build("millstream-peers", &directory.join("Cargo.toml"));
    failure::run(cargo.arg("--locked").arg("--target-dir").arg(&target)).map_err(|failure| {
        Failure::Wrong(format!(
            "{failure}\nThe peers did not build. RocksDB needs a C++ compiler and libclang; on \
             Debian:\n  apt-get install build-essential libclang-dev\n`--no-peers` measures \
             without them."
        ))
    })?;
    Ok(target.join("release/millstream-peers"))
}
