//! Reads CBOR through serde: maps, lists, text and bytes with or without a length, integers and floats
//! of every width, and tags, which say nothing that the model does not.

use minicbor::{Decoder, data::Type};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::CborError;

/// Deepest nesting. The model's inputs do not go beyond six; the rest is what is passed over.
const DEEPEST: usize = 64;

/// A reader of a body.
pub(super) struct Reader<'de> {
    decoder: Decoder<'de>,
    depth: usize,
}

impl<'de> Reader<'de> {
    pub(super) fn new(body: &'de [u8]) -> Reader<'de> {
        Reader {
            decoder: Decoder::new(body),
            depth: 0,
        }
    }

    /// Nothing is left.
    pub(super) fn end(&self) -> Result<(), CborError> {
        if self.decoder.position() == self.decoder.input().len() {
            Ok(())
        } else {
            Err(CborError(
                "the body is not CBOR: there is something after its map".to_owned(),
            ))
        }
    }

    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CborError> {
        let mut whole = String::new();
        for piece in self.decoder.str_iter()? {
            whole.push_str(piece?);
        }
        visitor.visit_string(whole)
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CborError> {
        let mut whole = Vec::new();
        for piece in self.decoder.bytes_iter()? {
            whole.extend_from_slice(piece?);
        }
        visitor.visit_byte_buf(whole)
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'de>) -> Result<T, CborError>,
    ) -> Result<T, CborError> {
        if self.depth == DEEPEST {
            return Err(CborError(format!(
                "the body is nested deeper than {DEEPEST} levels"
            )));
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = CborError;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        while self.decoder.datatype()? == Type::Tag {
            self.decoder.tag()?;
        }
        match self.decoder.datatype()? {
            Type::Bool => visitor.visit_bool(self.decoder.bool()?),
            Type::Null => {
                self.decoder.null()?;
                visitor.visit_unit()
            }
            Type::Undefined => {
                self.decoder.undefined()?;
                visitor.visit_unit()
            }
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => visitor.visit_u64(self.decoder.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => visitor.visit_i64(self.decoder.i64()?),
            Type::Int => Err(CborError::custom("an integer is below -2^63")),
            Type::F16 => visitor.visit_f64(f64::from(self.decoder.f16()?)),
            Type::F32 => visitor.visit_f64(f64::from(self.decoder.f32()?)),
            Type::F64 => visitor.visit_f64(self.decoder.f64()?),
            Type::String => visitor.visit_borrowed_str(self.decoder.str()?),
            Type::StringIndef => self.text(visitor),
            Type::Bytes => visitor.visit_borrowed_bytes(self.decoder.bytes()?),
            Type::BytesIndef => self.bytes(visitor),
            Type::Array | Type::ArrayIndef => {
                let left = self.decoder.array()?;
                self.nested(|reader| visitor.visit_seq(Inside { reader, left }))
            }
            Type::Map | Type::MapIndef => {
                let left = self.decoder.map()?;
                self.nested(|reader| visitor.visit_map(Inside { reader, left }))
            }
            other => Err(CborError(format!(
                "the body is not CBOR of requests: {other} at byte {}",
                self.decoder.position()
            ))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        match self.decoder.datatype()? {
            Type::Null | Type::Undefined => {
                self.decoder.skip()?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The inside of a list or a map: items, or keys and their values.
struct Inside<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// How many are left; `None` when a break tells.
    left: Option<u64>,
}

impl Inside<'_, '_> {
    /// Goes to the next one; whether there is one.
    fn advance(&mut self) -> Result<bool, CborError> {
        let decoder = &mut self.reader.decoder;
        match &mut self.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if decoder.datatype()? == Type::Break => {
                decoder.set_position(decoder.position() + 1);
                self.left = Some(0);
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = CborError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CborError> {
        if self.advance()? {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = CborError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CborError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CborError> {
        seed.deserialize(&mut *self.reader)
    }
}
