//! What `serve` says when it has started.

use std::{
    env,
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{arguments::DEFAULT_SERVER, quantity::counted};

/// A server that has started.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// Where it listens.
    pub(crate) listening: SocketAddr,
    /// Where the AWS API listens, if it does.
    pub(crate) kinesis: Option<SocketAddr>,
    /// The certificate that clients are shown, if there is one.
    pub(crate) certificate: Option<Shown>,
    /// Whether clients have to show that they have a secret.
    pub(crate) asks: bool,
    /// Where its data is.
    pub(crate) data: PathBuf,
    /// "io_uring" or "portable".
    pub(crate) device: &'static str,
    /// Whether writes bypass the page cache.
    pub(crate) direct: bool,
    /// Bytes to which batches are padded.
    pub(crate) block: usize,
    /// Why a better device was not chosen, if so.
    pub(crate) device_note: Option<String>,
    /// Streams that were recovered.
    pub(crate) streams: usize,
    /// Their shards.
    pub(crate) shards: usize,
    /// How to call this binary.
    pub(crate) binary: String,
}

/// A certificate, as clients can recognise it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// SHA-256 of it.
    pub(crate) fingerprint: String,
    /// Where it is.
    pub(crate) file: PathBuf,
}

impl Screen {
    /// As one JSON value.
    pub(crate) fn json(&self) -> Value {
        json!({
            "listening": self.listening.to_string(),
            "kinesis": self.kinesis.map(|address| address.to_string()),
            "certificate": self.certificate.as_ref().map(|shown| json!({
                "sha256": shown.fingerprint,
                "file": shown.file,
            })),
            "credentials": self.asks,
            "data": self.data,
            "device": self.device,
            "direct_io": self.direct,
            "block_bytes": self.block,
            "device_note": self.device_note,
            "streams": self.streams,
            "shards": self.shards,
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// As one screen of text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let io = if self.direct { "direct" } else { "buffered" };
        // Writing to a string does not fail.
        let _ = writeln!(out, "Millstream {}", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(out, "  listening  {}", self.listening);
        if let Some(kinesis) = self.kinesis {
            let scheme = if self.certificate.is_some() {
                "https"
            } else {
                "http"
            };
            let _ = writeln!(out, "  kinesis    {scheme}://{}", reached(kinesis));
        }
        if let Some(shown) = &self.certificate {
            let _ = writeln!(out, "  tls        {}", shown.file.display());
            let _ = writeln!(out, "             SHA-256 {}", shown.fingerprint);
        }
        let _ = writeln!(out, "  data       {}", self.data.display());
        let _ = writeln!(
            out,
            "  device     {}, {io} I/O, blocks of {} bytes",
            self.device, self.block
        );
        if let Some(note) = &self.device_note {
            let _ = writeln!(out, "             ({note})");
        }
        let _ = writeln!(
            out,
            "  recovered  {}, {}",
            counted(self.streams as u64, "stream"),
            counted(self.shards as u64, "shard")
        );
        let call = self.call();
        let _ = writeln!(out, "\nTry, in another terminal:");
        let _ = writeln!(out, "  {call} stream create demo --shards 4");
        let _ = writeln!(out, "  echo 'hello, stream' | {call} put demo");
        let _ = writeln!(out, "  {call} get demo");
        let _ = writeln!(out, "\nCtrl-C stops it.");
        out
    }

    /// The binary with what it needs to find this server.
    fn call(&self) -> String {
        if self.listening.to_string() == DEFAULT_SERVER {
            return self.binary.clone();
        }
        format!("{} --server {}", self.binary, reached(self.listening))
    }
}

/// An address that reaches this one from here: what listens on every address is reached on
/// loopback.
fn reached(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// How to call this very binary from here: its name alone where the path finds it, else its path.
pub(crate) fn binary_call() -> String {
    const NAME: &str = "millstream";
    let Ok(this) = env::current_exe() else {
        return NAME.to_owned();
    };
    let same = |path: PathBuf| path.canonicalize().is_ok_and(|found| found == this);
    let path = env::var_os("PATH").unwrap_or_default();
    if env::split_paths(&path)
        .map(|directory| directory.join(NAME))
        .find(|candidate| candidate.is_file())
        .is_some_and(same)
    {
        return NAME.to_owned();
    }
    let here = env::current_dir().unwrap_or_default();
    match this.strip_prefix(&here) {
        // A name alone would be looked for in the path.
        Ok(inside) if inside.components().count() == 1 => quoted(&Path::new(".").join(inside)),
        Ok(inside) => quoted(inside),
        Err(_) => quoted(&this),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
