"""``results.json`` of ``d3wrap run``: what was run, and what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d3wrap.comparison.manifest import manifest
from d3wrap.evaluation.arms import Evaluation
from d3wrap.files import sha256_of, write_json
from d3wrap.running.environment import installed

if TYPE_CHECKING:
    from d3wrap.running.run import RunOptions

SCHEMA = "d3wrap.script/1"


def record(
    options: RunOptions, handle: Any, evaluation: Evaluation | None, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return what ``results.json`` holds.

    That is what :func:`d3wrap.comparison.manifest.manifest` describes, the script with its SHA-256, recipe and shims,
    the steps with D³, seconds, and the metrics (null without an evaluation).
    """
    described = manifest(
        config=options.plan.written,
        seed=int(options.plan.attach.get("seed", 0)),
        arm=options.arm,
        dataset=handle.dataset,
        precision="exact",
        command=options.command,
    )
    if (flow := installed("FrEIA")) is not None:
        described["versions"]["FrEIA"] = flow
    return {
        "schema": SCHEMA,
        **described,
        "script": {
            "path": str(options.script.resolve()),
            "sha256": sha256_of(options.script),
            "arguments": list(options.arguments),
        },
        "recipe": options.recipe,
        "compat": list(options.compat),
        "d3_steps": handle.steps,
        "seconds": dict(seconds),
        "test_used_for_selection": False,
        "metrics": None if evaluation is None else {name: one.as_dict() for name, one in evaluation.items()},
    }


def write_record(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write ``results.json`` into a folder, whole or not at all, and return its path."""
    path = folder / "results.json"
    write_json(path, dict(content))
    return path
