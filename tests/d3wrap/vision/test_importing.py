"""Libraries are imported beside a torchvision that does not fit, and what is missing is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from d3wrap.errors import ConfigError, MissingExtraError
from d3wrap.vision.importing import import_extra, mend_torchvision

# What torchvision does as it is imported, its compiled operators having failed to load.
TORCHVISION = """
import torch
from torchvision import early

@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, threshold):
    return scores

@torch.library.register_fake("torchvision::qnms")
def qnms(dets, scores, threshold):
    return scores

whole = True
"""


def test_a_torchvision_without_its_operators_is_mended(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(TORCHVISION)
    (package / "early.py").write_text("")
    (tmp_path / "eye.py").write_text("import torchvision\nsees = torchvision.whole\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    import torchvision\n    print('no fault')\n"
        "except RuntimeError as error:\n    print('operator' in str(error))\n"
        "for name in ('torchvision', 'torchvision.early'):\n    sys.modules.pop(name, None)\n"
        "from d3wrap.vision.importing import import_extra\n"
        "print(import_extra('eye', 'eye', 'eye', 'seeing').sees, sys.modules['torchvision'].whole)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr


def test_what_is_not_installed_is_said():
    with pytest.raises(MissingExtraError, match=r"seeing needs Eye, which is not installed: pip install 'd3wrap\[x\]'"):
        import_extra("d3wrap_has_no_such_module", "Eye", "x", "seeing")


def test_what_is_installed_and_broken_is_said(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_eye.py").write_text("raise ImportError('no retina')\n")
    with pytest.raises(ConfigError, match=r"Eye, which is installed but cannot be imported \(no retina\)"):
        import_extra("broken_eye", "Eye", "x", "seeing")


@pytest.mark.parametrize("fault", ["operator torchvision::nms is odd", "something else"])
def test_other_faults_of_torchvision_are_not_hidden(tmp_path, monkeypatch, fault):
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchvision.py").write_text(f"raise RuntimeError({fault!r})\n")
    monkeypatch.setattr("d3wrap.vision.importing.torch.library.Library.define", lambda *_: None)
    with pytest.raises(RuntimeError, match=fault):
        mend_torchvision()
