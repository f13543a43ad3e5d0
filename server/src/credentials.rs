//! The clients that may come in, and their secrets.

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt as _, path::Path};

use millstream_wire::credentials::{self, Credentials};

use crate::error::ServerError;

/// Longest file that is read.
const FILE_BYTES: u64 = 16 << 20;
/// Permissions of a file that others can read.
const OTHERS_READ: u32 = 0o004;

/// Access keys, and who has them.
#[derive(Debug, Default)]
pub(crate) struct Clients(HashMap<String, Credentials>);

impl Clients {
    /// Reads the configured file.
    ///
    /// # Errors
    /// [`ServerError::Credentials`] when it cannot be read, is not of the form, or names nobody.
    pub(crate) fn load(path: &Path) -> Result<Clients, ServerError> {
        let unusable = |reason: String| ServerError::Credentials {
            path: path.to_owned(),
            reason,
        };
        let metadata = fs::metadata(path).map_err(|error| unusable(error.to_string()))?;
        if metadata.len() > FILE_BYTES {
            return Err(unusable("longer than 16 MiB".to_owned()));
        }
        if metadata.mode() & OTHERS_READ != 0 {
            tracing::warn!(
                path = %path.display(),
                "everybody on this machine can read the secrets in the file of credentials; chmod 600 keeps them from others"
            );
        }
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let profiles = credentials::parse(&text).map_err(|error| unusable(error.to_string()))?;
        if profiles.is_empty() {
            return Err(unusable(
                "it names nobody, so nobody could come in; give each client a [profile] with aws_access_key_id and aws_secret_access_key".to_owned(),
            ));
        }
        Ok(profiles
            .into_iter()
            .map(|profile| profile.credentials)
            .collect())
    }

    /// Who has an access key.
    pub(crate) fn get(&self, access_key: &str) -> Option<&Credentials> {
        self.0.get(access_key)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Credentials> for Clients {
    fn from_iter<I: IntoIterator<Item = Credentials>>(all: I) -> Clients {
        let keyed = |one: Credentials| (one.access_key.clone(), one);
        Clients(all.into_iter().map(keyed).collect())
    }
}

#[cfg(test)]
mod tests;
