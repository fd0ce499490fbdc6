"""What a scan says of scripts written here in the way old ones are."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest

from d3wrap.compat import SHIMS, Finding, scan
from d3wrap.errors import ConfigError

HEAD = """
import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable
"""
HEAD_LINES = len(HEAD.splitlines())


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / ((name if "/" in name else name.replace("__", "/")) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder / "train.py"


def found(folder: Path, text: str, head: str = HEAD) -> list[Finding]:
    """Scan one file of a few lines, which are numbered from 1."""
    return scan(write(folder, train=head + textwrap.dedent(text)))


OLD_CALLS = [
    ("x = Variable(x, volatile=True)", "volatile", "volatile"),
    ("total += loss.data[0]", "item", ".data[0]"),
    ("print('%f' % D_cost.data[0])", "item", ".data[0]"),
    ("one = torch.FloatTensor([1])\nloss.backward(one)", "scalar-gradient", "shape [1]"),
    (
        "one = torch.FloatTensor([1])\nmone = one * -1\nmone = mone.cuda()\nloss.backward(mone)",
        "scalar-gradient",
        "[1]",
    ),
    ("loss.backward(-torch.ones(1))", "scalar-gradient", "shape [1]"),
    ("mask = x < 1\nother = 1 - mask", "masks", "1 - mask"),
    ("other = 1 - x.eq(y)", "masks", "of a comparison"),
    ("x.masked_fill_(mask.byte(), 0)", "masks", "mask of bytes"),
    ("it = iter(loader)\nx = it.next()", "loader", "next()"),
    ("x = iter(loader).next()", "loader", "next()"),
    ("s = torch.optim.lr_scheduler.StepLR(o, 1, verbose=True)", "torch-names", "StepLR(verbose"),
    ("from torch._six import inf", "torch-names", "torch._six"),
    ("x = np.zeros(3, np.int)", "numpy-names", "np.int"),
    ("x = np.in1d(a, b)", "numpy-names", "np.in1d"),
    ("place = np.argwhere(a == b)\nk = int(place)", "numpy-scalars", "int()"),
    ("k = float(np.where(a == b)[0][0:1])", "numpy-scalars", "float()"),
    (
        "import FrEIA.framework as Ff\nnet = Ff.ReversibleGraphNet(nodes)\nnet.log_jacobian(x)",
        "freia",
        "before February 2021",
    ),
    ("import yaml\nc = yaml.load(open('c.yaml'))", "yaml-load", "without a loader"),
    ("from scipy import integrate\na = integrate.trapz(s, u)", "scipy-names", "scipy.integrate.trapz"),
    ("from scipy.misc import logsumexp", "scipy-names", "scipy.misc.logsumexp"),
    ("x = x.cuda()", "cuda", "whether there is any"),
    ("x = torch.cuda.FloatTensor(3)", "cuda", "whether there is any"),
    ("torch.cuda.set_device(0)", "cuda", "whether there is any"),
    ("x = x.to('cuda')", "cuda", "whether there is any"),
    ("x = torch.zeros(3, device='cuda:1')", "cuda", "whether there is any"),
    ("x = x.type('torch.cuda.LongTensor')", "cuda", "whether there is any"),
    ("if opt.cuda:\n    x = x.cuda()", "cuda", "where `opt.cuda` says so"),
    ("torch.load('a.pth')", None, "torch.load"),
    ("u, v = torch.symeig(x)", None, "torch.symeig"),
    ("u = torch.gels(x, y)", None, "torch.gels"),
    ("f = torch.nn.functional.no_such_loss(x)", None, "torch.nn.functional.no_such_loss"),
    ("import time\nt = time.clock()", None, "time.clock"),
    ("from collections import Iterable", None, "collections.Iterable"),
    ("for i in xrange(3): pass", None, "xrange"),
    ("for k, v in d.iteritems(): pass", None, ".iteritems()"),
    ("class F(torch.autograd.Function):\n    def forward(self, x):\n        return x", None, "of the old kind"),
    ("import os\nos.system('''python -u train_images.py --cuda''')", None, "train_images.py"),
    ("p = '/home/somebody/data'", None, "/home/somebody/data"),
    ("p = 'D:/data/CUB'", None, "D:/data/CUB"),
]


@pytest.mark.parametrize(("text", "shim", "says"), OLD_CALLS, ids=lambda value: str(value)[:40])
def test_an_old_call_is_found_with_its_shim_and_line(tmp_path, text, shim, says):
    findings = [finding for finding in found(tmp_path, text) if says in finding.found]
    assert [finding.shim for finding in findings] == [shim]
    (finding,) = findings
    assert finding.path == tmp_path / "train.py"
    assert HEAD_LINES < finding.line <= HEAD_LINES + len(text.splitlines())
    assert finding.line == finding.lines[0]
    assert finding.remedy
    assert shim is None or f"--compat {shim}" in finding.remedy
    assert shim is None or shim in SHIMS


MODERN = [
    "x = Variable(x, requires_grad=True)",
    "x = Variable(x, volatile=False)",
    "norm = fake.data[0].norm()",
    "first = self.data[0]",
    "first = opt.data[0]",
    "row = x.data[0, 1]",
    "one = torch.tensor(1.)\nloss.backward(one)",
    "one = torch.tensor(1)\nloss.backward(one * -1)",
    "loss.backward()\nloss.backward(unknown)",
    "rest = 1 - x",
    "rest = 2 - (a > b)",
    "x.masked_fill_(mask, 0)",
    "x = self.data_layer.next()",
    "x = next(iter(loader))",
    "s = torch.optim.lr_scheduler.StepLR(o, 1)",
    "x = np.zeros(3, np.float32); y = np.bool_(1); z = np.random.rand(3)",
    "k = int(np.argmax(a)); k = int(a)",
    "import yaml\nc = yaml.safe_load(f)\nd = yaml.load(f, Loader=yaml.SafeLoader)\ne = yaml.load(f, yaml.SafeLoader)",
    "import FrEIA.framework as Ff\nnet = Ff.GraphINN(nodes)",
    "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    "if torch.cuda.is_available():\n    x = x.cuda()",
    "if x.is_cuda:\n    y = y.cuda()",
    "if device == 'cuda': pass",
    "x = x.to(device)",
    "torch.cuda.manual_seed_all(1); torch.cuda.is_available(); torch.cuda.empty_cache()",
    "torch.load('a.pth', weights_only=True)",
    "import torch.utils.tensorboard as tb\nfrom torch.utils.data import DataLoader",
    "import time\nt = time.time()",
    "def xrange(n): return range(n)\nxrange(3)",
    "class F(torch.autograd.Function):\n    @staticmethod\n    def forward(ctx, x):\n        return x",
    "import os\nos.system('ls')",
    "p = '/tmp/there'; q = '/'; r = 'a/b/c'; s = root + '/CUB/data.mat'",
    "import scipy.io as sio\nsio.loadmat('a.mat')",
    "x = some.thing.np.int",
]


@pytest.mark.parametrize("text", MODERN, ids=lambda value: value[:40])
def test_calls_that_work_are_not_reported(tmp_path, text):
    assert found(tmp_path, text) == []


def test_places_of_a_kind_are_one_finding(tmp_path):
    (finding,) = found(tmp_path, "x = x.cuda()\ny = 1\nx = x.cuda() + y.cuda()\n")
    assert finding.lines == (HEAD_LINES + 1, HEAD_LINES + 3)
    assert str(finding).startswith(f"{tmp_path / 'train.py'}:{HEAD_LINES + 1} (and 1 more): CUDA, whether")


def test_numbers_are_not_reported_where_numpy_takes_them(tmp_path, monkeypatch):
    monkeypatch.setattr("d3wrap.compat.scanning.name_rules.numpy_refuses", lambda: False)
    assert found(tmp_path, "k = int(np.argwhere(a == b))") == []


def test_the_old_graph_is_doubtful_without_its_jacobian(tmp_path):
    (finding,) = found(tmp_path, "import FrEIA.framework as Ff\nnet = Ff.ReversibleGraphNet(nodes)")
    assert "unless the script takes (output, jacobian)" in finding.remedy


def test_names_numpy_still_has_are_not_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(np, "int", int, raising=False)
    monkeypatch.setattr("d3wrap.compat.scanning.name_rules.missing", lambda name: None)
    assert found(tmp_path, "x = np.int") == []


# --- files ------------------------------------------------------------------------------------------------


def names(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.path.name, finding.found) for finding in findings}


def test_modules_beside_the_script_are_read_and_nothing_is_run(tmp_path):
    script = write(
        tmp_path,
        train="import util\nfrom nets import model\nimport pack.deep as d\nfrom pack import side\nraise SystemExit\n",
        util="import os\nos.mkdir('made')\nx = y.cuda()\n",
        nets__model="from .blocks import B\nfrom . import more\nx = y.cuda()\n",
        nets__blocks="x = y.cuda()\n",
        nets__more="x = y.cuda()\n",
        pack__deep="import util\nx = y.cuda()\n",
        pack__side="x = y.cuda()\n",
        unused="x = y.cuda()\n",
        **{"pack/__init__": "x = y.cuda()\n"},
    )
    read = {finding.path.relative_to(tmp_path).as_posix() for finding in scan(script)}
    nets = {"nets/model.py", "nets/blocks.py", "nets/more.py"}
    assert read == {"util.py", *nets, "pack/__init__.py", "pack/deep.py", "pack/side.py"}
    assert not (tmp_path / "made").exists()


def test_imports_in_a_circle_end(tmp_path):
    script = write(tmp_path, train="import other\nx = y.cuda()", other="import train\nx = y.cuda()")
    assert len(scan(script)) == 2


def test_names_that_come_by_a_star_are_known(tmp_path):
    script = write(
        tmp_path, train="from utils import *\nx = np.int\n", utils="from more import *\n", more="import numpy as np\n"
    )
    assert [(finding.path.name, finding.shim) for finding in scan(script)] == [("train.py", "numpy-names")]


def test_a_file_beside_the_script_comes_before_a_package(tmp_path):
    script = write(tmp_path, train="import yaml\nyaml.load(f)\nimport collections", collections="x = y.cuda()\n")
    assert ("collections.py", "CUDA, whether there is any or not") in names(scan(script))


def test_at_most_so_many_files_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("d3wrap.compat.scanning.reading.MOST_FILES", 3)
    chain = {f"m{i}": f"import m{i + 1}\nx = y.cuda()\n" for i in range(9)}
    assert len(scan(write(tmp_path, train="import m0\nx = y.cuda()\n", **chain))) == 3


def test_a_file_too_large_to_be_a_script_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("d3wrap.compat.scanning.reading.MOST_BYTES", 10)
    assert found(tmp_path, "x = x.cuda()") == []


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("x = 1\nprint 'a'\n", "Python 2 (print 'a')", "2to3"),
        ("x = 1\nexec 'a'\n", "Python 2", "2to3"),
        ("try:\n  pass\nexcept IOError, e:\n  pass\n", "Python 2", "2to3"),
        ("x = 1\nx = x.cuda(async=True)\n", "async=", "non_blocking="),
        ("x = 1\nx = (\n", "does not parse", "correct your copy"),
        ("if x:\n\ty = 1\n        z = 2\n", "does not parse", "correct your copy"),
    ],
)
def test_a_file_that_does_not_parse_is_a_finding_with_its_line(tmp_path, text, says, remedy):
    script = write(tmp_path, train="import old\nx = y.cuda()\n")
    (tmp_path / "old.py").write_text(text)
    findings = scan(script)
    assert [finding.path.name for finding in findings] == ["train.py", "old.py"]
    assert says in findings[1].found
    assert findings[1].line >= 2
    assert findings[1].shim is None
    assert remedy in findings[1].remedy


def test_a_file_in_another_encoding_is_a_finding(tmp_path):
    script = write(tmp_path, train="import old\n")
    (tmp_path / "old.py").write_bytes("x = 'ü'\n".encode("latin-1"))
    (finding,) = scan(script)
    assert "does not parse" in finding.found


def test_no_such_script_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no file; give the Python script"):
        scan(tmp_path)
    with pytest.raises(ConfigError, match=r"nothing\.py is no file"):
        scan(str(tmp_path / "nothing.py"))


LOADER = (
    "from torch.utils import data\nfrom own.files import Data as D\nrows = D()\nx = data.DataLoader(rows, shuffle={})\n"
)


@pytest.mark.parametrize(
    ("text", "shuffle", "shims"),
    [
        ("class Data(object):\n    def __getitem__(self, i): return i\n", "True", ["loader"]),
        ("class Data:\n    pass\n", "True", ["loader"]),
        ("class Data:\n    pass\n", "False", []),
        ("class Data:\n    def __len__(self): return 3\n", "True", []),
        ("class Data(Base):\n    pass\n", "True", []),
        ("Data = 3\n", "True", []),
    ],
)
def test_a_loader_of_what_has_no_length_is_found(tmp_path, text, shuffle, shims):
    script = write(tmp_path, train=LOADER.format(shuffle), own__files=text)
    assert [finding.shim for finding in scan(script)] == shims


def test_a_class_of_the_same_file_is_known(tmp_path):
    text = "class Data:\n    pass\nx = torch.utils.data.DataLoader(Data(), shuffle=True)"
    assert [finding.shim for finding in found(tmp_path, text)] == ["loader"]


# --- imports ----------------------------------------------------------------------------------------------

MISSING = [
    (
        "import wandb_that_is_not_there as w\nw.init()",
        "module wandb_that_is_not_there",
        "the repository lacks wandb_that",
    ),
    ("import classifier_cls as c", "module classifier_cls", "never uses it: an empty classifier_cls.py"),
    ("from lacking_here import f", "module lacking_here", "the repository lacks lacking_here.py"),
    ("import nets.lacking", "module nets.lacking", "the repository lacks nets/lacking.py"),
    ("from nets.lacking import f", "module nets.lacking", "the repository lacks nets/lacking.py"),
    ("import cPickle", "module cPickle", "Python 2"),
    ("from sklearn.externals import joblib", "sklearn.externals.joblib", "pip install joblib"),
    ("def f():\n    import lacking_here", "module lacking_here (inside a function)", "the repository lacks"),
]


@pytest.mark.parametrize(("text", "says", "remedy"), MISSING, ids=lambda value: value[:30])
def test_an_import_of_what_is_not_there_is_found(tmp_path, text, says, remedy):
    write(tmp_path, nets__model="x = 1\n")
    (finding,) = found(tmp_path, text, head="")
    assert finding.found == says
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("sklearn", "pip install scikit-learn"), ("torchvision", "pip install torchvision"), ("imp", "no longer has")],
)
def test_a_package_that_is_not_installed_is_named_as_pip_does(tmp_path, monkeypatch, name, remedy):
    monkeypatch.setattr("d3wrap.compat.scanning.import_rules.is_installed", lambda top: top != name)
    (finding,) = found(tmp_path, f"import {name}\nfrom {name}.inner import x\n", head="")
    assert remedy in finding.remedy
    assert finding.lines == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import lacking_here\nexcept ImportError:\n    pass",
        "try:\n    import lacking_here\nexcept:\n    pass",
        "import os.path, sys, json\nfrom numpy import linalg",
        "from nets import model, value\nimport nets.model\nfrom nets.model import x",
        "from __future__ import print_function",
    ],
)
def test_imports_that_succeed_or_may_fail_are_not_reported(tmp_path, text):
    write(tmp_path, nets__model="x = 1\n", **{"nets/__init__": "value = 2\n"})
    assert found(tmp_path, text, head="") == []


def test_a_relative_import_of_nothing_is_found(tmp_path):
    script = write(tmp_path, train="from pack import a\n", pack__a="from .lacking import f\n")
    (finding,) = scan(script)
    assert finding.remedy == "the repository lacks pack/lacking.py"


# --- folders ----------------------------------------------------------------------------------------------

WRITING = [
    "open('logs/a.txt', 'w')",
    "open('logs/' + name, 'a')",
    "open('logs/%s.txt' % name, 'w')",
    "open('logs/{}.txt'.format(name), 'w')",
    "open(f'logs/{name}.txt', 'w')",
    "torch.save(x, './logs/a.pth')",
    "np.save('logs/a.npy', x)",
    "plt.savefig('logs/a.png')",
    "logger_name = './logs/%s/run_%d' % (opt.dataset, n)",
]


@pytest.mark.parametrize("text", WRITING)
def test_a_folder_that_nothing_makes_is_found(tmp_path, text):
    (finding,) = found(tmp_path, text)
    assert "logs/, a folder that nothing makes" in finding.found
    assert finding.remedy.startswith("mkdir -p ")
    (tmp_path / "logs").mkdir()
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.makedirs('logs')\nopen('logs/a.txt', 'w')",
        "open('logs/a.txt')",
        "open('a.txt', 'w')",
        "open(name, 'w')",
        "open(f'{name}/a', 'w')",
        "open('/nowhere/' + name, 'w')",
        "torch.save(x)",
        "output = './' + name",
        "data_file = 'inputs/a.mat'",
    ],
)
def test_files_written_elsewhere_are_not_reported(tmp_path, text):
    assert found(tmp_path, text) == []


def test_the_option_that_holds_an_authors_path_is_named(tmp_path):
    text = "parser.add_argument('--dataroot', default='/home/somebody/data', help='a')"
    (finding,) = found(tmp_path, text)
    assert finding.remedy == "give --dataroot a folder of yours"
