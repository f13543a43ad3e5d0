//! The operations and errors of the service model.

pub(crate) use fault_kind::FaultKind;
pub(crate) use operation::Operation;

mod fault_kind;
mod operation;
