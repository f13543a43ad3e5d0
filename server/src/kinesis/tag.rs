//! What tags may be.

use std::{borrow::Cow, collections::BTreeMap};

use super::fault::{Fault, FaultKind};

/// Tags of a stream or a consumer.
const MOST: usize = 50;
/// What keys of the cloud's own begin with.
const RESERVED: &str = "aws:";

/// The tags of a request.
///
/// # Errors
/// `InvalidArgumentException` when there are too many, or one cannot be. Their lengths are the
/// model's.
pub(crate) fn of_request(
    tags: Option<&BTreeMap<Cow<'_, str>, Cow<'_, str>>>,
) -> Result<Vec<(String, String)>, Fault> {
    let invalid = |message: String| Err(Fault::new(FaultKind::InvalidArgumentException, message));
    let Some(tags) = tags else {
        return Ok(Vec::new());
    };
    if tags.len() > MOST {
        let count = tags.len();
        return invalid(format!("{count} tags: a resource has at most {MOST}."));
    }
    for (key, value) in tags {
        if key.is_empty() {
            return invalid("A tag has an empty key.".to_owned());
        }
        let reserved = key
            .get(..RESERVED.len())
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED));
        if reserved {
            return invalid(format!(
                "Tag key {key} begins with {RESERVED}, which is reserved."
            ));
        }
        for text in [key, value] {
            if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
                return invalid(format!(
                    "Tag {key} has the character {c:?}; tags may only contain Unicode letters, digits, white space, and _ . : / = + - % @."
                ));
            }
        }
    }
    Ok(tags
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect())
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-%@".contains(c)
}
