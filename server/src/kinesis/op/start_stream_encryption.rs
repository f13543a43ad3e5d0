//! StartStreamEncryption: noted, and told in descriptions. Records are not encrypted yet.

use crate::kinesis::{
    Front,
    fault::{Fault, FaultKind},
    model::{choice::EncryptionType, input::StartStreamEncryptionInput},
    name::Named,
    refusal,
};
use std::borrow::Cow;

pub(in crate::kinesis) async fn run(
    front: &Front,
    input: StartStreamEncryptionInput<'_>,
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
    front.count_call("StartStreamEncryption", stream.name())?;
    let key = input.key_id.map(Cow::into_owned);
    let changed = front.service.set_encryption(stream.name(), key).await;
    changed.map_err(|error| refusal::of(front, error))
}
