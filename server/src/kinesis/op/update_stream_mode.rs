//! UpdateStreamMode.

use crate::catalog::StreamMode;
use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::input::UpdateStreamModeInput,
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UpdateStreamModeInput<'_>,
) -> Result<(), Fault> {
    let mode = input.stream_mode_details.and_then(|d| d.stream_mode);
    let (mode, warm) = (mode.as_deref(), input.warm_throughput_mibps);
    let mode = super::create_stream::mode(mode);
    if warm.is_some() && mode == StreamMode::Provisioned {
        let message = "WarmThroughputMiBps goes with StreamMode ON_DEMAND only.";
        return Err(Fault::new(FaultKind::ValidationException, message));
    }
    let stream = front.stream(Named {
        name: None,
        arn: input.stream_arn.as_deref(),
    })?;
    front.count_call("UpdateStreamMode", stream.name())?;
    let warm = warm.and_then(|warm| u32::try_from(warm).ok());
    let changed = front.service.set_mode(stream.name(), mode, warm).await;
    changed.map_err(|error| refusal::of(front, error))
}
