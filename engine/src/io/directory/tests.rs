use super::*;

#[test]
fn missing_parents_are_made_and_what_is_there_is_left() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/c");
    create(&path).unwrap();
    fs::write(path.join("file"), "kept").unwrap();
    create(&path).unwrap();
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "kept");
}

#[test]
fn a_file_in_the_way_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let kind = |path: &Path| create(path).unwrap_err().kind();
    assert_eq!(kind(&file), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(&file.join("below")), io::ErrorKind::NotADirectory);
}

#[test]
fn names_are_listed_with_what_they_are() {
    let root = tempfile::tempdir().unwrap();
    create(&root.path().join("directory")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    fs::write(root.path().join(odd), "").unwrap();
    let mut entries = list(root.path()).unwrap();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let entry = |name: &str, is_dir| DirEntry {
        name: name.to_owned(),
        is_dir,
    };
    assert_eq!(entries, [entry("directory", true), entry("file", false)]);
    sync(root.path()).unwrap();
    let missing = sync(&root.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}
