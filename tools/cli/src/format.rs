//! Records as `get` writes them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::ValueEnum;

use crate::{quantity, shard_name::shard_name};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The data of each record and a newline, and nothing else
    Raw,
    /// One JSON object a line, with shard, sequence, timestamp, partition key and data
    Json,
}

/// Writes the records of one shard into chunks of output.
#[derive(Debug)]
pub(crate) struct RecordFormatter {
    format: Format,
    /// `{"shard":"shardId-…","sequence":` of this shard.
    opening: String,
    /// The time that `time_text` stands for: all records of a batch share one.
    time_ms: u64,
    time_text: String,
}

impl RecordFormatter {
    /// A formatter for the shard of that index.
    pub(crate) fn new(format: Format, shard_index: u32) -> RecordFormatter {
        RecordFormatter {
            format,
            opening: format!("{{\"shard\":\"{}\",\"sequence\":", shard_name(shard_index)),
            time_ms: 0,
            time_text: quantity::time(0),
        }
    }

    /// Adds a record to `out`.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        time_ms: u64,
        key: &str,
        data: &[u8],
    ) {
        if self.format == Format::Json {
            self.write_json(out, sequence, time_ms, key, data);
        } else {
            out.extend_from_slice(data);
        }
        out.push(b'\n');
    }

    fn write_json(
        &mut self,
        out: &mut Vec<u8>,
        sequence: u64,
        time_ms: u64,
        key: &str,
        data: &[u8],
    ) {
        if time_ms != self.time_ms {
            self.time_ms = time_ms;
            self.time_text = quantity::time(time_ms);
        }
        out.extend_from_slice(self.opening.as_bytes());
        number(out, sequence);
        out.extend_from_slice(b",\"timestamp\":\"");
        out.extend_from_slice(self.time_text.as_bytes());
        out.extend_from_slice(b"\",\"partition_key\":");
        string(out, key);
        match std::str::from_utf8(data) {
            Ok(text) => {
                out.extend_from_slice(b",\"data\":");
                string(out, text);
            }
            Err(_) => {
                out.extend_from_slice(b",\"data_base64\":\"");
                base64(out, data);
                out.push(b'"');
            }
        }
        out.push(b'}');
    }
}

/// Adds a decimal number.
fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Adds a JSON string, copying runs that need no escape.
fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 | 0x7f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if short != 0 {
            out.extend_from_slice(&[b'\\', short]);
        } else {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Adds standard base64 with padding.
fn base64(out: &mut Vec<u8>, data: &[u8]) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    // The room is exact, so encoding cannot fail.
    let written = STANDARD.encode_slice(data, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests;
