//! Inputs and outputs: what is read of a request, and what an answer is written from.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    definition::{Definition, Kind, Shape},
    naming,
};

/// Shapes of which an answer has one for each record: their text is lent to them, not given. So it is
/// in those that hold a blob.
const LENT: &[&str] = &["PutRecordOutput", "PutRecordsResultEntry"];

/// Which shapes there are on either side.
pub(super) struct Shapes<'m> {
    definition: &'m Definition,
    inputs: BTreeSet<&'m str>,
    outputs: BTreeSet<&'m str>,
}

impl<'m> Shapes<'m> {
    pub(super) fn new(definition: &'m Definition) -> Shapes<'m> {
        let mut shapes = Shapes {
            definition,
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
        };
        for operation in definition.operations.values() {
            if let Some(input) = &operation.input {
                gather(definition, &input.shape, &mut shapes.inputs);
            }
            if let Some(output) = &operation.output {
                gather(definition, &output.shape, &mut shapes.outputs);
            }
        }
        // What an event stream carries is written as an answer is, event by event.
        for shape in definition.shapes.values().filter(|shape| shape.eventstream) {
            for (_, event) in &shape.members.0 {
                let exception = definition
                    .shapes
                    .get(&event.shape)
                    .is_none_or(|shape| shape.exception);
                if !exception {
                    gather(definition, &event.shape, &mut shapes.outputs);
                }
            }
        }
        shapes
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        self.definition.shapes.get(name).map(|shape| shape.kind)
    }

    fn structures(&self, of: &BTreeSet<&'m str>) -> Vec<(&'m str, &'m Shape)> {
        let shapes = self.definition.shapes.iter();
        shapes
            .filter(|(name, shape)| shape.kind == Kind::Structure && of.contains(name.as_str()))
            .map(|(name, shape)| (name.as_str(), shape))
            .collect()
    }

    /// Enums that an answer holds.
    pub(super) fn choices(&self) -> Vec<(&'m str, &'m Shape)> {
        let shapes = self.definition.shapes.iter();
        shapes
            .filter(|(name, shape)| {
                let used =
                    self.inputs.contains(name.as_str()) || self.outputs.contains(name.as_str());
                used && !shape.values.is_empty()
            })
            .map(|(name, shape)| (name.as_str(), shape))
            .collect()
    }

    /// Shapes of inputs that ask something of a value.
    pub(super) fn constrained(&self) -> Vec<(&'m str, &'m Shape)> {
        let shapes = self.definition.shapes.iter();
        shapes
            .filter(|(name, shape)| self.inputs.contains(name.as_str()) && shape.is_constrained())
            .map(|(name, shape)| (name.as_str(), shape))
            .collect()
    }

    /// Every shape of an input.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&'m str, &'m Shape)> {
        let shapes = self.definition.shapes.iter();
        shapes
            .filter(|(name, _)| self.inputs.contains(name.as_str()))
            .map(|(name, shape)| (name.as_str(), shape))
    }

    /// Whether an input's shape holds something that is borrowed from the body.
    fn borrows(&self, name: &str) -> bool {
        let mut within = BTreeSet::new();
        gather(self.definition, name, &mut within);
        within
            .iter()
            .any(|name| matches!(self.kind(name), Some(Kind::String | Kind::Blob)))
    }

    fn input_type(&self, name: &str, lifetime: &str) -> String {
        let Some(shape) = self.definition.shapes.get(name) else {
            return name.to_owned();
        };
        let inner = |reference: &Option<super::definition::Reference>| {
            reference
                .as_ref()
                .map_or_else(String::new, |inner| self.input_type(&inner.shape, lifetime))
        };
        match shape.kind {
            Kind::Structure if self.borrows(name) => format!("{name}<{lifetime}>"),
            Kind::Structure => name.to_owned(),
            Kind::List => format!("Vec<{}>", inner(&shape.member)),
            Kind::Map => format!("BTreeMap<{}, {}>", inner(&shape.key), inner(&shape.value)),
            Kind::String => format!("Cow<{lifetime}, str>"),
            Kind::Blob => format!("Blob<{lifetime}>"),
            kind => plain(kind).to_owned(),
        }
    }

    fn output_type(&self, name: &str, lent: bool) -> String {
        let Some(shape) = self.definition.shapes.get(name) else {
            return name.to_owned();
        };
        let inner = |reference: &Option<super::definition::Reference>| {
            reference
                .as_ref()
                .map_or_else(String::new, |inner| self.output_type(&inner.shape, lent))
        };
        match shape.kind {
            Kind::Structure if self.is_lent(name) => format!("{name}<'a>"),
            Kind::Structure => name.to_owned(),
            Kind::List => format!("Vec<{}>", inner(&shape.member)),
            Kind::Map => format!("BTreeMap<{}, {}>", inner(&shape.key), inner(&shape.value)),
            Kind::String if !shape.values.is_empty() => format!("choice::{name}"),
            Kind::String if lent => "Cow<'a, str>".to_owned(),
            Kind::String => "String".to_owned(),
            Kind::Blob => "Blob<'a>".to_owned(),
            kind => plain(kind).to_owned(),
        }
    }

    /// Whether an output's shape has a lifetime: what it holds, or what that holds, is lent.
    fn is_lent(&self, name: &str) -> bool {
        let Some(shape) = self.definition.shapes.get(name) else {
            return false;
        };
        LENT.contains(&name)
            || shape
                .body_members(self.definition)
                .any(|(_, of, member)| match member.kind {
                    Kind::Blob => true,
                    Kind::Structure => self.is_lent(of),
                    Kind::List => member
                        .member
                        .as_ref()
                        .is_some_and(|item| self.is_lent(&item.shape)),
                    _ => false,
                })
    }

    /// The structures that requests are read into.
    pub(super) fn input(&self) -> String {
        let mut page = String::from(
            "//! What is read of a request: one structure for each shape of an input. Text and blobs lie in \
             the body where that is possible.\n\n\
             use std::{borrow::Cow, collections::BTreeMap};\n\n\
             use crate::kinesis::body::{Blob, Timestamp};\n",
        );
        for (name, shape) in self.structures(&self.inputs) {
            let generics = if self.borrows(name) { "<'a>" } else { "" };
            let _ = write!(
                page,
                "\n/// `{name}` of the model.\n#[derive(Debug, Default)]\npub(crate) struct {name}{generics} {{\n"
            );
            for (member, of, _) in shape.body_members(self.definition) {
                let (field, held) = (naming::field(member), self.input_type(of, "'a"));
                let _ = writeln!(page, "pub(crate) {field}: Option<{held}>,");
            }
            page.push_str("}\n");
        }
        page
    }

    /// How those are read.
    pub(super) fn reading(&self) -> String {
        let mut checks = String::new();
        for (name, operation) in &self.definition.operations {
            let _ = match &operation.input {
                Some(input) => writeln!(
                    checks,
                    "Operation::{name} => decode::<{}>(encoding, body).map(drop),",
                    self.input_type(&input.shape, "'_")
                ),
                None => writeln!(checks, "Operation::{name} => Ok(()),"),
            };
        }
        let mut page = format!(
            "//! How each structure of [`input`](super::input) is read: which member goes where.\n\n\
             use serde::de::{{Deserializer, MapAccess}};\n\n\
             use super::{{Operation, input::*}};\n\
             use crate::kinesis::{{\n\
             body::{{Encoding, Structure, Value, decode, ignore, member, structure}},\n\
             fault::Fault,\n}};\n\n\
             impl Operation {{\n\
             /// Looks whether a body would do for the operation, without doing it.\n\
             ///\n/// # Errors\n/// As [`decode`].\n\
             pub(crate) fn check(self, encoding: Encoding, body: &[u8]) -> Result<(), Fault> {{\n\
             match self {{\n{checks}}}\n}}\n}}\n",
        );
        for (name, shape) in self.structures(&self.inputs) {
            let held = self.input_type(name, "'de");
            let mut arms = String::new();
            for (member, ..) in shape.body_members(self.definition) {
                let field = naming::field(member);
                let _ = writeln!(
                    arms,
                    "\"{member}\" => member(&mut self.{field}, name, from),"
                );
            }
            let (name, read) = if arms.is_empty() {
                ("_", "ignore(from)".to_owned())
            } else {
                (
                    "name",
                    format!("match name {{\n{arms}_ => ignore(from),\n}}"),
                )
            };
            let _ = write!(
                page,
                "\nimpl<'de> Structure<'de> for {held} {{\n\
                 fn read_member<A: MapAccess<'de>>(&mut self, {name}: &str, from: &mut A) -> Result<(), A::Error> {{\n\
                 {read}\n}}\n}}\n"
            );
            let _ = write!(
                page,
                "\nimpl<'de> Value<'de> for {held} {{\n\
                 fn read<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {{ structure(from) }}\n}}\n"
            );
        }
        page
    }

    /// What the model asks of each member.
    pub(super) fn validation(&self) -> String {
        let mut page = String::from(
            "//! What the model asks of the members of each structure of [`input`](super::input).\n\n\
             use super::{constraint, input::*};\n\
             use crate::kinesis::body::{Path, Validate, Violations, inner, items, required};\n",
        );
        for (name, shape) in self.structures(&self.inputs) {
            let held = self.input_type(name, "'_");
            let mut checks = String::new();
            for (member, of, member_shape) in shape.body_members(self.definition) {
                let (field, told) = (naming::field(member), naming::in_messages(member));
                let place = format!("&self.{field}, at, \"{told}\", out");
                if shape.required.iter().any(|name| name == member) {
                    let _ = writeln!(checks, "required({place});");
                }
                self.checks(of, member_shape, &place, &mut checks);
            }
            let (at, out) = if checks.is_empty() {
                ("_", "_")
            } else {
                ("at", "out")
            };
            let _ = write!(
                page,
                "\nimpl Validate for {held} {{\n\
                 const NAME: &'static str = \"{name}\";\n\n\
                 fn validate(&self, {at}: &Path<'_>, {out}: &mut Violations) {{\n{checks}}}\n}}\n"
            );
        }
        page
    }

    /// The checks of a member, as statements.
    fn checks(&self, of: &str, shape: &Shape, place: &str, checks: &mut String) {
        let constraint = format!("constraint::{}", naming::constant(of));
        let inner = |reference: &Option<super::definition::Reference>| {
            let name = &reference.as_ref()?.shape;
            Some((name.clone(), self.definition.shapes.get(name)?))
        };
        let _ = match shape.kind {
            Kind::Structure => writeln!(checks, "inner({place});"),
            Kind::List => match inner(&shape.member) {
                Some((_, item)) if item.kind == Kind::Structure => {
                    if shape.is_constrained() {
                        let _ = writeln!(checks, "{constraint}.list({place});");
                    }
                    writeln!(checks, "items({place});")
                }
                Some((name, _)) => {
                    let item = naming::constant(&name);
                    writeln!(checks, "{constraint}.texts(&constraint::{item}, {place});")
                }
                None => Ok(()),
            },
            Kind::Map => match (inner(&shape.key), inner(&shape.value)) {
                (Some((key, _)), Some((value, _))) => {
                    let (key, value) = (naming::constant(&key), naming::constant(&value));
                    writeln!(
                        checks,
                        "{constraint}.map(&constraint::{key}, &constraint::{value}, {place});"
                    )
                }
                _ => Ok(()),
            },
            _ if !shape.is_constrained() => Ok(()),
            Kind::String => writeln!(checks, "{constraint}.text({place});"),
            Kind::Blob => writeln!(checks, "{constraint}.blob({place});"),
            _ => writeln!(checks, "{constraint}.number({place});"),
        };
    }

    /// The structures that answers are written from.
    pub(super) fn output(&self) -> String {
        let mut page = String::from(
            "//! What answers are written from: one structure for each shape of an output. A member that is \
             `None` is left out. Where an answer holds records, they may be lent to it.\n\n\
             use std::{borrow::Cow, collections::BTreeMap};\n\n\
             use serde::Serialize;\n\n\
             use super::choice;\n\
             use crate::kinesis::body::{Blob, Timestamp};\n",
        );
        for (name, shape) in self.structures(&self.outputs) {
            let generics = if self.is_lent(name) { "<'a>" } else { "" };
            let _ = write!(
                page,
                "\n/// `{name}` of the model.\n\
                 #[derive(Debug, Clone, Default, PartialEq, Serialize)]\n\
                 pub(crate) struct {name}{generics} {{\n"
            );
            for (member, of, _) in shape.body_members(self.definition) {
                let (field, held) = (
                    naming::field(member),
                    self.output_type(of, self.is_lent(name)),
                );
                let _ = write!(
                    page,
                    "#[serde(rename = \"{member}\", skip_serializing_if = \"Option::is_none\")]\n\
                     pub(crate) {field}: Option<{held}>,\n"
                );
            }
            page.push_str("}\n");
        }
        if !page.contains("BTreeMap<") {
            page = page.replace(
                "use std::{borrow::Cow, collections::BTreeMap};",
                "use std::borrow::Cow;",
            );
        }
        page
    }
}

fn plain(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "i32",
        Kind::Long => "i64",
        Kind::Boolean => "bool",
        Kind::Timestamp => "Timestamp",
        Kind::Structure | Kind::List | Kind::Map | Kind::String | Kind::Blob => "()",
    }
}

/// The shape and all that it is made of.
fn gather<'m>(definition: &'m Definition, name: &str, into: &mut BTreeSet<&'m str>) {
    let Some((name, shape)) = definition.shapes.get_key_value(name) else {
        return;
    };
    if shape.eventstream || !into.insert(name) {
        return;
    }
    let members = shape.members.0.iter().map(|(_, member)| member);
    let inner = [&shape.member, &shape.key, &shape.value];
    for reference in members.chain(inner.into_iter().flatten()) {
        gather(definition, &reference.shape, into);
    }
}
