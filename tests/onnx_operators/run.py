"""Runs the ONNX project's own operator tests, from its package, through examples/run_model.

    run.py RUN_MODEL [--engine tract|ort] [--table FILE] [--show STATUS] [--only TEXT]

Each case is right, refused when loaded, wrong, a panic, or fails late (it loads, and fails when asked).
Ends with 1 where a case is wrong, panics or fails late, or where fewer are right than asked (--least N).
"""

import argparse
import collections
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx

warnings.simplefilter("ignore")

DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "object": "BYTES", "str": "BYTES",
}
DTYPES = {name: dtype for dtype, name in DATATYPES.items() if dtype not in ("object", "str")}
ELEMENTS = {
    onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8, onnx.TensorProto.INT8, onnx.TensorProto.UINT16,
    onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.STRING,
    onnx.TensorProto.BOOL, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE,
    onnx.TensorProto.UINT32, onnx.TensorProto.UINT64,
}
# Random by their specification: there is no answer to compare with.
RANDOM = {"Bernoulli", "RandomUniform", "RandomNormal", "RandomUniformLike", "RandomNormalLike", "Multinomial"}


def text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return str(value)


def number(value):
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def plain(array):
    if isinstance(array, onnx.TensorProto):
        array = onnx.numpy_helper.to_array(array)
    return np.asarray(array)


def encode(value, array):
    name = value.name
    element = value.type.tensor_type.elem_type
    array = plain(array)
    if element != onnx.TensorProto.STRING:
        array = array.astype(onnx.helper.tensor_dtype_to_np_dtype(element))
    kind = array.dtype.name if array.dtype.kind not in "UOS" else "object"
    flat = array.reshape(-1).tolist()
    if kind == "object":
        flat = [text(value) for value in flat]
    elif array.dtype.kind == "f":
        flat = [number(value) for value in flat]
    return {"name": name, "datatype": DATATYPES[kind], "shape": list(array.shape), "data": flat}


def decode(tensor):
    values = tensor["data"]
    if tensor["datatype"] == "BYTES":
        return np.array(values, dtype=object).reshape(tensor["shape"])
    if tensor["datatype"].startswith("FP"):
        values = [float(value.replace("Infinity", "inf")) if isinstance(value, str) else value for value in values]
    return np.array(values, dtype=DTYPES[tensor["datatype"]]).reshape(tensor["shape"])


def of_our_types(model):
    values = list(model.graph.input) + list(model.graph.output)
    return all(
        value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type in ELEMENTS
        for value in values
    )


def compare(expected, given, rtol, atol):
    """What is wrong with an output, or nothing."""
    expected = plain(expected)
    if list(expected.shape) != list(given.shape):
        return f"shape {list(given.shape)}, expected {list(expected.shape)}"
    if expected.dtype.kind in "UOS":
        same = [text(a) for a in expected.reshape(-1)] == list(given.reshape(-1))
        return None if same else "other texts"
    if expected.dtype != given.dtype:
        return f"type {given.dtype}, expected {expected.dtype}"
    if expected.dtype.kind == "f":
        rtol = max(rtol, 2e-3) if expected.dtype == np.float16 else rtol
        if np.allclose(given.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol, equal_nan=True):
            return None
        return f"off by {np.nanmax(np.abs(given.astype(np.float64) - expected.astype(np.float64)))}"
    return None if np.array_equal(expected, given) else f"{given.reshape(-1)[:8]}, expected {expected.reshape(-1)[:8]}"


class Runner:
    def __init__(self, program, engine):
        self.command = [program, "--engine", engine]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.start()
            return {"died": True}
        return json.loads(line)


def cases():
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        if of_our_types(case.model):
            yield case


def operator_of(case):
    names = {node.op_type for node in case.model.graph.node}
    if "_expanded" in case.name or len(names) > 1:
        return None
    return next(iter(names), None)


def judge(case, path, runner):
    values = case.model.graph.input
    for inputs, outputs in case.data_sets:
        request = {
            "model": str(path),
            "inputs": [encode(value, array) for value, array in zip(values, inputs)],
            "options": {"non_finite": "allowed"},
        }
        answer = runner.ask(request)
        if "died" in answer:
            return "died", "the process ended"
        if "load_error" in answer:
            return ("panic" if "panicked" in answer["load_error"] else "refused"), answer["load_error"]
        if "error" in answer:
            return ("panic" if "panicked" in answer["error"] else "late"), answer["error"]
        given = {tensor["name"]: decode(tensor) for tensor in answer["outputs"]}
        for value, expected in zip(case.model.graph.output, outputs):
            if any(node.op_type in RANDOM for node in case.model.graph.node):
                continue
            if value.name not in given:
                return "wrong", f"no output {value.name}"
            why = compare(expected, given[value.name], case.rtol, case.atol)
            if why:
                return "wrong", f"{value.name}: {why}"
    return "right", ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--engine", default="tract")
    parser.add_argument("--table")
    parser.add_argument("--show", nargs="*", default=["wrong", "panic", "late", "died"])
    parser.add_argument("--only", default="")
    parser.add_argument("--least", type=int, default=0)
    arguments = parser.parse_args()
    runner = Runner(arguments.program, arguments.engine)
    counts = collections.Counter()
    by_operator = collections.defaultdict(collections.Counter)
    refused = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for place, case in enumerate(cases()):
            if arguments.only not in case.name:
                continue
            path = pathlib.Path(folder, f"{place}.onnx")
            path.write_bytes(case.model.SerializeToString())
            status, why = judge(case, path, runner)
            path.unlink()
            counts[status] += 1
            by_operator[operator_of(case) or "functions written out"][status] += 1
            if status in arguments.show:
                print(f"{status}: {case.name}: {why[:300]}")
    print(json.dumps({"onnx": onnx.__version__, "cases": sum(counts.values()), **counts}))
    if arguments.table:
        write_table(arguments.table, by_operator, counts)
    bad = counts["wrong"] + counts["panic"] + counts["late"] + counts["died"]
    sys.exit(1 if bad or counts["right"] < arguments.least else 0)


def write_table(path, by_operator, counts):
    """The table of the guide: every operator that the suite has a case for."""
    whole = sorted(name for name, found in by_operator.items() if set(found) == {"right"} and " " not in name)
    part = sorted(name for name, found in by_operator.items() if name not in whole and found["right"])
    none = sorted(name for name, found in by_operator.items() if not found["right"])
    lines = [
        "<!-- Written by tests/onnx_operators; its option `--table` writes it anew. -->",
        "",
        "# Operators",
        "",
        f"The ONNX project's own operator tests, the {sum(counts.values())} cases of onnx",
        f"{onnx.__version__} whose inputs and outputs are tensors of types that ours have:",
        f"{counts['right']} right, {counts['refused']} refused when loaded, {counts['wrong']} wrong, "
        f"{counts['panic'] + counts['died']} panics, {counts['late']} failing later.",
        "",
        f"**Every case right** ({len(whole)} operators): " + ", ".join(f"`{name}`" for name in whole) + ".",
        "",
        "**Some cases refused when loaded**:",
        "",
        "| operator | right | refused |",
        "|---|---|---|",
    ]
    for name in part:
        shown = name if " " in name else f"`{name}`"
        lines.append(f"| {shown} | {by_operator[name]['right']} | {by_operator[name]['refused']} |")
    lines += ["", "**Refused**: " + ", ".join(f"`{name}`" for name in none) + "."]
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
