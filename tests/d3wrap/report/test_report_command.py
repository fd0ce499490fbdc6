import pytest
from click.testing import CliRunner

from d3wrap.cli import main

TINY = ["--data", "digits", "--device", "cpu", "--log-every", "2", "--classifier", "softmax", "--seeds", "1"]
TINY += ["--protocol", "fixed"]
TINY += ["--set", "steps=4", "--set", "hidden=8", "--set", "synthetic_per_class=5"]
TINY += ["--d3", "embedding_dim=8", "--d3", "teacher_epochs=1", "--protocol", "fixed"]


def call(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


def test_the_page_goes_into_the_first_folder(make_folder):
    first, second = make_folder("a"), make_folder("b")
    output = call("report", first, second)
    assert output.splitlines()[-1] == f"wrote {first / 'report.html'}"
    assert output.count("D³ changed H of the softmax classifier") == 2
    text = (first / "report.html").read_text(encoding="utf-8")
    assert text.count("<article") == 2
    assert call("report", first / "results.json")
    assert (first / "report.html").read_text(encoding="utf-8").count("<article") == 1


def test_only_what_is_asked_for_is_written(make_folder, tmp_path):
    folder = make_folder()
    forms = {"--markdown": "a.md", "--latex": "b.tex", "--csv": "c.csv"}
    options = [part for option, name in forms.items() for part in (option, tmp_path / name)]
    output = call("report", folder, *options)
    assert [line for line in output.splitlines() if line.startswith("wrote")] == [
        f"wrote {tmp_path / name}" for name in forms.values()
    ]
    assert not (folder / "report.html").exists()
    assert (tmp_path / "a.md").read_text().startswith("## clswgan on FLO\n\n**D³ changed H")
    assert r"\begin{tabular}" in (tmp_path / "b.tex").read_text()
    assert (tmp_path / "c.csv").read_bytes().count(b"\r") == 0
    call("report", folder, "--out", tmp_path / "deep" / "page.html")
    assert (tmp_path / "deep" / "page.html").is_file()


@pytest.mark.parametrize(("arguments", "code", "message"), [((), 2, "Missing argument"), (("nowhere",), 2, "nowhere")])
def test_what_to_report_on_must_be_there(arguments, code, message):
    assert message in call("report", *arguments, code=code)


def test_a_folder_without_results_is_named(tmp_path):
    assert f"{tmp_path / 'results.json'}: cannot be read" in call("report", tmp_path, code=1)
    assert not (tmp_path / "report.html").exists()


def test_a_comparison_that_was_run_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("compare", *TINY, "--out", "out")
    output = call("report", "out", "--out", "page.html")
    assert "one seed cannot show a reliable difference" in output
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What is missing" not in text
    assert "generated (enhanced) pictures of four" in text
    assert text.count('<svg role="img"') > 8
