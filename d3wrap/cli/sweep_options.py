"""Options of a comparison over several datasets and training shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from d3wrap.cli.config_option import configurable
from d3wrap.cli.file_type import FileType
from d3wrap.cli.file_values import value_at
from d3wrap.cli.options import grouped, source_options
from d3wrap.config import ConfigDocument, read_text
from d3wrap.config.document import Keys
from d3wrap.config.scalars import describe
from d3wrap.errors import did_you_mean

KEYS = (
    "data", "features", "split", "semantics", "teacher_features", "text_features", "scale", "train_fraction",
    "fraction_seed", "preset", "set",
)  # fmt: skip
"""What an entry of ``datasets`` may say; each means what the option of that name means for this dataset alone."""


@dataclass(frozen=True)
class DatasetEntry:
    """One entry of ``datasets``: values by name of the parameter they stand for, and where the entry was given."""

    values: Mapping[str, Any]
    where: str = field(default="", compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return the values as JSON holds them, the same for the same entry."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in self.values.items()}
        if "settings" in plain:
            plain["settings"] = {one.key: one.value for one in plain["settings"]}
        return dict(sorted(plain.items()))


class DatasetType(FileType):
    """``digits`` or ``data/FLO``, or a mapping of :data:`KEYS`: ``{data: data/FLO, features: mbv2}``."""

    name = "data | {data: …}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DatasetEntry:
        """Return the entry that a word of the command line means."""
        if isinstance(value, DatasetEntry):
            return value
        text = str(value).strip()
        if not text.startswith("{") or ctx is None:
            return DatasetEntry({"source": text}, f"--datasets {text}")
        document = read_text(text, f"--datasets {text}")
        return self._entry(document, document.values, (), ctx, f"--datasets {text}")

    def read(
        self, document: ConfigDocument, value: Any, keys: Keys, parameter: click.Parameter, context: click.Context
    ) -> DatasetEntry:
        """Return the entry that stands in a file."""
        if isinstance(value, dict):
            return self._entry(document, value, keys, context, document.where(*keys))
        if not isinstance(value, str):
            raise document.error(f"expected a dataset, as text or {{data: …}}, found {describe(value)}", *keys)
        return DatasetEntry({"source": value}, document.where(*keys))

    def _entry(
        self, document: ConfigDocument, mapping: Mapping[str, Any], keys: Keys, context: click.Context, where: str
    ) -> DatasetEntry:
        known, values = configurable(context.command), {}
        for key, value in mapping.items():
            name = key.replace("-", "_")
            if name not in KEYS:
                raise document.error(f"unknown key of a dataset{did_you_mean(name, KEYS)}", *keys, key)
            parameter = known[name]
            if str(parameter.name) in values:
                raise document.error(f"already given as {name!r}", *keys, key)
            found = value_at(document, (*keys, key), value, parameter, context)
            values[str(parameter.name)] = tuple(found) if isinstance(found, list) else found
        if "source" not in values:
            wanted = "expected the key 'data': a name or a folder"
            raise document.error(wanted, *keys) if keys else click.BadParameter(f"{where}: {wanted}")
        return DatasetEntry(values, where)


class Fractions(FileType):
    """``0.1,0.3`` means these two, as does a list of numbers in a file."""

    name = "a,b,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the numbers, each once."""
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(dict.fromkeys(float(part) for part in str(value).split(",") if part.strip()))
        except ValueError:
            found = ()
        if not found:
            self.fail(f"expected a number, or numbers with commas, found {value!r}", param, ctx)
        return found

    def read(
        self, document: ConfigDocument, value: Any, keys: Keys, parameter: click.Parameter, context: click.Context
    ) -> tuple[float, ...]:
        """Return the numbers that stand in a file."""
        items = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else [value]
        try:
            return self.convert(",".join(str(item) for item in items), parameter, context)
        except click.BadParameter as error:
            expected = f"expected a number or a list of numbers, found {describe(value)}"
            raise document.error(expected, *keys) from error


sweep_options = grouped(
    source_options,
    click.option(
        "--datasets",
        type=DatasetType(),
        multiple=True,
        help="Several datasets instead of --data, one for each time it is given; in a file a list. Each is a name or "
        "folder, or '{data: FOLDER, features: …, preset: …, set: {steps: 500}}'; see docs/sweeps.md.",
    ),
    click.option(
        "--train-fraction",
        type=Fractions(),
        default="1.0",
        show_default=True,
        help="Train on this share of each seen class's images, e.g. 0.1 or 0.3; with commas on each of several.",
    ),
    click.option(
        "--fraction-seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Which images --train-fraction keeps; the same for every seed of a comparison.",
    ),
)
