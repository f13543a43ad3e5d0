//! A connection that carries one request after the other: no more of HTTP than that, so that it costs
//! next to nothing.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::broken;
use crate::error::BenchError;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The bytes of a request.
pub(super) fn request(operation: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/kinesis/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

impl Line {
    pub(super) fn connect(address: &str) -> Result<Line, BenchError> {
        let stream = TcpStream::connect(address).map_err(broken("make"))?;
        stream.set_nodelay(true).map_err(broken("set up"))?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(broken("set up"))?;
        Ok(Line {
            stream,
            received: Vec::new(),
        })
    }

    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), BenchError> {
        self.stream.write_all(request).map_err(broken("write to"))
    }

    /// What comes next, whatever it is; what came before is forgotten from `keep` on backwards.
    pub(super) fn more(&mut self, keep: usize) -> Result<&[u8], BenchError> {
        self.received.drain(..self.received.len() - keep);
        self.receive()?;
        Ok(&self.received)
    }

    /// Sends a request; status and body of its answer.
    pub(super) fn ask(&mut self, request: &[u8]) -> Result<(u16, &[u8]), BenchError> {
        self.send(request)?;
        self.received.clear();
        let (status, head, length) = loop {
            self.receive()?;
            if let Some(head) = find(&self.received, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.received[..head]).to_ascii_lowercase();
                let status = text.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
                let length = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:"))
                    .and_then(|length| length.trim().parse().ok());
                let length: usize = length
                    .ok_or_else(|| BenchError::wrong(format!("no Content-Length: {text}")))?;
                break (status, head + 4, length);
            }
        };
        while self.received.len() < head + length {
            self.receive()?;
        }
        Ok((status, &self.received[head..head + length]))
    }

    fn receive(&mut self) -> Result<(), BenchError> {
        let before = self.received.len();
        self.received.resize(before + (256 << 10), 0);
        let read = self.stream.read(&mut self.received[before..]);
        let read = read.map_err(broken("read from"))?;
        self.received.truncate(before + read);
        match read {
            0 => Err(BenchError::wrong("the server has closed the connection")),
            _ => Ok(()),
        }
    }
}

/// Where `what` begins.
pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
