"""Tell plugins how a run goes, from what its folder holds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import torch

from d3wrap.checkpoints.state import global_streams, set_global_streams
from d3wrap.comparison.results import RunResult
from d3wrap.errors import PluginError
from d3wrap.loggers import RUN_HOOKS, LoggedRun, load_loggers
from d3wrap.manager import Plugins
from d3wrap.training.log import Record


class RunLoggers:
    """The loggers of one run, and the plugins that implement a hook of runs; none of them moves a random stream.

    Use it as a context: where the block raises, the run has ended without results. Losses are told as ``metrics.jsonl``
    holds them. After a kill that is from the first line on, to loggers that start anew, so that none comes twice and
    none is missing, wherever the run goes on. Raises what :func:`~d3wrap.loggers.load_loggers` does, and
    :class:`~d3wrap.errors.PluginError` that names the plugin where one raises.
    """

    def __init__(self, folder: Path, plugins: Plugins, names: Iterable[str], device: torch.device) -> None:
        loggers = load_loggers(names)
        self._hooks = {hook: plugins.freeze(hook, loggers) for hook in RUN_HOOKS}
        self._wanted = any(hook.plugins for hook in self._hooks.values())
        self._folder, self._device = folder, device
        self._run: LoggedRun | None = None
        self._told = 0

    def __enter__(self) -> RunLoggers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            # Of two errors the first one counts.
            with contextlib.suppress(PluginError):
                self._end(())

    def start(self) -> None:
        """Tell that the run starts, or starts again; its manifest is written."""
        if self._wanted:
            manifest = json.loads((self._folder / "manifest.json").read_text(encoding="utf-8"))
            self._run, self._told = LoggedRun(self._folder, manifest), 0
            self._call("on_run_start")

    def follow(self) -> None:
        """Tell what is new in ``metrics.jsonl``."""
        path = self._folder / "metrics.jsonl"
        if self._run is None or not path.exists():
            return
        with path.open("rb") as stream:
            stream.seek(self._told)
            lines = stream.readlines()
            self._told = stream.tell()
        for line in lines:
            stored = json.loads(line)
            losses = MappingProxyType(stored["losses"])
            self._call("on_log", record=Record(stored["step"], losses, stored["seconds"], stored["total"]))

    def end(self, results: Sequence[RunResult]) -> None:
        """Tell that the run ends; ``results`` is empty where nothing was measured."""
        self.follow()
        if self._run is not None:
            self._end(results)

    def _end(self, results: Sequence[RunResult]) -> None:
        try:
            self._call("on_run_end", results=tuple(results))
        finally:
            self._run = None

    def _call(self, hook: str, **arguments: Any) -> None:
        streams = global_streams(self._device)
        try:
            self._hooks[hook](run=self._run, **arguments)
        finally:
            set_global_streams(streams, self._device)
