//! What stands behind a trait is called in its one place and nowhere else.

use super::{Finding, Tree};

/// Words that may stand in some files of a part of the tree only.
struct Seam {
    /// Where the rule holds.
    within: &'static str,
    /// Files or directories in there where the words may stand.
    only_in: &'static [&'static str],
    words: &'static [&'static str],
    /// What to use instead.
    instead: &'static str,
}

const SEAMS: &[Seam] = &[
    Seam {
        within: "engine/format/src/",
        only_in: &[],
        words: &["std::fs", "std::net", "std::thread", "std::time"],
        instead: "the format is bytes in, bytes out",
    },
    Seam {
        within: "engine/src/",
        only_in: &["engine/src/clock.rs", "engine/src/io/"],
        words: &[
            "SystemTime::now",
            "Instant::now",
            "thread::spawn",
            "thread::Builder",
            "thread::sleep",
            "RandomState",
        ],
        instead: "time, randomness and threads come from the environment (clock.rs)",
    },
    Seam {
        within: "engine/src/",
        only_in: &["engine/src/io/"],
        words: &[
            "std::fs",
            "fs::File",
            "fs::OpenOptions",
            "rustix",
            "libc",
            "io_uring",
            "memmap2",
        ],
        instead: "files, directories and maps come from the device (io/device.rs)",
    },
    Seam {
        within: "engine/src/",
        only_in: &[],
        words: &["std::net", "TcpStream", "UdpSocket"],
        instead: "the engine knows no socket",
    },
    Seam {
        within: "server/wire/src/",
        only_in: &[],
        words: &["std::fs", "std::net", "std::thread", "std::time"],
        instead: "the codec is bytes in, bytes out",
    },
];

/// Where a word stands all the same: file, word, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "engine/src/shard/watermark.rs",
        "Instant::now",
        "it parks the threads of callers, which are real in a simulation, too",
    ),
    (
        "engine/src/store.rs",
        "thread::sleep",
        "whoever deletes a shard waits for the writer's last turn with it",
    ),
    (
        "engine/src/writer/mod.rs",
        "thread::sleep",
        "a queue that is broken for good is not asked again at once",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for seam in SEAMS {
        let inside = tree.sources.iter().filter(|source| {
            source.path.starts_with(seam.within)
                && !seam
                    .only_in
                    .iter()
                    .any(|place| source.path.starts_with(place))
                && !source.is_test()
        });
        for source in inside {
            for word in seam.words {
                let path = source.path.as_str();
                if EXCEPTIONS
                    .iter()
                    .any(|(file, known, _)| (*file, *known) == (path, *word))
                {
                    continue;
                }
                findings.extend(source.lines_with(word).map(|line| Finding {
                    place: source.path.clone(),
                    line: Some(line),
                    what: format!("`{word}` is out of place: {}", seam.instead),
                }));
            }
        }
    }
    findings
}
