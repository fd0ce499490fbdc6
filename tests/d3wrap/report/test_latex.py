"""The LaTeX tables, as LaTeX itself reads them."""

from __future__ import annotations

import re
import shutil
import string
import subprocess

import pytest

from d3wrap.report.booktabs import latex_table
from d3wrap.report.collect import collect
from d3wrap.report.documents import latex_report
from d3wrap.report.text import LATEX

EVERYTHING = "".join(LATEX) + string.printable.strip() + r"éßøñç £§©®°·×¿ “”‘’€ \input{x}\end{table} ^^41 --- ''"
FIELDS = ("dataset", "generator", "features", "split")
NEEDS = "% Needs \\usepackage{booktabs,graphicx}\n"


@pytest.fixture(scope="session")
def pdflatex():
    """Return the path of pdflatex."""
    found = shutil.which("pdflatex")
    if found is None:
        pytest.skip("pdflatex is not on the path; on Debian: apt install texlive-latex-recommended")
    return found


@pytest.fixture
def typeset(pdflatex, tmp_path):
    """Put tables into the document their first line asks for; return what LaTeX complained of, and the log."""

    def run(tables):
        packages = re.match(r"% Needs (\\usepackage\{[a-z,]+\})", tables)[1]
        text = "\n".join([r"\documentclass{article}", packages, r"\begin{document}", tables, r"\end{document}"])
        (tmp_path / "a.tex").write_text(text, encoding="utf-8")
        command = [pdflatex, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        log = (tmp_path / "a.log").read_text(encoding="latin-1")
        assert "Output written on a.pdf" in log
        return re.findall(r"^(?:!|Overfull|Missing character|LaTeX Warning).*$", log, re.M), log

    return run


def environments(text):
    """Return the environments of a document, in order; each must close, and every brace."""
    plain = re.sub(r"\\[\\{}%]", "", text)  # what is escaped opens nothing
    found = re.findall(r"\\(begin|end)\{(\w+)\}", plain)
    opened = []
    for kind, name in found:
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    depth = 0
    for letter in plain:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    return [name for kind, name in found if kind == "begin"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_name_opens_and_closes_nothing(make_folder, field):
    text = latex_report(collect([make_folder(**{field: EVERYTHING})]))
    assert environments(text) == ["table", "tabular"]


def test_several_tables_are_well_formed(make_folder):
    text = latex_report(collect([make_folder("a"), make_folder("b", dataset=EVERYTHING)]))
    assert environments(text) == ["table", "tabular"] * 3


def test_latex_has_every_letter_of_a_name(make_folder, typeset):
    folder = make_folder(**dict.fromkeys(FIELDS, EVERYTHING), classifiers=("softmax",))
    complaints, _ = typeset(latex_report(collect([folder])))
    # A name of 200 letters without a place to break stands over the edge of a caption, and that is all.
    assert [text for text in complaints if "in paragraph" not in text] == []


def test_tables_fit_the_page(make_folder, typeset):
    folder = make_folder(classifiers=("softmax", "student", "embedding"), seeds=7, gain=-0.03)
    assert typeset(latex_report(collect([folder])))[0] == []
    several = [make_folder(name, dataset=name * 3, seeds=2, classifiers=("softmax",)) for name in ("birds", "flowers")]
    assert typeset(latex_report(collect(several)))[0] == []
    wide = latex_table("Wide.", ["name"] * 20, [[["a long cell"] * 20]], texts=1)
    assert typeset(NEEDS + wide)[0] == []


def test_a_narrow_table_is_not_made_wider(typeset):
    table = latex_table("", ["a", "b"], [[["1", "2"]]], texts=1)
    body = table.partition("\\medskip\n")[2].partition(r"\end{table}")[0]
    _, log = typeset(rf"{NEEDS}\setbox0=\hbox{{{body}}}\typeout{{width: \the\wd0}}\box0")
    assert float(re.search(r"width: ([\d.]+)pt", log)[1]) < 50
