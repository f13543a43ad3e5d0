//! The front that speaks the API of Amazon Kinesis Data Streams.
//!
//! - [`sequence`]: numbers of records.
//! - [`iterator`]: places of readers.
//! - [`entries`]: records in the body of a put.
//! - [`page`], [`writer`]: records in the body of an answer.
//! - [`event_stream`]: the frames in which a subscription is answered.

pub(crate) mod entries;
pub(crate) mod event_stream;
pub(crate) mod iterator;
pub(crate) mod page;
pub(crate) mod sequence;
pub(crate) mod writer;
