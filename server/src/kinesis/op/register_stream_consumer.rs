//! RegisterStreamConsumer.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::RegisterStreamConsumerInput, output::RegisterStreamConsumerOutput},
    name::Named,
    refusal, tag,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: RegisterStreamConsumerInput<'_>,
) -> Result<RegisterStreamConsumerOutput, Fault> {
    let tags = tag::of_request(input.tags.as_ref())?;
    let stream = front.stream(Named {
        name: None,
        arn: input.stream_arn.as_deref(),
    })?;
    front.count_call("RegisterStreamConsumer", stream.name())?;
    let name = input.consumer_name.unwrap_or_default();
    let consumer = front
        .service
        .register_consumer(stream.name(), &name, tags)
        .await;
    let consumer = consumer.map_err(|error| refusal::of(front, error))?;
    Ok(RegisterStreamConsumerOutput {
        consumer: Some(description::consumer(front, stream.name(), &consumer)),
    })
}
