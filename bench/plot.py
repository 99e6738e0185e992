"""Draws bench/results.json: first sound for each system, and Crier's buffer over one message."""

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Write both plots beside the results."""
    path = Path(sys.argv[1])
    everything = json.loads(path.read_text())
    first_sound(everything["results"], path.with_name("first-sound.png"))
    buffer(everything, path.with_name("buffer.png"))


def first_sound(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the first sound against the length of the message."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    above = -1.0
    for result in sorted(results, key=lambda r: median(s["first_s"] for s in r["spoken"]["785"])):
        lengths = [int(length) for length in result["spoken"]]
        firsts = [median(s["first_s"] for s in all_) for all_ in result["spoken"].values()]
        width = 3 if result["name"] == "Crier" else 1.5
        axes.plot(range(len(lengths)), firsts, marker="o", linewidth=width, label=result["name"])
        axes.annotate(
            f"{firsts[-1]:.1f} s",
            (len(lengths) - 1, above := max(firsts[-1], above + 0.7)),  # so that no two overlap
            xytext=(6, -3),
            textcoords="offset points",
        )
    axes.set_xticks(range(len(lengths)), [str(n) for n in lengths])
    axes.set_xlabel("characters in the message")
    axes.set_ylabel("seconds until the first sound")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def buffer(everything: dict[str, Any], path: Path) -> None:
    """Draw how much sound was buffered during one message of 785 characters."""
    sounds = everything["buffer"]
    began_s = sounds[0]["at_s"]
    times, levels = [0.0], [0.0]
    for sound in sounds:
        at_s, more_s = sound["at_s"] - began_s, sound["sound_s"] + sound["pause_s"]
        times += [at_s, at_s]
        levels += [max(0.0, sound["buffered_s"] - more_s), sound["buffered_s"]]
    end_s = everything["buffer_ends_s"] - began_s
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.fill_between([*times, end_s], [*levels, 0.0], alpha=0.25)
    axes.plot([*times, end_s], [*levels, 0.0])
    axes.set_xlabel("seconds since the first chunk was ready")
    axes.set_ylabel("seconds of sound ready")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
