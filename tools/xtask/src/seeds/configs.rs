//! Configuration files: one that says much, and the ways to be wrong.

use super::Seed;

const FULL: &str = r#"data = "/var/lib/millstream"
listen = "127.0.0.1:7071"
insecure = false
credentials = "clients.ini"
shutdown_grace = "10 s"

[store]
device = "portable"
direct_io = false
memory_budget = "64 MiB"
linger = "0"
segment_bytes = 67108864

[streams]
compression = "zstd:3"
durability = "written"
verify_routing = true

[limits]
frame_bytes = "17 MiB"
connections = 10
put_wait = "1 min"

[kinesis]
listen = "off"
region = "eu-west-1"
cors_origins = ["*"]

[tls]
self_signed = true
names = ["streams.example.com"]
"#;

pub(super) fn seeds() -> Vec<Seed> {
    vec![
        ("full", FULL.as_bytes().to_vec()),
        ("unknown-key", b"lissen = \"127.0.0.1:1\"\n".to_vec()),
        (
            "large",
            b"[store]\nmemory_budget = 18446744073709551615\n".to_vec(),
        ),
        (
            "negative",
            b"[limits]\nconnections = -1\nput_wait = \"-1s\"\n".to_vec(),
        ),
    ]
}
