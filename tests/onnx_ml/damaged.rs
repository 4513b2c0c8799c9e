//! Nodes that cannot be run are refused when they are read.

use modelgate::onnx;
use prost::Message;
use tract_onnx::pb::{
    GraphProto, ModelProto, TensorProto, tensor_shape_proto::dimension::Value as Size,
    type_proto::Value as Type,
};

use crate::{
    file::{Node, f32s, node, rows, standard, u8s},
    tree_nodes::{Numbers, classifier, ensemble, leaf, regressor, split},
};

#[track_caller]
fn refused(node: Node, what: &str) {
    let error = node.refused(&[rows(2, vec![0.0_f32, 0.0])]);
    assert!(error.contains(what), "{error}");
}

fn stump() -> Node {
    regressor(1, &[split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(0, 2.0))])
}

#[test]
fn trees_that_lead_nowhere_or_round_in_a_circle() {
    refused(stump().ints("nodes_truenodeids", &[7, 0, 0]), "a node that does not exist");
    refused(stump().ints("nodes_falsenodeids", &[-1, 0, 0]), "a node that does not exist");
    refused(stump().ints("nodes_truenodeids", &[0, 0, 0]), "one leads back to the first");
    let twice = split(
        0,
        "BRANCH_LEQ",
        0.5,
        split(0, "BRANCH_LEQ", 0.2, leaf(0, 1.0), leaf(0, 1.0)),
        leaf(0, 2.0),
    );
    let twice = regressor(1, &[twice]).ints("nodes_falsenodeids", &[1, 3, 0, 0, 0]);
    refused(twice, "two branches lead to one node");
    refused(stump().ints("nodes_nodeids", &[0, 1, 1]), "a node stands twice");
    refused(stump().ints("nodes_featureids", &[-1, 0, 0]), "a feature that no row has");
    refused(stump().ints("nodes_featureids", &[1 << 40, 0, 0]), "a feature that no row has");
    refused(stump().ints("nodes_featureids", &[2, 0, 0]), "found 2 features, expected at least 3");
    refused(
        stump().texts("nodes_modes", &["BRANCH_IN", "LEAF", "LEAF"]),
        "no node mode `BRANCH_IN`",
    );
    refused(stump().ints("nodes_featureids", &[0, 0]), "differ in length");
    refused(stump().floats("nodes_values", &[0.0]), "differ in length");
    refused(stump().ints("nodes_missing_value_tracks_true", &[0; 4]), "differ in length");
}

#[test]
fn votes_that_nobody_can_count() {
    refused(stump().ints("target_ids", &[0, 1]), "a class that does not exist");
    refused(stump().ints("target_ids", &[0, -1]), "a class that does not exist");
    refused(stump().ints("target_nodeids", &[1, 9]), "a node that does not exist");
    refused(stump().floats("target_weights", &[1.0]), "differ in length");
    refused(stump().floats("base_values", &[1.0, 2.0]), "found 2 base values for 1 targets");
    refused(stump().int("n_targets", -1), "found -1 targets");
    refused(stump().int("n_targets", 0), "a class that does not exist");
    refused(stump().int("n_targets", 1 << 40), "targets");
    refused(stump().text("aggregate_function", "MEDIAN"), "no aggregate function `MEDIAN`");
    refused(stump().text("post_transform", "EXP"), "no post-transform `EXP`");
    let three = classifier(&[1, 2, 3], &[split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(2, 2.0))]);
    refused(three.clone().floats("base_values", &[1.0]), "found 1 base values for 3 classes");
    refused(three.texts("classlabels_strings", &["a"]), "none or both");
    refused(node("TreeEnsembleRegressor"), "found no trees");
}

#[test]
fn ensembles_whose_places_are_out_of_range() {
    let stump = || ensemble(1, &[split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(0, 2.0))]);
    refused(stump().ints("tree_roots", &[1]), "a node that does not exist");
    refused(stump().ints("tree_roots", &[0, 0]), "two branches lead to one node");
    refused(stump().ints("tree_roots", &[]), "found no trees");
    refused(stump().ints("nodes_trueleafs", &[0]), "one leads back to the first");
    refused(stump().ints("nodes_falsenodeids", &[2]), "a node that does not exist");
    refused(stump().ints("nodes_falsenodeids", &[i64::MIN]), "a node that does not exist");
    refused(stump().tensor("nodes_modes", u8s(&[7])), "there is no node mode 7");
    refused(stump().tensor("nodes_modes", f32s(&[0.0])), "as 8-bit integers");
    refused(stump().tensor("leaf_weights", f32s(&[0.0])), "differ in length");
    refused(stump().ints("leaf_targetids", &[0, 3]), "a class that does not exist");
    refused(stump().int("aggregate_function", 9), "no aggregate function 9");
    refused(stump().int("post_transform", 9), "no post-transform 9");
    let mut cut = f32s(&[0.5]);
    cut.raw_data.pop();
    refused(stump().tensor("nodes_splits", cut), "is cut short");
    let half = tract_onnx::pb::TensorProto { data_type: 10, ..f32s(&[0.5]) };
    refused(stump().tensor("nodes_splits", half), "is not supported");
}

/// Whatever a byte is changed to, loading ends, and so does running what was loaded.
#[test]
fn files_with_a_changed_byte_neither_panic_nor_hang() {
    let mut numbers = Numbers(11);
    let trees: Vec<_> =
        (0..3).map(|_| numbers.tree(3, &["BRANCH_LEQ", "BRANCH_EQ"], 2, 1)).collect();
    let input = || rows(5, vec![0.0_f32; 10]);
    let split_only = [split(0, "BRANCH_LEQ", 0.5, leaf(0, 1.0), leaf(1, 2.0))];
    for node in [classifier(&[1, 2], &trees), regressor(2, &trees), ensemble(2, &split_only)] {
        let whole = node.file(&[input()]);
        for place in (0..whole.len()).step_by(5) {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << numbers.next(8);
            let loaded = modelgate::onnx::Classifier::builder().graph_from_bytes(&damaged);
            if let Ok(graph) = loaded {
                let input = modelgate::tensor::Tensors::new().with("x0", input());
                let _ = modelgate::Model::predict(&graph, &input);
            }
        }
    }
}

#[test]
fn sizes_that_no_model_has_are_refused_before_anything_is_allocated() {
    let input = || [rows(2, vec![0.0_f32, 1.0])];
    let large = TensorProto { dims: vec![1 << 40], data_type: 1, ..TensorProto::default() };
    let found = standard("Constant").tensor("value", large).refused(&[]);
    assert!(found.contains("is larger than the file"), "{found}");
    let negative = TensorProto { dims: vec![-1], data_type: 1, ..TensorProto::default() };
    let found = standard("Constant").tensor("value", negative).refused(&[]);
    assert!(found.contains("is larger than the file"), "{found}");
    for (operator, attribute) in [("MaxPool", "kernel_shape"), ("Conv", "pads")] {
        for size in [i64::MAX, i64::MIN, 1 << 20] {
            let found = standard(operator).ints(attribute, &[1, size]).refused(&input());
            assert!(found.contains(&format!("has `{attribute}` beyond 65536")), "{found}");
        }
    }
    for axis in [65, -65, i64::MIN] {
        let found = standard("LayerNormalization").int("axis", axis).refused(&input());
        assert!(found.contains("has `axis` beyond 64"), "{found}");
    }
}

/// A file of one node, changed.
fn changed(node: &Node, change: impl FnOnce(&mut GraphProto)) -> String {
    let mut model = ModelProto::decode(&*node.file(&[rows(2, vec![0.0_f32, 1.0])])).unwrap();
    change(model.graph.as_mut().unwrap());
    onnx::Graph::from_bytes(&model.encode_to_vec()).unwrap_err().to_string()
}

#[test]
fn what_a_graph_would_make_too_large_is_refused_before_it_is_made() {
    for operator in ["Expand", "Tile"] {
        let found = changed(&standard(operator), |graph| {
            graph.node[0].input.push("size".into());
            graph.initializer.push(TensorProto {
                name: "size".into(),
                dims: vec![2],
                data_type: 7,
                int64_data: vec![1 << 20, 1 << 20],
                ..TensorProto::default()
            });
        });
        assert!(found.contains("asks for more than 2^26 elements"), "{found}");
    }
    let found = changed(&standard("Relu"), |graph| {
        let Some(Type::TensorType(tensor)) =
            graph.input[0].r#type.as_mut().and_then(|found| found.value.as_mut())
        else {
            panic!("no tensor");
        };
        for axis in &mut tensor.shape.as_mut().unwrap().dim {
            axis.value = Some(Size::DimValue(1 << 31));
        }
    });
    assert!(found.contains("at most 2^26 elements"), "{found}");
}
