use super::*;

const FILE: &str = "\u{feff}# who may come in
[default]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY==
region = eu-west-1
s3 =
  max_concurrent_requests = 20

[profile writer]
AWS_ACCESS_KEY_ID=writer
aws_secret_access_key=s
aws_session_token = token
; a profile of something else
[sso]
sso_start_url = https://example.com
";

#[test]
fn each_profile_with_a_key_is_one_client() {
    let profiles = parse(FILE).unwrap();
    let names: Vec<&str> = profiles.iter().map(|profile| &*profile.name).collect();
    assert_eq!(names, ["default", "writer"]);
    let first = &profiles[0].credentials;
    assert_eq!(first.access_key, "AKIDEXAMPLE");
    assert_eq!(
        first.secret_key,
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=="
    );
    assert_eq!(first.session_token, None);
    let second = &profiles[1].credentials;
    assert_eq!(second.access_key, "writer");
    assert_eq!(second.session_token.as_deref(), Some("token"));
    assert!(
        !format!("{profiles:?}").contains("wJalr"),
        "a secret is not shown"
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (text, error) in [
        ("[a", CredentialsError::Line { line: 1 }),
        ("[a]\nwhat", CredentialsError::Line { line: 2 }),
        (
            "\naws_access_key_id = a",
            CredentialsError::NoProfile { line: 2 },
        ),
        (
            "[a]\naws_access_key_id = a",
            CredentialsError::Half {
                profile: "a".to_owned(),
                missing: SECRET_KEY,
            },
        ),
        (
            "[a]\naws_secret_access_key = a\naws_access_key_id =",
            CredentialsError::Half {
                profile: "a".to_owned(),
                missing: ACCESS_KEY,
            },
        ),
        (
            "[a]\naws_access_key_id = a/b\naws_secret_access_key = c",
            CredentialsError::AccessKey {
                profile: "a".to_owned(),
            },
        ),
        (
            "[a]\naws_access_key_id = k\naws_secret_access_key = c\n[b]\naws_access_key_id = k\naws_secret_access_key = d",
            CredentialsError::Twice {
                first: "a".to_owned(),
                second: "b".to_owned(),
            },
        ),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
    assert_eq!(parse(""), Ok(Vec::new()));
}
