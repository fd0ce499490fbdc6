"""The command line ``d3wrap``."""

from __future__ import annotations

import click

from d3wrap.cli.group import D3WrapGroup, Lazy

SUMMARIES = {
    "train": "Train one generator, with D³ or without, and keep its weights.",
    "evaluate": "Measure a trained generator on the test set.",
    "compare": "Train generators without and with D³, and print both side by side.",
    "tune": "Search for settings in validation worlds, the same number of trials for both arms.",
    "ablate": "Train without D³, with it, and with each of its parts off and alone; say what each part does.",
    "distill": "Distil a teacher's features into a small student, and measure it on classes it was never trained on.",
    "report": "Make a page of what a comparison found: verdict, table, curves, classes, losses.",
    "run": "Run a training script that knows nothing of D³, with D³ attached to it.",
    "doctor": "Say whether and how D³ fits a training script, without training.",
    "recipes": "List and show recipes for public codebases that you hold a checkout of.",
    "data": "Fetch, convert, look at and check datasets.",
    "features": "Turn images into features with a network somebody trained, and features into datasets.",
    "semantics": "Make class semantics out of descriptions, and see how well they tell classes apart.",
    "plugins": "List, show and check plugins.",
}
COMMANDS = {name: Lazy(f"d3wrap.cli.{name}:{name}", summary) for name, summary in SUMMARIES.items()}


@click.group(cls=D3WrapGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="d3wrap", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="D3WRAP_DEBUG", help="Show tracebacks.")
def main(debug: bool) -> None:
    """Give D³ training to any generative model for generalized zero-shot learning."""
