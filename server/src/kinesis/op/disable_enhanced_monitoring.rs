//! DisableEnhancedMonitoring.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::DisableEnhancedMonitoringInput, output::EnhancedMonitoringOutput},
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DisableEnhancedMonitoringInput<'_>,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("DisableEnhancedMonitoring", stream.name())?;
    let names = input.shard_level_metrics.unwrap_or_default();
    let metrics = description::metrics(names.iter().map(|name| &**name));
    let change = front.service.disable_metrics(stream.name(), metrics).await;
    let change = change.map_err(|error| refusal::of(front, error))?;
    Ok(EnhancedMonitoringOutput {
        stream_name: Some(stream.name().to_owned()),
        current_shard_level_metrics: Some(description::metric_names(change.before)),
        desired_shard_level_metrics: Some(description::metric_names(change.after)),
        stream_arn: Some(front.stream_arn(stream.name())),
    })
}
