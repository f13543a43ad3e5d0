//! DescribeAccountSettings.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{input::DescribeAccountSettingsInput, output::DescribeAccountSettingsOutput},
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    _: DescribeAccountSettingsInput,
) -> Result<DescribeAccountSettingsOutput, Fault> {
    front.count_call("DescribeAccountSettings", "")?;
    let commitment = front.service.commitment();
    Ok(DescribeAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(description::commitment(commitment)),
    })
}
