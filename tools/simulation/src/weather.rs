//! Faults: what fails, how often, and for how long.

use std::io::ErrorKind;

use millstream_engine::io::simulated::{Action, Fate};

use crate::{choices::Choices, harm::Harm};

/// The kinds of faults that a life meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Climate {
    /// None but the ends of the process and the power.
    Fair,
    /// Operations fail, once or for a while.
    Errors,
    /// The medium is full for a while, and has room again.
    Full,
    /// Writes are dropped or land elsewhere, though they are said to be done.
    Lies,
}

/// What was done to a medium, whoever did it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past {
    /// A write was dropped or went astray, though it was said to be done.
    pub(crate) lied: bool,
    /// A flush has failed.
    pub(crate) flush_failed: bool,
    /// A copy of a cursor's place could not be read: the other one counts, and is written over it.
    pub(crate) place_unread: bool,
}

impl Past {
    /// What has to be reckoned with in a shard, if anything.
    pub(crate) fn harm(self, durable: bool, lied: impl FnOnce() -> Harm) -> Option<Harm> {
        match self {
            Past { lied: true, .. } => Some(lied()),
            // What was only written, and could not be flushed, may have holes.
            Past {
                flush_failed: true, ..
            } if !durable => Some(Harm::unknown()),
            _ => None,
        }
    }
}

/// What fails now.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    climate: Climate,
    /// Whether anything may fail at all.
    pub(crate) calm: bool,
    /// The medium has no room.
    pub(crate) full: bool,
    /// An action that fails each time, while this is there.
    stuck: Option<Action>,
    pub(crate) past: Past,
}

impl Weather {
    pub(crate) fn new(climate: Climate, past: Past) -> Weather {
        Weather {
            climate,
            calm: false,
            full: false,
            stuck: None,
            past,
        }
    }

    pub(crate) fn climate(&self) -> Climate {
        self.climate
    }

    /// Nothing fails any more.
    pub(crate) fn clear(&mut self) {
        self.calm = true;
        self.full = false;
        self.stuck = None;
    }

    /// It may begin again.
    pub(crate) fn resume(&mut self) {
        self.calm = false;
    }

    pub(crate) fn fate(&mut self, action: Action, choices: &mut Choices) -> Fate {
        let takes_room = matches!(
            action,
            Action::Allocate | Action::Create | Action::CreateDir | Action::WriteZeros
        );
        if self.full && takes_room {
            return Fate::Fails(ErrorKind::StorageFull);
        }
        if self.calm {
            return Fate::Done;
        }
        match self.climate {
            Climate::Fair | Climate::Full => Fate::Done,
            Climate::Errors => {
                let fate = self.error(action, choices);
                let flush = matches!(action, Action::Sync | Action::SyncAll);
                self.past.flush_failed |= flush && fate != Fate::Done;
                fate
            }
            Climate::Lies => match action {
                Action::Land if choices.once_in(60) => {
                    self.past.lied = true;
                    match choices.below(2) {
                        0 => Fate::Lies,
                        _ => Fate::Astray(8 * (1 + choices.below(16)) as u32),
                    }
                }
                _ => Fate::Done,
            },
        }
    }

    fn error(&mut self, action: Action, choices: &mut Choices) -> Fate {
        if matches!(action, Action::Complete | Action::Lock | Action::List) {
            return Fate::Done;
        }
        if self.stuck == Some(action) {
            if choices.once_in(6) {
                self.stuck = None;
            }
            return Fate::FailsHalfway(ErrorKind::Other);
        }
        let writes = matches!(
            action,
            Action::Land | Action::Sync | Action::Write | Action::WriteZeros
        );
        if !choices.once_in(if writes { 50 } else { 200 }) {
            return Fate::Done;
        }
        if choices.once_in(3) {
            self.stuck = Some(action);
        }
        match choices.below(2) {
            0 => Fate::Fails(ErrorKind::Other),
            _ => Fate::FailsHalfway(ErrorKind::Other),
        }
    }
}
