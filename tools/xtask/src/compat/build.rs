//! How a suite becomes a program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    client::{Client, Kind},
    quietly,
    tools::{self, Tool},
};
use crate::{failure::Failure, workspace};

/// Builds a client's suite, with all that it needs; the command that runs it.
pub(super) fn suite(client: &Client, work: &Path) -> Result<Command, Failure> {
    let place = Place {
        sources: workspace::root().join("tools/compat"),
        built: work.join(client.name),
        log: work.join("logs").join(format!("{}.build.log", client.name)),
        work,
    };
    match client.kind {
        Kind::Python { script } => place.python(script),
        Kind::Maven {
            directory,
            settings,
        } => place.maven(directory, settings),
        Kind::Node { directory } => place.node(directory),
        Kind::Go { directory } => place.go(directory),
        Kind::Cargo { directory } => place.cargo(directory),
    }
}

/// Where a suite's sources are, and where what is built from them goes.
#[derive(Debug)]
struct Place<'a> {
    sources: PathBuf,
    built: PathBuf,
    log: PathBuf,
    work: &'a Path,
}

impl Place<'_> {
    fn python(&self, script: &str) -> Result<Command, Failure> {
        let sources = self.sources.join("python");
        let python = self.environment("python", &sources.join("requirements.txt"))?;
        let mut command = Command::new(python);
        command.arg("-u").arg(sources.join(script));
        Ok(command)
    }

    /// A virtual environment that has what a file of requirements says; its interpreter.
    fn environment(&self, name: &str, requirements: &Path) -> Result<PathBuf, Failure> {
        let directory = self.work.join(name);
        let python = directory.join("bin/python");
        let wanted = fs::read_to_string(requirements).map_err(Failure::io("read", requirements))?;
        let installed = directory.join("requirements.txt");
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        let system = tools::PYTHON.found(self.work)?;
        let make = || {
            let mut command = Command::new(&system);
            command.args(["-m", "venv", "--clear"]).arg(&directory);
            command
        };
        // Debian's Python comes without the module that fills an environment.
        if quietly(&mut make(), &self.log).is_err() {
            tools::PYTHON.install(self.work)?;
            quietly(&mut make(), &self.log)?;
        }
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "-q", "-r"]);
        quietly(install.arg(requirements), &self.log)?;
        fs::write(&installed, wanted).map_err(Failure::io("write", &installed))?;
        Ok(python)
    }

    fn maven(&self, directory: &str, settings: &[&str]) -> Result<Command, Failure> {
        let java = tools::JAVA.found(self.work)?.with_file_name("java");
        let mut build = self.tool(&tools::MAVEN)?;
        build.args(["-q", "-B", "process-classes", "-f"]);
        build.arg(self.sources.join(directory).join("pom.xml"));
        build.arg(format!("-Dcompat.target={}", self.built.display()));
        quietly(build.args(settings), &self.log)?;
        let list = self.built.join("class-path");
        let libraries = fs::read_to_string(&list).map_err(Failure::io("read", &list))?;
        let classes = self.built.join("classes");
        let mut command = Command::new(java);
        // Small, and quick to start: the machine is the server's, too.
        command.args([
            "-Xmx768m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
        ]);
        command.arg(format!("{}:{}", classes.display(), libraries.trim()));
        command.arg("compat.Suite");
        let requirements = self.sources.join(directory).join("requirements.txt");
        if requirements.is_file() {
            let python = self.environment("leases", &requirements)?;
            // The port comes last, and is the suite's to choose.
            let start = format!("{}\n-m\nmoto.server\n-p", python.display());
            command.env("COMPAT_LEASES_COMMAND", start);
        }
        // A suite that starts programs of its own needs the same.
        command.env(
            "COMPAT_CLASS_PATH",
            format!("{}:{}", classes.display(), libraries.trim()),
        );
        Ok(command)
    }

    /// Node finds packages beside the program, and the sources are to stay clean: it runs a copy.
    fn node(&self, directory: &str) -> Result<Command, Failure> {
        let sources = self.sources.join(directory);
        fs::create_dir_all(&self.built).map_err(Failure::io("make", &self.built))?;
        let entries = fs::read_dir(&sources).map_err(Failure::io("list", &sources))?;
        let lock = self.built.join("node_modules/.package-lock.json");
        let wanted = fs::read(sources.join("package-lock.json")).unwrap_or_default();
        let had = fs::read(self.built.join("package-lock.json")).unwrap_or_default();
        for entry in entries {
            let from = entry.map_err(Failure::io("list", &sources))?.path();
            if let Some(name) = from.file_name().filter(|_| from.is_file()) {
                let to = self.built.join(name);
                fs::copy(&from, &to).map_err(Failure::io("write", &to))?;
            }
        }
        if !lock.is_file() || wanted != had {
            let mut install = self.tool(&tools::NPM)?;
            install.current_dir(&self.built);
            quietly(install.args(["ci", "--no-audit", "--no-fund"]), &self.log)?;
        }
        let node = tools::NPM.found(self.work)?.with_file_name("node");
        let mut command = Command::new(node);
        command.arg(self.built.join("suite.mjs"));
        Ok(command)
    }

    fn go(&self, directory: &str) -> Result<Command, Failure> {
        let program = self.built.join("suite");
        let mut build = self.tool(&tools::GO)?;
        build.current_dir(self.sources.join(directory));
        quietly(
            build
                .args(["build", "-buildvcs=false", "-o"])
                .arg(&program)
                .arg("."),
            &self.log,
        )?;
        Ok(Command::new(program))
    }

    fn cargo(&self, directory: &str) -> Result<Command, Failure> {
        let mut build = workspace::cargo();
        build.args(["build", "--locked", "--manifest-path"]);
        build.arg(self.sources.join(directory).join("Cargo.toml"));
        build.arg("--target-dir").arg(&self.built);
        quietly(&mut build, &self.log)?;
        Ok(Command::new(self.built.join("debug/compat-suite")))
    }

    fn tool(&self, tool: &Tool) -> Result<Command, Failure> {
        Ok(Command::new(tool.found(self.work)?))
    }
}
