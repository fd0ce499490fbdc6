"""The folder a command writes into: a new one, or one it goes on in."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from d3wrap.cli.prepare import MARK
from d3wrap.comparison.identity import differences
from d3wrap.errors import ConfigError
from d3wrap.files import write_json


def new_name(command: str) -> Path:
    """Return the name of a new folder in ``runs/``."""
    return Path("runs") / f"{command}-{datetime.now():%Y%m%d-%H%M%S}"


def open_folder(out: Path, overwrite: bool, command: str, config: Mapping[str, Any]) -> bool:
    """Make the folder ``out`` for results, and tell whether an earlier run of the same configuration is there.

    ``run.json`` in it keeps command and configuration. Raises :class:`~d3wrap.errors.ConfigError` where ``out`` holds a
    run of another configuration, showing the difference, or what d3wrap did not write; ``overwrite`` removes an earlier
    run, and nothing else.
    """
    if out.is_dir() and any(out.iterdir()):
        stored = _stored(out)
        if overwrite:
            if stored is None:
                raise ConfigError(f"--out: {out} holds no {MARK}, so d3wrap did not write it and will not remove it")
            shutil.rmtree(out)
        elif stored is None:
            raise ConfigError(f"--out: {out} is not empty, and holds no run to go on with: choose another folder")
        else:
            _require_same(out, stored, command, config)
            return True
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MARK, {"what": command, "command": sys.argv, "config": dict(config)})
    return False


def stored_option(out: Path, name: str) -> Any:
    """Return an option's value in the configuration that ``out`` keeps, ``None`` where there is none."""
    config = (_stored(out) or {}).get("config")
    return config.get(name) if isinstance(config, dict) else None


def _stored(out: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((out / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        found = {}
    return found if isinstance(found, dict) else {}


def _require_same(out: Path, stored: Mapping[str, Any], command: str, config: Mapping[str, Any]) -> None:
    there = {"what": stored.get("what"), **(stored.get("config") or {})}
    if found := differences(there, {"what": command, **config}):
        raise ConfigError(
            f"--out: {out} is not empty, it holds a run with other settings: {found}. Choose another folder, give the "
            "same settings to go on, or add --overwrite to remove it"
        )


def as_json(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as JSON can hold them, of a setting its key and value, in an order that is always the same."""
    pairs = {name: {one.key: one.value for one in options[name]} for name in ("settings", "d3")}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    return dict(sorted((plain | pairs).items()))
