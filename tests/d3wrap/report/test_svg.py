import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.report.svg import Plot, Scale, label, shorten, span, tag, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_round_inside_and_neither_few_nor_many(low, width, count):
    high = low + width
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-3):
        return  # nothing between them that floats can tell apart
    found = ticks(low, high, count)
    assert len(found) <= count + 1
    slack = 1e-6 * (high - low)
    assert all(low - slack <= value <= high + slack for value in found)
    if len(found) > 1:
        step = found[1] - found[0]
        digits = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(digits - round_one) for round_one in (1, 2, 5, 10)) < 1e-3
        assert (high - low) / step >= count / 2.6  # the next smaller step would give too many


def test_ticks_of_an_empty_range_are_its_value():
    assert ticks(3.0, 3.0) == [3.0]


@pytest.mark.parametrize(
    ("value", "step", "written"),
    [(0.1 + 0.2, 0.1, "0.3"), (-20, 10, "−20"), (1e-17, 0.5, "0"), (0.0204, 0.0002, "0.0204"), (1500, 500, "1500")],
)
def test_labels(value, step, written):
    assert label(value, step) == written


def test_every_text_in_a_tag_is_escaped():
    made = tag("text", "<b>&", class_='"><script>', data_x="'")
    assert made == '<text class="&#34;&gt;&lt;script&gt;" data-x="&#39;">&lt;b&gt;&amp;</text>'
    assert tag("g", made) == f"<g>{made}</g>", "a tag inside a tag is not escaped again"


def test_attributes_without_a_value_are_left_out():
    assert tag("line", x1=1.25, y1=2.0, class_=None) == '<line x1="1.2" y1="2"></line>'


def test_a_scale_is_straight():
    assert [Scale(0, 10, 100, 0)(value) for value in (0, 5, 10)] == [100, 50, 0]


def test_a_span_is_never_empty():
    for values in ([], [0.0], [3.0, 3.0], [-1.0, 2.0]):
        low, high = span(values)
        assert low < high
        assert all(low < value < high for value in values)
    assert span([2.0, 3.0], zero=True)[0] < 0


def test_a_long_text_loses_its_middle():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcd…g"
    assert shorten("Black_footed_Albatross_120", 16) == "Black_foot…s_120"


def test_a_plot_is_well_formed_and_says_what_it_shows():
    plot = Plot(200, 100, (0, 10), (0, 1))
    plot.x_axis("x & y")
    plot.y_axis("<up>")
    plot.line([(0, 0), (10, 1)], "curve")
    plot.dot(5, 0.5, "mark", "seed <0>")
    plot.dot(5, 0.5, "mark", square=True)
    plot.cross(1, 0.1, "cross")
    root = ET.fromstring(plot.render('a "b" <c>'))
    assert root.attrib["aria-label"] == 'a "b" <c>'
    assert root.attrib["role"] == "img"
    assert {child.tag for child in root} == {"line", "text", "polyline", "circle", "rect", "path"}
    assert root.find("polyline").attrib["points"] == "40.0,64.0 190.0,10.0"
    assert root.find("circle/title").text == "seed <0>"
