//! `cargo xtask torture`: builds the server as it is shipped, then runs the program that kills it.

use crate::{
    failure::{self, Failure},
    workspace,
};

/// Kills and oracle are in `tools/torture`, which knows the client; the server is a program that
/// it starts.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let packages = [
        "--package",
        "millstream-cli",
        "--package",
        "millstream-torture",
    ];
    let mut build = workspace::cargo();
    failure::run(build.args(["build", "--quiet", "--release"]).args(packages))?;
    let built = workspace::target_directory().join("release");
    failure::run(
        std::process::Command::new(built.join("millstream-torture"))
            .current_dir(workspace::root())
            .arg("--server-bin")
            .arg(built.join("millstream"))
            .args(arguments),
    )
}
