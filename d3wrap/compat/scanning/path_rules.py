"""Folders a script writes to and never makes, folders of its author's, and scripts it starts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source, text_of

WRITERS = {"numpy.save": 0, "numpy.savetxt": 0, "numpy.savez": 0, "scipy.io.savemat": 0, "torch.save": 1}
"""Functions that write a file, and which argument names it."""
STARTERS = {"os.popen", "os.system", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.run"}
ELSEWHERE = re.compile(r"(/[\w.+-]+){2,}/?|[A-Za-z]:[\\/][\w\\/.+ -]*")
SYSTEM = ("/usr", "/tmp", "/dev", "/bin", "/etc", "/proc", "/sys", "/var")
WRITTEN = re.compile("log|out|save|result|checkpoint", re.IGNORECASE)
"""Names that scripts give to paths they write to."""
STARTED = re.compile(r"python[\d.]*\s+(?:-\w+\s+)*([\w./-]+\.py)")


def makes_folders(sources: Iterable[Source]) -> bool:
    """Tell whether any file makes folders: then which ones cannot be told, and none is reported."""
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"makedirs", "mkdir"}
        for source in sources
        for node in source.nodes
    )


def folders(source: Source, folder: Path) -> Iterator[Hit]:
    """Yield folders written to that do not exist beside the script."""
    written = [(call.lineno, target(call, name)) for call, name in source.calls()]
    for name, values in source.assigned.items():
        written += [(value.lineno, value) for value in values if WRITTEN.search(name)]
    for line, path in written:
        head, slash, _ = start_of(path).rpartition("/") if path is not None else ("", "", "")
        if slash and head.strip("./") and not head.startswith("/") and not (folder / head).is_dir():
            remedy = f"mkdir -p {head}, and in it the folders that the rest of the path names, if any"
            yield Hit(line, f"a path in {head}/, a folder that nothing makes", None, remedy)


def target(call: ast.Call, name: str) -> ast.expr | None:
    """Return the expression that names the file a call writes, None where it writes none."""
    place = WRITERS.get(name, 0 if name.endswith(".savefig") else None)
    if name == "open" and len(call.args) > 1 and re.match("[wax]", text_of(call.args[1]) or ""):
        place = 0
    return call.args[place] if place is not None and len(call.args) > place else None


def start_of(node: ast.expr) -> str:
    """Return the text a path begins with, as far as it is constant."""
    if isinstance(node, ast.JoinedStr) and node.values:
        return text_of(node.values[0]) or ""
    if isinstance(node, ast.BinOp):
        return start_of(node.left).partition("%")[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return start_of(node.func.value).partition("{")[0]
    return text_of(node) or ""


def elsewhere(source: Source) -> Iterator[Hit]:
    """Yield absolute paths that do not exist on this machine."""
    for node in source.nodes:
        text = text_of(node) or ""
        around = source.parents.get(node)
        if isinstance(around, ast.BinOp) and around.right is node:
            continue  # what is put behind a folder
        if ELSEWHERE.fullmatch(text) and not text.startswith(SYSTEM) and not Path(text).exists():
            option = option_of(source, node)
            remedy = (
                f"give {option} a folder of yours" if option else "a path of its author's machine: change your copy"
            )
            yield Hit(node.lineno, f"the path {text}", None, remedy)  # type: ignore[attr-defined]


def option_of(source: Source, node: ast.AST) -> str | None:
    """Return the command line option whose default a node is."""
    for outer in source.around(node):
        if isinstance(outer, ast.Call) and isinstance(outer.func, ast.Attribute) and outer.func.attr == "add_argument":
            return next((text for text in map(text_of, outer.args) if text and text.startswith("--")), None)
    return None


def started(source: Source) -> Iterator[Hit]:
    """Yield other scripts this one starts, which run in a process of their own."""
    for call, name in source.calls():
        if name in STARTERS and call.args:
            texts = [text_of(node) or "" for node in ast.walk(call.args[0])]
            script = STARTED.search(" ".join(texts))
            if script:
                remedy = f"it runs in a process of its own: give d3wrap run {script[1]} itself, with those arguments"
                yield Hit(call.lineno, f"{name} of {script[1]}", None, remedy)
