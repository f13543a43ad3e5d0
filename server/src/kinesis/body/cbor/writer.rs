//! Writes CBOR through serde: everything with its length, times with their tag.

use std::{convert::Infallible, fmt};

use minicbor::{Encoder, data::Tag, encode};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct},
};

use super::{super::timestamp::TIMESTAMP, CborError, TIME};

/// A writer of a body.
pub(super) struct Writer<'w> {
    encoder: Encoder<&'w mut Vec<u8>>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(body: &'w mut Vec<u8>) -> Writer<'w> {
        Writer {
            encoder: Encoder::new(body),
        }
    }
}

impl From<encode::Error<Infallible>> for CborError {
    fn from(error: encode::Error<Infallible>) -> CborError {
        CborError(error.to_string())
    }
}

/// What no answer holds.
fn not_in_answers<T>(what: impl fmt::Display) -> Result<T, CborError> {
    Err(CborError::custom(format_args!("{what} cannot be written")))
}

/// A list or a map has to say its length first.
fn known(length: Option<usize>) -> Result<u64, CborError> {
    match length {
        Some(length) => Ok(length as u64),
        None => not_in_answers("what does not know its length"),
    }
}

impl Serializer for &mut Writer<'_> {
    type Ok = ();
    type Error = CborError;
    type SerializeSeq = Self;
    type SerializeTuple = Impossible<(), CborError>;
    type SerializeTupleStruct = Impossible<(), CborError>;
    type SerializeTupleVariant = Impossible<(), CborError>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), CborError>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), CborError> {
        self.encoder.bool(value)?;
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), CborError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), CborError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), CborError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), CborError> {
        self.encoder.i64(value)?;
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), CborError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), CborError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), CborError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), CborError> {
        self.encoder.u64(value)?;
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), CborError> {
        self.encoder.f32(value)?;
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), CborError> {
        self.encoder.f64(value)?;
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CborError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CborError> {
        self.encoder.str(value)?;
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CborError> {
        self.encoder.bytes(value)?;
        Ok(())
    }

    fn serialize_none(self) -> Result<(), CborError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CborError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CborError> {
        self.encoder.null()?;
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CborError> {
        self.encoder.map(0)?;
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), CborError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CborError> {
        if name == TIMESTAMP {
            self.encoder.tag(Tag::new(TIME))?;
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CborError> {
        not_in_answers(name)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, CborError> {
        self.encoder.array(known(length)?)?;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, CborError> {
        not_in_answers("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, CborError> {
        not_in_answers(name)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, CborError> {
        not_in_answers(name)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, CborError> {
        self.encoder.map(known(length)?)?;
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Self, CborError> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, CborError> {
        not_in_answers(name)
    }
}

impl SerializeSeq for &mut Writer<'_> {
    type Ok = ();
    type Error = CborError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CborError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), CborError> {
        Ok(())
    }
}

impl SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = CborError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CborError> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CborError> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), CborError> {
        Ok(())
    }
}

impl SerializeStruct for &mut Writer<'_> {
    type Ok = ();
    type Error = CborError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CborError> {
        (**self).serialize_str(name)?;
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), CborError> {
        Ok(())
    }
}
