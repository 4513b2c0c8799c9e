//! The metadata of a model: its features, its classes, and its golden rows.

use super::{
    Document, LoadError,
    select::Selection,
    sidecar::{Feature, FeatureType, GoldenRow, METADATA, Sidecar},
};
use crate::{
    features::{Schema, SchemaError},
    model::{Acceptance, Classification, Label},
};

/// The metadata of a classifier.
#[derive(Debug, Default)]
pub(super) struct ClassifierMetadata {
    pub(super) schema: Option<Schema>,
    pub(super) classes: Classes,
    pub(super) golden: Vec<(Vec<f32>, Classification)>,
    pub(super) tolerance: f32,
}

/// How far a golden row's probabilities may be off, unless the sidecar sets a tolerance.
pub(super) const TOLERANCE: f32 = 1e-5;

/// The names of the classes, in the order of the probabilities.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// As answers have them.
    names: Option<Box<[Label]>>,
    /// As the graph has them, if they differ.
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

    /// Translates a label of the graph into that of an answer.
    pub(super) fn named(&self, label: Label) -> Label {
        let (Some(inner), Some(names)) = (&self.inner, &self.names) else { return label };
        let place = inner.iter().position(|known| *known == label);
        place.and_then(|place| names.get(place).cloned()).unwrap_or(label)
    }

    /// Forgets the names that were found in the graph if its own answer contradicts them.
    pub(super) fn check(&mut self, answered: &Label) {
        let known = |names: &[Label]| names.contains(answered);
        if self.names.as_deref().is_some_and(|names| !known(names)) {
            *self = Classes::default();
        }
    }
}

/// The classes that a graph names.
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

/// Labels, formatted for a message.
fn list(labels: &[Label]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> =
        labels.iter().take(SHOWN).map(|label| format!("`{label}`")).collect();
    if labels.len() > SHOWN {
        text.push("...".to_owned());
    }
    text.join(", ")
}

/// Merges a document's metadata with its sidecar, which takes precedence.
pub(super) fn declared(
    document: &Document,
    sidecar: Option<Sidecar>,
    sha256: &str,
) -> Result<Sidecar, LoadError> {
    let mut declared = sidecar.unwrap_or_default();
    if let Some(pin) = declared.sha256.as_deref().filter(|pin| !pin.eq_ignore_ascii_case(sha256)) {
        return Err(declared.wrong("sha256", pin, format_args!("{sha256}, as the model file has")));
    }
    if let Some(json) = document.metadata(METADATA) {
        let own = Sidecar::read(json.as_bytes(), format!("metadata `{METADATA}`"))?;
        if declared.from.is_empty() {
            declared.from.clone_from(&own.from);
        }
        declared = declared.or(own);
    }
    if declared.classes.is_none() {
        declared.guessed_classes =
            document.metadata("names").and_then(super::names::of_ultralytics);
    }
    Ok(declared)
}

/// The schema of rows of `f32`, if the features have names.
pub(super) fn of_rows(declared: &mut Sidecar, width: usize) -> Result<Option<Schema>, LoadError> {
    let Some(features) = declared.features.take() else { return Ok(None) };
    if features.len() != width {
        return Err(declared.wrong(
            "features",
            features.len(),
            format_args!("{width}, as the model's rows have"),
        ));
    }
    for (place, feature) in features.iter().enumerate() {
        if feature.r#type == Some(FeatureType::Text) {
            let field = format_args!("features[{place}].type");
            return Err(declared.wrong(field, "text", "a number, as the model's rows hold"));
        }
        if !feature.values.is_empty() {
            let field = format_args!("features[{place}].values");
            return Err(declared.wrong(field, "a list", "none, as the model's rows hold numbers"));
        }
    }
    let build = || -> Result<Schema, SchemaError> {
        let mut schema = Schema::new(features.iter().map(|feature| feature.name.clone()))?
            .integers(of_type(&features, FeatureType::Integer))?
            .booleans(of_type(&features, FeatureType::Boolean))?
            .optional(features.iter().filter(|f| f.optional).map(|f| &*f.name))?
            .also_accept(declared.also_accept.iter().cloned());
        for feature in &features {
            if let Some((low, high)) = feature.range {
                schema = schema.range(&feature.name, low..=high)?;
            }
        }
        match &declared.shape {
            Some(shape) => schema.shaped(shape.clone()),
            None => Ok(schema),
        }
    };
    build().map(Some).map_err(|error| {
        let (field, found, expected) = (error.field(), error.found(), error.expected());
        match field {
            "shape" => declared.wrong(field, found, expected),
            _ => declared.wrong(format_args!("features: {field}"), found, expected),
        }
    })
}

fn of_type(features: &[Feature], wanted: FeatureType) -> impl Iterator<Item = &str> {
    features
        .iter()
        .filter(move |feature| feature.r#type == Some(wanted))
        .map(|feature| &*feature.name)
}

impl ClassifierMetadata {
    /// The metadata of a classifier of rows of `f32`.
    pub(super) fn rows(
        mut declared: Sidecar,
        graph: Graph,
        width: usize,
        classes: usize,
    ) -> Result<ClassifierMetadata, LoadError> {
        let classes = Classes::new(graph, &mut declared, classes)?;
        let schema = of_rows(&mut declared, width)?;
        let golden = golden(&mut declared, schema.as_ref(), width, |row| match row.label {
            Some(label) => Ok(Classification { label, probabilities: row.probabilities }),
            None => Err(("label", "the label that is right")),
        })?;
        let tolerance = declared.tolerance.unwrap_or(TOLERANCE);
        Ok(ClassifierMetadata { schema, classes, golden, tolerance })
    }

    /// The golden rows, as an acceptance test.
    pub(super) fn acceptance(&self) -> Acceptance<[f32], Classification> {
        Acceptance::new().golden(self.golden.iter().cloned(), golden_within(self.tolerance))
    }
}

/// A row and its expected answer.
pub(super) type Golden<P> = (Vec<f32>, P);

/// The golden rows of a model whose answer is numbers.
pub(super) fn golden_numbers(
    declared: &mut Sidecar,
    schema: Option<&Schema>,
    width: usize,
) -> Result<Vec<Golden<Vec<f32>>>, LoadError> {
    golden(declared, schema, width, |row| match row.outputs.is_empty() {
        false => Ok(row.outputs),
        true => Err(("outputs", "the numbers that are right")),
    })
}

/// The golden rows. Where an expected answer is missing, `answer` gives the field that
/// should hold it, and what was expected there.
fn golden<P>(
    declared: &mut Sidecar,
    schema: Option<&Schema>,
    width: usize,
    answer: impl Fn(GoldenRow) -> Result<P, (&'static str, &'static str)>,
) -> Result<Vec<Golden<P>>, LoadError> {
    let rows = std::mem::take(&mut declared.golden);
    let unnamed = match schema {
        None if !rows.is_empty() => Schema::new((0..width).map(|place| place.to_string())).ok(),
        _ => None,
    };
    let Some(reader) = schema.or(unnamed.as_ref()) else { return Ok(Vec::new()) };
    let read = |(place, row): (usize, GoldenRow)| {
        if schema.is_none() && row.features.is_named() {
            let field = format_args!("golden[{place}].features");
            return Err(declared.wrong(field, "names", "a list, or `features` that say the order"));
        }
        let values = reader.row(&row.features).map_err(|error| {
            declared.wrong(format_args!("golden[{place}]"), error, "features that fit the model")
        })?;
        let expected = answer(row).map_err(|(field, expected)| {
            declared.wrong(format_args!("golden[{place}].{field}"), "nothing", expected)
        })?;
        Ok((values, expected))
    };
    rows.into_iter().enumerate().map(read).collect()
}

/// As [`Classification::within`]; of a row without expected probabilities, only the label is compared.
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
