//! Where a reader is to begin: the five kinds of places, for iterators and subscriptions.

use super::{
    Front,
    body::Timestamp,
    fault::{Fault, FaultKind},
    iterator::Place,
    sequence::{Number, Origin},
    shard_id::ShardName,
};
use crate::service::{Stream, StreamShard};

/// What a request says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// One of the model's names.
    pub kind: &'a str,
    pub number: Option<&'a str>,
    pub timestamp: Option<Timestamp>,
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidArgumentException, message)
}

/// The shard of a name.
///
/// # Errors
/// `ResourceNotFoundException` when there is none.
pub(crate) fn shard<'s>(
    front: &Front,
    stream: &'s Stream,
    name: &str,
) -> Result<&'s StreamShard, Fault> {
    let found = ShardName::parse(name).and_then(|number| stream.shard(number.0).ok());
    found.ok_or_else(|| no_shard(front, stream.name(), name))
}

/// What is said of a shard that is not there.
pub(crate) fn no_shard(front: &Front, stream: &str, shard: &str) -> Fault {
    let account = &front.account;
    let message =
        format!("Shard {shard} in stream {stream} under account {account} does not exist");
    Fault::new(FaultKind::ResourceNotFoundException, message)
}

impl Start<'_> {
    /// Looks at whether what is there goes together.
    ///
    /// # Errors
    /// `InvalidArgumentException` when it does not.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let numbered = matches!(self.kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
        if numbered != self.number.is_some() {
            return Err(invalid(format!(
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {} StartingSequenceNumber.",
                self.kind,
                if numbered { "no" } else { "also a" },
            )));
        }
        if self.kind == "AT_TIMESTAMP" && self.timestamp.is_none() {
            return Err(invalid(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
            ));
        }
        Ok(())
    }

    /// The place in a shard. What was trimmed stands for the horizon.
    ///
    /// # Errors
    /// `InvalidArgumentException` for a number that the shard never gave, or a time to come.
    pub(crate) fn place(
        &self,
        front: &Front,
        stream: &Stream,
        shard: &StreamShard,
    ) -> Result<Place, Fault> {
        let end = || {
            let open = stream.open(shard).map_err(Fault::from)?;
            Ok(open.end().0)
        };
        match (self.kind, self.number, self.timestamp) {
            ("TRIM_HORIZON", ..) => Ok(Place::Oldest),
            ("LATEST", ..) => end().map(Place::At),
            ("AT_TIMESTAMP", _, Some(timestamp)) => {
                let now_ms = front.service.clock().wall_ms();
                match u64::try_from(timestamp.ms) {
                    Ok(ms) if ms > now_ms => Err(invalid(format!(
                        "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {ms}, currentTimestampInMillis: {now_ms}"
                    ))),
                    Ok(ms) => Ok(Place::Time(ms)),
                    Err(_) => Ok(Place::Oldest),
                }
            }
            (kind, Some(text), _) => {
                let number = self.number(front, stream, shard, text, end()?)?;
                let at = match kind {
                    "AFTER_SEQUENCE_NUMBER" => number.after(),
                    _ => Some(number.at()),
                };
                Ok(Place::At(at.unwrap_or(u64::MAX)))
            }
            (kind, ..) => Err(invalid(format!("{kind} is not a place to begin at"))),
        }
    }

    fn number(
        &self,
        front: &Front,
        stream: &Stream,
        shard: &StreamShard,
        text: &str,
        end: u64,
    ) -> Result<Number, Fault> {
        let name = ShardName(shard.index);
        let wrong = |why: &str| {
            invalid(format!(
                "StartingSequenceNumber {text} used in GetShardIterator on shard {name} in stream {} under account {} is invalid{why}.",
                stream.name(),
                front.account
            ))
        };
        let number: Number = text.parse().map_err(|_| wrong(""))?;
        let (own, other) = (Origin::of(shard), number.origin());
        if own.shard() != other.shard() {
            return Err(invalid(format!(
                "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {name}",
                ShardName(other.shard())
            )));
        }
        if own != other {
            return Err(wrong(" because it did not come from this stream"));
        }
        // Waiting there for what comes would pass over what comes before it.
        if number.at() > end || number.after().is_none_or(|after| after > end) {
            return Err(wrong(" because it was not given yet"));
        }
        Ok(number)
    }
}
