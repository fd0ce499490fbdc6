"""The settings of D³ training: the formulation, its corrections one by one, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from d3wrap.errors import ConfigError

Formulation = Literal["released", "corrected"]
Relation = Literal["classes", "groups", "gram"]
TeacherKind = Literal["ood", "vlm"]

GRADIENT_SHARE = 0.1
"""``gradient_share`` of the corrected formulation for a generator that says nothing else."""


@dataclass(frozen=True)
class D3Settings:
    """How teacher, student and generator are trained by D³.

    ``formulation`` chooses the value of every correction below that is left at ``None``: ``corrected`` switches
    them all on, ``released`` all off, as in the authors' code. Setting one by hand ablates it.
    """

    formulation: Formulation = "corrected"

    # The corrections, each a switch.
    scaled_similarity: bool | None = None
    """Pair logits α(cos − β) instead of (cos + 1) / 2, which cannot say "different"."""
    class_balanced: bool | None = None
    """Same-group and different-group pairs count half each, instead of by their number."""
    single_softmax: bool | None = None
    """One softmax with temperature τ in L_kl, instead of softmax of softmax."""
    standardised_score: bool | None = None
    """Standardise the teacher's score on training rows before κ = σ(·)."""
    single_softmax_code: bool | None = None
    """h̃ = [κ, 1−κ] instead of its softmax."""
    guarded_code: bool | None = None
    """Fit κ's w and b to tell seen from unseen, instead of by the loss whose target they define."""
    student_code: Literal["head", "mass"] | None = None
    """ĥ from a learned head (released) or from the student's own seen/unseen probability mass (corrected)."""
    relation: Relation | None = None
    """What O²DBD relates: equal classes (released), equal groups seen/unseen (corrected), or two Gram matrices."""
    gradient_share: float | None = None
    """Norm of the D³ gradient on the generator as a share of the generator's own; 0 leaves the plain weighted sum.

    ``None``: 0 as released; corrected, what suits the generator, 0.1 where it does not say. It makes the generator's
    weights relative to each other.
    """

    # The numbers in the corrected terms.
    alpha: float = 10.0
    """Scale α of a pair logit."""
    beta: float = 0.5
    """Cosine β at which a pair logit is zero."""
    temperature: float = 2.0
    """Temperature τ of L_kl."""

    # Weights, by objective (``id2sd``) or by term (``id2sd/labels``); a term's own weight goes first.
    student_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the terms in the student's loss; what is not named weighs 1 (corrected) or 1e-4 (released)."""
    generator_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the terms in the generator's loss, likewise; corrected, ``classify`` weighs 0 unless it is named.

    The student learns from the very features the generator makes of unseen classes, so a generator that follows the
    student's classification confirms itself, and drifts from the real features of these classes.
    """
    classifier_weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the terms in the loss of the final classifiers, likewise; corrected, ``id2sd`` and ``o2dbd`` weigh 0
    unless they are named.

    There real features are seen and generated ones unseen throughout, so telling the two apart pulls real images of
    unseen classes to the seen side.
    """

    # Generated batch.
    generated_per_class: int = 5
    """Generated features per unseen class and step."""
    max_unseen_classes: int = 50
    """Unseen classes per step; more are drawn at random, a fresh choice each step."""

    # Networks and their optimizers.
    embedding_dim: int = 512
    """Width e of the teacher's and the student's embedding."""
    teacher: TeacherKind = "ood"
    """``ood``: trained on the seen classes to tell what is out of distribution; ``vlm``: a vision–language model."""
    teacher_temperature: float = 0.07
    """Temperature τ of a vision–language teacher's logits."""
    teacher_epochs: int = 30
    teacher_batch_size: int = 128
    teacher_lr: float = 1e-4
    student_lr: float = 1e-4

    def __post_init__(self) -> None:
        choices = {
            "formulation": ("released", "corrected"),
            "student_code": ("head", "mass", None),
            "relation": ("classes", "groups", "gram", None),
            "teacher": ("ood", "vlm"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name}: expected one of {allowed}, found {getattr(self, name)!r}")
        for name in ("alpha", "temperature", "teacher_temperature", "teacher_lr", "student_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a number above 0, found {getattr(self, name)!r}")
        if not math.isfinite(self.beta):
            raise ConfigError(f"beta: expected a finite number, found {self.beta!r}")
        for name in ("generated_per_class", "max_unseen_classes", "embedding_dim", "teacher_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)!r}")
        if self.gradient_share is not None and not 0 <= self.gradient_share < math.inf:
            raise ConfigError(f"gradient_share: expected 0 or more, found {self.gradient_share!r}")
        if self.teacher_epochs < 0:
            raise ConfigError(f"teacher_epochs: expected 0 or more, found {self.teacher_epochs!r}")
        for name in ("student_weights", "generator_weights", "classifier_weights"):
            for term, weight in getattr(self, name).items():
                if not 0 <= weight < math.inf:
                    raise ConfigError(f"{name}: expected weights of 0 or more, found {weight!r} for {term!r}")

    def resolved(self, gradient_share: float = GRADIENT_SHARE) -> D3Settings:
        """Return the settings with every ``None`` replaced by what ``formulation`` stands for.

        Corrected, ``gradient_share`` is what suits the generator; see
        :attr:`d3wrap.generator.Backbone.gradient_share`.
        """
        corrected = self.formulation == "corrected"
        meant: dict[str, object] = {
            f.name: corrected for f in fields(self) if f.type == "bool | None" and getattr(self, f.name) is None
        }
        if self.student_code is None:
            meant["student_code"] = "mass" if corrected else "head"
        if self.relation is None:
            meant["relation"] = "groups" if corrected else "classes"
        if self.gradient_share is None:
            meant["gradient_share"] = gradient_share if corrected else 0.0
        return replace(self, **meant)  # type: ignore[arg-type]

    def student_weight(self, term: str) -> float:
        """Return the weight of ``objective/term`` in the student's loss."""
        return self._weight(term, self.student_weights)

    def generator_weight(self, term: str) -> float:
        """Return the weight of ``objective/term`` in the generator's loss."""
        return self._weight(term, self.generator_weights, {"classify"})

    def classifier_weight(self, term: str) -> float:
        """Return the weight of ``objective/term`` in the loss of a final classifier."""
        return self._weight(term, self.classifier_weights, {"id2sd", "o2dbd"})

    @property
    def weighted(self) -> set[str]:
        """Return the objectives that a weight names, themselves or a term of theirs."""
        weights = (self.student_weights, self.generator_weights, self.classifier_weights)
        return {name.partition("/")[0] for named in weights for name in named}

    def _weight(self, term: str, weights: Mapping[str, float], left_out: Set[str] = frozenset()) -> float:
        objective = term.partition("/")[0]
        corrected = self.formulation == "corrected"
        usual = (0.0 if objective in left_out else 1.0) if corrected else 1e-4
        return weights.get(term, weights.get(objective, usual))
