//! The order in which nodes are run.

use std::collections::{BTreeSet, HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto};

/// The nodes in topological order, and otherwise in the order of the file. The specification
/// requires files to be sorted topologically, but some tools append nodes that belong earlier.
pub(super) fn sorted(nodes: &[NodeProto]) -> Vec<&NodeProto> {
    let makers: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |name| (&**name, at)))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let mut waits: Vec<usize> = vec![0; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        let made: HashSet<usize> =
            read_by(node).into_iter().filter_map(|name| makers.get(name).copied()).collect();
        waits[at] = made.len();
        made.into_iter().for_each(|maker| readers[maker].push(at));
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|at| waits[*at] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(&nodes[at]);
        for reader in &readers[at] {
            waits[*reader] -= 1;
            if waits[*reader] == 0 {
                ready.insert(*reader);
            }
        }
    }
    // There is a cycle: the first of its nodes to run reports its missing input.
    if order.len() == nodes.len() { order } else { nodes.iter().collect() }
}

/// The names that a node and the graphs within it read, including those that the graphs define
/// themselves.
fn read_by(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(|name| &**name).collect();
    let mut graphs: Vec<&GraphProto> = node.attribute.iter().filter_map(|a| a.g.as_ref()).collect();
    while let Some(graph) = graphs.pop() {
        names.extend(graph.node.iter().flat_map(|node| &node.input).map(|name| &**name));
        names.extend(graph.output.iter().map(|output| &*output.name));
        graphs.extend(graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.g.as_ref()));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        }
    }

    fn names(nodes: &[NodeProto]) -> Vec<&str> {
        sorted(nodes).into_iter().map(|node| &*node.output[0]).collect()
    }

    #[test]
    fn a_node_follows_what_it_reads_and_otherwise_keeps_its_position() {
        let nodes = [
            node(&["cast", "w"], "a"),
            node(&[], "b"),
            node(&["a", "b"], "c"),
            node(&["x"], "cast"),
        ];
        assert_eq!(names(&nodes), ["b", "cast", "a", "c"]);
        let circle = [node(&["b"], "a"), node(&["a"], "b")];
        assert_eq!(names(&circle), ["a", "b"]);
    }
}
