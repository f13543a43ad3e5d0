//! Values of the model's types, read by way of serde from either encoding.
//!
//! These are not serde's own `Deserialize`, for four reasons: text in an `Option` or a list would be
//! copied rather than lent; a list would do for a structure; a fraction would not do for an integer,
//! though AWS cuts it off; and code that a macro made for a hundred structures and two encodings takes
//! long to compile.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use serde::de::{self, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess};

/// Something that can be the value of a member.
pub(crate) trait Value<'de>: Sized {
    /// Reads it.
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// A structure of the model. All members are optional here; whether one has to be there is a
/// constraint.
pub(crate) trait Structure<'de>: Value<'de> + Default {
    /// Reads the value of a member.
    fn read_member<A: MapAccess<'de>>(&mut self, name: &str, from: &mut A) -> Result<(), A::Error>;
}

/// Most items of a list or entries of a map. The model allows 10,000 at most, which is for validation
/// to say; but an empty structure is a byte of CBOR and a hundred in memory.
const MOST_ITEMS: usize = 16 << 10;

fn has_room<E: Error>(items: usize) -> Result<(), E> {
    if items < MOST_ITEMS {
        Ok(())
    } else {
        Err(E::custom(format_args!(
            "a list or a map has more than {MOST_ITEMS} members"
        )))
    }
}

/// Reads a structure.
pub(crate) fn structure<'de, T: Structure<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    from.deserialize_map(Members(PhantomData))
}

/// Reads the value of a member that may be null, and may not be there twice.
pub(crate) fn member<'de, T: Value<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &str,
    from: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::custom(format_args!(
            "member {name} is there more than once"
        )));
    }
    *slot = from.next_value_seed(Nullable(PhantomData))?;
    Ok(())
}

/// Passes over the value of a member that the model does not know, as AWS does.
pub(crate) fn ignore<'de, A: MapAccess<'de>>(from: &mut A) -> Result<(), A::Error> {
    from.next_value::<IgnoredAny>().map(|_| ())
}

/// A value, in the form that serde asks for.
struct Plain<T>(PhantomData<T>);

impl<'de, T: Value<'de>> DeserializeSeed<'de> for Plain<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        T::read(from)
    }
}

/// A value, or null.
struct Nullable<T>(PhantomData<T>);

impl<'de, T: Value<'de>> DeserializeSeed<'de> for Nullable<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de, T: Value<'de>> de::Visitor<'de> for Nullable<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        T::read(from).map(Some)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Structure<'de>> de::Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("structure")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<T, A::Error> {
        let mut structure = T::default();
        while let Some(name) = from.next_key_seed(Plain::<Cow<'de, str>>(PhantomData))? {
            structure.read_member(&name, &mut from)?;
        }
        Ok(structure)
    }
}

impl<'de> Value<'de> for Cow<'de, str> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text)
    }
}

struct Text;

impl<'de> de::Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a String")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text))
    }
}

impl<'de> Value<'de> for i32 {
    fn read<D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        let number = from.deserialize_any(Integer("an Integer"))?;
        i32::try_from(number)
            .map_err(|_| D::Error::custom("NUMBER_VALUE can not be converted to an Integer"))
    }
}

impl<'de> Value<'de> for i64 {
    fn read<D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        from.deserialize_any(Integer("a Long"))
    }
}

struct Integer(&'static str);

impl Integer {
    fn beyond<E: Error>(&self) -> E {
        E::custom(format_args!(
            "NUMBER_VALUE can not be converted to {}",
            self.0
        ))
    }
}

impl de::Visitor<'_> for Integer {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| self.beyond())
    }

    #[allow(clippy::cast_possible_truncation)] // it is in the range that was looked at
    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        // What doubles tell apart; not a number is in no range.
        const FURTHEST: f64 = 9_007_199_254_740_992.0;
        if (-FURTHEST..=FURTHEST).contains(&number) {
            Ok(number.floor() as i64)
        } else {
            Err(self.beyond())
        }
    }
}

impl<'de> Value<'de> for bool {
    fn read<D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
        from.deserialize_bool(Truth)
    }
}

struct Truth;

impl de::Visitor<'_> for Truth {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Boolean")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<bool, E> {
        Ok(truth)
    }
}

impl<'de, T: Value<'de>> Value<'de> for Vec<T> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
        from.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Value<'de>> de::Visitor<'de> for Items<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list")
    }

    // It grows with what is there, never by what a header promises.
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(Plain(PhantomData))? {
            has_room(items.len())?;
            items.push(item);
        }
        Ok(items)
    }
}

impl<'de, T: Value<'de>> Value<'de> for BTreeMap<Cow<'de, str>, T> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: Value<'de>> de::Visitor<'de> for Entries<T> {
    type Value = BTreeMap<Cow<'de, str>, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = from.next_key_seed(Plain::<Cow<'de, str>>(PhantomData))? {
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "key {key:?} is there more than once"
                )));
            }
            has_room(entries.len())?;
            let value = from.next_value_seed(Plain(PhantomData))?;
            entries.insert(key, value);
        }
        Ok(entries)
    }
}
