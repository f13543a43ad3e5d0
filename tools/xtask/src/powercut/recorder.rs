//! The disks of the virtual machine: one that is cut, one for marks. Every request is recorded when
//! it is taken and when it is answered, in one order.
//!
//! It is as hard on the guest as an honest disk may be: several requests are open at a time, they
//! end in any order, and a flush concerns only the writes that had ended when it began.

use std::{
    fs,
    io::BufReader,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    thread,
    time::Duration,
};

use super::{
    cut::Dice,
    nbd::{self, Ask, Request},
    record::{Kind, MARK_BYTES, Tape},
};
use crate::failure::Failure;

/// The names by which qemu asks for the disks.
pub(super) const DISK: &str = "disk";
pub(super) const MARKS: &str = "marks";
/// Bytes of the disk of marks.
const MARKS_BYTES: u64 = 1 << 20;
/// How long requests are held open now and then, so that others come beside them.
const HOLD: Duration = Duration::from_micros(400);
const INVALID: u32 = 22;

/// What came from a client.
enum News {
    Chose {
        export: usize,
        answers: UnixStream,
    },
    Asked {
        export: usize,
        request: Request,
    },
    /// The virtual machine has ended.
    Stop,
}

/// Ends a recorder, once what was asked for before is recorded.
pub(super) struct Stop(mpsc::Sender<News>);

impl Stop {
    pub(super) fn stop(&self) {
        // A recorder that has failed says so itself.
        drop(self.0.send(News::Stop));
    }
}

/// A request on the way.
enum Open {
    Write { offset: u64, data: Vec<u8> },
    Flush,
}

/// The disks, and the socket at which they are offered.
pub(super) struct Recorder {
    listener: UnixListener,
    socket: PathBuf,
    image: Vec<u8>,
    tape: Tape,
    dice: Dice,
    sender: mpsc::Sender<News>,
    news: Receiver<News>,
}

struct Session {
    image: Vec<u8>,
    tape: Tape,
    dice: Dice,
    /// Where answers go, by export.
    answers: [Option<UnixStream>; 2],
    /// The requests of the disk that are not answered: handle, id, what.
    open: Vec<(u64, u64, Open)>,
    next_id: u64,
}

impl Recorder {
    pub(super) fn new(
        socket: &Path,
        disk: &Path,
        record: &Path,
        seed: u64,
    ) -> Result<Recorder, Failure> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::io("remove", socket)(error));
            }
            _ => {}
        }
        let (sender, news) = mpsc::channel();
        Ok(Recorder {
            sender,
            news,
            listener: UnixListener::bind(socket).map_err(Failure::io("listen at", socket))?,
            socket: socket.to_owned(),
            image: fs::read(disk).map_err(Failure::io("read", disk))?,
            tape: Tape::new(record)?,
            dice: Dice::of(seed, 0),
        })
    }

    pub(super) fn stop(&self) -> Stop {
        Stop(self.sender.clone())
    }

    /// Serves until it is stopped.
    pub(super) fn serve(self) -> Result<(), Failure> {
        let size = self.image.len() as u64;
        let (listener, sender) = (self.listener, self.sender);
        // Each client has a thread that reads what it asks for; the order of the channel is the
        // order of the record.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), sender) = (stream, sender.clone()) else {
                    return;
                };
                thread::spawn(move || {
                    if let Err(error) = listen(stream, size, &sender) {
                        eprintln!("a client of the disks: {error}");
                    }
                });
            }
        });
        let mut session = Session {
            image: self.image,
            tape: self.tape,
            dice: self.dice,
            answers: [None, None],
            open: Vec::new(),
            next_id: 0,
        };
        session.serve(&self.news)?;
        session.tape.end()?;
        fs::remove_file(&self.socket).map_err(Failure::io("remove", &self.socket))
    }
}

/// Passes on what a client asks for.
fn listen(
    mut stream: UnixStream,
    disk_bytes: u64,
    news: &mpsc::Sender<News>,
) -> std::io::Result<()> {
    let exports = [(DISK, disk_bytes), (MARKS, MARKS_BYTES)];
    let Some(export) = nbd::shake_hands(&mut stream, &exports)? else {
        return Ok(());
    };
    let answers = stream.try_clone()?;
    if news.send(News::Chose { export, answers }).is_err() {
        return Ok(());
    }
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    while let Some(request) = nbd::next(&mut stream)? {
        if news.send(News::Asked { export, request }).is_err() {
            break;
        }
    }
    Ok(())
}

impl Session {
    fn serve(&mut self, news: &Receiver<News>) -> Result<(), Failure> {
        loop {
            let next = if self.open.is_empty() {
                news.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else if self.dice.below(4) == 0 {
                news.recv_timeout(HOLD)
            } else {
                news.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            };
            match next {
                Ok(News::Chose { export, answers }) => self.answers[export] = Some(answers),
                Ok(News::Asked { export: 0, request }) => self.begin(request)?,
                Ok(News::Asked { request, .. }) => self.mark(request)?,
                Ok(News::Stop) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => self.end_one()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Takes a request of the disk; reads are answered at once.
    fn begin(&mut self, request: Request) -> Result<(), Failure> {
        let Request { handle, ask } = request;
        let id = self.next_id;
        self.next_id += 1;
        match ask {
            Ask::Read { offset, len } => {
                let read = range(&self.image, offset, len).map(|range| &self.image[range]);
                answer(&mut self.answers[0], handle, read.ok_or(INVALID))
            }
            Ask::Write { offset, data } if range(&self.image, offset, data.len()).is_some() => {
                self.tape.add(Kind::WriteBegan, id, offset, &data)?;
                self.open.push((handle, id, Open::Write { offset, data }));
                Ok(())
            }
            Ask::Flush => {
                self.tape.add(Kind::FlushBegan, id, 0, &[])?;
                self.open.push((handle, id, Open::Flush));
                Ok(())
            }
            Ask::Write { .. } | Ask::Other => answer(&mut self.answers[0], handle, Err(INVALID)),
        }
    }

    /// Ends any of the open requests.
    fn end_one(&mut self) -> Result<(), Failure> {
        let chosen = self.dice.below(self.open.len() as u64) as usize;
        let (handle, id, open) = self.open.swap_remove(chosen);
        match open {
            Open::Write { offset, data } => {
                if let Some(range) = range(&self.image, offset, data.len()) {
                    self.image[range].copy_from_slice(&data);
                }
                self.tape.add(Kind::WriteEnded, id, 0, &[])?;
            }
            Open::Flush => self.tape.add(Kind::FlushEnded, id, 0, &[])?,
        }
        answer(&mut self.answers[0], handle, Ok(&[]))
    }

    /// A request of the disk of marks. What is read from it is zeros.
    fn mark(&mut self, request: Request) -> Result<(), Failure> {
        let Request { handle, ask } = request;
        let zeros;
        let outcome: Result<&[u8], u32> = match ask {
            Ask::Read { len, .. } => {
                zeros = vec![0; len];
                Ok(&zeros)
            }
            Ask::Write { data, .. } => {
                for mark in data.chunks_exact(MARK_BYTES) {
                    self.tape.add(Kind::Mark, 0, 0, mark)?;
                }
                Ok(&[])
            }
            Ask::Flush => Ok(&[]),
            Ask::Other => Err(INVALID),
        };
        answer(&mut self.answers[1], handle, outcome)
    }
}

fn answer(
    to: &mut Option<UnixStream>,
    handle: u64,
    outcome: Result<&[u8], u32>,
) -> Result<(), Failure> {
    let Some(stream) = to else { return Ok(()) };
    match nbd::answer(stream, handle, outcome) {
        // It has gone, and waits for nothing any more.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            *to = None;
            Ok(())
        }
        other => other.map_err(Failure::io("answer", "the virtual machine")),
    }
}

/// Such bytes of the image, if it has them.
fn range(image: &[u8], offset: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(len)?;
    (end <= image.len()).then_some(start..end)
}
