"""Writes models down with ONNX Runtime's answers: `NAME.onnx` and `NAME.json`, with inputs and outputs
by name, floats as their bits (NaN and infinities have no JSON), and what kind of row each is.
"""
import gzip
import io
import json
import pathlib
import sys
import tarfile

import numpy as np
import onnx
import onnxruntime

onnxruntime.set_default_logger_severity(4)

FOLDER = pathlib.Path(sys.argv[1])
MODELS = []
SKIPPED = []


def edges(plain, model):
    """Rows at the edges of what a float can be, and on the thresholds of the model's trees."""
    kinds, rows = ["plain"] * len(plain), [plain]

    def add(kind, row):
        kinds.append(kind)
        rows.append(np.asarray(row, dtype=plain.dtype)[None, :])

    base = plain[0]
    for kind, value in [("nan", np.nan), ("inf", np.inf), ("inf", -np.inf), ("huge", 1e30),
                        ("huge", -1e30), ("huge", 3e38), ("denormal", 1e-40), ("zero", -0.0)]:
        one = base.copy()
        one[1] = value
        add(kind, one)
        add(kind, np.full_like(base, value))
    for node in model.graph.node:
        attributes = {a.name: a for a in node.attribute}
        if "nodes_featureids" not in attributes:
            continue
        features = list(attributes["nodes_featureids"].ints)
        if "nodes_values" in attributes:
            thresholds = list(attributes["nodes_values"].floats)
        else:
            name = "nodes_splits" if "nodes_splits" in attributes else "nodes_values_as_tensor"
            thresholds = list(onnx.numpy_helper.to_array(attributes[name].t))
        for feature, threshold in list(zip(features, thresholds))[:40:2]:
            threshold = plain.dtype.type(threshold)
            if feature >= len(base):
                continue
            for value in [threshold, np.nextafter(threshold, plain.dtype.type(np.inf)),
                          np.nextafter(threshold, plain.dtype.type(-np.inf))]:
                one = plain[feature % len(plain)].copy()
                one[feature] = value
                add("threshold", one)
    return kinds, np.concatenate(rows)


def stored(array):
    array = np.asarray(array)
    if array.dtype == np.float32:
        kind, values = "f32", array.ravel().view(np.uint32).tolist()
    elif array.dtype == np.float64:
        kind, values = "f64", array.ravel().view(np.uint64).tolist()
    elif array.dtype in (np.int64, np.int32, np.uint8):
        kind, values = {"int64": "i64", "int32": "i32", "uint8": "u8"}[str(array.dtype)], \
            array.ravel().tolist()
    elif array.dtype == bool:
        kind, values = "bool", array.ravel().tolist()
    else:
        kind, values = "text", [str(value) for value in array.ravel()]
    return {"type": kind, "shape": list(array.shape), "values": values}


def write(name, model, inputs, tags, with_edges=True):
    """Runs a model in ONNX Runtime and writes it down with the answers."""
    kinds = ["plain"] * len(next(iter(inputs.values())))
    if with_edges and len(inputs) == 1:
        (key, plain), = inputs.items()
        if plain.dtype in (np.float32, np.float64) and plain.ndim == 2 and plain.shape[1] > 1:
            kinds, plain = edges(plain, model)
            inputs = {key: plain}
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    # What is rounded to 8 bits together depends on how many threads share a batch.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = session.run(None, inputs)
    outputs = {}
    for described, value in zip(session.get_outputs(), given):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = np.array([list(row.values()) for row in value], dtype=np.float32)
        elif isinstance(value, list):
            value = np.array(value)
        outputs[described.name] = stored(value)
    (FOLDER / f"{name}.onnx").write_bytes(content)
    answers = {"inputs": {key: stored(value) for key, value in inputs.items()},
               "outputs": outputs, "kinds": kinds}
    (FOLDER / f"{name}.json").write_text(json.dumps(answers, separators=(",", ":")))
    operators = sorted({node.op_type for node in model.graph.node})
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    MODELS.append({"name": name, "rows": len(kinds), "operators": operators, "opset": opset,
                   "tags": tags})


def attempt(name, make):
    try:
        make()
    except Exception as error:  # what an exporter cannot do is part of the matrix
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        SKIPPED.append({"name": name, "reason": reason[:200]})
        print("skipped", name, reason[:120])


def list_unrun(name, model, tags):
    """A model whose inputs are no tensors: only that it does not load is of interest."""
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
    operators = sorted({node.op_type for node in model.graph.node})
    MODELS.append({"name": name, "rows": 0, "operators": operators, "opset": 17, "tags": tags})


def pack(archive, models):
    """Puts the models into an archive: the same bytes for the same files, with no times and no owners."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        names = ["manifest.json"] + [f"{model['name']}.{end}" for model in models for end in ("onnx", "json")]
        for name in names:
            if (FOLDER / name).exists():
                content = (FOLDER / name).read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    with open(archive, "wb") as file:
        file.write(gzip.compress(plain.getvalue(), mtime=0))
