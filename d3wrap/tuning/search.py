"""The search: both arms try as many settings each, the defaults first, and everything is kept as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d3wrap.comparison.job import Job
from d3wrap.comparison.run import Arm, Plan
from d3wrap.errors import ConfigError, DataError, TrainingError
from d3wrap.executors.executor import Executor
from d3wrap.files import atomic_path, write_json
from d3wrap.tuning.attempt import FAILED, Outcome, attempt, ended, outcome
from d3wrap.tuning.space import ARMS, Parameters, Space, of_arm, with_parameters
from d3wrap.tuning.study import Study
from d3wrap.tuning.trial import State, Trial

JOURNAL = "journal.jsonl"
TRIALS = "trials.jsonl"

OnTrial = Callable[[Trial, bool], None]
"""Told of each trial that has ended, and whether it had before."""
Watch = Callable[[Sequence[Job]], AbstractContextManager[None]]
"""Called with the jobs of a round; shows how far they are."""


@dataclass(frozen=True)
class Budget:
    """What each arm may spend: ``trials``, the defaults among them, from each of ``seeds``.

    After ``timeout`` seconds of training and measuring, those of both arms together, no further pair of trials is
    begun. ``prune`` ends trials after some of their seeds where the mean so far is below the median of earlier ones.
    """

    trials: int = 20
    seeds: Sequence[int] = (0, 1)
    timeout: float | None = None
    prune: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1 or not self.seeds or (self.timeout is not None and self.timeout <= 0):
            raise ConfigError(
                f"budget: expected 1 trial or more, a seed and seconds above 0, found {self.trials} trials, seeds "
                f"{list(self.seeds)} and {self.timeout} s"
            )


@dataclass(frozen=True)
class Tuning:
    """What is searched: the plan of the defaults, the space, its seed, the budget, and further fields of the jobs."""

    plan: Plan
    defaults: Mapping[str, Any]
    """What each key of the space is before it is searched."""
    space: Space
    budget: Budget
    seed: int = 0
    job: Mapping[str, Any] = field(default_factory=dict)
    """Device, dtype, threads, … of :class:`~d3wrap.comparison.job.Job`."""


def search(
    tuning: Tuning,
    folder: Path,
    executor: Executor,
    *,
    on_trial: OnTrial = lambda trial, before: None,
    watch: Watch = lambda jobs: nullcontext(),
) -> dict[Arm, list[Trial]]:
    """Do the trials that are not done yet, and return all of them by arm; ``trials.jsonl`` has them too.

    Trials come in pairs, one of each arm, so that both arms have had the same number whenever the search ends. What a
    trial tries follows from those before it and the seed alone: a search that is killed and begun again ends as one
    that is not, whatever ``executor`` does its trainings. Only one process may search in a folder. Raises
    :class:`~d3wrap.errors.TrainingError` where the defaults cannot be trained or a process died,
    :class:`~d3wrap.errors.ConfigError` where the folder has more trials than the budget.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in [*folder.glob(".*.tmp"), *folder.glob("trials/*/*/.*.tmp")]:
        left.unlink(missing_ok=True)
    studies = {arm: Study(folder / JOURNAL, arm, of_arm(tuning.space, arm), tuning.seed) for arm in ARMS}
    _check_budget(studies, tuning.budget, folder)
    for number in range(max(len(study.trials) for study in studies.values())):
        for study in studies.values():
            if number < len(study.trials):
                on_trial(study.trials[number], True)
    for number in range(tuning.budget.trials):
        if number and _spent(studies, number) >= (tuning.budget.timeout or float("inf")):
            break
        for trial in _Round(tuning, studies, number, folder).run(executor, watch):
            studies[trial.arm].add(trial)
            _write_trials(folder / TRIALS, studies)
            on_trial(trial, False)
    _write_trials(folder / TRIALS, studies)
    return {arm: study.trials for arm, study in studies.items()}


class _Round:
    """The trials of one number: one of each arm that has not had it yet."""

    def __init__(self, tuning: Tuning, studies: Mapping[Arm, Study], number: int, folder: Path) -> None:
        self.tuning, self.number = tuning, number
        self.studies = {arm: study for arm, study in studies.items() if len(study.trials) == number}
        self.folders = {arm: folder / "trials" / arm / str(number) for arm in self.studies}
        self.parameters = {arm: self._parameters(arm) for arm in self.studies}

    def run(self, executor: Executor, watch: Watch) -> Iterator[Trial]:
        """Do the trials and yield them, the baseline's first."""
        seeds = tuple(self.tuning.budget.seeds)
        known = {arm: self._same(arm) for arm in self.studies}
        waiting = [arm for arm in self.studies if known[arm] is None]
        reached: dict[Arm, dict[int, Outcome]] = {arm: {} for arm in waiting}
        pruned: set[Arm] = set()
        for stage in [(seed,) for seed in seeds] if self.tuning.budget.prune else [seeds]:
            under_way = [arm for arm in waiting if arm not in pruned and not _fault(reached[arm])]
            for job, found in self._attempt([(arm, seed) for arm in under_way for seed in stage], executor, watch):
                reached[job.arm][job.seed] = found
            if stage[-1] != seeds[-1]:
                pruned |= {arm for arm in under_way if self._prunes(arm, reached[arm])}
        for arm in self.studies:
            yield known[arm] or self._trial(arm, reached[arm], arm in pruned)

    def _parameters(self, arm: Arm) -> Parameters:
        """Return what to try: what was tried when the search was stopped, or what the study says, which is kept."""
        path = self.folders[arm] / "parameters.json"
        study = self.studies[arm]
        if path.exists():
            return _read_parameters(path, study.space)
        found = study.suggest(self.number) if self.number else {key: self.tuning.defaults[key] for key in study.space}
        write_json(path, dict(found))
        return found

    def _same(self, arm: Arm) -> Trial | None:
        """Return an earlier trial of the same settings as this one: training again would give the same."""
        for trial in self.studies[arm].trials:
            if trial.parameters == self.parameters[arm]:
                return replace(trial, number=self.number, seconds=0.0)
        return None

    def _attempt(
        self, wanted: Sequence[tuple[Arm, int]], executor: Executor, watch: Watch
    ) -> Iterator[tuple[Job, Outcome]]:
        """Yield what the attempts came to, those done before too, in the order of ``wanted``."""
        jobs = [self._job(arm, seed) for arm, seed in wanted]
        waiting = [job for job in jobs if not ended(job.folder)]
        # The enhanced arm takes longer, and the last one is waited for.
        with watch(waiting), closing(executor.run(attempt, waiting[::-1])) as running:
            for one in running:
                if one.fault is not None:
                    raise TrainingError(
                        f"{one.item.label}, trial {self.number}: {one.fault}; the same command goes on from there"
                    )
        for job in jobs:
            found = outcome(job.folder)
            if found is None:
                raise DataError(f"{job.folder}: nothing can be seen from here; the folder must be on a shared disk")
            if found.fault is not None and self.number == 0:
                for other in jobs:  # tried again, once what is wrong with them is mended
                    (other.folder / FAILED).unlink(missing_ok=True)
                raise TrainingError(f"{job.label}: the defaults cannot be trained: {found.fault}")
            yield job, found

    def _job(self, arm: Arm, seed: int) -> Job:
        plan = self.tuning.plan
        if self.number:
            plan = with_parameters(plan, self.parameters[arm])
        return Job(plan, arm, seed, self.folders[arm] / f"seed-{seed}", **self.tuning.job)

    def _prunes(self, arm: Arm, found: Mapping[int, Outcome]) -> bool:
        values = [one.reached for one in found.values() if one.reached is not None]
        return not _fault(found) and self.studies[arm].prunes(self.number, values)

    def _trial(self, arm: Arm, found: Mapping[int, Outcome], pruned: bool) -> Trial:
        fault = _fault(found)
        state: State = "failed" if fault else "pruned" if pruned else "finished"
        return Trial(
            arm=arm,
            number=self.number,
            parameters=self.parameters[arm],
            state=state,
            reached={seed: one.reached for seed, one in found.items() if one.reached is not None},
            seconds=sum(one.seconds for one in found.values()),
            fault=fault,
        )


def _fault(found: Mapping[int, Outcome]) -> str | None:
    return next((one.fault for one in found.values() if one.fault is not None), None)


def _spent(studies: Mapping[Arm, Study], number: int) -> float:
    """Return the seconds of the trials before ``number``; none where this pair has begun, for it is finished then."""
    if any(len(study.trials) > number for study in studies.values()):
        return 0.0
    return sum(trial.seconds for study in studies.values() for trial in study.trials)


def _check_budget(studies: Mapping[Arm, Study], budget: Budget, folder: Path) -> None:
    most = max(len(study.trials) for study in studies.values())
    if most > budget.trials:
        raise ConfigError(
            f"--trials: {folder} holds {most} trials of an arm, more than {budget.trials}; give {most} or more, or "
            "another folder"
        )


def _read_parameters(path: Path, space: Space) -> Parameters:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}; remove it") from error
    if not isinstance(found, dict) or set(found) != set(space):
        raise DataError(f"{path}: expected values of {', '.join(space)}, found {found!r}; remove it")
    return found


def _write_trials(path: Path, studies: Mapping[Arm, Study]) -> None:
    """Write all trials, pair by pair, one JSON object a line."""
    trials = sorted((trial for study in studies.values() for trial in study.trials), key=lambda one: one.number)
    with atomic_path(path) as temporary:
        lines = (json.dumps(trial.as_dict(), ensure_ascii=False, allow_nan=False) + "\n" for trial in trials)
        temporary.write_text("".join(lines), encoding="utf-8")
