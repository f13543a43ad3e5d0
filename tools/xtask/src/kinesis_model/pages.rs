//! The pages beside the shapes: operations, faults, enums, constraints, and the table for tests.

use std::fmt::Write;

use super::{
    definition::{Definition, Kind, Shape},
    naming, pattern,
    shapes::Shapes,
};

/// Errors that are not the service's own but of the protocol and of signatures: name, status.
const COMMON_FAULTS: &[(&str, u16)] = &[
    ("ExpiredTokenException", 400),
    ("IncompleteSignatureException", 400),
    ("InternalFailure", 500),
    ("InvalidSignatureException", 400),
    ("MissingAuthenticationTokenException", 400),
    ("RequestEntityTooLargeException", 413),
    ("SerializationException", 400),
    ("ServiceUnavailableException", 503),
    ("UnknownOperationException", 400),
    ("UnrecognizedClientException", 400),
];

/// `operation.rs`.
pub(super) fn operation(definition: &Definition) -> String {
    let prefix = &definition.metadata.target_prefix;
    let mut page = format!(
        "//! The operations of the API.\n\n\
         use super::FaultKind;\n\n\
         /// What `X-Amz-Target` begins with, before the operation's name.\n\
         pub(crate) const TARGET_PREFIX: &str = \"{prefix}.\";\n\n\
         /// An operation of the API.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
         pub(crate) enum Operation {{\n"
    );
    let names = || definition.operations.keys();
    for name in names() {
        let _ = writeln!(page, "/// `{name}`.\n{name},");
    }
    page.push_str(
        "}\n\nimpl Operation {\n/// All of them, by name.\npub(crate) const ALL: &[Operation] = &[\n",
    );
    for name in names() {
        let _ = writeln!(page, "Operation::{name},");
    }
    page.push_str(
        "];\n\n/// The operation that an `X-Amz-Target` names.\n\
         pub(crate) fn from_target(target: &str) -> Option<Operation> {\n\
         Operation::from_name(target.strip_prefix(TARGET_PREFIX)?)\n}\n\n\
         /// The operation of a name.\n\
         pub(crate) fn from_name(name: &str) -> Option<Operation> {\nmatch name {\n",
    );
    for name in names() {
        let _ = writeln!(page, "\"{name}\" => Some(Operation::{name}),");
    }
    page.push_str(
        "_ => None,\n}\n}\n\n/// Its name.\npub(crate) const fn name(self) -> &'static str {\nmatch self {\n",
    );
    for name in names() {
        let _ = writeln!(page, "Operation::{name} => \"{name}\",");
    }
    page.push_str(
        "}\n}\n\n/// The errors that the model lists for it.\n\
         pub(crate) const fn faults(self) -> &'static [FaultKind] {\nmatch self {\n",
    );
    for (name, operation) in &definition.operations {
        let _ = writeln!(page, "Operation::{name} => &[");
        for error in &operation.errors {
            let _ = writeln!(page, "FaultKind::{},", error.shape);
        }
        page.push_str("],\n");
    }
    page.push_str("}\n}\n}\n");
    page
}

/// `fault_kind.rs`.
pub(super) fn fault_kind(definition: &Definition) -> String {
    let own = definition
        .shapes
        .iter()
        .filter(|(_, shape)| shape.exception);
    let mut faults: Vec<(&str, u16)> = own
        .map(|(name, shape)| (name.as_str(), if shape.fault { 500 } else { 400 }))
        .chain(COMMON_FAULTS.iter().copied())
        .collect();
    faults.sort_unstable();
    faults.dedup_by_key(|(name, _)| *name);
    let mut page = String::from(
        "//! The errors of the API: those of the model, and those of the protocol and of signatures.\n\n\
         /// What kind of error an answer tells of.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\n\
         pub(crate) enum FaultKind {\n",
    );
    for (name, _) in &faults {
        let _ = writeln!(page, "/// `{name}`.\n{name},");
    }
    page.push_str(
        "}\n\nimpl FaultKind {\n/// Its name, as `__type` says it.\n\
         pub(crate) const fn name(self) -> &'static str {\nmatch self {\n",
    );
    for (name, _) in &faults {
        let _ = writeln!(page, "FaultKind::{name} => \"{name}\",");
    }
    page.push_str(
        "}\n}\n\n/// The status of its answer.\npub(crate) const fn status(self) -> u16 {\nmatch self {\n",
    );
    for (name, status) in faults.iter().filter(|(_, status)| *status != 400) {
        let _ = writeln!(page, "FaultKind::{name} => {status},");
    }
    page.push_str("_ => 400,\n}\n}\n}\n");
    page
}

/// `choice.rs`.
pub(super) fn choice(shapes: &Shapes<'_>) -> String {
    let mut page = String::from(
        "//! The enums of the model. Inputs hold the text as it came; validation has seen that it is one of \
         the values, and `from_name` then finds it.\n\n\
         use serde::{Serialize, Serializer};\n",
    );
    for (name, shape) in shapes.choices() {
        let variants: Vec<(String, &String)> = shape
            .values
            .iter()
            .map(|value| (naming::variant(value), value))
            .collect();
        let _ = writeln!(
            page,
            "\n/// `{name}` of the model.\n\
             #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
             pub(crate) enum {name} {{"
        );
        for (variant, value) in &variants {
            let _ = writeln!(page, "/// `{value}`.\n{variant},");
        }
        let _ = writeln!(
            page,
            "}}\n\nimpl {name} {{\n/// All of them.\npub(crate) const ALL: &[{name}] = &["
        );
        for (variant, _) in &variants {
            let _ = writeln!(page, "{name}::{variant},");
        }
        let _ = writeln!(
            page,
            "];\n\n/// The one of a name.\npub(crate) fn from_name(name: &str) -> Option<{name}> {{\nmatch name {{"
        );
        for (variant, value) in &variants {
            let _ = writeln!(page, "\"{value}\" => Some({name}::{variant}),");
        }
        page.push_str(
            "_ => None,\n}\n}\n\n/// Its name.\npub(crate) const fn name(self) -> &'static str {\nmatch self {\n",
        );
        for (variant, value) in &variants {
            let _ = writeln!(page, "{name}::{variant} => \"{value}\",");
        }
        let _ = writeln!(
            page,
            "}}\n}}\n}}\n\nimpl Serialize for {name} {{\n\
             fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {{\n\
             serializer.serialize_str(self.name())\n}}\n}}"
        );
    }
    page
}

/// `constraint.rs`.
pub(super) fn constraint(shapes: &Shapes<'_>) -> Result<String, String> {
    let mut body = String::new();
    let mut expressions = Vec::new();
    for (name, shape) in shapes.constrained() {
        let _ = writeln!(
            body,
            "\n/// What `{name}` asks for.\npub(crate) static {}: Constraint = Constraint {{",
            naming::constant(name)
        );
        if let Some(min) = shape.min {
            let _ = writeln!(body, "min: Some({min}),");
        }
        if let Some(max) = shape.max {
            let _ = writeln!(body, "max: Some({max}),");
        }
        if let Some(text) = &shape.pattern {
            let matcher = pattern::matcher(text).ok_or_else(|| {
                format!(
                    "{name}: the pattern {text:?} has something that the generator does not know"
                )
            })?;
            let _ = writeln!(
                body,
                "pattern: Some(Pattern {{ text: {text:?}, matches: {} }}),",
                matcher.code(name)
            );
            if let pattern::Matcher::Expression(expression) = matcher {
                expressions.push((name, expression));
            }
        }
        if !shape.values.is_empty() {
            let _ = writeln!(body, "values: &{:?},", shape.values);
        }
        body.push_str("..Constraint::NONE\n};\n");
    }
    let mut page = String::from(
        "//! What the model asks of the values of each shape.\n\n\
         use std::sync::LazyLock;\n\n\
         use regex::Regex;\n\n\
         use crate::kinesis::body::{Constraint, Pattern, expression, number, only};\n",
    );
    page.push_str(&body);
    for (name, expression) in &expressions {
        let _ = write!(
            page,
            "\nstatic {}_PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| expression({expression:?}));\n",
            naming::constant(name),
        );
    }
    page.push_str(
        "\n/// All expressions.\n#[cfg(test)]\n\
         pub(crate) static EXPRESSIONS: &[&LazyLock<Option<Regex>>] = &[\n",
    );
    for (name, _) in &expressions {
        let _ = writeln!(page, "&{}_PATTERN,", naming::constant(name));
    }
    page.push_str("];\n");
    Ok(page)
}

/// `table.rs`.
pub(super) fn table(definition: &Definition, shapes: &Shapes<'_>) -> String {
    let mut page = String::from(
        "//! The model as a table, for tests that break each constraint of each operation. It stands alone, so \
         that tests outside the crate can include it.\n\n\
         #![allow(dead_code, missing_docs, unreachable_pub)]\n\n\
         #[derive(Debug)]\npub struct Operation {\npub name: &'static str,\n\
         /// The shape of its input.\npub input: Option<&'static str>,\n\
         pub has_output: bool,\n\
         pub faults: &'static [&'static str],\n}\n\n\
         #[derive(Debug)]\npub struct Shape {\npub name: &'static str,\npub kind: Kind,\n\
         /// Least length, or least value of a number.\npub min: Option<u64>,\n\
         pub max: Option<u64>,\npub pattern: Option<&'static str>,\n\
         pub values: &'static [&'static str],\n}\n\n\
         #[derive(Debug)]\npub enum Kind {\nStructure(&'static [Member]),\n\
         /// Of the shape of its items.\nList(&'static str),\n\
         /// Of the shapes of its keys and values.\nMap(&'static str, &'static str),\n\
         String,\nInteger,\nLong,\nBoolean,\nBlob,\nTimestamp,\n}\n\n\
         #[derive(Debug)]\npub struct Member {\npub name: &'static str,\npub shape: &'static str,\n\
         pub required: bool,\n}\n\n\
         /// All operations.\n#[rustfmt::skip]\npub static OPERATIONS: &[Operation] = &[\n",
    );
    for (name, operation) in &definition.operations {
        let input = operation.input.as_ref().map(|input| &input.shape);
        let faults: Vec<&String> = operation.errors.iter().map(|error| &error.shape).collect();
        let _ = writeln!(
            page,
            "Operation {{ name: {name:?}, input: {input:?}, has_output: {}, faults: &{faults:?} }},",
            operation.output.is_some()
        );
    }
    page.push_str(
        "];\n\n/// Every shape of an input.\n#[rustfmt::skip]\npub static SHAPES: &[Shape] = &[\n",
    );
    for (name, shape) in shapes.inputs() {
        let _ = writeln!(
            page,
            "Shape {{ name: {name:?}, kind: {}, min: {:?}, max: {:?}, pattern: {:?}, values: &{:?} }},",
            kind(definition, shape),
            shape.min,
            shape.max,
            shape.pattern,
            shape.values
        );
    }
    page.push_str("];\n");
    page
}

fn kind(definition: &Definition, shape: &Shape) -> String {
    let inner = |reference: &Option<super::definition::Reference>| {
        reference
            .as_ref()
            .map_or_else(String::new, |inner| format!("{:?}", inner.shape))
    };
    match shape.kind {
        Kind::Structure => {
            let mut members = String::new();
            for (name, of, _) in shape.body_members(definition) {
                let required = shape.required.iter().any(|required| required == name);
                let _ = write!(
                    members,
                    "Member {{ name: {name:?}, shape: {of:?}, required: {required} }},"
                );
            }
            format!("Kind::Structure(&[{members}])")
        }
        Kind::List => format!("Kind::List({})", inner(&shape.member)),
        Kind::Map => format!("Kind::Map({}, {})", inner(&shape.key), inner(&shape.value)),
        other => format!("Kind::{other:?}"),
    }
}
