//! The operations.

use bytes::Bytes;

use super::{
    Caller, Front,
    answer::Answer,
    body::Encoding,
    fault::{Fault, FaultKind},
    model::Operation,
};

/// Carries out an operation.
pub(super) async fn answer(
    _front: &Front,
    operation: Operation,
    _encoding: Encoding,
    _body: Bytes,
    _caller: &Caller,
) -> Result<Answer, Fault> {
    let message = format!("this server does not do {} yet", operation.name());
    Err(Fault::new(FaultKind::InvalidArgumentException, message))
}
