//! Whether a tree ensemble is one: the engine follows its numbers without looking, out of its
//! memory or round in a circle.

use std::collections::BTreeMap;

use tract_onnx::pb::NodeProto;

use crate::model::onnx::LoadError;

/// Refuses a `TreeEnsembleClassifier` whose branches or classes lead nowhere.
pub(super) fn check(node: &NodeProto) -> Result<(), LoadError> {
    match flaw(node) {
        None => Ok(()),
        Some(flaw) => Err(LoadError::NotOnnx {
            detail: format!("the trees of its node `{}` are damaged: {flaw}", node.name).into(),
        }),
    }
}

fn flaw(node: &NodeProto) -> Option<&'static str> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let numbers = |name: &str| attribute(name).map_or(&[][..], |attribute| &attribute.ints);
    let classes = ["classlabels_int64s", "classlabels_strings"]
        .into_iter()
        .filter_map(attribute)
        .map(|labels| labels.ints.len().max(labels.strings.len()))
        .max()
        .unwrap_or(0);
    let class = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < classes);
    if !numbers("class_ids").iter().all(class) {
        return Some("a leaf votes for a class that does not exist");
    }
    let (trees, ids) = (numbers("nodes_treeids"), numbers("nodes_nodeids"));
    let (yes, no) = (numbers("nodes_truenodeids"), numbers("nodes_falsenodeids"));
    let modes = attribute("nodes_modes").map_or(&[][..], |modes| &modes.strings);
    let count = trees.len();
    if [ids.len(), yes.len(), no.len(), modes.len()] != [count; 4] {
        return Some("its lists of nodes differ in length");
    }
    let mut forest: BTreeMap<i64, BTreeMap<i64, Option<[i64; 2]>>> = BTreeMap::new();
    for ((((tree, id), yes), no), mode) in trees.iter().zip(ids).zip(yes).zip(no).zip(modes) {
        let children = (mode != b"LEAF").then_some([*yes, *no]);
        if forest.entry(*tree).or_default().insert(*id, children).is_some() {
            return Some("a node stands twice in a tree");
        }
    }
    forest.values().find_map(tree_flaw)
}

fn tree_flaw(tree: &BTreeMap<i64, Option<[i64; 2]>>) -> Option<&'static str> {
    // The engine takes a node's number for its place.
    if !tree.keys().zip(0_i64..).all(|(id, place)| *id == place) {
        return Some("the nodes of a tree are not numbered from 0 without a gap");
    }
    let mut parents = vec![0_u32; tree.len()];
    for child in tree.values().flatten().flatten() {
        let place = usize::try_from(*child).ok();
        match place.and_then(|place| parents.get_mut(place)) {
            Some(parents) => *parents = parents.saturating_add(1),
            None => return Some("a branch leads to a node that does not exist"),
        }
    }
    // One parent each, and none for the first: with as many nodes as that, no circle can be
    // reached from the first node.
    let whole = parents.iter().enumerate().all(|(place, parents)| match place {
        0 => *parents == 0,
        _ => *parents <= 1,
    });
    (!whole).then_some("two branches lead to one node, or one leads back to the first")
}
