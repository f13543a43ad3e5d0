//! Answers that hold many records, written by hand into one buffer, in either encoding.

use super::body::Encoding;

/// What an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Cbor,
}

impl Form {
    /// That of an encoding.
    pub(crate) fn of(encoding: Encoding) -> Form {
        match encoding {
            Encoding::Json10 | Encoding::Json11 => Form::Json,
            Encoding::Cbor11 => Form::Cbor,
        }
    }
}

/// What a record takes in an answer beside its data and key, about: names, number and time.
const RECORD_OVERHEAD: usize = 192;

/// Major types of CBOR.
const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The tag of a time.
const EPOCH: u64 = 1;

/// A value that is being written. Members and elements are the caller's to count, because CBOR
/// says how many there are.
#[derive(Debug)]
pub(crate) struct Writer {
    form: Form,
    out: Vec<u8>,
    /// Whether something stands before the next element or member.
    follows: bool,
}

/// A map whose length is written when it ends.
#[must_use]
#[derive(Debug)]
pub(crate) struct OpenMap {
    head: usize,
}

/// An array whose length is written when it ends.
#[must_use]
#[derive(Debug)]
pub(crate) struct OpenArray {
    head: usize,
}

impl Writer {
    /// A writer at the end of `out`.
    pub(crate) fn new(form: Form, out: Vec<u8>) -> Writer {
        Writer {
            form,
            out,
            follows: false,
        }
    }

    /// A structure without members.
    pub(crate) fn empty(form: Form) -> Vec<u8> {
        let mut writer = Writer::new(form, Vec::new());
        let map = writer.map();
        writer.end_map(map, 0);
        writer.finish()
    }

    /// Makes room for about so many records more, with so many bytes of data and keys in all.
    pub(crate) fn reserve_records(&mut self, records: usize, bytes: usize) {
        let bytes = match self.form {
            Form::Json => bytes.div_ceil(3) * 4,
            Form::Cbor => bytes,
        };
        self.out.reserve(bytes + records * RECORD_OVERHEAD);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Begins a map, or structure, of up to 23 members.
    #[inline]
    pub(crate) fn map(&mut self) -> OpenMap {
        self.element();
        let head = self.out.len();
        self.out.push(match self.form {
            Form::Json => b'{',
            Form::Cbor => MAP << 5,
        });
        self.follows = false;
        OpenMap { head }
    }

    #[inline]
    pub(crate) fn end_map(&mut self, map: OpenMap, members: u8) {
        match self.form {
            Form::Json => self.out.push(b'}'),
            Form::Cbor => self.out[map.head] |= members,
        }
        self.follows = true;
    }

    /// The name of the next member: of the model, so nothing in it has to be escaped.
    #[inline]
    pub(crate) fn name(&mut self, name: &str) {
        self.plain(name.as_bytes());
        if self.form == Form::Json {
            self.out.push(b':');
        }
        self.follows = false;
    }

    #[inline]
    pub(crate) fn array(&mut self) -> OpenArray {
        self.element();
        let head = self.out.len();
        match self.form {
            Form::Json => self.out.push(b'['),
            Form::Cbor => self.out.extend([ARRAY << 5 | 26, 0, 0, 0, 0]),
        }
        self.follows = false;
        OpenArray { head }
    }

    #[inline]
    pub(crate) fn end_array(&mut self, array: OpenArray, elements: usize) {
        match self.form {
            Form::Json => self.out.push(b']'),
            Form::Cbor => {
                let head = &mut self.out[array.head + 1..array.head + 5];
                head.copy_from_slice(&(elements as u32).to_be_bytes());
            }
        }
        self.follows = true;
    }

    /// Text in which nothing has to be escaped.
    #[inline]
    pub(crate) fn plain(&mut self, text: &[u8]) {
        self.element();
        match self.form {
            Form::Json => {
                self.out.push(b'"');
                self.out.extend_from_slice(text);
                self.out.push(b'"');
            }
            Form::Cbor => {
                self.head(TEXT, text.len() as u64);
                self.out.extend_from_slice(text);
            }
        }
        self.follows = true;
    }

    /// Any text.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        let plain = text.bytes().all(|c| c >= b' ' && c != b'"' && c != b'\\');
        if plain || self.form == Form::Cbor {
            self.plain(text.as_bytes());
        } else {
            self.element();
            self.escaped(text);
            self.follows = true;
        }
    }

    #[cold]
    fn escaped(&mut self, text: &str) {
        self.out.push(b'"');
        for c in text.bytes() {
            match c {
                b'"' | b'\\' => self.out.extend([b'\\', c]),
                control if control < b' ' => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    let (high, low) = (control >> 4, control & 15);
                    self.out.extend(b"\\u00");
                    self.out.extend([HEX[high as usize], HEX[low as usize]]);
                }
                other => self.out.push(other),
            }
        }
        self.out.push(b'"');
    }

    /// Base64 in JSON.
    #[inline]
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.element();
        match self.form {
            Form::Json => {
                self.out.push(b'"');
                base64_simd::STANDARD.encode_append(bytes, &mut self.out);
                self.out.push(b'"');
            }
            Form::Cbor => {
                self.head(BYTES, bytes.len() as u64);
                self.out.extend_from_slice(bytes);
            }
        }
        self.follows = true;
    }

    #[inline]
    pub(crate) fn number(&mut self, number: u64) {
        self.element();
        match self.form {
            Form::Json => self.decimal(number),
            Form::Cbor => self.head(UNSIGNED, number),
        }
        self.follows = true;
    }

    /// A time in milliseconds since 1970: seconds with a fraction in JSON.
    #[inline]
    pub(crate) fn time(&mut self, ms: u64) {
        self.element();
        match self.form {
            Form::Json => {
                self.decimal(ms / 1000);
                let ms = ms % 1000;
                self.out.push(b'.');
                for digit in [ms / 100, ms / 10 % 10, ms % 10] {
                    self.out.push(b'0' + digit as u8);
                }
            }
            Form::Cbor => {
                self.head(TAG, EPOCH);
                self.head(UNSIGNED, ms);
            }
        }
        self.follows = true;
    }

    #[inline]
    fn element(&mut self) {
        if self.follows && self.form == Form::Json {
            self.out.push(b',');
        }
    }

    fn decimal(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    #[inline]
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        match value {
            0..24 => self.out.push(major | value as u8),
            24..0x100 => self.out.extend([major | 24, value as u8]),
            0x100..0x1_0000 => {
                self.out.push(major | 25);
                self.out.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(major | 26);
                self.out.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(value.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
