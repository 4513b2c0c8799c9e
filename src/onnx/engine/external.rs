//! External data: weights that a model keeps in files beside its own (`external_data` of
//! `TensorProto` in `onnx.proto`).

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use crate::onnx::{LoadError, builder::hexadecimal};

/// Where files of external weights may be, and what they must hash to.
pub(in crate::onnx) struct ExternalData<'a> {
    /// The model's folder; `None` for a model that was loaded from bytes.
    pub(in crate::onnx) folder: Option<PathBuf>,
    /// Names of files, each with its SHA-256 in hexadecimal.
    pub(in crate::onnx) pins: &'a [(Box<str>, Box<str>)],
    /// Whether the model's own file is pinned; then its weights must be too.
    pub(in crate::onnx) is_pinned: bool,
    /// The largest file that is read.
    pub(in crate::onnx) limit: u64,
}

/// Where a tensor's weights are.
struct Part<'a> {
    tensor: &'a str,
    file: &'a str,
    offset: u64,
    length: u64,
}

impl<'a> Part<'a> {
    /// Reads the entries `location`, `offset` and `length` of a tensor of this shape and type.
    fn read(
        tensor: &'a str,
        (dims, element): (&[i64], i32),
        entries: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Part<'a>, LoadError> {
        let (mut file, mut offset, mut stated) = (None, 0, None);
        for (key, value) in entries {
            let number = || {
                let known = value.parse::<u64>().ok();
                let expected = "a number of bytes";
                known.ok_or_else(|| wrong(tensor, file.unwrap_or_default(), (key, value), expected))
            };
            match key {
                "location" => file = Some(value),
                "offset" => offset = number()?,
                "length" => stated = Some(number()?),
                // `checksum` is a SHA-1, which proves nothing; exporters may add keys of their own.
                _ => {}
            }
        }
        let Some(file) = file.filter(|file| !file.is_empty()) else {
            return Err(wrong(tensor, "", ("location", "nothing"), "the file of its weights"));
        };
        let sizes = dims.iter().map(|size| u64::try_from(*size).ok());
        let mut sizes = sizes.chain([element_bytes(element)]);
        let length = sizes.try_fold(1_u64, |product, size| product.checked_mul(size?));
        let Some(length) = length else {
            let found = format!("{dims:?} of element type {element}");
            return Err(wrong(
                tensor,
                file,
                ("shape", &found),
                "numbers, and no more than memory holds",
            ));
        };
        if let Some(stated) = stated.filter(|stated| *stated != length) {
            let expected = format!("{length} bytes, as its shape says");
            return Err(wrong(tensor, file, ("length", &stated.to_string()), &expected));
        }
        Ok(Part { tensor, file, offset, length })
    }
}

/// The size in bytes of one element of a type, numbered as in `TensorProto.DataType`.
fn element_bytes(element: i32) -> Option<u64> {
    match element {
        2 | 3 | 9 => Some(1),
        4 | 5 | 10 | 16 => Some(2),
        1 | 6 | 12 => Some(4),
        7 | 11 | 13 => Some(8),
        _ => None,
    }
}

/// The files that have been read, by their `location` in the model.
pub(super) struct Files<'a> {
    external_data: &'a ExternalData<'a>,
    known: BTreeMap<Box<str>, Arc<[u8]>>,
}

impl<'a> Files<'a> {
    pub(super) fn new(external_data: &'a ExternalData<'a>) -> Files<'a> {
        Files { external_data, known: BTreeMap::new() }
    }

    /// The bytes of a tensor of this shape and element type, found by its `external_data` entries.
    pub(super) fn bytes<'t>(
        &mut self,
        tensor: &'t str,
        shape: (&[i64], i32),
        entries: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> Result<&[u8], LoadError> {
        if self.external_data.folder.is_none() {
            return Err(LoadError::ExternalData { tensor: tensor.into() });
        }
        self.part(&Part::read(tensor, shape, entries)?)
    }

    fn part(&mut self, part: &Part<'_>) -> Result<&[u8], LoadError> {
        if !self.known.contains_key(part.file) {
            let bytes = self.external_data.read(part)?;
            self.known.insert(part.file.into(), bytes.into());
        }
        let all = self.known.get(part.file).map_or(&[][..], |bytes| bytes);
        let start = usize::try_from(part.offset).ok();
        let end = part.offset.checked_add(part.length).and_then(|end| usize::try_from(end).ok());
        let bytes = start.zip(end).and_then(|(start, end)| all.get(start..end));
        bytes.ok_or_else(|| {
            let found = format!("{} bytes from {}", part.length, part.offset);
            let expected = format!("a part of the file's {} bytes", all.len());
            wrong(part.tensor, part.file, ("place", &found), &expected)
        })
    }

    /// The files, each with its name.
    ///
    /// # Errors
    ///
    /// When a file is pinned that the model does not have.
    pub(super) fn done(self) -> Result<BTreeMap<Box<str>, Arc<[u8]>>, LoadError> {
        match self.external_data.pins.iter().find(|(file, _)| !self.known.contains_key(file)) {
            None => Ok(self.known),
            Some((file, _)) => Err(LoadError::Option {
                option: "external_sha256",
                found: format!("`{file}`").into(),
                expected: match self.known.keys().next() {
                    None => "none, as all weights are in the model's own file".into(),
                    Some(known) => format!("a file that the model names, such as `{known}`").into(),
                },
            }),
        }
    }
}

impl ExternalData<'_> {
    /// Reads a whole file and checks it against its pin.
    fn read(&self, part: &Part<'_>) -> Result<Vec<u8>, LoadError> {
        let Part { tensor, file, .. } = *part;
        let Some(folder) = &self.folder else {
            return Err(LoadError::ExternalData { tensor: tensor.into() });
        };
        let outside =
            || wrong(tensor, file, ("location", file), "the name of a file in the model's folder");
        let mut names = Path::new(file).components();
        // Refused on every system, so that no model loads on one and leaves its folder on another.
        if file.contains(['\\', ':', '\0']) || !names.all(|n| matches!(n, Component::Normal(_))) {
            return Err(outside());
        }
        let pin = self.pins.iter().find(|(name, _)| **name == *file).map(|(_, pin)| pin);
        if self.is_pinned && pin.is_none() {
            return Err(LoadError::Option {
                option: "external_sha256",
                found: format!("no pin of `{file}`").into(),
                expected: "the SHA-256 of each file of weights, as the model's own is pinned"
                    .into(),
            });
        }
        let path = folder.join(file);
        let failed = |source| LoadError::Io { path: path.clone(), source };
        // Resolve symbolic links before comparing: one may lead out of the folder.
        let real = fs::canonicalize(&path).map_err(failed)?;
        let inside = fs::canonicalize(folder).map_err(failed)?;
        let opened = fs::File::open(&real).map_err(failed)?;
        let metadata = opened.metadata().map_err(failed)?;
        if !real.starts_with(inside) || !metadata.is_file() {
            return Err(outside());
        }
        let mut bytes = Vec::new();
        let too_large = |found| LoadError::TooLarge { found, limit: self.limit };
        if metadata.len() > self.limit {
            return Err(too_large(metadata.len()));
        }
        opened.take(self.limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > self.limit {
            return Err(too_large(bytes.len() as u64));
        }
        if let Some(pin) = pin {
            let found = hexadecimal(&Sha256::digest(&bytes));
            if !pin.eq_ignore_ascii_case(&found) {
                return Err(wrong(tensor, file, ("sha256", &found), pin));
            }
        }
        Ok(bytes)
    }
}

#[cold]
fn wrong(tensor: &str, file: &str, (field, found): (&str, &str), expected: &str) -> LoadError {
    LoadError::ExternalFile {
        tensor: tensor.into(),
        file: file.into(),
        found: format!("{field} {found}").into(),
        expected: expected.into(),
    }
}
