//! One port speaks HTTP/1.1 and HTTP/2, each in the clear and over TLS.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod fixture;
mod http;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use fixture::TestServer;
use http::{Http, JSON, LIST_STREAMS, call, connect};
use hyper::{Request, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty frame of settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.tls.self_signed = true;
        config.tls.names = vec!["streams.example.com".to_owned()];
    })
}

fn kinesis(server: &TestServer) -> SocketAddr {
    server.server().kinesis_addr().unwrap()
}

/// A client that trusts the certificate in a file.
fn trusting(file: &Path, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let pem = std::fs::read(file).unwrap();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn certificate(server: &TestServer) -> std::path::PathBuf {
    server.server().certificate().unwrap().1.to_owned()
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect_tls(server: &TestServer, name: &str, alpn: &[&[u8]]) -> Http<Tls> {
    let config = trusting(&certificate(server), alpn);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let session = ClientConnection::new(config, name).unwrap();
    let socket = connect(kinesis(server)).stream;
    Http::new(StreamOwned::new(session, socket))
}

/// Whether the server's settings come before anything was asked.
fn settings_come_at_once(stream: &mut (impl Read + Write)) {
    stream.write_all(PREFACE).unwrap();
    stream.write_all(SETTINGS).unwrap();
    stream.flush().unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4, "the first frame is of settings: {head:?}");
}

#[test]
fn http2_begins_without_being_negotiated() {
    let server = start();
    settings_come_at_once(&mut connect(kinesis(&server)).stream);
    settings_come_at_once(&mut connect_tls(&server, "localhost", &[]).stream);
    // And byte by byte.
    let mut slow = connect(kinesis(&server)).stream;
    for byte in &PREFACE[..20] {
        slow.write_all(&[*byte]).unwrap();
    }
    slow.write_all(&PREFACE[20..]).unwrap();
    slow.write_all(SETTINGS).unwrap();
    let mut head = [0; 9];
    slow.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4);
}

async fn exchange_http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let io = TokioIo::new(stream);
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = shaken.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..20 {
        let request = Request::post("http://localhost/")
            .header("content-type", JSON)
            .header("x-amz-target", "Kinesis_20131202.NoSuchThing")
            .body(Whole(Some(Bytes::from_static(b"{}"))))
            .unwrap();
        sender.ready().await.unwrap();
        answers.push(sender.send_request(request));
    }
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.headers().contains_key("x-amzn-requestid"));
        assert!(answer.headers().contains_key("date"));
        let body = collect(answer.into_body()).await;
        assert!(body.starts_with(b"{\"__type\":\"UnknownOperationException\""));
    }
}

/// A body of one piece.
struct Whole(Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.get_mut().0.take().map(http_body::Frame::data).map(Ok))
    }
}

async fn collect(mut body: Incoming) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::Pin::new(&mut body), cx))
            .await
    {
        if let Ok(part) = frame.unwrap().into_data() {
            whole.extend_from_slice(&part);
        }
    }
    whole
}

#[test]
fn http2_carries_many_requests_at_a_time() {
    let server = start();
    let address = kinesis(&server);
    let config = trusting(&certificate(&server), &[b"h2"]);
    fixture::runtime().block_on(async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        exchange_http2(socket).await;
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        exchange_http2(stream).await;
    });
}

#[test]
fn tls_carries_http1_for_every_name_of_the_certificate() {
    let server = start();
    for name in ["localhost", "127.0.0.1", "::1", "streams.example.com"] {
        for alpn in [&[&b"http/1.1"[..]][..], &[]] {
            let mut client = connect_tls(&server, name, alpn);
            let reply = client.ask(&call("Kinesis_20131202.No", b"{}"));
            assert_eq!(reply.fault(), "UnknownOperationException", "{name}");
        }
    }
    let mut stranger = connect_tls(&server, "other.example.com", &[]);
    let sent = stranger.stream.write_all(&call(LIST_STREAMS, b"{}"));
    assert!(sent.is_err(), "a name that it is not for");
    // The same port still speaks in the clear to this machine.
    let mut plain = connect(kinesis(&server));
    assert_eq!(plain.ask(&call("Kinesis_20131202.No", b"{}")).status, 400);
}

#[test]
fn a_made_certificate_is_kept_until_other_names_are_wanted() {
    let mut server = start();
    let (first, file) = server.server().certificate().unwrap();
    let file = file.to_owned();
    server.stop();
    server.start_again();
    assert_eq!(server.server().certificate().unwrap().0, first);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(file.with_file_name("tls-key.pem")).unwrap(),
    );
    assert_eq!(mode & 0o077, 0, "the key is its owner's alone");
    server.stop();
    server.change(|config| config.tls.names.push("more.example.com".to_owned()));
    server.start_again();
    assert_ne!(server.server().certificate().unwrap().0, first);
    connect_tls(&server, "more.example.com", &[]).ask(&call("Kinesis_20131202.No", b"{}"));
}

#[test]
fn a_renewed_certificate_is_taken_up_without_a_restart() {
    let one = start();
    let other = TestServer::start_with(|config| config.tls.self_signed = true);
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("c.pem"),
        directory.path().join("k.pem"),
    );
    let copy = |from: &TestServer| {
        let file = certificate(from);
        std::fs::copy(&file, &cert).unwrap();
        std::fs::copy(file.with_file_name("tls-key.pem"), &key).unwrap();
    };
    copy(&one);
    let server = TestServer::start_with(|config| {
        config.tls.cert = Some(cert.clone());
        config.tls.key = Some(key.clone());
    });
    let fingerprint = |server: &TestServer| server.server().certificate().unwrap().0;
    assert_eq!(fingerprint(&server), fingerprint(&one));
    // A file that is half written changes nothing.
    std::fs::write(&cert, "-----BEGIN CERT").unwrap();
    connect_tls_by(&server, &one);
    copy(&other);
    while fingerprint(&server) != fingerprint(&other) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    connect_tls_by(&server, &other);
}

/// A client of `server` that trusts the certificate of another one.
fn connect_tls_by(server: &TestServer, trusted: &TestServer) {
    let config = trusting(&certificate(trusted), &[]);
    let session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap());
    let socket = connect(kinesis(server)).stream;
    let mut client = Http::new(StreamOwned::new(session.unwrap(), socket));
    assert_eq!(client.ask(&call("Kinesis_20131202.No", b"{}")).status, 400);
}

#[test]
fn an_http2_connection_without_requests_is_let_go() {
    let server = TestServer::start_with(|config| {
        config.kinesis.idle_timeout = std::time::Duration::from_millis(200);
    });
    let address = kinesis(&server);
    fixture::runtime().block_on(async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let io = TokioIo::new(socket);
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
        let (_sender, connection) = shaken.unwrap();
        let _: &hyper::client::conn::http2::SendRequest<Whole> = &_sender;
        tokio::time::timeout(fixture::PATIENCE, connection)
            .await
            .unwrap()
            .unwrap();
    });
}
