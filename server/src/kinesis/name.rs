//! Names and ARNs of streams and consumers: what a request says, and what it means here.
//!
//! A StreamId is never given out. One that comes has gone through the model's pattern, and is
//! ignored; alone it names nothing.

use std::sync::Arc;

use super::{
    Front,
    fault::{Fault, FaultKind},
    refusal,
    shard_id::ShardName,
};
use crate::{
    catalog::ConsumerRow,
    service::{ServiceError, Stream},
};

/// How a request names a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Named<'a> {
    pub name: Option<&'a str>,
    pub arn: Option<&'a str>,
}

/// How a request names a consumer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NamedConsumer<'a> {
    pub stream_arn: Option<&'a str>,
    pub name: Option<&'a str>,
    pub arn: Option<&'a str>,
}

/// What tags and policies hang on.
pub(crate) struct Resource {
    pub stream: Arc<Stream>,
    /// `None` for the stream itself.
    pub consumer: Option<ConsumerRow>,
}

impl Resource {
    /// The name of the consumer, if it is one.
    pub(crate) fn consumer_name(&self) -> Option<&str> {
        self.consumer
            .as_ref()
            .map(|consumer| consumer.name.as_str())
    }
}

/// An ARN of a stream or a consumer, cut into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    stream: &'a str,
    /// Name and creation seconds.
    consumer: Option<(&'a str, &'a str)>,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        let (arn, partition, service) = (next()?, next()?, next()?);
        let (region, account, resource) = (next()?, next()?, next()?);
        if arn != "arn" || !partition.starts_with("aws") || service != "kinesis" {
            return None;
        }
        let resource = resource.strip_prefix("stream/")?;
        let (stream, consumer) = match resource.split_once("/consumer/") {
            Some((stream, consumer)) => (stream, Some(consumer.rsplit_once(':')?)),
            None => (resource, None),
        };
        Some(Arn {
            region,
            account,
            stream,
            consumer,
        })
    }
}

/// The number of the shard of a name, whether there is one or not.
///
/// # Errors
/// `InvalidArgumentException` when no shard is named like that.
pub(crate) fn shard_number(name: &str) -> Result<u32, Fault> {
    let number = ShardName::parse(name).map(|name| name.0);
    number.ok_or_else(|| {
        invalid(format!(
            "{name} is not the name of a shard: shardId- and a number."
        ))
    })
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidArgumentException, message)
}

fn not_found(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::ResourceNotFoundException, message)
}

impl Front {
    /// The ARN of a stream.
    pub(crate) fn stream_arn(&self, stream: &str) -> String {
        let (region, account) = (&self.region, &self.account);
        format!("arn:aws:kinesis:{region}:{account}:stream/{stream}")
    }

    /// The ARN of a consumer, which no other one ever has.
    pub(crate) fn consumer_arn(&self, stream: &str, consumer: &ConsumerRow) -> String {
        let (stream, name) = (self.stream_arn(stream), &consumer.name);
        format!("{stream}/consumer/{name}:{}", consumer.created_s)
    }

    /// The stream of a request, whatever its status.
    ///
    /// # Errors
    /// `InvalidArgumentException` when it names none or two, `ResourceNotFoundException` when
    /// there is none of that name here.
    pub(crate) fn stream(&self, named: Named<'_>) -> Result<Arc<Stream>, Fault> {
        let name = self.stream_name(named)?;
        let stream = self.service.stream(name);
        stream.map_err(|error| refusal::of(self, error))
    }

    /// The stream of a request, to be written to or read.
    ///
    /// # Errors
    /// As [`Front::stream`]; one that is being made or deleted is not there.
    pub(crate) fn served_stream(&self, named: Named<'_>) -> Result<Arc<Stream>, Fault> {
        let name = self.stream_name(named)?;
        let stream = self.service.served(name);
        stream.map_err(|error| refusal::of(self, error))
    }

    /// The name of the stream of a request.
    pub(crate) fn stream_name<'a>(&self, named: Named<'a>) -> Result<&'a str, Fault> {
        let Some(arn) = named.arn else {
            return named.name.ok_or_else(|| {
                invalid("Either StreamName or StreamARN has to name the stream; neither is there.")
            });
        };
        let parsed = Arn::parse(arn).filter(|arn| arn.consumer.is_none());
        let parsed = parsed
            .ok_or_else(|| invalid(format!("StreamARN {arn} is not the ARN of a stream.")))?;
        if let Some(name) = named.name
            && name != parsed.stream
        {
            return Err(invalid(format!(
                "StreamName {name} and StreamARN {arn} name different streams."
            )));
        }
        self.check_here(arn, parsed)?;
        Ok(parsed.stream)
    }

    /// An ARN of another region or account names nothing here.
    fn check_here(&self, text: &str, arn: Arn<'_>) -> Result<(), Fault> {
        if (arn.region, arn.account) == (&self.region, &self.account) {
            return Ok(());
        }
        Err(not_found(format!(
            "{text} is not of region {} and account {}, which this server is.",
            self.region, self.account
        )))
    }

    /// The consumer of a request, with its stream.
    ///
    /// # Errors
    /// `InvalidArgumentException` when it names none or two, `ResourceNotFoundException` when
    /// there is none of that name here.
    pub(crate) fn consumer(
        &self,
        named: NamedConsumer<'_>,
    ) -> Result<(Arc<Stream>, ConsumerRow), Fault> {
        let Some(arn) = named.arn else {
            let (Some(stream_arn), Some(name)) = (named.stream_arn, named.name) else {
                return Err(invalid(
                    "Either ConsumerARN, or both StreamARN and ConsumerName, have to name the consumer.",
                ));
            };
            let stream = self.stream(Named {
                name: None,
                arn: Some(stream_arn),
            })?;
            let consumer = stream.require_consumer(name).cloned();
            let consumer = consumer.map_err(|error| refusal::of(self, error))?;
            return Ok((stream, consumer));
        };
        let no_arn = || invalid(format!("ConsumerARN {arn} is not the ARN of a consumer."));
        let parsed = Arn::parse(arn).ok_or_else(no_arn)?;
        let (name, created_s) = parsed.consumer.ok_or_else(no_arn)?;
        if let Some(stream_arn) = named.stream_arn
            && Arn::parse(stream_arn).is_none_or(|stream| {
                (stream.region, stream.account, stream.stream)
                    != (parsed.region, parsed.account, parsed.stream)
            })
        {
            return Err(invalid(format!(
                "StreamARN {stream_arn} and ConsumerARN {arn} name different streams."
            )));
        }
        if named.name.is_some_and(|own| own != name) {
            return Err(invalid(format!(
                "ConsumerName and ConsumerARN {arn} name different consumers."
            )));
        }
        self.check_here(arn, parsed)?;
        self.consumer_of((parsed.stream, name, created_s))
    }

    fn consumer_of(
        &self,
        (stream, name, created_s): (&str, &str, &str),
    ) -> Result<(Arc<Stream>, ConsumerRow), Fault> {
        let found = self.service.stream(stream);
        let stream = found.map_err(|error| refusal::of(self, error))?;
        let consumer = stream.consumer(name);
        // One that was registered at another time is another one.
        let consumer = consumer.filter(|c| c.created_s.to_string() == created_s);
        match consumer.cloned() {
            Some(consumer) => Ok((stream, consumer)),
            None => {
                let (stream, name) = (stream.name().to_owned(), name.to_owned());
                Err(refusal::of(
                    self,
                    ServiceError::NoSuchConsumer { stream, name },
                ))
            }
        }
    }

    /// The stream or consumer of an ARN.
    ///
    /// # Errors
    /// `ResourceNotFoundException` when it names nothing here.
    pub(crate) fn resource(&self, arn: Option<&str>) -> Result<Resource, Fault> {
        let text = arn.ok_or_else(|| invalid("ResourceARN has to name a stream or a consumer."))?;
        let arn = Arn::parse(text)
            .ok_or_else(|| not_found(format!("{text} names nothing that this server has.")))?;
        self.check_here(text, arn)?;
        if let Some((name, created_s)) = arn.consumer {
            let (stream, consumer) = self.consumer_of((arn.stream, name, created_s))?;
            return Ok(Resource {
                stream,
                consumer: Some(consumer),
            });
        }
        let stream = self.service.stream(arn.stream);
        Ok(Resource {
            stream: stream.map_err(|error| refusal::of(self, error))?,
            consumer: None,
        })
    }

    /// Counts a call of an operation on a resource, where they are limited.
    ///
    /// # Errors
    /// `LimitExceededException` when there were too many of late.
    pub(crate) fn count_call(&self, operation: &'static str, resource: &str) -> Result<(), Fault> {
        if self.capacity.call(operation, resource) {
            return Ok(());
        }
        let account = &self.account;
        let message = match resource {
            "" => format!("Rate exceeded for {operation} under account {account}."),
            stream => {
                format!("Rate exceeded for {operation} on stream {stream} under account {account}.")
            }
        };
        Err(Fault::new(FaultKind::LimitExceededException, message))
    }
}

#[cfg(test)]
mod tests;
