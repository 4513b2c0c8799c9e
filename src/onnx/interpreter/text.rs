//! Operators on strings.

use std::collections::HashMap;

use regex::Regex;

use super::{
    Dtype, Tensor,
    call::Call,
    indexing,
    value::{self, OperatorError, Outcome, all, ensure, from_floats, one, texts},
};

pub(super) fn concat(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (x, y) = (texts(a)?, texts(b)?);
    let shape = indexing::broadcast(call, &[a.shape(), b.shape()])?;
    let left = indexing::broadcast_offsets(a.shape(), &shape);
    let right = indexing::broadcast_offsets(b.shape(), &shape);
    let pairs = || left.iter().zip(&right).map(|(l, r)| (&*x[*l], &*y[*r]));
    value::text_bytes(pairs().map(|(l, r)| l.len() + r.len()))?;
    let joined = pairs().map(|(l, r)| [l, r].concat().into());
    one(value::tensor(&shape, joined.collect::<Vec<Box<str>>>().into())?)
}

/// The parts of each string, padded with empty strings to the largest number of parts, and the
/// number of parts of each string.
pub(super) fn split(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let delimiter = call.text("delimiter", "");
    let most =
        call.attribute("maxsplit").map(|attribute| usize::try_from(attribute.i).unwrap_or(0));
    let parts: Vec<Vec<&str>> =
        texts(x)?.iter().map(|text| parts_of(text, &delimiter, most)).collect();
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let counts: Vec<i64> = parts.iter().map(|parts| parts.len() as i64).collect();
    let shape = [x.shape(), &[longest]].concat();
    value::count(&shape)?;
    let filled: Vec<Box<str>> = parts
        .into_iter()
        .flat_map(|parts| {
            parts.into_iter().map(Box::from).chain(std::iter::repeat(Box::from(""))).take(longest)
        })
        .collect();
    all([value::tensor(&shape, filled.into())?, value::tensor(x.shape(), counts.into())?])
}

fn parts_of<'t>(text: &'t str, delimiter: &str, most: Option<usize>) -> Vec<&'t str> {
    let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
    if !delimiter.is_empty() {
        return if text.is_empty() { Vec::new() } else { text.splitn(most, delimiter).collect() };
    }
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        match rest.split_once(char::is_whitespace).filter(|_| parts.len() + 1 < most) {
            Some((part, after)) => {
                parts.push(part);
                rest = after.trim_start();
            }
            None => {
                parts.push(rest);
                rest = "";
            }
        }
    }
    parts
}

pub(super) fn regex(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let pattern = compiled(&format!("^(?:{})$", call.text("pattern", "")))?;
    let found: Vec<bool> = texts(x)?.iter().map(|text| pattern.is_match(text)).collect();
    one(value::tensor(x.shape(), found.into())?)
}

pub(super) fn normalize(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let change: fn(&str) -> String = match &*call.text("case_change_action", "NONE") {
        "LOWER" => str::to_lowercase,
        "UPPER" => str::to_uppercase,
        _ => str::to_owned,
    };
    let sensitive = call.flag("is_case_sensitive");
    let folded = |text: &str| if sensitive { text.to_owned() } else { text.to_lowercase() };
    let stops: Vec<String> =
        call.texts("stopwords").unwrap_or_default().iter().map(|word| folded(word)).collect();
    let kept: Vec<Box<str>> = texts(x)?
        .iter()
        .filter(|text| stops.is_empty() || !stops.contains(&folded(text)))
        .map(|text| change(text).into())
        .collect();
    if kept.len() == x.data().len() {
        return one(value::tensor(x.shape(), kept.into())?);
    }
    let kept = if kept.is_empty() { vec![Box::from("")] } else { kept };
    match x.shape() {
        [_] => one(value::tensor(&[kept.len()], kept.into())?),
        [1, _] => one(value::tensor(&[1, kept.len()], kept.into())?),
        shape => Err(OperatorError::new(format!("words are left out of rows of shape {shape:?}"))),
    }
}

fn compiled(pattern: &str) -> Result<Regex, OperatorError> {
    Regex::new(pattern).map_err(|error| OperatorError::new(format!("`{pattern}`: {error}")))
}

/// `Tokenizer` of `com.microsoft`, in the forms that exporters of text vectorisers use.
pub(super) fn tokenize(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let separators = call.texts("separators").unwrap_or_default();
    let expression = call.text("tokenexp", "");
    let least = usize::try_from(call.int("mincharnum", 1)).unwrap_or(1);
    let marked = call.flag("mark");
    let pad = call.text("pad_value", "#");
    let by_letter = expression.is_empty() && separators.iter().all(String::is_empty);
    let token = if expression.is_empty() || expression == "." {
        None
    } else {
        Some(compiled(&expression)?)
    };
    let by_letter = by_letter || expression == ".";
    // Each separator is a regular expression.
    let cuts: Vec<Regex> = separators
        .iter()
        .filter(|separator| !separator.is_empty())
        .map(|separator| compiled(separator))
        .collect::<Result<_, _>>()?;
    let mut rows: Vec<Vec<Box<str>>> = Vec::new();
    for text in texts(x)? {
        let mut tokens: Vec<&str> = if by_letter {
            text.char_indices().map(|(at, letter)| &text[at..at + letter.len_utf8()]).collect()
        } else if let Some(token) = &token {
            token.find_iter(text).map(|found| found.as_str()).collect()
        } else {
            let cut = |parts: Vec<_>, cut: &Regex| -> Vec<&str> {
                parts.into_iter().flat_map(|part| cut.split(part).collect::<Vec<_>>()).collect()
            };
            cuts.iter().fold(vec![&**text], cut)
        };
        tokens.retain(|token| token.chars().count() >= least.max(1));
        let mut row: Vec<Box<str>> = tokens.into_iter().map(Box::from).collect();
        if marked {
            row.insert(0, "\u{2}".into());
            row.push("\u{3}".into());
        }
        rows.push(row);
    }
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let shape = [x.shape(), &[longest]].concat();
    value::text_bytes(std::iter::repeat_n(pad.len(), value::count(&shape)?))?;
    let pad: Box<str> = pad.into();
    for row in &mut rows {
        row.resize(longest, pad.clone());
    }
    one(value::tensor(&shape, rows.concat().into())?)
}

/// A string or integer, the unit of n-grams.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Word {
    Text(Box<str>),
    Int(i64),
}

pub(super) fn tf_idf(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let pool = pool(call)?;
    let grams = Grams::of(call, &pool)?;
    let columns = call.ints("ngram_indexes").unwrap_or_default();
    ensure!(grams.count == columns.len(), "{} n-grams, {} indexes", grams.count, columns.len());
    let columns = value::sizes(columns)?;
    let weights = call.floats("weights");
    let width = columns.iter().max().map_or(0, |most| most.saturating_add(1));
    let words: Vec<Word> = match x.as_text() {
        Some(texts) => texts.iter().cloned().map(Word::Text).collect(),
        None => value::indices(x)?.into_iter().map(Word::Int).collect(),
    };
    let (rows, each) = match *x.shape() {
        [] => (1, 1),
        [each] => (1, each),
        [rows, each] => (rows, each),
        _ => return Err(OperatorError::new(format!("shape {:?}", x.shape()))),
    };
    let mode = call.text("mode", "TF");
    let mut made = vec![0.0; value::count(&[rows, width])?];
    for row in 0..rows {
        for (number, count) in grams.counted(call, &words[row * each..(row + 1) * each])? {
            let weight = weights.as_ref().and_then(|w| w.get(number)).copied().unwrap_or(1.0);
            made[row * width + columns[number]] = match &*mode {
                "TF" => count,
                "IDF" => weight,
                "TFIDF" => count * weight,
                other => return Err(OperatorError::new(format!("mode `{other}`"))),
            };
        }
    }
    let shape: &[usize] = if x.shape().len() < 2 { &[width] } else { &[rows, width] };
    let made: Tensor = value::tensor(shape, from_floats(Dtype::F32, made))?;
    one(made)
}

/// The words of all n-grams, concatenated.
fn pool(call: &Call<'_>) -> Result<Vec<Word>, OperatorError> {
    match (call.texts("pool_strings"), call.ints("pool_int64s")) {
        (Some(texts), _) if !texts.is_empty() => {
            Ok(texts.into_iter().map(|text| Word::Text(text.into())).collect())
        }
        (_, Some(ints)) => Ok(ints.iter().copied().map(Word::Int).collect()),
        _ => Err(OperatorError::new("it has no pool")),
    }
}

/// The n-grams of the pool that are counted.
struct Grams<'p> {
    /// The index of each in the pool.
    known: HashMap<&'p [Word], usize>,
    /// The number of n-grams in the pool, including those of lengths that are not counted.
    count: usize,
    shortest: i64,
    longest: i64,
    /// The most words that may be skipped between two neighbouring words of an n-gram.
    skips: i64,
}

impl<'p> Grams<'p> {
    fn of(call: &Call<'_>, pool: &'p [Word]) -> Result<Grams<'p>, OperatorError> {
        // The offset in the pool at which the n-grams of each length begin.
        let starts = value::sizes(call.ints("ngram_counts").unwrap_or_default())?;
        let (shortest, longest) = (call.int("min_gram_length", 1), call.int("max_gram_length", 1));
        let (mut known, mut count) = (HashMap::new(), 0);
        for (index, start) in starts.iter().enumerate() {
            let length = index + 1;
            let end = starts.get(index + 1).copied().unwrap_or(pool.len());
            let part = pool.get(*start..end);
            let part = part.ok_or_else(|| OperatorError::new("ngram_counts beyond the pool"))?;
            for gram in part.chunks(length) {
                if (shortest..=longest).contains(&(length as i64)) {
                    known.insert(gram, count);
                }
                count += 1;
            }
        }
        Ok(Grams { known, count, shortest, longest, skips: call.int("max_skip_count", 0) })
    }

    /// How often each n-gram, identified by its index in the pool, occurs in a row of words.
    fn counted(
        &self,
        call: &Call<'_>,
        words: &[Word],
    ) -> Result<HashMap<usize, f64>, OperatorError> {
        let mut counts: HashMap<usize, f64> = HashMap::new();
        // No n-gram is longer than the row or skips more words than the row has.
        let most = words.len() as i64;
        for length in self.shortest.max(1)..=self.longest.min(most) {
            // A 1-gram has no words between which to skip any.
            let strides = if length == 1 { 1..=1 } else { 1..=self.skips.min(most) + 1 };
            for stride in strides {
                let reach = ((length - 1) * stride) as usize;
                let starts = words.len().saturating_sub(reach);
                call.spend(&[starts, length as usize])?;
                for start in 0..starts {
                    let words = words[start..].iter().step_by(stride as usize);
                    let gram: Vec<Word> = words.take(length as usize).cloned().collect();
                    if let Some(number) = self.known.get(&*gram) {
                        *counts.entry(*number).or_default() += 1.0;
                    }
                }
            }
        }
        Ok(counts)
    }
}
