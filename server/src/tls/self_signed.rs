//! A certificate that the server makes for itself, and keeps.
//!
//! It is signed by its own key and marked as no authority: clients take the very file as the one
//! they trust, and no key can sign for anybody else with it.

use std::path::Path;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

use super::certificate::{Files, unusable, write};
use crate::error::ServerError;

/// Name of the certificate's file in the data directory.
const CERT_FILE: &str = "tls-cert.pem";
/// Name of its key's.
const KEY_FILE: &str = "tls-key.pem";
/// What every certificate is for.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificate in the data directory; made when there is none that is for all these names.
pub(super) fn ensure(data: &Path, names: &[String]) -> Result<Files, ServerError> {
    let files = Files {
        cert: data.join(CERT_FILE),
        key: data.join(KEY_FILE),
    };
    let mut wanted: Vec<&str> = LOCAL_NAMES.to_vec();
    wanted.extend(names.iter().map(String::as_str));
    if files.cert.exists() && files.key.exists() {
        let there = files.read()?;
        if let Err(error) = there.server(&files) {
            // As a start leaves it that was cut short between the two files.
            tracing::warn!(%error, "a new certificate is made, and clients have to trust it anew");
        } else if let Some(name) = lacking(&there.chain(&files)?, &wanted, &files)? {
            tracing::warn!(
                name,
                "the certificate in the data directory is not for this name; a new one is made, and clients have to trust it anew"
            );
        } else {
            return Ok(files);
        }
    }
    make(&files, &wanted)?;
    Ok(files)
}

/// A name that the certificate is not for.
fn lacking<'a>(
    chain: &[CertificateDer<'_>],
    names: &[&'a str],
    files: &Files,
) -> Result<Option<&'a str>, ServerError> {
    let Some(first) = chain.first() else {
        return Ok(names.first().copied());
    };
    let parsed =
        ParsedCertificate::try_from(first).map_err(|error| unusable(&files.cert, error))?;
    let lacks = |name: &&&str| {
        // A wildcard is for whatever stands in its place.
        let asked = name.replacen('*', "any", 1);
        match ServerName::try_from(asked) {
            Ok(asked) => verify_server_name(&parsed, &asked).is_err(),
            Err(_) => true,
        }
    };
    Ok(names.iter().find(lacks).copied())
}

fn make(files: &Files, names: &[&str]) -> Result<(), ServerError> {
    let failed = |error: rcgen::Error| unusable(&files.cert, format!("cannot be made: {error}"));
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Millstream");
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    // The key first: a certificate without its key would be taken for one that is there.
    write(&files.key, key.serialize_pem().as_bytes(), true)
        .map_err(|error| unusable(&files.key, error))?;
    write(&files.cert, certificate.pem().as_bytes(), false)
        .map_err(|error| unusable(&files.cert, error))
}
