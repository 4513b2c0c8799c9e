//! The kinds of model that a file can be loaded as.

use std::{path::Path, sync::Arc};

#[cfg(all(feature = "onnx", feature = "ort"))]
use super::super::verify;
use super::{
    super::{
        Classifier, ColumnClassifier, ColumnRegressor, Document, Graph, LoadError,
        LoadedClassifier, MultiLabelClassifier, Regressor, TextClassifier, VectorModel,
        sidecar::Sidecar,
    },
    Loader,
};

/// A kind of model that a file can be loaded as.
trait Loadable: Sized {
    /// Prepares the file's graph, and checks that it runs and passes its golden rows.
    fn prepare(file: File<'_>, options: &Loader) -> Result<Self, LoadError>;

    /// Compares its answers with those of the same model in another engine.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    fn verify(&self, reference: &Self) -> Result<(), LoadError>;
}

/// A file that was parsed.
struct File<'a> {
    document: Document,
    /// Its size.
    bytes: usize,
    sha256: Box<str>,
    /// Where it was read from, if not from memory.
    path: Option<&'a Path>,
}

impl Loader {
    fn load_file<M: Loadable>(&self, path: &Path) -> Result<M, LoadError> {
        self.load_bytes(&self.read(path)?, Some(path))
    }

    fn load_bytes<M: Loadable>(&self, bytes: &[u8], path: Option<&Path>) -> Result<M, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let model = M::prepare(File { document, bytes: bytes.len(), sha256, path }, self)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.load_bytes(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    fn find_sidecar(&self, file: &File<'_>) -> Result<Option<Sidecar>, LoadError> {
        Sidecar::find(&self.sidecar, file.path)
    }
}

impl Loadable for Classifier {
    fn prepare(file: File<'_>, options: &Loader) -> Result<Classifier, LoadError> {
        let sidecar = options.find_sidecar(&file)?;
        let File { document, bytes, sha256, .. } = file;
        let classifier = LoadedClassifier::prepare(document, options, bytes, sha256, sidecar)?;
        let model = Classifier(Arc::new(classifier));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        Ok(model)
    }

    #[cfg(all(feature = "onnx", feature = "ort"))]
    fn verify(&self, reference: &Classifier) -> Result<(), LoadError> {
        verify::classifier(self, reference)
    }
}

impl Loadable for Graph {
    fn prepare(file: File<'_>, options: &Loader) -> Result<Graph, LoadError> {
        Graph::prepare(file.document, options, file.sha256)
    }

    #[cfg(all(feature = "onnx", feature = "ort"))]
    fn verify(&self, reference: &Graph) -> Result<(), LoadError> {
        verify::graph(self, reference)
    }
}

/// The other kinds are prepared alike: from the document and the sidecar.
macro_rules! loadable {
    ($($type:ident, $verify:expr;)*) => {
        $(impl Loadable for $type {
            fn prepare(file: File<'_>, options: &Loader) -> Result<$type, LoadError> {
                let sidecar = options.find_sidecar(&file)?;
                $type::prepare(file.document, options, file.sha256, sidecar)
            }

            #[cfg(all(feature = "onnx", feature = "ort"))]
            fn verify(&self, reference: &$type) -> Result<(), LoadError> {
                $verify(self, reference)
            }
        })*
    };
}
loadable! {
    ColumnClassifier, verify::columns;
    ColumnRegressor, ColumnRegressor::verify;
    TextClassifier, |ours: &TextClassifier, theirs: &TextClassifier| {
        verify::columns(ours.columns(), theirs.columns())
    };
    Regressor, Regressor::verify;
    VectorModel, VectorModel::verify;
    MultiLabelClassifier, MultiLabelClassifier::verify;
}

impl Loader {
    /// Loads the classifier in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Classifier, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the classifier in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    // A builder of bytes, not a conversion from them.
    #[allow(clippy::wrong_self_convention)]
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Classifier, LoadError> {
        self.load_bytes(bytes, None)
    }

    /// Loads the classifier of [`Features`](crate::Features) in a file: one whose inputs are the
    /// columns of a table. The options about rows (`input`, `batch`, `features`) do not apply.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_columns(&self, path: impl AsRef<Path>) -> Result<ColumnClassifier, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the regressor of [`Features`](crate::Features) in a file: one whose inputs are the columns
    /// of a table. The output is chosen as for [`load_regressor`](Self::load_regressor); the options
    /// about rows do not apply.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_column_regressor(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<ColumnRegressor, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the classifier of texts in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_text(&self, path: impl AsRef<Path>) -> Result<TextClassifier, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the classifier of texts in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn text_from_bytes(&self, bytes: &[u8]) -> Result<TextClassifier, LoadError> {
        self.load_bytes(bytes, None)
    }

    /// Loads the regressor in a file: one number for each row. The output is the one that
    /// [`outputs`](Self::outputs) names, by default the first of `f32`.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_regressor(&self, path: impl AsRef<Path>) -> Result<Regressor, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the regressor in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn regressor_from_bytes(&self, bytes: &[u8]) -> Result<Regressor, LoadError> {
        self.load_bytes(bytes, None)
    }

    /// Loads the model in a file that answers each row with a vector: several targets, an
    /// embedding. The output is chosen as for [`load_regressor`](Self::load_regressor).
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_vector(&self, path: impl AsRef<Path>) -> Result<VectorModel, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the model in these bytes that answers each row with a vector.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn vector_from_bytes(&self, bytes: &[u8]) -> Result<VectorModel, LoadError> {
        self.load_bytes(bytes, None)
    }

    /// Loads the classifier in a file that gives each row any number of labels. The output is chosen as
    /// for [`load_regressor`](Self::load_regressor); it may also be a sequence of one tensor a label.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_multi_label(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<MultiLabelClassifier, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the classifier of any number of labels in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn multi_label_from_bytes(&self, bytes: &[u8]) -> Result<MultiLabelClassifier, LoadError> {
        self.load_bytes(bytes, None)
    }

    /// Loads the graph in a file, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_graph(&self, path: impl AsRef<Path>) -> Result<Graph, LoadError> {
        self.load_file(path.as_ref())
    }

    /// Loads the graph in these bytes, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn graph_from_bytes(&self, bytes: &[u8]) -> Result<Graph, LoadError> {
        self.load_bytes(bytes, None)
    }
}
