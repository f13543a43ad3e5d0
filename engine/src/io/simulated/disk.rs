//! What is on a simulated medium, and what the system shows of it.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{Nature, inode::Inode, memory::Memory};
use crate::io::{aligned::BLOCK, device::DirEntry};

/// Bytes that are written whole or not at all.
pub const SECTOR: usize = 512;

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(i32);

impl FileId {
    pub(super) fn number(self) -> i32 {
        self.0
    }
}

/// A write under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlightId(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(FileId),
    Directory(u64),
}

/// A change of names that is not on the medium for certain.
#[derive(Debug, Clone)]
enum NameChange {
    Set(String, Node),
    Remove(String),
    Rename(String, String, Node),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            NameChange::Set(name, node) => {
                names.insert(name.clone(), *node);
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to, node) => {
                // Whether its first name has reached the medium or not.
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    pub(super) names: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<NameChange>,
}

impl Directory {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }
}

#[derive(Debug, Clone)]
struct Flight {
    id: FlightId,
    file: FileId,
    bytes: Arc<[u8]>,
    offset: u64,
}

/// Files and directories, and what is under way to them.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(super) directories: BTreeMap<u64, Directory>,
    inodes: BTreeMap<FileId, Inode>,
    /// A name under which each file was last opened, for those who are told of writes to it.
    names: BTreeMap<FileId, PathBuf>,
    flights: Vec<Flight>,
    next: u64,
}

pub(super) const ROOT: u64 = 0;

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            directories: BTreeMap::from([(ROOT, Directory::default())]),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            flights: Vec::new(),
            next: 1,
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The part of a path that is a name.
fn name_of(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.ok_or(io::ErrorKind::InvalidInput)?.to_owned())
}

impl Disk {
    /// A copy that shares the bytes of files until one side opens them for writing: the origin
    /// must not be written to while the copy lives.
    #[must_use]
    pub fn fork(&self) -> Disk {
        let mut fork = self.clone();
        for inode in fork.inodes.values_mut() {
            inode.borrowed = true;
        }
        fork
    }

    /// Cuts the power: of what is under way or not flushed, what `nature` chooses is on the
    /// medium.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn cut_power(&mut self, nature: &dyn Nature) -> io::Result<()> {
        for flight in std::mem::take(&mut self.flights) {
            self.land_some(&flight, nature)?;
        }
        for inode in self.inodes.values_mut() {
            inode.cut(nature)?;
        }
        for directory in self.directories.values_mut() {
            let mut names = std::mem::take(&mut directory.durable);
            // What is written in order mostly lands in order.
            let in_order = nature.choose(2) == 0;
            let most = match in_order {
                true => nature.choose(directory.pending.len() as u64 + 1) as usize,
                false => directory.pending.len(),
            };
            for change in directory.pending.drain(..).take(most) {
                if in_order || nature.choose(2) == 0 {
                    change.apply(&mut names);
                }
            }
            directory.durable.clone_from(&names);
            directory.names = names;
        }
        self.forget_lost();
        Ok(())
    }

    /// Ends the process that writes: what is under way lands or not, nothing is flushed.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn kill(&mut self, nature: &dyn Nature) -> io::Result<()> {
        for flight in std::mem::take(&mut self.flights) {
            if nature.choose(2) == 0 {
                let inode = self.inode_mut(flight.file)?;
                inode.write(&flight.bytes, flight.offset, false)?;
            } else {
                self.land_some(&flight, nature)?;
            }
        }
        Ok(())
    }

    /// Whether anything is under way or not flushed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.flights.is_empty()
            && self
                .inodes
                .values()
                .all(|inode| inode.history.is_empty() && inode.len == inode.durable_len)
            && self
                .directories
                .values()
                .all(|directory| directory.pending.is_empty())
    }

    fn land_some(&mut self, flight: &Flight, nature: &dyn Nature) -> io::Result<()> {
        let style = nature.choose(4);
        let inode = self.inode_mut(flight.file)?;
        for (at, bytes) in (0u64..).zip(flight.bytes.chunks(SECTOR)) {
            let lands = match style {
                0 => false,
                1 => true,
                _ => nature.choose(2) == 0,
            };
            if lands {
                inode.write(bytes, flight.offset + at * SECTOR as u64, false)?;
            }
        }
        Ok(())
    }

    /// Drops files without a name, and directories likewise.
    fn forget_lost(&mut self) {
        let mut files = Vec::new();
        let mut directories = vec![ROOT];
        let mut at = 0;
        while let Some(id) = directories.get(at).copied() {
            at += 1;
            for node in self
                .directories
                .get(&id)
                .into_iter()
                .flat_map(|d| d.names.values())
            {
                match node {
                    Node::File(id) => files.push(*id),
                    Node::Directory(id) => directories.push(*id),
                }
            }
        }
        self.inodes.retain(|id, _| files.contains(id));
        self.directories.retain(|id, _| directories.contains(id));
    }

    fn directory_id(&self, path: &Path) -> io::Result<u64> {
        let mut id = ROOT;
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            let names = &self.directories.get(&id).ok_or_else(not_found)?.names;
            id = match name.to_str().and_then(|name| names.get(name)) {
                Some(Node::Directory(id)) => *id,
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(not_found()),
            };
        }
        Ok(id)
    }

    fn directory(&mut self, path: &Path) -> io::Result<&mut Directory> {
        let id = self.directory_id(path)?;
        self.directories.get_mut(&id).ok_or_else(not_found)
    }

    fn parent(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.directory(path.parent().unwrap_or(Path::new("")))
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<FileId> {
        let id = self.directory_id(path.parent().unwrap_or(Path::new("")))?;
        let names = &self.directories.get(&id).ok_or_else(not_found)?.names;
        match names.get(&name_of(path)?) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    pub(super) fn inode(&self, id: FileId) -> io::Result<&Inode> {
        self.inodes.get(&id).ok_or_else(not_found)
    }

    pub(super) fn inode_mut(&mut self, id: FileId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(not_found)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut so_far = PathBuf::new();
        for component in path.components() {
            so_far.push(component);
            let Component::Normal(name) = component else {
                continue;
            };
            let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
            let id = self.next;
            let parent = self.parent(&so_far)?;
            match parent.names.get(&name) {
                Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                Some(Node::Directory(_)) => {}
                None => {
                    parent.change(NameChange::Set(name, Node::Directory(id)));
                    self.directories.insert(id, Directory::default());
                    self.next += 1;
                }
            }
            self.sync_dir(so_far.parent().unwrap_or(Path::new("")))?;
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let id = self.directory_id(path)?;
        let names = &self.directories.get(&id).ok_or_else(not_found)?.names;
        let entries = names.iter().map(|(name, node)| DirEntry {
            name: name.clone(),
            is_dir: matches!(node, Node::Directory(_)),
        });
        Ok(entries.collect())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (old, name) = (name_of(from)?, name_of(to)?);
        let node = self.parent(from)?.names.get(&old).copied();
        let node = node.ok_or_else(not_found)?;
        if let Node::File(id) = node {
            self.names.insert(id, to.to_path_buf());
        }
        self.parent(to)?.change(NameChange::Rename(old, name, node));
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let name = name_of(path)?;
        self.parent(path)?.change(NameChange::Remove(name));
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.directory(path)?.names.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let name = name_of(path)?;
        self.parent(path)?.change(NameChange::Remove(name));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.directory(path)?;
        directory.pending.clear();
        directory.durable = directory.names.clone();
        Ok(())
    }

    pub(super) fn sync_all(&mut self) {
        for directory in self.directories.values_mut() {
            directory.pending.clear();
            directory.durable = directory.names.clone();
        }
        let files: Vec<FileId> = self.inodes.keys().copied().collect();
        files.into_iter().for_each(|id| self.sync(id));
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<FileId> {
        match self.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return Err(io::ErrorKind::AlreadyExists.into()),
        }
        let id = FileId(self.next as i32);
        let name = name_of(path)?;
        self.parent(path)?
            .change(NameChange::Set(name, Node::File(id)));
        self.next += 1;
        let inode = Inode::new(Memory::zeroed(BLOCK)?);
        self.inodes.insert(id, inode);
        self.names.insert(id, path.to_path_buf());
        Ok(id)
    }

    /// Whoever may write needs memory of his own, before anybody maps it.
    pub(super) fn open_for_writing(&mut self, path: &Path) -> io::Result<FileId> {
        let id = self.find(path)?;
        let inode = self.inode_mut(id)?;
        inode.own(inode.memory.len())?;
        Ok(id)
    }

    /// The file of a descriptor, and a name of it.
    pub(super) fn named(&self, descriptor: Option<i32>) -> io::Result<(FileId, PathBuf)> {
        let id = FileId(descriptor.ok_or(io::ErrorKind::InvalidInput)?);
        let path = self.names.get(&id).ok_or_else(not_found)?;
        Ok((id, path.clone()))
    }

    pub(super) fn len(&self, id: FileId) -> u64 {
        self.inodes.get(&id).map_or(0, |inode| inode.len)
    }

    /// Bytes of the blocks that a file takes.
    pub(super) fn room(&self, id: FileId) -> u64 {
        self.inodes.get(&id).map_or(0, Inode::room)
    }

    pub(super) fn give(&mut self, id: FileId, offset: u64, len: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.give(offset, len);
        }
    }

    pub(super) fn set_len(&mut self, id: FileId, len: u64) -> io::Result<()> {
        let inode = self.inode_mut(id)?;
        inode.own(len as usize)?;
        inode.len = len;
        Ok(())
    }

    pub(super) fn memory(&self, id: FileId) -> io::Result<(Arc<Memory>, usize)> {
        let inode = self.inode(id)?;
        Ok((Arc::clone(&inode.memory), inode.len as usize))
    }

    /// The parts of a range that were ever written, in whole blocks: (offset, length).
    pub(super) fn touched(&self, id: FileId, offset: u64, len: u64) -> Vec<(u64, usize)> {
        let Some(inode) = self.inodes.get(&id) else {
            return Vec::new();
        };
        let blocks = offset as usize / BLOCK..(offset + len) as usize / BLOCK;
        blocks
            .filter(|block| inode.is_touched(*block))
            .map(|block| ((block * BLOCK) as u64, BLOCK))
            .collect()
    }

    pub(super) fn write(&mut self, id: FileId, bytes: &[u8], offset: u64, durable: bool) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            let _ = inode.write(bytes, offset, durable);
        }
    }

    /// A write of which any part lands.
    pub(super) fn write_some(
        &mut self,
        id: FileId,
        bytes: &[u8],
        offset: u64,
        nature: &dyn Nature,
    ) {
        let flight = Flight {
            id: FlightId(0),
            file: id,
            bytes: bytes.into(),
            offset,
        };
        let _ = self.land_some(&flight, nature);
    }

    /// A write begins: until it has landed, a cut of the power leaves any part of it. Some of it
    /// may be seen already.
    pub(super) fn launch(
        &mut self,
        file: FileId,
        offset: u64,
        bytes: &[u8],
        nature: &dyn Nature,
    ) -> FlightId {
        let id = FlightId(self.next);
        self.next += 1;
        let flight = Flight {
            id,
            file,
            bytes: bytes.into(),
            offset,
        };
        if nature.choose(8) == 7 {
            let _ = self.land_some(&flight, nature);
        }
        self.flights.push(flight);
        id
    }

    /// A write is no longer under way.
    pub(super) fn landed(&mut self, id: FlightId) {
        self.flights.retain(|flight| flight.id != id);
    }

    pub(super) fn sync(&mut self, id: FileId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.history.retain(|_, history| history.given_up);
            inode.durable_len = inode.len;
        }
    }

    /// A flush has failed: what it was to flush is never flushed.
    pub(super) fn give_up(&mut self, id: FileId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode
                .history
                .values_mut()
                .for_each(|history| history.given_up = true);
        }
    }

    pub(super) fn read(&self, id: FileId, out: &mut [u8], offset: u64) -> io::Result<()> {
        let inode = self.inode(id)?;
        let end = offset + out.len() as u64;
        if end > inode.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if inode
            .unreadable
            .iter()
            .any(|(from, to)| *from < end && offset < *to)
        {
            return Err(io::Error::other(
                "simulated: the medium cannot be read here",
            ));
        }
        let held = inode.memory.bytes(offset as usize, out.len());
        out[..held.len()].copy_from_slice(held);
        out[held.len()..].fill(0);
        Ok(())
    }

    pub(super) fn next_data(&self, id: FileId, offset: u64) -> Option<(u64, u64)> {
        let inode = self.inodes.get(&id)?;
        let (first, end) = inode.run(offset as usize / BLOCK)?;
        let (start, end) = ((first * BLOCK) as u64, (end * BLOCK) as u64);
        let (start, end) = (start.max(offset), end.min(inode.len));
        (start < end).then_some((start, end))
    }
}
