//! As much of the protocol of network block devices as qemu asks for: the handshake and the
//! requests of one client. Numbers are big-endian.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
/// Fixed newstyle, no zeroes.
const HANDSHAKE_FLAGS: u16 = 0b11;
/// Has flags, takes flushes. Neither forced writes nor discards: the system flushes instead.
const EXPORT_FLAGS: u16 = 0b101;
const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = (1 << 31) + 1;
const REP_UNKNOWN: u32 = (1 << 31) + 6;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;
/// Largest request.
const MOST_BYTES: u32 = 32 << 20;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Read {
        offset: u64,
        len: usize,
    },
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    Flush,
    /// Nothing that is offered.
    Other,
}

/// A request, with the name that its answer carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) handle: u64,
    pub(super) ask: Ask,
}

/// Shakes hands; the place in `exports` (name, bytes) of what the client chose, `None` when it left.
pub(super) fn shake_hands(
    stream: &mut UnixStream,
    exports: &[(&str, u64)],
) -> io::Result<Option<usize>> {
    stream.write_all(&GREETING.to_be_bytes())?;
    stream.write_all(&OPTION.to_be_bytes())?;
    stream.write_all(&HANDSHAKE_FLAGS.to_be_bytes())?;
    let _client_flags: [u8; 4] = take(stream)?;
    loop {
        if u64::from_be_bytes(take(stream)?) != OPTION {
            return Err(wrong("an option without its magic"));
        }
        let option = u32::from_be_bytes(take(stream)?);
        let len = u32::from_be_bytes(take(stream)?);
        if len > 64 << 10 {
            return Err(wrong("an option that is too long"));
        }
        let mut data = vec![0; len as usize];
        stream.read_exact(&mut data)?;
        match option {
            OPT_ABORT => {
                reply(stream, option, REP_ACK, &[])?;
                return Ok(None);
            }
            OPT_GO | OPT_INFO => {
                let name = data.get(4..).unwrap_or_default();
                let chosen = exports
                    .iter()
                    .position(|(export, _)| name.starts_with(export.as_bytes()));
                let Some(chosen) = chosen else {
                    reply(stream, option, REP_UNKNOWN, &[])?;
                    continue;
                };
                let mut info = INFO_EXPORT.to_be_bytes().to_vec();
                info.extend_from_slice(&exports[chosen].1.to_be_bytes());
                info.extend_from_slice(&EXPORT_FLAGS.to_be_bytes());
                reply(stream, option, REP_INFO, &info)?;
                let mut info = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
                for bytes in [512, 4096, MOST_BYTES] {
                    info.extend_from_slice(&bytes.to_be_bytes());
                }
                reply(stream, option, REP_INFO, &info)?;
                reply(stream, option, REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(Some(chosen));
                }
            }
            _ => reply(stream, option, REP_UNSUPPORTED, &[])?,
        }
    }
}

/// The next request; `None` when the client has gone.
pub(super) fn next(stream: &mut impl Read) -> io::Result<Option<Request>> {
    let magic = match take(stream) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => u32::from_be_bytes(other?),
    };
    if magic != REQUEST {
        return Err(wrong("a request without its magic"));
    }
    let _flags: [u8; 2] = take(stream)?;
    let kind = u16::from_be_bytes(take(stream)?);
    let handle = u64::from_be_bytes(take(stream)?);
    let offset = u64::from_be_bytes(take(stream)?);
    let len = u32::from_be_bytes(take(stream)?);
    if len > MOST_BYTES {
        return Err(wrong("a request that is too long"));
    }
    let len = len as usize;
    let ask = match kind {
        0 => Ask::Read { offset, len },
        1 => {
            let mut data = vec![0; len];
            stream.read_exact(&mut data)?;
            Ask::Write { offset, data }
        }
        2 => return Ok(None),
        3 => Ask::Flush,
        _ => Ask::Other,
    };
    Ok(Some(Request { handle, ask }))
}

/// Answers a request: with what was read, with nothing, or with the error of one that is not offered.
pub(super) fn answer(
    stream: &mut impl Write,
    handle: u64,
    outcome: Result<&[u8], u32>,
) -> io::Result<()> {
    let mut bytes = REPLY.to_be_bytes().to_vec();
    bytes.extend_from_slice(&outcome.err().unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(&handle.to_be_bytes());
    bytes.extend_from_slice(outcome.unwrap_or_default());
    stream.write_all(&bytes)
}

fn reply(stream: &mut UnixStream, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
    bytes.extend_from_slice(&option.to_be_bytes());
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
    bytes.extend_from_slice(data);
    stream.write_all(&bytes)
}

fn take<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
