//! The streams in use, by name. A table is never changed, only replaced.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::Stream;

#[derive(Clone, Default)]
pub(super) struct Table {
    streams: BTreeMap<String, Arc<Stream>>,
}

impl FromIterator<Arc<Stream>> for Table {
    fn from_iter<I: IntoIterator<Item = Arc<Stream>>>(streams: I) -> Table {
        let named = |stream: Arc<Stream>| (stream.name().to_owned(), stream);
        Table {
            streams: streams.into_iter().map(named).collect(),
        }
    }
}

impl Table {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.streams.get(name).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// In the order of names.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.values()
    }

    /// Those with names after `name`.
    pub(super) fn after(&self, name: &str) -> impl Iterator<Item = &Arc<Stream>> {
        let range = (Bound::Excluded(name), Bound::Unbounded);
        self.streams
            .range::<str, _>(range)
            .map(|(_, stream)| stream)
    }

    #[must_use]
    pub(super) fn with(&self, stream: Arc<Stream>) -> Table {
        let mut table = self.clone();
        table.streams.insert(stream.name().to_owned(), stream);
        table
    }

    #[must_use]
    pub(super) fn without(&self, name: &str) -> Table {
        let mut table = self.clone();
        table.streams.remove(name);
        table
    }
}
