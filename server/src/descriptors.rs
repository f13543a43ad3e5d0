//! The process's limit of file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for some thousand connections and shards in use; fewer are worth a warning.
const ENOUGH: u64 = 4096;

/// Raises the soft limit to the hard one: shards and connections take descriptors, and the soft
/// limit is often low only for the sake of old programs.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let mut allowed = limit.current;
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => allowed = limit.maximum,
            Err(error) => {
                tracing::warn!(%error, "the limit of file descriptors cannot be raised");
            }
        }
    }
    if let Some(descriptors) = allowed
        && descriptors < ENOUGH
    {
        tracing::warn!(
            descriptors,
            "few file descriptors are allowed; raise the hard limit (ulimit -Hn) for many shards or connections"
        );
    }
}
