"""How soon is a voice note heard, and how faithfully? `python -m bench.notes`.

Ten voice notes (OGG/Opus) are sent to the bot while nothing sounds; each is timed from the answer
that carries the file to the first sound at a virtual loudspeaker, and compared with what was heard.
"""

import asyncio
import os
import statistics
import tempfile
from pathlib import Path

from bench.run import YOU, crier
from bot.settings import load
from tests.chat.samples import note_of, sweep
from tests.chat.steps import likeness
from tests.support.loudspeaker import Loudspeakers

TIMES = 10
RECORDED_S = 2.0
CLOSED_AFTER_S = 5.0  # by then the stream of the previous one is closed: STREAM_IDLE_S


async def measure(folder: Path) -> None:
    """Send the notes, and print the results."""
    speakers = Loudspeakers(folder)
    env = {**os.environ, "ALSA_CONFIG_PATH": str(speakers.alsa_config)}
    env["MODEL_DIR"] = str(load()[0].model_dir)
    recorded = sweep(RECORDED_S)
    content = note_of(recorded)
    delays_s, alike = [], []
    async with crier(env, folder / "data") as system:
        for number in range(TIMES):
            await asyncio.sleep(CLOSED_AFTER_S)
            sandbox = system.sandbox
            note = {"file_id": sandbox.add_file(content), "file_unique_id": "v", "duration": 2}
            with speakers.listen("speaker_a") as ear:
                await system.heard(sandbox.send_fields(YOU, {"voice": note}))
                fetched_s = [at_s for at_s, method, _ in sandbox.calls if method == "download"][-1]
                delays_s.append(ear.spans()[0][0] - fetched_s)
                alike.append(await asyncio.to_thread(likeness, ear, recorded))
            print(f"{number + 1} of {TIMES}: {delays_s[-1]:.2f} s, likeness {alike[-1]:.3f}")
    speakers.close()
    print(
        f"from the download to the first sound: median {statistics.median(delays_s):.2f} s, "
        f"longest {max(delays_s):.2f} s; correlation {min(alike):.3f} at least"
    )


def main() -> None:
    """Run the measurements."""
    with tempfile.TemporaryDirectory(prefix="crier") as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
