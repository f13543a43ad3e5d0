//! Lives of a store on a simulated device, and an oracle that judges them.
//!
//! A life is made of choices ([`Choices`]): the same choices give the same life, operation by
//! operation. In it a store is opened, used, closed, killed and cut off from its power, over and
//! over; between any two operations of its device it is tried what would be left if it ended just
//! then. What is found after each end is judged by what callers were told.

mod buffered;
mod caller;
mod choices;
mod found;
mod harm;
mod life;
mod model;
mod payload;
mod sizes;
mod trial;
mod weather;
mod world;

pub use choices::Choices;
pub use life::{Manner, Outcome, live};
pub use trial::Totals;
