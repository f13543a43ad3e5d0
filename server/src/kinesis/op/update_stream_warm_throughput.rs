//! UpdateStreamWarmThroughput.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::UpdateStreamWarmThroughputInput, output::UpdateStreamWarmThroughputOutput},
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UpdateStreamWarmThroughputInput<'_>,
) -> Result<UpdateStreamWarmThroughputOutput, Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("UpdateStreamWarmThroughput", stream.name())?;
    let mibps = input.warm_throughput_mibps.unwrap_or_default();
    let mibps = u32::try_from(mibps).unwrap_or_default();
    let stream = front
        .service
        .set_warm_throughput(stream.name(), mibps)
        .await;
    let stream = stream.map_err(|error| refusal::of(front, error))?;
    Ok(UpdateStreamWarmThroughputOutput {
        stream_arn: Some(front.stream_arn(stream.name())),
        stream_name: Some(stream.name().to_owned()),
        warm_throughput: description::warm_throughput(front, &stream),
    })
}
