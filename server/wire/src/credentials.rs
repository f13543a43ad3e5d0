//! Access keys and their secrets, in the form of the shared credentials file of AWS.
//!
//! The server reads from such a file who may come in, a client who it is:
//!
//! ```ini
//! [reader]
//! aws_access_key_id = READER
//! aws_secret_access_key = …
//! ```

use std::fmt;

use thiserror::Error;

/// Longest access key in bytes.
pub const MAX_ACCESS_KEY_BYTES: usize = 128;

/// Who a client is, and what only it and the server know.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name that is told.
    pub access_key: String,
    /// The secret, which never is.
    pub secret_key: String,
    /// A token that goes with temporary ones; only clients of the AWS API send it.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// The credentials of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name in brackets.
    pub name: String,
    /// What is under it.
    pub credentials: Credentials,
}

/// A file of credentials that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A line that is neither a name in brackets nor `key = value`.
    #[error("line {line} is neither [a profile] nor key = value")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// A key before the first profile.
    #[error("line {line} comes before the first [profile]")]
    NoProfile {
        /// Counted from 1.
        line: usize,
    },
    /// One of the two that belong together is missing.
    #[error("profile {profile:?} has no {missing}; it needs both, or neither")]
    Half {
        /// The name of the profile.
        profile: String,
        /// The key that is missing.
        missing: &'static str,
    },
    /// An access key that cannot be one.
    #[error(
        "profile {profile:?}: an access key is 1 to {MAX_ACCESS_KEY_BYTES} letters, digits and any of _ . @ + - ="
    )]
    AccessKey {
        /// The name of the profile.
        profile: String,
    },
    /// Two profiles with one access key.
    #[error("profiles {first:?} and {second:?} have the same access key; each needs its own")]
    Twice {
        /// The name of the first.
        first: String,
        /// The name of the second.
        second: String,
    },
}

const ACCESS_KEY: &str = "aws_access_key_id";
const SECRET_KEY: &str = "aws_secret_access_key";
const SESSION_TOKEN: &str = "aws_session_token";

/// What stands under a profile's name.
#[derive(Default)]
struct Section {
    name: String,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
}

impl Section {
    /// Its credentials; `None` for a profile without any, which configures something else.
    fn finish(self) -> Result<Option<Profile>, CredentialsError> {
        let profile = self.name;
        let half = |missing| CredentialsError::Half {
            profile: profile.clone(),
            missing,
        };
        let (access_key, secret_key) = match (self.access_key, self.secret_key) {
            (Some(access_key), Some(secret_key)) => (access_key, secret_key),
            (Some(_), None) => return Err(half(SECRET_KEY)),
            (None, Some(_)) => return Err(half(ACCESS_KEY)),
            (None, None) => return Ok(None),
        };
        if !is_access_key(&access_key) {
            return Err(CredentialsError::AccessKey { profile });
        }
        Ok(Some(Profile {
            name: profile,
            credentials: Credentials {
                access_key,
                secret_key,
                session_token: self.session_token,
            },
        }))
    }
}

/// Whether this can be an access key: nothing that has a meaning in a signature is in it.
#[must_use]
pub fn is_access_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@+-=".contains(&byte);
    (1..=MAX_ACCESS_KEY_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

/// Reads a file: `[name]` or `[profile name]` begins a profile, `key = value` is under it, lines
/// that begin with `#` or `;` are remarks. Keys of other things are passed over, and so are profiles
/// without credentials.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn parse(text: &str) -> Result<Vec<Profile>, CredentialsError> {
    let mut profiles: Vec<Profile> = Vec::new();
    let mut add = |section: Option<Section>| {
        let Some(profile) = section.map(Section::finish).transpose()?.flatten() else {
            return Ok(());
        };
        let key = &profile.credentials.access_key;
        if let Some(first) = profiles.iter().find(|p| p.credentials.access_key == *key) {
            return Err(CredentialsError::Twice {
                first: first.name.clone(),
                second: profile.name,
            });
        }
        profiles.push(profile);
        Ok(())
    };
    let mut section: Option<Section> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, content) in (1..).zip(text.lines()) {
        let indented = content.starts_with([' ', '\t']);
        let content = content.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = content.strip_prefix('[') {
            let Some((name, _)) = name.split_once(']') else {
                return Err(CredentialsError::Line { line });
            };
            let name = name.trim();
            let name = name.strip_prefix("profile ").unwrap_or(name).trim();
            add(section.take())?;
            section = Some(Section {
                name: name.to_owned(),
                ..Section::default()
            });
            continue;
        }
        let Some((key, value)) = content.split_once('=') else {
            return Err(CredentialsError::Line { line });
        };
        let Some(section) = &mut section else {
            return Err(CredentialsError::NoProfile { line });
        };
        if indented {
            // Part of the value of the key above it, which is none of ours.
            continue;
        }
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match key.trim().to_ascii_lowercase().as_str() {
            ACCESS_KEY => section.access_key = value,
            SECRET_KEY => section.secret_key = value,
            SESSION_TOKEN => section.session_token = value,
            _ => {}
        }
    }
    add(section)?;
    Ok(profiles)
}

#[cfg(test)]
mod tests;
