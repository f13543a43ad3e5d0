//! UpdateAccountSettings.

use crate::kinesis::{
    Front, description,
    fault::Fault,
    model::{
        choice::MinimumThroughputBillingCommitmentInputStatus as Status,
        input::UpdateAccountSettingsInput, output::UpdateAccountSettingsOutput,
    },
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: UpdateAccountSettingsInput<'_>,
) -> Result<UpdateAccountSettingsOutput, Fault> {
    front.count_call("UpdateAccountSettings", "")?;
    let wanted = input.minimum_throughput_billing_commitment;
    let status = wanted.and_then(|wanted| wanted.status);
    let enabled = status.as_deref() == Some(Status::Enabled.name());
    let commitment = front.service.set_commitment(enabled).await;
    let commitment = commitment.map_err(|error| refusal::of(front, error))?;
    Ok(UpdateAccountSettingsOutput {
        minimum_throughput_billing_commitment: Some(description::commitment(commitment)),
    })
}
