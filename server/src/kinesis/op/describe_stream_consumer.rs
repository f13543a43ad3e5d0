//! DescribeStreamConsumer.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::DescribeStreamConsumerInput, output::DescribeStreamConsumerOutput},
    name::NamedConsumer,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: DescribeStreamConsumerInput<'_>,
) -> Result<DescribeStreamConsumerOutput, Fault> {
    let named = NamedConsumer {
        stream_arn: input.stream_arn.as_deref(),
        name: input.consumer_name.as_deref(),
        arn: input.consumer_arn.as_deref(),
    };
    let (stream, consumer) = front.consumer(named)?;
    front.count_call("DescribeStreamConsumer", stream.name())?;
    let consumer = description::consumer_description(front, stream.name(), &consumer);
    Ok(DescribeStreamConsumerOutput {
        consumer_description: Some(consumer),
    })
}
