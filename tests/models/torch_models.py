"""PyTorch networks, by both of its exporters. They are not trained: weights drawn at random compute as well."""
import tempfile

import numpy as np
import onnx
import torch
from torch import nn

from answers import attempt, write
from data_rows import TRAIN, WIDTH, X

PICTURES = np.random.RandomState(5).randint(0, 17, (200, 1, 8, 8)).astype(np.float32) / 16


class Network(nn.Module):
    """Scores by this network, and a softmax of them."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, rows):
        return torch.softmax(self.layers(rows), dim=1)


class Residual(nn.Module):
    """Adds what some layers make of a picture to the picture."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1),
                                    nn.BatchNorm2d(channels), nn.ReLU(),
                                    nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, picture):
        return torch.relu(picture + self.layers(picture))


def networks():
    mlp = lambda *activation: Network(nn.Linear(WIDTH, 16), *activation, nn.Linear(16, 3))
    kinds = {"mlp_relu": mlp(nn.ReLU()), "mlp_tanh": mlp(nn.Tanh()), "mlp_sigmoid": mlp(nn.Sigmoid()),
             "mlp_gelu": mlp(nn.GELU()), "mlp_silu": mlp(nn.SiLU()), "mlp_elu": mlp(nn.ELU()),
             "mlp_leaky": mlp(nn.LeakyReLU()), "mlp_hard_swish": mlp(nn.Hardswish()),
             "mlp_norm": mlp(nn.LayerNorm(16), nn.ReLU()),
             "mlp_batch_norm": mlp(nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))}
    cnns = {
        "cnn": Network(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                       nn.Linear(72, 10)),
        "cnn_average": Network(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6(),
                               nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10)),
        "cnn_residual": Network(nn.Conv2d(1, 4, 3, padding=1), Residual(4),
                                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)),
        "cnn_depthwise": Network(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 3, stride=2, groups=8),
                                 nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))}
    return kinds, cnns


def export(network, rows, opset, dynamo):
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        example = torch.from_numpy(rows[:2])
        names = {"input_names": ["X"], "output_names": ["probabilities"], "opset_version": opset}
        if dynamo:
            torch.onnx.export(network, (example,), file.name, dynamo=True, external_data=False,
                              dynamic_shapes=({0: torch.export.Dim("rows")},), verbose=False,
                              **names)
        else:
            torch.onnx.export(network, (example,), file.name, dynamo=False,
                              dynamic_axes={"X": {0: "rows"}, "probabilities": {0: "rows"}},
                              **names)
        model = onnx.load(file.name)
    # The exporter notes in which source files, by their whole paths, each node was made.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return model


def torch_models():
    torch.manual_seed(0)
    torch.set_num_threads(1)

    def one(name, network, rows, opset, dynamo):
        def make():
            exported = export(network.eval(), rows, opset, dynamo)
            write(name, exported, {"X": rows}, ["pytorch"], with_edges=False)
        attempt(name, make)

    mlps, cnns = networks()
    for kinds, rows in [(mlps, X[TRAIN:]), (cnns, PICTURES)]:
        for name, network in kinds.items():
            one(f"torch_{name}", network, rows, 18, True)
            one(f"torch_{name}_script", network, rows, 17, False)
    for opset in [20, 21, 22, 23]:
        one(f"torch_mlp_opset_{opset}", mlps["mlp_relu"], X[TRAIN:], opset, True)
        one(f"torch_cnn_opset_{opset}", cnns["cnn"], PICTURES, opset, True)
    for opset in [9, 11, 13, 15]:
        one(f"torch_mlp_script_opset_{opset}", mlps["mlp_relu"], X[TRAIN:], opset, False)
        one(f"torch_cnn_script_opset_{opset}", cnns["cnn"], PICTURES, opset, False)
    double = Network(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    one("torch_mlp_double", double, X[TRAIN:].astype(np.float64), 18, True)
