"""Table 1: straight over geodesic lengths between 100 random pairs, human motion and MNIST, beside the paper's."""

from __future__ import annotations

from typing import Any

from tools.paper import human, measures, mnist
from tools.paper.bench import TITLES, Bench

HEADER = f"{'':22} {'observation':>13} {'latent':>13} {'refined obs.':>13} {'latent':>13} {'floor':>13}"


def run(bench: Bench) -> dict[str, Any]:
    """Measure both models on both data sets and print the table."""
    table: dict[str, Any] = {"published": measures.PUBLISHED_TABLE1}
    rows = [HEADER]
    for name, models in ((human.NAME, human.MODELS), (mnist.NAME, mnist.MODELS)):
        table[name] = {}
        for variant in models:
            bench.say(f"table1: length ratios of {name}, {TITLES[variant]}")
            ratio = measures.table1(bench, name, variant).summary()
            table[name][variant] = {"length_ratio": ratio}
            cells = (
                ratio["observation"],
                ratio["latent"],
                ratio["refined"]["observation"],
                ratio["refined"]["latent"],
                ratio["floor"],
            )
            rows.append(_row(f"{name} {TITLES[variant]}", cells))
            published = measures.PUBLISHED_TABLE1[name][variant]
            rows.append(_row("  in the paper", (published["observation"], published["latent"])))
    bench.say("\n".join(rows))
    return table


def _row(title: str, cells: tuple[dict[str, float], ...]) -> str:
    return f"{title:22} " + " ".join(f"{cell['mean']:5.3f} ± {cell['std']:5.3f}" for cell in cells)
