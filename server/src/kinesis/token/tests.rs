use super::*;

fn place() -> Place {
    Place::Shards {
        stream: "s".to_owned(),
        id: 7,
        after: 3,
        which: Which::From(99),
    }
}

#[test]
fn a_token_opens_until_it_is_too_old() {
    let tokens = Tokens::new(&[1; 32]);
    let token = tokens.seal(place(), 1000);
    // After a restart, too.
    let tokens = Tokens::new(&[1; 32]);
    assert_eq!(tokens.open(&token, 1000).unwrap(), place());
    assert_eq!(tokens.open(&token, 1000 + LIFETIME_MS).unwrap(), place());
    // The clock was set back.
    assert_eq!(tokens.open(&token, 0).unwrap(), place());
    let old = tokens.open(&token, 1001 + LIFETIME_MS).unwrap_err();
    assert_eq!(old.kind(), FaultKind::ExpiredNextTokenException);
}

#[test]
fn a_token_that_was_not_given_is_refused() {
    let tokens = Tokens::new(&[1; 32]);
    let token = tokens.seal(place(), 1000);
    let changed = |at: usize| {
        let mut bytes = base64_simd::STANDARD.decode_to_vec(&token).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        base64_simd::STANDARD.encode_to_string(&bytes)
    };
    let mut wrong: Vec<String> = (0..200).map(changed).collect();
    wrong.extend(["".to_owned(), "AAAA".to_owned(), "no token".to_owned()]);
    wrong.push(Tokens::new(&[2; 32]).seal(place(), 1000));
    for token in wrong {
        let fault = tokens.open(&token, 1000).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidArgumentException, "{token}");
    }
}
