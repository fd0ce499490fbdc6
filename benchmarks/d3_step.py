"""Measure one D³ step against a pair-expanding reference, and what D³, the critic and the hooks cost in training.

What is compared is measured in turn, so that the ratios hold on a busy machine, too. The exit status is 1 where two
sides of a comparison do not compute the same numbers, or a target is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence

import torch
from parts import hooks, step, training
from parts.report import Results
from parts.sizes import PAPER, SMALL
from rich.console import Console

from d3wrap.errors import ConfigError
from d3wrap.files import write_json
from d3wrap.training.precision import resolve_device


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments``, this process's own by default; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads (default: 1, as for runs that share a machine)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="rounds of which medians are taken (default: 3)")
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda[:n] (default: cpu)")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it runs; the ratios mean nothing")
    parser.add_argument("--no-fail", action="store_true", help="exit with 0 where a target is missed")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here as well")
    options = parser.parse_args(arguments)
    if options.threads < 1 or options.repeats < 1:
        parser.error("--threads and --repeats must be 1 or more")
    try:
        device = resolve_device(options.device)
    except ConfigError as error:
        parser.error(str(error))

    torch.set_num_threads(options.threads)
    sizes, rounds = SMALL if options.small else PAPER, options.repeats
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs at the start"
    dataset = sizes.dataset().to(device)
    results = Results(
        sizes,
        f"{device} ({name}), threads {options.threads}, torch {torch.__version__}\n{load}, median of {rounds}",
        step.measure(sizes, device, options.threads, rounds),
        training.iteration(lambda: training.clswgan(sizes, dataset), dataset, sizes.batch_size, rounds),
        training.critic_step(sizes, device, rounds),
        hooks.microseconds(sizes.hook_calls, rounds),
    )
    console = Console(highlight=False)
    console.print(results.table())
    if options.json:
        write_json(options.json, results.as_json())
    for line in results.disagreements + results.misses:
        console.print(f"[red]{line}[/]")
    return int(bool(results.disagreements or (results.misses and not options.no_fail)))


if __name__ == "__main__":
    raise SystemExit(main())
