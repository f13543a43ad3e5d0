//! TLS to a server.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::Error;

/// Whom to trust, and by which name.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    /// `None` for the host of the address.
    pub(crate) name: Option<ServerName<'static>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Trusts servers whose certificates these authorities signed, or are these very ones: the
    /// certificate that a server made for itself is its own authority.
    ///
    /// # Errors
    /// When there is no certificate in PEM.
    pub fn with_authorities(pem: &[u8]) -> Result<Tls, Error> {
        let refused = |reason: String| Error::Option {
            option: "TLS authorities",
            reason,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|one| roots.add(one).map_err(|error| error.to_string()));
            added.map_err(refused)?;
        }
        if roots.is_empty() {
            let reason = "there is no certificate in PEM: it has a line BEGIN CERTIFICATE";
            return Err(refused(reason.to_owned()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls {
            config: Arc::new(config),
            name: None,
        })
    }

    /// The same, for a server whose certificate has another name than the address that it is
    /// reached at.
    ///
    /// # Errors
    /// When it is no name of a server.
    pub fn for_name(self, name: &str) -> Result<Tls, Error> {
        let name = ServerName::try_from(name.to_owned()).map_err(|error| Error::Option {
            option: "TLS server name",
            reason: error.to_string(),
        })?;
        Ok(Tls {
            name: Some(name),
            ..self
        })
    }

    /// The name that a server at an address is asked to prove.
    pub(crate) fn name_of(&self, address: &str) -> Result<ServerName<'static>, Error> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).map_err(|error| Error::Option {
            option: "address",
            reason: format!("{host:?} is no name that a certificate can be for: {error}"),
        })
    }
}
