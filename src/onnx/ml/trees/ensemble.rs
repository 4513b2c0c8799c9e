//! The trees of `TreeEnsemble`: splits and leaves in lists of their own, known by their places.

use super::{
    super::{
        NodeError,
        attributes::{Attributes, Values},
    },
    table::{Child, Split, Test, TreeTable},
};

/// Reads and checks the trees of a node.
pub(super) fn read(attributes: &Attributes<'_>, targets: usize) -> Result<TreeTable, NodeError> {
    let features = attributes.ints("nodes_featureids")?;
    let yes = attributes.ints("nodes_truenodeids")?;
    let no = attributes.ints("nodes_falsenodeids")?;
    let yes_leaf = attributes.ints("nodes_trueleafs")?;
    let no_leaf = attributes.ints("nodes_falseleafs")?;
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    let thresholds = floats(attributes, "nodes_splits")?;
    let modes = match attributes.tensor("nodes_modes")? {
        Some(Values::U8(modes)) => modes,
        _ => return Err(NodeError::damaged("expected its `nodes_modes` as 8-bit integers")),
    };
    let count = features.len();
    let lengths =
        [yes.len(), no.len(), yes_leaf.len(), no_leaf.len(), thresholds.len(), modes.len()];
    if lengths != [count; 6] || missing.len() > count {
        return Err(NodeError::damaged("its lists of nodes differ in length"));
    }
    let mut table = TreeTable { targets, ..TreeTable::default() };
    let members = match attributes.tensor("membership_values")? {
        Some(values) => values.floats("membership_values")?,
        None => Vec::new(),
    };
    // Sets end at a NaN; after the last it may be left out.
    let mut sets = members.split(|member| member.is_nan()).map(Box::<[f64]>::from);
    let child = |leaf: i64, place: i64| {
        let place = usize::try_from(place)
            .map_err(|_| NodeError::damaged("a branch leads to a node that does not exist"))?;
        Ok(if leaf == 0 { Child::Split(place) } else { Child::Leaf(place) })
    };
    let leads = yes.iter().zip(yes_leaf).zip(no.iter().zip(no_leaf));
    let questions = features.iter().zip(&thresholds).zip(&modes).zip(leads);
    for (place, (((feature, threshold), mode), (yes, no))) in questions.enumerate() {
        let test = match mode {
            0 => Test::AtMost,
            1 => Test::Below,
            2 => Test::AtLeast,
            3 => Test::Above,
            4 => Test::Equal,
            5 => Test::NotEqual,
            6 => {
                let set = sets.next().ok_or_else(|| {
                    NodeError::damaged("it has fewer sets of members than splits that ask for one")
                })?;
                table.sets.push(set);
                Test::Member(table.sets.len() - 1)
            }
            other => return Err(NodeError::damaged(format!("there is no node mode {other}"))),
        };
        table.splits.push(Split {
            feature: usize::try_from(*feature)
                .map_err(|_| NodeError::damaged("a split asks for a feature that no row has"))?,
            test,
            threshold: *threshold,
            missing_is_true: missing.get(place).is_some_and(|missing| *missing != 0),
            if_true: child(*yes.1, *yes.0)?,
            if_false: child(*no.1, *no.0)?,
        });
    }
    table.roots = attributes
        .ints("tree_roots")?
        .iter()
        .map(|root| child(0, *root))
        .collect::<Result<_, _>>()?;
    let targets = attributes.ints("leaf_targetids")?;
    let weights = floats(attributes, "leaf_weights")?;
    if targets.len() != weights.len() {
        return Err(NodeError::damaged("its lists of leaves differ in length"));
    }
    for (target, weight) in targets.iter().zip(weights) {
        let target = usize::try_from(*target)
            .map_err(|_| NodeError::damaged("a leaf votes for a class that does not exist"))?;
        table.leaves.push((table.votes.len(), table.votes.len() + 1));
        table.votes.push((target, weight));
    }
    table.check()
}

fn floats(attributes: &Attributes<'_>, name: &str) -> Result<Vec<f64>, NodeError> {
    match attributes.tensor(name)? {
        Some(values) => values.floats(name),
        None => Err(NodeError::damaged(format!("expected an attribute `{name}`"))),
    }
}
