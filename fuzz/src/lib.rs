//! What the fuzz targets stand on. A target itself is a few lines in `fuzz_targets/`; what it makes
//! of its input and what must hold of it is here.
//!
//! - [`stand`]: a store on a simulated device, with workers that are turned by hand: no file, no
//!   thread and no clock, so that the same input does the same again.
//! - [`input`]: bytes, as a list of choices.
//! - [`patterns`]: good stores; [`damage`]: what an input does to the files of one.
//! - [`recovery`]: what must hold of a store whose files were damaged.
//! - [`index`], [`buffer`]: the same for an index file and a buffer's cursor.
//! - [`model`]: a store that is used, and crashes, beside a model of it.
//! - [`bodies`], [`signatures`]: bodies and signatures of the Kinesis API; [`puts`]: bodies of
//!   PutRecords, read in two ways.
//! - [`places`]: shard iterators and sequence numbers.
//! - [`dump`]: the files that an input makes, for `millstream inspect`.

pub mod bodies;
pub mod buffer;
pub mod damage;
pub mod dump;
pub mod index;
pub mod input;
pub mod model;
pub mod patterns;
pub mod places;
pub mod puts;
pub mod reading;
pub mod recovery;
pub mod signatures;
pub mod stand;
