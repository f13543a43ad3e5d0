//! The body of PutRecords in JSON, as clients write it, read in one pass: nothing is copied or
//! unescaped, and the base64 is only passed over.
//!
//! Only plain bodies are understood: members that are always there, strings without escapes,
//! values within the model's limits. Everything else (and everything that is wrong) is left to the
//! general way of decoding, which says what it is. So this needs no error, only a way to give up.

use super::{Data, Entry, MAX_BYTES, MAX_ENTRIES, MAX_KEY, PutRecordsBody, hash_of};

/// Reads a body; `None` for one that is not plain.
pub(crate) fn read(body: &[u8]) -> Option<PutRecordsBody<'_>> {
    read_with(body, true).or_else(|| read_with(body, false))
}

/// Reads a body, guessing where data ends or looking for it.
fn read_with(body: &[u8], guess: bool) -> Option<PutRecordsBody<'_>> {
    let mut reader = Reader {
        rest: body,
        guess: guess.then_some(0),
    };
    let mut found = PutRecordsBody::default();
    reader.token(b'{')?;
    loop {
        match reader.name()? {
            b"Records" if found.entries.is_empty() => found.entries = reader.entries()?,
            b"StreamName" if found.stream_name.is_none() => {
                found.stream_name = Some(reader.text()?);
            }
            b"StreamARN" if found.stream_arn.is_none() => found.stream_arn = Some(reader.text()?),
            _ => return None,
        }
        if !reader.more(b'}')? {
            break;
        }
    }
    reader.blank();
    (reader.rest.is_empty() && !found.entries.is_empty()).then_some(found)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Characters of the data before, where that is a guess at how many the next has.
    guess: Option<usize>,
}

impl<'a> Reader<'a> {
    fn entries(&mut self) -> Option<Vec<Entry<'a>>> {
        self.token(b'[')?;
        let mut entries = Vec::with_capacity(16);
        loop {
            if entries.len() == MAX_ENTRIES {
                return None;
            }
            entries.push(self.entry()?);
            if !self.more(b']')? {
                return Some(entries);
            }
        }
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let (mut data, mut key, mut hash) = (None, None, None);
        self.token(b'{')?;
        loop {
            match self.name()? {
                b"Data" if data.is_none() => data = Some(self.data()?),
                b"PartitionKey" if key.is_none() => {
                    let text = self.text()?;
                    key = (1..=MAX_KEY).contains(&text.len()).then_some(text);
                    key?;
                }
                b"ExplicitHashKey" if hash.is_none() => hash = Some(hash_of(self.text()?)?),
                _ => return None,
            }
            if !self.more(b'}')? {
                break;
            }
        }
        Some(Entry {
            key: key?,
            explicit_hash: hash,
            data: data?,
        })
    }

    /// The name of a member and the colon behind it.
    #[inline]
    fn name(&mut self) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let name = self.until_quote()?;
        self.token(b':')?;
        Some(name)
    }

    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let text = self.until_quote()?;
        let plain = text.iter().all(|c| *c >= b' ' && *c != b'\\');
        plain.then(|| std::str::from_utf8(text).ok()).flatten()
    }

    /// What is in it is looked at when it is decoded. So where a quotation mark ends as much data as
    /// there was before, which is often so, there is no need to look for one in front of it: it is
    /// none of base64.
    #[inline]
    fn data(&mut self) -> Option<Data<'a>> {
        self.token(b'"')?;
        let guessed = self.guess.and_then(|len| self.rest.split_at_checked(len));
        let text = match guessed {
            Some((text, [b'"', rest @ ..])) => {
                self.rest = rest;
                text
            }
            _ => self.until_quote()?,
        };
        self.guess = self.guess.map(|_| text.len());
        Data::base64(text).filter(|data| data.len() <= MAX_BYTES)
    }

    /// The bytes before the next quotation mark, which is passed over, too.
    #[inline]
    fn until_quote(&mut self) -> Option<&'a [u8]> {
        let at = memchr::memchr(b'"', self.rest)?;
        let (text, rest) = self.rest.split_at(at);
        self.rest = &rest[1..];
        Some(text)
    }

    /// Whether another element follows, or else `end`.
    #[inline]
    fn more(&mut self, end: u8) -> Option<bool> {
        self.blank();
        let (next, rest) = self.rest.split_first()?;
        self.rest = rest;
        match next {
            b',' => Some(true),
            next if *next == end => Some(false),
            _ => None,
        }
    }

    #[inline]
    fn token(&mut self, token: u8) -> Option<()> {
        self.blank();
        let (next, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*next == token).then_some(())
    }

    #[inline]
    fn blank(&mut self) {
        while let Some((b' ' | b'\n' | b'\r' | b'\t', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests;
