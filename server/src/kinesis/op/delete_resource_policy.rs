//! DeleteResourcePolicy.

use crate::kinesis::{Front, fault::Fault, model::input::DeleteResourcePolicyInput, refusal};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DeleteResourcePolicyInput<'_>,
) -> Result<(), Fault> {
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("DeleteResourcePolicy", stream)?;
    let removed = front.service.remove_policy(stream, consumer).await;
    removed.map_err(|error| refusal::of(front, error))
}
