//! Which replica writes, and in which order: one record for each writer in the store, changed by
//! compare-and-swap.
//!
//! A replica claims the record before it writes and releases it after. A replica that finds a claim
//! waits until it is released or has stood for [`RETRY_AFTER`], and then takes it over. So one replica
//! writes at a time, and none writes a revision older than what is written.
//!
//! A write that takes longer than that may arrive after a newer one. Its replica finds that its claim was
//! taken over, and writes the newest revision again. In case that replica has died, the one that took
//! over writes again too, after [`RETRY_AFTER`]. Until then the record keeps the claim as *unsettled*, so
//! that no other replica takes the late write for a person's edit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::writer_thread::RETRY_AFTER;
use crate::autopilot::{
    store::{self, Expect, StateStore, Tag},
    writer::{Intent, ShareWriter, WriteError, Written},
};

/// What the next replica to write must know.
#[derive(Serialize, Deserialize, Default)]
struct WriterRecord {
    /// The revision that was written last.
    rev: u64,
    #[serde(default)]
    written: Option<Written>,
    /// The replica that is writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
    /// A claim that was taken over, whose write may still arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsettled: Option<Claim>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Claim {
    replica: String,
    intent: Intent,
}

/// What a replica remembers between its turns.
#[derive(Default)]
pub(super) struct WriterMemory {
    /// The claim of another replica, and when it was first seen.
    claimed: Option<(Tag, Duration)>,
    /// What this replica wrote after its claim had been taken over.
    late: Option<Written>,
    /// A claim that this replica took over, whose write may still arrive.
    unsettled: Option<Claim>,
}

/// The result of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This revision or a newer one is written.
    Done,
    /// Another replica is writing.
    NotYet,
    /// Written, and to be written once more after [`RETRY_AFTER`].
    LookAgain,
}

/// A replica's turn with a writer.
pub(super) struct WriterTurn<'a> {
    pub(super) store: &'a dyn StateStore,
    pub(super) place: String,
    pub(super) writer: &'a dyn ShareWriter,
    pub(super) replica: &'a str,
    pub(super) now: Duration,
}

impl WriterTurn<'_> {
    /// Writes an intent, if it is newer than what is written. `counts` tells whether what was written at a
    /// revision must still be there, or a person has accepted something else since.
    pub(super) fn take(
        &self,
        intent: &Intent,
        counts: impl Fn(u64) -> bool,
        memory: &mut WriterMemory,
    ) -> Result<Turn, WriteError> {
        let (mut record, expect) = self.load()?;
        let again = memory.late.is_some() || memory.unsettled.is_some();
        if record.rev > intent.rev || (record.rev == intent.rev && !again) {
            // This replica will read the newer revision soon, and writes it again then.
            return Ok(if memory.late.is_some() { Turn::NotYet } else { Turn::Done });
        }
        if let Some(claim) = record.claim.take() {
            if claim.intent.rev > intent.rev {
                return Ok(if memory.late.is_some() { Turn::NotYet } else { Turn::Done });
            }
            let own = claim.replica == self.replica;
            if let Expect::Tag(tag) = &expect
                && !own
                && self.must_wait(tag, memory)
            {
                return Ok(Turn::NotYet);
            }
            if !own || claim.intent.rev < intent.rev {
                memory.unsettled = Some(claim);
            }
        }
        // Whoever writes while a claim is unsettled writes once more, as the one that took it over may
        // have died as well.
        if memory.unsettled.is_none() {
            memory.unsettled = record.unsettled.take().filter(|open| open.replica != self.replica);
        }
        memory.claimed = None;
        let claim = Claim { replica: self.replica.to_owned(), intent: intent.clone() };
        let unsettled = memory.unsettled.clone();
        let claimed = WriterRecord { claim: Some(claim), unsettled, ..record };
        let Some(tag) = self.store(&claimed, expect)? else { return Ok(Turn::NotYet) };
        let last = match counts(claimed.rev) {
            true => memory.late.as_ref().or(claimed.written.as_ref()),
            false => None,
        };
        let written = match self.write(intent, last, memory) {
            Ok(written) => written,
            Err(error) => {
                if error.is_conflict() {
                    // Nothing was written, so no replica has to wait.
                    self.store(&WriterRecord { claim: None, ..claimed }, Expect::Tag(tag))?;
                }
                return Err(error);
            }
        };
        memory.late = None;
        // Written once more, it is settled: the late write has arrived, or never will.
        let unsettled = if again { None } else { memory.unsettled.clone() };
        let written_record = WriterRecord {
            rev: intent.rev,
            written: Some(written.clone()),
            claim: None,
            unsettled: unsettled.clone(),
        };
        if self.store(&written_record, Expect::Tag(tag))?.is_none() {
            memory.late = Some(written);
            return Ok(Turn::NotYet);
        }
        memory.unsettled = unsettled;
        Ok(if memory.unsettled.is_some() { Turn::LookAgain } else { Turn::Done })
    }

    /// What is found may be what was written last, or what an unsettled claim has written since.
    fn write(
        &self,
        intent: &Intent,
        last: Option<&Written>,
        memory: &WriterMemory,
    ) -> Result<Written, WriteError> {
        let refused = match self.writer.write(intent, last) {
            Err(error) if error.is_conflict() => error,
            other => return other,
        };
        let open = memory.unsettled.as_ref().map(|claim| &claim.intent);
        let Some(open) = open.filter(|open| open.rev != intent.rev) else {
            return Err(refused);
        };
        // Writes nothing if that is what is there, and is refused like the first if it is not.
        let last = self.writer.write(open, last)?;
        self.writer.write(intent, Some(&last))
    }

    fn must_wait(&self, tag: &Tag, memory: &mut WriterMemory) -> bool {
        match &memory.claimed {
            Some((seen, since)) if seen == tag => self.now.saturating_sub(*since) < RETRY_AFTER,
            _ => {
                memory.claimed = Some((tag.clone(), self.now));
                true
            }
        }
    }

    fn load(&self) -> Result<(WriterRecord, Expect), WriteError> {
        let found = self.store.load(&self.place).map_err(failed)?;
        Ok(match found {
            Some((bytes, tag)) => {
                (serde_json::from_slice(&bytes).unwrap_or_default(), Expect::Tag(tag))
            }
            None => (WriterRecord::default(), Expect::Absent),
        })
    }

    /// `None` when another replica was first.
    fn store(&self, record: &WriterRecord, expect: Expect) -> Result<Option<Tag>, WriteError> {
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        match self.store.store(&self.place, &bytes, expect) {
            Ok(tag) => Ok(Some(tag)),
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: store::Error) -> WriteError {
    WriteError::new("the store did not do what was asked", error)
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, sync::Arc};

    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::autopilot::{Cause, Phase, Share, store::MemoryStore};

    /// What happens between what a writer reads at the vendor and what it writes there.
    type Meanwhile = Box<dyn FnOnce() + Send>;

    /// A vendor as the writers see it: read, compared, then written.
    #[derive(Clone, Default)]
    struct Vendor {
        shows: Arc<Mutex<Option<u64>>>,
        meanwhile: Arc<Mutex<Option<Meanwhile>>>,
        /// The next write is done, and its writer never hears of it.
        hangs: Arc<Mutex<bool>>,
    }

    impl ShareWriter for Vendor {
        fn name(&self) -> Cow<'static, str> {
            "vendor".into()
        }

        fn write(&self, intent: &Intent, last: Option<&Written>) -> Result<Written, WriteError> {
            let found = json!(*self.shows.lock());
            let wanted = json!(intent.rev);
            crate::autopilot::writer::unchanged("the flag", &found, &wanted, last)?;
            let meanwhile = self.meanwhile.lock().take();
            meanwhile.into_iter().for_each(|happens| happens());
            *self.shows.lock() = Some(intent.rev);
            if std::mem::take(&mut *self.hangs.lock()) {
                return Err(WriteError::new(
                    "nothing was heard",
                    "the server has not answered in time",
                ));
            }
            Ok(Written(json!(*self.shows.lock())))
        }
    }

    struct Replica {
        id: &'static str,
        store: MemoryStore,
        vendor: Vendor,
        memory: Mutex<WriterMemory>,
    }

    impl Replica {
        fn take(&self, rev: u64, now: u64) -> Result<Turn, WriteError> {
            let intent = Intent {
                autopilot: "ml-model".to_owned(),
                candidate: "v2".to_owned(),
                rev,
                attempt: 0,
                from: Phase::Shadowing,
                to: Phase::Ramping { stage: 1 },
                share: Share::from_percent(5.0),
                cause: Cause::Advanced,
                sentence: "nothing is worse".to_owned(),
            };
            let turn = WriterTurn {
                store: &self.store,
                place: "writer/vendor.json".to_owned(),
                writer: &self.vendor,
                replica: self.id,
                now: Duration::from_secs(now),
            };
            turn.take(&intent, |_| true, &mut self.memory.lock())
        }
    }

    /// Two replicas, and a vendor that shows revision 4.
    fn two() -> (Replica, Arc<Replica>, Vendor) {
        let (store, vendor) = (MemoryStore::new(), Vendor::default());
        let replica = |id| Replica {
            id,
            store: store.clone(),
            vendor: vendor.clone(),
            memory: Mutex::default(),
        };
        let (older, newer) = (replica("older"), replica("newer"));
        assert_eq!(older.take(4, 0).unwrap(), Turn::Done);
        (older, Arc::new(newer), vendor)
    }

    #[test]
    fn whoever_comes_while_another_writes_waits_and_the_older_is_never_last() {
        let (older, newer, vendor) = two();
        let other = Arc::clone(&newer);
        *vendor.meanwhile.lock() =
            Some(Box::new(move || assert_eq!(other.take(6, 0).unwrap(), Turn::NotYet)));
        assert_eq!(older.take(5, 0).unwrap(), Turn::Done);
        assert_eq!(newer.take(6, 1).unwrap(), Turn::Done);
        assert_eq!(older.take(5, 2).unwrap(), Turn::Done, "a newer one is there");
        assert_eq!(*vendor.shows.lock(), Some(6));
    }

    /// The older replica's write is under way for a minute: the newer one writes, and then it arrives.
    fn late(older: &Replica, newer: &Arc<Replica>, vendor: &Vendor) {
        let (other, shows) = (Arc::clone(newer), Arc::clone(&vendor.shows));
        *vendor.meanwhile.lock() = Some(Box::new(move || {
            assert_eq!(other.take(6, 0).unwrap(), Turn::NotYet);
            assert_eq!(other.take(6, 60).unwrap(), Turn::LookAgain);
            assert_eq!(*shows.lock(), Some(6));
        }));
        assert_eq!(older.take(5, 0).unwrap(), Turn::NotYet);
        assert_eq!(*vendor.shows.lock(), Some(5), "the wrong one, for now");
    }

    #[test]
    fn a_write_that_arrives_after_a_newer_one_is_put_right_by_whoever_sent_it() {
        let (older, newer, vendor) = two();
        late(&older, &newer, &vendor);
        assert_eq!(older.take(5, 61).unwrap(), Turn::NotYet, "it has not heard of the newer one");
        assert_eq!(older.take(6, 62).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(6));
        assert_eq!(newer.take(6, 120).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(6));
    }

    #[test]
    fn a_write_that_arrives_after_its_sender_has_died_is_put_right_by_the_one_that_took_over() {
        let (older, newer, vendor) = two();
        late(&older, &newer, &vendor);
        drop(older);
        assert_eq!(newer.take(6, 120).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(6));
    }

    #[test]
    fn a_write_that_arrives_after_its_sender_has_died_is_no_persons_edit_to_a_third_replica() {
        let (older, newer, vendor) = two();
        late(&older, &newer, &vendor);
        let third = Replica {
            id: "third",
            store: older.store.clone(),
            vendor: vendor.clone(),
            memory: Mutex::default(),
        };
        drop(older);
        assert_eq!(third.take(7, 61).unwrap(), Turn::LookAgain);
        assert_eq!(*vendor.shows.lock(), Some(7));
        // Late again: it has been under way all the time.
        *vendor.shows.lock() = Some(5);
        assert_eq!(third.take(7, 121).unwrap(), Turn::Done);
        assert_eq!(newer.take(7, 122).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(7));
        // Settled by now: whoever writes the same from now on is a person.
        *vendor.shows.lock() = Some(5);
        assert!(third.take(8, 200).unwrap_err().is_conflict());
        assert!(newer.take(8, 201).unwrap_err().is_conflict());
        assert_eq!(*vendor.shows.lock(), Some(5));
    }

    #[test]
    fn a_write_of_which_nobody_heard_is_no_persons_edit_and_a_persons_edit_is_none_of_ours() {
        let (older, newer, vendor) = two();
        *vendor.hangs.lock() = true;
        assert!(!older.take(5, 0).unwrap_err().is_conflict());
        assert_eq!(*vendor.shows.lock(), Some(5));
        assert_eq!(newer.take(6, 1).unwrap(), Turn::NotYet);
        assert_eq!(newer.take(6, 61).unwrap(), Turn::LookAgain);
        assert_eq!(newer.take(6, 121).unwrap(), Turn::Done);
        *vendor.shows.lock() = Some(99);
        assert!(newer.take(7, 122).unwrap_err().is_conflict());
        // A conflict leaves no claim: the next replica finds it at once.
        assert!(older.take(8, 122).unwrap_err().is_conflict());
        assert_eq!(*vendor.shows.lock(), Some(99));
    }

    #[test]
    fn the_same_replica_goes_on_after_a_write_of_which_it_did_not_hear() {
        let (older, _newer, vendor) = two();
        *vendor.hangs.lock() = true;
        older.take(5, 0).unwrap_err();
        assert_eq!(older.take(6, 1).unwrap(), Turn::LookAgain);
        assert_eq!(older.take(6, 61).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(6));
    }

    #[test]
    fn a_record_of_before_there_were_claims_is_read() {
        let (_older, newer, vendor) = two();
        newer.store.store("writer/vendor.json", br#"{"rev":8,"written":4}"#, Expect::Any).unwrap();
        assert_eq!(newer.take(7, 0).unwrap(), Turn::Done);
        assert_eq!(newer.take(9, 0).unwrap(), Turn::Done);
        assert_eq!(*vendor.shows.lock(), Some(9));
    }
}
