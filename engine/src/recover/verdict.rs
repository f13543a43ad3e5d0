//! A torn tail is not damage: the judgement of what a scan found.

use super::scan::Scan;
use crate::{error::Damage, options::Durability, segment::SegmentHeader, sequence::SequenceNumber};

/// What is to be done with the active segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing follows the last good batch: go on behind it.
    Whole,
    /// What follows was never known to be acknowledged: void, to be cut off by a new segment.
    Trim,
    /// An acknowledged record does not verify.
    Damaged(Damage),
}

/// Judges a scan of the active segment. All sequence numbers below the highest watermark that
/// survives were acknowledged. `reopened` is for a shard whose process knows its watermark, which
/// the scan has taken into account: whatever lies above it is void.
pub(crate) fn judge(
    scan: &Scan,
    header: &SegmentHeader,
    durability: Durability,
    reopened: bool,
) -> Verdict {
    let expected = scan.end.sequence;
    let acknowledged = scan.watermark.max(header.watermark) > expected;
    let here = (scan.end.offset, &scan.reason);
    let unreadable = match &scan.beyond.unreadable {
        _ if reopened => None,
        _ if scan.unreadable => Some(here),
        beyond => beyond.as_ref().map(|(offset, reason)| (*offset, reason)),
    };
    // What cannot be read may have been acknowledged, and may be readable again: nothing is cut
    // off on the strength of that.
    if acknowledged || unreadable.is_some() {
        // The power may take any part of what was only written: no more was promised.
        if durability == Durability::Written && !reopened && unreadable.is_none() {
            return Verdict::Trim;
        }
        let (offset, reason) = unreadable.filter(|_| !acknowledged).unwrap_or(here);
        return Verdict::Damaged(Damage {
            file: scan.file.clone(),
            offset,
            sequence: SequenceNumber(expected),
            resume: scan.beyond.resume.map(SequenceNumber),
            reason: reason.clone(),
        });
    }
    // Only a batch of this segment's epoch could come back. Other bytes behind the end are what a
    // recycled file held before, or the body of a batch whose header did not land.
    if reopened || scan.beyond.headers > 0 {
        Verdict::Trim
    } else {
        Verdict::Whole
    }
}
