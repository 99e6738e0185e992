"""The mirrors of the model files."""

import hashlib
import zipfile
from pathlib import Path

from audio.kokoro import mirrors
from audio.kokoro.model_files import VOICES_FILE


def test_voices_archive_is_the_official_file(model_dir: Path) -> None:
    """The file rebuilt from the voices alone is the official one, in every Python version."""
    with zipfile.ZipFile(model_dir / VOICES_FILE.name) as archive:
        floats = {
            name.removesuffix(".npy"): archive.read(name)[128:] for name in archive.namelist()
        }

    rebuilt = mirrors._voices_archive(floats)

    assert hashlib.sha256(rebuilt).hexdigest() == VOICES_FILE.sha256
