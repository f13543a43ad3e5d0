//! The key with which the server knows again what it gave to clients to keep.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use aws_lc_rs::rand;

use crate::error::ServerError;

/// Name of its file in the data directory.
const FILE_NAME: &str = "kinesis.key";

/// A key of the server.
pub(crate) type Secret = [u8; 32];

/// The key in the data directory; made when there is none. Whoever takes it away only makes the
/// iterators of the last five minutes void.
///
/// # Errors
/// When it cannot be read or made.
pub(crate) fn ensure(data: &Path) -> Result<Secret, ServerError> {
    let path = data.join(FILE_NAME);
    let unusable = |reason: String| ServerError::DataDirectory {
        path: data.to_owned(),
        reason: format!("the key in {FILE_NAME} cannot be used: {reason}"),
    };
    match fs::read(&path) {
        Ok(bytes) => Secret::try_from(bytes).map_err(|bytes| {
            unusable(format!(
                "it has {} bytes, and not 32; remove it, and a new one is made",
                bytes.len()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            rand::fill(&mut secret)
                .map_err(|_| unusable("the system gives no random numbers".to_owned()))?;
            write(data, &path, &secret).map_err(|error| unusable(error.to_string()))?;
            Ok(secret)
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Under another name first: a key under its own name is always a whole one.
fn write(data: &Path, path: &Path, secret: &Secret) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(secret)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests;
