"""Draws bench/results.json: first sound against message length, for each system."""

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Write first-sound.png beside the results."""
    path = Path(sys.argv[1])
    results = json.loads(path.read_text())["results"]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    above = -1.0
    for result in sorted(results, key=lambda r: median(s["first_s"] for s in r["spoken"]["785"])):
        lengths = [int(length) for length in result["spoken"]]
        firsts = [median(s["first_s"] for s in all_) for all_ in result["spoken"].values()]
        width = 3 if result["name"] == "Crier" else 1.5
        axes.plot(range(len(lengths)), firsts, marker="o", linewidth=width, label=result["name"])
        axes.annotate(
            f"{firsts[-1]:.1f} s",
            (len(lengths) - 1, above := max(firsts[-1], above + 0.7)),  # none over another
            xytext=(6, -3),
            textcoords="offset points",
        )
    axes.set_xticks(range(len(lengths)), [str(n) for n in lengths])
    axes.set_xlabel("characters in the message")
    axes.set_ylabel("seconds until the first sound")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path.with_name("first-sound.png"), dpi=120)


if __name__ == "__main__":
    main()
