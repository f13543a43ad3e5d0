//! What a request asks for, and the dialect in which it asks.
//!
//! One port speaks for three services: Kinesis, and what its clients need of CloudWatch and STS.

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE, request::Parts};

use super::{
    body::Encoding,
    fault::{Fault, FaultKind},
    model::Operation,
};

/// What `X-Amz-Target` begins with for CloudWatch.
const CLOUDWATCH_TARGET: &str = "GraniteServiceVersion20100801.";
/// What the path begins with for CloudWatch in the protocol rpc-v2-cbor.
const CLOUDWATCH_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";
/// The header that says which protocol of a family it is, where the path does not.
const SMITHY_PROTOCOL: &str = "smithy-protocol";
/// What that header says, and its answer.
pub(super) const RPC_V2_CBOR: &str = "rpc-v2-cbor";

const PUT_METRIC_DATA: &str = "PutMetricData";
const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";

/// How a request is worded; its answer is worded alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A target in a header, and a body in JSON or CBOR.
    Targeted(Encoding),
    /// A path that names the operation, and a body in CBOR.
    RpcCbor,
    /// A form, answered in XML.
    Query,
    /// None that is known here.
    Unknown,
}

impl Dialect {
    pub(super) fn of(head: &Parts) -> Dialect {
        let protocol = head.headers.get(SMITHY_PROTOCOL);
        if protocol.is_some_and(|value| value == RPC_V2_CBOR) {
            return Dialect::RpcCbor;
        }
        let kind = text(head, CONTENT_TYPE.as_str()).unwrap_or_default();
        if let Some(encoding) = Encoding::from_content_type(kind) {
            return Dialect::Targeted(encoding);
        }
        let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind).trim();
        let form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if form || head.method == Method::GET && query_names(head, b"Action").is_some() {
            return Dialect::Query;
        }
        Dialect::Unknown
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Kinesis(Operation, Encoding),
    PutMetricData,
    GetCallerIdentity,
}

impl Target {
    /// The name under which a signature is made for it.
    pub(super) fn service(self) -> &'static str {
        match self {
            Target::Kinesis(..) => "kinesis",
            Target::PutMetricData => "monitoring",
            Target::GetCallerIdentity => "sts",
        }
    }

    /// What the head of a request asks for; `None` where the body says it.
    ///
    /// # Errors
    /// `AccessDeniedException` where nothing is named, `UnknownOperationException` where it is
    /// nothing that this server does.
    pub(super) fn of(head: &Parts, dialect: Dialect) -> Result<Option<Target>, Fault> {
        let target = text(head, "x-amz-target");
        match dialect {
            Dialect::Query => Ok(None),
            Dialect::RpcCbor if head.method == Method::POST => {
                let name = head.uri.path().strip_prefix(CLOUDWATCH_PATH);
                match name {
                    Some(PUT_METRIC_DATA) => Ok(Some(Target::PutMetricData)),
                    name => Err(unknown(name.unwrap_or(head.uri.path()))),
                }
            }
            Dialect::Targeted(encoding) if head.method == Method::POST => {
                let Some(target) = target else {
                    return Err(unnamed());
                };
                if let Some(operation) = Operation::from_target(target) {
                    return Ok(Some(Target::Kinesis(operation, encoding)));
                }
                match target.strip_prefix(CLOUDWATCH_TARGET) {
                    Some(PUT_METRIC_DATA) => Ok(Some(Target::PutMetricData)),
                    _ => Err(unknown(target)),
                }
            }
            _ if head.method == Method::POST && target.is_some() => {
                let message = "the Content-Type must be application/x-amz-json-1.1, application/x-amz-json-1.0 or application/x-amz-cbor-1.1";
                Err(Fault::new(FaultKind::UnknownOperationException, message))
            }
            _ => Err(unnamed()),
        }
    }

    /// What a form asks for, in the body or in the query.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub(super) fn of_form(head: &Parts, body: &Bytes) -> Result<Target, Fault> {
        let in_body = form_urlencoded::parse(body)
            .find(|(name, _)| name == "Action")
            .map(|(_, value)| value.into_owned());
        let Some(action) = in_body.or_else(|| query_names(head, b"Action")) else {
            return Err(unnamed());
        };
        match &*action {
            PUT_METRIC_DATA => Ok(Target::PutMetricData),
            GET_CALLER_IDENTITY => Ok(Target::GetCallerIdentity),
            other => Err(unknown(other)),
        }
    }
}

fn unnamed() -> Fault {
    let message = "Unable to determine service/operation name to be authorized";
    Fault::new(FaultKind::AccessDeniedException, message)
}

fn unknown(name: &str) -> Fault {
    let shown: String = name.chars().take(128).collect();
    let message =
        format!("there is no operation {shown:?} here; docs/KINESIS.md lists those that there are");
    Fault::new(FaultKind::UnknownOperationException, message)
}

/// A header's text, where it is there once and is text.
pub(super) fn text<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

/// The value that the query gives a name.
fn query_names(head: &Parts, name: &[u8]) -> Option<String> {
    let query = head.uri.query()?.as_bytes();
    let mut pairs = form_urlencoded::parse(query);
    let (_, value) = pairs.find(|(found, _)| found.as_bytes() == name)?;
    Some(value.into_owned())
}
