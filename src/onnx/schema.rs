//! What a model file tells about itself: its features, its classes, and what it should answer.

use super::{
    Document, LoadError,
    select::Selection,
    sidecar::{Feature, FeatureType, METADATA, Sidecar},
};
use crate::{
    features::{Schema, SchemaError},
    model::{Acceptance, Classification, Label},
};

/// What a classifier knows about itself.
#[derive(Debug, Default)]
pub(super) struct ClassifierMetadata {
    pub(super) schema: Option<Schema>,
    pub(super) classes: Classes,
    pub(super) golden: Vec<(Vec<f32>, Classification)>,
    pub(super) tolerance: f32,
}

/// How far a golden row's probabilities may be off, unless the sidecar says.
pub(super) const TOLERANCE: f32 = 1e-5;

/// The names of the classes, in the order of the probabilities.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// As answers have them.
    names: Option<Box<[Label]>>,
    /// As the graph has them, where that is something else.
    inner: Option<Box<[Label]>>,
}

impl Classes {
    /// The names that the graph gives, and those of a sidecar for them.
    pub(super) fn new(
        graph: Graph,
        sidecar: &mut Sidecar,
        count: usize,
    ) -> Result<Classes, LoadError> {
        let indices: Vec<Label> = (0_i64..).take(count).map(Label::Int).collect();
        let listed = graph.labels.filter(|labels| labels.len() == count && is_set(labels));
        let answered = match &listed {
            Some(labels) if graph.answers_labels => labels,
            // The places of the largest probabilities.
            _ => &indices,
        };
        let names = match sidecar.classes.take() {
            Some(names) => names,
            None => {
                let guessed = sidecar.guessed_classes.take().filter(|names| names.len() == count);
                let Some(names) = listed.clone().or(guessed) else { return Ok(Classes::default()) };
                names
            }
        };
        if names.len() != count {
            return Err(sidecar.wrong(
                "classes",
                names.len(),
                format_args!("{count}, as the model has"),
            ));
        }
        if !is_set(&names) {
            return Err(sidecar.wrong("classes", "a class twice", "each class once"));
        }
        // Numbers may be given names, and places in a list anything; names stay as they are.
        let texts = |labels: &[Label]| labels.iter().any(|label| matches!(label, Label::Text(_)));
        if let Some(listed) = &listed
            && *listed != names
            && *listed != indices
            && (texts(listed) || !texts(&names))
        {
            return Err(sidecar.wrong("classes", list(&names), list(listed)));
        }
        let inner = (*answered != names).then(|| answered.clone().into());
        Ok(Classes { names: Some(names.into()), inner })
    }

    pub(super) fn names(&self) -> Option<&[Label]> {
        self.names.as_deref()
    }

    /// A label of the graph's, as answers have it.
    pub(super) fn named(&self, label: Label) -> Label {
        let (Some(inner), Some(names)) = (&self.inner, &self.names) else { return label };
        let place = inner.iter().position(|known| *known == label);
        place.and_then(|place| names.get(place).cloned()).unwrap_or(label)
    }

    /// Forgets what the graph seemed to say, should its own answer contradict that.
    pub(super) fn check(&mut self, answered: &Label) {
        let known = |names: &[Label]| names.contains(answered);
        if self.names.as_deref().is_some_and(|names| !known(names)) {
            *self = Classes::default();
        }
    }
}

/// What a graph says about its classes.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Their names, in the order of the probabilities.
    pub(super) labels: Option<Vec<Label>>,
    /// Whether one of its outputs is the label.
    pub(super) answers_labels: bool,
}

impl Graph {
    pub(super) fn of(document: &Document, selection: &Selection) -> Graph {
        let label = selection.label.as_deref();
        Graph {
            labels: document.class_labels(label, selection.probabilities()),
            answers_labels: label.is_some(),
        }
    }
}

fn is_set(labels: &[Label]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(labels.len());
    labels.iter().all(|label| seen.insert(label))
}

/// Labels as a message shows them.
fn list(labels: &[Label]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> =
        labels.iter().take(SHOWN).map(|label| format!("`{label}`")).collect();
    if labels.len() > SHOWN {
        text.push("...".to_owned());
    }
    text.join(", ")
}

/// What a document's metadata and its sidecar say together.
pub(super) fn said(
    document: &Document,
    sidecar: Option<Sidecar>,
    sha256: &str,
) -> Result<Sidecar, LoadError> {
    let mut said = sidecar.unwrap_or_default();
    if let Some(pin) = said.sha256.as_deref().filter(|pin| !pin.eq_ignore_ascii_case(sha256)) {
        return Err(said.wrong("sha256", pin, format_args!("{sha256}, as the model file has")));
    }
    if let Some(json) = document.metadata(METADATA) {
        let own = Sidecar::read(json.as_bytes(), format!("metadata `{METADATA}`"))?;
        if said.from.is_empty() {
            said.from.clone_from(&own.from);
        }
        said = said.or(own);
    }
    if said.classes.is_none() {
        said.guessed_classes = document.metadata("names").and_then(super::names::of_ultralytics);
    }
    Ok(said)
}

/// The schema of rows of `f32`, if the names of the features are said.
pub(super) fn of_rows(said: &mut Sidecar, width: usize) -> Result<Option<Schema>, LoadError> {
    let Some(features) = said.features.take() else { return Ok(None) };
    if features.len() != width {
        return Err(said.wrong(
            "features",
            features.len(),
            format_args!("{width}, as the model's rows have"),
        ));
    }
    for (place, feature) in features.iter().enumerate() {
        if feature.r#type == Some(FeatureType::Text) || !feature.values.is_empty() {
            let field = format_args!("features[{place}].type").to_string();
            return Err(said.wrong(field, "text", "a number, as the model's rows hold"));
        }
    }
    let build = || -> Result<Schema, SchemaError> {
        let mut schema = Schema::new(features.iter().map(|feature| feature.name.clone()))?
            .integers(of_type(&features, FeatureType::Integer))?
            .booleans(of_type(&features, FeatureType::Boolean))?
            .optional(features.iter().filter(|f| f.optional).map(|f| &*f.name))?
            .also_accept(said.also_accept.iter().cloned());
        for feature in &features {
            if let Some((low, high)) = feature.range {
                schema = schema.range(&feature.name, low..=high)?;
            }
        }
        match &said.shape {
            Some(shape) => schema.shaped(shape.clone()),
            None => Ok(schema),
        }
    };
    build().map(Some).map_err(|error| said.wrong("features", error, "a schema that makes sense"))
}

fn of_type(features: &[Feature], wanted: FeatureType) -> impl Iterator<Item = &str> {
    features
        .iter()
        .filter(move |feature| feature.r#type == Some(wanted))
        .map(|feature| &*feature.name)
}

impl ClassifierMetadata {
    /// What a classifier of rows of `f32` is told.
    pub(super) fn rows(
        mut said: Sidecar,
        graph: Graph,
        width: usize,
        classes: usize,
    ) -> Result<ClassifierMetadata, LoadError> {
        let classes = Classes::new(graph, &mut said, classes)?;
        let schema = of_rows(&mut said, width)?;
        let mut golden = Vec::with_capacity(said.golden.len());
        let unnamed;
        let reader = match &schema {
            Some(schema) => Some(schema),
            None => {
                unnamed = Schema::new((0..width).map(|place| place.to_string())).ok();
                unnamed.as_ref()
            }
        };
        for (place, row) in std::mem::take(&mut said.golden).into_iter().enumerate() {
            let Some(reader) = reader else { continue };
            if schema.is_none() && row.features.is_named() {
                let field = format!("golden[{place}].features");
                return Err(said.wrong(field, "names", "a list, or `features` that say the order"));
            }
            let values = reader.row(&row.features).map_err(|error| {
                said.wrong(format_args!("golden[{place}]"), error, "features that fit the model")
            })?;
            let Some(label) = row.label else {
                let field = format_args!("golden[{place}].label");
                return Err(said.wrong(field, "nothing", "the label that is right"));
            };
            golden.push((values, Classification { label, probabilities: row.probabilities }));
        }
        let tolerance = said.tolerance.unwrap_or(TOLERANCE);
        Ok(ClassifierMetadata { schema, classes, golden, tolerance })
    }

    /// The golden rows, as something to prove.
    pub(super) fn acceptance(&self) -> Acceptance<[f32], Classification> {
        Acceptance::new().golden(self.golden.iter().cloned(), golden_within(self.tolerance))
    }
}

/// A row, and what it should be answered with.
pub(super) type GoldenNumbers = (Vec<f32>, Vec<f32>);

/// The golden rows of a model that answers numbers.
pub(super) fn golden_numbers(
    said: &mut Sidecar,
    schema: Option<&Schema>,
    width: usize,
) -> Result<Vec<GoldenNumbers>, LoadError> {
    let unnamed = Schema::new((0..width).map(|place| place.to_string())).ok();
    let mut golden = Vec::with_capacity(said.golden.len());
    for (place, row) in std::mem::take(&mut said.golden).into_iter().enumerate() {
        let Some(reader) = schema.or(unnamed.as_ref()) else { continue };
        if schema.is_none() && row.features.is_named() {
            let field = format!("golden[{place}].features");
            return Err(said.wrong(field, "names", "a list, or `features` that say the order"));
        }
        if row.outputs.is_empty() {
            let field = format!("golden[{place}].outputs");
            return Err(said.wrong(field, "nothing", "the numbers that are right"));
        }
        let values = reader.row(&row.features).map_err(|error| {
            said.wrong(format_args!("golden[{place}]"), error, "features that fit the model")
        })?;
        golden.push((values, row.outputs));
    }
    Ok(golden)
}

/// As [`Classification::within`]; a row that expects no probabilities is about its label alone.
pub(super) fn golden_within(
    tolerance: f32,
) -> impl Fn(&Classification, &Classification) -> Result<(), String> + Send + Sync + 'static {
    let within = Classification::within(tolerance);
    move |expected, found| {
        if !expected.probabilities.is_empty() {
            return within(expected, found);
        }
        if expected.label == found.label {
            return Ok(());
        }
        Err(format!("label: found {}, expected {}", found.label, expected.label))
    }
}
