"""How loud is each voice? `python -m bench.loudness` prints the gains that equalize them.

Integrated loudness after ITU-R BS.1770 (pyloudnorm) of one paragraph in the voice's own language;
the gains are kept in audio/voices.py.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.progress import track

from audio.kokoro.voice import KokoroVoice
from audio.types import CancelToken, Chunk
from audio.voices import VOICES, language_of
from bench.run import HERE, environment
from bot.settings import load

TEXTS = {
    "en": "The kettle is on, and dinner will be ready at seven. Please close the windows.",
    "es": "El agua está hirviendo y la cena estará lista a las siete. Cierra las ventanas.",
    "fr-fr": "L'eau chauffe, et le dîner sera prêt à sept heures. Fermez les fenêtres.",
    "hi": "चाय बन रही है और खाना सात बजे तैयार होगा। कृपया खिड़कियाँ बंद कर दो।",
    "it": "L'acqua bolle e la cena sarà pronta alle sette. Per favore, chiudi le finestre.",
    "ja": "おゆがわきました。ごはんはしちじにできます。まどをしめてください。",
    "pt-br": "A água está no fogo e o jantar fica pronto às sete. Fecha as janelas, por favor.",
    "cmn": "水烧开了，七点吃晚饭。请把窗户关上。",
}
OTHER = {**TEXTS, "en": "Somebody left the gate open, and the dog ran down to the river again."}
METER = """
import json, sys
import numpy as np, pyloudnorm
meter = pyloudnorm.Meter(24000)
sounds = {path: np.load(path).astype("float64") for path in sys.argv[1:]}
print(json.dumps({path: meter.integrated_loudness(sound) for path, sound in sounds.items()}))
"""


def main() -> None:
    """Measure every voice as the model returns it, or as Crier plays it, on another text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="with the gains, and another text")
    check = parser.parse_args().check
    voice = KokoroVoice(load()[0].model_dir, "int8", even=check)
    voice.load()
    python = environment(HERE / ".venv")
    with tempfile.TemporaryDirectory() as temporary:
        paths = {}
        for name in track(VOICES, disable=not sys.stderr.isatty()):
            lang = language_of(name)
            text = (OTHER if check else TEXTS).get(lang[:2]) or TEXTS[lang]
            chunk = Chunk.whole(voice.read(text, lang))
            sound = voice.synthesize(chunk, name, 1.0, CancelToken())
            path = Path(temporary) / f"{name}.npy"
            np.save(path, sound.samples)
            paths[str(path)] = name
        answer = subprocess.run(
            [python, "-c", METER, *paths], check=True, capture_output=True, text=True
        ).stdout
    loudness = {paths[path]: value for path, value in json.loads(answer).items()}
    middle = float(np.median(list(loudness.values())))
    lowest, highest = min(loudness.values()), max(loudness.values())
    print(f"median {middle:.1f} LUFS, from {lowest:.1f} to {highest:.1f}")
    for name, value in loudness.items():
        print(f'    "{name}": {middle - value:+.1f},  # {value:.1f} LUFS')


if __name__ == "__main__":
    main()
