use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn number(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn field_rule(n: usize, delimiter: Delimiter) -> KeyRule {
    KeyRule::Field {
        number: number(n),
        delimiter,
    }
}

fn naive_white_space(line: &[u8]) -> Vec<Vec<u8>> {
    line.split(|b| b" \t\x0b\x0c\r\n".contains(b))
        .filter(|field| !field.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

proptest! {
    #[test]
    fn white_space_fields_are_those_of_a_naive_split(
        line in proptest::collection::vec(prop_oneof![
            Just(b' '), Just(b'\t'), Just(b'\r'), Just(0x0b), Just(b'a'), any::<u8>()
        ], 0..60),
        n in 1usize..8,
    ) {
        let expected = naive_white_space(&line);
        let found = Delimiter::WhiteSpace.field(&line, number(n)).map(<[u8]>::to_vec);
        prop_assert_eq!(found, expected.get(n - 1).cloned());
    }

    #[test]
    fn delimited_fields_are_those_of_a_naive_split(
        line in "[,a→ ]{0,30}",
        n in 1usize..8,
        delimiter in prop_oneof![Just(","), Just("→")],
    ) {
        let expected = line.split(delimiter).nth(n - 1).map(|f| f.as_bytes().to_vec());
        let rule: Delimiter = delimiter.parse().unwrap();
        let found = rule.field(line.as_bytes(), number(n)).map(<[u8]>::to_vec);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn leading_white_space_is_no_field() {
    let mut rule = field_rule(1, Delimiter::WhiteSpace);
    assert_eq!(rule.key(b"  \t first second"), Ok("first"));
}

#[test]
fn a_field_that_is_no_key_is_refused() {
    let mut spaces = field_rule(2, Delimiter::WhiteSpace);
    let field = number(2);
    assert_eq!(spaces.key(b"one"), Err(KeyError::Empty { field }));
    assert_eq!(spaces.key(b""), Err(KeyError::Empty { field }));
    assert_eq!(
        spaces.key(b"one \xff\xfe"),
        Err(KeyError::NotUtf8 { field })
    );
    let mut commas = field_rule(2, ",".parse().unwrap());
    assert_eq!(commas.key(b"one,,three"), Err(KeyError::Empty { field }));
    assert_eq!(commas.key(b"one, two ,three"), Ok(" two "));
}

#[test]
fn the_key_limit_counts_characters() {
    let mut rule = field_rule(1, Delimiter::WhiteSpace);
    let long = "é".repeat(MAX_KEY_CHARS);
    assert_eq!(rule.key(long.as_bytes()), Ok(long.as_str()));
    let too_long = "é".repeat(MAX_KEY_CHARS + 1);
    let field = number(1);
    assert_eq!(
        rule.key(too_long.as_bytes()),
        Err(KeyError::TooLong { field })
    );
}

#[test]
fn a_delimiter_is_one_character() {
    assert_eq!("\\t".parse(), Ok(Delimiter::Char(b"\t".to_vec())));
    assert_eq!("é".parse(), Ok(Delimiter::Char("é".into())));
    assert!("ab".parse::<Delimiter>().is_err());
    assert!("".parse::<Delimiter>().is_err());
    assert!("\n".parse::<Delimiter>().is_err());
}

#[test]
fn random_keys_differ_and_have_a_fixed_length() {
    let mut keys = RandomKeys::seeded(7);
    let seen: HashSet<String> = (0..10_000).map(|_| keys.next_key().to_owned()).collect();
    assert_eq!(seen.len(), 10_000);
    assert!(seen.iter().all(|key| key.len() == RANDOM_KEY_BYTES));
}
