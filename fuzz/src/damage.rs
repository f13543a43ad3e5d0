//! What an input does to the files of a store: bits flip, writes are lost or go astray, files are
//! cut short, lost or mixed up. Where checksums are made right again, what was written is forged.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use millstream_engine::io::{
    device::{Access, Device},
    simulated::Disk,
};
use millstream_format::{BATCH_HEADER_LEN, BATCH_MAGIC, BatchHeader, crc32c};

use crate::{
    input::Input,
    patterns::{BLOCK, Pattern, StoredFile},
    stand::Stand,
};

/// Most changes that one input makes.
const MOST_CHANGES: usize = 32;
/// Bytes of a segment's header that its checksum covers.
const SEGMENT_HEADER: usize = 124;
/// Bytes of it with the checksum.
const HEADER: usize = SEGMENT_HEADER + 4;
/// Offsets of the 64-bit fields of a segment's header, and of a batch's.
const SEGMENT_FIELDS: usize = 24;
const BATCH_FIELDS: usize = 16;

/// A file as it was made: what of it, and the file of the pattern that it was.
#[derive(Debug, Clone)]
pub struct Damaged {
    /// Its length.
    pub len: u64,
    /// Its bytes; zeros follow up to its length.
    pub bytes: Cow<'static, [u8]>,
    /// Where batches were before.
    batches: &'static [(usize, BatchHeader)],
    touched: bool,
}

/// The files of a store that was damaged.
#[derive(Debug)]
pub struct Damage {
    pattern: &'static Pattern,
    /// By their paths.
    pub files: BTreeMap<PathBuf, Damaged>,
    /// Whether checksums were made right again.
    pub forged: bool,
    /// Whether files were lost, mixed up or made.
    pub files_moved: bool,
}

impl Damage {
    /// The files of a pattern, undamaged.
    #[must_use]
    pub fn none(pattern: &'static Pattern, forged: bool) -> Damage {
        let damaged = |file: &'static StoredFile| Damaged {
            len: file.len,
            bytes: Cow::Borrowed(&file.bytes),
            batches: &file.batches,
            touched: false,
        };
        let files = pattern.files.iter();
        Damage {
            pattern,
            files: files.map(|f| (f.path.clone(), damaged(f))).collect(),
            forged,
            files_moved: false,
        }
    }

    /// Does what the input says, to its end.
    pub fn inflict(&mut self, input: &mut Input<'_>) {
        for _ in 0..MOST_CHANGES {
            if input.is_empty() || self.files.is_empty() {
                return;
            }
            self.change(input);
        }
    }

    /// Where the batches of a file were, as long as it is where it was.
    #[must_use]
    pub fn batches(&self, path: &Path) -> Option<&'static [(usize, BatchHeader)]> {
        let before = self.pattern.files.iter().find(|file| file.path == path)?;
        let now = self.files.get(path)?;
        std::ptr::eq(now.batches, &before.batches[..]).then_some(&before.batches)
    }

    /// Whether what a segment says of itself was forged, so that nothing can be held against it.
    #[must_use]
    pub fn lies(&self) -> bool {
        let lies = |(path, file): (&PathBuf, &Damaged)| {
            let before = self.pattern.files.iter().find(|file| file.path == *path);
            before.is_none_or(|before| before.bytes.get(..HEADER) != file.bytes.get(..HEADER))
        };
        self.forged && (self.files_moved || self.files.iter().any(lies))
    }

    /// Leaves one file of the shard, with these bytes.
    pub fn only(&mut self, path: &Path, bytes: Cow<'static, [u8]>) {
        let shard = path.parent();
        self.files
            .retain(|other, _| other == path || other.parent() != shard);
        self.files_moved = true;
        if let Some(file) = self.files.get_mut(path) {
            file.bytes = bytes;
            file.touched = true;
        }
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.files_moved && self.files.values().all(|file| !file.touched)
    }

    /// Chooses a file: mostly a segment.
    fn choose(&self, input: &mut Input<'_>) -> PathBuf {
        let byte = usize::from(input.byte());
        let segments = || self.files.keys().filter(|path| is_segment(path));
        let chosen = match segments().count() {
            count if byte < 192 && count > 0 => segments().nth(byte % count),
            _ => self.files.keys().nth(byte % self.files.len()),
        };
        chosen.cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Input<'_>) {
        let path = self.choose(input);
        let what = input.byte();
        let forged = self.forged;
        match what & 15 {
            10 | 11 => self.move_files(what, path, input),
            4 | 5 => {
                let other = self.choose(input);
                let block = self.some_batch(&other, input, what & 16 != 0);
                if let Some(file) = self.files.get_mut(&path) {
                    let place = file.place(input, what & 32 != 0);
                    file.write(place, &block);
                    if forged {
                        file.fit(place, input.byte());
                        file.mend();
                    }
                }
            }
            _ => {
                if let Some(file) = self.files.get_mut(&path) {
                    file.change(what, input, forged);
                    if forged {
                        file.mend();
                    }
                }
            }
        }
    }

    /// Bytes of a batch, or of a block, of a file as it is now.
    fn some_batch(&self, path: &PathBuf, input: &mut Input<'_>, block: bool) -> Vec<u8> {
        let Some(file) = self.files.get(path) else {
            return Vec::new();
        };
        let (at, len) = match file.batches.get(input.pick(file.batches.len())) {
            Some((at, header)) if !block => (*at, header.batch_len()),
            _ => (input.number(file.bytes.len()) / BLOCK * BLOCK, BLOCK),
        };
        let bytes = file.bytes.get(at..).unwrap_or(&[]);
        bytes[..len.min(bytes.len())].to_vec()
    }

    fn move_files(&mut self, what: u8, path: PathBuf, input: &mut Input<'_>) {
        self.files_moved = true;
        match what >> 4 {
            // Lost.
            0..=3 => {
                self.files.remove(&path);
            }
            // Two are mixed up.
            4..=7 => {
                let other = self.choose(input);
                if let (Some(one), Some(two)) = (
                    self.files.get(&path).cloned(),
                    self.files.get(&other).cloned(),
                ) {
                    self.files.insert(
                        other,
                        Damaged {
                            touched: true,
                            ..one
                        },
                    );
                    self.files.insert(
                        path,
                        Damaged {
                            touched: true,
                            ..two
                        },
                    );
                }
            }
            // One is there twice, or under another name.
            kind => {
                let ordinal = match input.byte() {
                    255 => u64::MAX - u64::from(input.byte()),
                    254 => (1 << 63) | u64::from(input.byte()),
                    ordinal => u64::from(ordinal % 12),
                };
                let extension = ["seg", "idx", "spare", "idx.partial"][input.pick(4)];
                let name = format!("{ordinal:016x}.{extension}");
                let file = match kind & 1 {
                    0 => self.files.get(&path).cloned(),
                    _ => self.files.remove(&path),
                };
                if let Some(file) = file {
                    let file = Damaged {
                        touched: true,
                        ..file
                    };
                    self.files.insert(path.with_file_name(name), file);
                }
            }
        }
    }

    /// The disk with these files.
    #[must_use]
    pub fn disk(&self) -> Disk {
        let mut disk = self.pattern.disk.fork();
        let before = disk.files();
        for path in &before {
            let moved = self.files_moved && self.files.get(path).is_none_or(|f| f.touched);
            if moved {
                disk.lose(path).expect("a file of the pattern");
            }
        }
        if self.files_moved {
            let stand = Stand::new(disk, 0);
            for (path, file) in &self.files {
                if !file.touched {
                    continue;
                }
                let made = stand.device().open(path, Access::Create).expect("a name");
                made.set_len(file.len).expect("memory");
                let len = file.bytes.len().min(file.len as usize);
                made.write_at(&file.bytes[..len], 0).expect("memory");
            }
            stand.device().sync_all("/".as_ref()).expect("memory");
            return stand.end();
        }
        for (path, file) in &self.files {
            if !file.touched {
                continue;
            }
            let len = disk.bytes(path).map_or(0, |bytes| bytes.len() as u64);
            if len != file.len {
                disk.resize(path, file.len).expect("a file of the pattern");
            }
            disk.overwrite(path, 0, &file.bytes)
                .expect("a file of the pattern");
        }
        disk
    }
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "seg")
}

impl Damaged {
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.touched = true;
        self.bytes.to_mut()
    }

    /// Where a batch is or ends, or any block.
    fn place(&self, input: &mut Input<'_>, anywhere: bool) -> usize {
        let chosen = input.pick(self.batches.len() + 1);
        match self.batches.get(chosen) {
            _ if anywhere => input.number(self.bytes.len() + BLOCK) / BLOCK * BLOCK,
            Some((at, _)) => *at,
            None => self
                .batches
                .last()
                .map_or(BLOCK, |(at, header)| at + header.padded_len(BLOCK)),
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = (at + bytes.len()).min(self.len as usize);
        if at >= end {
            return;
        }
        let all = self.bytes();
        if all.len() < end {
            all.resize(end, 0);
        }
        all[at..end].copy_from_slice(&bytes[..end - at]);
    }

    /// Lets a batch that was put somewhere pass for one that belongs there.
    fn fit(&mut self, at: usize, how: u8) {
        let epoch = self.bytes.get(40..48).map(<[u8]>::to_vec);
        let before = self.batches.iter().rev().find(|(offset, _)| *offset < at);
        let expected = match before {
            Some((_, header)) => header.end_sequence().to_le_bytes().to_vec(),
            None => self
                .bytes
                .get(64..72)
                .map(<[u8]>::to_vec)
                .unwrap_or_default(),
        };
        if how & 1 != 0
            && let Some(epoch) = epoch
        {
            self.write(at + BATCH_FIELDS, &epoch);
        }
        if how & 2 != 0 {
            self.write(at + BATCH_FIELDS + 8, &expected);
        }
        if how & 4 != 0 {
            self.write(at + BATCH_FIELDS + 24, &expected);
        }
    }

    fn change(&mut self, what: u8, input: &mut Input<'_>, forged: bool) {
        let count = 1 + usize::from(what >> 4);
        match what & 15 {
            // Bits of a batch flip: of its header, or early in its body.
            0..=2 => {
                let batch = self.batches.get(input.pick(self.batches.len()));
                let at = batch.map_or(0, |(at, _)| *at) + usize::from(input.byte());
                self.flip(at, count, input);
            }
            // Bits anywhere. (Not: bytes are replaced. Else the fuzzer copies checksums.)
            3 => {
                let at = input.number(self.bytes.len());
                self.flip(at, count, input);
            }
            // A write that never arrived.
            6 => {
                let at = input.number(self.bytes.len()) / 512 * 512;
                let zeros = vec![0; (1 + input.pick(64)) * 512];
                let len = zeros.len().min(self.bytes.len().saturating_sub(at));
                self.write(at, &zeros[..len]);
            }
            // A torn end.
            7 => {
                let at = input.number(self.bytes.len());
                self.bytes()[at..].fill(0);
            }
            // A file cut short, or longer.
            8 => {
                let len = usize::try_from(self.len).unwrap_or(0);
                self.len = match what >> 4 {
                    0..=12 => input.number(len) as u64,
                    _ => self.len + input.number(3 << 20) as u64,
                };
                let keep = self.bytes.len().min(self.len as usize);
                self.bytes().truncate(keep);
            }
            // Bits of the segment's header.
            9 => {
                let at = input.pick(HEADER);
                self.flip(at, count, input);
            }
            // A field of the segment's header, or of a batch's, becomes a number.
            12 | 13 => {
                let at = SEGMENT_FIELDS + 8 * input.pick(11);
                self.set(at, what >> 4, input, forged);
            }
            _ => {
                let batch = self.batches.get(input.pick(self.batches.len()));
                let at = batch.map_or(BLOCK, |(at, _)| *at) + BATCH_FIELDS + 8 * input.pick(6);
                self.set(at, what >> 4, input, forged);
            }
        }
    }

    fn flip(&mut self, at: usize, count: usize, input: &mut Input<'_>) {
        for slot in self.bytes().iter_mut().skip(at).take(count) {
            *slot ^= input.byte();
        }
    }

    /// Sets a 64-bit field near to what it was, or to anything.
    fn set(&mut self, at: usize, how: u8, input: &mut Input<'_>, forged: bool) {
        let Some(now) = self.bytes.get(at..at + 8) else {
            return;
        };
        let mut field = [0; 8];
        field.copy_from_slice(now);
        let now = u64::from_le_bytes(field);
        let set = match how {
            0..=3 => now.wrapping_add(u64::from(input.byte())),
            4..=7 => now.wrapping_sub(u64::from(input.byte())),
            8 | 9 => now ^ 1 << (input.byte() % 64),
            10 | 11 => now.wrapping_add((input.pick(256) * BLOCK) as u64),
            12 => u64::MAX - u64::from(input.byte()),
            _ => input.wide(),
        };
        // Without new checksums nothing is replaced: else the fuzzer copies some into place.
        let set = if forged { set } else { set ^ now };
        self.write(at, &set.to_le_bytes());
    }

    /// Makes the checksums of the segment's header and of all batches right again.
    fn mend(&mut self) {
        mend(self.bytes());
    }
}

/// Makes the checksums of a segment's header and of all its batches right again.
pub fn mend(bytes: &mut [u8]) {
    if bytes.starts_with(b"MSSEGMT1") && bytes.len() >= HEADER {
        let crc = crc32c(&bytes[..SEGMENT_HEADER]);
        bytes[SEGMENT_HEADER..HEADER].copy_from_slice(&crc.to_le_bytes());
    }
    for at in (0..bytes.len()).step_by(BLOCK) {
        let Some(batch) = bytes.get_mut(at..) else {
            return;
        };
        if batch.len() < BATCH_HEADER_LEN || !batch.starts_with(&BATCH_MAGIC.to_le_bytes()) {
            continue;
        }
        let len = u32::from_le_bytes([batch[48], batch[49], batch[50], batch[51]]) as usize;
        if let Some(body) = batch.get(BATCH_HEADER_LEN..BATCH_HEADER_LEN.saturating_add(len)) {
            let crc = crc32c(body);
            batch[56..60].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = crc32c(&batch[8..BATCH_HEADER_LEN]);
        batch[4..8].copy_from_slice(&crc.to_le_bytes());
    }
}
