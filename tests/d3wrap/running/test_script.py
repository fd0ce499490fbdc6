"""A script that d3wrap runs cannot tell: each is run by Python too, and what comes out is compared."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from d3wrap.running.script import Outcome, as_main, execute, show

SCRIPTS = {
    "argv": "import sys\nprint(sys.argv)",
    "name and file": "print(__name__, __file__, __spec__, __doc__, __package__, __cached__)",
    "builtins": "print(__builtins__, type(__loader__).__name__)",
    "path": "import sys\nprint(sys.path[0])",
    "working directory": "import os\nprint(os.getcwd())",
    "a module beside it": "import sibling\nprint(sibling.VALUE, sibling.__file__)",
    "main is a module": "import __main__, sys\nvalue = 3\nprint(__main__.value, sys.modules['__main__'] is __main__)",
    "main guard": "def main():\n    print('ran')\n\nif __name__ == '__main__':\n    main()",
    "a pickled class": (
        "import pickle\nclass A:\n    x = 1\n\nprint(pickle.loads(pickle.dumps(A())).x, A.__module__, A().__class__)"
    ),
    "its source": (
        "import inspect\n\ndef f():\n    return 1\n\nprint(inspect.getsource(f), inspect.getfile(f) == __file__)"
    ),
    "annotations": "x: int = 3\nprint(__annotations__)",
    "no inherited futures": "def f(x: int): pass\nprint(f.__annotations__)",
    "encoding": "# -*- coding: latin-1 -*-\nprint(len('caf\xe9'))",
    "globals": "print(sorted(name for name in globals()))",
    "exit 0": "import sys\nprint('out')\nsys.exit(0)",
    "exit none": "import sys\nsys.exit()",
    "exit 3": "import sys\nsys.exit(3)",
    "exit -1": "import sys\nsys.exit(-1)",
    "exit 256": "import sys\nsys.exit(256)",
    "exit true": "import sys\nsys.exit(True)",
    "exit text": "import sys\nsys.exit('no data')",
    "exit in a function": "def f():\n    raise SystemExit(4)\n\nf()",
    "quit": "quit(5)",
    "error": "x = 1\ny = x / 0",
    "error in a function": "def f(x):\n    return x['a']\n\n\nf({})",
    "error in a module": "import sibling\nsibling.fail()",
    "error with a cause": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('both') from e",
    "error in handling": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('during')",
    "error group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "error of its own": "class Mine(BaseException):\n    pass\n\nraise Mine('x')",
    "syntax error": "x = 1\nif x\n    pass",
    "indentation error": "  x = 1\ny = 2",
    "import error": "import nothing_of_this_name",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, file=sys.stderr)\n1 / 0",
    "recursion": "def f(n):\n    return f(n + 1) if n < 50 else 1 / 0\n\nf(0)",
    "stderr": "import sys\nprint('err', file=sys.stderr)\nprint('out')",
    "fork": (
        "import os\npid = os.fork()\nif pid == 0:\n    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sibling.py").write_text("VALUE = 5\n\ndef fail():\n    raise KeyError('inside')\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("sibling", None)


def run(path, arguments=()):
    errors = io.StringIO()

    def finish(outcome):
        if outcome.error is not None:
            show(outcome.error, errors)
        return outcome

    before = sys.stderr
    sys.stderr = errors
    try:
        with as_main(Path(path), arguments) as module:
            return execute(Path(path), module, errors, finish), errors.getvalue()
    finally:
        sys.stderr = before


@pytest.mark.parametrize("source", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_runs_as_python_runs_it(folder, source, capfd):
    path = Path("code") / "train.py"
    path.write_bytes(source.encode("latin-1"))
    command = [sys.executable, str(path), "--flag", "a b"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    expected = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    outcome, errors = run(path, ["--flag", "a b"])
    assert outcome.code == expected.returncode
    assert capfd.readouterr().out == expected.stdout
    assert errors == expected.stderr
    assert not (folder / "code" / "__pycache__" / "train.cpython-311.pyc").exists()


def test_everything_is_put_back(folder):
    names = ("argv", "path", "stdin", "stdout", "stderr", "excepthook")
    path = folder / "train.py"
    path.write_text(
        "import sys, os\nsys.argv.append('x')\nsys.path.insert(0, '/x')\nsys.path = ['/y', *sys.path]\n"
        "sys.stdout = sys.stderr = open(os.devnull, 'w')\nsys.stdin = None\nsys.excepthook = print\nos.chdir('/')\n"
        "sys.modules['__main__'] = sys\n1 / 0\n"
    )
    before = {name: getattr(sys, name) for name in names}
    copies = {name: list(before[name]) for name in ("argv", "path")}
    main = sys.modules["__main__"]
    with as_main(path, ["a"]) as module:
        outcome = execute(path, module, io.StringIO(), lambda outcome: outcome)
    assert outcome.code == 1
    assert {name: getattr(sys, name) for name in names} == before
    assert {name: list(getattr(sys, name)) for name in copies} == copies
    assert sys.modules["__main__"] is main
    assert Path.cwd() == folder


def test_the_folder_of_the_command_is_replaced_on_the_search_path(folder, monkeypatch):
    (folder / "bin").mkdir()
    monkeypatch.setattr(sys, "argv", [str(folder / "bin" / "d3wrap"), "run"])
    monkeypatch.setattr(sys, "path", [str(folder / "bin"), "/usr/lib/x"])
    with as_main(Path("code/train.py"), []):
        assert sys.path == [str(folder / "code"), "/usr/lib/x"]
        assert sys.argv == ["code/train.py"]
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/x"])
    with as_main(Path("code/train.py"), []):
        assert sys.path == [str(folder / "code"), "", "/usr/lib/x"]


def test_ctrl_c_gives_130_and_the_scripts_traceback(folder):
    Path("train.py").write_text("def f():\n    raise KeyboardInterrupt\n\nf()\n")
    outcome, errors = run("train.py")
    assert outcome.code == 130
    assert errors.splitlines()[1].strip().startswith(f'File "{folder}/train.py", line 4')


def test_finish_runs_with_the_scripts_module_in_place(folder):
    Path("train.py").write_text("import sys\nvalue = 3\nsys.exit(2)\n")
    seen = []

    def finish(outcome):
        seen.append((outcome, sys.modules["__main__"].value))
        return Outcome(9)

    with as_main(Path("train.py"), []) as module:
        assert execute(Path("train.py"), module, io.StringIO(), finish) == Outcome(9)
    assert seen == [(Outcome(2), 3)]


def test_the_loader_gives_the_source_as_python_reads_it(folder):
    Path("train.py").write_bytes("# coding: latin-1\nx = '\xe9'\n".encode("latin-1"))
    with as_main(Path("train.py"), []) as module:
        from d3wrap.running.script import _Script

        loader = _Script(Path("train.py"))
        loader.exec_module(module)
        assert module.x == "\xe9"
        assert "\xe9" in loader.get_source("__main__")
        assert loader.get_filename("__main__") == str(folder / "train.py")
