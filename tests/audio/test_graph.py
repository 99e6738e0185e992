"""The rewriting of the model's graph, on small graphs of the same form."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from audio.kokoro import graph

CHANNELS, FRAMES, TAPS = 8, 40, 3


def model_of(nodes: list[onnx.NodeProto], constants: dict[str, Any]) -> ModelProto:
    """Return a model with the input ``x``, ``[1, channels, frames]``, and the output ``y``."""
    shape = [1, CHANNELS, FRAMES]
    body = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a model makes of *x*."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


def convolution(weights: NDArray[np.uint8]) -> ModelProto:
    """Return a convolution of integers as the export has it, with its bias."""
    return model_of(
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
            helper.make_node(
                "ConvInteger", ["q", "weights", "zero", "w_zero"], ["sums"], pads=[1, 1]
            ),
            helper.make_node("Add", ["sums", "bias"], ["biased"]),
            helper.make_node("Cast", ["biased"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["scale", "w_scale"], ["both"]),
            helper.make_node("Mul", ["float", "both"], ["y"]),
        ],
        {
            "weights": weights,
            "w_zero": np.uint8(64),
            "w_scale": np.float32(0.01),
            "bias": np.arange(CHANNELS, dtype=np.int32).reshape(1, -1, 1),
        },
    )


@pytest.mark.parametrize("extreme", [False, True])
def test_signed_activations_give_the_same_sums(extreme: bool) -> None:
    """To the bit, also where 16-bit sums of larger weights would overflow."""
    random = np.random.default_rng(1)
    x = random.normal(size=(1, CHANNELS, FRAMES)).astype(np.float32)
    weights = random.integers(0, 128, (CHANNELS, CHANNELS, TAPS)).astype(np.uint8)
    if extreme:
        x, weights[:] = np.where(x > 0, 1, -1).astype(np.float32), 127
    model = convolution(weights)
    expected = run(model, x)
    changed = graph._Graph(model)
    graph._sign_activations(changed)
    changed.finish()

    (conv,) = changed.nodes("ConvInteger")
    assert changed.producer(conv.input[0]).op_type == "QuantizeLinear"  # type: ignore[union-attr]
    assert np.array_equal(run(model, x), expected)


def test_signed_activations_refuse_weights_of_8_bits() -> None:
    """Their sums could overflow."""
    weights = np.full((CHANNELS, CHANNELS, TAPS), 128, np.uint8)
    with pytest.raises(LookupError):
        graph._sign_activations(graph._Graph(convolution(weights)))


def normalization() -> ModelProto:
    """Return AdaIN and Snake as the export has them."""
    random = np.random.default_rng(2)
    column = (1, CHANNELS, 1)
    rate = random.uniform(0.5, 2, column).astype(np.float32)
    steps = [
        ("ReduceMean", ["x", "frames"], "mean"),
        ("Sub", ["x", "mean"], "centred"),
        ("Mul", ["centred", "centred"], "squares"),
        ("ReduceMean", ["squares", "frames"], "variance"),
        ("Add", ["variance", "epsilon"], "positive"),
        ("Sqrt", ["positive"], "deviation"),
        ("Div", ["centred", "deviation"], "normal"),
        ("Mul", ["factor", "normal"], "scaled"),
        ("Add", ["scaled", "shift"], "shifted"),
        ("Mul", ["rate", "shifted"], "angle"),
        ("Sin", ["angle"], "sine"),
        ("Pow", ["sine", "two"], "power"),
        ("Mul", ["inverse", "power"], "added"),
        ("Add", ["shifted", "added"], "y"),
    ]
    return model_of(
        [
            helper.make_node(kind, inputs, [output], f"/decoder/{output}")
            for kind, inputs, output in steps
        ],
        {
            "frames": np.array([2]),
            "epsilon": np.float32(1e-5),
            "two": np.float32(2),
            "factor": random.normal(size=column).astype(np.float32),
            "shift": random.normal(size=column).astype(np.float32),
            "rate": rate,
            "inverse": 1 / rate,
        },
    )


def test_fused_normalization_computes_the_same() -> None:
    """In fewer operators; the result differs by rounding."""
    x = np.random.default_rng(3).normal(3, 2, (1, CHANNELS, FRAMES)).astype(np.float32)
    model = normalization()
    expected = run(model, x)
    changed = graph._Graph(model)
    graph._fuse_normalization(changed)
    changed.finish()

    kinds = {node.op_type for node in model.graph.node}
    assert "InstanceNormalization" in kinds
    assert kinds.isdisjoint({"ReduceMean", "Sqrt", "Div", "Pow"})
    assert run(model, x) == pytest.approx(expected, abs=1e-4)
