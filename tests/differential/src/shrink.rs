//! Smaller inputs that still show the same thing.

use serde_json::Value as Json;

/// Takes away members and elements as long as what is left `still` shows it.
pub fn shrink(input: &Json, still: &dyn Fn(&Json) -> bool) -> Json {
    let mut smallest = input.clone();
    loop {
        let mut paths = Vec::new();
        collect(&smallest, String::new(), &mut paths);
        let before = paths.len();
        for path in paths {
            let mut smaller = smallest.clone();
            if remove(&mut smaller, &path) && still(&smaller) {
                smallest = smaller;
            }
        }
        let mut after = Vec::new();
        collect(&smallest, String::new(), &mut after);
        if after.len() == before {
            return smallest;
        }
    }
}

/// The places of all members and elements, as JSON pointers; the last elements of a list first, so
/// that the others keep their place.
fn collect(value: &Json, at: String, paths: &mut Vec<String>) {
    match value {
        Json::Array(elements) => {
            for (place, element) in elements.iter().enumerate().rev() {
                let path = format!("{at}/{place}");
                paths.push(path.clone());
                collect(element, path, paths);
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                paths.push(path.clone());
                collect(member, path, paths);
            }
        }
        _ => {}
    }
}

fn remove(from: &mut Json, path: &str) -> bool {
    let Some((parent, name)) = path.rsplit_once('/') else { return false };
    match from.pointer_mut(parent) {
        Some(Json::Object(members)) => {
            members.shift_remove(&name.replace("~1", "/").replace("~0", "~")).is_some()
        }
        Some(Json::Array(elements)) => match name.parse::<usize>() {
            Ok(place) if place < elements.len() => {
                elements.remove(place);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_needed_stays() {
        let input = json!({"a/b": [1, {"c": 2, "d": [3, 4]}, 5], "e": {"f": null}});
        let still = |value: &Json| value.to_string().contains('4');
        assert_eq!(shrink(&input, &still), json!({"a/b": [{"d": [4]}]}));
    }
}
