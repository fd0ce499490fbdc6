"""``d3wrap report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from d3wrap.cli.config_option import config_option
from d3wrap.errors import ConfigError
from d3wrap.files import atomic_path
from d3wrap.report.ablation import collect_ablations, holds_ablation
from d3wrap.report.ablation_documents import ablation_csv, ablation_latex, ablation_markdown
from d3wrap.report.ablation_page import ablation_page
from d3wrap.report.collect import collect
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

    RUNS are one or more folders that `d3wrap compare` wrote, or that `d3wrap ablate` did. The page is one file and
    needs no network.

    \b
    Start here:
      d3wrap report runs/flowers
      d3wrap report runs/flowers runs/birds --out report.html
      d3wrap report runs/flowers --markdown table.md --latex table.tex --csv table.csv
    """  # noqa: D301 (\b keeps click from wrapping the examples)
    if out is None and markdown is None and latex is None and csv is None:
        first = runs[0]
        out = (first if first.is_dir() else first.parent) / "report.html"
    make = _ablations if _all_ablations(runs) else _comparisons
    written, sentences = make(runs, (out, markdown, latex, csv))
    for path, text in written:
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    for sentence in sentences:
        click.echo(sentence)
    for path, _ in written:
        click.echo(f"wrote {path}")


Paths = tuple[Path | None, Path | None, Path | None, Path | None]
"""Where the page, Markdown, LaTeX and CSV go."""
Written = tuple[list[tuple[Path, str]], list[str]]
"""What to write where, and sentences for the terminal."""


def _all_ablations(runs: Sequence[Path]) -> bool:
    kinds = {path: holds_ablation(path) for path in runs}
    if len(set(kinds.values())) > 1:
        ablation, comparison = (next(path for path, kind in kinds.items() if kind is one) for one in (True, False))
        raise ConfigError(f"{ablation} is an ablation and {comparison} is none: report them one after the other")
    return all(kinds.values())


def _ablations(runs: Sequence[Path], paths: Paths) -> Written:
    sections = collect_ablations(runs)
    forms = (ablation_page, ablation_markdown, ablation_latex, ablation_csv)
    written = [(path, form(sections)) for path, form in zip(paths, forms, strict=True) if path is not None]
    return written, [" ".join([one.verdict.sentence, *one.sentences]) for one in sections]


def _comparisons(runs: Sequence[Path], paths: Paths) -> Written:
    comparisons = collect(runs)
    forms = (html_page, markdown_report, latex_report, csv_table)
    written = [(path, form(comparisons)) for path, form in zip(paths, forms, strict=True) if path is not None]
    return written, [judged.sentence for judged in verdicts(comparisons)]
