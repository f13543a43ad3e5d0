//! Bytes as they travel: base64 in JSON, themselves in CBOR.

use std::{borrow::Cow, fmt};

use base64_simd::{AsOut, STANDARD};
use serde::{Deserializer, Serialize, Serializer, de};

use super::value::Value;
use crate::kinesis::fault::{Fault, FaultKind};

/// The bytes of a member, still in the form in which they came. Base64 has been seen to be good when
/// the body was read, so that half a request is not done before the rest is refused.
#[derive(Clone)]
pub(crate) struct Blob<'a>(Form<'a>);

#[derive(Clone)]
enum Form<'a> {
    /// Good base64, and how many bytes it stands for.
    Base64(Cow<'a, [u8]>, usize),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Blob<'a> {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Base64(_, length) => *length,
            Form::Bytes(bytes) => bytes.len(),
        }
    }

    /// Writes the bytes to `out`, which has [`Blob::len`] bytes.
    ///
    /// # Errors
    /// When `out` is of another length.
    pub(crate) fn decode_into(&self, out: &mut [u8]) -> Result<(), Fault> {
        if out.len() != self.len() {
            return Err(Fault::new(
                FaultKind::InternalFailure,
                "the space for a blob is not as long as the blob",
            ));
        }
        match &self.0 {
            Form::Base64(text, _) => STANDARD
                .decode(text, out.as_out())
                .map(|_| ())
                .map_err(|_| Fault::new(FaultKind::SerializationException, NOT_BASE64)),
            Form::Bytes(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// As [`Blob::decode_into`], which is never.
    pub(crate) fn to_vec(&self) -> Result<Vec<u8>, Fault> {
        let mut out = vec![0; self.len()];
        self.decode_into(&mut out)?;
        Ok(out)
    }

    /// The blob of a base64 text.
    fn from_base64(text: Cow<'a, [u8]>) -> Option<Blob<'a>> {
        let length = STANDARD.decoded_length(&text).ok()?;
        STANDARD.check(&text).ok()?;
        Some(Blob(Form::Base64(text, length)))
    }
}

/// What is said of text that is not base64.
const NOT_BASE64: &str =
    "a Blob is not base64 of the standard alphabet, padded to a multiple of 4 characters";

impl<'a> From<&'a [u8]> for Blob<'a> {
    fn from(bytes: &'a [u8]) -> Blob<'a> {
        Blob(Form::Bytes(Cow::Borrowed(bytes)))
    }
}

impl From<Vec<u8>> for Blob<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Blob(Form::Bytes(Cow::Owned(bytes)))
    }
}

impl fmt::Debug for Blob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.len())
    }
}

impl PartialEq for Blob<'_> {
    fn eq(&self, other: &Blob<'_>) -> bool {
        match (&self.0, &other.0) {
            (Form::Base64(left, _), Form::Base64(right, _))
            | (Form::Bytes(left), Form::Bytes(right)) => left == right,
            _ => matches!((self.to_vec(), other.to_vec()), (Ok(left), Ok(right)) if left == right),
        }
    }
}

impl<'de> Value<'de> for Blob<'de> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Blob<'de>, D::Error> {
        let base64 = from.is_human_readable();
        // For JSON that is the text's bytes, which saves looking whether they are UTF-8.
        from.deserialize_bytes(BlobVisitor { base64 })
    }
}

struct BlobVisitor {
    base64: bool,
}

impl BlobVisitor {
    fn blob<'de, E: de::Error>(&self, bytes: Cow<'de, [u8]>) -> Result<Blob<'de>, E> {
        if self.base64 {
            Blob::from_base64(bytes).ok_or_else(|| E::custom(NOT_BASE64))
        } else {
            Ok(Blob(Form::Bytes(bytes)))
        }
    }
}

impl<'de> de::Visitor<'de> for BlobVisitor {
    type Value = Blob<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Blob")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Blob<'de>, E> {
        self.blob(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob<'de>, E> {
        self.blob(Cow::Owned(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob<'de>, E> {
        self.blob(Cow::Owned(bytes))
    }
}

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            // The writer of JSON makes base64 of bytes.
            Form::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Form::Base64(..) => match self.to_vec() {
                Ok(bytes) => serializer.serialize_bytes(&bytes),
                Err(fault) => Err(serde::ser::Error::custom(fault)),
            },
        }
    }
}
