//! Flag files as editors and teams write them: with a byte order mark, in YAML.
#![cfg(feature = "file")]

use modelgate::{Context, Flags, source::FileSource};

const JSON: &str = r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": "v1", "b": "v2"},
    "defaultVariant": "a", "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "b"]}}}}"#;

fn answers(name: &str, content: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let flags = Flags::builder().source(FileSource::watch(&path)).build().unwrap();
    assert!(flags.is_ready(), "{:?}", flags.status());
    [Context::new("u"), Context::new("u").with("region", "eu")]
        .iter()
        .map(|context| flags.string("f", context, "none").to_owned())
        .collect()
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_flags() {
    assert_eq!(answers("flags.json", &format!("\u{feff}{JSON}")), ["v1", "v2"]);
    assert!(modelgate::flagd::Flagd::new().compile(&format!("\u{feff}{JSON}")).is_ok());
}

#[cfg(feature = "yaml")]
#[test]
fn a_file_may_be_yaml() {
    let yaml = "
# A definition as a flagd server takes it.
flags:
  f:
    state: ENABLED
    variants:
      a: v1
      b: v2
    defaultVariant: a
    targeting:
      if:
        - ==: [{var: region}, eu]
        - b
";
    assert_eq!(answers("flags.yaml", yaml), ["v1", "v2"]);
    assert_eq!(answers("flags.YML", &format!("\u{feff}{yaml}")), ["v1", "v2"]);
    // JSON is YAML.
    assert_eq!(answers("flags.yaml", JSON), ["v1", "v2"]);
}

#[cfg(feature = "yaml")]
#[test]
fn yaml_that_is_none_or_that_multiplies_leaves_the_flags_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{m}, *a{m}, *a{m}, *a{m}]\n", m = n - 1)
    });
    for (name, content) in [("broken.yaml", "flags: [unclosed"), ("bomb.yaml", bomb.as_str())] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let flags = Flags::builder().source(FileSource::watch(&path)).build().unwrap();
        assert!(!flags.is_ready(), "{name}");
    }
}
