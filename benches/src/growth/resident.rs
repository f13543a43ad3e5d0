//! Memory of this process that is no file's.

use std::fs;

use crate::error::BenchError;

const STATUS: &str = "/proc/self/status";

/// Mebibytes of anonymous memory that are resident.
pub(super) fn anonymous_mib() -> Result<f64, BenchError> {
    let status = fs::read_to_string(STATUS).map_err(BenchError::io("read", STATUS))?;
    kibibytes(&status)
        .map(|kib| kib / 1024.0)
        .ok_or_else(|| BenchError::wrong(format!("{STATUS} has no RssAnon")))
}

fn kibibytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_anonymous_part_is_found() {
        let status = "VmRSS:\t    4000 kB\nRssAnon:\t    1536 kB\nRssFile:\t 1 kB\n";
        assert_eq!(super::kibibytes(status), Some(1536.0));
        assert_eq!(super::kibibytes("VmRSS:\t 1 kB\n"), None);
    }
}
