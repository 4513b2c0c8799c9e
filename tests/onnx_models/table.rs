//! The table in the guide, of what was tried and how it went.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use crate::{
    answers::{Listed, Manifest},
    known::{KNOWN, NOT_EXPORTED, NOT_LOADED},
};

/// What is said of a model.
#[derive(PartialEq)]
pub enum Verdict {
    Agrees,
    AgreesBut,
    NotLoaded,
}

pub struct Row<'a> {
    pub listed: &'a Listed,
    pub verdict: Verdict,
}

/// The first tag of a model decides where it is counted.
const GROUPS: &[(&str, &str)] = &[
    ("classifier", "scikit-learn: classifiers"),
    ("outliers", "scikit-learn: outlier detection"),
    ("regressor", "scikit-learn: regressors"),
    ("preparation", "scikit-learn: preparation"),
    ("categories", "scikit-learn: categories"),
    ("pipeline", "scikit-learn: pipelines and `ColumnTransformer`"),
    ("opset", "scikit-learn: operator sets 9 to 22"),
    ("several labels", "scikit-learn: several labels at once"),
    ("texts", "scikit-learn: classifiers of texts"),
    ("texts and maps", "scikit-learn: texts and maps"),
    ("xgboost", "XGBoost"),
    ("lightgbm", "LightGBM"),
    ("catboost", "CatBoost"),
    ("pytorch", "PyTorch"),
    ("network", "recurrent, attending, of 8 and of 16 bits"),
];

/// The table's text.
pub fn written(rows: &[Row<'_>], manifest: &Manifest) -> String {
    let mut text = String::new();
    let answers: usize = rows.iter().map(|row| row.listed.rows).sum();
    let _ = writeln!(
        text,
        "<!-- Written by tests/onnx_models; MODELGATE_WRITE_TABLE=1 writes it anew. -->\n\n\
         # What was tried\n\n\
         {} models and {answers} rows, beside ONNX Runtime {}. A model agrees when every label is \
         equal and every score within 1e-5, or 1e-4 of its size. Most have rows of NaN, infinities, \
         1e30, denormal numbers, and numbers exactly on the thresholds of their trees.\n\n\
         | exported from | models | agree on every row | but for certain rows | do not load |\n\
         |---|---:|---:|---:|---:|",
        rows.len(),
        manifest.onnxruntime,
    );
    for (tag, title) in GROUPS {
        let group = || rows.iter().filter(|row| row.listed.tags.first().is_some_and(|t| t == tag));
        let count = |verdict| group().filter(|row| row.verdict == verdict).count();
        let _ = writeln!(
            text,
            "| {title} | {} | {} | {} | {} |",
            group().count(),
            count(Verdict::Agrees),
            count(Verdict::AgreesBut),
            count(Verdict::NotLoaded),
        );
    }
    text.push_str(
        "\n## Rows that are answered differently\n\n| models | rows | why |\n|---|---|---|\n",
    );
    for known in KNOWN {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            names(known.models),
            known.rows.join(", "),
            known.why
        );
    }
    text.push_str("\n## What does not load\n\n| models | why |\n|---|---|\n");
    for (models, _, why) in NOT_LOADED {
        let _ = writeln!(text, "| {} | {why} |", names(models));
    }
    text.push_str("\n## What the exporters do not export\n\n| models | why |\n|---|---|\n");
    for skipped in &manifest.skipped {
        let told = NOT_EXPORTED.iter().find(|(models, _)| models.contains(&&*skipped.name));
        let (_, why) = told.unwrap_or_else(|| panic!("{}: {}", skipped.name, skipped.reason));
        let _ = writeln!(text, "| `{}` | {why} |", skipped.name);
    }
    text.push_str("\n## Every model\n\n| operator set | models |\n|---|---|\n");
    let mut opsets: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for row in rows {
        opsets.entry(row.listed.opset).or_default().push(&row.listed.name);
    }
    for (opset, models) in opsets {
        let opset = if opset == 0 { "ONNX-ML only".to_owned() } else { opset.to_string() };
        let _ = writeln!(text, "| {opset} | {} |", names(&models));
    }
    text.push_str("\n## Operators that they use\n\n");
    let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.verdict != Verdict::NotLoaded) {
        for operator in &row.listed.operators {
            *operators.entry(operator).or_default() += 1;
        }
    }
    let listed: Vec<String> = operators.iter().map(|(name, n)| format!("`{name}` {n}")).collect();
    let _ = writeln!(text, "Each with the number of models: {}.", listed.join(", "));
    text
}

fn names(models: &[&str]) -> String {
    models.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Compares the table with the one in the guide, or writes it there.
pub fn check(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/onnx_models.md");
    if std::env::var_os("MODELGATE_WRITE_TABLE").is_some() {
        fs::write(&path, text).unwrap();
    } else if std::env::var_os("MODELGATE_MODELS").is_none() {
        let found = fs::read_to_string(&path).unwrap();
        assert!(found == text, "{} is out of date: MODELGATE_WRITE_TABLE=1", path.display());
    }
}
