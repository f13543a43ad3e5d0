use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use super::{
    record::{Kind, MARK_BYTES, Record},
    recorder::Recorder,
};

/// A client that says what is given and reads so many bytes.
struct Client(UnixStream);

impl Client {
    fn of(socket: &std::path::Path, export: &str) -> Client {
        let mut client = Client(UnixStream::connect(socket).unwrap());
        assert_eq!(&client.take(16), b"NBDMAGICIHAVEOPT");
        client.take(2);
        client.say(&3u32.to_be_bytes());
        // An option that is not known is refused, and does no harm.
        client.say(&[&b"IHAVEOPT"[..], &8u32.to_be_bytes(), &0u32.to_be_bytes()].concat());
        let refused = client.take(20);
        assert_eq!(refused[12..16], [0x80, 0, 0, 1]);
        let len = export.len() as u32;
        client.say(b"IHAVEOPT\0\0\0\x07");
        client.say(&(len + 6).to_be_bytes());
        client.say(&[&len.to_be_bytes(), export.as_bytes(), &[0, 0]].concat());
        // Two pieces of information of 12 and 14 bytes, and the end.
        let told = client.take(20 + 12 + 20 + 14 + 20);
        assert_eq!(told[told.len() - 8..], [0, 0, 0, 1, 0, 0, 0, 0]);
        client
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn ask(&mut self, kind: u16, handle: u64, offset: u64, len: u32, data: &[u8]) {
        self.say(&0x2560_9513u32.to_be_bytes());
        self.say(&[[0, 0], kind.to_be_bytes()].concat());
        self.say(&handle.to_be_bytes());
        self.say(&offset.to_be_bytes());
        self.say(&len.to_be_bytes());
        self.say(data);
    }

    /// The handle of the next answer, and whether it was a good one.
    fn answer(&mut self) -> (u64, bool) {
        let bytes = self.take(16);
        let handle = bytes[8..]
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        (handle, bytes[4..8] == [0; 4])
    }
}

#[test]
fn a_disk_gives_back_what_was_written_and_all_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, disk) = (dir.path().join("socket"), dir.path().join("disk"));
    let record = dir.path().join("record");
    std::fs::write(&disk, vec![7; 64 << 10]).unwrap();
    let recorder = Recorder::new(&socket, &disk, &record, 1).unwrap();
    let stop = recorder.stop();
    let recording = std::thread::spawn(move || recorder.serve());

    let mut disk = Client::of(&socket, "disk");
    let mut marks = Client::of(&socket, "marks");
    marks.ask(1, 1, 0, 512, &[1; MARK_BYTES]);
    assert_eq!(marks.answer(), (1, true));
    for handle in 10..20 {
        disk.ask(1, handle, (handle - 10) * 1024, 1024, &[handle as u8; 1024]);
    }
    disk.ask(3, 20, 0, 0, &[]);
    let mut answered: Vec<_> = (10..=20).map(|_| disk.answer()).collect();
    answered.sort_unstable();
    assert_eq!(
        answered,
        (10..=20).map(|handle| (handle, true)).collect::<Vec<_>>()
    );
    disk.ask(0, 21, 1024, 2048, &[]);
    assert_eq!(disk.answer(), (21, true));
    let read = disk.take(2048);
    assert_eq!((read[0], read[1024]), (11, 12));
    // Beyond the end, and what is not offered: refused.
    disk.ask(1, 22, 64 << 10, 512, &[0; 512]);
    assert_eq!(disk.answer(), (22, false));
    disk.ask(4, 23, 0, 512, &[]);
    assert_eq!(disk.answer(), (23, false));
    marks.ask(1, 2, 0, 512, &[2; MARK_BYTES]);
    assert_eq!(marks.answer(), (2, true));
    stop.stop();
    recording.join().unwrap().unwrap();

    let record = Record::open(&record).unwrap();
    let count = |kind| {
        record
            .events
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    };
    assert_eq!((count(Kind::WriteBegan), count(Kind::WriteEnded)), (10, 10));
    assert_eq!((count(Kind::FlushBegan), count(Kind::FlushEnded)), (1, 1));
    let all = record.marks(record.events.len()).unwrap();
    assert_eq!(all, [[1; MARK_BYTES], [2; MARK_BYTES]].concat());
}
