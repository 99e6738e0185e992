"""Patches Kokoro's graph: it reports phoneme durations, and decodes only a window of frames.

The model has two parts. The encoder reads all phonemes, and computes the duration of each and the
pitch of each frame; the decoder turns frames into sound, which takes most of the time. An export
runs both on everything; with the patch the decoder gets only a window of frames. So a chunk can be
encoded with its context, and neither the context nor the silence around the words is decoded.
Measured on two x86 cores: the encoder takes 0.09 s and 0.001 s for each phoneme, the decoder 0.3 s
for each second of sound.

The decoder's inputs are the frames, ``[1, 512, n]``, and pitch and energy, ``[1, 2 n]``. Each is
cut by a Slice between the two parts: its input is the encoder's output, which is renamed in place
to another name of the same length, and its output has the name that the decoder reads. The new
nodes are appended to the file, since concatenated protobuf messages are merged. Source:
onnx/onnx.proto3 for the field numbers, and the documentation of the onnx operators.
"""

import mmap
from pathlib import Path

# The outputs of the encoder's last nodes. Found in kokoro-v1.0.int8.onnx; the other v1.0 exports
# have the same names, since quantizing preserves them.
_DURATIONS = b"/encoder/Clip_output_0"
_ENCODED = b"/encoder/MatMul_1_output_0"  # [1, 512, frames]
_PITCH, _ENERGY = b"/encoder/Reshape_output_0", b"/encoder/Reshape_1_output_0"  # [1, 2 x frames]

FRAME_SAMPLES = 600
"""Samples of sound per frame of the decoder."""

WINDOW = ("first_token", "end_token", "lead_frames", "tail_frames")
"""The inputs that define the window, each one int64: the first and the end token, counted from the
first pad, and the number of frames to decode before and after them."""

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_INT = 2  # AttributeProto.AttributeType


def change_graph(path: Path, *, window: bool = True) -> None:
    """Patch the graph in a file: add the output of durations, and the inputs of a `WINDOW`.

    Raises:
        LookupError: no window can be added, since the export uses other names.
    """
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0) as content:
            for name in (_ENCODED, _PITCH, _ENERGY) if window else ():
                offset = _unique_offset(content, name)
                content[offset : offset + len(_output(name))] = _output(_renamed(name))
        file.seek(0, 2)
        file.write(_field(7, _durations() + (_window() if window else b"")))


def _unique_offset(content: mmap.mmap, name: bytes) -> int:
    """Return the offset at which a node names *name* as its output."""
    offset = content.find(_output(name))
    if offset < 0 or content.find(_output(name), offset + 1) >= 0:
        raise LookupError(name)
    return offset


def _output(name: bytes) -> bytes:
    """Return the field that names a node's output; the fields of inputs have another number."""
    return _field(2, name)


def _renamed(name: bytes) -> bytes:
    return name[:-1] + b"w"


def _durations() -> bytes:
    return _node("Identity", [_DURATIONS], b"duration") + _field(
        12, _field(1, b"duration") + _field(2, _field(1, _number(1, _FLOAT)))
    )


def _window() -> bytes:
    first, end, lead, tail = (name.encode() for name in WINDOW)
    parts = [
        *(_input(name.encode()) for name in WINDOW),
        *(_constant(name, value) for name, value in ((b"w0", 0), (b"w1", 1), (b"w2", 2))),
        _constant(b"w_flat", -1),
        _node("Reshape", [_DURATIONS, b"w_flat"], b"w_durations"),
        *_frames_until(first, b"w_first"),
        _node("Sub", [b"w_first", lead], b"w_early"),
        _node("Max", [b"w_early", b"w0"], b"w_start"),  # below 0 would count from the end
        *_frames_until(end, b"w_last"),
        _node("Add", [b"w_last", tail], b"w_end"),  # beyond the end means the end
        _node("Slice", [_renamed(_ENCODED), b"w_start", b"w_end", b"w2"], _ENCODED),
        _node("Mul", [b"w_start", b"w2"], b"w_start2"),
        _node("Mul", [b"w_end", b"w2"], b"w_end2"),
    ]
    halves = [b"w_start2", b"w_end2", b"w1"]
    parts += [_node("Slice", [_renamed(name), *halves], name) for name in (_PITCH, _ENERGY)]
    return b"".join(parts)


def _frames_until(token: bytes, name: bytes) -> list[bytes]:
    """Return nodes that sum the durations of the tokens before *token*."""
    return [
        _node("Slice", [b"w_durations", b"w0", token], name + b"_part"),
        _node("ReduceSum", [name + b"_part"], name + b"_sum"),  # of shape [1]
        _node("Cast", [name + b"_sum"], name, to=_INT64),
    ]


def _node(kind: str, inputs: list[bytes], output: bytes, *, to: int | None = None) -> bytes:
    content = b"".join(_field(1, name) for name in inputs) + _field(2, output)
    content += _field(4, kind.encode())
    if to is not None:
        content += _field(5, _field(1, b"to") + _number(3, to) + _number(20, _INT))
    return _field(1, content)


def _input(name: bytes) -> bytes:
    shape = _field(2, _field(1, _number(1, 1)))
    return _field(11, _field(1, name) + _field(2, _field(1, _number(1, _INT64) + shape)))


def _constant(name: bytes, value: int) -> bytes:
    return _field(5, _number(1, 1) + _number(2, _INT64) + _number(7, value) + _field(8, name))


def _field(number: int, content: bytes) -> bytes:
    """Return one length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    """Return one protobuf field that holds a number."""
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative number is its complement, as in int64
    out = bytearray()
    while value >> 7:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
