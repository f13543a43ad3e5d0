//! What the figures were measured on.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

/// Machine, kernel, file system and versions, for the head of the results.
pub(crate) fn describe(directory: &Path) -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1))
            .unwrap_or("unknown")
            .trim()
            .to_owned()
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "cpus": cpus,
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "file_system": file_system(directory),
        "load_average_before": read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        "commit": commit(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Type, source and options of the mount that holds the directory.
fn file_system(directory: &Path) -> Value {
    let absolute = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let held_by = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields.len() >= 4 && absolute.starts_with(fields[1]))
        .max_by_key(|fields| fields[1].len());
    match held_by {
        Some(fields) => json!({"type": fields[2], "source": fields[0], "options": fields[3]}),
        None => Value::Null,
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
