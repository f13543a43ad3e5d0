//! Readings survive power cuts in a buffer until they were sent on:
//! `cargo run -p millstream-engine --example durable_buffer -- ./readings`
#![allow(clippy::print_stdout)] // it shows what it does

use millstream_engine::{Buffer, BufferOptions, CursorStart, Error, WhenFull};

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1);
    let options = BufferOptions {
        cap_bytes: 8 << 20,
        memory_budget: 2 << 20,
        when_full: WhenFull::DropOldest,
        ..BufferOptions::default()
    };
    let buffer = Buffer::open(path.as_deref().unwrap_or("./readings"), options)?;
    match buffer.create_cursor("uplink", CursorStart::Oldest) {
        Ok(()) | Err(Error::CursorExists { .. }) => {}
        Err(error) => return Err(error),
    }
    for reading in 0..10 {
        let sequence = buffer.push(format!("{} degrees", 20 + reading).as_bytes())?;
        println!("{sequence} is durable");
    }
    loop {
        let peek = buffer.peek("uplink", 4, 64 << 10)?;
        for record in peek.records() {
            let record = record?;
            let data = String::from_utf8_lossy(record.data);
            println!("send {}: {data}", record.sequence);
        }
        let Some(last) = peek.last() else { break };
        buffer.acknowledge("uplink", last)?; // from here on it is not sent again
    }
    println!("{:?}", buffer.stats()?);
    buffer.close()
}
