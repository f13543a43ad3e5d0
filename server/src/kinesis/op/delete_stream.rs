//! DeleteStream.

use crate::kinesis::{Front, fault::Fault, model::input::DeleteStreamInput, name::Named, refusal};
use crate::service::Deletion;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DeleteStreamInput<'_>,
) -> Result<(), Fault> {
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("DeleteStream", stream.name())?;
    let deletion = match input.enforce_consumer_deletion {
        Some(true) => Deletion::WithConsumers,
        _ => Deletion::WithoutConsumers,
    };
    let began = front.service.start_deletion(stream.name(), deletion).await;
    began.map_err(|error| refusal::of(front, error))
}
