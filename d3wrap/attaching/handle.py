"""The handle of an attachment: D³ for a generator whose training is somebody else's."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from d3wrap.attaching.isolation import isolated
from d3wrap.attaching.opening import Opened, beside, described, open_attachment
from d3wrap.attaching.options import Options
from d3wrap.attaching.report import AttachReport
from d3wrap.attaching.source import Source
from d3wrap.attaching.stepping import Gradients, Stepping, reached, trained
from d3wrap.attaching.watching import Watch
from d3wrap.batch import ClassifierStep
from d3wrap.data import GZSLDataset
from d3wrap.enhancer import Enhancer, Losses
from d3wrap.errors import ConfigError, D3WrapWarning
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.foreign import Recognised


class Handle:
    """D³ training attached to a script; what :func:`d3wrap.attach` returns.

    Nothing of the script is called before its optimizer first steps (or :meth:`on_batch` is first called). Then the
    way to sample is tried, the teacher trained, and :attr:`report` made. As a context manager it detaches at the end.
    """

    def __init__(
        self, source: Source, recognised: Recognised, optimizers: Sequence[Optimizer], options: Options
    ) -> None:
        self.dataset: GZSLDataset = recognised.dataset
        """The script's data as d3wrap reads them, on the device and of the type of its networks once D³ has started."""
        self.report: AttachReport | None = None
        """What was found out, once D³ has started."""
        self.steps = 0
        """D³ steps so far."""
        self._source, self._recognised, self._options = source, recognised, options
        self._optimizers = list(optimizers)
        self._opened: Opened | None = None
        self._enhancer: Enhancer | None = None
        self._state: Mapping[str, Tensor] | None = None
        self._ready: dict[Optimizer, Gradients] = {}
        self._seen = self._waited = self._works = 0
        self._paused = False
        self._stepping = Stepping(self._optimizers, self._gradients, share=self._share, scale=options.scale)
        self._watch = Watch(source.networks, source.table)  # last, since the line before may raise

    # --- what a script calls

    def on_batch(
        self, features: Tensor | None = None, labels: Tensor | None = None, *, semantics: Tensor | None = None
    ) -> Losses:
        """Train the student one step and return the named losses; add ``.total`` to the generator's loss.

        Shapes: real features ``[b, d]`` as the script scaled them, labels ``[b]`` in any convention, or the rows of
        ``semantics [b, k]`` they go with; without any, rows are drawn from the data. Paused, or in a step that is
        skipped, the total is 0. Raises :class:`~d3wrap.errors.ConfigError` where an optimizer carries D³ already.
        """
        if self._optimizers:
            raise ConfigError(
                "on_batch: this handle adds D³ when its optimizer steps, and would do so twice; give the batch with "
                "real=lambda: (features, labels), or attach without optimizer="
            )
        if self._paused or not self._due():
            return Losses({}, self.dataset.features.new_zeros(()))
        self._start(last_call=True)
        losses = self._losses(None if features is None else self._open.real.given(features, labels, semantics))
        return losses if self._options.scale == 1 else replace(losses, total=self._options.scale * losses.total)

    def on_generate(self, features: Tensor, labels: Tensor) -> Tensor:
        """Pass generated features through the plugins' ``on_generate`` hooks: ``[n, e]`` and class ids ``[n]``."""
        return self._enhance().on_generate(features, labels)

    def on_classifier_step(self, step: ClassifierStep) -> Tensor | None:
        """Return the weighted sum of the hooks' losses for one step of a classifier, ``None`` where there is none."""
        return self._enhance().on_classifier_step(step)

    def evaluate(self, **options: Any) -> Evaluation:
        """Measure the generator as it is now; see :func:`d3wrap.evaluation.evaluate_generator` for ``options``.

        Where D³ made no step it is measured without D³'s student, as the baseline of a comparison is. Raises
        :class:`~d3wrap.errors.DataError` where the data have no test images.
        """
        self._recognised.require_test()
        if self._optimizers and not self._seen and not self._paused:
            warnings.warn(
                f"D³ did nothing: {described(self._optimizers)} made no step since it was attached. Was it replaced, "
                "copied or loaded anew? Attach after that",
                D3WrapWarning,
                stacklevel=2,
            )
        self._start(last_call=True)
        if not self.steps:
            self._show()
        enhancer = self._enhance() if self.steps else None
        options = {"embedding_dim": self._options.settings.embedding_dim} | options
        with self._undisturbed():
            return evaluate_generator(
                self._open.sampler, self.dataset, seed=self._options.seed, enhancer=enhancer, **options
            )

    def pause(self) -> None:
        """Leave the script alone until :meth:`resume`: its numbers are then those it has by itself, bit for bit."""
        self._paused = True
        self._ready.clear()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._paused = False

    def detach(self) -> None:
        """Take every hook away; the script's objects are as they would be without d3wrap, but for what they learned."""
        self.pause()
        self._watch.stop()
        self._stepping.stop()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of teacher, student and objectives, and the number of steps, by name."""
        return self._enhance().state_dict() | {"steps": torch.tensor([self.steps, self._seen])}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state_dict` returned, without training a teacher; it may be called before D³ starts.

        Raises :class:`~d3wrap.errors.ShapeError` where it was made with other settings or data, then or at the start.
        """
        if "steps" not in state:
            raise ConfigError("load_state_dict: there are no 'steps' in it; give what a handle's state_dict() returned")
        self._state = {name: value for name, value in state.items() if name != "steps"}
        self.steps, self._seen = state["steps"].tolist()
        if self._enhancer is not None:
            self._enhancer.load_state_dict(self._state)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()

    # --- what the optimizers' hooks call

    def _gradients(self, optimizer: Optimizer) -> Gradients | None:
        """Return D³'s gradients for a step of one optimizer: a D³ step serves each attached optimizer once."""
        if self._paused or not trained(optimizer):
            return None
        if optimizer not in self._ready:
            groups = {one: trained(one) for one in self._optimizers}
            found: Gradients = {}
            if self._due() and self._start(last_call=self._waited > 0):
                total = self._losses(None).total
                if total.requires_grad:
                    found = reached(total, list(dict.fromkeys(p for group in groups.values() for p in group)))
            self._ready = {one: {p: found[p] for p in group if p in found} for one, group in groups.items() if group}
        return self._ready.pop(optimizer)

    def _share(self) -> float:
        return self._enhance().settings.gradient_share or 0.0

    def _due(self) -> bool:
        """Count a step of the script and tell whether D³ takes part in it."""
        self._seen += 1
        return self._options.due(self._seen - 1)

    def _losses(self, batch: tuple[Tensor, Tensor] | None) -> Losses:
        enhancer, began = self._enhance(), time.perf_counter()
        device = self.dataset.features.device
        with self._undisturbed():
            for _ in range(self._options.inner_steps):
                losses = enhancer.on_batch(*(batch or self._open.real.draw()))
        self.steps += 1
        if self.report is None:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            self._show(time.perf_counter() - began)
        return losses

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Compute with gradients and in the type of the data, whatever the script runs under; unwatched.

        The script's random streams stay where they are, whatever is imported or drawn by plugins.
        """
        device = self.dataset.features.device
        self._works += 1
        self._watch.ignoring = True
        try:
            with (
                isolated(self._options.seed, f"attach/{self._works}", device, move_buffers=True),
                torch.enable_grad(),
                torch.autocast(device.type, enabled=False),
            ):
                yield
        finally:
            self._watch.ignoring = False

    # --- the first use

    def _start(self, *, last_call: bool) -> bool:
        """Make the sampler at the first use; tell whether there is one, for a call of the script may still be missing.

        On the ``last_call`` a missing one is an error.
        """
        if self._opened is not None:
            return True
        self._waited += 1
        found = self._source.find(self._watch, last_call=last_call)
        if found is None:
            return False
        parameters = self._parameters()
        self.dataset = beside(self.dataset, self._source.networks, parameters)
        with self._undisturbed():
            self._opened = open_attachment(
                self._source, *found, self._recognised, self.dataset, self._watch, self._optimizers, parameters,
                self._options,
            )  # fmt: skip
        self._watch.stop()
        return True

    @property
    def _open(self) -> Opened:
        assert self._opened is not None
        return self._opened

    def _enhance(self) -> Enhancer:
        """Return the enhancer, with its teacher trained."""
        self._start(last_call=True)
        if self._enhancer is None:
            options = self._options
            with self._undisturbed():
                enhancer = Enhancer(
                    self._open.sampler, self.dataset, options.settings, seed=options.seed, plugins=options.plugins
                )
                if self._state is None:
                    enhancer.prepare()
                else:
                    enhancer.load_state_dict(self._state)
            self._enhancer = enhancer
        return self._enhancer

    def _parameters(self) -> list[nn.Parameter] | None:
        """Return the parameters that D³ is to train; ``None`` for whatever the features depend on."""
        if not self._optimizers:
            return None if self._options.parameters is None else list(self._options.parameters)
        return list(dict.fromkeys(p for optimizer in self._optimizers for p in trained(optimizer)))

    def _show(self, step_seconds: float = float("nan")) -> None:
        """Make the report, with what a step cost where one was made, and show it once."""
        if self.report is None:
            self.report = replace(self._open.report, step_seconds=step_seconds)
            if self._options.show is not None:
                self._options.show(self.report)
