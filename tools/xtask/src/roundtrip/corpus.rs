//! Real text, as it lies on the machine: documentation, sources, package lists, logs.

use std::{
    env, fmt, fs,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::line;
use crate::failure::Failure;

/// Where text is looked for, in this order; those that are not there are passed over.
const PLACES: &[&str] = &[
    "/var/lib/dpkg",
    "/var/lib/apt/lists",
    "/var/log",
    "/usr/include",
    "~/.cargo/registry/src",
    "/usr/share",
    "/usr/lib",
    "/usr/local",
    "~/.pyenv",
    "~/.rustup",
];

/// A larger file is passed over.
const LARGEST_FILE: u64 = 64 << 20;
/// A longer line is left out.
const LONGEST_LINE: usize = 1 << 20;

/// Text in a file, a record a line.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) path: PathBuf,
    /// Without newlines: the data of the records.
    pub(super) bytes: u64,
    pub(super) lines: u64,
    files: u64,
    /// Lines left out because they have no first word that may be a key, or are too long.
    left_out: u64,
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} lines, {:.1} MB, from {} files; {} lines left out (no first word, or too long)",
            self.lines,
            self.bytes as f64 / 1e6,
            self.files,
            self.left_out
        )
    }
}

impl Corpus {
    /// Gathers into `path` until there are both `bytes` and `lines`. The same machine gives the
    /// same text, as long as its files do not change.
    pub(super) fn gather(path: &Path, bytes: u64, lines: u64) -> Result<Corpus, Failure> {
        let file = File::create(path).map_err(Failure::io("make", path))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let mut corpus = Corpus {
            path: path.to_owned(),
            bytes: 0,
            lines: 0,
            files: 0,
            left_out: 0,
        };
        'places: for place in PLACES {
            let place = match place.strip_prefix("~/") {
                None => PathBuf::from(place),
                Some(rest) => env::home_dir().unwrap_or_default().join(rest),
            };
            let mut waiting = vec![place];
            while let Some(next) = waiting.pop() {
                let Ok(metadata) = fs::symlink_metadata(&next) else {
                    continue;
                };
                if metadata.is_dir() {
                    waiting.extend(sorted(&next));
                } else if metadata.is_file() && metadata.len() <= LARGEST_FILE {
                    corpus.add(&next, &mut out)?;
                }
                if corpus.bytes >= bytes && corpus.lines >= lines {
                    break 'places;
                }
            }
        }
        out.flush().map_err(Failure::io("write", path))?;
        if corpus.bytes < bytes || corpus.lines < lines {
            return Err(Failure::Wrong(format!(
                "not enough text on this machine: {corpus}"
            )));
        }
        Ok(corpus)
    }

    fn add(&mut self, from: &Path, out: &mut impl Write) -> Result<(), Failure> {
        // Files that may not be read, or are gone by now, are passed over.
        let Ok(text) = fs::read(from) else {
            return Ok(());
        };
        if text.is_empty() || text.contains(&0) {
            return Ok(());
        }
        self.files += 1;
        for line in line::lines(&text) {
            if line.len() > LONGEST_LINE || line::key(line).is_none() {
                self.left_out += 1;
                continue;
            }
            let written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
            written.map_err(Failure::io("write", &self.path))?;
            self.bytes += line.len() as u64;
            self.lines += 1;
        }
        Ok(())
    }
}

/// What a directory holds, last first, for a stack.
fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_by(|a, b| b.cmp(a));
    paths
}
