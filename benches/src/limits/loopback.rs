//! A sender and a receiver that only move bytes over loopback TCP.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::LARGE;
use crate::{error::BenchError, noise::Noise, statistics::Throughput};

/// Moves bytes over one connection for a time.
pub(crate) fn loopback(time: Duration) -> Result<Throughput, BenchError> {
    let failed = |doing| BenchError::io(doing, "127.0.0.1");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed("listen on"))?;
    let address = listener.local_addr().map_err(failed("listen on"))?;
    let sender = thread::spawn(move || {
        let mut data = vec![0; LARGE];
        Noise::new(3).fill(&mut data);
        let mut stream = TcpStream::connect(address)?;
        let start = Instant::now();
        while start.elapsed() < time {
            stream.write_all(&data)?;
        }
        Ok::<(), std::io::Error>(())
    });
    let (mut stream, _) = listener.accept().map_err(failed("accept on"))?;
    let (mut buffer, mut bytes) = (vec![0; LARGE], 0);
    let start = Instant::now();
    loop {
        let read = stream.read(&mut buffer).map_err(failed("read from"))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
    }
    let elapsed = start.elapsed();
    match sender.join() {
        Ok(sent) => sent.map_err(failed("write to"))?,
        Err(_) => return Err(BenchError::wrong("the sender panicked")),
    }
    Ok(Throughput { bytes, elapsed })
}
