//! The front that speaks the API of Amazon Kinesis Data Streams over HTTP.
//!
//! - [`model`]: operations, shapes, constraints and errors, generated from the service model.
//! - [`body`]: bodies in JSON and CBOR, to and from those shapes.
//! - [`fault`]: what an answer tells of an error.

pub(crate) mod body;
pub(crate) mod fault;
pub(crate) mod model;
