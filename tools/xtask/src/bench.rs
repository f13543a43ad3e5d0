//! `cargo xtask bench`: builds what is measured as it is shipped, then runs the harness.

use crate::{
    failure::{self, Failure},
    workspace,
};

/// The harness and its arguments are in `benches`; `tcp` measures the program that is shipped.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if arguments
        .first()
        .is_some_and(|what| what == "tcp" || what == "all")
    {
        failure::run(workspace::cargo().args([
            "build",
            "--release",
            "--package",
            "millstream-cli",
        ]))?;
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
            .args(arguments),
    )
}
