"""Old calls of numpy and PyYAML give what they meant."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
import pytest
import torch
import yaml

from d3wrap.compat import compatible
from d3wrap.compat.numpy_names import old_names
from d3wrap.compat.numpy_scalars import Found

A = np.array([3, 1, 2, 1])


@pytest.fixture
def names():
    with compatible(["numpy-names"]):
        yield vars(np)


@pytest.mark.parametrize("name", old_names())
def test_every_name_is_there_within_the_block_and_none_before(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        missing = not hasattr(np, name)
        with compatible(["numpy-names"]):
            assert hasattr(np, name)
        assert missing is not hasattr(np, name)


@pytest.mark.parametrize("kind", [int, float, complex, object, str])
def test_types_are_pythons_own(names, kind):
    assert names[kind.__name__] is kind


def test_types_serve_as_types_of_arrays(names):
    assert A.astype(names["int"]).dtype == np.int64
    assert np.zeros(2, names["float"]).dtype == np.float64
    assert np.zeros(2, names["float_"]).dtype == np.float64
    assert np.zeros(2, names["longfloat"]).dtype == np.longdouble
    assert np.array(["a"], names["unicode_"]).dtype.kind == "U"
    assert np.array(["a"], names["string_"]).dtype.kind == "S"


def test_constants(names):
    assert names["Inf"] == names["PINF"] == names["infty"] == names["Infinity"] == math.inf
    assert names["NINF"] == -math.inf
    assert math.isnan(names["NaN"])
    assert math.copysign(1, names["NZERO"]) == -1


def test_functions(names):
    assert names["product"](A) == 6
    assert names["cumproduct"](A).tolist() == [3, 3, 6, 6]
    assert names["alltrue"](A > 0)
    assert not names["sometrue"](A > 5)
    assert names["in1d"]([[1, 2], [3, 4]], [2, 4]).tolist() == [False, True, False, True]
    assert names["in1d"]([1, 2], [2], invert=True).tolist() == [True, False]
    assert names["trapz"]([1, 2, 3]) == 4
    assert names["msort"]([[2, 1], [1, 2]]).tolist() == [[1, 1], [2, 2]]
    assert names["asscalar"](np.array([[5]])) == 5
    assert names["rank"](np.zeros((1, 2))) == 2
    assert names["alen"]([1, 2]) == 2
    assert names["round_"](1.26, 1) == 1.3
    assert names["asfarray"](A).dtype == np.float64
    assert names["asfarray"](A, dtype="int32").dtype == np.float64
    assert names["asfarray"](A, dtype=np.float32).dtype == np.float32
    assert isinstance(names["mat"]([[1]]), np.matrix)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=names["VisibleDeprecationWarning"])


def test_names_numpy_has_are_left_alone(names):
    assert names["bool"] is np.bool_
    assert names["float64"] is np.float64


# --- numpy-scalars ----------------------------------------------------------------------------------------


@pytest.fixture
def scalars():
    with compatible(["numpy-scalars"]):
        yield


FINDS = [
    lambda: np.argwhere(A == 2),
    lambda: np.argwhere(A == 2)[0],
    lambda: np.where(A == 2)[0],
    lambda: np.nonzero(A == 2)[0],
    lambda: np.flatnonzero(A == 2),
    lambda: np.where(A == 2)[0] + 0,
    lambda: np.argwhere(A == 2).astype(float),
    lambda: np.argwhere(A == 2).squeeze(),
]


@pytest.mark.parametrize("find", FINDS)
def test_one_element_is_a_number(scalars, find):
    assert (int(find()), float(find()), complex(find())) == (2, 2.0, 2 + 0j)
    assert type(int(find())) is int
    assert type(float(find())) is float
    assert "%d %.1f" % (find(), find()) == "2 2.0"  # noqa: UP031  as scripts write it
    assert math.sqrt(find()) == math.sqrt(2)
    table = np.zeros(3)
    table[1] = find()
    assert table.tolist() == [0, 2, 0]


@pytest.mark.parametrize("convert", [int, float, complex])
def test_several_elements_are_not(scalars, convert):
    with pytest.raises(TypeError):
        convert(np.argwhere(A == 1))
    with pytest.raises(TypeError):
        convert(np.argwhere(A == 9))


def test_what_is_found_is_what_numpy_finds():
    expected = [np.argwhere(A == 1), *np.where(A == 1), *np.nonzero(A), np.flatnonzero(A)]
    with compatible(["numpy-scalars"]):
        found = [np.argwhere(A == 1), *np.where(A == 1), *np.nonzero(A), np.flatnonzero(A)]
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, Found)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
        assert torch.from_numpy(ours).equal(torch.from_numpy(theirs))
        assert A[ours].tolist() == A[theirs].tolist()
        assert type(ours.sum()) is type(theirs.sum())


def test_where_with_values_is_numpys(scalars):
    chosen = np.where(A == 1, A, 0)
    assert type(chosen) is np.ndarray
    assert chosen.tolist() == [0, 1, 0, 1]


def test_what_was_found_is_stored_as_a_plain_array(scalars):
    file = io.BytesIO()
    np.save(file, np.argwhere(A == 2))
    file.seek(0)
    assert type(np.load(file, allow_pickle=False)) is np.ndarray
    assert np.argwhere(A == 2).__reduce__()[1][0] is np.ndarray


def test_other_arrays_are_numpys(scalars):
    assert type(np.array([1]) + 1) is np.ndarray


# --- scipy-names ------------------------------------------------------------------------------------------


def test_integrals_under_their_old_names():
    with compatible(["scipy-names"]):
        from scipy import integrate
        from scipy.misc import comb, factorial, logsumexp

        assert integrate.trapz([1, 2, 3], [0, 1, 3]) == 1.5 + 5
        assert integrate.cumtrapz([1, 2, 3]).tolist() == [1.5, 4.0]
        assert integrate.simps([0, 1, 4], [0, 1, 2]) == integrate.simps([0, 1, 4], dx=1) == pytest.approx(8 / 3)
        assert (comb(4, 2), factorial(3)) == (6, 6)
        assert logsumexp([0.0, 0.0]) == pytest.approx(math.log(2))
    assert not hasattr(integrate, "simps")


# --- yaml-load --------------------------------------------------------------------------------------------


def test_the_loader_may_be_left_out():
    with compatible(["yaml-load"]):
        assert yaml.load("a: [1, b]") == {"a": [1, "b"]}
        assert list(yaml.load_all("1\n---\n2")) == [1, 2]
        assert yaml.load("a: 1", Loader=yaml.BaseLoader) == {"a": "1"}


def test_a_document_that_makes_objects_is_refused():
    with compatible(["yaml-load"]), pytest.raises(yaml.YAMLError, match="python/object"):
        yaml.load("!!python/object/apply:os.getcwd []")
