//! The patterns of the model, as code that matches a whole text.

use std::fmt::Write;

use super::naming;

/// How a pattern is matched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    /// Every character is of one class, and there is at least one: `[a-z0-9.-]+`. An arm of a
    /// `match` over bytes.
    Only(String),
    /// A decimal number without leading zeros, of at most so many digits.
    Number(u32),
    /// A regular expression of the `regex` crate.
    Expression(String),
}

impl Matcher {
    /// The function that matches.
    pub(super) fn code(&self, shape: &str) -> String {
        match self {
            Matcher::Only(arm) => {
                format!("|text| only(text, |byte| matches!(byte, {arm}))")
            }
            Matcher::Number(digits) => format!("|text| number(text, {digits})"),
            Matcher::Expression(_) => {
                let name = naming::constant(shape);
                format!(
                    "|text| {name}_PATTERN.as_ref().is_some_and(|expression| expression.is_match(text))"
                )
            }
        }
    }
}

/// How a pattern of the model, which is one of Java's, is matched; `None` when it has something that
/// is not known here.
pub(super) fn matcher(pattern: &str) -> Option<Matcher> {
    if !pattern.is_ascii() {
        return None;
    }
    let bare = pattern.strip_prefix('^').unwrap_or(pattern);
    let bare = bare.strip_suffix('$').unwrap_or(bare);
    if let Some(more) = bare
        .strip_prefix(r"(0|([1-9]\d{0,")
        .and_then(|rest| rest.strip_suffix("}))"))
    {
        return Some(Matcher::Number(more.parse::<u32>().ok()? + 1));
    }
    if let Some(class) = bare
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix("]+"))
        && let Some(arm) = class_arm(class)
    {
        return Some(Matcher::Only(arm));
    }
    Some(Matcher::Expression(format!("^(?:{})$", translated(bare)?)))
}

/// The inside of a simple class as alternatives of bytes.
fn class_arm(class: &str) -> Option<String> {
    let mut characters = class.chars().peekable();
    let mut arm = String::new();
    while let Some(c) = characters.next() {
        let first = match c {
            '^' | '[' | ']' | '&' => return None,
            '\\' => characters.next().filter(|c| !c.is_ascii_alphanumeric())?,
            c => c,
        };
        if !arm.is_empty() {
            arm.push_str(" | ");
        }
        let mut ahead = characters.clone();
        let range =
            ahead.next() == Some('-') && ahead.next().is_some_and(|c| c.is_ascii_alphanumeric());
        if range && first.is_ascii_alphanumeric() {
            characters.next();
            let last = characters.next()?;
            let _ = write!(arm, "b{first:?}..=b{last:?}");
        } else {
            let _ = write!(arm, "b{first:?}");
        }
    }
    (!arm.is_empty()).then_some(arm)
}

/// A pattern of Java's in the words of the `regex` crate: its classes are those of ASCII.
fn translated(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next()? {
                'd' => out.push_str("[0-9]"),
                'S' => out.push_str(r"[^ \t\n\x0B\f\r]"),
                c if c.is_ascii_alphanumeric() => return None,
                c => {
                    out.push('\\');
                    out.push(c);
                }
            },
            '.' if !within_class(&out) => out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            c => out.push(c),
        }
    }
    Some(out)
}

/// Whether what is written so far ends inside of a class.
fn within_class(written: &str) -> bool {
    let mut inside = false;
    let mut characters = written.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                characters.next();
            }
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_numbers_are_code() {
        assert_eq!(
            matcher("[a-zA-Z0-9_.-]+"),
            Some(Matcher::Only(
                "b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-'".into()
            ))
        );
        assert_eq!(matcher(r"^(0|([1-9]\d{0,38}))$"), Some(Matcher::Number(39)));
        assert_eq!(matcher("[0-9A-Za-z!\\-_'.*()\\/]+"), Some(Matcher::Only(
            "b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'-' | b'_' | b'\\'' | b'.' | b'*' | b'(' | b')' | b'/'".into()
        )));
    }

    #[test]
    fn what_is_more_is_an_expression() {
        let Some(Matcher::Expression(text)) = matcher(r"arn:aws.*:kinesis:.*:\d{12}:stream/[.]\S+")
        else {
            panic!("an expression");
        };
        assert_eq!(
            text,
            r"^(?:arn:aws[^\n\r\x{85}\x{2028}\x{2029}]*:kinesis:[^\n\r\x{85}\x{2028}\x{2029}]*:[0-9]{12}:stream/[.][^ \t\n\x0B\f\r]+)$"
        );
        assert!(matches!(matcher("[^:*]*"), Some(Matcher::Expression(_))));
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert_eq!(matcher(r"\p{L}+"), None);
        assert_eq!(matcher("é"), None);
    }
}
