//! Talking to the server: connecting, and what its errors mean to whoever typed the command.

use std::time::Duration;

use millstream_client::{Client, ClientOptions, Error, ErrorCode};

use crate::{arguments::Global, failure::Failure, identity, log};

/// Connects to the server that the command line names.
///
/// # Errors
/// When there is none, or it speaks something else.
pub(crate) async fn connect(global: &Global) -> Result<Client, Failure> {
    connect_for(global, ClientOptions::default().retry_for).await
}

/// The same for a command that goes on trying for `retry_for` when the connection is lost.
///
/// # Errors
/// When there is no server, or it speaks something else.
pub(crate) async fn connect_for(global: &Global, retry_for: Duration) -> Result<Client, Failure> {
    log::to_stderr(log::COMMAND);
    // What is amiss with it matters only to a server that asks: the environment may be meant for
    // other tools.
    let (credentials, amiss) = match identity::credentials(global) {
        Ok(credentials) => (credentials, None),
        Err(failure) => (None, Some(failure)),
    };
    let options = ClientOptions {
        retry_for,
        name: concat!("millstream/", env!("CARGO_PKG_VERSION")).to_owned(),
        tls: identity::tls(global)?,
        credentials,
        ..ClientOptions::default()
    };
    let connected = Client::connect_with(&global.server, options).await;
    match (connected, amiss) {
        (Err(Error::NoCredentials { .. }), Some(failure)) => Err(failure),
        (connected, _) => Ok(connected?),
    }
}

/// What to do about an error, where there is something.
pub(crate) fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::Io { .. } | Error::Timeout { .. } => Some(
            "is the server running? `millstream serve` starts one; --server or MILLSTREAM_SERVER names another",
        ),
        Error::NoCredentials { .. } => Some(
            "--access-key and --secret-key, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials (--profile) say who you are",
        ),
        Error::Server(answer) => match answer.code {
            ErrorCode::NotAuthenticated => Some(
                "--access-key and --secret-key, the environment of AWS or a profile (--profile) say who you are; the server's file of credentials says who may come in",
            ),
            ErrorCode::NoSuchStream => Some(
                "`millstream stream list` shows the streams, `millstream stream create` makes one",
            ),
            ErrorCode::NoSuchShard => {
                Some("`millstream stream describe` shows the shards of a stream")
            }
            _ => None,
        },
        _ => None,
    }
}
