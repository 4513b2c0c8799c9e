//! The kinds of model that a file can be loaded as.

use std::{path::Path, sync::Arc};

#[cfg(all(feature = "onnx", feature = "ort"))]
use super::super::verify;
use super::{
    super::{
        Classifier, ColumnClassifier, ColumnRegressor, Graph, LoadError, LoadedClassifier,
        MultiLabelClassifier, Regressor, TextClassifier, VectorModel, sidecar::Sidecar,
    },
    Loader,
};

impl Loader {
    /// Loads the classifier in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Classifier, LoadError> {
        let path = path.as_ref();
        self.classifier(&self.read(path)?, Some(path))
    }

    /// Loads the classifier in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    // A builder of bytes, not a conversion from them.
    #[allow(clippy::wrong_self_convention)]
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Classifier, LoadError> {
        self.classifier(bytes, None)
    }

    fn classifier(&self, bytes: &[u8], path: Option<&Path>) -> Result<Classifier, LoadError> {
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let (document, sha256) = self.document(bytes, path)?;
        let classifier = LoadedClassifier::prepare(document, self, bytes.len(), sha256, sidecar)?;
        let model = Classifier(Arc::new(classifier));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.classifier(bytes, path)) {
            verify::classifier(&model, &reference?)?;
        }
        Ok(model)
    }

    /// Loads the classifier of [`Features`](crate::Features) in a file: one whose inputs are the
    /// columns of a table. The options about rows (`input`, `batch`, `features`) do not apply.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_columns(&self, path: impl AsRef<Path>) -> Result<ColumnClassifier, LoadError> {
        let path = path.as_ref();
        self.columns(&self.read(path)?, Some(path))
    }

    fn columns(&self, bytes: &[u8], path: Option<&Path>) -> Result<ColumnClassifier, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = ColumnClassifier::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.columns(bytes, path)) {
            verify::columns(&model, &reference?)?;
        }
        Ok(model)
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
        let path = path.as_ref();
        self.column_regressor(&self.read(path)?, Some(path))
    }

    fn column_regressor(
        &self,
        bytes: &[u8],
        path: Option<&Path>,
    ) -> Result<ColumnRegressor, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = ColumnRegressor::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.column_regressor(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    /// Loads the classifier of texts in a file.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_text(&self, path: impl AsRef<Path>) -> Result<TextClassifier, LoadError> {
        let path = path.as_ref();
        self.text(&self.read(path)?, Some(path))
    }

    /// Loads the classifier of texts in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn text_from_bytes(&self, bytes: &[u8]) -> Result<TextClassifier, LoadError> {
        self.text(bytes, None)
    }

    fn text(&self, bytes: &[u8], path: Option<&Path>) -> Result<TextClassifier, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = TextClassifier::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.columns(bytes, path)) {
            verify::columns(model.columns(), &reference?)?;
        }
        Ok(model)
    }

    /// Loads the regressor in a file: one number for each row. The output is the one that
    /// [`outputs`](Self::outputs) names, by default the first of `f32`.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_regressor(&self, path: impl AsRef<Path>) -> Result<Regressor, LoadError> {
        let path = path.as_ref();
        self.regressor(&self.read(path)?, Some(path))
    }

    /// Loads the regressor in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn regressor_from_bytes(&self, bytes: &[u8]) -> Result<Regressor, LoadError> {
        self.regressor(bytes, None)
    }

    fn regressor(&self, bytes: &[u8], path: Option<&Path>) -> Result<Regressor, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = Regressor::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.regressor(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    /// Loads the model in a file that answers each row with a vector: several targets, an
    /// embedding. The output is chosen as for [`load_regressor`](Self::load_regressor).
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_vector(&self, path: impl AsRef<Path>) -> Result<VectorModel, LoadError> {
        let path = path.as_ref();
        self.vector(&self.read(path)?, Some(path))
    }

    /// Loads the model in these bytes that answers each row with a vector.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn vector_from_bytes(&self, bytes: &[u8]) -> Result<VectorModel, LoadError> {
        self.vector(bytes, None)
    }

    fn vector(&self, bytes: &[u8], path: Option<&Path>) -> Result<VectorModel, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = VectorModel::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.vector(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
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
        let path = path.as_ref();
        self.multi_label(&self.read(path)?, Some(path))
    }

    /// Loads the classifier of any number of labels in these bytes.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn multi_label_from_bytes(&self, bytes: &[u8]) -> Result<MultiLabelClassifier, LoadError> {
        self.multi_label(bytes, None)
    }

    fn multi_label(
        &self,
        bytes: &[u8],
        path: Option<&Path>,
    ) -> Result<MultiLabelClassifier, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let sidecar = Sidecar::find(&self.sidecar, path)?;
        let model = MultiLabelClassifier::prepare(document, self, sha256, sidecar)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.multi_label(bytes, path)) {
            model.verify(&reference?)?;
        }
        Ok(model)
    }

    /// Loads the graph in a file, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    pub fn load_graph(&self, path: impl AsRef<Path>) -> Result<Graph, LoadError> {
        let path = path.as_ref();
        self.graph(&self.read(path)?, Some(path))
    }

    /// Loads the graph in these bytes, of any inputs and outputs.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    pub fn graph_from_bytes(&self, bytes: &[u8]) -> Result<Graph, LoadError> {
        self.graph(bytes, None)
    }

    fn graph(&self, bytes: &[u8], path: Option<&Path>) -> Result<Graph, LoadError> {
        let (document, sha256) = self.document(bytes, path)?;
        let model = Graph::prepare(document, self, sha256)?;
        #[cfg(all(feature = "onnx", feature = "ort"))]
        if let Some(reference) = self.reference(|loader| loader.graph(bytes, path)) {
            verify::graph(&model, &reference?)?;
        }
        Ok(model)
    }
}
