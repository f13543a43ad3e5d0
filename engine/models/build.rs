//! Says to the engine's root that it is built for the models.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(millstream_models)");
    // A feature of the engine that the models do without.
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"simulated\"))");
    println!("cargo::rustc-cfg=millstream_models");
    println!("cargo::rerun-if-changed=build.rs");
}
