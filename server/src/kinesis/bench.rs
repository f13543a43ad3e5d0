//! The operations on records as benches drive them.

use super::{
    Front,
    body::Encoding,
    fault::{Fault, FaultKind},
    iterator::{Place, ShardIterator},
    model::input::GetRecordsInput,
    op,
};

/// A front that is measured.
pub(crate) struct Bench(pub Front);

impl Bench {
    pub(crate) fn stage(&self, body: &[u8]) -> Result<usize, Fault> {
        let not_plain = || Fault::new(FaultKind::SerializationException, "not a plain body");
        op::put_records::stage(&self.0, body).ok_or_else(not_plain)
    }

    pub(crate) async fn put(&self, encoding: Encoding, body: &[u8]) -> Result<usize, Fault> {
        Ok(op::put_records::run(&self.0, encoding, body).await?.len())
    }

    pub(crate) async fn get(&self, encoding: Encoding, shard: u32) -> Result<usize, Fault> {
        let stream = self.0.served_stream(super::name::Named {
            name: Some("s"),
            arn: None,
        })?;
        let iterator = self.0.iterators.seal(&ShardIterator {
            stream: "s",
            stream_id: stream.row.id,
            shard,
            place: Place::Oldest,
            issued_ms: self.0.service.clock().wall_ms(),
        });
        let input = GetRecordsInput {
            shard_iterator: Some(iterator.into()),
            ..GetRecordsInput::default()
        };
        Ok(op::get_records::run(&self.0, encoding, input).await?.len())
    }
}
