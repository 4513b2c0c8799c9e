//! Trees as nodes, and the same trees walked the plain way.

use crate::file::{Node, f32s, node, u8s};

/// A tree: a question, or a leaf with its votes.
#[derive(Clone, Debug)]
pub enum Tree {
    Leaf(Vec<(i64, f32)>),
    Split {
        feature: i64,
        mode: &'static str,
        threshold: f32,
        missing: bool,
        yes: Box<Tree>,
        no: Box<Tree>,
    },
}

pub fn leaf(target: i64, weight: f32) -> Tree {
    Tree::Leaf(vec![(target, weight)])
}

pub fn split(feature: i64, mode: &'static str, threshold: f32, yes: Tree, no: Tree) -> Tree {
    Tree::Split { feature, mode, threshold, missing: false, yes: yes.into(), no: no.into() }
}

impl Tree {
    pub fn missing_is_true(mut self) -> Tree {
        if let Tree::Split { missing, .. } = &mut self {
            *missing = true;
        }
        self
    }

    /// The votes for a row, as the specification has them.
    pub fn votes(&self, row: &[f32]) -> &[(i64, f32)] {
        match self {
            Tree::Leaf(votes) => votes,
            Tree::Split { feature, mode, threshold, missing, yes, no } => {
                let value = row[*feature as usize];
                let passes = match *mode {
                    "BRANCH_LEQ" => value <= *threshold,
                    "BRANCH_LT" => value < *threshold,
                    "BRANCH_GTE" => value >= *threshold,
                    "BRANCH_GT" => value > *threshold,
                    "BRANCH_EQ" => value == *threshold,
                    "BRANCH_NEQ" => value != *threshold,
                    other => panic!("{other}"),
                };
                if passes || (*missing && value.is_nan()) { yes.votes(row) } else { no.votes(row) }
            }
        }
    }
}

#[derive(Default)]
struct Lists {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    thresholds: Vec<f32>,
    modes: Vec<&'static str>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    votes: Vec<(i64, i64, i64, f32)>,
}

impl Lists {
    fn add(&mut self, tree: i64, node: &Tree) -> i64 {
        // The nodes of one tree come one after the other.
        let id = match (self.trees.last(), self.ids.last()) {
            (Some(known), Some(last)) if *known == tree => last + 1,
            _ => 0,
        };
        let place = self.ids.len();
        self.trees.push(tree);
        self.ids.push(id);
        self.features.push(0);
        self.thresholds.push(0.0);
        self.modes.push("LEAF");
        self.yes.push(0);
        self.no.push(0);
        self.missing.push(0);
        match node {
            Tree::Leaf(votes) => {
                self.votes
                    .extend(votes.iter().map(|(target, weight)| (tree, id, *target, *weight)));
            }
            Tree::Split { feature, mode, threshold, missing, yes, no } => {
                self.features[place] = *feature;
                self.modes[place] = *mode;
                self.thresholds[place] = *threshold;
                self.missing[place] = i64::from(*missing);
                self.yes[place] = self.add(tree, yes);
                self.no[place] = self.add(tree, no);
            }
        }
        id
    }
}

fn lists(trees: &[Tree]) -> Lists {
    let mut lists = Lists::default();
    for (number, tree) in trees.iter().enumerate() {
        lists.add(number as i64, tree);
    }
    lists
}

fn with_nodes(node: Node, lists: &Lists, votes: &str) -> Node {
    let of = |field: &str| format!("{votes}_{field}");
    let column =
        |pick: fn(&(i64, i64, i64, f32)) -> i64| lists.votes.iter().map(pick).collect::<Vec<i64>>();
    node.ints("nodes_treeids", &lists.trees)
        .ints("nodes_nodeids", &lists.ids)
        .ints("nodes_featureids", &lists.features)
        .floats("nodes_values", &lists.thresholds)
        .texts("nodes_modes", &lists.modes)
        .ints("nodes_truenodeids", &lists.yes)
        .ints("nodes_falsenodeids", &lists.no)
        .ints("nodes_missing_value_tracks_true", &lists.missing)
        .ints(&of("treeids"), &column(|vote| vote.0))
        .ints(&of("nodeids"), &column(|vote| vote.1))
        .ints(&of("ids"), &column(|vote| vote.2))
        .floats(&of("weights"), &lists.votes.iter().map(|vote| vote.3).collect::<Vec<f32>>())
}

pub fn classifier(labels: &[i64], trees: &[Tree]) -> Node {
    with_nodes(node("TreeEnsembleClassifier"), &lists(trees), "class")
        .ints("classlabels_int64s", labels)
}

pub fn regressor(targets: i64, trees: &[Tree]) -> Node {
    with_nodes(node("TreeEnsembleRegressor"), &lists(trees), "target").int("n_targets", targets)
}

#[derive(Default)]
struct Ensemble {
    features: Vec<i64>,
    thresholds: Vec<f32>,
    modes: Vec<u8>,
    yes: (Vec<i64>, Vec<i64>),
    no: (Vec<i64>, Vec<i64>),
    missing: Vec<i64>,
    leaves: Vec<(i64, f32)>,
}

impl Ensemble {
    /// Adds a tree and says where it is, and whether that is a leaf.
    fn add(&mut self, tree: &Tree) -> (i64, i64) {
        match tree {
            Tree::Leaf(votes) => {
                self.leaves.push(votes[0]);
                (self.leaves.len() as i64 - 1, 1)
            }
            Tree::Split { feature, mode, threshold, missing, yes, no } => {
                let place = self.features.len();
                self.features.push(*feature);
                self.thresholds.push(*threshold);
                let modes = ["LEQ", "LT", "GTE", "GT", "EQ", "NEQ"];
                let mode = modes.iter().position(|known| mode.ends_with(&format!("_{known}")));
                self.modes.push(mode.unwrap() as u8);
                self.missing.push(i64::from(*missing));
                for list in [&mut self.yes.0, &mut self.yes.1, &mut self.no.0, &mut self.no.1] {
                    list.push(0);
                }
                let (yes, no) = (self.add(yes), self.add(no));
                (self.yes.0[place], self.yes.1[place]) = yes;
                (self.no.0[place], self.no.1[place]) = no;
                (place as i64, 0)
            }
        }
    }
}

/// `TreeEnsemble` of trees that are no leaves.
pub fn ensemble(targets: i64, trees: &[Tree]) -> Node {
    let mut lists = Ensemble::default();
    let roots: Vec<i64> = trees.iter().map(|tree| lists.add(tree).0).collect();
    let leaves = |pick: fn(&(i64, f32)) -> i64| lists.leaves.iter().map(pick).collect::<Vec<i64>>();
    let weights: Vec<f32> = lists.leaves.iter().map(|leaf| leaf.1).collect();
    node("TreeEnsemble")
        .ints("tree_roots", &roots)
        .ints("nodes_featureids", &lists.features)
        .tensor("nodes_splits", f32s(&lists.thresholds))
        .tensor("nodes_modes", u8s(&lists.modes))
        .ints("nodes_truenodeids", &lists.yes.0)
        .ints("nodes_trueleafs", &lists.yes.1)
        .ints("nodes_falsenodeids", &lists.no.0)
        .ints("nodes_falseleafs", &lists.no.1)
        .ints("nodes_missing_value_tracks_true", &lists.missing)
        .ints("leaf_targetids", &leaves(|leaf| leaf.0))
        .tensor("leaf_weights", f32s(&weights))
        .int("n_targets", targets)
}

/// Numbers that look random and are the same every time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// A multiple of a quarter: thresholds are hit exactly.
    pub fn value(&mut self) -> f32 {
        match self.next(12) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            _ => self.next(17) as f32 / 4.0 - 2.0,
        }
    }

    pub fn tree(&mut self, depth: u64, modes: &[&'static str], targets: u64, votes: u64) -> Tree {
        if depth == 0 || self.next(7) == 0 {
            let vote = |numbers: &mut Numbers| {
                (numbers.next(targets) as i64, numbers.next(33) as f32 / 8.0 - 2.0)
            };
            return Tree::Leaf((0..votes).map(|_| vote(self)).collect());
        }
        let mode = modes[self.next(modes.len() as u64) as usize];
        let (feature, threshold) = (self.next(5) as i64, self.next(17) as f32 / 4.0 - 2.0);
        let yes = self.tree(depth - 1, modes, targets, votes);
        let no = self.tree(depth - 1, modes, targets, votes);
        let tree = split(feature, mode, threshold, yes, no);
        if self.next(3) == 0 { tree.missing_is_true() } else { tree }
    }
}
