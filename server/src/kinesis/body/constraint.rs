//! What the model asks of values beyond their types.

use std::{borrow::Cow, collections::BTreeMap};

use regex::Regex;

use super::{
    blob::Blob,
    violations::{Path, Validate, Violations},
};

/// What a shape asks of a value.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// Least length, or least value of a number.
    pub(crate) min: Option<u64>,
    /// Most length, or highest value of a number.
    pub(crate) max: Option<u64>,
    /// What a text looks like.
    pub(crate) pattern: Option<Pattern>,
    /// What a text is one of, when there are any.
    pub(crate) values: &'static [&'static str],
}

/// What a whole text looks like.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As the model says it, for messages.
    pub(crate) text: &'static str,
    /// The same as code.
    pub(crate) matches: fn(&str) -> bool,
}

/// Most structures of a list that are named in a message; it is cut off long before.
const MOST_NAMES: usize = 1024;

/// Whether a text is one or more characters, each of them a byte of a class.
pub(crate) fn only(text: &str, class: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(class)
}

/// Whether a text is a decimal number without leading zeros, of at most so many digits.
pub(crate) fn number(text: &str, digits: usize) -> bool {
    text == "0"
        || text.len() <= digits
            && !text.starts_with('0')
            && only(text, |byte| byte.is_ascii_digit())
}

/// A regular expression of a pattern; `None`, which matches nothing, when it is not one. The tests
/// look at all of them.
pub(crate) fn expression(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

impl Constraint {
    /// Nothing is asked.
    pub(crate) const NONE: Constraint = Constraint {
        min: None,
        max: None,
        pattern: None,
        values: &[],
    };

    /// Looks at a text.
    pub(crate) fn text(
        &self,
        value: &Option<Cow<'_, str>>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(text) = value else { return };
        if self.admits_text(text) {
            return;
        }
        if let Some(pattern) = &self.pattern
            && !(pattern.matches)(text)
        {
            out.add(text, at, name, &pattern_words(pattern));
        }
        let length = text.chars().count() as u64;
        self.length(length, at, name, out, || text.clone().into_owned());
        if !self.admits_value(text) {
            out.add(text, at, name, &self.values_words());
        }
    }

    /// Looks at a blob, whose length is in bytes.
    pub(crate) fn blob(
        &self,
        value: &Option<Blob<'_>>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(blob) = value else { return };
        let length = blob.len();
        self.length(length as u64, at, name, out, || {
            format!("java.nio.HeapByteBuffer[pos=0 lim={length} cap={length}]")
        });
    }

    /// Looks at a number.
    pub(crate) fn number<N: Copy + Into<i64>>(
        &self,
        value: &Option<N>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(number) = value.map(Into::<i64>::into) else {
            return;
        };
        let at_least = |limit: u64| u64::try_from(number).is_ok_and(|number| number >= limit);
        let at_most = |limit: u64| u64::try_from(number).map_or(true, |number| number <= limit);
        if let Some(min) = self.min.filter(|min| !at_least(*min)) {
            let what = format!("Member must have value greater than or equal to {min}");
            out.add(&number.to_string(), at, name, &what);
        }
        if let Some(max) = self.max.filter(|max| !at_most(*max)) {
            let what = format!("Member must have value less than or equal to {max}");
            out.add(&number.to_string(), at, name, &what);
        }
    }

    /// Looks at how many structures there are in a list.
    pub(crate) fn list<T: Validate>(
        &self,
        value: &Option<Vec<T>>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(items) = value else { return };
        self.length(items.len() as u64, at, name, out, || {
            format!(
                "[{}]",
                vec![T::NAME; items.len().min(MOST_NAMES)].join(", ")
            )
        });
    }

    /// Looks at a list of texts, and at each of them. As AWS does, one message tells of all that are
    /// wrong.
    pub(crate) fn texts(
        &self,
        item: &Constraint,
        value: &Option<Vec<Cow<'_, str>>>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(items) = value else { return };
        let told = || format!("[{}]", items.join(", "));
        self.length(items.len() as u64, at, name, out, told);
        if !items.iter().all(|text| item.admits_text(text)) {
            let what = format!("Member must satisfy constraint: [{}]", item.words());
            out.add(&told(), at, name, &what);
        }
    }

    /// Looks at a map of texts, its keys and its values.
    pub(crate) fn map(
        &self,
        key: &Constraint,
        value: &Constraint,
        map: &Option<BTreeMap<Cow<'_, str>, Cow<'_, str>>>,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
    ) {
        let Some(map) = map else { return };
        let told = || {
            let entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{{{}}}", entries.join(", "))
        };
        self.length(map.len() as u64, at, name, out, told);
        if !map.keys().all(|text| key.admits_text(text)) {
            let what = format!("Map keys must satisfy constraint: [{}]", key.words());
            out.add(&told(), at, name, &what);
        }
        if !map.values().all(|text| value.admits_text(text)) {
            let what = format!("Map value must satisfy constraint: [{}]", value.words());
            out.add(&told(), at, name, &what);
        }
    }

    fn length(
        &self,
        length: u64,
        at: &Path<'_>,
        name: &'static str,
        out: &mut Violations,
        told: impl Fn() -> String,
    ) {
        if let Some(min) = self.min.filter(|min| length < *min) {
            out.add(&told(), at, name, &min_words(min));
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            out.add(&told(), at, name, &max_words(max));
        }
    }

    fn admits_text(&self, text: &str) -> bool {
        let long_enough = self.min.is_none_or(|min| {
            // No character is shorter than a byte, and none is longer than four.
            let bytes = text.len() as u64;
            bytes >= min && (bytes / 4 >= min || text.chars().count() as u64 >= min)
        });
        let short_enough = self
            .max
            .is_none_or(|max| text.len() as u64 <= max || text.chars().count() as u64 <= max);
        long_enough
            && short_enough
            && self.admits_value(text)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| (pattern.matches)(text))
    }

    fn admits_value(&self, text: &str) -> bool {
        self.values.is_empty() || self.values.contains(&text)
    }

    fn values_words(&self) -> String {
        format!(
            "Member must satisfy enum value set: [{}]",
            self.values.join(", ")
        )
    }

    /// All that is asked.
    fn words(&self) -> String {
        let words = [
            self.max.map(max_words),
            self.min.map(min_words),
            self.pattern.as_ref().map(pattern_words),
            (!self.values.is_empty()).then(|| self.values_words()),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn min_words(min: u64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn max_words(max: u64) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn pattern_words(pattern: &Pattern) -> String {
    format!(
        "Member must satisfy regular expression pattern: {}",
        pattern.text
    )
}
