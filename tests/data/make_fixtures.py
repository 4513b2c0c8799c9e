#!/usr/bin/env python3
"""Write the small ONNX files that the tests read.

    python make_fixtures.py        (needs the packages onnx and numpy)

Every file is written from constants: two runs give the same bytes.
"""
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

HERE = Path(__file__).resolve().parent
FLOAT, DOUBLE, INT64, STRING = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.STRING,
)


def value(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def weights(name, rows):
    return numpy_helper.from_array(np.array(rows, dtype=np.float32), name)


def write(file, nodes, inputs, outputs, initializers=(), ml=False):
    graph = helper.make_graph(nodes, file, inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 17)]
    if ml:
        opsets.append(helper.make_opsetid("ai.onnx.ml", 1))
    model = helper.make_model(graph, opset_imports=opsets, producer_name="fixtures")
    model.ir_version = 8
    (HERE / f"{file}.onnx").write_bytes(model.SerializeToString(deterministic=True))


W = [[1.0, -1.0, 0.5], [0.25, 2.0, -0.5]]  # two features, three classes


def softmax(x="input", out="probabilities"):
    return [
        helper.make_node("MatMul", [x, "W"], ["logits"], name="matmul"),
        helper.make_node("Softmax", ["logits"], [out], name="softmax", axis=1),
    ]


# The first axis has neither a size nor a name, and no label is given.
write("unnamed_batch", softmax(), [value("input", FLOAT, [None, 2])],
      [value("probabilities", FLOAT, [None, 3])], [weights("W", W)])

# The file takes one row, and no more.
write("one_row_only", softmax(), [value("input", FLOAT, [1, 2])],
      [value("probabilities", FLOAT, [1, 3])], [weights("W", W)])

# Nothing about the second axis either.
write("unknown_features", softmax(), [value("input", FLOAT, ["rows", "columns"])],
      [value("probabilities", FLOAT, ["rows", 3])], [weights("W", W)])

# The number of rows is fixed inside the graph, though the input says otherwise.
write("rows_fixed_inside",
      [helper.make_node("Reshape", ["input", "one_row"], ["reshaped"], name="reshape"),
       *softmax("reshaped")],
      [value("input", FLOAT, [None, 2])], [value("probabilities", FLOAT, [None, 3])],
      [weights("W", W), numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "one_row")])

# Two inputs, two outputs.
write("two_inputs",
      [helper.make_node("Add", ["left", "right"], ["sum"], name="add"),
       helper.make_node("ArgMax", ["sum"], ["largest"], name="argmax", axis=1, keepdims=0)],
      [value("left", FLOAT, ["rows", 2]), value("right", FLOAT, ["rows", 2])],
      [value("sum", FLOAT, ["rows", 2]), value("largest", INT64, ["rows"])])

# Answers NaN where the input is negative.
write("not_finite",
      [helper.make_node("Sqrt", ["input"], ["probabilities"], name="sqrt")],
      [value("input", FLOAT, ["rows", 2])], [value("probabilities", FLOAT, ["rows", 2])])

# One score, no label.
write("one_score",
      [helper.make_node("ReduceSum", ["input", "axes"], ["score"], name="sum", keepdims=1)],
      [value("input", FLOAT, ["rows", 2])], [value("score", FLOAT, ["rows", 1])],
      [numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")])

# Takes 64-bit floats.
write("double_input",
      [helper.make_node("Softmax", ["input"], ["probabilities"], name="softmax", axis=1)],
      [value("input", DOUBLE, ["rows", 2])], [value("probabilities", DOUBLE, ["rows", 2])])


def linear(labels, name="classifier"):
    return helper.make_node(
        "LinearClassifier", ["input"], ["label", "raw"], name=name, domain="ai.onnx.ml",
        coefficients=[float(w) for w in np.array(W).T.reshape(-1)], intercepts=[0.0, 0.0, 0.0],
        multi_class=1, post_transform="SOFTMAX", **labels)


ROWS2 = [value("input", FLOAT, [None, 2])]

# Classes known by names.
write("text_label",
      [linear({"classlabels_strings": ["cat", "dog", "fox"]}),
       helper.make_node("Identity", ["raw"], ["probabilities"], name="identity")],
      ROWS2, [value("label", STRING, [None]), value("probabilities", FLOAT, [None, 3])], ml=True)

# What skl2onnx writes unless told otherwise.
write("zipmap",
      [linear({"classlabels_ints": [0, 1, 2]}),
       helper.make_node("ZipMap", ["raw"], ["zipped"], name="zipmap", domain="ai.onnx.ml",
                        classlabels_int64s=[0, 1, 2])],
      ROWS2, [value("label", INT64, [None]), value("zipped", FLOAT, [None, 3])], ml=True)

# An operator of a domain that is nobody's standard, under a standard name.
write("foreign_domain",
      [helper.make_node("Softmax", ["input"], ["probabilities"], name="mine", domain="com.example")],
      ROWS2, [value("probabilities", FLOAT, [None, 2])])

# An output that nothing makes.
write("missing_output", softmax(), ROWS2, [value("nowhere", FLOAT, [None, 3])], [weights("W", W)])

# Weights of a shape that does not go with the input.
write("shapes_disagree", softmax(), [value("input", FLOAT, [None, 5])],
      [value("probabilities", FLOAT, [None, 3])], [weights("W", W)])


def stump(mode, no=2, last_class=1):
    """One split on the first feature; classes 10 and 20."""
    return helper.make_node(
        "TreeEnsembleClassifier", ["input"], ["label", "probabilities"], name="trees",
        domain="ai.onnx.ml", classlabels_int64s=[10, 20], post_transform="NONE",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
        nodes_values=[0.5, 0.0, 0.0], nodes_modes=[mode, "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[no, 0, 0],
        nodes_missing_value_tracks_true=[0, 0, 0], nodes_hitrates=[1.0, 1.0, 1.0],
        class_treeids=[0, 0, 0, 0], class_nodeids=[1, 1, 2, 2], class_ids=[0, 1, 0, last_class],
        class_weights=[0.75, 0.25, 0.125, 0.875])


TREE_OUTPUTS = [value("label", INT64, [None]), value("probabilities", FLOAT, [None, 2])]
write("trees", [stump("BRANCH_LEQ")], ROWS2, TREE_OUTPUTS, ml=True)
write("trees_gte", [stump("BRANCH_GTE")], ROWS2, TREE_OUTPUTS, ml=True)

# A leaf that votes for a class that is not there, a branch to nowhere, a branch back to the start.
write("trees_class", [stump("BRANCH_LEQ", last_class=9)], ROWS2, TREE_OUTPUTS, ml=True)
write("trees_nowhere", [stump("BRANCH_LEQ", no=7)], ROWS2, TREE_OUTPUTS, ml=True)
write("trees_circle", [stump("BRANCH_LEQ", no=0)], ROWS2, TREE_OUTPUTS, ml=True)
