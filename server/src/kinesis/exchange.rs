//! One request and its answer, in the order of checks that clients rely on: what is asked for, who
//! asks, the body, and then what the operation says.

use http::{Request, StatusCode, request::Parts};
use hyper::body::Incoming;

use super::{
    Caller, Front,
    answer::{self, Answer, RequestId},
    connection::Way,
    cors,
    fault::{Fault, FaultKind},
    metrics_front, op, request,
    sending::Share,
    sigv4::Moment,
    sts,
    target::{Dialect, Target},
};

pub(super) use super::answer::Response;

/// Carries a request out, whatever it is, and answers.
pub(super) async fn carry_out(front: &Front, request: Request<Incoming>, way: Way) -> Response {
    let id = RequestId::new();
    let (head, body) = request.into_parts();
    let origin = cors::admitted(front, &head);
    let mut response = match cors::preflight(&head, origin.as_ref()) {
        Some(response) => response,
        None => {
            let dialect = Dialect::of(&head);
            match answer(front, &head, body, way, dialect, &id).await {
                Ok(response) => response,
                Err(fault) => {
                    tell(&head, &fault, &id);
                    answer::fault(dialect, &fault, &id)
                }
            }
        }
    };
    id.name(&mut response);
    if let Some(origin) = origin {
        cors::admit(response.headers_mut(), origin);
    }
    response
}

async fn answer(
    front: &Front,
    head: &Parts,
    body: Incoming,
    way: Way,
    dialect: Dialect,
    id: &RequestId,
) -> Result<Response, Fault> {
    if way == Way::Exposed {
        let message =
            "this address takes TLS only: use https, and the server's certificate as authority";
        return Err(Fault::new(FaultKind::AccessDeniedException, message));
    }
    let target = Target::of(head, dialect)?;
    let claim = match &front.verifier {
        Some(verifier) => Some((verifier, verifier.admit(head, Moment::now())?)),
        None => None,
    };
    let received = request::receive(front, &head.headers, body).await?;
    let body = received.inflated(front.settings.body_bytes).await?;
    let target = match target {
        Some(target) => target,
        None => Target::of_form(head, &body)?,
    };
    let caller = match claim {
        // What is signed are the bytes that were sent.
        Some((verifier, claim)) => {
            verifier.verify(claim, head, &received.bytes, target.service())?
        }
        None => Caller::default(),
    };
    match target {
        Target::Kinesis(operation, encoding) => {
            let share = Share::take(front, operation).await?;
            let answer = match op::answer(front, operation, encoding, body, &caller).await? {
                Answer::Whole(bytes) => Answer::Whole(share.keep(bytes)),
                stream => stream,
            };
            Ok(answer::done(encoding, answer))
        }
        Target::PutMetricData => {
            front.metrics.put(dialect, &body)?;
            let taken = metrics_front::taken(dialect, id);
            Ok(answer::told(dialect, StatusCode::OK, taken))
        }
        Target::GetCallerIdentity => {
            let identity = sts::get_caller_identity(front, &caller, id);
            Ok(answer::told(dialect, StatusCode::OK, identity))
        }
    }
}

/// Failures of the server are for its log; those of requests are for whoever asks for them.
fn tell(head: &Parts, fault: &Fault, id: &RequestId) {
    let target = head.headers.get("x-amz-target");
    let id = id.text();
    if fault.status() >= 500 {
        tracing::error!(id, ?target, %fault, "a request failed");
    } else {
        tracing::debug!(id, ?target, %fault, "a request was refused");
    }
}
