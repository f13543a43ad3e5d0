use clap::Parser;

use super::*;
use crate::arguments::{Arguments, Command};

fn config(line: &str) -> Config {
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
    let Command::Serve(serve) = arguments.command else {
        panic!("not serve");
    };
    serve.config().unwrap()
}

#[test]
fn without_options_the_defaults_stand() {
    let config = config("millstream serve");
    assert_eq!(config, Config::default());
    assert_eq!(config.listen, crate::arguments::DEFAULT_SERVER);
    assert_eq!(config.data.to_str(), Some("millstream-data"));
}

#[test]
fn options_win_over_the_file_and_leave_the_rest_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.toml");
    let text = "\
data = \"/of/the/file\"
listen = \"127.0.0.1:1\"
insecure = true
[store]
device = \"portable\"
direct_io = false
";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();

    let from_file = config(&format!("millstream serve --config {path}"));
    assert_eq!(from_file.data.to_str(), Some("/of/the/file"));
    assert_eq!(from_file.store.device, DeviceChoice::Portable);
    assert!(from_file.insecure && !from_file.store.direct_io);

    let line =
        format!("millstream serve --config {path} --data /d --device io_uring --memory 8MiB");
    let both = config(&line);
    assert_eq!(both.data.to_str(), Some("/d"));
    assert_eq!(both.store.device, DeviceChoice::IoUring);
    assert_eq!(both.store.memory_budget, 8 << 20);
    assert_eq!(both.listen, "127.0.0.1:1");
    assert!(both.insecure && !both.store.direct_io);
}
