import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest

from d3wrap.report.collect import collect
from d3wrap.report.page import html_page

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\'" {{ 7*7 }} {% raw %}'


class Page(HTMLParser):
    """What a page is made of: tags with attributes, texts, and the content of script, style and pre."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.contents, self.open = [], [], {}, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append(data)
        if self.open:
            self.contents.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture
def page(comparisons):
    return Page(html_page(comparisons))


def test_the_page_starts_as_html(comparisons):
    assert html_page(comparisons).startswith("<!DOCTYPE html>\n")


def test_the_page_needs_nothing_else(page):
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:image/png;base64,", "#")), (name, value)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    style = "".join(page.contents["style"])
    assert "url(" not in style
    assert "@import" not in style
    assert page.all("link") == page.all("iframe") == []


def test_the_policy_allows_this_script_and_style_alone(page):
    (policy,) = (meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    for tag in ("style", "script"):
        (content,) = page.contents[tag]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")


def test_every_picture_says_what_it_shows(page):
    pictures = [attributes["aria-label"] for attributes in page.all("svg")]
    assert len(pictures) == 2 + 2 + 2 + 2 + 2 + 2  # differences, curves, confusion; classes, projections, losses
    assert all(len(alt) > 40 for alt in pictures)
    assert all(attributes["role"] == "img" for attributes in page.all("svg"))
    assert [image["alt"] for image in page.all("img")] == [
        "3 real pictures of tulip",
        "3 generated (baseline) pictures of tulip",
        "3 generated (enhanced) pictures of tulip",
    ]


def test_sections_are_there(page):
    assert [text for text in page.contents["h3"] if text.strip()] == [
        "What was chosen on what", "Numbers", "Differences by seed", "Seen–unseen curves",
        "Confusion of seen and unseen classes", "Classes, softmax classifier", "Real and generated features",
        "Generated pictures, seed 0", "Losses", "Manifests",
    ]  # fmt: skip
    assert "test set used for selection no" in page.text
    assert "honest: steps, samples per class and γ of each run were chosen in a validation world" in page.text
    assert "none was validated: all numbers are at γ = 0" in page.text


def test_ids_are_unique_and_links_lead_somewhere(make_folder):
    page = Page(html_page(collect([make_folder("a"), make_folder("b")])))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= set(ids)
    described = [attributes["aria-describedby"] for _, attributes in page.tags if "aria-describedby" in attributes]
    assert described
    assert set(described) <= set(ids)
    assert "Of 2 comparisons, H rose reliably in" in page.text
    assert "interquartile mean of H is" in page.text


def test_the_paper_protocol_is_marked(make_folder):
    page = Page(html_page(collect([make_folder(protocol="paper", test_used_for_selection=True)])))
    assert "test set used for selection YES" in page.text
    assert "paper: the step of each run was chosen on the test set" in page.text
    assert [attributes for attributes in page.all("div") if attributes.get("class") == "warning"]


def test_a_validated_gamma_is_shown(make_folder):
    folder = make_folder(gamma=0.5, U_gamma=0.6, S_gamma=0.7, H_gamma=0.65)
    text = html_page(collect([folder]))
    assert "H at γ" in text
    assert "crosses the validated γ" in text
    assert text.count('class="arm-enhanced cross"') == 12
    assert "chosen in the validation world" in Page(text).text


def test_what_was_chosen_stands_at_the_foot(make_folder):
    folder = make_folder(steps=300, synthetic_per_class=50)
    (folder / "clswgan/seed-0/baseline/choice.json").write_text('{"criterion": "AUSUC"}')
    page = Page(html_page(collect([folder])))
    assert "seed 0, baseline: what was chosen, and from what" in page.text
    assert "What each of the 12 runs was made of, and what it chose" in page.text
    assert any("AUSUC" in text for text in page.contents["pre"])
    assert "steps 300" in page.text
    assert "samples per unseen class 50" in page.text


def test_below_six_seeds_it_says_so(make_folder):
    page = Page(html_page(collect([make_folder(seeds=3)])))
    assert "with fewer than 6 seeds it cannot be significant" in page.text
    assert "Below six seeds no test can be significant." in page.text
    assert "Holm" not in "".join(page.contents["button"])


def test_where_a_family_of_tests_cannot_be_significant_it_says_so(make_folder):
    said = "Adjusted for 2 tests, p cannot fall below 0.05 with fewer than 7 seeds."
    assert said in Page(html_page(collect([make_folder("six", seeds=6)]))).text
    assert "cannot fall" not in Page(html_page(collect([make_folder("seven", seeds=7)]))).text


def test_one_seed_is_drawn(make_folder):
    page = Page(html_page(collect([make_folder(seeds=1)])))
    assert "one seed cannot show a reliable difference" in page.text


def test_without_the_folders_each_figure_says_why_it_is_missing(make_folder):
    page = Page(html_page(collect([make_folder(folders=False, ECE=None, unseen_as_seen=None, seen_as_unseen=None)])))
    for said in (
        "No curves: no run kept any.", "No confusion: these results do not hold", "No projection: no seed kept",
        "No losses: the folders", "No manifests: the folders", "so only numbers are shown.",
    ):  # fmt: skip
        assert said in page.text
    assert len(page.all("svg")) == 3  # differences of two classifiers, and classes, whose kind is not known
    assert "Generated pictures" not in page.text
    assert "class 3" in page.text


def test_why_there_is_no_projection_is_said(make_folder):
    folder = make_folder()
    for path in folder.rglob("artefacts.json"):
        stored = json.loads(path.read_text())
        stored |= {"projection": None, "pictures": None, "reasons": {"projection": "features have another width"}}
        path.write_text(json.dumps(stored))
    assert "No projection: features have another width" in Page(html_page(collect([folder]))).text


@pytest.mark.parametrize("field", ["dataset", "generator", "preset", "features", "semantics", "split", "device"])
def test_names_from_files_are_text_and_nothing_else(make_folder, field):
    text = html_page(collect([make_folder(**{field: EVIL}, seeds=2)]))
    check_harmless(text)


def test_names_in_the_folders_of_runs_are_text_too(make_folder):
    folder = make_folder(names=(EVIL,) * 4, command=("d3wrap", EVIL), versions={EVIL: EVIL})
    for path in folder.rglob("metrics.jsonl"):
        path.write_text(json.dumps({"step": 1, "losses": {EVIL: 1.0}}) + "\n")
    own = folder / "clswgan" / "seed-0" / "baseline"
    (own / "artefacts.json").write_text('{"schema": ' + json.dumps(EVIL) + "}")
    (own / "error.txt").write_text(EVIL)
    check_harmless(html_page(collect([folder])))


def check_harmless(text):
    page = Page(text)
    assert len(page.all("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert "{{ 7*7 }}" in page.text, "shown as it is, so it was in the page at all"
    assert "<script>alert" not in text
