//! Requests made from the table of the model: for each operation one that is in order, and many of
//! which each is wrong in one place. It needs nothing but the table beside it, so that tests which
//! send such requests to a server can include both.

#![allow(unreachable_pub)]

use base64_simd::STANDARD;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::table::{Kind, OPERATIONS, SHAPES, Shape};

/// A value of a request, in either encoding.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
    /// Seconds since 1970.
    Time(i64),
    List(Vec<Tree>),
    /// A structure or a map.
    Map(Vec<(String, Tree)>),
}

/// A request that is wrong in one place.
#[derive(Debug)]
pub struct Case {
    pub operation: &'static str,
    /// What is wrong.
    pub what: String,
    pub body: Tree,
    /// The error that tells of it.
    pub fault: &'static str,
    /// What the message says of it, at least.
    pub said: String,
}

/// A request that is in order, with every member that the operation has.
pub fn good(operation: &str) -> Tree {
    let operation = OPERATIONS
        .iter()
        .find(|known| known.name == operation)
        .unwrap();
    operation
        .input
        .map_or_else(|| Tree::Map(Vec::new()), |input| value(shape(input)))
}

/// Every constraint of every operation broken, and a value of another type in every place.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in OPERATIONS {
        let Some(input) = operation.input else {
            continue;
        };
        let whole = good(operation.name);
        break_structure(
            operation.name,
            shape(input),
            &whole,
            &mut Vec::new(),
            &mut cases,
        );
    }
    cases
}

pub fn shape(name: &str) -> &'static Shape {
    SHAPES.iter().find(|shape| shape.name == name).unwrap()
}

/// A step from a value to one inside of it.
#[derive(Debug, Clone)]
enum Step {
    Member(&'static str),
    /// The first item of a list.
    Item,
}

/// A value that does for a shape.
fn value(of: &Shape) -> Tree {
    match &of.kind {
        Kind::Structure(members) => Tree::Map(
            members
                .iter()
                .map(|member| (member.name.to_owned(), value(shape(member.shape))))
                .collect(),
        ),
        Kind::List(item) => Tree::List(vec![value(shape(item))]),
        Kind::Map(key, value_shape) => {
            let Tree::Text(key) = value(shape(key)) else {
                panic!("keys are text");
            };
            Tree::Map(vec![(key, value(shape(value_shape)))])
        }
        Kind::String => Tree::Text(text(of)),
        Kind::Integer | Kind::Long => Tree::Integer(of.min.unwrap_or(1).max(1).cast_signed()),
        Kind::Boolean => Tree::Boolean(false),
        Kind::Blob => Tree::Blob(b"data".to_vec()),
        Kind::Timestamp => Tree::Time(1_700_000_000),
    }
}

/// Texts of which one does for each pattern of the model.
const TEXTS: &[&str] = &[
    "0",
    "orders",
    "12345678901234567890-abc",
    "123456789012",
    "arn:aws:kinesis:us-east-1:123456789012:stream/orders",
    "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/a:1",
    "arn:aws:kinesis:us-east-1:123456789012:channel/orders",
    "arn:aws:kinesis:us-east-1:123456789012:queue/orders",
    "arn:aws:s3:::bucket",
    "arn:aws:s3tables:us-east-1:123456789012:bucket/tables",
    "arn:aws:glue:us-east-1:123456789012:schema/registry/schema",
    "arn:aws:iam::123456789012:role/writer",
];

/// Whether a pattern of the model, by an engine for expressions, is that of the whole text.
pub fn matches(pattern: &str, text: &str) -> bool {
    regex::bytes::Regex::new(&format!("(?s-u)^(?:{pattern})$"))
        .unwrap()
        .is_match(text.as_bytes())
}

fn text(of: &Shape) -> String {
    if let Some(value) = of.values.first() {
        return (*value).to_owned();
    }
    let does = |text: &&&str| {
        let length = text.len() as u64;
        of.pattern.is_none_or(|pattern| matches(pattern, text))
            && of.min.is_none_or(|min| length >= min)
            && of.max.is_none_or(|max| length <= max)
    };
    let found = TEXTS.iter().find(does);
    (*found.unwrap_or_else(|| panic!("a text that does for {}", of.name))).to_owned()
}

fn break_structure(
    operation: &'static str,
    of: &'static Shape,
    whole: &Tree,
    way: &mut Vec<Step>,
    cases: &mut Vec<Case>,
) {
    let Kind::Structure(members) = &of.kind else {
        panic!("{} is a structure", of.name);
    };
    for member in *members {
        way.push(Step::Member(member.name));
        let inner = shape(member.shape);
        let place = place(way);
        let mut add = |what: &str, value: Tree, fault, said: &str| {
            cases.push(Case {
                operation,
                what: format!("{place}: {what}"),
                body: with(whole, way, value),
                fault,
                said: said.to_owned(),
            });
        };
        if member.required {
            let said = format!(
                "Value null at '{place}' failed to satisfy constraint: Member must not be null"
            );
            add("null", Tree::Null, INVALID, &said);
        }
        for (what, value, constraint) in violations(inner) {
            let said = format!(" at '{place}' failed to satisfy constraint: {constraint}");
            add(what, value, INVALID, &said);
        }
        for (what, value) in other_types(inner) {
            add(what, value, WRONG_TYPE, "");
        }
        match &inner.kind {
            Kind::Structure(_) => break_structure(operation, inner, whole, way, cases),
            Kind::List(item) if matches!(shape(item).kind, Kind::Structure(_)) => {
                way.push(Step::Item);
                break_structure(operation, shape(item), whole, way, cases);
                way.pop();
            }
            _ => {}
        }
        way.pop();
    }
}

const INVALID: &str = "ValidationException";
const WRONG_TYPE: &str = "SerializationException";

/// The way as messages tell it.
fn place(way: &[Step]) -> String {
    let mut place = String::new();
    for step in way {
        match step {
            Step::Member(name) => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(&name[..1].to_lowercase());
                place.push_str(&name[1..]);
            }
            Step::Item => place.push_str(".1.member"),
        }
    }
    place
}

/// The whole with another value at the end of the way.
fn with(whole: &Tree, way: &[Step], value: Tree) -> Tree {
    let Some((first, rest)) = way.split_first() else {
        return value;
    };
    let mut whole = whole.clone();
    let slot = match (first, &mut whole) {
        (Step::Member(name), Tree::Map(members)) => {
            &mut members
                .iter_mut()
                .find(|(known, _)| known == name)
                .unwrap()
                .1
        }
        (Step::Item, Tree::List(items)) => &mut items[0],
        (step, tree) => panic!("{step:?} does not lead into {tree:?}"),
    };
    *slot = with(slot, rest, value);
    whole
}

/// Values that break one constraint of a shape each: what, the value, what is said of it.
fn violations(of: &Shape) -> Vec<(&'static str, Tree, String)> {
    let mut found = Vec::new();
    let length =
        |what: &str, limit: u64| format!("Member must have length {what} than or equal to {limit}");
    let number =
        |what: &str, limit: u64| format!("Member must have value {what} than or equal to {limit}");
    let repeated = |item: Tree, count: u64| Tree::List(vec![item; usize::try_from(count).unwrap()]);
    match &of.kind {
        Kind::String => {
            if let Some(min) = of.min.filter(|min| *min > 0) {
                let short = "0".repeat(usize::try_from(min - 1).unwrap());
                found.push(("too short", Tree::Text(short), length("greater", min)));
            }
            if let Some(max) = of.max {
                let long = "0".repeat(usize::try_from(max + 1).unwrap());
                found.push(("too long", Tree::Text(long), length("less", max)));
            }
            if let Some(pattern) = of.pattern {
                let other = ["\u{fffd} ", ":"]
                    .into_iter()
                    .find(|text| !matches(pattern, text));
                let said = format!("Member must satisfy regular expression pattern: {pattern}");
                found.push((
                    "another pattern",
                    Tree::Text(other.unwrap().to_owned()),
                    said,
                ));
            }
            if !of.values.is_empty() {
                let said = format!(
                    "Member must satisfy enum value set: [{}]",
                    of.values.join(", ")
                );
                found.push(("none of the values", Tree::Text("none".to_owned()), said));
            }
        }
        Kind::Integer | Kind::Long => {
            if let Some(min) = of.min {
                let low = Tree::Integer(min.cast_signed() - 1);
                found.push(("too low", low, number("greater", min)));
            }
            if let Some(max) = of.max {
                let high = Tree::Integer(max.cast_signed() + 1);
                found.push(("too high", high, number("less", max)));
            }
        }
        Kind::Blob => {
            if let Some(max) = of.max {
                let large = Tree::Blob(vec![0; usize::try_from(max + 1).unwrap()]);
                found.push(("too large", large, length("less", max)));
            }
        }
        Kind::List(item) => {
            if let Some(min) = of.min.filter(|min| *min > 0) {
                found.push(("too few", Tree::List(Vec::new()), length("greater", min)));
            }
            if let Some(max) = of.max {
                found.push((
                    "too many",
                    repeated(value(shape(item)), max + 1),
                    length("less", max),
                ));
            }
            for (what, value, said) in violations(shape(item)) {
                if matches!(shape(item).kind, Kind::String) {
                    let _ = said;
                    found.push((
                        what,
                        Tree::List(vec![value]),
                        "Member must satisfy constraint: [".to_owned(),
                    ));
                }
            }
        }
        Kind::Map(key, inner) => {
            let entry = |key: &str, value: &str| (key.to_owned(), Tree::Text(value.to_owned()));
            if let Some(min) = of.min.filter(|min| *min > 0) {
                found.push(("too few", Tree::Map(Vec::new()), length("greater", min)));
            }
            if let Some(max) = of.max {
                let entries = (0..=max)
                    .map(|number| entry(&number.to_string(), ""))
                    .collect();
                found.push(("too many", Tree::Map(entries), length("less", max)));
            }
            for (_, value, _) in violations(shape(key)) {
                if let Tree::Text(key) = value {
                    let map = Tree::Map(vec![entry(&key, "")]);
                    found.push((
                        "a key",
                        map,
                        "Map keys must satisfy constraint: [".to_owned(),
                    ));
                }
            }
            for (_, value, _) in violations(shape(inner)) {
                let map = Tree::Map(vec![("key".to_owned(), value)]);
                found.push((
                    "a value",
                    map,
                    "Map value must satisfy constraint: [".to_owned(),
                ));
            }
        }
        Kind::Structure(_) | Kind::Boolean | Kind::Timestamp => {}
    }
    found
}

/// Values of other types.
fn other_types(of: &Shape) -> Vec<(&'static str, Tree)> {
    let kinds = [
        ("a list", Tree::List(Vec::new())),
        ("a structure", Tree::Map(Vec::new())),
        ("a text", Tree::Text("=".to_owned())),
        ("a number", Tree::Integer(1)),
        ("a truth", Tree::Boolean(true)),
    ];
    let own: &[&str] = match of.kind {
        Kind::Structure(_) | Kind::Map(..) => &["a structure"],
        Kind::List(_) => &["a list"],
        // `=` is not base64.
        Kind::Blob => &[],
        Kind::String => &["a text"],
        Kind::Integer | Kind::Long | Kind::Timestamp => &["a number"],
        Kind::Boolean => &["a truth"],
    };
    let others = kinds.into_iter().filter(|(name, _)| !own.contains(name));
    others.collect()
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Null => serializer.serialize_unit(),
            Tree::Boolean(value) => serializer.serialize_bool(*value),
            Tree::Integer(value) => serializer.serialize_i64(*value),
            Tree::Text(value) => serializer.serialize_str(value),
            Tree::Blob(value) if serializer.is_human_readable() => {
                serializer.serialize_str(&STANDARD.encode_to_string(value))
            }
            Tree::Blob(value) => serializer.serialize_bytes(value),
            Tree::Time(seconds) if serializer.is_human_readable() => {
                serializer.serialize_i64(*seconds)
            }
            Tree::Time(seconds) => serializer.serialize_i64(seconds * 1000),
            Tree::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Tree::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
