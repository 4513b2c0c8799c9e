//! Reads a file, and checks it against its size limit and pins.

use std::{fmt::Write, fs::File, io::Read, path::Path};

use sha2::{Digest, Sha256};

use super::{
    super::{
        AxisSize, AxisSizes, Document, ExternalData, LoadError, TensorInfo, axes::Axis,
        describe::shape_text,
    },
    BatchAxis, Loader, NonFiniteInput,
};

impl Loader {
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let failed = |source| LoadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let stated = file.metadata().map_err(failed)?.len();
        self.check_size(stated)?;
        let mut bytes = Vec::new();
        // The file may have grown since, or be a pipe, which has no size.
        file.take(self.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn check_size(&self, found: u64) -> Result<(), LoadError> {
        if found > self.max_file_bytes {
            return Err(LoadError::TooLarge { found, limit: self.max_file_bytes });
        }
        Ok(())
    }

    /// Parses these bytes, read from this file, and applies the options that every kind of model has.
    /// Returns the SHA-256 as well.
    pub(in crate::onnx) fn document(
        &self,
        bytes: &[u8],
        path: Option<&Path>,
    ) -> Result<(Document, Box<str>), LoadError> {
        self.check_size(bytes.len() as u64)?;
        if self.batch == BatchAxis::Pinned(0) {
            return Err(LoadError::Option {
                option: "batch",
                found: "Pinned(0)".into(),
                expected: "at least 1 row".into(),
            });
        }
        for (_, pin) in &self.external_sha256 {
            check_pin("external_sha256", pin)?;
        }
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        if let Some(pin) = &self.sha256 {
            check_pin("sha256", pin)?;
            if !pin.eq_ignore_ascii_case(&sha256) {
                return Err(LoadError::PinMismatch { found: sha256, expected: pin.clone() });
            }
        }
        let external_data = ExternalData {
            folder: path.map(|path| match path.parent() {
                Some(folder) if folder != Path::new("") => folder.to_owned(),
                _ => ".".into(),
            }),
            pins: &self.external_sha256,
            is_pinned: self.sha256.is_some(),
            limit: self.max_file_bytes,
        };
        let mut document = self.engine.read(bytes, &external_data)?;
        for (name, sizes) in &self.axes {
            let axis = Axis::find(name, sizes, &document.inputs)?;
            if let AxisSizes::Fixed(size) = sizes {
                document.fix(&axis, *size);
            }
        }
        document.inputs.iter().try_for_each(check_elements)?;
        if self.non_finite != NonFiniteInput::Refused {
            document.keep_nan();
        }
        Ok((document, sha256))
    }
}

/// The most elements of an input: 256 MiB of 32-bit floats.
const MOST_ELEMENTS: usize = 1 << 26;

/// Refuses an input that would take too much memory: preparing the model allocates tensors of its
/// size. An axis of size 0 counts as 1, so that it cannot hide huge ones beside it.
fn check_elements(input: &TensorInfo) -> Result<(), LoadError> {
    let axes = input.shape.as_deref().unwrap_or_default();
    let sizes = axes.iter().filter_map(AxisSize::fixed);
    let elements = sizes.fold(1_usize, |product, size| product.saturating_mul(size.max(1)));
    if elements <= MOST_ELEMENTS {
        return Ok(());
    }
    Err(LoadError::Shape {
        tensor: input.name.clone(),
        found: shape_text(input.shape.as_deref()).into(),
        expected: "at most 2^26 elements along its fixed axes".into(),
    })
}

fn check_pin(option: &'static str, pin: &str) -> Result<(), LoadError> {
    if pin.len() == 64 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(LoadError::Option {
        option,
        found: format!("{} characters", pin.chars().count()).into(),
        expected: "64 hexadecimal digits".into(),
    })
}

pub(in crate::onnx) fn hexadecimal(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}
