//! Input as blocks of whole lines: read in big pieces, split without copying a line.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use thiserror::Error;

use crate::failure::Failure;

/// Bytes asked of the input at a time.
pub(crate) const READ_BYTES: usize = 1 << 20;

/// An open input.
pub(crate) struct Input {
    /// What errors call it.
    pub(crate) name: String,
    /// Its length in bytes, where that is known.
    pub(crate) len: Option<u64>,
    /// Whether somebody is typing it.
    pub(crate) from_terminal: bool,
    /// Its bytes.
    pub(crate) reader: Box<dyn Read + Send>,
}

impl Input {
    /// Opens a file, or standard input where the path is `-`.
    ///
    /// # Errors
    /// When the file cannot be opened, or is a directory.
    pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Input {
                name: "standard input".to_owned(),
                len: None,
                from_terminal: io::stdin().is_terminal(),
                reader: Box::new(io::stdin()),
            });
        }
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok((file, metadata.is_file().then_some(metadata.len())))
        };
        let (file, len) = open().map_err(|source| Failure::CannotRead {
            path: path.to_owned(),
            source,
        })?;
        Ok(Input {
            name: path.display().to_string(),
            len,
            from_terminal: false,
            reader: Box::new(file),
        })
    }
}

/// Why no further block could be read.
#[derive(Debug, Error)]
pub(crate) enum BlockError {
    /// A line that is longer than a record may be.
    #[error("the line is over {limit} bytes")]
    LineTooLong {
        /// Most bytes of a line.
        limit: usize,
    },
    /// The input failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Room for whole lines, to be filled again and again without zeroing it each time.
#[derive(Debug, Default)]
pub(crate) struct Block {
    room: Vec<u8>,
    len: usize,
}

impl Block {
    /// What was read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.len]
    }

    fn fill(&mut self, bytes: &[u8]) {
        if self.room.len() < bytes.len() {
            self.room.resize(bytes.len(), 0);
        }
        self.room[..bytes.len()].copy_from_slice(bytes);
        self.len = bytes.len();
    }

    fn read_from(&mut self, input: &mut impl Read) -> io::Result<usize> {
        let want = self.len + READ_BYTES;
        if self.room.len() < want {
            self.room.resize(want.max(2 * self.len), 0);
        }
        let read = loop {
            match input.read(&mut self.room[self.len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.len += read;
        Ok(read)
    }
}

/// Cuts an input into blocks that end at the end of a line. Memory is bounded by one read and
/// the longest line allowed.
#[derive(Debug)]
pub(crate) struct BlockReader<R> {
    input: R,
    /// The beginning of a line whose end has not been read.
    carry: Vec<u8>,
    limit: usize,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    /// Blocks of `input`, with lines of at most `limit` bytes.
    pub(crate) fn new(input: R, limit: usize) -> BlockReader<R> {
        BlockReader {
            input,
            carry: Vec::new(),
            limit,
            ended: false,
        }
    }

    /// Fills `block` with the next whole lines; `false` at the end of the input. The last line
    /// need not end in a newline. A block is given as soon as it holds a whole line, so that
    /// what trickles in is not held back. After [`BlockError::LineTooLong`] the lines before
    /// the long one have all been given.
    pub(crate) fn next(&mut self, block: &mut Block) -> Result<bool, BlockError> {
        block.fill(&self.carry);
        self.carry.clear();
        while !self.ended {
            let before = block.len;
            if block.read_from(&mut self.input)? == 0 {
                self.ended = true;
            } else if let Some(newline) = memchr::memrchr(b'\n', &block.bytes()[before..]) {
                let end = before + newline + 1;
                self.carry.extend_from_slice(&block.bytes()[end..]);
                block.len = end;
                return Ok(true);
            }
            if block.len > self.limit {
                return Err(BlockError::LineTooLong { limit: self.limit });
            }
        }
        Ok(block.len > 0)
    }
}

/// The lines of a block, without their newlines. What follows the last newline is a line too,
/// unless it is empty.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The lines of `block`.
    pub(crate) fn of(block: &'a [u8]) -> Lines<'a> {
        Lines { rest: block }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests;
