"""Training on a GPU goes on from a checkpoint too, with its random streams where they were."""

from __future__ import annotations

import pytest
import torch

import d3wrap
from d3wrap.checkpoints import Checkpoints
from d3wrap.comparison.compare import make_jobs
from d3wrap.comparison.job import run_job
from d3wrap.comparison.run import Plan
from d3wrap.executors import make_executor
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.training.loop import fit

pytestmark = pytest.mark.gpu
PLUGINS = load_plugins(environ={})


class Killed(BaseException):
    """Nothing that training catches."""


def trained(folder, last=None):
    dataset = d3wrap.synthetic(6, 2, 7, 4, 10).to("cuda")
    settings = {"hidden": 8, "decoder_hidden": 8, "decoder_steps": 3}
    backbone = d3wrap.build_generator("tfvaegan", dataset, settings=settings, plugins=PLUGINS)
    enhancer = d3wrap.Enhancer(backbone, dataset, D3Settings(embedding_dim=8, teacher_epochs=1), plugins=PLUGINS)

    def log(record):
        if record.step == last:
            raise Killed

    checkpoints = Checkpoints(folder / "checkpoints", 0, {}, folder / "journal")
    fit(
        backbone, dataset, steps=5, batch_size=8, seed=0, enhancer=enhancer, log_every=1, on_log=log,
        checkpoints=checkpoints,
    )  # fmt: skip
    return {**backbone.state_dict(), **enhancer.state_dict()}


def test_it_goes_on_where_it_was(tmp_path):
    expected = trained(tmp_path / "whole")
    for last in (2, 5, 7):
        with pytest.raises(Killed):
            trained(tmp_path / "killed", last)
    found = trained(tmp_path / "killed")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_several_runs_share_one_device(tmp_path):
    settings = {"steps": 4, "hidden": 8, "synthetic_per_class": 5}
    source = {"source": "synthetic:classes=6,unseen=2,dim=8,samples=20"}
    d3 = D3Settings(embedding_dim=8, teacher_epochs=1)
    plan = Plan("clswgan", settings=settings, d3=d3, source=source, classifiers=("softmax",))
    jobs = make_jobs([plan], [0], tmp_path, plugins=PLUGINS.names, device="cuda:0", threads=1)
    ended = list(make_executor("local", 2, folder=tmp_path).run(run_job, jobs))
    assert [one.fault for one in ended] == [None, None]
