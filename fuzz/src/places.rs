//! Shard iterators and sequence numbers, as clients give them back. The first byte says which, and
//! whether what follows is a text, or what an iterator holds, sealed with the right key: nobody
//! guesses a seal.

use millstream_server::fuzzing;

use crate::input::Input;

/// Reads one.
///
/// # Panics
/// When something does not hold.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let kind = input.byte() % 3;
    let now_ms = u64::from(input.byte()) << 36;
    let bytes = input.bytes(usize::MAX);
    if kind == 0 {
        let text = fuzzing::kinesis_sealed(bytes);
        // What is understood is understood whole: nothing was passed over.
        if let Some(again) = fuzzing::kinesis_iterator(&text, now_ms) {
            assert_eq!(again, text);
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if kind == 1 {
        assert_eq!(
            fuzzing::kinesis_iterator(text, now_ms),
            None,
            "a seal was guessed"
        );
    } else if let Some(again) = fuzzing::kinesis_number(text) {
        assert_eq!(again, text);
    }
}
