"""Write losses, settings, results and generated pictures of runs for TensorBoard, into each run's own folder."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from d3wrap import hookimpl
from d3wrap.comparison.results import CALIBRATED, DIAGNOSTICS, METRICS, RunResult
from d3wrap.errors import MissingExtraError
from d3wrap.loggers import LoggedRun
from d3wrap.training.log import Record

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FILES = "events.out.tfevents.*"
"""Names that TensorBoard gives its files."""


class TensorBoard:
    """Writes event files of runs; raises :class:`~d3wrap.errors.MissingExtraError` where tensorboard is not installed.

    A run that goes on is written anew from its first log point, so that no point comes twice and none is missing.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard", "--log-to tensorboard") from error
        self._kind = SummaryWriter
        self._writers: dict[Path, SummaryWriter] = {}

    @hookimpl
    def on_run_start(self, run: LoggedRun) -> None:
        """Begin the event file of a run, without what an earlier attempt wrote, and write its manifest as text."""
        for path in run.folder.glob(FILES):
            path.unlink()
        # Told to purge from step 0, a TensorBoard that looks on forgets the points of the files that are gone.
        writer = self._writers[run.folder] = self._kind(str(run.folder), purge_step=0)
        manifest = json.dumps(run.manifest, indent=2, ensure_ascii=False)
        writer.add_text("manifest", f"```\n{manifest}\n```", 0, walltime=_began(run))
        writer.flush()

    @hookimpl
    def on_log(self, run: LoggedRun, record: Record) -> None:
        """Write the losses of a log point, each under its own name, ``plugin/term``."""
        writer = self._writers[run.folder]
        for name, value in record.losses.items():
            # Seconds of training, so that time is right after a break, too.
            writer.add_scalar(name, value, record.step, walltime=_began(run) + record.seconds)
        writer.flush()

    @hookimpl
    def on_run_end(self, run: LoggedRun, results: Sequence[RunResult]) -> None:
        """Write pictures, then settings beside what each classifier reached, where the run was measured."""
        with self._writers.pop(run.folder) as writer:
            if not results:
                return
            for name, picture in _pictures(run.folder / "artefacts.json"):
                writer.add_image(f"pictures, real above generated/{name}", picture, results[0].steps, dataformats="HW")
            reached = {f"{one.classifier}/{name}": value for one in results for name, value in _numbers(one)}
            writer.add_hparams(dict(_settings(run.manifest)), reached, run_name=".", global_step=results[0].steps)


def _began(run: LoggedRun) -> float:
    return datetime.fromisoformat(run.manifest["created"]).timestamp()


def _numbers(result: RunResult) -> Iterator[tuple[str, float]]:
    stored = dataclasses.asdict(result)
    yield from ((name, stored[name]) for name in (*METRICS, *DIAGNOSTICS, *CALIBRATED) if stored[name] is not None)


def _settings(manifest: Mapping[str, Any]) -> Iterator[tuple[str, float | str]]:
    """Yield arm, seed and every setting of a run by its dotted name; nothing that is not set."""
    config: dict[str, Any] = manifest["config"]
    for name, value in _leaves({"arm": manifest["arm"], "seed": manifest["seed"], **config}):
        if value is not None:
            # SummaryWriter takes true and false for numbers.
            plain = isinstance(value, float | int | str) and not isinstance(value, bool)
            yield name, value if plain else json.dumps(value)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value


def _pictures(path: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield for each unseen class its name and a sheet ``[2·height, n·width]``, dark on white, where there are any."""
    artefacts = json.loads(path.read_text(encoding="utf-8"))
    pictures = artefacts["pictures"]
    if pictures is None:
        return
    for label, real in pictures["real"].items():
        rows = [_row(real, pictures["shape"]), _row(pictures["generated"][label], pictures["shape"])]
        width = max(row.shape[1] for row in rows)
        sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows])
        yield artefacts["classes"][label]["name"], 255 - sheet


def _row(stored: str, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return stored pictures side by side, ``[height, n·width]``."""
    levels = np.frombuffer(base64.b64decode(stored), np.uint8).reshape(-1, *shape)
    return np.concatenate(list(levels), axis=1)
