use super::*;

fn load(text: &str) -> Result<Clients, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clients.ini");
    fs::write(&path, text).unwrap();
    Clients::load(&path).map_err(|error| error.to_string())
}

#[test]
fn a_file_with_clients_is_taken_and_others_say_what_would_do() {
    let clients = load("[a]\naws_access_key_id = k\naws_secret_access_key = s\n").unwrap();
    assert_eq!(clients.get("k").unwrap().secret_key, "s");
    assert!(clients.get("other").is_none());
    for (text, said) in [
        ("", "names nobody"),
        ("[a]\nregion = x\n", "names nobody"),
        ("[a]\naws_access_key_id = k\n", "aws_secret_access_key"),
    ] {
        let error = load(text).unwrap_err();
        assert!(
            error.contains(said) && error.contains("clients.ini"),
            "{error}"
        );
    }
    let missing = Clients::load(Path::new("/no/such/file")).unwrap_err();
    assert!(missing.to_string().contains("/no/such/file"));
}
