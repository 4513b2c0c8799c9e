//! A model whose batches a test watches and holds.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, ThreadId},
};

use modelgate::{Model, ModelError};

/// Doubles its row. A row of 0 is held until it is let go; a negative one is refused; 13 panics
/// wherever it stands; 99 makes a batch lose an answer. Neither a closure nor `testing::PuppetModel`
/// sees its batches.
pub struct Doubles {
    entered: Sender<()>,
    go: Mutex<Receiver<()>>,
    /// What ran so far: the rows of each batch, and on which thread.
    pub ran: Mutex<Vec<(Vec<f32>, ThreadId)>>,
}

/// The test's side of the model.
pub struct Handle {
    /// A message for each row of 0 that is held.
    pub entered: Receiver<()>,
    /// Lets one of them go.
    pub go: Sender<()>,
    pub model: Arc<Doubles>,
}

pub fn doubles() -> Handle {
    let (enter, entered) = channel();
    let (go, gone) = channel();
    let model = Doubles { entered: enter, go: Mutex::new(gone), ran: Mutex::default() };
    Handle { entered, go, model: Arc::new(model) }
}

impl Doubles {
    /// The rows of each batch that ran.
    pub fn batches(&self) -> Vec<Vec<f32>> {
        self.ran.lock().unwrap().iter().map(|(rows, _)| rows.clone()).collect()
    }

    fn one(&self, row: &[f32]) -> Result<f32, ModelError> {
        match row[0] {
            0.0 => {
                // The test may have ended, which lets everything go.
                let _ = self.entered.send(());
                let _ = self.go.lock().unwrap().recv();
                Ok(0.0)
            }
            13.0 => panic!("thirteen"),
            value if value < 0.0 => Err(ModelError::invalid_input("row", value, "at least 0")),
            value => Ok(value * 2.0),
        }
    }

    fn note(&self, rows: Vec<f32>) {
        self.ran.lock().unwrap().push((rows, thread::current().id()));
    }
}

impl Model<[f32], f32> for Doubles {
    fn predict(&self, row: &[f32]) -> Result<f32, ModelError> {
        self.note(vec![row[0]]);
        self.one(row)
    }

    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        self.note(rows.iter().map(|row| row[0]).collect());
        let mut answers: Vec<_> = rows.iter().map(|row| self.one(row)).collect();
        if rows.iter().any(|row| row[0] == 99.0) {
            answers.pop();
        }
        answers
    }
}
