//! A connection of HTTP/2 that carries many answers at a time: no more of it than that, so that it
//! costs next to nothing. What a stream may still be sent is in the hands of whoever uses it.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::broken;
use crate::error::BenchError;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of the head of a frame.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// Settings: nothing is pushed; what a stream may be sent ahead.
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW: u16 = 4;
/// What a connection may be sent ahead: never what holds a stream up.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// Bytes after which a connection may be sent as many again.
const GIVE_BACK: u32 = 1 << 20;
/// `:status 200`, as the table of HPACK has it.
const STATUS_200: u8 = 0x88;
/// Bytes that are read at a time; many times the largest frame.
const BUFFER: usize = 256 << 10;
/// Longest wait of a read.
const TICK: Duration = Duration::from_millis(50);

pub(super) struct Mux {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were received and not looked at.
    filled: usize,
    out: Vec<u8>,
    next: u32,
    /// Bytes that the connection was sent and not given back.
    taken: u32,
}

/// What came for a stream.
pub(super) enum Piece<'a> {
    /// The head of an answer, and whether it is of success.
    Answered(bool),
    Bytes(&'a [u8]),
    /// Nothing more.
    End,
}

impl Mux {
    /// Connects; `window` is what each stream may be sent ahead.
    pub(super) fn connect(address: &str, window: u32) -> Result<Mux, BenchError> {
        let stream = TcpStream::connect(address).map_err(broken("make"))?;
        stream.set_nodelay(true).map_err(broken("set up"))?;
        stream
            .set_read_timeout(Some(TICK))
            .map_err(broken("set up"))?;
        let mut mux = Mux {
            stream,
            buffer: vec![0; BUFFER],
            filled: 0,
            out: PREFACE.to_vec(),
            next: 1,
            taken: 0,
        };
        let mut settings = Vec::new();
        for (name, value) in [(ENABLE_PUSH, 0), (INITIAL_WINDOW, window)] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame(&mut mux.out, SETTINGS, 0, 0, &settings);
        mux.give(0, CONNECTION_WINDOW);
        mux.send()?;
        Ok(mux)
    }

    /// Asks; the number of the stream on which the answer comes.
    pub(super) fn ask(
        &mut self,
        operation: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<u32, BenchError> {
        let stream = self.next;
        self.next += 2;
        // POST, http, /: as the table of HPACK has them.
        let mut head = vec![0x83, 0x86, 0x84];
        let target = format!("Kinesis_20131202.{operation}");
        for (name, value) in [
            (":authority", "localhost"),
            ("content-type", content_type),
            ("x-amz-target", &target),
        ] {
            // Not in the table, and not to be put there; all are shorter than 127 bytes.
            head.push(0);
            for text in [name, value] {
                head.push(text.len() as u8);
                head.extend_from_slice(text.as_bytes());
            }
        }
        frame(&mut self.out, HEADERS, END_HEADERS, stream, &head);
        frame(&mut self.out, DATA, END_STREAM, stream, body);
        self.send()?;
        Ok(stream)
    }

    /// Lets a stream be sent so many more bytes, with what is sent next.
    pub(super) fn give(&mut self, stream: u32, bytes: u32) {
        frame(&mut self.out, WINDOW, 0, stream, &bytes.to_be_bytes());
    }

    /// Reads once, if there is something soon, and hands on what is whole. What `each` gives back
    /// its stream may be sent in addition.
    pub(super) fn receive(
        &mut self,
        mut each: impl FnMut(u32, Piece<'_>) -> Result<u32, BenchError>,
    ) -> Result<(), BenchError> {
        let read = match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err(BenchError::wrong("the server has closed the connection")),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => return Err(broken("read from")(error)),
        };
        let filled = self.filled + read;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..filled];
        while let Some((head, payload)) = split(rest) {
            rest = &rest[HEAD + payload.len()..];
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut more = 0;
            match kind {
                DATA => {
                    self.taken += payload.len() as u32;
                    more = each(stream, Piece::Bytes(payload))?;
                }
                HEADERS => {
                    let is_good = payload.first() == Some(&STATUS_200);
                    each(stream, Piece::Answered(is_good))?;
                }
                SETTINGS if flags & ACK == 0 => frame(&mut self.out, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(&mut self.out, PING, ACK, 0, payload),
                RESET => {
                    each(stream, Piece::End)?;
                }
                GO_AWAY => return Err(BenchError::wrong("the server ends the connection")),
                _ => {}
            }
            if more > 0 {
                self.give(stream, more);
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                each(stream, Piece::End)?;
            }
        }
        self.filled = rest.len();
        buffer.copy_within(filled - self.filled..filled, 0);
        self.buffer = buffer;
        if self.taken >= GIVE_BACK {
            self.give(0, self.taken);
            self.taken = 0;
        }
        self.send()
    }

    fn send(&mut self) -> Result<(), BenchError> {
        if !self.out.is_empty() {
            self.stream
                .write_all(&self.out)
                .map_err(broken("write to"))?;
            self.out.clear();
        }
        Ok(())
    }
}

/// The first frame, if it is whole: its head and what it holds.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    Some((head, rest.get(..len)?))
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}
