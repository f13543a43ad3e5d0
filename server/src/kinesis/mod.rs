//! The front that speaks the API of Amazon Kinesis Data Streams.
//!
//! - [`sequence`]: numbers of records.
//! - [`iterator`]: places of readers.
//! - [`event_stream`]: the frames in which a subscription is answered.

pub(crate) mod event_stream;
pub(crate) mod iterator;
pub(crate) mod sequence;
