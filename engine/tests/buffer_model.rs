//! A buffer against a queue: whatever is pushed, acknowledged, closed or crashed, each cursor
//! sees the same as the model says.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests too

mod support;

use std::collections::VecDeque;

use millstream_engine::{
    AcknowledgeMode, Buffer, BufferOptions, CursorStart, Error, SequenceNumber,
};
use proptest::prelude::*;
use support::{buffer::*, crash, data};

#[derive(Debug, Clone)]
enum Step {
    Push { count: u64, len: usize },
    Acknowledge { cursor: usize, count: u64 },
    Peek { cursor: usize, count: usize },
    Close,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..20u64, prop_oneof![8..200usize, 20_000..60_000usize])
            .prop_map(|(count, len)| Step::Push { count, len }),
        3 => (0..2usize, 0..30u64).prop_map(|(cursor, count)| Step::Acknowledge { cursor, count }),
        2 => (0..2usize, 0..30usize).prop_map(|(cursor, count)| Step::Peek { cursor, count }),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

const CURSORS: [&str; 2] = ["first", "second"];

/// What each cursor has yet to acknowledge, as (sequence, length of the data).
type Model = [VecDeque<(u64, usize)>; 2];

fn check(buffer: &Buffer, model: &Model, cursor: usize, count: usize) {
    let peek = buffer.peek(CURSORS[cursor], count, usize::MAX).unwrap();
    let records: Vec<_> = peek.records().map(Result::unwrap).collect();
    let expected: Vec<_> = model[cursor].iter().take(count).collect();
    assert_eq!(records.len(), expected.len());
    for (record, (sequence, len)) in records.iter().zip(expected) {
        assert_eq!(record.sequence.0, *sequence);
        assert_eq!(record.data, data(*sequence, *len));
    }
}

fn run(steps: Vec<Step>, options: &BufferOptions, lazy: bool) {
    let mut dir = tempfile::tempdir().unwrap();
    let mut buffer = Buffer::open(dir.path(), options.clone()).unwrap();
    for cursor in CURSORS {
        buffer.create_cursor(cursor, CursorStart::Oldest).unwrap();
    }
    let mut model = Model::default();
    let mut end = 0u64;
    for step in steps {
        match step {
            Step::Push { count, len } => {
                for _ in 0..count {
                    match buffer.push(&data(end, len)) {
                        Ok(sequence) => assert_eq!(sequence.0, end),
                        Err(Error::BufferFull { .. }) => {
                            // It is full of what somebody has yet to acknowledge.
                            assert!(model.iter().any(|m| m.len() > 30));
                            continue;
                        }
                        Err(error) => panic!("{error}"),
                    }
                    model.iter_mut().for_each(|m| m.push_back((end, len)));
                    end += 1;
                }
            }
            Step::Acknowledge { cursor, count } => {
                let mut taken = model[cursor].drain(..(count as usize).min(model[cursor].len()));
                if let Some((last, _)) = taken.next_back() {
                    buffer
                        .acknowledge(CURSORS[cursor], SequenceNumber(last))
                        .unwrap();
                }
            }
            Step::Peek { cursor, count } => check(&buffer, &model, cursor, count),
            Step::Close => {
                drop(buffer);
                buffer = Buffer::open(dir.path(), options.clone()).unwrap();
                // Not always clean: a segment that is full to the last block has no room for the
                // mark of a close.
                assert_eq!(buffer.open_report().records.trimmed_bytes, 0);
            }
            Step::Crash => {
                if lazy {
                    buffer.flush_acknowledgements().unwrap();
                }
                let crashed = crash(dir.path());
                drop(buffer);
                dir = crashed;
                buffer = Buffer::open(dir.path(), options.clone()).unwrap();
            }
        }
        let stats = buffer.stats().unwrap();
        assert!(stats.held_bytes <= stats.cap_bytes && stats.end.0 == end);
        for (status, model) in stats.cursors.iter().zip(&model) {
            assert_eq!((status.held, status.dropped), (model.len() as u64, 0));
        }
    }
    for cursor in 0..2 {
        check(&buffer, &model, cursor, usize::MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_buffer_is_a_queue_for_each_cursor(steps in steps()) {
        run(steps, &options(), false);
    }

    #[test]
    fn lazy_acknowledgements_that_were_flushed_are_kept(steps in steps()) {
        let lazy = BufferOptions {
            acknowledge: AcknowledgeMode::Within(std::time::Duration::from_millis(1)),
            ..options()
        };
        run(steps, &lazy, true);
    }
}
