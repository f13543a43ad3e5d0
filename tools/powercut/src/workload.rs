//! The writer: for some seconds, in rounds between which store and buffer are closed cleanly and
//! opened again, it does everything that a shard and a buffer can go through.

mod appender;
mod pusher;
mod short;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use millstream_engine::{Buffer, CursorStart, Error, Shard, Store};

use crate::{
    Place,
    bug::{self, Bug},
    mark::{Mark, Marker},
    plan::{self, BUFFER, CURSORS, LASTING},
    record::Dice,
};
use appender::Appender;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The disk of the marks
    #[arg(long)]
    marks: PathBuf,
    /// How long it writes
    #[arg(long)]
    seconds: u64,
    /// Decides sizes and turns
    #[arg(long)]
    seed: u64,
    /// Break the device on purpose
    #[arg(long)]
    bug: Option<Bug>,
}

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long store and buffer stay open.
const ROUND: Duration = Duration::from_millis(2500);

/// What outlives a round.
struct Lasting {
    appenders: Vec<Appender>,
    short: short::Short,
    pusher: pusher::Pusher,
    consumers: Vec<pusher::Consumer>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let start = Instant::now();
    let end = start + Duration::from_secs(arguments.seconds);
    let mut dice = Dice(arguments.seed);
    let mut threads = 0;
    let mut marker = || {
        threads += 1;
        Marker::open(&arguments.marks, threads)
    };
    let mut teller = marker()?;
    let mut lasting = Lasting {
        appenders: Vec::new(),
        short: short::Short::new(marker()?, dice.next()),
        pusher: pusher::Pusher::new(marker()?, dice.next()),
        consumers: Vec::new(),
    };
    for (shard, _) in LASTING {
        let appender = Appender::new(shard, marker()?, dice.next());
        lasting.appenders.push(appender);
    }
    for cursor in 0..CURSORS.len() as u64 {
        let consumer = pusher::Consumer::new(cursor, marker()?);
        lasting.consumers.push(consumer);
    }
    let mut rounds = 0;
    while rounds == 0 || Instant::now() < end {
        round(arguments, &mut teller, &mut lasting, rounds == 0, end)?;
        rounds += 1;
        let appended: Vec<_> = lasting.appenders.iter().map(Appender::next).collect();
        println!(
            "{:.1} s: round {rounds}, records {appended:?}, {} pushed, {} shards made",
            start.elapsed().as_secs_f64(),
            lasting.pusher.next(),
            lasting.short.made()
        );
    }
    Ok(())
}

fn round(
    arguments: &Arguments,
    teller: &mut Marker,
    lasting: &mut Lasting,
    first: bool,
    end: Instant,
) -> Result<(), Failure> {
    let place = &arguments.place;
    let mut options = plan::store_options(place.device);
    let mut buffer_options = plan::buffer_options(place.device);
    if let Some(bug) = arguments.bug {
        std::fs::create_dir_all(place.store())?;
        std::fs::create_dir_all(place.buffer())?;
        let device = |path: PathBuf| bug::device(&path, place.device.choice(), bug);
        options.environment.device = Some(device(place.store())?);
        buffer_options.environment.device = Some(device(place.buffer())?);
    }
    let store = Store::open(place.store(), options)?;
    if first {
        println!("{:?}", store.device());
        teller.tell(Mark::Creating(BUFFER))?;
    }
    let buffer = Buffer::open(place.buffer(), buffer_options)?;
    if first {
        teller.tell(Mark::Created(BUFFER))?;
    }
    for (number, name) in (0..).zip(CURSORS) {
        match buffer.create_cursor(name, CursorStart::Oldest) {
            Ok(()) => teller.tell(Mark::Passed(number, 0))?,
            Err(Error::CursorExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let shards = open_shards(&store, teller, first)?;
    let stop = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| -> Result<(), Failure> {
        let mut running = Vec::new();
        for (shard, appender) in shards.iter().zip(&mut lasting.appenders) {
            let (store, stop) = (&store, &*stop);
            running.push(scope.spawn(move || appender.run(store, shard, stop)));
        }
        let (short, pusher) = (&mut lasting.short, &mut lasting.pusher);
        let (store, buffer, flag) = (&store, &buffer, &*stop);
        running.push(scope.spawn(move || short.run(store, flag)));
        running.push(scope.spawn(move || pusher.run(buffer, flag)));
        for consumer in &mut lasting.consumers {
            running.push(scope.spawn(move || consumer.run(buffer, flag)));
        }
        let until = end.min(Instant::now() + ROUND);
        while Instant::now() < until && running.iter().all(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::SeqCst);
        for thread in running {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    store.close()?;
    for appender in &lasting.appenders {
        teller.tell(Mark::Closed(appender.shard(), appender.next()))?;
    }
    buffer.close()?;
    teller.tell(Mark::Closed(BUFFER, lasting.pusher.next()))?;
    Ok(())
}

fn open_shards(store: &Store, teller: &mut Marker, first: bool) -> Result<Vec<Shard>, Failure> {
    let mut shards = Vec::new();
    for (id, _) in LASTING {
        let options = plan::shard_options(id, true);
        if first {
            teller.tell(Mark::Creating(id))?;
            shards.push(store.create_shard(id, options)?);
            teller.tell(Mark::Created(id))?;
            continue;
        }
        let shard = store.open_shard(id, options)?;
        // A mark of the close has no room in a segment that is full to its last block.
        let opened = shard.status().opened;
        if opened.trimmed_bytes > 0 {
            return Err(format!("shard {id} had been closed, and is {opened:?}").into());
        }
        shards.push(shard);
    }
    Ok(shards)
}
