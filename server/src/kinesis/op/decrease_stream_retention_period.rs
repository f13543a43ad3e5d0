//! DecreaseStreamRetentionPeriod.

use crate::kinesis::{
    Front, fault::Fault, model::input::DecreaseStreamRetentionPeriodInput, name::Named, refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DecreaseStreamRetentionPeriodInput<'_>,
) -> Result<(), Fault> {
    // A number below zero is no more a retention than one that is too high.
    let hours = input.retention_period_hours.unwrap_or_default();
    let hours = u32::try_from(hours).unwrap_or_default();
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("DecreaseStreamRetentionPeriod", stream.name())?;
    let changed = front.service.lower_retention(stream.name(), hours).await;
    changed.map_err(|error| refusal::of(front, error))
}
