use proptest::prelude::*;

use super::*;

/// Gives the input in pieces of the given lengths, over and over.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    lengths: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths[self.turn % self.lengths.len()];
        self.turn += 1;
        let n = length.min(out.len()).min(self.bytes.len() - self.at);
        out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn lines_of(input: impl Read, limit: usize) -> Result<Vec<Vec<u8>>, BlockError> {
    let mut reader = BlockReader::new(input, limit);
    let mut block = Block::default();
    let mut lines = Vec::new();
    while reader.next(&mut block)? {
        lines.extend(Lines::of(block.bytes()).map(<[u8]>::to_vec));
    }
    assert!(!reader.next(&mut block)?, "the end is for good");
    Ok(lines)
}

fn naive_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

proptest! {
    #[test]
    fn lines_are_those_of_a_naive_split(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..400),
        lengths in proptest::collection::vec(1usize..40, 1..5),
    ) {
        let expected = naive_lines(&bytes);
        let pieces = Pieces { bytes, at: 0, lengths, turn: 0 };
        prop_assert_eq!(lines_of(pieces, 1000).unwrap(), expected);
    }
}

#[test]
fn the_last_line_needs_no_newline_and_empty_lines_count() {
    let lines = lines_of(&b"one\n\ntwo"[..], 10).unwrap();
    assert_eq!(lines, [&b"one"[..], b"", b"two"]);
    assert!(lines_of(&b""[..], 10).unwrap().is_empty());
    assert_eq!(lines_of(&b"\n"[..], 10).unwrap(), [b""]);
}

#[test]
fn lines_longer_than_a_read_come_whole() {
    let mut input = vec![b'x'; READ_BYTES * 2 + 17];
    input.push(b'\n');
    input.extend_from_slice(b"short");
    let lines = lines_of(&input[..], READ_BYTES * 4).unwrap();
    assert_eq!(lines[0].len(), READ_BYTES * 2 + 17);
    assert_eq!(lines[1], b"short");
}

#[test]
fn a_line_over_the_limit_is_refused_without_holding_it() {
    let mut reader = BlockReader::new(io::repeat(b'x'), READ_BYTES);
    let mut block = Block::default();
    let error = reader.next(&mut block).unwrap_err();
    assert!(matches!(
        error,
        BlockError::LineTooLong { limit: READ_BYTES }
    ));
    assert!(block.room.len() <= 3 * READ_BYTES);
}

#[test]
fn what_trickles_in_is_given_at_once() {
    let pieces = Pieces {
        bytes: b"one\ntw".to_vec(),
        at: 0,
        lengths: vec![6],
        turn: 0,
    };
    let mut reader = BlockReader::new(pieces, 100);
    let mut block = Block::default();
    assert!(reader.next(&mut block).unwrap());
    assert_eq!(block.bytes(), b"one\n");
    assert!(reader.next(&mut block).unwrap());
    assert_eq!(block.bytes(), b"tw");
}
