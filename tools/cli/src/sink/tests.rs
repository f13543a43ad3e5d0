use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn chunks_large_and_small_are_written_in_order() {
    let out = Shared::default();
    let (sink, writer) = start(out.clone());
    let mut expected = Vec::new();
    for round in 0..200usize {
        let len = if round % 7 == 0 {
            GATHERED_BYTES
        } else {
            round
        };
        let mut chunk = sink.buffer();
        assert!(chunk.is_empty());
        chunk.resize(len, round as u8);
        expected.extend_from_slice(&chunk);
        sink.write(chunk).await.unwrap();
    }
    drop(sink);
    writer.finish().unwrap();
    assert!(*out.0.lock().unwrap() == expected);
}

#[tokio::test]
async fn a_failed_output_stops_the_shards_and_is_told() {
    let (sink, writer) = start(Gone);
    while sink.write(vec![1]).await.is_ok() {}
    drop(sink);
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
