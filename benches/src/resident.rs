//! Memory of a process.

use std::fs;

use crate::error::BenchError;

/// Memory of a process, in mebibytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Resident {
    /// What is resident and no file's.
    pub(crate) anonymous: f64,
    /// All that is resident, maps of files among it.
    pub(crate) all: f64,
}

impl Resident {
    /// The higher one of each.
    pub(crate) fn max(self, other: Resident) -> Resident {
        Resident {
            anonymous: self.anonymous.max(other.anonymous),
            all: self.all.max(other.all),
        }
    }
}

/// Mebibytes of anonymous memory of this process that are resident.
pub(crate) fn anonymous_mib() -> Result<f64, BenchError> {
    Ok(read("/proc/self/status")?.anonymous)
}

/// Memory of another process.
pub(crate) fn of(process: u32) -> Result<Resident, BenchError> {
    read(&format!("/proc/{process}/status"))
}

fn read(path: &str) -> Result<Resident, BenchError> {
    let status = fs::read_to_string(path).map_err(BenchError::io("read", path))?;
    let mebibytes = |name| {
        let kibibytes = kibibytes(&status, name);
        let kibibytes = kibibytes.ok_or_else(|| BenchError::wrong(format!("{path} has no {name}")));
        kibibytes.map(|kibibytes| kibibytes / 1024.0)
    };
    Ok(Resident {
        anonymous: mebibytes("RssAnon:")?,
        all: mebibytes("VmRSS:")?,
    })
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::kibibytes;

    #[test]
    fn the_parts_are_found() {
        let status = "VmRSS:\t    4000 kB\nRssAnon:\t    1536 kB\nRssFile:\t 1 kB\n";
        assert_eq!(kibibytes(status, "RssAnon:"), Some(1536.0));
        assert_eq!(kibibytes(status, "VmRSS:"), Some(4000.0));
        assert_eq!(kibibytes("VmRSS:\t 1 kB\n", "RssAnon:"), None);
    }
}
