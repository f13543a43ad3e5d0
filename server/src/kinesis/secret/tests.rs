use super::*;

#[test]
fn a_key_is_made_once() {
    let data = tempfile::tempdir().unwrap();
    let first = ensure(data.path()).unwrap();
    assert_ne!(first, [0; 32]);
    assert_eq!(ensure(data.path()).unwrap(), first);
    let mode = fs::metadata(data.path().join(FILE_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(ensure(other.path()).unwrap(), first);
    assert_eq!(
        fs::read_dir(data.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn half_a_key_is_told() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join(FILE_NAME), [1; 16]).unwrap();
    let error = ensure(data.path()).unwrap_err().to_string();
    assert!(
        error.contains(FILE_NAME) && error.contains("remove it"),
        "{error}"
    );
}
