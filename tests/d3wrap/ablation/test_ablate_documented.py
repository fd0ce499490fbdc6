"""docs/ablate.md names every option, variant and field, and its example works."""

import dataclasses
import json
import re
from pathlib import Path

from d3wrap.ablation.summary import AblationRow
from d3wrap.ablation.variants import CORRECTIONS
from d3wrap.cli.ablate import ablate
from d3wrap.comparison.statistics import fewest_for

PAGE = (Path(__file__).parents[3] / "docs" / "ablate.md").read_text(encoding="utf-8")


def fields(heading):
    table = PAGE.partition(heading)[2].partition("|---|")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, flags=re.M)


def test_every_field_is_described(make_ablation):
    folder, ablation = make_ablation()
    stored = json.loads((folder / "ablation.json").read_text())
    assert fields("and `ablation.json`:") == list(stored)
    assert fields("An entry of `summary`:") == [field.name for field in dataclasses.fields(AblationRow)]
    described = PAGE.partition("| `variants` |")[2].partition("\n")[0]
    assert [name for name in stored["variants"][0] if f"`{name}`" not in described] == []
    assert ablation.variants


def test_every_correction_and_own_option_is_named():
    assert [name for name in CORRECTIONS if f"`{name}`" not in PAGE] == []
    own = {"--objectives", "--corrections", "--only", "--list"}
    assert own < {option for parameter in ablate.params for option in parameter.opts}
    assert [option for option in own if f"`{option}`" not in PAGE] == []


def test_the_seeds_it_takes_are_these():
    head, _, row = PAGE.partition("| variants beside the reference |")[2].split("\n")[:3]
    for span, seeds in zip(head.split("|")[:-1], row.split("|")[2:-1], strict=True):
        first, _, last = span.strip().partition("–")
        assert fewest_for(int(first)) == fewest_for(int(last or first)) == int(seeds)
        assert fewest_for(int(last or first) + 1) > int(seeds)


def test_the_example_runs(make_ablation, monkeypatch, capsys):
    folder, _ = make_ablation("runs/objectives")
    monkeypatch.chdir(folder.parents[1])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "ablate.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [name, classifier] for classifier in ("softmax", "student") for name in ("without-o2dbd", "released")
    ]
