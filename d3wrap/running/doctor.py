"""Run a script up to the step where D³ would begin, and say whether it fits, or what to write so that it does."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d3wrap.config import ConfigDocument, parse_value
from d3wrap.errors import D3WrapError
from d3wrap.foreign import Recognised
from d3wrap.running.candidates import Candidate, Data, called_candidates, calls_in_words, find_data
from d3wrap.running.guesses import guessed_candidates
from d3wrap.running.own_code import OwnCode
from d3wrap.running.plan import Plan, read_plan
from d3wrap.running.proposal import Proposal, propose
from d3wrap.running.script import Outcome, as_main, execute, show
from d3wrap.running.session import Session
from d3wrap.running.stopping import Deadline, Stop
from d3wrap.running.survey import Survey, View

AT_ONCE: Mapping[str, Any] = {"start_step": 0, "every": 1, "inner_steps": 1}
"""Changes of a plan under the doctor: D³ begins at the first step, so that the script need not run on."""

NEVER = "D³ was attached, but its optimizer made no step after that: is it the one that trains the generator?"


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found: ``lines`` to print, whether D³ can be attached, and the d3.yaml it proposes, if any."""

    lines: Sequence[str]
    attachable: bool
    proposal: Proposal | None = None


class Doctor:
    """Examines one script; ``plan`` is None where the doctor is to propose one.

    Nothing of the script's is trained: it is stopped before the first step of the attached optimizer is made. What it
    prints goes to stderr.
    """

    def __init__(self, script: Path, arguments: Sequence[str], plan: Plan | None, seconds: float = 60.0) -> None:
        self.script, self.arguments, self.plan, self.seconds = script, arguments, plan, seconds
        self.own = OwnCode(script)
        self.told: list[str] = []
        self.report: object = None
        self.proposal: Proposal | None = None
        self._data: Data | None = None
        self._found = False
        self._session: contextlib.ExitStack = contextlib.ExitStack()
        self._attempt: Session | None = None
        self._deadline = Deadline(seconds)
        self._cache: dict[int, tuple[object, Recognised]] = {}

    def examine(self) -> Diagnosis:
        """Run the script, and say what was found."""
        errors = sys.stderr
        with as_main(self.script, self.arguments) as module, contextlib.redirect_stdout(errors), self._session:
            self.main = vars(module)
            if self.plan is not None:
                self._attach(self.plan)
                return execute_and(self._after, self.script, module)
            with Survey(self.own, self.main, self._enough, self.seconds) as self.survey:
                return execute_and(self._after, self.script, module)

    def _attach(self, plan: Plan) -> None:
        quick = replace(plan, attach={**plan.attach, **AT_ONCE}, d3={**plan.d3, "teacher_epochs": 0})
        self._attempt = Session(quick, self.own, self.main, tell=self.told.append, report=self._stop)
        self._session.enter_context(self._attempt)
        self._session.enter_context(self._deadline)

    def _stop(self, report: object) -> None:
        self.report = report
        raise Stop

    def _enough(self, view: View, settle: bool, late: bool) -> None:
        """Propose a plan once the generator's optimizer steps, and go on with it; give up when it is late."""
        best = self._best(view, settle or late)
        if best is not None and best.complete and (best.steps_here or late):
            self.survey.active = False
            plan = read_plan([as_document(self._propose(view, best).text)])
            self._attach(plan)
            assert self._attempt is not None
            self._attempt.begin(view.stepping, sys._getframe(1))
        elif late or (best is not None and best.steps_here):
            self._deadline.passed = late  # else its network is known, and what else it is called with will not be
            raise Stop

    def _best(self, view: View, settle: bool) -> Candidate | None:
        """Return the likeliest way to generate; one that is not certain only when it is time to settle."""
        self._data = find_data(view, self._cache)
        if self._data is None or self._data.recognised is None:
            return None
        called = called_candidates(view, self._data, self.own)
        certain = [one for one in called if one.certain]
        here = [one for one in certain if one.steps_here] or certain
        if here or not settle:
            return here[0] if here else None
        uncertain = [*guessed_candidates(view, self._data, self.own), *called]
        complete = [one for one in uncertain if one.complete] or uncertain
        here = [one for one in complete if one.steps_here] or complete
        return here[0] if here else None

    def _propose(self, view: View, best: Candidate | None) -> Proposal:
        self._found = best is not None
        self.proposal = propose(self.script, view, self._data, best, self.own)
        return self.proposal

    def _after(self, outcome: Outcome) -> Diagnosis:
        stopped = isinstance(outcome.error, Stop)
        lines = list(self.told)
        if self.report is not None:
            return Diagnosis([*lines, str(self.report)], True, self.proposal)
        fault = outcome.error if isinstance(outcome.error, D3WrapError) else None
        fault = fault or (self._attempt.fault if self._attempt is not None else None)
        if fault is not None:
            lines.append(f"Error: {fault}")
        elif outcome.error is not None and not stopped:
            show(outcome.error, sys.stderr)
            lines.append(f"the script failed before D³ could be attached: {_described(outcome.error)}")
        elif outcome.code and not stopped:
            lines.append(f"the script ended with exit code {outcome.code} before D³ could be attached")
        if self._attempt is not None and fault is None:
            lines.append(self._unused() if self._attempt.handle is not None else self._attempt.not_attached())
        elif self._attempt is None:
            lines += self._seen()
        if self._deadline.passed:
            lines.append(f"looked for {self.seconds:g} s after the first optimizer step; --seconds looks longer")
        failed = bool(outcome.code) and not stopped and fault is None
        if failed and not self._found:
            self.proposal = None  # the script did not come far enough to say what to fill in
        return Diagnosis(lines, False, self.proposal)

    def _unused(self) -> str:
        """Say why an attachment was not used: the script may train something else first."""
        return (
            f"D³ was attached, and its optimizer has not stepped in {self.seconds:g} s"
            if self._deadline.passed
            else NEVER
        )

    def _seen(self) -> list[str]:
        """Say what the survey saw, and propose what can be."""
        view = self.survey.last
        if view is None:
            return ["no optimizer of torch made a step in this process: there was nothing to see"]
        self._propose(view, self._best(view, settle=True))
        calls = [f"  {line}" for line in calls_in_words(view, self._data)]
        return [*view.inventory().lines(), "Calls seen:", *(calls or ["  none"])]


def execute_and(after: Any, script: Path, module: Any) -> Diagnosis:
    """Run the script and return what ``after`` makes of how it ended."""
    made: list[Diagnosis] = []

    def finish(outcome: Outcome) -> Outcome:
        made.append(after(outcome))
        return outcome

    execute(script, module, sys.stderr, finish)
    return made[0]


def as_document(text: str) -> ConfigDocument:
    """Return the text of a proposal as a document to read a plan from; every line is line 1."""
    values = parse_value(text)
    lines: dict[tuple[str | int, ...], int] = {}

    def walk(value: Any, keys: tuple[str | int, ...]) -> None:
        lines[keys] = 1
        children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            walk(child, (*keys, key))

    walk(values, ())
    return ConfigDocument("proposal", values, lines, {})


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
