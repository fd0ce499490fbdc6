"""Modules a script imports: files beside it, packages installed, and what is neither."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from d3wrap.compat.scanning.finding import Hit
from d3wrap.compat.scanning.source import Source

PIP_NAMES = {
    "FrEIA": "FrEIA",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Packages that are installed under another name than they are imported by."""
PACKAGES = {
    *PIP_NAMES,
    *("accelerate", "albumentations", "apex", "clip", "cupy", "dill", "easydict", "einops", "fire", "ftfy", "gensim"),
    *("h5py", "hydra", "imageio", "ipdb", "joblib", "kornia", "lightning", "matplotlib", "mlflow", "networkx", "nltk"),
    *(
        "numba",
        "omegaconf",
        "open_clip",
        "pandas",
        "plotly",
        "prettytable",
        "progressbar",
        "psutil",
        "pytorch_lightning",
    ),
    *("pytorch_metric_learning", "regex", "requests", "scipy", "seaborn", "sentence_transformers", "simplejson", "six"),
    *("spacy", "tabulate", "tensorboard", "tensorboardX", "tensorflow", "termcolor", "timm", "torch", "torchaudio"),
    *(
        "torchdiffeq",
        "torchmetrics",
        "torchsummary",
        "torchtext",
        "torchvision",
        "tqdm",
        "transformers",
        "umap",
        "visdom",
    ),
    *("wandb", "xgboost", "yacs"),
}
"""Names that are packages wherever research code imports them."""
OLD_MODULES = {
    "sklearn.externals.joblib": "gone since scikit-learn 0.23: pip install joblib, and import joblib",
    "sklearn.cross_validation": "gone since scikit-learn 0.20: sklearn.model_selection",
    "sklearn.utils.linear_assignment_": "gone since scikit-learn 0.23: scipy.optimize.linear_sum_assignment",
    "tensorflow.examples": "gone since tensorflow 2",
    "tensorflow.contrib": "gone since tensorflow 2",
}
PYTHON_2 = {"ConfigParser", "Queue", "StringIO", "cPickle", "commands", "urllib2", "urlparse", "Tkinter"}
GONE = {"asynchat", "asyncore", "distutils", "imp", "smtpd", "cgi", "crypt", "pipes", "telnetlib"}


def local_files(folder: Path, name: str) -> list[Path]:
    """Return the files importing a dotted name reads in a folder: packages' ``__init__.py`` and the module; [] if none.

    A folder without ``__init__.py`` is a package too.
    """
    files: list[Path] = []
    place = folder
    for part in name.split("."):
        module, place = place / f"{part}.py", place / part
        if place.is_dir() and not ((place / "__init__.py").is_file() is False and module.is_file()):
            files += [place / "__init__.py"] * (place / "__init__.py").is_file()
        elif module.is_file():
            return [*files, module]
        else:
            return []
    return files or [folder / Path(*name.split("."))]


def requests(source: Source) -> Iterator[tuple[ast.stmt, str, int, list[str]]]:
    """Yield each import: the statement, the module's name, how many folders up it starts, the names taken from it."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name, 0, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or "", node.level, [alias.name for alias in node.names]


def base_of(source: Source, level: int, folder: Path) -> Path:
    """Return the folder an import starts in: the script's, or for a relative import one of the file's own."""
    return folder if level == 0 else source.path.parents[level - 1]


def followed(source: Source, folder: Path) -> Iterator[Path]:
    """Yield the files beside the script that a file imports, submodules taken by name among them."""
    for _, name, level, taken in requests(source):
        base = base_of(source, level, folder)
        files = local_files(base, name) if name else []
        yield from (path for path in files if path.is_file())
        if name and not files:
            continue
        inner = base / Path(*name.split(".")) if name else base
        for part in taken:
            yield from (path for path in local_files(inner, part) if path.is_file())


def starred(source: Source, folder: Path) -> Iterator[Path]:
    """Yield the files beside the script of which a file takes every name."""
    for _, name, level, taken in requests(source):
        if taken == ["*"] and name:
            yield from local_files(base_of(source, level, folder), name)[-1:]


def imports(source: Source, folder: Path) -> Iterator[Hit]:
    """Yield imports of what is neither beside the script nor installed, but those the script itself can do without."""
    for node, name, level, taken in requests(source):
        if is_optional(source, node):
            continue
        top, late = name.partition(".")[0], " (inside a function)" * is_late(source, node)
        old = removed(name, taken)
        if old:
            yield Hit(node.lineno, f"{old}{late}", None, OLD_MODULES[old])
        elif level or local_files(folder, top):
            base = base_of(source, level, folder)
            if name and not local_files(base, name):
                lacking = (base / Path(*name.split("."))).with_suffix(".py")
                yield Hit(node.lineno, f"module {name}{late}", None, f"the repository lacks {shown(lacking, folder)}")
        elif not is_installed(top):
            yield Hit(node.lineno, f"module {top}{late}", None, remedy(top) + spare(source, node, top))


def removed(name: str, taken: list[str]) -> str | None:
    """Return the key of :data:`OLD_MODULES` an import asks for, None where it asks for none."""
    asked = [name, *(f"{name}.{part}" for part in taken)]
    return next((key for key in OLD_MODULES if any(f"{dotted}.".startswith(f"{key}.") for dotted in asked)), None)


def spare(source: Source, node: ast.stmt, top: str) -> str:
    """Return what more to say of a missing module that is imported as a whole and never used."""
    if not isinstance(node, ast.Import) or top in PACKAGES | PYTHON_2 | GONE:
        return ""
    bound = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    used = {name.id for name in source.nodes if isinstance(name, ast.Name)}
    return "" if bound & used else f"; this file never uses it: an empty {top}.py in a folder on PYTHONPATH will do"


def shown(path: Path, folder: Path) -> str:
    """Return a path as seen from the script's folder."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def is_installed(name: str) -> bool:
    """Tell whether a top-level module can be imported here, without importing it."""
    if name in sys.modules or name in sys.builtin_module_names:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def remedy(name: str) -> str:
    """Return what to do about a module that is not there."""
    if name in PYTHON_2:
        return "a module of Python 2: convert your copy, e.g. with 2to3"
    if name in GONE:
        return "a module Python no longer has; use an older Python, or take the import out of your copy"
    if name in PACKAGES:
        return f"pip install {PIP_NAMES.get(name, name)}"
    return f"the repository lacks {name}.py, and no package of that name is installed"


def is_optional(source: Source, node: ast.AST) -> bool:
    """Tell whether a failing import is caught."""
    inner = node
    for outer in source.around(node):
        if isinstance(outer, ast.Try) and inner in outer.body:
            caught = [ast.unparse(handler.type) if handler.type else "" for handler in outer.handlers]
            if any(not kind or "ImportError" in kind or "Exception" in kind or "NotFound" in kind for kind in caught):
                return True
        inner = outer
    return False


def is_late(source: Source, node: ast.AST) -> bool:
    """Tell whether an import is made only when a function is called."""
    return any(isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)) for outer in source.around(node))
