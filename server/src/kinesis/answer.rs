//! Answers in HTTP: their bodies, the headers that each has, and errors in each dialect.

use std::{
    cell::Cell,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};

use super::{
    body::Encoding,
    event_stream,
    fault::{Fault, FaultKind},
    frames::Frames,
    target::{Dialect, RPC_V2_CBOR},
};

/// What an operation gives back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A body in the encoding of the request.
    Whole(Bytes),
    /// The frames of an event stream.
    Stream(Frames),
}

/// An answer in HTTP.
pub(super) type Response = http::Response<AnswerBody>;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum AnswerBody {
    Whole(Option<Bytes>),
    Stream(Frames),
}

impl Default for AnswerBody {
    fn default() -> Self {
        AnswerBody::Whole(None)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            AnswerBody::Whole(bytes) => Poll::Ready(bytes.take().map(Frame::data).map(Ok)),
            AnswerBody::Stream(frames) => frames
                .poll_next(cx)
                .map(|frame| frame.map(Frame::data).map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            AnswerBody::Stream(_) => SizeHint::default(),
        }
    }
}

const XML: HeaderValue = HeaderValue::from_static("text/xml");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// The answer to a request that was carried out.
pub(super) fn done(encoding: Encoding, answer: Answer) -> Response {
    let (kind, body) = match answer {
        Answer::Whole(bytes) => (encoding.content_type(), AnswerBody::Whole(Some(bytes))),
        Answer::Stream(frames) => (event_stream::CONTENT_TYPE, AnswerBody::Stream(frames)),
    };
    typed(StatusCode::OK, HeaderValue::from_static(kind), body)
}

/// A whole answer in the dialect of the request.
pub(super) fn told(dialect: Dialect, status: StatusCode, body: Bytes) -> Response {
    let kind = match dialect {
        Dialect::Targeted(encoding) => HeaderValue::from_static(encoding.content_type()),
        Dialect::RpcCbor => HeaderValue::from_static("application/cbor"),
        Dialect::Query | Dialect::Unknown => XML,
    };
    let mut response = typed(status, kind, AnswerBody::Whole(Some(body)));
    if dialect == Dialect::RpcCbor {
        let protocol = HeaderValue::from_static(RPC_V2_CBOR);
        response.headers_mut().insert(SMITHY_PROTOCOL, protocol);
    }
    response
}

fn typed(status: StatusCode, kind: HeaderValue, body: AnswerBody) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An error in the dialect of the request.
pub(super) fn fault(dialect: Dialect, fault: &Fault, id: &RequestId) -> Response {
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    match dialect {
        Dialect::Targeted(encoding) => told(dialect, status, fault.body(encoding)),
        Dialect::RpcCbor => told(dialect, status, fault.body(Encoding::Cbor11)),
        Dialect::Query => {
            let (code, status) = query_code(fault, status);
            let party = if status.is_server_error() {
                "Receiver"
            } else {
                "Sender"
            };
            let message = escaped(fault.message());
            let id = id.text();
            let body = format!(
                "<ErrorResponse>\n  <Error>\n    <Type>{party}</Type>\n    <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n"
            );
            told(dialect, status, body.into())
        }
        Dialect::Unknown => {
            let status = match fault.kind() {
                FaultKind::UnknownOperationException => StatusCode::NOT_FOUND,
                FaultKind::AccessDeniedException => StatusCode::FORBIDDEN,
                _ => status,
            };
            let (name, message) = (fault.name(), escaped(fault.message()));
            let body = format!("<{name}>\n  <Message>{message}</Message>\n</{name}>\n");
            told(dialect, status, body.into())
        }
    }
}

/// The name and status that an error has in the query protocol.
fn query_code(fault: &Fault, status: StatusCode) -> (&'static str, StatusCode) {
    const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
    match fault.kind() {
        FaultKind::AccessDeniedException => ("AccessDenied", FORBIDDEN),
        FaultKind::ExpiredTokenException => ("ExpiredToken", FORBIDDEN),
        FaultKind::IncompleteSignatureException => ("IncompleteSignature", FORBIDDEN),
        FaultKind::InvalidSignatureException => ("SignatureDoesNotMatch", FORBIDDEN),
        FaultKind::MissingAuthenticationTokenException => ("MissingAuthenticationToken", FORBIDDEN),
        FaultKind::UnrecognizedClientException => ("InvalidClientTokenId", FORBIDDEN),
        FaultKind::UnknownOperationException => ("InvalidAction", status),
        FaultKind::ValidationException => ("ValidationError", status),
        FaultKind::SerializationException => ("MalformedQueryString", status),
        FaultKind::ServiceUnavailableException => ("ServiceUnavailable", status),
        _ => (fault.name(), status),
    }
}

/// Text as XML holds it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // What XML cannot hold at all.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The name of one request, for logs on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId(u128);

impl RequestId {
    pub(super) fn new() -> RequestId {
        RequestId(u128::from(random()) << 64 | u128::from(random()))
    }

    /// As a UUID of version 4.
    pub(super) fn text(&self) -> String {
        let id = self.0 & !(0xf << 76) | 4 << 76;
        let id = id & !(3 << 62) | 2 << 62;
        let hex = format!("{id:032x}");
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }

    /// Gives the headers that every answer has; the date comes from below.
    pub(super) fn name(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(self.text()) {
            headers.insert(REQUEST_ID, id);
        }
        let mut extended = [0; 54];
        for part in extended.chunks_mut(8) {
            part.copy_from_slice(&random().to_le_bytes()[..part.len()]);
        }
        let extended = base64_simd::STANDARD.encode_to_string(extended);
        if let Ok(id) = HeaderValue::try_from(extended) {
            headers.insert(ID_2, id);
        }
    }
}

/// A number that nobody needs to be unable to guess: it only tells requests apart.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    // SplitMix64, from a start that is random for each thread.
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests;
