"""A d3.yaml as it is read: everything in it is checked before the script runs."""

import pytest

from d3wrap.config import Override, load_yaml
from d3wrap.errors import ConfigError
from d3wrap.running.plan import KEYS, Plan, read_plan

LEAST = "generator: netG\ndata: data\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that reads a plan from texts of d3.yaml, the last before the others."""
    monkeypatch.chdir(tmp_path)

    def read(*texts, overrides=()):
        documents = []
        for number, text in enumerate(texts):
            name = "d3.yaml" if number == len(texts) - 1 else f"recipe{number}.yaml"
            (tmp_path / name).write_text(text)
            documents.append(load_yaml(name))
        return read_plan(documents, overrides)

    return read


EVERYTHING = """
generator: self.netG
sample:
  - z = noise(opt.nz)
  - netG(z, semantics)
optimizer: [optimizerG, optimizerF]
data: {features: d.x, labels: d.y, semantics: d.a, seen: d.s, unseen: d.u}
semantics: table
encode: encoder(features)
real: {features: input_res, labels: input_label}
labels: seen
noise_dim: opt.nz
order: noise, semantics
noise: uniform
output: 1
batch_size: 32
every: 2
inner_steps: 3
start_step: 10
scale: 0.5
seed: 7
move_buffers: true
encode_generated: false
d3: {formulation: released, generator_weights: {id2sd: 2}}
evaluate: {synthetic_per_class: 10, classifiers: [softmax, student], embedding_dim: 16}
"""


def test_every_key_is_read(read):
    plan = read(EVERYTHING)
    assert plan.generator.text == "self.netG"
    assert [line.text for line in plan.sample.lines] == ["z = noise(opt.nz)", "netG(z, semantics)"]
    assert [name.text for name in plan.optimizer] == ["optimizerG", "optimizerF"]
    assert {part: name.text for part, name in plan.data.items()} == {
        "features": "d.x", "labels": "d.y", "semantics": "d.a", "seen": "d.s", "unseen": "d.u",
    }  # fmt: skip
    assert plan.semantics.text == "table"
    assert plan.encode.lines[0].text == "encoder(features)"
    assert [name.text for name in plan.real] == ["input_res", "input_label"]
    assert plan.noise_dim.text == "opt.nz"
    assert plan.attach == {
        "labels": "seen", "order": "noise, semantics", "noise": "uniform", "output": 1, "batch_size": 32, "every": 2,
        "inner_steps": 3, "start_step": 10, "scale": 0.5, "seed": 7, "move_buffers": True, "encode_generated": False,
    }  # fmt: skip
    assert plan.d3 == {"formulation": "released", "generator_weights": {"id2sd": 2.0}}
    assert plan.evaluate == {"synthetic_per_class": 10, "classifiers": ("softmax", "student"), "embedding_dim": 16}
    assert set(plan.written) == {*KEYS, "d3", "evaluate"}
    names = {name.text for name in plan.names}
    assert names == {
        "self.netG", "optimizerG", "optimizerF", "d.x", "d.y", "d.a", "d.s", "d.u", "table", "input_res",
        "input_label", "opt.nz", "netG", "encoder",
    }  # fmt: skip


def test_what_is_not_given_is_left_to_attach(read):
    assert read(LEAST) == Plan(
        generator=read(LEAST).generator, data=read(LEAST).data, written={"generator": "netG", "data": "data"}
    )
    assert read(LEAST + "noise_dim: 312").noise_dim == 312


def test_a_later_document_goes_before_an_earlier_one_and_the_command_line_before_both(read):
    recipe = LEAST + "every: 2\nseed: 1\noutput: 1\nd3: {alpha: 2.0, beta: 0.1}\n"
    overrides = [Override("seed", 9, "--set seed"), Override("d3.beta", 0.3, "--set d3.beta")]
    plan = read(recipe, "every: 5\noutput: null\nd3: {alpha: 3.0}\n", overrides=overrides)
    assert plan.attach == {"every": 5, "seed": 9}
    assert plan.d3 == {"alpha": 3.0, "beta": 0.3}
    assert plan.written["d3"] == {"alpha": 3.0, "beta": 0.3}


BROKEN = [
    ("generater: netG", ":1: generater: unknown key; did you mean 'generator'?"),
    (LEAST + "optimizer: []", ":3: optimizer: expected a name or a list of names"),
    (LEAST + "optimizer: [a, b()]", ":3: optimizer[1]: expected a name with attributes"),
    (LEAST + "optimizer: 3", ":3: optimizer: expected the name of an object"),
    ("generator: netG(x)\ndata: d", ":1: generator: expected a name with attributes"),
    ("generator: netG\ndata: {feature: d.x}", ":2: data.feature: unknown part of the data; did you mean 'features'?"),
    ("generator: netG\ndata: {features: d()}", ":2: data.features: expected a name"),
    ("sample:\n  - z = noise(2)\n  - import os\ndata: d", ":3: sample[1]: 'import os'"),
    ("sample: open('x', mode=*a)\ndata: d", ":1: sample: "),
    (LEAST + "real: [a, b]", ":3: real: expected 'key: value' lines"),
    (LEAST + "real: {features: a}", ":3: real: expected features: NAME and labels: NAME, found features"),
    (LEAST + "labels: local", ":3: labels: expected 'global' or 'seen' or 'block', found the text 'local'"),
    (LEAST + "noise_dim: 0", ":3: noise_dim: expected a whole number of 1 or more, found the integer 0"),
    (LEAST + "noise_dim: 1.5", ":3: noise_dim: expected a whole number"),
    (LEAST + "order: semantics", ":3: order: expected 'noise, semantics' or"),
    (LEAST + "output: 1.5", ":3: output: expected the place of an output"),
    (LEAST + "output: true", ":3: output: expected the place of an output"),
    (LEAST + "every: 0", ":3: every: expected a whole number of 1 or more"),
    (LEAST + "every: true", ":3: every: expected a whole number of 1 or more, found the boolean true"),
    (LEAST + "start_step: -1", ":3: start_step: expected a whole number of 0 or more"),
    (LEAST + "scale: -0.5", ":3: scale: expected a number of 0 or more"),
    (LEAST + "scale: much", ":3: scale: expected a number of 0 or more, found the text 'much'"),
    (LEAST + "move_buffers: 1", ":3: move_buffers: expected true or false"),
    (LEAST + "d3: {formulatoin: released}", ":3: d3.formulatoin: D3Settings has no setting 'formulatoin'"),
    (LEAST + "d3: {alpha: -1}", ":3: d3.alpha: alpha: expected a number above 0"),
    (LEAST + "d3: released", ":3: d3: expected 'key: value' lines"),
    (LEAST + "evaluate: {per_class: 3}", ":3: evaluate.per_class: unknown option of the evaluation"),
    (LEAST + "evaluate: {synthetic_per_class: 0}", ":3: evaluate.synthetic_per_class: expected a whole number"),
    (LEAST + "evaluate: {classifiers: [svm]}", ":3: evaluate.classifiers: no classifier is called 'svm'"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[text.splitlines()[-1] for text, _ in BROKEN])
def test_what_is_wrong_is_said_with_its_line(read, text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).startswith("d3.yaml" + message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: d", "give generator: NAME, or sample: with lines"),
        ("generator: netG", "give data: NAME of the script's loader object"),
        ("generator: null\ndata: d", "give generator: NAME"),
    ],
)
def test_a_plan_needs_something_that_generates_and_data(read, text, message):
    with pytest.raises(ConfigError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("d3", "--set d3: set one of its keys, e.g. d3.relation="),
        ("every", "--set every: expected a whole number"),
        ("d3.relation", "--set d3.relation: expected"),
        ("nothing", "--set nothing: unknown key"),
    ],
)
def test_an_override_is_named_as_it_was_typed(read, key, message):
    with pytest.raises(ConfigError, match=message):
        read(LEAST, overrides=[Override(key, "x", f"--set {key}")])


def test_a_recipes_names_can_be_taken_back(read):
    plan = read("generator: netG\nsample: netG(semantics)\ndata: d\nd3: {alpha: 2.0}\nevaluate:", "sample: null")
    assert plan.sample is None
    assert plan.generator.text == "netG"


def test_classifiers_may_be_written_with_commas(read):
    assert read(LEAST + "evaluate: {classifiers: 'softmax, student'}").evaluate == {
        "classifiers": ("softmax", "student")
    }
