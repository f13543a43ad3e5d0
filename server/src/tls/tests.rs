use super::*;

#[test]
fn a_handshake_is_told_from_http_and_from_frames() {
    let frame = |len: u32| len.to_le_bytes();
    for (bytes, is) in [
        (&b""[..], None),
        (b"\x16", None),
        (b"\x16\x03", None),
        (b"\x16\x03\x01", Some(true)),
        (b"\x16\x03\x03\x02\x00", Some(true)),
        (b"P", Some(false)),
        (b"PRI * HTTP/2.0", Some(false)),
        (b"\x2d", Some(false)),
        // The longest Hello begins with less than this.
        (&frame(0x0316)[..], Some(false)),
        (&frame(0x0116), Some(false)),
    ] {
        assert_eq!(is_handshake(bytes), is, "{bytes:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    let open = || {
        let config = TlsConfig {
            cert: Some(cert.clone()),
            key: Some(key.clone()),
            ..TlsConfig::default()
        };
        Tls::open(&config, directory.path())
            .err()
            .map(|error| error.to_string())
    };
    assert!(open().unwrap().contains("cert.pem"));
    std::fs::write(&cert, "no certificate").unwrap();
    std::fs::write(&key, "no key").unwrap();
    assert!(open().unwrap().contains("BEGIN CERTIFICATE"));
    let made = self_signed::ensure(directory.path(), &[]).unwrap();
    std::fs::copy(&made.cert, &cert).unwrap();
    assert!(open().unwrap().contains("key.pem"));
    // The key of another certificate.
    let other = tempfile::tempdir().unwrap();
    let other = self_signed::ensure(other.path(), &[]).unwrap();
    std::fs::copy(&other.key, &key).unwrap();
    assert!(open().unwrap().contains("cert.pem"));
    std::fs::copy(&made.key, &key).unwrap();
    assert_eq!(open(), None);
}

#[test]
fn a_certificate_whose_key_was_lost_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let files = self_signed::ensure(directory.path(), &[]).unwrap();
    let first = std::fs::read(&files.cert).unwrap();
    self_signed::ensure(directory.path(), &["localhost".to_owned()]).unwrap();
    assert_eq!(
        std::fs::read(&files.cert).unwrap(),
        first,
        "nothing was lacking"
    );
    // As a start leaves it that was cut short between the two files.
    let other = tempfile::tempdir().unwrap();
    let other = self_signed::ensure(other.path(), &[]).unwrap();
    std::fs::copy(&other.key, &files.key).unwrap();
    let again = self_signed::ensure(directory.path(), &[]).unwrap();
    assert_ne!(std::fs::read(&again.cert).unwrap(), first);
    again.read().unwrap().server(&again).unwrap();
}
