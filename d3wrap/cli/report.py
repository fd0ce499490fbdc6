"""``d3wrap report``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from d3wrap.cli.config_option import config_option
from d3wrap.files import atomic_path
from d3wrap.report.collect import Comparison, collect
from d3wrap.report.documents import latex_report, markdown_report
from d3wrap.report.page import html_page
from d3wrap.report.tables import csv_table
from d3wrap.report.verdict import verdicts

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=FILE, help="The page; by default report.html in the first of RUNS if no form is asked for.")
@click.option("--markdown", type=FILE, help="Verdict and table as Markdown.")
@click.option("--latex", type=FILE, help="The table for a paper, with booktabs.")
@click.option("--csv", type=FILE, help="The table as CSV, numbers unrounded.")
@config_option
def report(runs: Sequence[Path], out: Path | None, markdown: Path | None, latex: Path | None, csv: Path | None) -> None:
    """Make a page of what a comparison found: verdict, table, curves, classes, losses.

    RUNS are one or more folders that `d3wrap compare` wrote. The page is one file and needs no network.

    \b
    Start here:
      d3wrap report runs/flowers
      d3wrap report runs/flowers runs/birds --out report.html
      d3wrap report runs/flowers --markdown table.md --latex table.tex --csv table.csv
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    if out is None and markdown is None and latex is None and csv is None:
        first = runs[0]
        out = (first if first.is_dir() else first.parent) / "report.html"
    comparisons = collect(runs)
    forms: list[tuple[Path | None, Callable[[Sequence[Comparison]], str]]] = [
        (out, html_page),
        (markdown, markdown_report),
        (latex, latex_report),
        (csv, csv_table),
    ]
    written = [(path, form(comparisons)) for path, form in forms if path is not None]
    for path, text in written:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    for judged in verdicts(comparisons):
        click.echo(judged.sentence)
    for path, _ in written:
        click.echo(f"wrote {path}")
