//! PutResourcePolicy: kept as it is written; nothing is decided by it yet.

use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::input::PutResourcePolicyInput,
    refusal,
};

/// Bytes of a policy.
const MOST_BYTES: usize = 20 << 10;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: PutResourcePolicyInput<'_>,
) -> Result<(), Fault> {
    let policy = input.policy.unwrap_or_default();
    check(&policy)?;
    let resource = front.resource(input.resource_arn.as_deref())?;
    let (stream, consumer) = (resource.stream.name(), resource.consumer_name());
    front.count_call("PutResourcePolicy", stream)?;
    let put = front
        .service
        .put_policy(stream, consumer, policy.into_owned())
        .await;
    put.map_err(|error| refusal::of(front, error))
}

/// What every policy has.
#[derive(serde::Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statement: serde_json::Value,
}

/// Whether it is a policy in form: an object in JSON with statements.
fn check(policy: &str) -> Result<(), Fault> {
    let invalid = |message: String| Err(Fault::new(FaultKind::InvalidArgumentException, message));
    if policy.len() > MOST_BYTES {
        let bytes = policy.len();
        return invalid(format!(
            "The policy has {bytes} bytes; at most {MOST_BYTES} are kept."
        ));
    }
    match serde_json::from_str::<Document>(policy) {
        Ok(Document { statement }) if statement.is_object() || statement.is_array() => Ok(()),
        Ok(_) => {
            invalid("The Statement of the policy is neither one nor a list of them.".to_owned())
        }
        Err(error) => invalid(format!(
            "The policy is not an object in JSON with a Statement: {error}."
        )),
    }
}
