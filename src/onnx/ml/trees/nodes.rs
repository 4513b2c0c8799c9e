//! The trees of `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: one list for each property
//! of a node, nodes known by the number of their tree and their own.

use super::{
    super::{NodeError, attributes::Attributes},
    table::{Child, Split, Test, TreeTable},
};

/// The attributes that hold the votes of the leaves.
pub(super) struct Votes {
    pub(super) trees: &'static str,
    pub(super) nodes: &'static str,
    pub(super) targets: &'static str,
    pub(super) weights: &'static str,
}

/// Nodes by the number of their tree and their own, sorted.
struct Places(Vec<((i64, i64), usize)>);

impl Places {
    fn of(trees: &[i64], ids: &[i64]) -> Result<Places, NodeError> {
        let keys = trees.iter().copied().zip(ids.iter().copied());
        let mut places: Vec<_> = keys.zip(0..).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return Err(NodeError::damaged("a node stands twice in a tree"));
        }
        Ok(Places(places))
    }

    fn find(&self, tree: i64, id: i64) -> Option<usize> {
        let found = self.0.binary_search_by_key(&(tree, id), |(key, _)| *key).ok()?;
        self.0.get(found).map(|(_, place)| *place)
    }
}

fn test(mode: &str) -> Result<Option<Test>, NodeError> {
    Ok(Some(match mode {
        "BRANCH_LEQ" => Test::AtMost,
        "BRANCH_LT" => Test::Below,
        "BRANCH_GTE" => Test::AtLeast,
        "BRANCH_GT" => Test::Above,
        "BRANCH_EQ" => Test::Equal,
        "BRANCH_NEQ" => Test::NotEqual,
        "LEAF" => return Ok(None),
        other => return Err(NodeError::damaged(format!("there is no node mode `{other}`"))),
    }))
}

/// Reads and checks the trees of a node.
pub(super) fn read(
    attributes: &Attributes<'_>,
    names: &Votes,
    targets: usize,
) -> Result<TreeTable, NodeError> {
    let (trees, ids) = (attributes.ints("nodes_treeids")?, attributes.ints("nodes_nodeids")?);
    let features = attributes.ints("nodes_featureids")?;
    let yes = attributes.ints("nodes_truenodeids")?;
    let no = attributes.ints("nodes_falsenodeids")?;
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    let thresholds = attributes.numbers("nodes_values")?;
    let modes = attributes.texts("nodes_modes")?;
    let count = trees.len();
    let lengths = [ids.len(), features.len(), yes.len(), no.len(), thresholds.len(), modes.len()];
    if lengths != [count; 6] || missing.len() > count {
        return Err(NodeError::damaged("its lists of nodes differ in length"));
    }
    let places = Places::of(trees, ids)?;
    let tests = modes.into_iter().map(test).collect::<Result<Vec<_>, _>>()?;
    let mut table = TreeTable { targets, ..TreeTable::default() };
    // The place of each node among the splits or among the leaves.
    let mut children = Vec::with_capacity(count);
    let (mut splits, mut leaves) = (0, 0);
    for test in &tests {
        children.push(if test.is_some() {
            splits += 1;
            Child::Split(splits - 1)
        } else {
            leaves += 1;
            Child::Leaf(leaves - 1)
        });
    }
    let child = |tree: i64, id: i64| {
        let place = places.find(tree, id).and_then(|place| children.get(place));
        place
            .copied()
            .ok_or_else(|| NodeError::damaged("a branch leads to a node that does not exist"))
    };
    let questions = trees.iter().zip(features).zip(yes).zip(no).zip(&thresholds).zip(&tests);
    for (place, (((((tree, feature), yes), no), threshold), test)) in questions.enumerate() {
        let Some(test) = *test else { continue };
        table.splits.push(Split {
            feature: usize::try_from(*feature)
                .map_err(|_| NodeError::damaged("a split asks for a feature that no row has"))?,
            test,
            threshold: *threshold,
            missing_is_true: missing.get(place).is_some_and(|missing| *missing != 0),
            if_true: child(*tree, *yes)?,
            if_false: child(*tree, *no)?,
        });
    }
    // A tree starts at its first node.
    let mut started: Vec<(i64, usize)> = trees.iter().copied().zip(0..).collect();
    started.sort_unstable();
    started.dedup_by_key(|(tree, _)| *tree);
    started.sort_unstable_by_key(|(_, place)| *place);
    table.roots = started.iter().filter_map(|(_, place)| children.get(*place).copied()).collect();
    read_votes(attributes, names, &places, &children, leaves, &mut table)?;
    table.check()
}

fn read_votes(
    attributes: &Attributes<'_>,
    names: &Votes,
    places: &Places,
    children: &[Child],
    leaves: usize,
    table: &mut TreeTable,
) -> Result<(), NodeError> {
    let (trees, nodes) = (attributes.ints(names.trees)?, attributes.ints(names.nodes)?);
    let targets = attributes.ints(names.targets)?;
    let weights = attributes.numbers(names.weights)?;
    if [nodes.len(), targets.len(), weights.len()] != [trees.len(); 3] {
        return Err(NodeError::damaged("its lists of votes differ in length"));
    }
    let mut votes = Vec::with_capacity(trees.len());
    for (((tree, node), target), weight) in trees.iter().zip(nodes).zip(targets).zip(weights) {
        let target = usize::try_from(*target).ok().filter(|target| *target < table.targets);
        let target = target
            .ok_or_else(|| NodeError::damaged("a leaf votes for a class that does not exist"))?;
        match places.find(*tree, *node).and_then(|place| children.get(place)) {
            Some(Child::Leaf(leaf)) => votes.push((*leaf, (target, weight))),
            // Nobody counts what is not at a leaf.
            Some(Child::Split(_)) => {}
            None => return Err(NodeError::damaged("a vote is cast at a node that does not exist")),
        }
    }
    // Stable: a leaf's votes stay in the order of the file.
    votes.sort_by_key(|(leaf, _)| *leaf);
    table.leaves = vec![(0, 0); leaves];
    for (leaf, vote) in votes {
        let end = table.votes.len();
        if let Some(span) = table.leaves.get_mut(leaf) {
            if span.0 == span.1 {
                *span = (end, end);
            }
            span.1 = end + 1;
        }
        table.votes.push(vote);
    }
    Ok(())
}
