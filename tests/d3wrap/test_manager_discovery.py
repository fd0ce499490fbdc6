"""Which plugins are found and chosen, without importing them."""

import sys

import pytest

from d3wrap.errors import ConfigError
from d3wrap.plugin_discovery import InstalledPlugin, entry_points, installed_plugins, select


def test_installed_plugins_are_listed_without_importing_them(install):
    module = install("zeta", "raise RuntimeError('imported')", distribution="zeta-tools", version="2.1")
    found = {plugin.name: plugin for plugin in installed_plugins({})}
    assert found["zeta"] == InstalledPlugin("zeta", "zeta-tools", "2.1", module, "enabled")
    assert module not in sys.modules


def test_the_status_says_what_the_environment_blocks(install):
    install("zeta", "")
    install("alpha", "")

    def statuses(value):
        return {p.name: p.status for p in installed_plugins({"D3WRAP_PLUGINS": value}) if p.name in ("alpha", "zeta")}

    assert statuses("-zeta") == {"alpha": "enabled", "zeta": "blocked by D3WRAP_PLUGINS"}
    assert statuses("zeta") == {"alpha": "blocked by D3WRAP_PLUGINS", "zeta": "enabled"}
    assert statuses("") == statuses(" ") == {"alpha": "enabled", "zeta": "enabled"}


def test_entry_points_are_sorted_whatever_the_file_system_says(install, monkeypatch):
    for name in ("m", "z", "a"):
        install(name, "")
    names = [point.name for point in entry_points()]
    assert names == sorted(names)
    assert {"a", "m", "z"} <= set(names)


def test_our_own_plugins_are_installed_like_anybody_s():
    own = {plugin.name for plugin in installed_plugins({}) if plugin.distribution == "d3wrap"}
    assert {"classify", "clswgan", "gan", "id2sd", "o2dbd"} <= own


def selected(environment="", block=()):
    selection = select({"D3WRAP_PLUGINS": environment}, block, {"a", "b", "c"})
    return {name for name in "abc" if selection.fault(name) is None}


@pytest.mark.parametrize(
    ("environment", "block", "left"),
    [
        ("", (), "abc"),
        ("a,b", (), "ab"),
        (" a , b ,", (), "ab"),
        ("-a,-b", (), "c"),
        ("", ["a"], "bc"),
        ("", ["a,b"], "c"),
        ("a,b", ["b"], "a"),
        ("-a", ["b", "c"], ""),
    ],
)
def test_lists_of_allowed_and_blocked_plugins(environment, block, left):
    assert selected(environment, block) == set(left)


@pytest.mark.parametrize(
    ("environment", "block", "message"),
    [
        ("a,-b", (), r"^D3WRAP_PLUGINS mixes plugins to load \(a\) with plugins to block \(b\)"),
        ("-", (), r"^D3WRAP_PLUGINS: no plugin is called ''"),
        ("d", (), r"^D3WRAP_PLUGINS: no plugin is called 'd' \(known: a, b, c\)"),
        ("-aa", (), r"^D3WRAP_PLUGINS: no plugin is called 'aa'; did you mean 'a'\?"),
        ("", ["bb"], r"^block: no plugin is called 'bb'; did you mean 'b'\?"),
    ],
)
def test_faulty_lists_are_refused(environment, block, message):
    with pytest.raises(ConfigError, match=message):
        selected(environment, block)
