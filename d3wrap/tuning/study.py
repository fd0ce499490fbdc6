"""What Optuna does for a search: it suggests settings, says when to prune, and keeps the journal of trials."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from d3wrap.comparison.run import Arm
from d3wrap.errors import DataError, MissingExtraError
from d3wrap.seeds import derive
from d3wrap.tuning.space import Parameters, Space
from d3wrap.tuning.trial import Trial
from d3wrap.tuning.values import OneOf, Values

if TYPE_CHECKING:
    import optuna

STATES = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
"""What Optuna calls the states of a trial."""
ATTRIBUTE = "trial"
"""Where a trial of Optuna's keeps ours."""


class Study:
    """The trials of one arm, as an Optuna study in a journal that both arms share.

    The journal is a file of JSON lines, one for each trial that has ended; Optuna's own tools read it. Only one process
    may have it open for writing: the search holds the folder's lock. Raises :class:`~d3wrap.errors.MissingExtraError`
    without Optuna, :class:`~d3wrap.errors.DataError` for a journal that was not written so.
    """

    def __init__(self, path: Path, arm: Arm, space: Space, seed: int) -> None:
        self.path, self.arm, self.space, self.seed = path, arm, space, seed
        self._optuna = load_optuna()
        with _quiet(self._optuna), _journal_faults(path):
            storage = self._storage()
            known = self._optuna.get_all_study_names(storage)
            open_study = self._optuna.load_study if arm in known else self._optuna.create_study
            options = {} if arm in known else {"direction": "maximize"}
            self._study: optuna.Study = open_study(study_name=arm, storage=storage, **options)
            self.trials = self._read()
        self._distributions = {key: self._distribution(values) for key, values in space.items()}

    def suggest(self, number: int) -> Parameters:
        """Return the settings of a trial from those before it: the same for the same trials, seed and number."""
        memory = self._memory(self.trials[:number], number)
        with _quiet(self._optuna):
            asked = memory.ask(self._distributions)
        return {key: asked.params[key] for key in self.space}

    def prunes(self, number: int, reached: Sequence[float]) -> bool:
        """Tell whether a trial that has ``reached`` these from its first seeds is not worth the others.

        That is the rule of the median: its mean so far is below the median of earlier trials' means so far.
        """
        memory = self._memory(self.trials[:number], number)
        with _quiet(self._optuna):
            asked = memory.ask(self._distributions)
            asked.report(fmean(reached), len(reached) - 1)
            return bool(asked.should_prune())

    def add(self, trial: Trial) -> None:
        """Record a trial that has ended: one line, written whole or, where that is interrupted, cut off again."""
        with _quiet(self._optuna):
            self._study.add_trial(self._frozen(trial))
        self.trials.append(trial)

    def _storage(self) -> optuna.storages.JournalStorage:
        journal = self._optuna.storages.journal
        _repair(self.path)
        path = str(self.path.absolute())
        return self._optuna.storages.JournalStorage(
            journal.JournalFileBackend(path, lock_obj=journal.JournalFileOpenLock(path))
        )

    def _read(self) -> list[Trial]:
        trials = [Trial.from_dict(one.user_attrs[ATTRIBUTE]) for one in self._study.get_trials(deepcopy=False)]
        if [(trial.arm, trial.number) for trial in trials] != [(self.arm, n) for n in range(len(trials))]:
            raise ValueError("trials are missing or come twice")
        return trials

    def _memory(self, trials: Sequence[Trial], number: int) -> optuna.Study:
        """Return a study of these trials that nothing is written of, with the random stream of ``number``."""
        sampler = self._optuna.samplers.TPESampler(seed=derive(self.seed, f"trial {number}") % 2**32)
        with _quiet(self._optuna):
            study = self._optuna.create_study(
                direction="maximize", sampler=sampler, pruner=self._optuna.pruners.MedianPruner()
            )
            # Defaults that lie outside of the space are no help: Optuna cannot place them in it.
            study.add_trials([self._frozen(trial) for trial in trials if self._inside(trial)])
        return study

    def _inside(self, trial: Trial) -> bool:
        return all(values.holds(trial.parameters[key]) for key, values in self.space.items())

    def _frozen(self, trial: Trial) -> optuna.trial.FrozenTrial:
        inside = self._inside(trial)
        return self._optuna.trial.create_trial(
            state=getattr(self._optuna.trial.TrialState, STATES[trial.state]),
            value=trial.value,
            params=dict(trial.parameters) if inside else {},
            distributions=self._distributions if inside else {},
            intermediate_values=_running_means(list(trial.reached.values())),
            user_attrs={ATTRIBUTE: trial.as_dict()},
        )

    def _distribution(self, values: Values) -> optuna.distributions.BaseDistribution:
        distributions = self._optuna.distributions
        if isinstance(values, OneOf):
            return distributions.CategoricalDistribution(values.choices)
        if isinstance(values.low, int) and isinstance(values.high, int):
            return distributions.IntDistribution(values.low, values.high, log=values.log)
        return distributions.FloatDistribution(values.low, values.high, log=values.log)


def load_optuna() -> Any:
    """Import Optuna; raises :class:`~d3wrap.errors.MissingExtraError` where it is not installed."""
    try:
        import optuna
        import optuna.storages.journal
    except ImportError as error:
        raise MissingExtraError("optuna", "tune", "d3wrap tune") from error
    return optuna


def _running_means(values: Sequence[float]) -> Mapping[int, float]:
    return {step: fmean(values[: step + 1]) for step in range(len(values))}


def _repair(path: Path) -> None:
    """Remove what a process that was killed left: a line without its end, and Optuna's lock."""
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


@contextlib.contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from logging inside the block: what there is to say, the command says."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def _journal_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise DataError(
            f"{path}: not a journal as d3wrap tune writes it ({type(error).__name__}: {error}); remove it, and it is "
            "written again from the trials' own files, without training"
        ) from error
