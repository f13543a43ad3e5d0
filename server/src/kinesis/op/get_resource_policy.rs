//! GetResourcePolicy.

use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::{input::GetResourcePolicyInput, output::GetResourcePolicyOutput},
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: GetResourcePolicyInput<'_>,
) -> Result<GetResourcePolicyOutput, Fault> {
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("GetResourcePolicy", stream)?;
    let policy = front.service.policy(stream, consumer).await;
    let policy = policy.map_err(|error| refusal::of(front, error))?;
    if policy.is_none() {
        let message =
            "No resource policy is attached to this resource; PutResourcePolicy does that.";
        return Err(Fault::new(FaultKind::ResourceNotFoundException, message));
    }
    Ok(GetResourcePolicyOutput { policy })
}
