//! Where the workspace is, and what its manifests say.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::failure::Failure;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // tools/xtask is two below the root.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The cargo that started this program, or the one in the path, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> PathBuf {
    let named = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "target".into()))
}

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its directory, relative to the root.
    pub(crate) directory: PathBuf,
    /// Its manifest.
    pub(crate) manifest: toml::Table,
}

impl Package {
    /// Names of the packages that it depends on, on any platform, but for tests and benches.
    pub(crate) fn dependencies(&self) -> Vec<String> {
        self.names(&["dependencies", "build-dependencies"])
    }

    /// Names of the packages that only its tests and benches depend on.
    pub(crate) fn dev_dependencies(&self) -> Vec<String> {
        self.names(&["dev-dependencies"])
    }

    fn names(&self, sections: &[&str]) -> Vec<String> {
        let targets = self.manifest.get("target").and_then(toml::Value::as_table);
        let tables = targets
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(toml::Value::as_table))
            .chain([&self.manifest]);
        let mut names: Vec<String> = tables
            .flat_map(|table| sections.iter().filter_map(|section| table.get(*section)))
            .filter_map(toml::Value::as_table)
            .flatten()
            .map(|(key, value)| {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                renamed.unwrap_or(key).to_owned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The member packages of the workspace in `root`.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>, Failure> {
    let manifest = read_manifest(&root.join("Cargo.toml"))?;
    let members = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(toml::Value::as_array);
    let mut packages = Vec::new();
    for member in members
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
    {
        let path = root.join(member).join("Cargo.toml");
        let manifest = read_manifest(&path)?;
        let name = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str);
        let Some(name) = name else {
            let reason = "it names no package".to_owned();
            return Err(Failure::Manifest { path, reason });
        };
        packages.push(Package {
            name: name.to_owned(),
            directory: member.into(),
            manifest,
        });
    }
    Ok(packages)
}

fn read_manifest(path: &Path) -> Result<toml::Table, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io("read", path))?;
    text.parse()
        .map_err(|error: toml::de::Error| Failure::Manifest {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}
