//! The verbs and their numbers.

/// Set in the opcode of an answer.
pub const ANSWER: u8 = 0x80;
/// Opcode of an error answer.
pub const ERROR: u8 = 0xff;

/// A verb. The number of a request; its answer has [`ANSWER`] set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Opcode {
    /// The handshake, a client's first frame.
    Hello = 1,
    /// Is the server there?
    Ping = 2,
    /// Records that the server routes.
    Put = 3,
    /// Ready batches, one or more, each for a named shard.
    PutBatches = 4,
    /// Read from a position.
    Get = 5,
    /// Push from a position on, within credit.
    Follow = 6,
    /// More credit for a follow.
    Credit = 7,
    /// The end of a follow.
    Unfollow = 8,
    /// The shards of a stream and their hash ranges.
    ShardMapOf = 9,
    /// Make a stream.
    CreateStream = 10,
    /// Names of streams.
    ListStreams = 11,
    /// A stream and its shards.
    DescribeStream = 12,
    /// Delete a stream and its records.
    DeleteStream = 13,
    /// Change the retention of a stream.
    SetRetention = 14,
    /// Who the client is, after a challenge.
    Authenticate = 15,
}

impl Opcode {
    /// Every verb, in the order of their numbers.
    pub const ALL: [Opcode; 15] = [
        Opcode::Hello,
        Opcode::Ping,
        Opcode::Put,
        Opcode::PutBatches,
        Opcode::Get,
        Opcode::Follow,
        Opcode::Credit,
        Opcode::Unfollow,
        Opcode::ShardMapOf,
        Opcode::CreateStream,
        Opcode::ListStreams,
        Opcode::DescribeStream,
        Opcode::DeleteStream,
        Opcode::SetRetention,
        Opcode::Authenticate,
    ];

    /// The verb of a request's opcode.
    #[must_use]
    pub fn of_request(opcode: u8) -> Option<Opcode> {
        Opcode::ALL.into_iter().find(|verb| *verb as u8 == opcode)
    }

    /// The verb that an answer's opcode belongs to; `None` for errors too.
    #[must_use]
    pub fn of_answer(opcode: u8) -> Option<Opcode> {
        if opcode & ANSWER == 0 {
            return None;
        }
        Opcode::of_request(opcode & !ANSWER)
    }

    /// The opcode of the verb's answer.
    #[must_use]
    pub fn answer(self) -> u8 {
        self as u8 | ANSWER
    }
}

const _: () = {
    let mut i = 0;
    while i < Opcode::ALL.len() {
        assert!(Opcode::ALL[i] as usize == i + 1, "numbers are dense from 1");
        i += 1;
    }
};
