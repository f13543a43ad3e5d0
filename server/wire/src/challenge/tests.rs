use super::*;

fn credentials(secret: &str) -> Credentials {
    Credentials {
        access_key: "client".to_owned(),
        secret_key: secret.to_owned(),
        session_token: None,
    }
}

#[test]
fn only_the_secret_answers_and_only_this_challenge() {
    let challenge = Challenge {
        version: 2,
        nonce: [1; NONCE_BYTES],
    };
    let own = credentials("secret");
    let answer = challenge.answer(&own, [2; NONCE_BYTES]);
    assert!(challenge.is_answered_by(&answer, "secret"));
    assert!(!challenge.is_answered_by(&answer, "guess"));
    let mut replayed = challenge;
    replayed.nonce[31] ^= 1;
    assert!(!replayed.is_answered_by(&answer, "secret"), "a replay");
    let mut lowered = challenge;
    lowered.version = 3;
    assert!(
        !lowered.is_answered_by(&answer, "secret"),
        "another version"
    );
    for change in [0, 1, 2] {
        let mut changed = answer;
        match change {
            0 => changed.access_key = "clienT",
            1 => changed.nonce[0] ^= 1,
            _ => changed.proof[31] ^= 1,
        }
        assert!(!challenge.is_answered_by(&changed, "secret"), "{change}");
    }
}
