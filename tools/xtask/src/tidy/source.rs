//! A source file, with its comments and literals blanked out so that rules see only code.

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// Path relative to the root of the workspace.
    pub(super) path: String,
    /// The file's lines.
    pub(super) lines: usize,
    /// Its text without what stands in comments, strings and character literals; lines are kept.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: String, text: &str) -> Source {
        Source {
            path,
            lines: text.lines().count(),
            code: blank(text),
        }
    }

    /// Lines, from 1, in which `word` stands as a whole word (a path such as `thread::spawn` may
    /// be one).
    pub(super) fn lines_with<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let numbered = self.code.lines().enumerate();
        numbered
            .filter(move |(_, line)| holds_word(line, word))
            .map(|(index, _)| index + 1)
    }

    /// Whether the file holds tests or benches rather than what is shipped.
    pub(super) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let Some((file, directories)) = parts.split_last() else {
            return false;
        };
        *file == "tests.rs" || directories.contains(&"tests")
    }
}

fn holds_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// Replaces every character in comments and literals by a space, but for line ends.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else if c == 'r' && !out.ends_with(word) || rest.starts_with("br") {
            raw_string(rest)
        } else {
            0
        };
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let (gone, after) = rest.split_at(skipped);
            out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// Bytes of the block comment at the front; they nest.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Bytes of the string literal at the front.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the raw string literal at the front, 0 when there is none.
fn raw_string(text: &str) -> usize {
    let start = text.trim_start_matches(['b', 'r']);
    let hashes = start.len() - start.trim_start_matches('#').len();
    let Some(inner) = start[hashes..].strip_prefix('"') else {
        return 0;
    };
    let end = format!("\"{}", "#".repeat(hashes));
    match inner.find(&end) {
        Some(at) => text.len() - inner.len() + at + end.len(),
        None => text.len(),
    }
}

/// Bytes of the character literal at the front, 0 when it is a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            let end = chars.find(|(_, c)| *c == '\'');
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        blank(text)
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        for text in [
            "// unsafe",
            "/* a /* unsafe */ unsafe */",
            "\"unsafe \\\" unsafe\"",
            "r#\"unsafe \" unsafe\"#",
            "br\"unsafe\"",
            "'\\'' // unsafe",
        ] {
            assert!(!code(text).contains("unsafe"), "{text}");
        }
    }

    #[test]
    fn code_after_a_literal_is_still_code() {
        for text in [
            "'\"' unsafe",
            "\"\\\\\" unsafe",
            "r\"\\\" unsafe",
            "fn f<'a>(x: &'a u8) { unsafe",
            "/* */ unsafe",
            "for_r(\"\") unsafe",
            "b'\\'' unsafe",
        ] {
            assert!(code(text).contains("unsafe"), "{text}");
        }
    }

    #[test]
    fn words_are_whole_and_lines_are_counted() {
        let source = Source::new("a.rs".to_owned(), "unsafe_code\n/*\n*/ x unsafe {\n");
        assert_eq!(source.lines_with("unsafe").collect::<Vec<_>>(), [3]);
        assert_eq!(source.lines, 3);
    }
}
