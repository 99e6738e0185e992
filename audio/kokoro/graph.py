"""Rewrites Kokoro's graph, so that it decodes only a window of frames, and decodes faster.

The model has two parts. The encoder reads all phonemes, and computes the duration of each and the
pitch of each frame; the decoder turns frames into sound, which takes most of the time. An export
runs both on everything; with the window the decoder gets only some of the frames. So a chunk can be
encoded with its context, and neither the context nor the silence around the words is decoded.

A window differs from the whole in one respect: normalization with a style (AdaIN) takes mean and
variance over all frames. So those of a window can be blended with a prior, which the voice carries
from one window to the next; without it, windows of a second differ by 2.3 dB in level (standard
deviation), and by 6 dB in their mel spectrum. Measured: 2 voices, 1 text.

What else is changed computes the same:

- A convolution of integers (ConvInteger) multiplies weights and activations, both unsigned, for
  which onnxruntime has no fast kernel; here the activations are signed, and the sums are the same
  to the bit. The weights have 7 bits
  (0 to 127), so the 16-bit sums of AVX2's instruction can't overflow: 2 x 127 x 128 < 2^15.
  Source: the documentation of VPMADDUBSW; onnxruntime, core/mlas/lib/qgemm.h.
- AdaIN is one InstanceNormalization instead of nine operators (or, with the prior, some on means,
  a factor and a shift), and includes the factor of the activation after it (Snake,
  x + sin(ax)^2 / a). It rounds otherwise: the sound differs by 20 dB less than itself, 0.4 to 0.8
  dB in its spectrum. In the encoder, on which the pitch depends, nothing is changed.

Runs on: main thread, at set-up, and synthesis thread, when the model is loaded. Blocks for a few
seconds. Source: onnx.ai, the documentation of the operators.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from audio.kokoro.window import OWN, PRIOR, PRIOR_FRAMES, WINDOW

# The outputs of the encoder's last nodes. Found in kokoro-v1.0.int8.onnx; the other v1.0 exports
# have the same names, since quantizing preserves them.
_DURATIONS = "/encoder/Clip_output_0"
_ENCODED = "/encoder/MatMul_1_output_0"  # [1, 512, frames]
_PITCH, _ENERGY = "/encoder/Reshape_output_0", "/encoder/Reshape_1_output_0"  # [1, 2 x frames]

_MAX_WEIGHT = 127  # see the module's docstring


def rewrite(source: Path, target: Path) -> None:
    """Write the graph of *source* to *target*, as it is run.

    Raises:
        LookupError: the file is another export, whose nodes have other names.
        OSError: a file can't be read or written.
    """
    model = onnx.load(str(source))
    graph = _Graph(model)
    _add_window(graph)
    _fuse_normalization(graph)
    _add_prior(graph)
    _sign_activations(graph)
    graph.finish()
    onnx.save(model, str(target))


class _Graph:
    """A graph whose nodes are found by what they produce, and replaced."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self._consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self._consumers[name].append(node)
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._names = 0

    def nodes(self, kind: str) -> list[NodeProto]:
        """Return the nodes of one kind."""
        return [node for node in self.model.graph.node if node.op_type == kind]

    def producer(self, name: str) -> NodeProto | None:
        """Return the node whose output is *name*; an input or a constant has none."""
        return self._producers.get(name)

    def consumers(self, name: str) -> list[NodeProto]:
        """Return the nodes that read *name*."""
        return self._consumers[name]

    def value(self, name: str) -> NDArray[Any]:
        """Return a constant.

        Raises:
            LookupError: *name* is none.
        """
        return numpy_helper.to_array(self._constants[name])

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """Add a constant, and return its name."""
        tensor = numpy_helper.from_array(np.asarray(value, dtype), self._new_name())
        self.model.graph.initializer.append(tensor)
        self._constants[tensor.name] = tensor
        return tensor.name

    def add(
        self, kind: str, *inputs: str, outputs: Sequence[str] = ("",), **attributes: Any
    ) -> str:
        """Add a node, and return the name of its first output; empty names become new ones."""
        names = [name or self._new_name() for name in outputs]
        node = helper.make_node(kind, inputs, names, names[0], **attributes)
        self.model.graph.node.append(node)
        self._producers.update(dict.fromkeys(names, node))
        for name in inputs:
            self._consumers[name].append(node)
        return names[0]

    def free(self, name: str) -> str:
        """Give the node whose output is *name* another one, so that a new node can produce it.

        Returns:
            The new name.

        Raises:
            LookupError: no node produces it.
        """
        node, new = self._producers.pop(name), self._new_name()
        node.output[list(node.output).index(name)] = new
        self._producers[new] = node
        return new

    def finish(self) -> None:
        """Drop the nodes and constants that are unused, and sort the nodes."""
        graph = self.model.graph
        nodes: dict[int, NodeProto] = {}  # by identity, in order: nodes can't be hashed
        pending = [(output.name, False) for output in graph.output]
        while pending:
            name, ready = pending.pop()
            node = self._producers.get(name)
            if node is None or id(node) in nodes:
                continue
            if ready:
                nodes[id(node)] = node
            else:
                pending.append((name, True))
                pending += [(source, False) for source in node.input]
        used = {name for node in nodes.values() for name in node.input}
        # Copied, since what is deleted from a list is gone; tensors are too large for it.
        ordered = [NodeProto.FromString(node.SerializeToString()) for node in nodes.values()]
        del graph.node[:], graph.value_info[:]
        graph.node.extend(ordered)
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name not in used:
                del graph.initializer[index]

    def _new_name(self) -> str:
        self._names += 1
        return f"crier/{self._names}"


def _add_window(graph: _Graph) -> None:
    """Add the output of durations, and the inputs of a `WINDOW`.

    The decoder's inputs are the frames, pitch and energy; each is cut by a Slice.

    Raises:
        LookupError: the export uses other names.
    """
    first, end, lead, tail = WINDOW
    zero, one, two = (graph.constant([number]) for number in range(3))
    durations = graph.add("Reshape", _DURATIONS, graph.constant([-1]))

    def frames_until(token: str) -> str:
        part = graph.add("Slice", durations, zero, token)
        return graph.add("Cast", graph.add("ReduceSum", part), to=TensorProto.INT64)

    start = graph.add("Sub", frames_until(first), lead)
    start = graph.add("Max", start, zero)  # below 0 would count from the end
    stop = graph.add("Add", frames_until(end), tail)  # beyond the end means the end
    graph.add("Slice", graph.free(_ENCODED), start, stop, two, outputs=[_ENCODED])
    halves = [graph.add("Mul", bound, two) for bound in (start, stop)]
    for name in (_PITCH, _ENERGY):
        graph.add("Slice", graph.free(name), *halves, one, outputs=[name])
    graph.add("Identity", _DURATIONS, outputs=["duration"])
    graph.model.graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.INT64, [1]) for name in WINDOW
    )
    graph.model.graph.output.append(
        helper.make_tensor_value_info("duration", TensorProto.FLOAT, None)
    )


def _fuse_normalization(graph: _Graph) -> None:
    """Replace each AdaIN, and the Snake after it."""
    for x, normalized, epsilon in list(_normalizations(graph)):
        for scaled in graph.consumers(normalized):  # blocks with the same input share it
            (shifted,) = graph.consumers(scaled.output[0])
            factor = next(name for name in scaled.input if name != normalized)
            shift = next(name for name in shifted.input if name != scaled.output[0])
            output = shifted.output[0]
            snake = _snake(graph, output)
            if snake is None:
                graph.free(output)
                _normalize(graph, x, factor, shift, epsilon, output)
                continue
            rate, inverse, output = snake
            factor, shift = (graph.add("Mul", name, rate) for name in (factor, shift))
            z = _normalize(graph, x, factor, shift, epsilon)
            sine = graph.add("Sin", z)
            total = graph.add("Add", z, graph.add("Mul", sine, sine))
            graph.free(output)
            graph.add("Mul", total, inverse, outputs=[output])


def _normalize(
    graph: _Graph, x: str, factor: str, shift: str, epsilon: float, output: str = ""
) -> str:
    """Add an InstanceNormalization, whose factor and shift have one axis."""
    flat = graph.constant([-1])
    parameters = (graph.add("Reshape", name, flat) for name in (factor, shift))
    return graph.add("InstanceNormalization", x, *parameters, outputs=[output], epsilon=epsilon)


def _add_prior(graph: _Graph) -> None:
    """Replace each InstanceNormalization by one whose statistics are blended with a prior.

    The statistics are the means of x and of its squares, for each channel. Those of the noise
    (noise_convs, noise_res) make no difference. Measured: 2 voices, 1 text.
    """
    frames = graph.add("Shape", _ENCODED, start=2, end=3)
    frames = graph.add("Cast", frames, to=TensorProto.FLOAT)
    share = graph.add("Div", PRIOR_FRAMES, graph.add("Add", PRIOR_FRAMES, frames))
    inputs = [helper.make_tensor_value_info(PRIOR_FRAMES, TensorProto.FLOAT, [1])]
    outputs: list[ValueInfoProto] = []
    blended: dict[str, tuple[str, str]] = {}
    for node in graph.nodes("InstanceNormalization"):
        x = node.input[0]
        if "/noise_" in x:
            continue
        if x not in blended:  # blocks with the same input share them
            prior, own = f"{PRIOR}{len(outputs)}", f"{OWN}{len(outputs)}"
            blended[x] = _blended_statistics(graph, x, share, prior, own, node.attribute[0].f)
            inputs.append(helper.make_tensor_value_info(prior, TensorProto.FLOAT, [1, None, 1]))
            outputs.append(helper.make_tensor_value_info(own, TensorProto.FLOAT, [1, None, 1]))
        mean, deviation = blended[x]
        column = graph.constant([1, -1, 1])
        factor, shift = (graph.add("Reshape", name, column) for name in node.input[1:])
        factor = graph.add("Div", factor, deviation)
        shift = graph.add("Sub", shift, graph.add("Mul", mean, factor))
        output = node.output[0]
        graph.free(output)
        graph.add("Add", graph.add("Mul", x, factor), shift, outputs=[output])
    graph.model.graph.input.extend(inputs)
    graph.model.graph.output.extend(outputs)


def _blended_statistics(
    graph: _Graph, x: str, share: str, prior: str, own: str, epsilon: float
) -> tuple[str, str]:
    """Produce *own*, and return mean and deviation with a *share* of the *prior*."""
    frames = graph.constant([2])
    squares = graph.add("ReduceMean", graph.add("Mul", x, x), frames)
    graph.add("Concat", graph.add("ReduceMean", x, frames), squares, outputs=[own], axis=1)
    difference = graph.add("Sub", prior, own)
    both = graph.add("Add", own, graph.add("Mul", difference, share))
    mean, square = f"{own}/mean", f"{own}/square"
    graph.add("Split", both, outputs=[mean, square], axis=1, num_outputs=2)
    variance = graph.add("Sub", square, graph.add("Mul", mean, mean))
    # Rounding can make it negative.
    variance = graph.add("Max", variance, graph.constant([0], np.float32))
    variance = graph.add("Add", variance, graph.constant([epsilon], np.float32))
    return mean, graph.add("Sqrt", variance)


def _normalizations(graph: _Graph) -> Iterator[tuple[str, str, float]]:
    """Yield the input, the output and the epsilon of each (x - mean) / sqrt(variance + epsilon)."""
    for root in graph.nodes("Sqrt"):
        variance = graph.producer(root.input[0])
        if variance is None or variance.op_type != "Add" or "/decoder/" not in root.name:
            continue
        for divided in graph.consumers(root.output[0]):
            centred = graph.producer(divided.input[0])
            if divided.op_type == "Div" and centred is not None and centred.op_type == "Sub":
                epsilon = float(graph.value(variance.input[1]))
                yield centred.input[0], divided.output[0], epsilon


def _snake(graph: _Graph, x: str) -> tuple[str, str, str] | None:
    """Return the rate, its inverse and the output of the Snake of *x*."""
    scaled = [node for node in graph.consumers(x) if node.op_type == "Mul"]
    if len(scaled) != 1:
        return None
    node = scaled[0]
    for kind in ("Sin", "Pow", "Mul", "Add"):
        before = node
        (node,) = graph.consumers(node.output[0])
        if node.op_type != kind:
            return None
        if kind == "Mul":
            inverse = next(name for name in node.input if name != before.output[0])
    rate = next(name for name in scaled[0].input if name != x)
    return rate, inverse, node.output[0]


def _sign_activations(graph: _Graph) -> None:
    """Replace the unsigned activations of each ConvInteger by signed ones.

    Raises:
        LookupError: the weights have more than 7 bits.
    """
    signed: dict[str, tuple[str, str]] = {}
    for conv in graph.nodes("ConvInteger"):
        x, weights = conv.input[:2]
        if graph.value(weights).max() > _MAX_WEIGHT:
            raise LookupError(weights)
        if x not in signed:
            signed[x] = _quantized(graph, x)
        conv.input[0], conv.input[2] = signed[x]
        _dequantize(graph, conv.output[0])


def _quantized(graph: _Graph, name: str) -> tuple[str, str]:
    """Return what *name* quantizes, signed, and its zero point.

    The scale is that of the DynamicQuantizeLinear which makes *name*, and which has no signed
    variant: it is the same for the extremes alone.
    """
    quantize = graph.producer(name)
    if quantize is None or quantize.op_type != "DynamicQuantizeLinear":
        raise LookupError(name)
    (x,) = quantize.input
    extremes = [
        graph.add("Reshape", graph.add(kind, x, keepdims=0), graph.constant([1]))
        for kind in ("ReduceMin", "ReduceMax")
    ]
    scale, zero = quantize.output[1:]
    graph.free(scale)
    graph.free(zero)
    both = graph.add("Concat", *extremes, axis=0)
    graph.add("DynamicQuantizeLinear", both, outputs=["", scale, zero])
    flipped = graph.add("BitwiseXor", zero, graph.constant(128, np.uint8))  # less 128
    zero = graph.add("Cast", flipped, to=TensorProto.INT8)
    return graph.add("QuantizeLinear", x, scale, zero), zero


def _dequantize(graph: _Graph, name: str) -> None:
    """Convert and scale a convolution's sums at once, after the bias if it has one."""
    (node,) = graph.consumers(name)
    if node.op_type == "Add":
        (node,) = graph.consumers(node.output[0])
    (scaled,) = graph.consumers(node.output[0])
    output = scaled.output[0]
    graph.free(output)
    graph.add("DequantizeLinear", node.input[0], scaled.input[1], outputs=[output])
