"""Settings changed by name, with their types and their own checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.config import Override, apply_overrides
from d3wrap.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    hidden: int = 4
    lr: float = 0.1
    name: str = "x"
    fast: bool = False
    mode: Literal["a", "b"] | None = None
    betas: tuple[float, float] = (0.5, 0.9)
    sizes: tuple[int, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    odd: bytes = b""
    derived: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ConfigError(f"hidden: expected 1 or more, found {self.hidden}")
        if self.lr >= 1:
            raise ValueError("too fast")


@pytest.mark.parametrize(
    ("key", "value", "becomes"),
    [
        ("hidden", 512, 512),
        ("lr", 1e-3, 1e-3),
        ("lr", 0, 0.0),
        ("name", "y", "y"),
        ("fast", True, True),
        ("mode", "b", "b"),
        ("mode", None, None),
        ("betas", [0, 0.5], (0.0, 0.5)),
        ("betas", "0.1, 0.2", (0.1, 0.2)),
        ("sizes", [1, 2, 3], (1, 2, 3)),
        ("sizes", "1,2", (1, 2)),
        ("sizes", [], ()),
        ("weights", {"id2sd": 1}, {"id2sd": 1.0}),
    ],
)
def test_a_value_that_fits_is_taken_over(key, value, becomes):
    before = Settings()
    changed = apply_overrides(before, {key: value})
    assert getattr(changed, key) == becomes
    assert type(getattr(changed, key)) is type(becomes)
    assert before == Settings()
    assert all(getattr(changed, other) == getattr(before, other) for other in vars(before) if other != key)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden", "abc", "--set hidden: expected an integer, found the text 'abc'"),
        ("hidden", True, "--set hidden: expected an integer, found the boolean true"),
        ("hidden", 1.0, "--set hidden: expected an integer, found the number 1.0"),
        ("hidden", None, "--set hidden: expected an integer, found nothing (null)"),
        ("lr", True, "--set lr: expected a number, found the boolean true"),
        ("lr", "fast", "--set lr: expected a number, found the text 'fast'"),
        ("name", 12, "--set name: expected text, found the integer 12"),
        ("fast", 1, "--set fast: expected true or false, found the integer 1"),
        ("fast", "yes", "--set fast: expected true or false, found the text 'yes'"),
        ("mode", "c", "--set mode: expected one of 'a', 'b' or null, found the text 'c'"),
        ("betas", [1], "--set betas: expected a list of 2, found a list"),
        ("betas", 0.5, "--set betas: expected a list, found the number 0.5"),
        ("sizes", [1, 0.5], "--set sizes: expected a list with an integer in each place, found a list"),
        ("weights", 1, "--set weights: expected a mapping, found the integer 1"),
        ("weights", {"a": "b"}, "--set weights: expected a number, found a mapping"),
        ("odd", "x", "--set odd: expected a value of type bytes, found the text 'x'"),
        ("hiden", 1, "--set hiden: Settings has no setting 'hiden'; did you mean 'hidden'?"),
        ("derived", 1, "--set derived: Settings has no setting 'derived'"),
        ("hidden", 0, "--set hidden: hidden: expected 1 or more, found 0"),
        ("lr", 1, "--set lr: too fast"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(key, value, message):
    with pytest.raises(ConfigError) as caught:
        apply_overrides(Settings(), {key: value})
    assert str(caught.value).startswith(message)


def test_the_settings_own_error_names_the_culprit_among_several():
    with pytest.raises(ConfigError, match=r"^--set hidden: hidden: expected 1"):
        apply_overrides(Settings(), {"name": "y", "hidden": 0})
    with pytest.raises(ConfigError, match=r"^--set name, --set lr: too fast"):
        apply_overrides(Settings(), {"name": "y", "lr": 2})


def test_overrides_say_where_they_came_from_and_the_last_counts():
    pairs = [Override("hidden", "abc", "a.yaml:3: set.hidden"), Override("hidden", 5, "--set hidden")]
    assert apply_overrides(Settings(), pairs).hidden == 5
    with pytest.raises(ConfigError, match=r"^a.yaml:3: set.hidden: expected an integer"):
        apply_overrides(Settings(), pairs[::-1])


def test_nothing_to_change_gives_the_same_settings():
    settings = Settings()
    assert apply_overrides(settings, {}) is settings


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_a_float_field_takes_numbers_alone(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        taken = apply_overrides(Settings(), {"lr": value}).lr
    except ConfigError:
        assert not is_number or value >= 1
    else:
        assert is_number
        assert taken == value or value != value
