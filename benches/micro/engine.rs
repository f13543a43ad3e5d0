//! The steps inside the engine, without a system or a medium under it: staging and commit, reading
//! from segments and from the tail, seeking. `cargo bench --package millstream-benches`.

// A bench that cannot go on may say so by a panic.
#![allow(clippy::unwrap_used)]

#[path = "../counts/engine_paths.rs"]
mod engine_paths;
#[allow(dead_code)] // how often a path is repeated is criterion's to say here
#[path = "../counts/hot_path.rs"]
mod hot_path;
#[path = "../counts/memory_device.rs"]
mod memory_device;
#[path = "../counts/samples.rs"]
mod samples;
#[path = "../counts/stand.rs"]
mod stand;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// The paths whose instructions `cargo xtask counts` counts, in time.
fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for path in engine_paths::PATHS {
        group.throughput(Throughput::Elements(path.units));
        group.bench_function(path.name, |bencher| {
            let mut round = (path.make)().unwrap();
            bencher.iter(|| round().unwrap());
        });
    }
}

criterion_group!(engine, paths);
criterion_main!(engine);
