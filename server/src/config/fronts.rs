//! What a configuration says of the AWS API, of certificates, and of who may come in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{ConfigError, quantity};

/// What `kinesis.listen` says where the AWS API is not wanted.
const OFF: &str = "off";
/// Sizes that the limit of a request's body may have: the largest request that there is fits.
const BODY_BYTES: std::ops::RangeInclusive<usize> = 16 << 20..=256 << 20;
/// Longest tolerance for a client's clock.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(24 * 3600);

/// The `[kinesis]` section: the AWS API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KinesisConfig {
    /// Address and port of the AWS API, or `off`; port 0 takes any free one.
    pub listen: String,
    /// The region that the server says it is.
    pub region: String,
    /// The account that every stream belongs to.
    pub account_id: String,
    /// How much a shard takes and gives: `none`, `aws`, or the path of a file with numbers.
    pub limits: String,
    /// Origins of web pages whose scripts may call the API; `*` for any.
    pub cors_origins: Vec<String>,
    /// How far a signature's time may be from the server's, in either direction.
    #[serde(deserialize_with = "quantity::duration")]
    pub clock_skew: Duration,
    /// Bytes of a request's body, before and after decompression.
    #[serde(deserialize_with = "quantity::bytes")]
    pub body_bytes: usize,
    /// Bytes of bodies being received and carried out, over all connections.
    #[serde(deserialize_with = "quantity::bytes")]
    pub bytes_in_flight: usize,
    /// How long a connection may be without a request, and the head of one may take.
    #[serde(deserialize_with = "quantity::duration")]
    pub idle_timeout: Duration,
}

impl Default for KinesisConfig {
    fn default() -> Self {
        KinesisConfig {
            listen: "127.0.0.1:4567".to_owned(),
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            limits: "none".to_owned(),
            cors_origins: Vec::new(),
            clock_skew: Duration::from_secs(300),
            body_bytes: 16 << 20,
            bytes_in_flight: 128 << 20,
            idle_timeout: Duration::from_secs(120),
        }
    }
}

impl KinesisConfig {
    /// Where the AWS API listens; `None` where it is off.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        (self.listen != OFF).then_some(&*self.listen)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |key: &'static str, reason: &str| {
            let reason = reason.to_owned();
            Err(ConfigError::Value { key, reason })
        };
        let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.is_empty() || self.region.len() > 64 || !self.region.chars().all(is_region) {
            return value("kinesis.region", "letters, digits and -, like us-east-1");
        }
        if self.account_id.len() != 12 || !self.account_id.chars().all(|c| c.is_ascii_digit()) {
            return value("kinesis.account_id", "12 digits");
        }
        if self.limits.is_empty() {
            return value("kinesis.limits", "none, aws, or the path of a file");
        }
        for origin in &self.cors_origins {
            let is_origin = origin == "*" || origin.contains("://");
            if !is_origin || !origin.chars().all(|c| c.is_ascii_graphic()) {
                let reason = "origins like https://console.example.com, or *";
                return value("kinesis.cors_origins", reason);
            }
        }
        if self.clock_skew > CLOCK_SKEW_MAX {
            return value("kinesis.clock_skew", "at most 24 h");
        }
        if !BODY_BYTES.contains(&self.body_bytes) {
            return value("kinesis.body_bytes", "16 MiB to 256 MiB");
        }
        if self.bytes_in_flight < 3 * self.body_bytes || self.bytes_in_flight > u32::MAX as usize {
            let reason = "at least three times kinesis.body_bytes, and less than 4 GiB";
            return value("kinesis.bytes_in_flight", reason);
        }
        if self.idle_timeout.is_zero() {
            return value("kinesis.idle_timeout", "more than zero");
        }
        Ok(())
    }
}

/// The `[tls]` section: the certificate of both ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsConfig {
    /// File with the certificate, and those between it and its authority, in PEM.
    pub cert: Option<PathBuf>,
    /// File with the private key of the certificate, in PEM.
    pub key: Option<PathBuf>,
    /// Without files: make a certificate at the first start, and keep it in the data directory.
    pub self_signed: bool,
    /// Names and addresses that the made certificate is for, beside localhost, 127.0.0.1 and ::1.
    pub names: Vec<String>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateSource<'a> {
    /// Certificate and key.
    Files(&'a Path, &'a Path),
    /// Made, for these names.
    SelfSigned(&'a [String]),
}

impl TlsConfig {
    /// Where the certificate comes from; `None` where there is no TLS.
    pub(crate) fn source(&self) -> Option<CertificateSource<'_>> {
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(CertificateSource::Files(cert, key)),
            _ if self.self_signed => Some(CertificateSource::SelfSigned(&self.names)),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let value = |key: &'static str, reason: &str| {
            let reason = reason.to_owned();
            Err(ConfigError::Value { key, reason })
        };
        match (&self.cert, &self.key) {
            (Some(_), None) => return value("tls.key", "given with tls.cert, whose key it is"),
            (None, Some(_)) => return value("tls.cert", "given with tls.key, which is its key"),
            (Some(_), Some(_)) if self.self_signed => {
                let reason = "left out where tls.cert and tls.key are given";
                return value("tls.self_signed", reason);
            }
            _ => {}
        }
        if !self.names.is_empty() && !self.self_signed {
            let reason = "left out unless tls.self_signed is true: a certificate from a file has the names that it has";
            return value("tls.names", reason);
        }
        if let Some(name) = self.names.iter().find(|name| !is_server_name(name)) {
            let reason = format!("DNS names and IP addresses; {name:?} is neither");
            return value("tls.names", &reason);
        }
        Ok(())
    }
}

/// Whether a certificate can be for this name: clients must be able to ask for it.
fn is_server_name(name: &str) -> bool {
    let asked = name.strip_prefix("*.").unwrap_or(name);
    rustls::pki_types::ServerName::try_from(asked).is_ok()
}
