//! Nobody is asked who they are, so only this machine is listened to, unless told otherwise.

mod fixture;

use fixture::{TestServer, config, refusal};
use millstream_server::ServerError;

#[test]
fn an_address_that_others_reach_is_refused_unless_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let mut open = config(&directory.path().join("data"));
    open.listen = "0.0.0.0:0".to_owned();
    let error = refusal(open);
    assert!(matches!(error, ServerError::Insecure { .. }), "{error:?}");
    assert!(error.to_string().contains("--insecure"), "{error}");
    assert!(!directory.path().join("data").exists(), "nothing was made");

    let server = TestServer::start_with(|config| {
        config.listen = "0.0.0.0:0".to_owned();
        config.insecure = true;
    });
    assert!(server.address().ip().is_unspecified());
}

#[test]
fn an_address_that_is_taken_or_none_is_named() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    for address in [server.address().to_string(), "127.0.0.1".to_owned()] {
        let mut second = config(&directory.path().join("data"));
        second.listen.clone_from(&address);
        let error = refusal(second);
        assert!(matches!(error, ServerError::Listen { .. }), "{error:?}");
        assert!(error.to_string().contains(&address), "{error}");
    }
}
