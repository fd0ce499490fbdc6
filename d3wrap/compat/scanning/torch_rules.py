"""Calls of torch, FrEIA and PyYAML that current versions refuse or take otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from d3wrap.compat.masks import MASKED
from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source

NOT_TENSORS = {"self", "opt", "opts", "args", "config", "cfg", "options"}
COMPARING = {"eq", "ne", "lt", "le", "gt", "ge", "bool"}
MAKE_ONE = {"FloatTensor", "Tensor", "DoubleTensor", "ones", "tensor"}
REFUSED = {
    "torch.symeig": "torch.linalg.eigh",
    "torch.eig": "torch.linalg.eig",
    "torch.solve": "torch.linalg.solve, with the arguments the other way round",
    "torch.lstsq": "torch.linalg.lstsq, with the arguments the other way round",
    "torch.matrix_rank": "torch.linalg.matrix_rank",
}
"""Functions that are still there and refuse to work, and what does instead."""


def volatile(source: Source) -> Iterator[Hit]:
    """Yield ``volatile=True``."""
    for call, _ in source.calls():
        for keyword in call.keywords:
            if keyword.arg == "volatile" and ast.unparse(keyword.value) != "False":
                remedy = "works, but records gradients and warns; --compat volatile saves that memory"
                yield Hit(call.lineno, "Variable(…, volatile=True)", "volatile", remedy)


def item(source: Source) -> Iterator[Hit]:
    """Yield ``loss.data[0]``, but not where a method of the result is called, as of a row."""
    for node in source.nodes:
        if not (isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "0"):
            continue
        value = node.value
        if not (isinstance(value, ast.Attribute) and value.attr == "data"):
            continue
        if ast.unparse(value.value) in NOT_TENSORS or isinstance(source.parents.get(node), ast.Attribute):
            continue
        remedy = "an error where it has no dimensions, as losses: --compat item, or write .item()"
        yield Hit(node.lineno, ".data[0]", "item", remedy)


def scalar_gradient(source: Source) -> Iterator[Hit]:
    """Yield ``loss.backward(one)`` where ``one`` was made with one dimension."""
    for call, _ in source.calls():
        is_backward = isinstance(call.func, ast.Attribute) and call.func.attr == "backward" and call.args
        if is_backward and has_one_element(source, call.args[0]):
            remedy = "an error where the loss has no dimensions: --compat scalar-gradient, or torch.tensor(1.)"
            yield Hit(call.lineno, ".backward(one) with a tensor of shape [1]", "scalar-gradient", remedy)


def has_one_element(source: Source, node: ast.expr, depth: int = 4) -> bool:
    """Tell whether an expression is a tensor of shape [1], by how its names were assigned."""
    if depth == 0:
        return False
    if isinstance(node, ast.BinOp):
        return any(has_one_element(source, side, depth - 1) for side in (node.left, node.right))
    if isinstance(node, ast.UnaryOp):
        return has_one_element(source, node.operand, depth - 1)
    if isinstance(node, ast.Call):
        return makes_one_element(source, node, depth)
    return any(has_one_element(source, value, depth - 1) for value in source.assigned.get(ast.unparse(node), []))


def makes_one_element(source: Source, call: ast.Call, depth: int) -> bool:
    """Tell whether a call makes a tensor of shape [1], or moves one."""
    name = source.dotted(call.func)
    if name.startswith("torch.") and name.rpartition(".")[2] in MAKE_ONE and call.args:
        size = ast.unparse(call.args[0])
        listed = isinstance(call.args[0], ast.List) and len(call.args[0].elts) == 1
        return listed or (size == "1" and not name.endswith(".tensor"))
    moves = isinstance(call.func, ast.Attribute) and call.func.attr in {"cuda", "to"}
    return moves and has_one_element(source, call.func.value, depth - 1)  # type: ignore[attr-defined]


def masks(source: Source) -> Iterator[Hit]:
    """Yield ``1 - mask`` of a comparison's result, and masks made of bytes."""
    for node in source.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            if ast.unparse(node.left) in {"1", "1.0"} and is_comparison(source, node.right):
                remedy = "an error where it is a tensor: --compat masks, or write ~mask"
                yield Hit(node.lineno, f"{ast.unparse(node)}, of a comparison", "masks", remedy)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MASKED:  # noqa: SIM102
            if any(ast.unparse(argument).endswith(".byte()") for argument in node.args):
                yield Hit(node.lineno, f"{node.func.attr} with a mask of bytes", "masks", "--compat masks, or .bool()")


def is_comparison(source: Source, node: ast.expr) -> bool:
    """Tell whether an expression, or one its name was assigned, compares."""
    values = [node, *source.assigned.get(ast.unparse(node), [])]
    methods = [value.func for value in values if isinstance(value, ast.Call)]
    return any(isinstance(value, ast.Compare) for value in values) or any(
        isinstance(method, ast.Attribute) and method.attr in COMPARING for method in methods
    )


def schedulers(source: Source) -> Iterator[Hit]:
    """Yield ``verbose=`` of learning rate schedulers."""
    for call, name in source.calls():
        if ".lr_scheduler." in name and any(keyword.arg == "verbose" for keyword in call.keywords):
            remedy = "--compat torch-names, or leave verbose= out"
            yield Hit(call.lineno, f"{name.rpartition('.')[2]}(verbose=…)", "torch-names", remedy)


def freia(source: Source) -> Iterator[Hit]:
    """Yield FrEIA's old graph, where the script calls it as it was."""
    asks = any(isinstance(node, ast.Attribute) and node.attr == "log_jacobian" for node in source.nodes)
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and source.dotted(node) == "FrEIA.framework.ReversibleGraphNet":
            remedy = (
                "--compat freia" if asks else "--compat freia, unless the script takes (output, jacobian) from a call"
            )
            yield Hit(node.lineno, "FrEIA's ReversibleGraphNet of before February 2021", "freia", remedy)


def yaml_load(source: Source) -> Iterator[Hit]:
    """Yield ``yaml.load`` without a loader."""
    for call, name in source.calls():
        if name in {"yaml.load", "yaml.load_all"} and len(call.args) + len(call.keywords) == 1:
            remedy = "--compat yaml-load, or yaml.safe_load"
            yield Hit(call.lineno, f"{name} without a loader", "yaml-load", remedy)


def stored(source: Source) -> Iterator[Hit]:
    """Yield ``torch.load`` that leaves open whether code in the file is run."""
    for call, name in source.calls():
        if name == "torch.load" and not any(keyword.arg in {"weights_only", None} for keyword in call.keywords):
            remedy = (
                "since torch 2.6 a file that holds more than tensors and plain values is refused; no shim reads it, as "
                "that runs code from the file: if you trust it, store its state_dict() anew"
            )
            yield Hit(call.lineno, "torch.load", None, remedy)


def refused(source: Source) -> Iterator[Hit]:
    """Yield functions of torch that refuse to work, and autograd functions of the old kind."""
    for call, name in source.calls():
        if name in REFUSED:
            yield Hit(call.lineno, name, None, f"gone since torch 2.0: write {REFUSED[name]}")
    for node in source.nodes:
        if not (isinstance(node, ast.ClassDef) and {"torch.autograd.Function"} & set(map(source.dotted, node.bases))):
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "forward" and not method.decorator_list:
                remedy = "gone since torch 1.3: forward and backward must be static methods that take ctx"
                yield Hit(method.lineno, f"autograd function {node.name} of the old kind", None, remedy)


RULES = (volatile, item, scalar_gradient, masks, schedulers, freia, yaml_load, stored, refused)
