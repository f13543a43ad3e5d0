//! What a request breaks of the model's constraints, told as AWS tells it: all of it in one message.

use std::fmt;

/// A structure of the model that knows what is asked of its members.
pub(crate) trait Validate {
    /// The name of its shape.
    const NAME: &'static str;

    /// Adds to `out` what is wrong with it. It is at `at`.
    fn validate(&self, at: &Path<'_>, out: &mut Violations);
}

/// Where in a request something is. It lies on the stack, and is written down only when something is
/// wrong there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    /// The input itself.
    Root,
    /// A member of a structure.
    Member(&'p Path<'p>, &'static str),
    /// An item, from 1, of a list that is a member of a structure.
    Item(&'p Path<'p>, &'static str, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = match self {
            Path::Root => return Ok(()),
            Path::Member(parent, _) | Path::Item(parent, ..) => parent,
        };
        if !matches!(parent, Path::Root) {
            write!(f, "{parent}.")?;
        }
        match self {
            Path::Root => Ok(()),
            Path::Member(_, name) => f.write_str(name),
            Path::Item(_, name, number) => write!(f, "{name}.{number}.member"),
        }
    }
}

/// Most violations that are told of. AWS tells of no more, either.
const MOST: usize = 10;

/// Most bytes of a value that are told.
const MOST_OF_VALUE: usize = 1024;

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    told: Vec<String>,
}

impl Violations {
    /// Adds a value that does not satisfy a constraint.
    pub(super) fn add(&mut self, value: &str, at: &Path<'_>, name: &'static str, constraint: &str) {
        let end = value.floor_char_boundary(MOST_OF_VALUE);
        self.tell(&format!("'{}'", &value[..end]), at, name, constraint);
    }

    fn tell(&mut self, value: &str, at: &Path<'_>, name: &'static str, constraint: &str) {
        if self.told.len() < MOST {
            let place = Path::Member(at, name);
            self.told.push(format!(
                "Value {value} at '{place}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// All of it; `None` when nothing is wrong.
    pub(super) fn message(&self) -> Option<String> {
        let plural = match self.told.len() {
            0 => return None,
            1 => "",
            _ => "s",
        };
        Some(format!(
            "{} validation error{plural} detected: {}",
            self.told.len(),
            self.told.join("; ")
        ))
    }
}

/// A member that has to be there.
pub(crate) fn required<T>(
    value: &Option<T>,
    at: &Path<'_>,
    name: &'static str,
    out: &mut Violations,
) {
    if value.is_none() {
        out.tell("null", at, name, "Member must not be null");
    }
}

/// Looks at a structure that is a member.
pub(crate) fn inner<T: Validate>(
    value: &Option<T>,
    at: &Path<'_>,
    name: &'static str,
    out: &mut Violations,
) {
    if let Some(structure) = value {
        structure.validate(&Path::Member(at, name), out);
    }
}

/// Looks at each structure of a list.
pub(crate) fn items<T: Validate>(
    value: &Option<Vec<T>>,
    at: &Path<'_>,
    name: &'static str,
    out: &mut Violations,
) {
    for (index, item) in value.iter().flatten().enumerate() {
        item.validate(&Path::Item(at, name, index + 1), out);
    }
}
