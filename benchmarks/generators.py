"""Measure what D³ adds to one iteration of every generator, at the size of its paper.

A dataset of CUB's shape: 2,048-d features, 312-d semantics, 200 classes, 50 of them unseen, 7,050 training rows. The
arms are measured in turn, so that the ratio holds on a busy machine, too. The exit status is 1 where a GAN misses its
target.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from parts import training
from parts.report import shown_time
from rich.console import Console
from rich.table import Table

import d3wrap
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.files import write_json
from d3wrap.manager import load_plugins
from d3wrap.training.precision import resolve_device
from d3wrap.wrap import resolve_settings

TARGET = 1.35
"""The most an enhanced iteration may cost, in baseline iterations, in the families GAN and VAE-GAN."""


@dataclass(frozen=True)
class Row:
    """What one generator cost: seconds of an iteration without and with D³."""

    generator: str
    family: str
    batch_size: int
    baseline: float
    enhanced: float

    @property
    def ratio(self) -> float:
        """How many baseline iterations an enhanced one costs."""
        return self.enhanced / self.baseline

    @property
    def missed(self) -> bool:
        """Whether it misses its target."""
        return self.family.endswith("GAN") and self.ratio > TARGET


def measure(name: str, preset: str, dataset: GZSLDataset, rounds: int, counted: int) -> Row:
    """Measure one generator."""
    plugins = load_plugins(environ={})
    settings = resolve_settings(name, preset, {}, plugins, dataset)

    def build() -> d3wrap.Backbone:
        return d3wrap.build_generator(name, dataset, preset=preset, plugins=plugins)

    pair = training.iteration(build, dataset, settings.batch_size, rounds, counted)
    family = plugins.generator(name).family
    return Row(name, family, settings.batch_size, pair.first, pair.second)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments``, this process's own by default; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("generators", nargs="*", help="which to measure (default: all that are installed)")
    parser.add_argument("--preset", default="paper", help="their sizes (default: paper)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the median over all is taken (default: 3)")
    parser.add_argument("--iterations", type=int, default=2, help="counted iterations a round and arm (default: 2)")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda[:n] (default: cpu)")
    parser.add_argument("--small", action="store_true", help="a tiny dataset, to see that it runs")
    parser.add_argument("--no-fail", action="store_true", help="exit with 0 where a target is missed")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here as well")
    options = parser.parse_args(arguments)
    if min(options.threads, options.repeats, options.iterations) < 1:
        parser.error("--threads, --repeats and --iterations must be 1 or more")
    try:
        device = resolve_device(options.device)
    except ConfigError as error:
        parser.error(str(error))

    torch.set_num_threads(options.threads)
    sizes = (24, 6, 8, 3, 12) if options.small else (200, 50, 2048, 312, 48)
    dataset = d3wrap.synthetic(*sizes).to(device)
    console = Console(highlight=False)
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs at the start"
    counted = f"preset {options.preset}, median of {options.repeats * options.iterations} iterations"
    title = f"{device} ({processor}), threads {options.threads}, torch {torch.__version__}\n{load}\n{counted}"
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("generator", "family", "batch", "baseline", "enhanced", "ratio"):
        table.add_column(heading, justify="left" if heading in ("generator", "family") else "right", no_wrap=True)
    rows = []
    for name in options.generators or load_plugins(environ={}).generators:
        row = measure(name, options.preset, dataset, options.repeats, options.iterations)
        times = (shown_time(row.baseline), shown_time(row.enhanced))
        table.add_row(row.generator, row.family, str(row.batch_size), *times, f"[bold]{row.ratio:.2f}[/]")
        rows.append(row)
    console.print(table)
    if options.json:
        write_json(options.json, [asdict(row) | {"ratio": row.ratio} for row in rows])
    missed = [row for row in rows if row.missed]
    for row in missed:
        console.print(f"[red]{row.generator}: enhanced costs {row.ratio:.2f} baseline iterations, target {TARGET}[/]")
    return int(bool(missed) and not options.no_fail)


if __name__ == "__main__":
    raise SystemExit(main())
