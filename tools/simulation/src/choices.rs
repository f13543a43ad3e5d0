//! Every choice of a simulated life, from a seed or from bytes: the same again each time.

/// A stream of choices.
#[derive(Debug, Clone)]
pub struct Choices {
    /// Taken first, the last byte first.
    given: Vec<u8>,
    state: u64,
}

impl Choices {
    /// Choices that follow from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Choices {
        Choices {
            given: Vec::new(),
            state: mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)),
        }
    }

    /// Choices that follow from bytes, for as long as there are some, and then from what they were.
    #[must_use]
    pub fn given(bytes: &[u8]) -> Choices {
        let state = bytes
            .iter()
            .fold(0, |state, byte| mix(state ^ u64::from(*byte)));
        Choices {
            given: bytes.iter().rev().copied().collect(),
            state,
        }
    }

    /// 64 random bits, never from given bytes.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound < 2 {
            return 0;
        }
        match self.given.pop() {
            Some(byte) if bound <= 256 => u64::from(byte) % bound,
            Some(byte) => (u64::from(byte) << 32 | self.bits() & 0xffff_ffff) % bound,
            None => self.bits() % bound,
        }
    }

    /// True once in `times`; never when that is 0.
    pub fn once_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == times - 1
    }
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
#[must_use]
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
