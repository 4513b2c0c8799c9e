//! The environment document, whose identity overrides may come in pages.

use std::{borrow::Cow, collections::BTreeMap};

use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source;

/// More pages than this are a server that leads in circles.
const MOST_PAGES: usize = 10_000;

/// A document under construction.
pub(super) struct Pages {
    first: String,
    /// The identity overrides of each further page, as JSON.
    overrides: Vec<String>,
    bytes: u64,
    max_bytes: u64,
}

/// The fields that every environment document has. Nothing else tells one from an error that was
/// answered as a success.
#[derive(Deserialize)]
pub(super) struct DocumentFields<'a> {
    #[serde(borrow)]
    pub(super) api_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) updated_at: Option<&'a RawValue>,
    #[serde(borrow)]
    feature_states: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    project: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    identity_overrides: Option<Vec<&'a RawValue>>,
}

impl<'a> DocumentFields<'a> {
    /// # Errors
    /// What is there instead of an environment document.
    pub(super) fn of(text: &'a str) -> Result<DocumentFields<'a>, source::Error> {
        let shape: DocumentFields<'_> = serde_json::from_str(text).map_err(|error| {
            source::Error::with_source(
                "answer: found no JSON object of the expected form, expected an environment \
                 document",
                error,
            )
        })?;
        let missing = match () {
            () if shape.api_key.is_none() => "api_key",
            () if shape.feature_states.is_none() => "feature_states",
            () if shape.project.is_none() => "project",
            () => return Ok(shape),
        };
        Err(source::Error::new(format!(
            "answer: found an object without `{missing}`, expected an environment document"
        )))
    }
}

impl Pages {
    /// Begins with the page that has everything but the overrides of further pages.
    pub(super) fn new(first: String, max_bytes: u64) -> Pages {
        let bytes = first.len() as u64;
        Pages { first, overrides: Vec::new(), bytes, max_bytes }
    }

    /// # Errors
    /// When it is no page, or all together become too large.
    pub(super) fn add(&mut self, page: &str) -> Result<(), source::Error> {
        self.bytes = self.bytes.saturating_add(page.len() as u64);
        if self.bytes > self.max_bytes {
            let error = format!("answer: found more than {} bytes in its pages", self.max_bytes);
            return Err(source::Error::new(error));
        }
        if self.overrides.len() >= MOST_PAGES {
            return Err(source::Error::new(format!("answer: found more than {MOST_PAGES} pages")));
        }
        let page: Page<'_> = serde_json::from_str(page).map_err(|error| {
            source::Error::with_source("page of the answer is malformed", error)
        })?;
        let Some(overrides) = page.identity_overrides else {
            return Err(source::Error::new(
                "page of the answer: found no `identity_overrides`, expected a list",
            ));
        };
        self.overrides.push(joined(overrides));
        Ok(())
    }

    /// The whole document.
    ///
    /// # Errors
    /// When the first page is none.
    pub(super) fn finish(self) -> Result<String, source::Error> {
        if self.overrides.iter().all(String::is_empty) {
            return Ok(self.first);
        }
        let malformed = |error| source::Error::with_source("answer is malformed", error);
        let mut members: BTreeMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(&self.first).map_err(malformed)?;
        let page: Page<'_> = serde_json::from_str(&self.first).map_err(malformed)?;
        let mut all = vec![joined(page.identity_overrides.unwrap_or_default())];
        all.extend(self.overrides);
        all.retain(|overrides| !overrides.is_empty());
        let all = RawValue::from_string(format!("[{}]", all.join(","))).map_err(malformed)?;
        members.insert(Cow::Borrowed("identity_overrides"), &all);
        serde_json::to_string(&members).map_err(malformed)
    }
}

fn joined(items: Vec<&RawValue>) -> String {
    let items: Vec<&str> = items.into_iter().map(RawValue::get).collect();
    items.join(",")
}

/// The next page's id, which the server gives in a header: `</…/?page_id=ID>; rel="next"`. Only the
/// id counts: where the key is sent is not for an answer to say.
pub(super) fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|links| links.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(|parameter| parameter.trim());
        parameters.find(|parameter| matches!(*parameter, "rel=\"next\"" | "rel=next"))?;
        let (_, query) = target.split_once('?')?;
        let pairs = reqwest::Url::parse(&format!("http://localhost/?{query}")).ok()?;
        let (_, id) = pairs.query_pairs().find(|(name, _)| name == "page_id")?;
        Some(id.into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"api_key": "env", "feature_states": [], "project": {},
        "identity_overrides": [{"identifier": "a"}], "big": 123456789012345678901234567890}"#;

    #[test]
    fn the_overrides_of_all_pages_are_in_the_document() {
        let mut pages = Pages::new(FIRST.to_owned(), 1 << 20);
        pages.add(r#"{"identity_overrides": [{"identifier": "b"}, {"identifier": "c"}]}"#).unwrap();
        pages.add(r#"{"identity_overrides": []}"#).unwrap();
        pages.add(r#"{"identity_overrides": [{"identifier": "d"}], "api_key": "x"}"#).unwrap();
        let text = pages.finish().unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found = document["identity_overrides"].as_array().unwrap();
        let found: Vec<_> = found.iter().map(|one| one["identifier"].as_str().unwrap()).collect();
        assert_eq!(found, ["a", "b", "c", "d"]);
        assert_eq!(document["api_key"], "env");
        assert!(text.contains("123456789012345678901234567890"), "{text}");
    }

    #[test]
    fn a_document_of_one_page_is_as_it_came() {
        assert_eq!(Pages::new(FIRST.to_owned(), 1 << 20).finish().unwrap(), FIRST);
    }

    #[test]
    fn pages_that_never_end_are_cut_off() {
        let page = r#"{"identity_overrides": []}"#;
        let mut pages = Pages::new(FIRST.to_owned(), FIRST.len() as u64 + 60);
        let error = (0..9).find_map(|_| pages.add(page).err()).unwrap();
        assert!(error.to_string().contains("in its pages"), "{error}");
        let mut pages = Pages::new(FIRST.to_owned(), u64::MAX);
        let error = (0..=MOST_PAGES).find_map(|_| pages.add(page).err()).unwrap();
        assert!(error.to_string().contains("10000 pages"), "{error}");
    }

    #[test]
    fn only_the_id_of_the_next_page_is_taken() {
        let header = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, text.parse().unwrap());
            next_page(&headers)
        };
        let id = "identity_override:1:a b";
        for link in [
            "</api/v1/environment-document/?page_id=identity_override%3A1%3Aa%20b>; rel=\"next\"",
            "<https://evil.example.com/?x=1&page_id=identity_override:1:a+b>; rel=next",
            "</?page_id=first>; rel=\"prev\", </?page_id=identity_override%3A1%3Aa+b>; a=b; rel=\"next\"",
        ] {
            assert_eq!(header(link).as_deref(), Some(id), "{link}");
        }
        for link in ["", "<", "</?page_id=a>", "</?page=a>; rel=\"next\"", "</>; rel=\"next\""] {
            assert_eq!(header(link), None, "{link}");
        }
    }

    #[test]
    fn what_is_no_document_is_told_from_one() {
        assert!(DocumentFields::of(FIRST).is_ok());
        for (text, found) in [
            (r#"{"detail": "Missing identifier"}"#, "without `api_key`"),
            (r#"{"api_key": "x", "project": {}}"#, "without `feature_states`"),
            (r#"{"api_key": "x", "feature_states": []}"#, "without `project`"),
            ("<html>", "no JSON object"),
            ("[]", "no JSON object"),
            ("", "no JSON object"),
        ] {
            let error = DocumentFields::of(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(found), "{text}: {error}");
        }
    }
}
