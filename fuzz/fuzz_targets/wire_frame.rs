//! Frames out of a socket, as a server and as a client sees them. Whatever the bytes, decoding
//! ends with a message or an error; a message that is written again is the same message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_format::crc32c;
use millstream_wire::{
    CodecError, DEFAULT_FRAME_LIMIT, FRAME_HEADER_LEN, FrameHead, FrameHeader, MIN_FRAME_LIMIT,
    Request, Response, choose_version,
};

// The first byte tells what is made right that the fuzzer cannot guess.
const LENGTHS: u8 = 1;
const CHECKSUM: u8 = 2;

fuzz_target!(|input: &[u8]| {
    let Some((&mend, bytes)) = input.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if bytes.len() >= FRAME_HEADER_LEN && mend & LENGTHS != 0 {
        let length = (bytes.len() - 4) as u32;
        let meta = (bytes.len() - FRAME_HEADER_LEN) as u32;
        bytes[0..4].copy_from_slice(&length.to_le_bytes());
        bytes[12..16].copy_from_slice(&meta.to_le_bytes());
    }
    // A connection reads frame after frame out of its buffer, up to the limit that its first ones
    // have agreed on.
    let (mut at, mut limit) = (0, DEFAULT_FRAME_LIMIT);
    loop {
        if mend & CHECKSUM != 0 {
            make_checksum(&mut bytes[at..]);
        }
        let Ok(Some(head)) = FrameHead::parse(&bytes[at..], limit) else {
            break;
        };
        let len = head.header.frame_len();
        assert!(
            len <= limit as usize + 4,
            "a frame above the limit is taken"
        );
        limit = negotiated(limit, head.header.opcode, head.meta);
        message(head.header.opcode, head.meta);
        if bytes.len() - at < len {
            break;
        }
        at += len;
    }
    let rest = &bytes[at..];
    if FrameHead::parse(rest, limit) == Ok(None) {
        assert!(
            FrameHead::needed(rest) > rest.len(),
            "more bytes are asked for than needed"
        );
    }
    // And the fields alone, where no header stands in the way.
    if let Some((opcode, meta)) = bytes.split_first() {
        message(*opcode, meta);
    }
});

fn make_checksum(frame: &mut [u8]) {
    if frame.len() >= FRAME_HEADER_LEN {
        let meta = u32::from_le_bytes([frame[12], frame[13], frame[14], frame[15]]) as usize;
        let end = frame.len().min(FRAME_HEADER_LEN.saturating_add(meta));
        let crc = crc32c(&frame[8..end]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// The limit after a message, as both sides see it: a Hello as a server does, its answer as a
/// client does.
fn negotiated(limit: u32, opcode: u8, meta: &[u8]) -> u32 {
    let offered = match (
        Request::decode(opcode, meta),
        Response::decode(opcode, meta),
    ) {
        (Ok(Request::Hello(hello)), _) => {
            let version = choose_version(hello.min_version, hello.max_version);
            assert!(
                version.is_none_or(|version| {
                    (hello.min_version..=hello.max_version).contains(&version)
                }),
                "a version is chosen that was not offered"
            );
            version.map(|_| hello.frame_limit)
        }
        (_, Ok(Response::HelloOk { frame_limit, .. })) => Some(frame_limit),
        _ => None,
    };
    let offered = offered.filter(|offered| *offered >= MIN_FRAME_LIMIT);
    offered.map_or(limit, |offered| limit.min(offered))
}

fn message(opcode: u8, meta: &[u8]) {
    if let Ok(request) = Request::decode(opcode, meta) {
        again(
            |out| request.encode(1, 0, out),
            |opcode, meta, out| {
                Request::decode(opcode, meta)
                    .expect("a request that was written can be read")
                    .encode(1, 0, out)
            },
        );
    }
    if let Ok(response) = Response::decode(opcode, meta) {
        if let Response::Put(answer) = &response {
            let results = answer.results().count();
            assert_eq!(results, answer.group_of.len(), "a record without a fate");
        }
        again(
            |out| response.encode(1, 0, out),
            |opcode, meta, out| {
                Response::decode(opcode, meta)
                    .expect("an answer that was written can be read")
                    .encode(1, 0, out)
            },
        );
    }
}

/// Bytes, not messages, are compared: a message may be cut to its limit the first time.
fn again(
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    decode_and_encode: impl FnOnce(u8, &[u8], &mut Vec<u8>) -> Result<(), CodecError>,
) {
    let mut once = Vec::new();
    if encode(&mut once).is_err() {
        assert!(
            once.is_empty(),
            "a message that cannot be written leaves bytes behind"
        );
        return;
    }
    let header = once.first_chunk().expect("a header");
    let header = FrameHeader::decode(header, u32::MAX).expect("a frame that was written");
    header
        .verify(&once[FRAME_HEADER_LEN..])
        .expect("its checksum");
    let mut twice = Vec::new();
    decode_and_encode(header.opcode, &once[FRAME_HEADER_LEN..], &mut twice)
        .expect("what was written once can be written again");
    assert!(once == twice, "a message changes when it is written again");
}
