//! StopStreamEncryption.

use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::{choice::EncryptionType, input::StopStreamEncryptionInput},
    name::Named,
    refusal,
};

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: StopStreamEncryptionInput<'_>,
) -> Result<(), Fault> {
    if input.encryption_type.as_deref() != Some(EncryptionType::Kms.name()) {
        let message = "EncryptionType has to be KMS.";
        return Err(Fault::new(FaultKind::InvalidArgumentException, message));
    }
    let named = Named {
        name: input.stream_name.as_deref(),
        arn: input.stream_arn.as_deref(),
    };
    let stream = front.stream(named)?;
    front.count_call("StopStreamEncryption", stream.name())?;
    let (key, given) = (&stream.row.encryption_key, input.key_id.as_deref());
    if key.as_deref().is_some_and(|key| Some(key) != given) {
        let message = format!(
            "Stream {} is encrypted with another key than {}.",
            stream.name(),
            given.unwrap_or_default()
        );
        return Err(Fault::new(FaultKind::InvalidArgumentException, message));
    }
    let changed = front.service.set_encryption(stream.name(), None).await;
    changed.map_err(|error| refusal::of(front, error))
}
