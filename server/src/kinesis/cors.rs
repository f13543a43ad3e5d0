//! Leave for scripts of web pages, where the configuration gives it.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
    request::Parts,
};

use super::{Front, answer::Response};

/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "172800";
/// What scripts may read beside the body.
const EXPOSED: &str =
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date";

/// The page's origin, if its scripts are let in.
pub(super) fn admitted(front: &Front, head: &Parts) -> Option<HeaderValue> {
    let origin = head.headers.get(ORIGIN)?;
    let admits =
        |configured: &String| configured == "*" || configured.as_bytes() == origin.as_bytes();
    front
        .settings
        .cors_origins
        .iter()
        .any(admits)
        .then(|| origin.clone())
}

/// The answer to a browser that asks whether a script may call.
pub(super) fn preflight(head: &Parts, origin: Option<&HeaderValue>) -> Option<Response> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::default();
    if origin.is_none() {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Some(response);
    }
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET,POST");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(asked) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    Some(response)
}

/// Lets the scripts of an origin read the answer.
pub(super) fn admit(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    headers.insert(VARY, HeaderValue::from_static("Origin"));
}
