"""The command line ``d3wrap``."""

from __future__ import annotations

import click

from d3wrap.cli.group import D3WrapGroup, Lazy

COMMANDS = {
    "train": Lazy("d3wrap.cli.train:train", "Train a generator, with or without D³."),
    "evaluate": Lazy("d3wrap.cli.evaluate:evaluate", "Evaluate a trained generator."),
    "compare": Lazy("d3wrap.cli.compare:compare", "Compare a generator with and without D³, paired by seed."),
    "data": Lazy("d3wrap.cli.data:data", "Fetch, convert and check datasets."),
    "plugins": Lazy("d3wrap.cli.plugins:plugins", "List, show and check plugins."),
}


@click.group(cls=D3WrapGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="d3wrap", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, envvar="D3WRAP_DEBUG", help="Show tracebacks.")
def main(debug: bool) -> None:
    """Give D³ training to any generative model for generalized zero-shot learning."""
