"""How fast networks of 8 bits (QDQ) run beside the same in floats, and beside ONNX Runtime.

    ORT_DYLIB_PATH=... quantized_speed.py RUN_MODEL        # built with --release

Each is asked the same rows through examples/run_model; the time that a graph takes which only hands its input
on is taken off, so that what is left is the engine's. The shortest of many runs counts.
"""

import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from quantized import Rows, cnn, mlp, model, random, weights
from run import Runner

RUNS = 40


def wide():
    """A network of the size that people quantise."""
    sizes = [64, 512, 512, 10]
    nodes, constants, last = [], [], "x"
    for at, (before, after) in enumerate(zip(sizes, sizes[1:])):
        nodes.append(helper.make_node("Gemm", [last, f"w{at}", f"b{at}"], [f"g{at}"]))
        constants += [weights(f"w{at}", before, after, scale=0.1), weights(f"b{at}", after)]
        last = f"g{at}"
        if at + 2 < len(sizes):
            nodes.append(helper.make_node("Relu", [last], [f"r{at}"]))
            last = f"r{at}"
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    return model(nodes, (64,), constants)


def shortest(runner, path, rows):
    request = {"model": str(path), "inputs": [
        {"name": "x", "datatype": "FP32", "shape": list(rows.shape), "data": rows.reshape(-1).tolist()}]}
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        answer = runner.ask(request)
        best = min(best, time.perf_counter() - start)
        if "outputs" not in answer:
            sys.exit(f"{path}: {answer}")
    return best


def nothing(row):
    """Hands on a part of its input as small as the others' answers."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *row])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", *[1] * len(row)])
    axes = list(range(1, len(row) + 1))
    cut = [onnx.numpy_helper.from_array(np.array(values, np.int64), name)
           for name, values in (("from", [0] * len(row)), ("to", [1] * len(row)), ("axes", axes))]
    graph = helper.make_graph([helper.make_node("Slice", ["x", "from", "to", "axes"], ["y"])], "nothing", [x], [y], cut)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main():
    print("| network | rows | engine | floats, µs | 8 bits (QDQ), µs | 8 bits take |")
    print("|---|---:|---|---:|---:|---:|")
    engines = {"modelgate": Runner(sys.argv[1], "tract"), "ONNX Runtime": Runner(sys.argv[1], "ort")}
    with tempfile.TemporaryDirectory() as folder:
        for name, network, row in (("MLP 16-32-4", mlp(), (16,)), ("MLP 64-512-512-10", wide(), (64,)),
                                   ("CNN 1x8x8", cnn(), (1, 8, 8))):
            plain, small, empty = (pathlib.Path(folder, f"{kind}.onnx") for kind in ("plain", "small", "empty"))
            onnx.save(network, plain)
            onnx.save(nothing(row), empty)
            calibration = random.normal(size=(64, *row)).astype(np.float32)
            quantize_static(plain, small, Rows(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
            for count in (1, 256):
                rows = random.normal(size=(count, *row)).astype(np.float32)
                for engine, runner in engines.items():
                    overhead = shortest(runner, empty, rows)
                    taken = [max(0.0, shortest(runner, path, rows) - overhead) * 1e6 for path in (plain, small)]
                    share = f"{taken[1] / taken[0]:.1f} times" if taken[0] > 5 else "-"
                    print(f"| {name} | {count} | {engine} | {taken[0]:.0f} | {taken[1]:.0f} | {share} |", flush=True)


if __name__ == "__main__":
    main()
