//! The signal to stop, seen by every part of the server.

use tokio::sync::watch;

/// Gives the signal.
#[derive(Debug)]
pub(crate) struct Trigger(watch::Sender<bool>);

/// Sees the signal. Clones see the same one.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// A signal and who sees it.
pub(crate) fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Tells everyone to stop.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the signal was given.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Resolves when the signal is given, or whoever could give it is gone.
    pub(crate) async fn stopping(&mut self) {
        // An error means that the trigger was dropped, which stops as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
