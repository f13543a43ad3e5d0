//! DeregisterStreamConsumer.

use crate::kinesis::{
    Front, fault::Fault, model::input::DeregisterStreamConsumerInput, name::NamedConsumer, refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DeregisterStreamConsumerInput<'_>,
) -> Result<(), Fault> {
    let named = NamedConsumer {
        stream_arn: input.stream_arn.as_deref(),
        name: input.consumer_name.as_deref(),
        arn: input.consumer_arn.as_deref(),
    };
    let (stream, consumer) = front.consumer(named)?;
    front.count_call("DeregisterStreamConsumer", stream.name())?;
    let began = front
        .service
        .deregister_consumer(stream.name(), &consumer.name)
        .await;
    began.map_err(|error| refusal::of(front, error))
}
