//! What is measured: sizes, batches and threads.

/// One way to append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Bytes of a record.
    pub(crate) size: usize,
    /// Records in a call, durable when it returns.
    pub(crate) batch: usize,
    /// Producers, unless the peer has a better number or `--threads` says otherwise.
    pub(crate) threads: usize,
    /// Bytes of record data a second that no peer exceeds by much: how much room a run needs.
    pub(crate) fastest: u64,
    /// Whether the latency of each call is part of the result.
    pub(crate) latency: bool,
}

pub(crate) const ROWS: [Row; 5] = [
    row("ingest-1k", 1024, 500, 4, 3_000_000_000),
    row("ingest-100b-500", 100, 500, 2, 1_000_000_000),
    row("ingest-100b-5000", 100, 5000, 2, 2_000_000_000),
    Row {
        latency: true,
        ..row("one-by-one", 100, 1, 1, 10_000_000)
    },
    row("threads-64", 100, 1, 64, 50_000_000),
];

const fn row(name: &'static str, size: usize, batch: usize, threads: usize, fastest: u64) -> Row {
    Row {
        name,
        size,
        batch,
        threads,
        fastest,
        latency: false,
    }
}

impl Row {
    pub(crate) fn named(name: &str) -> Option<Row> {
        ROWS.into_iter().find(|row| row.name == name)
    }
}
