//! Entries by sequence and time, one about every 64 KiB of a segment.

/// Bytes of a segment between entries, about.
pub(crate) const SPACING: u64 = 64 * 1024;

/// One batch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Sequence number of its first record.
    pub sequence: u64,
    /// Its byte offset.
    pub offset: u64,
    /// Its time, milliseconds since 1970.
    pub time_ms: u64,
}

/// The entries of one segment, ascending in all three fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    entries: Vec<Entry>,
}

impl SparseIndex {
    /// An index of these entries; `None` when they are not ascending.
    pub(crate) fn from_entries(entries: Vec<Entry>) -> Option<SparseIndex> {
        let ascending = entries.windows(2).all(|w| {
            w[0].sequence <= w[1].sequence
                && w[0].offset < w[1].offset
                && w[0].time_ms <= w[1].time_ms
        });
        ascending.then_some(SparseIndex { entries })
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes note of a batch, which follows all noted before.
    pub(crate) fn note(&mut self, entry: Entry) {
        let far = |last: &Entry| entry.offset >= last.offset + SPACING;
        if self.entries.last().is_none_or(far) {
            self.entries.push(entry);
        }
    }

    /// Where to begin looking for the batch that holds `sequence`.
    pub(crate) fn seek(&self, sequence: u64) -> Option<Entry> {
        let after = self.entries.partition_point(|e| e.sequence <= sequence);
        self.entries.get(after.checked_sub(1)?).copied()
    }

    /// Where to begin looking for the first batch at or after a time.
    pub(crate) fn seek_time(&self, time_ms: u64) -> Option<Entry> {
        let after = self.entries.partition_point(|e| e.time_ms < time_ms);
        self.entries.get(after.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> SparseIndex {
        let mut index = SparseIndex::default();
        for i in 0..100u64 {
            index.note(Entry {
                sequence: i * 10,
                offset: 4096 + i * 16384,
                time_ms: 1000 + i / 10,
            });
        }
        index
    }

    #[test]
    fn entries_are_sparse_and_seek_never_passes_what_is_sought() {
        let index = index();
        assert_eq!(index.entries().len(), 25);
        for sequence in 0..1000 {
            let at = index.seek(sequence).unwrap();
            assert!(at.sequence <= sequence && sequence - at.sequence < 40);
        }
        for time in 1000..1010 {
            let at = index.seek_time(time).unwrap();
            assert!(at.time_ms < time || at.offset == 4096);
        }
    }

    #[test]
    fn disorder_makes_no_index() {
        let mut entries = index().entries().to_vec();
        assert!(SparseIndex::from_entries(entries.clone()).is_some());
        entries.swap(3, 4);
        assert!(SparseIndex::from_entries(entries).is_none());
    }
}
