use std::sync::atomic::{AtomicU64, Ordering};

use millstream_format::{BATCH_HEADER_LEN, BatchHeader, RawBody, Record};

use super::*;
use crate::producer::batch::OpenBatch;

fn id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn batch(number: u32) -> SealedBatch {
    let mut open = OpenBatch::new(vec![0; 256], None);
    assert!(open.push(&Record::new("key", &number.to_le_bytes())));
    open.seal()
}

/// A queue of `n` batches, and what goes through it.
struct Line {
    queue: Queue,
    now: Instant,
    settled: Vec<Settled>,
    attempt: u64,
}

/// What was sent: the attempt, which batch, and its producer and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    attempt: u64,
    batch: u32,
    producer: u64,
    number: u64,
}

impl Line {
    fn new(n: u32) -> Line {
        let pause = Duration::from_millis(10);
        let limit = Some(Duration::from_secs(60));
        let mut queue = Queue::new(3, limit, Backoff::new(pause, pause), id);
        (0..n).for_each(|number| queue.push(batch(number)));
        Line {
            queue,
            now: Instant::now(),
            settled: Vec::new(),
            attempt: 0,
        }
    }

    fn send(&mut self) -> Option<Sent> {
        self.attempt += 1;
        let payload = self.queue.send_next(self.attempt, self.now)?.payload();
        let bytes = &payload.bytes.unwrap()[..payload.len];
        let header = BatchHeader::decode(bytes).unwrap().unwrap();
        let body = &bytes[BATCH_HEADER_LEN..];
        header.verify_body(body).unwrap();
        let raw = RawBody::new(&header, body).unwrap();
        let entry = raw.producers().next().unwrap();
        let record = raw.records().next().unwrap().unwrap();
        Some(Sent {
            attempt: self.attempt,
            batch: u32::from_le_bytes(record.data.try_into().unwrap()),
            producer: entry.producer,
            number: entry.number,
        })
    }

    fn send_all(&mut self) -> Vec<Sent> {
        std::iter::from_fn(|| self.send()).collect()
    }

    fn answer(&mut self, sent: Sent, answer: Answer) {
        let Line {
            queue,
            now,
            settled,
            ..
        } = self;
        queue.answer(sent.attempt, answer, *now, settled);
    }

    fn refuse(&mut self, sent: Sent, code: ErrorCode, detail: u64) {
        let error = ErrorAnswer::new(code, "").with_detail(detail);
        self.answer(sent, Answer::Failed(error));
    }

    fn accept(&mut self, sent: Sent) {
        let first = u64::from(sent.batch);
        self.answer(sent, Answer::Written { first, count: 1 });
    }

    fn lose(&mut self, sent: Sent) {
        self.answer(sent, Answer::Lost("lost".to_owned()));
    }

    fn pause(&mut self) {
        self.now += Duration::from_millis(10);
    }

    fn outcomes(&mut self) -> Vec<&'static str> {
        let kind = |settled: Settled| match settled.result {
            Ok(_) => "written",
            Err(DeliveryError::Refused(_)) => "refused",
            Err(DeliveryError::NotSent { .. }) => "not sent",
            Err(DeliveryError::Unknown { .. }) => "unknown",
        };
        self.settled.drain(..).map(kind).collect()
    }
}

fn batches(sent: &[Sent]) -> Vec<u32> {
    sent.iter().map(|sent| sent.batch).collect()
}

#[test]
fn no_more_than_allowed_is_in_flight_and_numbers_are_dense() {
    let mut line = Line::new(5);
    let sent = line.send_all();
    assert_eq!(batches(&sent), [0, 1, 2]);
    assert!(sent.iter().all(|s| s.number == u64::from(s.batch)));
    line.accept(sent[1]);
    assert_eq!(batches(&line.send_all()), [3]);
    assert_eq!(line.outcomes(), ["written"]);
}

#[test]
fn after_a_loss_the_same_numbers_are_sent_in_order() {
    let mut line = Line::new(3);
    let first = line.send_all();
    for sent in first.iter().rev() {
        line.lose(*sent);
    }
    let again = line.send_all();
    for (before, after) in first.iter().zip(&again) {
        let same = Sent {
            attempt: after.attempt,
            ..*before
        };
        assert_eq!(*after, same);
    }
    line.accept(again[0]);
    assert!(line.settled[0].retried);
}

#[test]
fn a_refusal_that_passes_holds_back_what_follows() {
    let mut line = Line::new(3);
    let sent = line.send_all();
    line.refuse(sent[0], ErrorCode::Overloaded, 0);
    line.refuse(sent[1], ErrorCode::OutOfOrder, 0);
    line.refuse(sent[2], ErrorCode::OutOfOrder, 0);
    assert_eq!(line.send(), None);
    assert!(line.queue.wake_at().is_some_and(|at| at > line.now));
    line.pause();
    let again = line.send_all();
    assert_eq!(batches(&again), [0, 1, 2]);
    assert_eq!(again[2].producer, sent[2].producer);
    assert!(line.settled.is_empty());
}

#[test]
fn behind_a_batch_that_is_given_up_a_new_id_begins() {
    let mut line = Line::new(4);
    let sent = line.send_all();
    line.accept(sent[0]);
    line.refuse(sent[1], ErrorCode::BatchInvalid, 0);
    line.refuse(sent[2], ErrorCode::OutOfOrder, 1);
    let again = line.send_all();
    assert_eq!(batches(&again), [2, 3]);
    assert_ne!(again[0].producer, sent[0].producer);
    assert_eq!((again[0].number, again[1].number), (0, 1));
    assert_eq!(line.outcomes(), ["written", "refused"]);
}

#[test]
fn a_new_id_waits_for_what_is_unanswered_under_the_old_one() {
    let mut line = Line::new(4);
    let sent = line.send_all();
    // The second is refused for good while the first has no answer yet.
    line.refuse(sent[1], ErrorCode::BatchInvalid, 0);
    line.refuse(sent[2], ErrorCode::OutOfOrder, 1);
    assert_eq!(line.send(), None);
    line.pause();
    let again = line.send_all();
    assert!(
        again.iter().all(|s| s.producer == sent[0].producer),
        "{again:?}"
    );
    line.accept(sent[0]);
    for sent in again {
        line.refuse(sent, ErrorCode::OutOfOrder, 1);
    }
    let anew = line.send_all();
    assert_eq!(batches(&anew), [2, 3]);
    assert_ne!(anew[0].producer, sent[0].producer);
}

#[test]
fn a_producer_whose_first_put_is_missing_is_not_forgotten() {
    let mut line = Line::new(2);
    let sent = line.send_all();
    line.lose(sent[0]);
    line.lose(sent[1]);
    let again = line.send_all();
    line.refuse(again[0], ErrorCode::Overloaded, 0);
    line.refuse(again[1], ErrorCode::UnknownProducer, 0);
    line.pause();
    let anew = line.send_all();
    assert_eq!(batches(&anew), [0, 1]);
    assert_eq!(anew[1].producer, sent[1].producer);
    assert!(line.settled.is_empty());
}

#[test]
fn of_a_forgotten_producer_only_the_unanswered_is_unknown() {
    let mut line = Line::new(4);
    let sent = line.send_all();
    line.accept(sent[0]);
    line.lose(sent[1]);
    line.refuse(sent[2], ErrorCode::Overloaded, 0);
    line.pause();
    let again = line.send_all();
    assert_eq!(batches(&again), [1, 2, 3]);
    for sent in &again {
        line.refuse(*sent, ErrorCode::UnknownProducer, 0);
    }
    line.pause();
    let anew = line.send_all();
    assert_eq!(batches(&anew), [2, 3]);
    assert_ne!(anew[0].producer, sent[0].producer);
    assert_eq!((anew[0].number, anew[1].number), (0, 1));
    assert_eq!(line.outcomes(), ["written", "unknown"]);
}

#[test]
fn what_is_tried_for_too_long_is_given_up_from_the_front() {
    let mut line = Line::new(3);
    let sent = line.send_all();
    line.refuse(sent[0], ErrorCode::NoSpace, 0);
    line.lose(sent[1]);
    line.now += Duration::from_secs(61);
    line.queue.expire(line.now, None, &mut line.settled);
    // The third is unanswered: its answer may still come.
    assert_eq!(line.outcomes(), ["refused", "unknown"]);
    line.accept(sent[2]);
    assert_eq!(line.outcomes(), ["written"]);
    let mut line = Line::new(1);
    line.now += Duration::from_secs(61);
    let unreachable = Error::Closed;
    line.queue
        .expire(line.now, Some(&unreachable), &mut line.settled);
    assert_eq!(line.outcomes(), ["not sent"]);
}

#[test]
fn a_shard_that_is_gone_gives_back_what_it_refused() {
    let mut line = Line::new(3);
    let sent = line.send_all();
    line.accept(sent[0]);
    line.lose(sent[1]);
    line.refuse(sent[2], ErrorCode::ShardMapChanged, 0);
    assert!(line.queue.is_gone() && !line.queue.is_waiting());
    assert_eq!(line.send(), None);
    let unsent = line.queue.drain(&mut line.settled);
    assert_eq!(unsent.len(), 1);
    assert_eq!(line.outcomes(), ["written", "unknown"]);
}

#[test]
fn an_answer_of_another_count_is_not_believed() {
    let mut line = Line::new(1);
    let sent = line.send_all();
    line.answer(sent[0], Answer::Written { first: 0, count: 2 });
    assert_eq!(line.outcomes(), ["unknown"]);
    // And one to nothing that was sent is nothing.
    line.accept(sent[0]);
    assert!(line.settled.is_empty());
}
