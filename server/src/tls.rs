//! The certificate that both fronts show, from files or made by the server itself.
//!
//! Files are looked at again and again: a certificate that is renewed is taken up by the next
//! connection, and one that cannot be used leaves the last one in place.

mod certificate;
mod self_signed;

use std::{path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{CertificateSource, TlsConfig},
    error::ServerError,
    shutdown::Shutdown,
};
use certificate::{Certificate, Files};

/// How often files are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);
/// Protocols over TLS, the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate in force.
pub(crate) struct Tls {
    files: Files,
    current: ArcSwap<Current>,
}

struct Current {
    http: Arc<ServerConfig>,
    binary: Arc<ServerConfig>,
    fingerprint: String,
    /// What the files held.
    certificate: Certificate,
}

impl Tls {
    /// Reads the configured files, or makes a certificate in the data directory if there is none
    /// for the names that are wanted; `None` where TLS is not wanted.
    ///
    /// # Errors
    /// [`ServerError::Tls`] with the file at fault.
    pub(crate) fn open(config: &TlsConfig, data: &Path) -> Result<Option<Tls>, ServerError> {
        let files = match config.source() {
            None => return Ok(None),
            Some(CertificateSource::Files(cert, key)) => Files {
                cert: cert.to_owned(),
                key: key.to_owned(),
            },
            Some(CertificateSource::SelfSigned(names)) => self_signed::ensure(data, names)?,
        };
        let current = Current::of(files.read()?, &files)?;
        Ok(Some(Tls {
            files,
            current: ArcSwap::from_pointee(current),
        }))
    }

    /// Accepts TLS for HTTP, and settles its version.
    pub(crate) fn http(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().http))
    }

    /// Accepts TLS for the binary protocol.
    pub(crate) fn binary(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().binary))
    }

    /// SHA-256 of the certificate, as tools print it.
    pub(crate) fn fingerprint(&self) -> String {
        self.current.load().fingerprint.clone()
    }

    /// The file with the certificate.
    pub(crate) fn cert_file(&self) -> &Path {
        &self.files.cert
    }

    /// Takes up files that change, until the signal to stop.
    pub(crate) async fn follow_files(self: Arc<Self>, mut shutdown: Shutdown) {
        let mut told = String::new();
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(RELOAD_INTERVAL) => {}
            }
            let this = Arc::clone(&self);
            let reloaded = tokio::task::spawn_blocking(move || this.reload()).await;
            match reloaded {
                Ok(Ok(false)) => told.clear(),
                Ok(Ok(true)) => {
                    told.clear();
                    tracing::info!(fingerprint = %self.fingerprint(), "a new certificate is in force");
                }
                Ok(Err(error)) => {
                    let error = error.to_string();
                    if told != error {
                        tracing::warn!(%error, "the certificate cannot be renewed; the last one stays in force");
                        told = error;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Takes up the files if they differ from what is in force; whether they do.
    fn reload(&self) -> Result<bool, ServerError> {
        let certificate = self.files.read()?;
        if certificate == self.current.load().certificate {
            return Ok(false);
        }
        let current = Current::of(certificate, &self.files)?;
        self.current.store(Arc::new(current));
        Ok(true)
    }
}

impl Current {
    fn of(certificate: Certificate, files: &Files) -> Result<Current, ServerError> {
        let binary = certificate.server(files)?;
        let mut http = binary.clone();
        http.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Current {
            http: Arc::new(http),
            binary: Arc::new(binary),
            fingerprint: certificate.fingerprint(files)?,
            certificate,
        })
    }
}

/// Whether these first bytes of a connection begin a TLS handshake; `None` while it cannot be
/// told. Neither a request of HTTP nor a frame of the binary protocol begins like that.
pub(crate) fn is_handshake(bytes: &[u8]) -> Option<bool> {
    /// Record type, and the version that every handshake says first.
    const HANDSHAKE: [u8; 2] = [22, 3];
    match bytes {
        [] => None,
        [first, ..] if *first != HANDSHAKE[0] => Some(false),
        [_, second, third, ..] => Some(*second == HANDSHAKE[1] && *third != 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
