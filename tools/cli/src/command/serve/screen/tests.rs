use super::*;

fn screen() -> Screen {
    Screen {
        listening: DEFAULT_SERVER.parse().unwrap(),
        kinesis: Some("0.0.0.0:4567".parse().unwrap()),
        certificate: Some(Shown {
            fingerprint: "AA:BB".to_owned(),
            file: "/var/lib/millstream/tls-cert.pem".into(),
        }),
        asks: true,
        data: "/var/lib/millstream".into(),
        device: "portable",
        direct: false,
        block: 4096,
        device_note: Some("io_uring is forbidden here".to_owned()),
        streams: 1,
        shards: 4,
        binary: "millstream".to_owned(),
    }
}

#[test]
fn it_fits_a_screen_and_says_all_of_it() {
    let expected = format!(
        "\
Millstream {}
  listening  127.0.0.1:7071
  kinesis    https://127.0.0.1:4567
  tls        /var/lib/millstream/tls-cert.pem
             SHA-256 AA:BB
  data       /var/lib/millstream
  device     portable, buffered I/O, blocks of 4096 bytes
             (io_uring is forbidden here)
  recovered  1 stream, 4 shards

Try, in another terminal:
  millstream stream create demo --shards 4
  echo 'hello, stream' | millstream put demo
  millstream get demo

Ctrl-C stops it.
",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(screen().text(), expected);
}

#[test]
fn another_address_is_part_of_what_to_try() {
    let mut screen = screen();
    screen.listening = "0.0.0.0:7100".parse().unwrap();
    assert_eq!(screen.call(), "millstream --server 127.0.0.1:7100");
    screen.listening = "[::1]:7071".parse().unwrap();
    assert_eq!(screen.call(), "millstream --server [::1]:7071");
}

#[test]
fn paths_are_quoted_for_the_shell_where_they_need_it() {
    assert_eq!(
        quoted(Path::new("target/release/millstream")),
        "target/release/millstream"
    );
    assert_eq!(quoted(Path::new("/my house/it's")), "'/my house/it'\\''s'");
}
