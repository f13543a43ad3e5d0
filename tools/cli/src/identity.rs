//! Who the user is, for servers that ask: by option, environment or profile, as the tools of AWS
//! find it.

use std::{env, fs, io, path::PathBuf};

use millstream_client::{Credentials, Tls, credentials};

use crate::{arguments::Global, failure::Failure};

/// The profile that is taken when none is named.
const DEFAULT_PROFILE: &str = "default";

/// What the options say, else what the profile does; `None` where nothing does, which a server that
/// does not ask is content with.
///
/// # Errors
/// When one half is missing, or the file cannot be read or does not have the profile that was named.
pub(crate) fn credentials(global: &Global) -> Result<Option<Credentials>, Failure> {
    match (&global.access_key, &global.secret_key) {
        (Some(access_key), Some(secret_key)) => Ok(Some(Credentials {
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            session_token: None,
        })),
        (Some(_), None) => Err(Failure::Usage(
            "an access key without its secret: set AWS_SECRET_ACCESS_KEY as well".to_owned(),
        )),
        (None, Some(_)) => Err(Failure::Usage(
            "a secret without its access key: set AWS_ACCESS_KEY_ID as well".to_owned(),
        )),
        (None, None) => of_profile(global.profile.as_deref()),
    }
}

fn of_profile(named: Option<&str>) -> Result<Option<Credentials>, Failure> {
    let Some(path) = profiles_file() else {
        return Ok(None);
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(None);
        }
        Err(source) => return Err(Failure::CannotRead { path, source }),
    };
    let profiles = match credentials::parse(&text) {
        Ok(profiles) => profiles,
        // A file for other tools, which need not be ours to read.
        Err(_) if named.is_none() => return Ok(None),
        Err(error) => return Err(Failure::Usage(format!("{}: {error}", path.display()))),
    };
    let wanted = named.unwrap_or(DEFAULT_PROFILE);
    let found = profiles.into_iter().find(|profile| profile.name == wanted);
    match (found, named) {
        (Some(profile), _) => Ok(Some(profile.credentials)),
        (None, None) => Ok(None),
        (None, Some(name)) => Err(Failure::Usage(format!(
            "{} has no profile {name:?} with an access key",
            path.display()
        ))),
    }
}

/// Where the tools of AWS look for profiles.
fn profiles_file() -> Option<PathBuf> {
    if let Some(path) = env::var_os("AWS_SHARED_CREDENTIALS_FILE") {
        return Some(path.into());
    }
    let home = env::home_dir()?;
    Some(home.join(".aws").join("credentials"))
}

/// TLS, where the options ask for it.
///
/// # Errors
/// When the file cannot be read, or holds no certificate.
pub(crate) fn tls(global: &Global) -> Result<Option<Tls>, Failure> {
    let Some(path) = &global.tls_ca else {
        return match &global.tls_server_name {
            None => Ok(None),
            Some(_) => Err(Failure::Usage(
                "--tls-server-name goes with --tls-ca, the certificate to trust".to_owned(),
            )),
        };
    };
    let pem = fs::read(path).map_err(|source| Failure::CannotRead {
        path: path.clone(),
        source,
    })?;
    let tls = Tls::with_authorities(&pem)?;
    Ok(Some(match &global.tls_server_name {
        None => tls,
        Some(name) => tls.for_name(name)?,
    }))
}
