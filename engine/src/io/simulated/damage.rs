//! What happens to a disk from outside: bits that rot, files that are lost.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::disk::{Disk, Node, ROOT};

impl Disk {
    /// Every file, by its path, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, id)) = directories.pop() {
            for (name, node) in self.directories.get(&id).into_iter().flat_map(|d| &d.names) {
                match node {
                    Node::File(_) => files.push(path.join(name)),
                    Node::Directory(id) => directories.push((path.join(name), *id)),
                }
            }
        }
        files.sort();
        files
    }

    /// Bytes of the blocks that all files take that have a name.
    #[must_use]
    pub fn size(&self) -> u64 {
        let nodes = self.directories.values().flat_map(|d| d.names.values());
        let room = |node: &Node| match node {
            Node::File(id) => self.room(*id),
            Node::Directory(_) => 0,
        };
        nodes.map(room).sum()
    }

    /// The bytes of a file, as the system shows them.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inode = self.inode(self.find(path)?)?;
        let mut bytes = inode.memory.bytes(0, inode.len as usize).to_vec();
        bytes.resize(inode.len as usize, 0);
        Ok(bytes)
    }

    /// Puts bytes onto the medium, past the system. What lies behind the end of the file is left out.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn overwrite(&mut self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let id = self.find(path)?;
        let left = self.len(id).saturating_sub(offset);
        let bytes = &bytes[..bytes.len().min(left as usize)];
        self.write(id, bytes, offset, true);
        Ok(())
    }

    /// Sets the length of a file, durably.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn resize(&mut self, path: &Path, len: u64) -> io::Result<()> {
        let id = self.find(path)?;
        let before = self.len(id);
        if len < before {
            self.write(id, &vec![0; (before - len) as usize], len, true);
        }
        self.set_len(id, len)?;
        self.sync(id);
        Ok(())
    }

    /// Takes a file away, durably.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn lose(&mut self, path: &Path) -> io::Result<()> {
        self.remove_file(path)?;
        self.sync_dir(path.parent().unwrap_or(Path::new("/")))
    }

    /// From now on `len` bytes of a file cannot be read: a map shows zeros there, as after a fault.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn make_unreadable(&mut self, path: &Path, offset: u64, len: u64) -> io::Result<()> {
        self.overwrite(path, offset, &vec![0; len as usize])?;
        let id = self.find(path)?;
        self.inode_mut(id)?.unreadable.push((offset, offset + len));
        Ok(())
    }
}
