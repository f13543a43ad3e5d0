//! A token bucket: pure, with the time given.

/// What a bucket is filled with, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Tokens that come in a second.
    pub per_second: u32,
    /// Tokens that it holds at most.
    pub burst: u32,
}

impl Rate {
    /// A bucket that holds what comes in a second.
    pub(crate) fn per_second(per_second: u32) -> Rate {
        Rate {
            per_second,
            burst: per_second,
        }
    }

    fn brim(self) -> i64 {
        i64::from(self.burst) * THOUSAND
    }
}

const THOUSAND: i64 = 1000;

/// A bucket, full at first. Times are milliseconds of a clock that does not go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In thousandths of a token, so that every millisecond brings a whole number of them; below
    /// zero where more was taken than there was.
    level: i64,
    at_ms: u64,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now_ms: u64) -> Bucket {
        Bucket {
            rate,
            level: rate.brim(),
            at_ms: now_ms,
        }
    }

    fn fill(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let came = i64::try_from(passed)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.rate.per_second.into());
        self.level = self.level.saturating_add(came).min(self.rate.brim());
    }

    /// Whether there are `tokens`.
    pub(crate) fn has(&mut self, tokens: u64, now_ms: u64) -> bool {
        self.fill(now_ms);
        self.level >= thousandths(tokens)
    }

    /// Takes `tokens`, whether they are there or not.
    pub(crate) fn charge(&mut self, tokens: u64, now_ms: u64) {
        self.fill(now_ms);
        self.level = self.level.saturating_sub(thousandths(tokens));
    }

    /// Takes `tokens` if they are there.
    pub(crate) fn take(&mut self, tokens: u64, now_ms: u64) -> bool {
        let there = self.has(tokens, now_ms);
        if there {
            self.charge(tokens, now_ms);
        }
        there
    }

    /// Milliseconds until nothing is owed any more.
    pub(crate) fn debt_ms(&mut self, now_ms: u64) -> u64 {
        self.fill(now_ms);
        let owed = self.level.min(0).unsigned_abs();
        match u64::from(self.rate.per_second) {
            0 if owed > 0 => u64::MAX,
            0 => 0,
            rate => owed.div_ceil(rate),
        }
    }

    /// Whether it is as good as a new one.
    pub(crate) fn is_full(&mut self, now_ms: u64) -> bool {
        self.fill(now_ms);
        self.level >= self.rate.brim()
    }
}

fn thousandths(tokens: u64) -> i64 {
    i64::try_from(tokens)
        .unwrap_or(i64::MAX)
        .saturating_mul(THOUSAND)
}

#[cfg(test)]
mod tests;
