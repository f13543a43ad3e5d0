//! Bytes, as a list of choices.

/// An input of the fuzzer. When it is used up, every choice is 0.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// An input of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    /// The next three bytes, as a number below `below`; 0 when that is 0.
    pub fn number(&mut self, below: usize) -> usize {
        let number = (0..3).fold(0, |number, _| number << 8 | usize::from(self.byte()));
        number % below.max(1)
    }

    /// The next byte, as a number below `below`; 0 when that is 0.
    pub fn pick(&mut self, below: usize) -> usize {
        usize::from(self.byte()) % below.max(1)
    }

    /// The next bytes, as many as there are up to `len`.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A 64-bit number, little-endian, short of bytes at its end.
    pub fn wide(&mut self) -> u64 {
        let mut wide = [0; 8];
        let taken = self.bytes(8);
        wide[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(wide)
    }
}
