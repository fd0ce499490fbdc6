"""The enhancer: it owns teacher, student and objectives, and gives their gradient to a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.batch import ClassifierStep, D3Batch
from d3wrap.checkpoints.state import load_module_state, load_optimizer_state, module_state, optimizer_state
from d3wrap.config import apply_overrides
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, PluginError, ShapeError
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.generator import Backbone, Generator, generate_for
from d3wrap.manager import Plugins, load_plugins
from d3wrap.networks import Student
from d3wrap.seeds import initialising, stream
from d3wrap.settings import GRADIENT_SHARE, D3Settings
from d3wrap.space import classifier_space, encode
from d3wrap.specs import ObjectiveContext
from d3wrap.training.buffers import restored_buffers
from d3wrap.training.log import Record
from d3wrap.training.loop import fit
from d3wrap.training.optimizer import adam
from d3wrap.training.precision import Precision
from d3wrap.training.progress import watching
from d3wrap.training.teacher import AnyTeacher, new_teacher, train_teacher
from d3wrap.weights import check_names, named_terms, weighted_sum
from d3wrap.wrap import Adapted


@dataclass(frozen=True)
class Losses:
    """What :meth:`Enhancer.on_batch` gives back.

    ``terms`` are the named scalar losses, detached, by ``objective/term``. ``total`` is the generator's weighted
    sum: its backward pass reaches the generator and nothing else, the student has had its step already.
    """

    terms: Mapping[str, Tensor]
    total: Tensor


class Enhancer:
    """D³ training for one generator on one dataset, on the dataset's device and in its dtype.

    Teacher and student work in the space of the classifier: on the dataset's features, or on what the generator's
    ``encode`` makes of them; :attr:`space` is the dataset there, once :meth:`prepare` is done.
    It draws from random streams of its own, derived from ``seed``, and moves no buffer of the generator, so that a run
    whose objectives are all blocked, or all weigh 0 for the generator, equals the plain baseline bit for bit.
    ``plugins`` are those to take objectives and hooks from; by default all that are installed and allowed by
    ``D3WRAP_PLUGINS``.
    """

    def __init__(
        self,
        generator: Generator,
        dataset: GZSLDataset,
        settings: D3Settings | None = None,
        *,
        seed: int = 0,
        plugins: Plugins | None = None,
    ) -> None:
        self.generator = generator
        self.dataset = dataset
        self.settings = (settings or D3Settings()).resolved(getattr(generator, "gradient_share", GRADIENT_SHARE))
        self.seed = seed
        self.plugins = plugins if plugins is not None else load_plugins()
        self._prepared = False

    def prepare(self) -> None:
        """Train the teacher, make the student, build the objectives and freeze the hooks; once."""
        if not self._prepared:
            self.space = classifier_space(self.generator, self.dataset)
            self._assemble(train_teacher(self.space, self.settings, self.seed, source=self.dataset))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights of teacher, student and objectives, by name."""
        self.prepare()
        return self._networks.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_dict` returned, without training a teacher.

        Raises :class:`~d3wrap.errors.ShapeError` where it was made with other settings, data or objectives.
        """
        if not self._prepared:
            self.space = classifier_space(self.generator, self.dataset)
            self._assemble(self._untrained_teacher())
        try:
            self._networks.load_state_dict(dict(state))
        except RuntimeError as error:
            raise ShapeError(f"this enhancer state is of other settings, data or objectives: {error}") from error

    def training_state(self) -> dict[str, Any]:
        """Return everything that training moves, once prepared: networks, their Adam, and random streams.

        An objective that is no ``nn.Module`` and keeps something between steps has it stored where it has the methods
        ``state_dict`` and ``load_state_dict``.
        """
        return {
            "networks": {name: module_state(network) for name, network in self._networks.items()},
            "objectives": {name: one.state_dict() for name, one in self._keeping.items()},
            "optimizer": optimizer_state(self._optimizer),
            "classes": self._classes.get_state(),
            "noise": self._noise.get_state(),
            "calls": self._calls,
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Put back what :meth:`training_state` returned, without training a teacher."""
        if not self._prepared:
            self.space = classifier_space(self.generator, self.dataset)
            teacher = self._untrained_teacher()
            # Before anything is built on it: objectives look at the trained teacher.
            load_module_state(teacher, state["networks"]["teacher"])
            self._assemble(teacher)
        for name, network in self._networks.items():
            load_module_state(network, state["networks"][name])
        for name, one in self._keeping.items():
            one.load_state_dict(state["objectives"][name])
        load_optimizer_state(self._optimizer, state["optimizer"])
        self._classes.set_state(state["classes"])
        self._noise.set_state(state["noise"])
        self._calls = state["calls"]

    def _untrained_teacher(self) -> AnyTeacher:
        return new_teacher(self.space, self.settings, self.seed, source=self.dataset).eval().requires_grad_(False)

    def _assemble(self, teacher: AnyTeacher) -> None:
        dataset, settings, seed = self.space, self.settings, self.seed
        self.teacher = teacher
        with initialising(seed, "student"):
            student = Student(dataset.feature_dim, settings.embedding_dim, dataset.num_classes)
        self.student = student.to(dataset.features)
        with torch.no_grad():
            logits = torch.cat([teacher(part).logits for part in dataset.train_features.split(4096)])
        context = ObjectiveContext(settings, dataset, teacher, self.student, logits)
        specs = {n: s for n, s in self.plugins.objectives.items() if not s.optional or n in settings.weighted}
        with initialising(seed, "objectives"):
            objectives = {name: spec.build(context) for name, spec in specs.items()}
        self._on_generate = self.plugins.freeze("on_generate", objectives)
        self._on_batch = self.plugins.freeze("on_batch", objectives)
        self._on_classifier_step = self.plugins.freeze("on_classifier_step", objectives)
        known = [f"{name}/{term}" for name, spec in specs.items() for term in spec.terms]
        known += [*self._on_batch.plugins, *self._on_classifier_step.plugins]
        check_names(settings.student_weights, known, "student_weights")
        check_names(settings.generator_weights, known, "generator_weights")
        check_names(settings.classifier_weights, known, "classifier_weights")
        # Module names know no dots, and an objective may be called student.
        modules = {f"objective:{k.replace('.', ':')}": o for k, o in objectives.items() if isinstance(o, nn.Module)}
        self._networks = nn.ModuleDict({"teacher": teacher, "student": self.student, **modules})
        self._keeping: dict[str, Any] = {
            name: one
            for name, one in objectives.items()
            if not isinstance(one, nn.Module) and hasattr(one, "state_dict") and hasattr(one, "load_state_dict")
        }
        self._learned = [p for p in self._networks.parameters() if p.requires_grad]
        self._optimizer = adam(self._learned, lr=settings.student_lr)
        self._classes = stream(seed, "d3/classes", dataset.features.device)
        self._noise = stream(seed, "d3/noise", dataset.features.device)
        self._calls = 0
        self._prepared = True

    def fit(
        self,
        *,
        steps: int | None = None,
        batch_size: int | None = None,
        precision: Precision = "exact",
        log_every: int = 50,
        on_log: Callable[[Record], None] | None = None,
    ) -> Enhancer:
        """Train the generator with D³ in the host loop and return the enhancer; see :func:`d3wrap.training.loop.fit`.

        ``steps`` and ``batch_size`` are by default the generator's own settings; a terminal shows a progress bar.
        Raises :class:`~d3wrap.errors.PluginError` for a generator that cannot train itself.
        """
        backbone = self.generator
        if not isinstance(backbone, Backbone):
            raise PluginError(
                f"{type(backbone).__name__} cannot train itself: wrap its network with d3wrap.adapt(...), or call "
                "on_batch in its own training loop"
            )
        steps = backbone.settings.steps if steps is None else steps
        with watching(f"{backbone.name} with D³") as show:
            fit(
                backbone,
                self.dataset,
                steps=steps,
                batch_size=backbone.settings.batch_size if batch_size is None else batch_size,
                seed=self.seed,
                enhancer=self,
                precision=precision,
                log_every=log_every,
                on_log=on_log or show,
            )
        return self

    def evaluate(self, **options: Any) -> Evaluation:
        """Measure the generator and the student; see :func:`d3wrap.evaluation.evaluate_generator`."""
        self.prepare()
        if isinstance(self.generator, Backbone):
            options = {"synthetic_per_class": self.generator.settings.synthetic_per_class} | options
        return evaluate_generator(self.generator, self.dataset, seed=self.seed, enhancer=self, **options)

    def on_generate(self, features: Tensor, labels: Tensor) -> Tensor:
        """Pass features the generator produced for classes ``labels`` through the plugins' ``on_generate`` hooks.

        Shapes: ``[n, e]``, in the space of the classifier, and ``[n]`` → ``[n, e]``.
        """
        self.prepare()
        return self._on_generate.chain(features, labels=labels, semantics=self.dataset.semantics[labels])

    def on_batch(self, features: Tensor, labels: Tensor) -> Losses:
        """Train the student one step on a real batch and on generated unseen features, and return the losses.

        Add ``.total`` to the generator's loss. Shapes: features ``[b, d]`` as in the dataset, labels ``[b]`` class ids.
        Raises :class:`~d3wrap.errors.ShapeError` where there is not one label for each row.
        """
        if labels.shape != features.shape[:1]:
            raise ShapeError(
                f"on_batch: features have shape {tuple(features.shape)}, labels {tuple(labels.shape)}: expected a "
                "class id for each row"
            )
        self.prepare()
        if not self._on_batch.plugins:
            return Losses({}, features.new_zeros(()))
        unseen_labels = self._draw_unseen()
        generated = self.on_generate(self._generate(unseen_labels), unseen_labels)
        # The losses are differentiated down to the features; from there on the generator's graph goes its own way.
        leaf = generated.detach().requires_grad_()
        batch = self.observe(encode(self.generator, features), labels, leaf, unseen_labels)
        terms = named_terms(self._on_batch(batch=batch))
        on_features = self._step_student(terms, leaf)
        shown = {name: value.detach() for name, value in terms.items()}
        if on_features is None:
            return Losses(shown, generated.new_zeros(()))
        value, gradient = on_features
        carrier = (generated * gradient).sum()
        return Losses(shown, value.detach() + carrier - carrier.detach())

    def on_classifier_step(self, step: ClassifierStep) -> Tensor | None:
        """Return the weighted sum of the hooks' losses for one step of a classifier, ``None`` where there is none."""
        self.prepare()
        terms = named_terms(self._on_classifier_step(step=step))
        return weighted_sum(terms, self.settings.classifier_weight)

    def observe(self, real: Tensor, labels: Tensor, generated: Tensor, generated_labels: Tensor) -> D3Batch:
        """Show teacher and student a batch in the space of the classifier: real ``[b, e]`` first, then generated."""
        if real.shape[1:] != generated.shape[1:]:
            raise ShapeError(
                f"real features have shape {tuple(real.shape)}, generated ones {tuple(generated.shape)}: "
                "the widths must agree"
            )
        features = torch.cat([real, generated])
        return D3Batch(
            features=features,
            labels=torch.cat([labels, generated_labels]),
            num_real=real.shape[0],
            teacher=self.teacher(features),
            student=self.student(features),
            seen=self.dataset.seen,
            unseen=self.dataset.unseen,
        )

    def add_gradients(self, own: Sequence[Tensor], losses: Losses, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        """Return the generator's ``own`` gradients plus those of ``losses.total``.

        With ``gradient_share`` s the D³ gradient is first scaled to norm s·‖own‖, over all ``parameters`` together.
        """
        if not losses.total.requires_grad:
            return list(own)
        extra = torch.autograd.grad(losses.total, parameters, allow_unused=True, materialize_grads=True)
        share = self.settings.gradient_share
        if not share:
            return [a + b for a, b in zip(own, extra, strict=True)]
        scale = share * nn.utils.get_total_norm(own) / nn.utils.get_total_norm(extra).clamp(min=1e-12)
        return [a + scale * b for a, b in zip(own, extra, strict=True)]

    def _generate(self, labels: Tensor) -> Tensor:
        """Call the generator without a trace in it or in torch's global streams, where dropout draws."""
        self._calls += 1
        with initialising(self.seed, f"d3/{self._calls}", labels.device), restored_buffers(self.generator):
            return generate_for(self.generator, self.dataset.semantics, labels, self._noise)

    def _draw_unseen(self) -> Tensor:
        unseen, most = self.dataset.unseen, self.settings.max_unseen_classes
        if len(unseen) > most:
            unseen = unseen[torch.randperm(len(unseen), generator=self._classes, device=unseen.device)[:most]]
        return unseen.repeat_interleave(self.settings.generated_per_class)

    def _step_student(self, terms: Mapping[str, Tensor], leaf: Tensor) -> tuple[Tensor, Tensor] | None:
        """Step the student; return the generator's total and its gradient on the generated features."""
        settings = self.settings
        student = weighted_sum(terms, settings.student_weight)
        generator = weighted_sum(terms, settings.generator_weight)
        gradient = None
        if generator is not None and generator.requires_grad:
            (gradient,) = torch.autograd.grad(generator, leaf, retain_graph=True, allow_unused=True)
        if student is not None and student.requires_grad:
            gradients = torch.autograd.grad(student, self._learned, allow_unused=True)
            for parameter, value in zip(self._learned, gradients, strict=True):
                parameter.grad = value
            self._optimizer.step()
            self._optimizer.zero_grad()
        return None if generator is None or gradient is None else (generator, gradient)


def enhance(
    generator: Generator | Adapted,
    dataset: GZSLDataset,
    *,
    seed: int = 0,
    plugins: Plugins | None = None,
    **settings: Any,
) -> Enhancer:
    """Give D³ training to a generator.

    ``generator`` is what :func:`d3wrap.adapt` or :func:`d3wrap.build_generator` returns, or one's own; ``settings`` are
    fields of :class:`~d3wrap.settings.D3Settings`, e.g. ``formulation="released"``. Raises
    :class:`~d3wrap.errors.ConfigError` for one that is unknown or out of range, and
    :class:`~d3wrap.errors.ShapeError` where an adapted network does not fit the dataset.
    """
    if not isinstance(generator, Generator):
        if not hasattr(generator, "bind"):
            raise ConfigError(
                f"enhance: a {type(generator).__name__} does not generate features from semantics: give "
                "d3wrap.adapt(network, noise_dim=...), d3wrap.build_generator(...), or an object with generate() and "
                "parameters()"
            )
        with initialising(seed, "generator"):
            generator = generator.bind(dataset)
        generator.to(dataset.features)
    chosen = apply_overrides(D3Settings(), settings, "enhance")
    return Enhancer(generator, dataset, chosen, seed=seed, plugins=plugins)
