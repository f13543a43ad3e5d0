//! Sequence numbers as clients of Kinesis see them: 56 decimal digits that say which shard of
//! which stream, and which record of it.
//!
//! ```text
//! 2 ccccccccc n iiiiiiiiiiiiiiii 00 ttttttttt ssssssss 2      hexadecimal digits
//! ```
//!
//! `c` are the seconds at which the shard was made, `n` is the last digit of the shard's number,
//! `i` the engine's number of the record, `s` the shard's number in its stream. `t` repeats `c` in
//! the number of a record, which so depends on nothing but shard and record. Where `t` is 0 the
//! number lies between two records: before record `i`, and after the one in front of it. So what
//! begins at it and what begins after it begin at the same record, which is what the place of a
//! reader has to be while there is no record to name, and what the first and last numbers of a
//! shard are.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::service::StreamShard;

/// Decimal digits of a number.
pub(crate) const DIGITS: usize = 56;
/// The most seconds that a number can hold: 36 bits.
const MAX_SECONDS: u64 = (1 << 36) - 1;
/// Decimal digits of a limb.
const LIMB_DIGITS: usize = 19;
const LIMB: u64 = 10u64.pow(LIMB_DIGITS as u32);
/// From the number of a record to that of the next: 2^80, in limbs.
const STEP: [u64; 2] = [
    ((1u128 << 80) % LIMB as u128) as u64,
    ((1u128 << 80) / LIMB as u128) as u64,
];

/// What the numbers of one shard have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    created_s: u64,
    shard: u32,
}

impl Origin {
    /// The shard of a number in its stream, made at `created_s` seconds since 1970.
    pub(crate) fn new(created_s: u64, shard: u32) -> Origin {
        Origin {
            created_s: created_s.clamp(1, MAX_SECONDS),
            shard,
        }
    }

    /// That of a shard of a stream.
    pub(crate) fn of(shard: &StreamShard) -> Origin {
        Origin::new(shard.created_s, shard.index)
    }

    /// The shard's number in its stream.
    pub(crate) fn shard(self) -> u32 {
        self.shard
    }

    /// The number of a record.
    pub(crate) fn record(self, index: u64) -> Number {
        Number {
            origin: self,
            index,
            between: false,
        }
    }

    /// The place before a record: after the one in front of it, if there is one.
    pub(crate) fn before(self, index: u64) -> Number {
        Number {
            origin: self,
            index,
            between: true,
        }
    }
}

/// A sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    origin: Origin,
    index: u64,
    /// It names no record, but the place before one.
    between: bool,
}

impl Number {
    /// The shard that it is of.
    pub(crate) fn origin(self) -> Origin {
        self.origin
    }

    /// The first record that is not below it: where reading at it begins.
    pub(crate) fn at(self) -> u64 {
        self.index
    }

    /// The first record above it; `None` when there can be none.
    pub(crate) fn after(self) -> Option<u64> {
        match self.between {
            true => Some(self.index),
            false => self.index.checked_add(1),
        }
    }

    /// Its bits, the lowest first.
    fn words(self) -> [u64; 3] {
        let Origin { created_s, shard } = self.origin;
        let seconds = if self.between { 0 } else { created_s };
        [
            2 | u64::from(shard) << 4 | seconds << 36,
            seconds >> 28 | self.index << 16,
            self.index >> 48 | u64::from(shard & 15) << 16 | created_s << 20 | 2 << 56,
        ]
    }

    fn of_words([low, middle, high]: [u64; 3]) -> Option<Number> {
        let shard = (low >> 4) as u32;
        let created_s = high >> 20 & MAX_SECONDS;
        let seconds = low >> 36 | (middle & 0xff) << 28;
        let number = Number {
            origin: Origin { created_s, shard },
            index: middle >> 16 | (high & 0xffff) << 48,
            between: seconds == 0,
        };
        // What was left out has one value, which it has to have.
        (created_s > 0 && number.words() == [low, middle, high]).then_some(number)
    }

    /// Its digits, to be written out and counted on.
    pub(crate) fn decimal(self) -> Decimal {
        let [low, middle, high] = self.words();
        let limb = u128::from(LIMB);
        let mut limbs = [0; 3];
        let (mut high, mut middle, mut low) = (high, middle, low);
        for digits in &mut limbs {
            let mut rest = u128::from(high % LIMB);
            high /= LIMB;
            rest = rest << 64 | u128::from(middle);
            middle = (rest / limb) as u64;
            rest = (rest % limb) << 64 | u128::from(low);
            low = (rest / limb) as u64;
            *digits = (rest % limb) as u64;
        }
        Decimal { limbs }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let ([a0, a1, a2], [b0, b1, b2]) = (self.words(), other.words());
        (a2, a1, a0).cmp(&(b2, b1, b0))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.decimal().digits();
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

/// A text that is not the number of any record of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotANumber;

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Number, NotANumber> {
        let digits: &[u8; DIGITS] = text.as_bytes().try_into().map_err(|_| NotANumber)?;
        if digits[0] == b'0' {
            return Err(NotANumber);
        }
        let mut words = [0u64; 3];
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(NotANumber);
            }
            let mut carry = u128::from(digit - b'0');
            for word in &mut words {
                carry += u128::from(*word) * 10;
                *word = carry as u64;
                carry >>= 64;
            }
        }
        // 56 digits are less than 192 bits: nothing was carried out of the last word.
        Number::of_words(words).ok_or(NotANumber)
    }
}

/// The digits of a record's number: made once for a run of records, then counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// The lowest first.
    limbs: [u64; 3],
}

impl Decimal {
    /// Goes on to the next record of the shard.
    pub(crate) fn step(&mut self) {
        let [low, middle, high] = &mut self.limbs;
        *low += STEP[0];
        let carry = *low >= LIMB;
        *low -= if carry { LIMB } else { 0 };
        *middle += STEP[1] + u64::from(carry);
        if *middle >= LIMB {
            *middle -= LIMB;
            *high += 1;
        }
    }

    /// As text.
    pub(crate) fn digits(&self) -> [u8; DIGITS] {
        let mut out = [0; DIGITS];
        let [low, middle, high] = self.limbs;
        let (first, rest) = out.split_at_mut(DIGITS - 2 * LIMB_DIGITS);
        let (second, third) = rest.split_at_mut(LIMB_DIGITS);
        put_digits(first, high);
        put_digits(second, middle);
        put_digits(third, low);
        out
    }
}

/// Two digits for each number below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Writes `value` with leading zeros over the whole of `out`.
fn put_digits(out: &mut [u8], mut value: u64) {
    // Eight at a time: what is divided then is small.
    let mut eights = out.rchunks_exact_mut(8);
    for eight in eights.by_ref() {
        let low = (value % 100_000_000) as u32;
        value /= 100_000_000;
        let (front, back) = (low / 10_000, low % 10_000);
        for (pair, number) in
            eight
                .chunks_exact_mut(2)
                .zip([front / 100, front % 100, back / 100, back % 100])
        {
            pair.copy_from_slice(&PAIRS[number as usize]);
        }
    }
    for digit in eights.into_remainder().iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests;
