"""CUDA that a script uses without asking whether there is any."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from d3wrap.compat.cuda import NOTHING
from d3wrap.compat.cuda_types import TYPE_NAMES
from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source, text_of

NEED_A_GPU = {f"torch.cuda.{name}" for name in (*TYPE_NAMES, *NOTHING, "current_device", "device", "get_device_name")}
GPU_NAME = re.compile(r"cuda(:\d+)?|torch\.cuda\.\w+Tensor")
FREE = "on a machine without CUDA: --compat cuda; with CUDA nothing is needed"
OPTIONAL = (
    "on a machine without CUDA leave that option out or set it to false; where it is on by default: --compat cuda"
)


def cuda(source: Source) -> Iterator[Hit]:
    """Yield what needs a GPU: unconditionally, or under a condition of the script's own."""
    for node in source.nodes:
        what = use_of_cuda(source, node)
        if not what:
            continue
        guards = list(conditions(source, node))
        if any("is_available" in guard or "is_cuda" in guard for guard in guards):
            continue
        asked = next((guard for guard in guards if re.search("cuda|gpu", guard, re.IGNORECASE)), None)
        line: int = node.lineno  # type: ignore[attr-defined]
        if asked:
            yield Hit(line, f"CUDA where `{asked}` says so", "cuda", OPTIONAL)
        else:
            yield Hit(line, "CUDA, whether there is any or not", "cuda", FREE)


def use_of_cuda(source: Source, node: ast.AST) -> bool:
    """Tell whether a node needs a GPU: a call of ``.cuda()``, a name of ``torch.cuda``, or a device named in text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "cuda"
    if isinstance(node, ast.Attribute):
        return source.dotted(node) in NEED_A_GPU
    return bool(GPU_NAME.fullmatch(text_of(node) or "")) and not isinstance(source.parents.get(node), ast.Compare)


def conditions(source: Source, node: ast.AST) -> Iterator[str]:
    """Yield the conditions a node stands under, from the inside out, but those it is part of."""
    inner = node
    for outer in source.around(node):
        if isinstance(outer, (ast.If, ast.IfExp)) and inner is not outer.test:
            yield ast.unparse(outer.test)
        inner = outer
