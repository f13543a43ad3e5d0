//! A client of HTTP that sends what it is told to, right or wrong.
#![allow(dead_code, unreachable_pub, reason = "no scenario needs all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests are tests too

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::fixture::PATIENCE;

pub const JSON: &str = "application/x-amz-json-1.1";
pub const CBOR: &str = "application/x-amz-cbor-1.1";
pub const LIST_STREAMS: &str = "Kinesis_20131202.ListStreams";

/// An answer, whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name)?;
        Some(&found.1)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The name of the error that it tells of in JSON.
    pub fn fault(&self) -> String {
        let value: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert!(value["message"].is_string(), "{value}");
        value["__type"].as_str().unwrap().to_owned()
    }
}

/// A connection.
pub struct Http<S> {
    pub stream: S,
    received: Vec<u8>,
}

pub fn connect(address: SocketAddr) -> Http<TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    Http::new(socket)
}

/// A request with these headers, and a body whose length is told.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        bytes += &format!("{name}: {value}\r\n");
    }
    bytes += &format!("content-length: {}\r\n\r\n", body.len());
    [bytes.as_bytes(), body].concat()
}

/// A call of an operation.
pub fn call(target: &str, body: &[u8]) -> Vec<u8> {
    let headers = [("content-type", JSON), ("x-amz-target", target)];
    request("POST", "/", &headers, body)
}

/// A TLS session of a client that trusts the certificates in PEM.
pub fn trusting(pem: &[u8], name: &str) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

impl<S: Read + Write> Http<S> {
    pub fn new(stream: S) -> Http<S> {
        Http {
            stream,
            received: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Sends and takes the answer.
    pub fn ask(&mut self, bytes: &[u8]) -> Reply {
        self.send(bytes);
        self.reply().expect("an answer")
    }

    /// The next answer; `None` when the server has closed.
    pub fn reply(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                break at;
            }
            if !self.fill() {
                assert!(self.received.is_empty(), "an answer is cut short");
                return None;
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut reply = Reply {
            status: status.parse().unwrap(),
            headers,
            body: Vec::new(),
        };
        let len = reply
            .header("content-length")
            .map_or(0, |len| len.parse().unwrap());
        while self.received.len() < len {
            assert!(self.fill(), "a body is cut short");
        }
        reply.body = self.received.drain(..len).collect();
        Some(reply)
    }

    /// Receives something more; false at the end, also at one that was not polite.
    fn fill(&mut self) -> bool {
        let mut part = [0; 16 << 10];
        match self.stream.read(&mut part) {
            Ok(0) => false,
            Ok(len) => {
                self.received.extend_from_slice(&part[..len]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}
