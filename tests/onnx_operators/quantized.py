"""Networks quantised beforehand, against ONNX Runtime: within one quantisation step.

    quantized.py RUN_MODEL
"""

import itertools
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from run import Runner, decode

warnings.simplefilter("ignore")
random = np.random.default_rng(20)


def weights(name, *shape, scale=0.3):
    return numpy_helper.from_array((random.normal(size=shape) * scale).astype(np.float32), name)


def model(nodes, row, initializers):
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *row])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 4])],
        initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def mlp():
    return model([
        helper.make_node("Gemm", ["x", "w1", "b1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["c"]),
        helper.make_node("Softmax", ["c"], ["probabilities"], axis=1),
    ], (16,), [weights("w1", 16, 32), weights("b1", 32), weights("w2", 32, 4), weights("b2", 4)])


def cnn():
    return model([
        helper.make_node("Conv", ["x", "k1", "c1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "k2", "c2"], ["q"]),
        helper.make_node("Relu", ["q"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["l"]),
        helper.make_node("Softmax", ["l"], ["probabilities"], axis=1),
    ], (1, 8, 8), [weights("k1", 6, 1, 3, 3), weights("c1", 6), weights("k2", 8, 6, 3, 3), weights("c2", 8),
                   weights("w", 8, 4, scale=1.0), weights("b", 4)])


class Rows(CalibrationDataReader):
    def __init__(self, rows):
        self.left = iter([{"x": rows[at:at + 8]} for at in range(0, len(rows), 8)])

    def get_next(self):
        return next(self.left, None)


def main():
    runner = Runner(sys.argv[1], "tract")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, network, row in (("mlp", mlp(), (16,)), ("cnn", cnn(), (1, 8, 8))):
            plain = pathlib.Path(folder, f"{name}.onnx")
            onnx.save(network, plain)
            rows = random.normal(size=(64, *row)).astype(np.float32)
            kinds = (("int8", QuantType.QInt8, QuantType.QInt8), ("uint8", QuantType.QUInt8, QuantType.QUInt8),
                     ("uint8 x int8", QuantType.QUInt8, QuantType.QInt8))
            for (kind, activations, of_weights), per_channel in itertools.product(kinds, (False, True)):
                path = pathlib.Path(folder, "quantized.onnx")
                quantize_static(plain, path, Rows(rows), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                                activation_type=activations, weight_type=of_weights)
                session = onnxruntime.InferenceSession(path)
                expected = session.run(None, {"x": rows})[0]
                # The output's own step: the scale of the last quantisation.
                step = 1 / 255
                answer = runner.ask({"model": str(path), "inputs": [
                    {"name": "x", "datatype": "FP32", "shape": list(rows.shape), "data": rows.reshape(-1).tolist()}]})
                if "outputs" not in answer:
                    sys.exit(f"{name} {kind} per_channel={per_channel}: {answer}")
                off = np.abs(decode(answer["outputs"][0]) - expected).max() / step
                worst = max(worst, off)
                print(f"{name} {kind} per {'channel' if per_channel else 'tensor'}: off by {off:.3f} steps")
    sys.exit(f"off by {worst} steps" if worst > 1.01 else 0)


if __name__ == "__main__":
    main()
