"""Read a script and what it imports, and say what current versions and this machine lack."""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

from d3wrap.compat.scanning import cuda_rules, import_rules, loader_rules, name_rules, path_rules, torch_rules
from d3wrap.compat.scanning.finding import Finding, Hit, grouped
from d3wrap.compat.scanning.source import Source
from d3wrap.errors import ConfigError

MOST_FILES = 200
MOST_BYTES = 2_000_000
"""How much is read: files in all, and bytes of one."""


def scan(script: Path | str) -> list[Finding]:
    """Return what a script and the modules beside it use that old versions had, or that is not on this machine.

    Files are parsed, never run: the script, and what it imports from its own folder. One finding stands for all places
    of a kind in a file. A file that does not parse, e.g. of Python 2, is a finding with its line.

    Raises :class:`~d3wrap.errors.ConfigError` where there is no such file.
    """
    script = Path(script)
    if not script.is_file():
        raise ConfigError(f"script: {script} is no file; give the Python script you train with")
    folder = script.parent
    sources, findings = read_all(script, folder)
    share_stars(sources, folder)
    share_classes(sources, folder)
    quiet = path_rules.makes_folders(sources.values())
    for path, source in sources.items():
        findings[path] = grouped(path, hits(source, folder, quiet=quiet))
    return [finding for listed in findings.values() for finding in listed]


def hits(source: Source, folder: Path, *, quiet: bool) -> Iterator[Hit]:
    """Yield what every rule finds in a file; with ``quiet``, nothing of folders."""
    yield from import_rules.imports(source, folder)
    rules = (*torch_rules.RULES, *loader_rules.RULES, *name_rules.RULES, path_rules.elsewhere, path_rules.started)
    for rule in (cuda_rules.cuda, *rules):
        yield from rule(source)
    if not quiet:
        yield from path_rules.folders(source, folder)


def read_all(script: Path, folder: Path) -> tuple[dict[Path, Source], dict[Path, list[Finding]]]:
    """Return the script and every file of its folder it imports, parsed, and findings for those that do not parse."""
    sources: dict[Path, Source] = {}
    findings: dict[Path, list[Finding]] = {}
    waiting = [script]
    while waiting and len(findings) < MOST_FILES:
        path = waiting.pop(0)
        if path in findings:
            continue
        findings[path] = []
        try:
            source = read(path)
        except (SyntaxError, ValueError) as error:
            findings[path] = grouped(path, [unreadable(path, error)])
            continue
        if source is not None:
            sources[path] = source
            waiting += import_rules.followed(source, folder)
    return sources, findings


def read(path: Path) -> Source | None:
    """Return a parsed file, None for one too large to be a script. Raises SyntaxError or ValueError."""
    if path.stat().st_size > MOST_BYTES:
        return None
    with tokenize.open(path) as file:
        text = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Source(path, ast.parse(text, filename=str(path)))


def unreadable(path: Path, error: SyntaxError | ValueError) -> Hit:
    """Return what to say of a file that does not parse."""
    line = getattr(error, "lineno", None) or 1
    message = getattr(error, "msg", None) or str(error)
    text = (getattr(error, "text", None) or "").strip()
    if re.search(r"\basync\s*=", text):
        return Hit(line, "async=, a word of the language since Python 3.7", None, "write non_blocking= in your copy")
    if "Missing parentheses" in message or re.match(r"(print|exec)\b|except .*, *\w+ *:|raise .*,", text):
        return Hit(line, f"Python 2 ({text})", None, "convert your copy, e.g. with 2to3; no shim can run it")
    return Hit(line, f"a file that does not parse: {message} ({text})", None, "correct your copy; Python cannot run it")


def share_stars(sources: dict[Path, Source], folder: Path) -> None:
    """Give each file the imports of files of which it takes every name, e.g. ``np`` by ``from utils import *``."""
    for _ in range(3):
        for source in sources.values():
            for path in import_rules.starred(source, folder):
                if path in sources:
                    source.aliases = sources[path].aliases | source.aliases


def share_classes(sources: dict[Path, Source], folder: Path) -> None:
    """Let each file know the classes of all, by the dotted names they are imported by, and its own by their names."""
    everywhere = {
        f"{'.'.join(path.relative_to(folder).with_suffix('').parts)}.{name}": kind
        for path, source in sources.items()
        for name, kind in classes(source).items()
    }
    for source in sources.values():
        source.classes = everywhere | classes(source)


def classes(source: Source) -> dict[str, ast.ClassDef]:
    """Return the classes a file defines."""
    return {node.name: node for node in source.nodes if isinstance(node, ast.ClassDef)}
