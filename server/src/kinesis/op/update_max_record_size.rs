//! UpdateMaxRecordSize.

use crate::kinesis::{
    Front, fault::Fault, model::input::UpdateMaxRecordSizeInput, name::Named, refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UpdateMaxRecordSizeInput<'_>,
) -> Result<(), Fault> {
    let stream = front.stream(Named {
        name: None,
        arn: input.stream_arn.as_deref(),
    })?;
    front.count_call("UpdateMaxRecordSize", stream.name())?;
    let kib = input.max_record_size_in_kib.unwrap_or_default();
    let kib = u32::try_from(kib).unwrap_or_default();
    let changed = front.service.set_max_record(stream.name(), kib).await;
    changed.map_err(|error| refusal::of(front, error))
}
