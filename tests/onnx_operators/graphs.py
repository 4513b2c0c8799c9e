"""Small random graphs of what exporters write beside each other, against ONNX Runtime.

    graphs.py RUN_MODEL [--count 2000] [--seed 1]

Quantise and dequantise around products and convolutions, chains of casts, arithmetic on shapes, reductions,
elementwise chains, slices and joins. A graph that ONNX Runtime refuses is no case. Ends with 1 where an answer
differs, or where a graph is loaded and then fails.
"""

import argparse
import collections
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from run import Runner, decode

onnxruntime.set_default_logger_severity(4)


class Graph:
    """Nodes that were drawn so far, and the value that the next one takes."""

    def __init__(self, random):
        self.random = random
        self.nodes, self.initializers = [], []
        self.names = 0
        rank = int(random.integers(2, 5))
        self.shape = [int(size) for size in random.integers(1, 6, rank)]
        self.value = "x"

    def name(self):
        self.names += 1
        return f"v{self.names}"

    def constant(self, array):
        name = self.name()
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def floats(self, *shape, scale=1.0):
        return self.constant((self.random.normal(size=shape) * scale).astype(np.float32))

    def node(self, operator, inputs, shape=None, **attributes):
        output = self.name()
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        self.value = output
        if shape is not None:
            self.shape = [int(size) for size in shape]
        return output

    def axis(self):
        axis = int(self.random.integers(len(self.shape)))
        return axis, axis - (len(self.shape) if self.random.random() < 0.5 else 0)


def elementwise(g):
    operator = g.random.choice(["Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Exp", "Floor", "Ceil", "Round", "Erf",
                                "Softplus", "HardSigmoid", "Elu", "LeakyRelu", "Sign", "Softsign"])
    if operator == "Exp":
        g.node("Clip", [g.value, g.constant(np.float32(-3)), g.constant(np.float32(3))])
    g.node(str(operator), [g.value])


def arithmetic(g):
    shape = [size if g.random.random() < 0.6 else 1 for size in g.shape]
    shape = shape[int(g.random.integers(len(shape))):]
    operator = str(g.random.choice(["Add", "Sub", "Mul", "Max", "Min"]))
    g.node(operator, [g.value, g.floats(*shape)])


def casts(g):
    kept = g.value
    for kind in g.random.choice([TensorProto.INT32, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT], 2):
        g.node("Cast", [g.value], to=int(kind))
    g.node("Cast", [g.value], to=TensorProto.FLOAT)
    g.node("Add", [g.value, kept])


def quantised(g):
    kind = np.uint8 if g.random.random() < 0.5 else np.int8
    zero = g.constant(kind(g.random.integers(0, 100)))
    # A power of two and a half: quotients that lie in the middle of two are the hard ones.
    scale = g.constant(np.float32(g.random.choice([0.25, 0.0371, 0.5])))
    g.node("QuantizeLinear", [g.value, scale, zero])
    g.node("DequantizeLinear", [g.value, scale, zero])


def quantised_by_axis(g):
    axis, written = g.axis()
    size = g.shape[axis]
    kind = np.uint8 if g.random.random() < 0.5 else np.int8
    zeros = g.constant(g.random.integers(0, 100, size).astype(kind))
    scales = g.constant((g.random.random(size) * 0.2 + 0.01).astype(np.float32))
    g.node("QuantizeLinear", [g.value, scales, zeros], axis=written)
    g.node("DequantizeLinear", [g.value, scales, zeros], axis=written)


def product(g):
    width, new = g.shape[-1], int(g.random.integers(1, 6))
    right = g.floats(width, new)
    if g.random.random() < 0.4:
        scales = g.constant((g.random.random(new) * 0.02 + 0.01).astype(np.float32))
        integers = g.constant(g.random.integers(-127, 128, (width, new)).astype(np.int8))
        right = g.name()
        g.nodes.append(helper.make_node("DequantizeLinear", [integers, scales], [right], axis=1))
    g.node("MatMul", [g.value, right], [*g.shape[:-1], new])


def gemm(g):
    if len(g.shape) != 2:
        return product(g)
    width, new = g.shape[1], int(g.random.integers(1, 6))
    turned = bool(g.random.random() < 0.5)
    right = g.floats(new, width) if turned else g.floats(width, new)
    g.node("Gemm", [g.value, right, g.floats(new)], [g.shape[0], new], transB=int(turned),
           alpha=float(g.random.choice([1.0, 0.5])), beta=float(g.random.choice([1.0, 2.0])))


def convolution(g):
    if len(g.shape) != 4:
        return elementwise(g)
    channels, new = g.shape[1], int(g.random.integers(1, 4))
    kernel = [int(size) for size in g.random.integers(1, 3, 2)]
    shape = [g.shape[0], new, g.shape[2] + 2 - kernel[0] + 1, g.shape[3] + 2 - kernel[1] + 1]
    g.node("Conv", [g.value, g.floats(new, channels, *kernel), g.floats(new)], shape, pads=[1, 1, 1, 1])


def flat_by_shape(g):
    """`Reshape` to what the value's own shape says, as exporters write it."""
    kept = g.value
    shape = g.name()
    g.nodes.append(helper.make_node("Shape", [kept], [shape]))
    first = g.name()
    g.nodes.append(helper.make_node("Gather", [shape, g.constant(np.int64(0))], [first], axis=0))
    row = g.name()
    g.nodes.append(helper.make_node("Unsqueeze", [first, g.constant(np.array([0]))], [row]))
    wanted = g.name()
    g.nodes.append(helper.make_node("Concat", [row, g.constant(np.array([-1]))], [wanted], axis=0))
    g.node("Reshape", [kept, wanted], [g.shape[0], int(np.prod(g.shape[1:]))])


def reduction(g):
    axis, written = g.axis()
    operator = str(g.random.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceL1"]))
    shape = list(g.shape)
    shape[axis] = 1
    g.node(operator, [g.value, g.constant(np.array([written]))], shape, keepdims=1)


def softmax(g):
    _, written = g.axis()
    g.node(str(g.random.choice(["Softmax", "LogSoftmax"])), [g.value], axis=written)


def cumulative(g):
    _, written = g.axis()
    g.node("CumSum", [g.value, g.constant(np.int64(written))], reverse=int(g.random.integers(2)),
           exclusive=int(g.random.integers(2)))


def transposed(g):
    order = [int(axis) for axis in g.random.permutation(len(g.shape))]
    g.node("Transpose", [g.value], [g.shape[axis] for axis in order], perm=order)


def sliced(g):
    axis, written = g.axis()
    size = g.shape[axis]
    start = int(g.random.integers(size))
    step = int(g.random.choice([1, 2, -1]))
    end = -(2 ** 40) if step < 0 else 2 ** 40
    shape = list(g.shape)
    shape[axis] = len(range(start, -1, -1)) if step < 0 else len(range(start, size, step))
    g.node("Slice", [g.value, *(g.constant(np.array([v])) for v in (start, end, written, step))], shape)


def joined(g):
    axis, written = g.axis()
    shape = list(g.shape)
    shape[axis] *= 2
    g.node("Concat", [g.value, g.value], shape, axis=written)


def padded(g):
    mode = str(g.random.choice(["constant", "edge", "reflect"]))
    pads = [int(min(p, size - 1)) for p, size in zip(g.random.integers(0, 3, len(g.shape) * 2), g.shape * 2)]
    rank = len(g.shape)
    shape = [size + pads[at] + pads[at + rank] for at, size in enumerate(g.shape)]
    g.node("Pad", [g.value, g.constant(np.array(pads))], shape, mode=mode)


def picked(g):
    axis, written = g.axis()
    places = g.random.integers(-g.shape[axis], g.shape[axis], int(g.random.integers(1, 4)))
    shape = list(g.shape)
    shape[axis] = len(places)
    g.node("Gather", [g.value, g.constant(places)], shape, axis=written)


def chosen(g):
    above = g.name()
    g.nodes.append(helper.make_node("Greater", [g.value, g.constant(np.float32(0.1))], [above]))
    g.node("Where", [above, g.value, g.floats(1)])


DRAWN = [elementwise, arithmetic, casts, quantised, quantised_by_axis, product, gemm, convolution, flat_by_shape,
         reduction, softmax, cumulative, transposed, sliced, joined, padded, picked, chosen]


def draw(random):
    graph = Graph(random)
    row = list(graph.shape)
    drawn = []
    for _ in range(int(random.integers(2, 6))):
        if np.prod(graph.shape) > 4000:
            break
        part = DRAWN[int(random.integers(len(DRAWN)))]
        drawn.append(part.__name__)
        part(graph)
    first = "rows" if random.random() < 0.3 else row[0]
    proto = helper.make_graph(
        graph.nodes, "drawn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [first, *row[1:]])],
        [helper.make_tensor_value_info(graph.value, TensorProto.FLOAT, [None] * len(graph.shape))],
        graph.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model, row, drawn


def step_of(model):
    """The largest step of a quantisation in the graph: an answer may be off by one."""
    scales = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    steps = [scales[n.input[1]].max() for n in model.graph.node if n.op_type == "QuantizeLinear"]
    return float(max(steps, default=0.0))


def near(model, expected, found):
    if list(expected.shape) != list(found.shape):
        return False
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
    steps = [node.op_type for node in model.graph.node]
    # Behind what jumps (a step, a floor, a choice) a rounding may become a whole one somewhere.
    jumps = any(name in ("QuantizeLinear", "Floor", "Ceil", "Round", "Sign", "Greater", "Cast") for name in steps)
    same = np.isclose(found, expected, rtol=1e-3, atol=1e-5 * largest, equal_nan=True)
    return bool(same.all()) or (jumps and same.mean() >= 0.9)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    runner = Runner(arguments.program, "tract")
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.count):
            random = np.random.default_rng([arguments.seed, number])
            model, row, drawn = draw(random)
            rows = (random.normal(size=row) * 2).astype(np.float32)
            try:
                # Its optimisations take weights of few bits for a reason to round the other side as well.
                options = onnxruntime.SessionOptions()
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
                session = onnxruntime.InferenceSession(model.SerializeToString(), options)
                expected = session.run(None, {"x": rows})[0]
            except Exception:
                counts["no case"] += 1
                continue
            path = pathlib.Path(folder, f"{number}.onnx")
            onnx.save(model, path)
            answer = runner.ask({"model": str(path), "options": {"non_finite": "allowed"}, "inputs": [
                {"name": "x", "datatype": "FP32", "shape": row, "data": rows.reshape(-1).tolist()}]})
            path.unlink()
            if "load_error" in answer:
                status, why = "refused", answer["load_error"]
            elif "outputs" not in answer:
                status, why = "late", str(answer)
            elif near(model, expected, decode(answer["outputs"][0])):
                status, why = "right", ""
            else:
                found = decode(answer["outputs"][0])
                status, why = "wrong", f"{found.reshape(-1)[:6]}, expected {expected.reshape(-1)[:6]}"
            counts[status] += 1
            if status != "right":
                print(f"{status}: --seed {arguments.seed}, graph {number}, {' '.join(drawn)}: {why[:300]}")
    print(json.dumps({"seed": arguments.seed, "graphs": arguments.count, **counts}))
    sys.exit(1 if counts["wrong"] + counts["late"] else 0)


if __name__ == "__main__":
    main()
