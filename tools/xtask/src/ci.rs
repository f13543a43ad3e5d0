//! `cargo xtask ci`: the steps are written once, in `.ci/run`, which also has to work before
//! there is anything built.

use std::process::Command;

use crate::{
    failure::{self, Failure},
    workspace,
};

pub(crate) fn run(steps: &[String]) -> Result<(), Failure> {
    let root = workspace::root();
    failure::run(
        Command::new(root.join(".ci/run"))
            .args(steps)
            .current_dir(root),
    )
}
