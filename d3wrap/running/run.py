"""Run a script with D³ attached, evaluate what it trained, and keep the result."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from d3wrap.errors import D3WrapError
from d3wrap.running.against import comparison, read_record
from d3wrap.running.own_code import OwnCode
from d3wrap.running.plan import Plan
from d3wrap.running.record import record, write_record
from d3wrap.running.script import Outcome, as_main, execute, show
from d3wrap.running.session import Arm, Session

FAILED = 1


@dataclass(frozen=True)
class RunOptions:
    """What ``d3wrap run`` was asked to do; ``command`` is the command line, for the record.

    ``out`` is an absolute folder that exists, or None; ``against`` one with an earlier run's results. ``shims`` is
    entered before the script and left after the evaluation; what it yields are the names of the shims in place.
    """

    script: Path
    arguments: Sequence[str]
    plan: Plan
    arm: Arm = "enhanced"
    evaluate: bool = True
    out: Path | None = None
    against: Path | None = None
    command: Sequence[str] = ()
    recipe: str | None = None
    compat: Sequence[str] = ()
    debug: bool = False
    shims: Callable[[], AbstractContextManager[Any]] = field(default=contextlib.nullcontext)


def run(options: RunOptions) -> int:
    """Run the script as asked and return the exit code.

    The script's own, unless it is 0: then 1 where D³ could not be attached or evaluated. Everything that d3wrap says
    goes to ``stderr`` as it is now, whatever the script does to it.
    """
    errors = sys.stderr

    def tell(text: str) -> None:
        print(f"d3wrap: {text}", file=errors, flush=True)

    own = OwnCode(options.script)
    with options.shims() as active, as_main(options.script, options.arguments) as module:
        if active:
            tell(f"shims: {', '.join(active)}")
        session = Session(
            options.plan,
            own,
            vars(module),
            arm=options.arm,
            tell=tell,
            report=lambda made: print(made, file=errors, flush=True),
        )
        with session:
            started = time.perf_counter()

            def finish(outcome: Outcome) -> Outcome:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                seconds = time.perf_counter() - started
                return _Ending(options, session, tell, errors, seconds).after(outcome)

            return execute(options.script, module, errors, finish).code


@dataclass(frozen=True)
class _Ending:
    """What is done when the script has ended."""

    options: RunOptions
    session: Session
    tell: Callable[[str], None]
    errors: TextIO
    seconds: float

    def after(self, outcome: Outcome) -> Outcome:
        fault = outcome.error if isinstance(outcome.error, D3WrapError) else self.session.fault
        if isinstance(fault, D3WrapError):
            return self.failed(fault, outcome)
        if outcome.error is not None:
            show(outcome.error, self.errors)
        if outcome.code:
            self.tell(f"the script ended with exit code {outcome.code}: nothing was evaluated")
            return outcome
        handle = self.session.handle
        if handle is None:
            self.tell(self.session.not_attached())
            return Outcome(FAILED)
        try:
            return self.evaluated(handle)
        except D3WrapError as error:
            return self.failed(error, outcome)

    def failed(self, fault: D3WrapError, outcome: Outcome) -> Outcome:
        """Print what d3wrap could not do, and the line of the script where it was."""
        if self.options.debug:
            show(fault, self.errors)
        print(f"Error: {fault}", file=self.errors)
        if (line := _script_line(fault, self.session.own)) is not None:
            print(f"  at {line}", file=self.errors)
        return Outcome(outcome.code or FAILED)

    def evaluated(self, handle: Any) -> Outcome:
        options = self.options
        if self.session.arm == "enhanced" and not handle.steps:
            self.tell("D³ made no step: the attached optimizer made none after it was attached")
        started = time.perf_counter()
        evaluation = handle.evaluate(**options.plan.evaluate) if options.evaluate else None
        spent = {"script": self.seconds, "evaluation": time.perf_counter() - started}
        if evaluation is not None:
            self.tell(f"{_headline(options, handle)}\n{evaluation}")
        made = record(options, handle, evaluation, spent)
        if options.against is not None and evaluation is not None:
            self.tell(f"beside the earlier run in {options.against}:\n{comparison(read_record(options.against), made)}")
        if options.out is not None:
            self.tell(f"wrote {write_record(options.out, made)}")
        return Outcome(0)


def _headline(options: RunOptions, handle: Any) -> str:
    with_d3 = f"{handle.steps} steps with D³" if options.arm == "enhanced" else "D³ paused throughout"
    name = getattr(handle.dataset, "name", "")
    return (
        f"{options.script.name}, arm {options.arm} ({with_d3}), measured once on the test images of "
        f"{name or 'the data attached'} as the script left its generator"
    )


def _script_line(error: BaseException, own: OwnCode) -> str | None:
    """Return the innermost line of the script on an error's way, as ``FILE:LINE, in FUNCTION``."""
    line, place = None, error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        if own.is_own(code.co_filename):
            line = f"{code.co_filename}:{place.tb_lineno}, in {code.co_name}"
        place = place.tb_next
    return line
