//! What `millstream put --key-field 1` makes of a line: its first word is the key.

/// Most characters in a partition key.
const MAX_KEY_CHARS: usize = 256;

/// The first word: up to white space, leading white space skipped; `None` where there is none
/// that may be a key (not UTF-8, or too long).
pub(super) fn key(line: &[u8]) -> Option<&[u8]> {
    let space = |byte: &u8| *byte == b' ' || (b'\t'..=b'\r').contains(byte);
    let start = line.iter().position(|byte| !space(byte))?;
    let rest = &line[start..];
    let end = rest.iter().position(space).unwrap_or(rest.len());
    let key = &rest[..end];
    let text = std::str::from_utf8(key).ok()?;
    (text.len() <= MAX_KEY_CHARS || text.chars().count() <= MAX_KEY_CHARS).then_some(key)
}

/// The lines of a text, without their newlines.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|byte| *byte == b'\n')
}
