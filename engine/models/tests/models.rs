//! Every model of the engine, by its name. `cargo xtask models` runs them for longer, or one of
//! them again; a failure says how.
#![allow(clippy::unwrap_used)]

use std::{env, path::PathBuf};

use millstream_models::models::{Exploration, explore};

/// Runs of each model in an ordinary test.
const RUNS: usize = 60;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

fn run(model: fn()) {
    let how = Exploration {
        runs: number("MILLSTREAM_MODEL_RUNS").map_or(RUNS, |runs| runs as usize),
        seed: number("MILLSTREAM_MODEL_SEED").unwrap_or(1),
        schedules: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        replay: env::var_os("MILLSTREAM_MODEL_SCHEDULE").map(PathBuf::from),
    };
    explore(model, &how);
}

macro_rules! models {
    ($($room:ident: $($model:ident),+;)+) => {
        $(mod $room {
            $(#[test]
            fn $model() {
                super::run(millstream_models::models::$room::$model);
            })+
        })+
    };
}

models! {
    waiting:
        a_wait_for_a_position_ends,
        whoever_leaves_takes_nobody_along,
        a_wait_for_a_batch_ends,
        a_wait_for_any_batch_ends_when_all_are_woken,
        a_worker_does_all_it_is_called_for;
    memory:
        a_buffer_that_comes_back_goes_to_who_waits,
        buffers_of_one_size_make_room_for_another;
    appends:
        every_append_ends,
        whoever_leads_leaves_nothing_behind,
        a_follower_comes_to_every_record;
    endings:
        a_close_ends_every_append,
        a_reopening_ends_every_append,
        what_a_reopening_finds_is_all_that_is_acknowledged,
        a_deletion_ends_every_append,
        a_failed_write_ends_every_append,
        numbers_taken_back_end_no_older_append_well;
    segments:
        zeros_never_land_on_batches,
        a_roll_loses_nothing,
        what_is_read_is_not_written_again;
}
