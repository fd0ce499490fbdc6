"""Say in plain words what ``d3wrap run`` will do to the process."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from d3wrap.running.names import Name

if TYPE_CHECKING:
    from d3wrap.running.plan import Plan
    from d3wrap.running.run import RunOptions


def explain(options: RunOptions) -> str:
    """Return what a run with these options does, step by step; nothing is done."""
    steps = [
        *_running(options),
        *_attaching(options.plan),
        *_training(options),
        *_ending(options),
        "Afterwards sys.argv, sys.path, sys.modules['__main__'], the streams, the working directory and every hook are "
        "put back. No file of the script is edited, and nothing in the d3.yaml is executed: its lines are read by "
        "d3wrap, and may call only networks, tensors, and code in the script's own folder.",
    ]
    return "\n".join(f"{number}. {text}" for number, text in enumerate(steps, 1))


def _running(options: RunOptions) -> Iterator[str]:
    typed = shlex.join(["python", str(options.script), *options.arguments])
    yield (
        f"Runs `{typed}` in this process: the script is __main__, sys.argv is its own, sys.path[0] is its folder "
        f"{options.script.resolve().parent}, and the working directory stays."
    )
    if options.compat:
        yield f"Before that, switches these shims on for the time of the run: {', '.join(options.compat)}."
    yield "Puts one hook on the steps of all torch optimizers of the process, to see when the script begins to train."


def _attaching(plan: Plan) -> Iterator[str]:
    texts = ", ".join(dict.fromkeys(name.text for name in plan.names))
    yield (
        f"At the first optimizer step where all of these names are there, attaches D³: {texts}. They are looked up in "
        "the local names of the function that calls the step, of its callers, then in global names, and once; only the "
        "names under semantics: and real: are looked up again each time."
    )
    if plan.sample is not None:
        lines = "; ".join(line.text for line in plan.sample.lines)
        yield f"Generates by these lines, n rows of semantics at a time: {lines}"
    if isinstance(plan.generator, Name) and plan.sample is None:
        yield f"Generates by calling {plan.generator.text}, in the way that the script itself is seen to call it."
    yield "Reads the features, labels, class semantics and splits of the data named; test labels only at the end."


def _training(options: RunOptions) -> Iterator[str]:
    goes = ", ".join(name.text for name in options.plan.optimizer) or "the optimizer of the generator's parameters"
    if options.arm == "baseline":
        yield f"Pauses D³ at once: every step of {goes} is the script's own, bit for bit."
        return
    every = options.plan.attach.get("every", 1)
    which = "each step" if every == 1 else f"one in {every} steps"
    yield (
        "Trains a teacher and a student of its own, with random streams of its own: the script's random numbers stay "
        "what they were."
    )
    yield (f"Before {which} of {goes} adds D³'s gradient to the script's, and puts the script's back after the step.")


def _ending(options: RunOptions) -> Iterator[str]:
    if options.evaluate:
        yield (
            "When the script ends with exit code 0 (also by sys.exit(0)), trains classifiers on real features of seen "
            "and generated ones of unseen classes, measures them once on the test images, and prints the table to "
            "stderr. A script that ends by os._exit or is killed is not measured."
        )
    else:
        yield "Evaluates nothing."
    if options.against is not None:
        yield f"Prints the change from the earlier run in {options.against}."
    out = options.out
    yield f"Writes {out / 'run.json'} and {out / 'results.json'}." if out else "Writes no file."
    yield "Exits with the script's own code; with 1 where D³ could not be attached, trained or measured."
