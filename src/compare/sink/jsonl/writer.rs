//! The thread behind a JSONL sink.

use std::{io, sync::atomic::Ordering};

use crossbeam_channel::{Receiver, Sender};

use super::{LineCounts, file::RotatingFile};

pub(super) enum Message {
    Line(Vec<u8>),
    Flush(Sender<io::Result<()>>),
}

/// Writes until the sink is gone and the queue is empty.
pub(super) fn write_queued(mut file: RotatingFile, queue: &Receiver<Message>, counts: &LineCounts) {
    let mut failing = false;
    let mut lost: Option<io::Error> = None;
    for message in queue {
        match message {
            Message::Line(line) => match append(&mut file, line, counts) {
                Ok(()) => {
                    counts.recorded.fetch_add(1, Ordering::Relaxed);
                    if std::mem::take(&mut failing) {
                        tracing::info!(
                            target: "modelgate::compare",
                            path = %file.path().display(),
                            "comparisons are written again"
                        );
                    }
                }
                Err(error) => {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            target: "modelgate::compare",
                            path = %file.path().display(),
                            %error,
                            "comparisons cannot be written; each one lost is counted"
                        );
                    }
                    lost = Some(error);
                }
            },
            Message::Flush(reply) => {
                let result = match lost.take() {
                    Some(error) => Err(error),
                    None => file.sync(),
                };
                // The caller may have stopped waiting.
                let _ = reply.try_send(result);
            }
        }
    }
}

fn append(file: &mut RotatingFile, line: Vec<u8>, counts: &LineCounts) -> io::Result<()> {
    let result = file.append(&line);
    counts.waiting.fetch_sub(line.len(), Ordering::Relaxed);
    result
}
