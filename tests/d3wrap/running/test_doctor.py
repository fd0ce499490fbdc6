"""The doctor: what a stranger's script is, without training it, and the d3.yaml that fits."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer

from d3wrap.config import load_yaml
from d3wrap.running.doctor import Doctor, as_document
from d3wrap.running.plan import read_plan

STYLES = ("module", "function", "object")
STEPS = ("--steps", "3")


def examine(script, config=None, seconds=20.0, arguments=STEPS):
    plan = None if config is None else read_plan([load_yaml(config)])
    return Doctor(Path(script), arguments, plan, seconds).examine()


def proposed(diagnosis):
    """Return the d3.yaml that is proposed, without comments."""
    lines = diagnosis.proposal.text.splitlines()
    return "\n".join(line.partition(" #")[0].rstrip() for line in lines if not line.startswith("#"))


def edit(script, old, new):
    text = Path(script).read_text()
    assert old in text
    Path(script).write_text(text.replace(old, new))


@pytest.mark.parametrize("style", STYLES)
def test_a_script_that_fits_is_reported_without_training_it(repository, capsys, style):
    before = dict(torch_optimizer._global_optimizer_pre_hooks)
    seen = set(repository.rglob("*"))
    diagnosis = examine(f"{style}.py", f"{style}.yaml")
    assert diagnosis.attachable
    assert diagnosis.proposal is None
    assert "sampling   MLP_G(noise N(0, 1) [n, 3], semantics), as the script calls it" in "\n".join(diagnosis.lines)
    assert "weights" not in "".join(capsys.readouterr())  # it did not reach its end
    assert dict(torch_optimizer._global_optimizer_pre_hooks) == before
    assert {path for path in repository.rglob("*") if "__pycache__" not in path.parts} == seen


@pytest.mark.parametrize("style", STYLES)
def test_without_a_configuration_it_proposes_one_and_tries_it(repository, style):
    diagnosis = examine(f"{style}.py")
    assert diagnosis.attachable
    assert diagnosis.proposal.complete
    wanted = load_yaml(f"{style}.yaml").values
    (repository / "proposed.yaml").write_text(diagnosis.proposal.text)
    assert load_yaml("proposed.yaml").values == {key: wanted[key] for key in ("generator", "optimizer", "data")}
    assert "D³ attached" in "\n".join(diagnosis.lines)
    assert not torch_module._global_forward_hooks


def test_the_generators_step_is_not_made(repository, capsys):
    edit(
        "module.py",
        "    optimizerG.step()",
        "    fingerprint(netG)\n    try:\n        optimizerG.step()\n    finally:\n        fingerprint(netG)",
    )
    assert examine("module.py", "module.yaml").attachable
    first, second = re.findall(r"weights (\w+)", capsys.readouterr().err)
    assert first == second


def test_what_the_script_prints_goes_to_stderr(repository, capsys):
    edit("module.py", "torch.manual_seed(1)", "torch.manual_seed(1)\nprint('hello')")
    examine("module.py", "module.yaml")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "hello" in shown.err


def test_a_script_that_catches_everything_is_stopped_all_the_same(repository, capsys):
    edit("module.py", "    optimizerG.step()", "    try:\n        optimizerG.step()\n    except:\n        pass")
    assert examine("module.py", "module.yaml").attachable
    examine("module.py")


def test_d3_that_begins_late_is_reported_at_once(repository):
    with Path("module.yaml").open("a") as stream:
        stream.write("start_step: 1000\nevery: 50\ninner_steps: 4\n")
    assert examine("module.py", "module.yaml").attachable


def test_names_that_are_not_there_are_listed_with_candidates(repository):
    Path("wrong.yaml").write_text("generator: netGG\ndata: data\n")
    diagnosis = examine("module.py", "wrong.yaml")
    assert not diagnosis.attachable
    text = "\n".join(diagnosis.lines)
    assert "netGG   (wrong.yaml:1: generator): no such name; near it: netG" in text
    assert "MLP_G, 35 parameters" in text


def test_it_does_not_wait_for_ever_for_names_that_may_come(repository):
    Path("wrong.yaml").write_text("generator: netGG\ndata: data\n")
    diagnosis = examine("module.py", "wrong.yaml", seconds=0.0, arguments=("--steps", "1000000"))
    assert "looked for 0 s after the first optimizer step; --seconds looks longer" in diagnosis.lines
    diagnosis = examine("module.py", "module.yaml", seconds=0.0, arguments=("--steps", "1000000"))
    assert not diagnosis.attachable


def test_an_optimizer_that_never_steps_is_said(repository):
    edit("module.py", "    optimizerG.step()", "    pass")
    diagnosis = examine("module.py", "module.yaml")
    assert not diagnosis.attachable
    assert "D³ was attached, but its optimizer made no step after that" in "\n".join(diagnosis.lines)


def test_training_in_a_module_that_the_script_imports_is_found(repository):
    Path("start.py").write_text("import module\n")
    try:
        diagnosis = examine("start.py")
    finally:
        sys.modules.pop("module", None)
    assert diagnosis.attachable, diagnosis.lines
    assert proposed(diagnosis) == "generator: netG\noptimizer: optimizerG\ndata: data"


def test_an_error_of_d3wrap_is_its_finding(repository):
    Path("wrong.yaml").write_text("generator: opt.nz\ndata: data\n")
    diagnosis = examine("module.py", "wrong.yaml")
    assert not diagnosis.attachable
    assert "Error: wrong.yaml:1: generator: 'opt.nz' is a int" in "\n".join(diagnosis.lines)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("raise ValueError('no file')", "the script failed before D³ could be attached: ValueError: no file"),
        ("import sys; sys.exit(4)", "the script ended with exit code 4 before D³ could be attached"),
        ("import sys; sys.exit(0)", "no optimizer of torch made a step in this process"),
    ],
)
@pytest.mark.parametrize("config", [None, "module.yaml"])
def test_a_script_that_ends_early_is_said_to_have(repository, capsys, line, message, config):
    edit("module.py", "torch.manual_seed(1)", line)
    diagnosis = examine("module.py", config)
    assert not diagnosis.attachable
    assert message in "\n".join(diagnosis.lines)
    assert ("Traceback" in capsys.readouterr().err) == ("ValueError" in line)


# --- what it proposes for scripts of other kinds

CONDITIONAL = '''

class MLP_G(torch.nn.Module):
    """A VAE that generates by a method, with a hidden layer as wide as the features."""

    def __init__(self, opt):
        super().__init__()
        self.z_size = 2
        self.enc = torch.nn.Linear(opt.resSize + opt.attSize, 2)
        self.hidden = torch.nn.Sequential(torch.nn.Linear(2 + opt.attSize, opt.resSize), torch.nn.ReLU())
        self.out = torch.nn.Linear(opt.resSize, opt.resSize)

    def decode(self, z, att):
        return self.out(self.hidden(torch.cat((z, att), 1)))

    def forward(self, x, att):
        mean = self.enc(torch.cat((x, att), 1))
        return self.decode(mean + torch.randn_like(mean), att)
'''
PLAIN_DECODER = CONDITIONAL.replace("decode(", "make(")
FLOW = '''

class Embed(torch.nn.Linear):
    pass


class MLP_G(torch.nn.Module):
    """A flow, called from features to noise, on embedded semantics."""

    def __init__(self, opt):
        super().__init__()
        self.scale = torch.nn.Linear(4, opt.resSize)

    def forward(self, x, c):
        return (x - self.scale(c)) * 2, x.new_zeros(len(x))

    def reverse_sample(self, z, c):
        return z / 2 + self.scale(c)
'''


def rewrite(kind, call, extra=""):
    """Make the module script train a network of another kind."""
    with Path("util.py").open("a") as stream:
        stream.write(kind)
    edit("module.py", "netG(torch.randn(8, opt.nz), att)", call)
    if extra:
        edit("module.py", "netG = util.MLP_G(opt)", f"netG = util.MLP_G(opt)\n{extra}")


def test_a_method_that_generates_is_found_by_trying_it(repository):
    rewrite(CONDITIONAL, "netG(feature, att)")
    diagnosis = examine("module.py")
    assert diagnosis.attachable, diagnosis.lines
    assert proposed(diagnosis) == 'sample:\n  - "netG.decode(noise(2), semantics)"\noptimizer: optimizerG\ndata: data'
    assert "# CHECK this against the script" in diagnosis.proposal.text


def test_a_flow_is_proposed_with_the_embedding_of_its_semantics(repository):
    rewrite(FLOW, "netG(feature, sm(att))[0]", "sm = util.Embed(3, 4)")
    diagnosis = examine("module.py")
    assert diagnosis.attachable, diagnosis.lines
    assert 'sample:\n  - "netG.reverse_sample(noise(5), sm(semantics))"' in proposed(diagnosis)


ALIGNED = """

class Encoder(torch.nn.Linear):
    def forward(self, x):
        both = super().forward(x)
        return both[:, :2], both[:, 2:]


class Decoder(torch.nn.Linear):
    pass
"""


def test_a_decoder_of_latents_is_proposed_with_the_encoder_of_semantics(repository):
    """Networks in a plain dict, whose parameters torch does not see from outside."""
    parts = "{'a': util.Encoder(3, 4), 'x': util.Decoder(2, 5)}"
    rewrite(ALIGNED, "nets['x'](nets['a'](att)[0])", f"nets = {parts}")
    edit("module.py", "optim.Adam(netG.parameters()", "optim.Adam([*nets['a'].parameters(), *nets['x'].parameters()]")
    diagnosis = examine("module.py")
    assert diagnosis.attachable, diagnosis.lines
    assert proposed(diagnosis).startswith(
        "sample:\n  - \"mu, logvar = nets['a'](semantics)\"\n  - \"nets['x'](mu + noise(2) * exp(logvar / 2))\"\n"
        "optimizer: optimizerG"
    )


def test_a_layer_is_proposed_last_and_to_be_checked(repository):
    rewrite(PLAIN_DECODER, "netG(feature, att)")
    diagnosis = examine("module.py")
    assert "# CHECK this against the script" in diagnosis.proposal.text


def test_a_call_with_more_than_noise_and_semantics_is_proposed_as_a_line(repository):
    rewrite(
        "\n\nclass MLP_G(MLP_G):\n"
        "    def forward(self, code, att, t=0):\n        return super().forward(code, att) + t\n",
        "netG(torch.ones(8, opt.nz), att, t=0)",
    )
    diagnosis = examine("module.py")
    assert 'sample:\n  - "netG(noise(3), semantics, t=0)"' in proposed(diagnosis)


def test_what_a_call_needs_besides_is_left_to_fill_in(repository):
    """A time step is an integer, and of no known range."""
    rewrite(
        "\n\nclass MLP_G(MLP_G):\n"
        "    def forward(self, z, att, t):\n        return super().forward(z, att) * (1 + t[:, None])\n",
        "netG(torch.randn(8, opt.nz), att, torch.randint(4, (8,)))",
    )
    diagnosis = examine("module.py", arguments=("--steps", "9"))
    assert not diagnosis.attachable
    assert not diagnosis.proposal.complete
    assert 'sample:\n  - "netG(noise(3), semantics, FILL_IN)"\noptimizer: optimizerG' in proposed(diagnosis)
    assert "ended with" not in "\n".join(diagnosis.lines)


def test_which_of_several_outputs_holds_the_features_is_proposed(repository):
    rewrite(
        "\n\nclass MLP_G(MLP_G):\n    def forward(self, z, att):\n        return z, super().forward(z, att)\n",
        "netG(torch.randn(8, opt.nz), att)[1]",
    )
    diagnosis = examine("module.py")
    assert diagnosis.attachable, diagnosis.lines
    assert "generator: netG\noutput: 1" in proposed(diagnosis)


def test_arrays_at_module_level_are_proposed_as_a_mapping(repository):
    parts = ("train_feature", "train_label", "attribute", "seenclasses", "unseenclasses")
    tests = ("test_seen_feature", "test_seen_label", "test_unseen_feature", "test_unseen_label")
    loose = "\n".join(f"{name} = data.{name}" for name in (*parts, *tests))
    edit(
        "module.py",
        "data = util.DATA_LOADER(opt)",
        f"data = util.DATA_LOADER(opt)\n{loose}\nbatch = data.next_batch\ndel data",
    )
    edit("module.py", "data.next_batch(8)", "batch(8)")
    diagnosis = examine("module.py")
    assert diagnosis.attachable, diagnosis.lines
    values = as_document(diagnosis.proposal.text).values
    assert values["data"]["train_features"] == "train_feature"
    assert values["data"]["semantics"] == "attribute"


def test_without_data_the_places_to_fill_in_are_shown(repository):
    edit("util.py", "self.attribute", "self.things")
    edit("util.py", "self.train_feature", "self.xs")
    edit("util.py", "self.seenclasses, self.unseenclasses", "self.us, self.vs")
    diagnosis = examine("module.py", seconds=0.0)
    assert not diagnosis.attachable
    assert not diagnosis.proposal.complete
    assert "sample: FILL_IN" in diagnosis.proposal.text
    assert "data: FILL_IN" in diagnosis.proposal.text
    assert "netG.forward(noise, att)" in diagnosis.proposal.text
    assert "netG([8, 3], [8, 3]) gave [8, 5]" in "\n".join(diagnosis.lines)


def test_data_that_is_not_understood_is_said_with_the_reason(repository):
    edit("util.py", "        return self.train_feature[idx]", "        return self.train_feature.float()[idx]")
    edit("module.py", "netG = util", "data.train_label = data.train_label[:3]\nnetG = util")
    edit("util.py", "label = self.train_label[idx]", "label = idx % 4")
    diagnosis = examine("module.py", seconds=0.0)
    assert not diagnosis.attachable
    assert "# not understood: " in diagnosis.proposal.text
    assert "data: data" in diagnosis.proposal.text


def test_a_proposal_that_does_not_fit_is_shown_with_the_error(repository):
    edit("util.py", "return torch.relu(", "return torch.nan * torch.relu(")
    diagnosis = examine("module.py")
    assert not diagnosis.attachable
    assert "Error: " in "\n".join(diagnosis.lines)
    assert diagnosis.proposal.complete


def test_a_proposal_reads_as_a_document():
    document = as_document("sample:\n  - net(semantics)\ndata: {features: x, labels: y}\n")
    plan = read_plan([document])
    assert plan.sample.lines[0].where == "proposal:1: sample[0]"
    assert document.where("data", "features") == "proposal:1: data.features"
    assert isinstance(plan.data, dict)


def test_the_survey_keeps_copies_of_few_rows(repository):
    from d3wrap.running.survey import ROWS, _cut

    value = torch.arange(100.0)[:, None]
    cut = _cut(value)
    value.zero_()
    assert torch.equal(cut, torch.arange(float(ROWS))[:, None])
    assert _cut(torch.tensor(3.0)) == 3
    assert isinstance(_cut(types), types.ModuleType)
