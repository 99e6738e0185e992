"""Sample messages and files that several tests of the chat send."""

import io
import re
import zlib
from typing import Literal

import av
import numpy as np
import soundfile

from audio.types import Samples
from bot.chat.sandbox import Json
from tests.support.loudspeaker import RATE_HZ

LONG_TEXT = (
    "The ferry leaves the harbour at seven in the morning, and it comes back late at night. "
    "Bring a coat, some bread and a book, because the crossing takes longer than one thinks. "
    "Nobody has ever regretted going, and nobody has ever gone twice in the same week."
)

TWELVE_SENTENCES = " ".join(f"This is number {n}." for n in range(1, 13))

LONG_FILE_TEXT = "This is number 21.\n\n" + "These are words of no number at all. " * 60

PHOTO = [{"file_id": "x", "file_unique_id": "x", "width": 9, "height": 9}]

PICTURE_FILE = {"file_id": "x", "file_unique_id": "x", "mime_type": "image/png"}

GROUP = {"id": -100, "type": "group", "title": "Family"}

SUPERGROUP: Json = {"id": -100, "type": "supergroup", "title": "Family"}


def text_with_entity(kind: str, text: str, part: str, **more: object) -> Json:
    """Return the fields of a text with an entity on one part of it."""
    at, length = text.index(part), len(part)
    return {"text": text, "entities": [{"type": kind, "offset": at, "length": length, **more}]}


def rich(*blocks: object) -> Json:
    """Return the fields of a rich message."""
    return {"rich_message": {"blocks": blocks}}


def sweep(seconds: float) -> Samples:
    """Return a rising tone, which correlates with itself at one offset only."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    hz = 300 + 1500 * times / seconds
    return (0.5 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)).astype(np.float32)


def note_of(samples: Samples) -> bytes:
    """Return a voice note as Telegram's apps record it."""
    content = io.BytesIO()
    soundfile.write(content, samples, RATE_HZ, format="OGG", subtype="OPUS")
    return content.getvalue()


def film_of(
    samples: Samples, codec: Literal["aac", "libopus", "mp3"] = "aac", kind: str = "mp4"
) -> bytes:
    """Return a video note as Telegram's apps record it: moving pictures and AAC."""
    content = io.BytesIO()
    with av.open(content, "w", format=kind) as file:
        pictures = file.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound = file.add_stream(codec, rate=RATE_HZ, layout="mono") if len(samples) else None
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for _ in range(5):
            file.mux(pictures.encode(picture))
        file.mux(pictures.encode())
        if sound:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, 0
            file.mux(sound.encode(frame))
            file.mux(sound.encode())
    return content.getvalue()


def pdf_of(*streams: bytes) -> bytes:
    """Return a PDF with a page for each of *streams*, which draw them and are compressed."""
    pages = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(streams)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count %d/MediaBox[0 0 9 9]/Resources<</Font<</F1 3 0 R>>>>>>"
        % (pages, len(streams)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for stream in streams:
        packed = zlib.compress(stream, 1)  # quick, since every worker imports this
        objects += [
            b"<</Type/Page/Parent 2 0 R/Contents %d 0 R>>" % (len(objects) + 2),
            b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(packed), packed),
        ]
    content, offsets = b"%PDF-1.4\n", []
    for number, part in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    count = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(content))
    return content + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + end


def pdf_of_pages(pages: list[list[str]]) -> bytes:
    """Return a PDF with these lines on its pages."""
    return pdf_of(
        *(
            b"BT /F1 12 Tf 14 TL 72 770 Td %b ET"
            % b"".join(
                b"(%b) Tj T* " % re.sub(r"([()\\])", r"\\\1", line).encode("cp1252")
                for line in page
            )
            for page in pages
        )
    )


def page_with(words: bytes) -> bytes:
    """Return a PDF that contains *words*."""
    return pdf_of(b"BT /F1 12 Tf 100 700 Td (%b) Tj ET" % words)


ENDLESS_PDF = pdf_of(b"BT /F1 12 Tf " + b"(a) Tj " * 2_000_000 + b"ET")
"""A PDF of 20 kB that takes minutes to read."""
