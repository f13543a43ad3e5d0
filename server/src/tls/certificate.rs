//! Certificate and key in files.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::error::ServerError;

/// Longest file that is read: chains of many certificates fit.
const FILE_BYTES: u64 = 1 << 20;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What the files hold.
#[derive(PartialEq, Eq)]
pub(super) struct Certificate {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// Reads both.
    pub(super) fn read(&self) -> Result<Certificate, ServerError> {
        let read = |path: &Path| {
            let len = fs::metadata(path)
                .map_err(|error| unusable(path, error))?
                .len();
            if len > FILE_BYTES {
                return Err(unusable(
                    path,
                    "longer than 1 MiB, so it holds something else",
                ));
            }
            fs::read(path).map_err(|error| unusable(path, error))
        };
        Ok(Certificate {
            cert: read(&self.cert)?,
            key: read(&self.key)?,
        })
    }
}

impl Certificate {
    pub(super) fn chain(&self, files: &Files) -> Result<Vec<CertificateDer<'static>>, ServerError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(unusable(
                &files.cert,
                "no certificate in it; it must be PEM, with BEGIN CERTIFICATE",
            )),
            Err(error) => Err(unusable(&files.cert, error)),
        }
    }

    /// A server that shows the certificate.
    pub(super) fn server(&self, files: &Files) -> Result<ServerConfig, ServerError> {
        let chain = self.chain(files)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| unusable(&files.key, format!("no private key in PEM: {error}")))?;
        let provider = Arc::new(default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&files.cert, error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| {
                unusable(
                    &files.cert,
                    format!("with {}: {error}", files.key.display()),
                )
            })
    }

    /// SHA-256 of the first certificate: two digits a byte, with colons between.
    pub(super) fn fingerprint(&self, files: &Files) -> Result<String, ServerError> {
        let chain = self.chain(files)?;
        let mut text = String::new();
        if let Some(der) = chain.first() {
            for byte in digest::digest(&digest::SHA256, der).as_ref() {
                // Writing to a string does not fail.
                let _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
            }
        }
        Ok(text)
    }
}

pub(super) fn unusable(path: &Path, reason: impl ToString) -> ServerError {
    ServerError::Tls {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Writes a file so that it is there whole or not at all, readable by its owner alone where it is
/// secret.
pub(super) fn write(path: &Path, bytes: &[u8], secret: bool) -> io::Result<()> {
    use io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mode = if secret { 0o600 } else { 0o644 };
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(directory)?.sync_all()
}
