//! The fields of a meta: little-endian numbers, strings and lists, with bounds.

use crate::{CodecError, MAX_MESSAGE_BYTES};

/// Appends fields to a buffer.
pub(crate) struct MetaWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> MetaWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> MetaWriter<'a> {
        MetaWriter { out }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(value.into());
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// The length of a list whose items follow.
    pub(crate) fn count(&mut self, what: &'static str, len: usize) -> Result<(), CodecError> {
        let Ok(len) = u32::try_from(len) else {
            return Err(CodecError::TooLong { what, len });
        };
        self.u32(len);
        Ok(())
    }

    pub(crate) fn string(&mut self, what: &'static str, value: &str) -> Result<(), CodecError> {
        let Ok(len) = u16::try_from(value.len()) else {
            let len = value.len();
            return Err(CodecError::TooLong { what, len });
        };
        self.u16(len);
        self.bytes(value.as_bytes());
        Ok(())
    }

    /// A string for people, cut at `most` bytes and never longer than [`MAX_MESSAGE_BYTES`].
    pub(crate) fn message(&mut self, value: &str, most: usize) {
        let cut = &value[..value.floor_char_boundary(most.min(MAX_MESSAGE_BYTES))];
        self.u16(cut.len() as u16);
        self.bytes(cut.as_bytes());
    }
}

/// Takes fields from the front of a meta.
pub(crate) struct MetaReader<'a> {
    rest: &'a [u8],
}

impl<'a> MetaReader<'a> {
    pub(crate) fn new(meta: &'a [u8]) -> MetaReader<'a> {
        MetaReader { rest: meta }
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], CodecError> {
        let Some((first, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(CodecError::Short { what });
        };
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, CodecError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, CodecError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(CodecError::Value {
                what,
                value: value.into(),
            }),
        }
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, CodecError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, CodecError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, CodecError> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self, what: &'static str) -> Result<u128, CodecError> {
        self.array(what).map(u128::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], CodecError> {
        let Some((first, rest)) = self.rest.split_at_checked(len) else {
            return Err(CodecError::Short { what });
        };
        self.rest = rest;
        Ok(first)
    }

    pub(crate) fn string(&mut self, what: &'static str) -> Result<&'a str, CodecError> {
        let len = self.u16(what)?;
        let bytes = self.bytes(what, len.into())?;
        std::str::from_utf8(bytes).map_err(|_| CodecError::NotUtf8 { what })
    }

    /// The length of a list of items of at least `item` bytes, of which at most `most` are
    /// allowed: never more than the bytes that are left can hold. Items may take no bytes.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        item: usize,
        most: usize,
    ) -> Result<usize, CodecError> {
        let len = self.u32(what)? as usize;
        if len > most {
            return Err(CodecError::TooLong { what, len });
        }
        if item > 0 && len > self.rest.len() / item {
            return Err(CodecError::Short { what });
        }
        Ok(len)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::Trailing {
                bytes: self.rest.len(),
            })
        }
    }
}
