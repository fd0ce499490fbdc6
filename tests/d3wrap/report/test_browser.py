"""The page in a real browser: it renders, sorts, toggles, fits a phone, and asks the network for nothing."""

import json
import shutil

import pytest

from d3wrap.report.collect import collect
from d3wrap.report.page import html_page

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LONG = "a-very-long-name-of-a-class-without-any-space-in-it-which-nobody-would-give_" * 3


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install 'd3wrap[browser]'"
    )
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        found = next(filter(None, map(shutil.which, (*NAMES, own))), None)
        if found is None:
            pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path; or type playwright install chromium")
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path, make_folder):
    """Open the page of a comparison; at the end nothing may have been logged or asked of the network."""
    contexts, faults, path = [], [], tmp_path / "report.html"

    def open_page(width=1280, scheme="light", folders=None, **options):
        path.write_text(html_page(collect(folders or [make_folder(**options)])), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:")) else faults.append(request.url),
        )
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def test_figures_have_a_size_and_styles_apply(opened):
    page = opened()
    boxes = page.locator("svg").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert len(boxes) == 12
    assert min(boxes) > 40
    assert page.locator("img").first.evaluate("one => one.naturalWidth") == 11
    assert page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"


def test_the_table_sorts_up_and_down_by_numbers_and_by_names(opened):
    page = opened()
    heading = page.get_by_role("columnheader", name="change").first
    cells = page.locator("table").first.locator("tbody tr td:nth-child(5)")

    def values():
        return [float(text) for text in cells.evaluate_all("all => all.map(one => one.dataset.value)")]

    before = values()
    assert before != sorted(before)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(before)
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(before, reverse=True)
    page.get_by_role("columnheader", name="classifier").first.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") is None
    names = page.locator("table").first.locator("tbody tr td:nth-child(1)").all_inner_texts()
    assert names == sorted(names)


def test_cells_without_a_value_stay_last(opened):
    page = opened()
    button = page.get_by_role("columnheader", name="effect").first.get_by_role("button")
    cells = page.locator("table").first.locator("tbody tr td:nth-child(8)")
    for _ in range(2):
        button.click()
        texts = cells.all_inner_texts()
        assert "–" not in texts[: -texts.count("–")]
        assert texts[-1] == "–"


@pytest.mark.parametrize(("arm", "other"), [("baseline", "enhanced"), ("enhanced", "baseline")])
def test_an_arm_can_be_hidden_everywhere(opened, arm, other):
    page = opened()
    box = page.locator(f'input[data-arm="{arm}"]')
    shown = page.locator(f"main .arm-{arm}:visible").count()
    others = page.locator(f"main .arm-{other}:visible").count()
    assert shown > 30
    box.focus()
    page.keyboard.press("Space")
    assert page.locator(f"main .arm-{arm}:visible").count() == 0
    assert page.locator(f"main .arm-{other}:visible").count() == others
    box.check()
    assert page.locator(f"main .arm-{arm}:visible").count() == shown


@pytest.mark.parametrize(("scheme", "first", "second"), [("light", "255", "20"), ("dark", "20", "255")])
def test_the_theme_follows_the_system_until_it_is_switched(opened, scheme, first, second):
    page = opened(scheme=scheme)

    def ground():
        return page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor")

    assert ground().startswith(f"rgb({first}, ")
    button = page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == str(scheme == "dark").lower()
    button.click()
    assert ground().startswith(f"rgb({second}, ")
    assert button.get_attribute("aria-pressed") == str(scheme == "light").lower()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(opened, scheme):
    """Contrast of text, arms and numbers against what is behind them, at least 4.5 as WCAG AA asks."""
    page = opened(scheme=scheme)
    found = page.evaluate(
        """() => {
          const luminance = (text) => {
            const [r, g, b] = text.match(/[0-9.]+/g).slice(0, 3).map(Number).map((c) => c / 255)
              .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = luminance(getComputedStyle(document.body).backgroundColor);
          const ratio = (text) => {
            const own = luminance(text);
            return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
          };
          const worst = {};
          const texts = "p, dd, dt, td, th, figcaption, summary, svg text:not(.on-bar), .legend span";
          for (const one of document.querySelectorAll(texts)) {
            const style = getComputedStyle(one);
            const colour = one instanceof SVGElement ? style.fill : style.color;
            worst[colour] = ratio(colour);
          }
          return worst;
        }"""
    )
    assert len(found) >= 4
    assert {colour: ratio for colour, ratio in found.items() if ratio < 4.5} == {}


def test_a_phone_scrolls_tables_and_not_the_page(opened, make_folder):
    folders = [
        make_folder("a", names=(LONG,) * 4, dataset=LONG, split=LONG, command=("d3wrap", LONG)),
        make_folder("b", generator="x" * 90, features="/" + "y" * 300),
    ]
    for path in folders[0].rglob("metrics.jsonl"):
        path.write_text(json.dumps({"step": 1, "losses": {LONG: 1.0}}) + "\n")
    page = opened(width=390, folders=folders)
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    table = page.locator(".scroll").first
    assert table.evaluate("one => one.scrollWidth > one.clientWidth")
    sizes = page.locator("svg text").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(sizes) > 8


def test_everything_can_be_reached_by_keyboard(opened):
    page = opened()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.className || document.activeElement.id || document.activeElement.tagName"
            )
        )
    assert {"skip", "theme", "sort", "scroll", "SUMMARY", "INPUT"} <= reached


def test_choices_leave_what_has_their_values(opened, make_folder):
    folders = [
        make_folder(name, seeds=1, classifiers=("softmax",), dataset=dataset, train_fraction=share)
        for name, dataset, share in (("a", "FLO", 0.1), ("b", "FLO", 1.0), ("c", "digits", 1.0))
    ]
    page = opened(folders=folders)
    rows = page.locator("[aria-label='Table of comparisons'] tbody tr")
    assert page.locator("article:visible").count() == rows.locator("visible=true").count() == 3
    page.get_by_label("dataset").select_option("FLO")
    assert page.locator("article:visible").count() == rows.locator("visible=true").count() == 2
    page.locator('[data-filter="1"]').select_option("100 %")
    assert page.locator("article:visible").count() == page.locator("li[data-values]:visible").count() == 1
    assert "on FLO" in page.locator("article:visible h2").inner_text()
    assert page.locator("#shown").inner_text() == "1 of 3 shown"
    page.get_by_label("dataset").select_option("all")
    assert page.locator("article:visible").count() == 2
    page.emulate_media(media="print")
    assert page.locator(".controls:visible").count() == 0


def test_print_is_light_and_without_controls(opened):
    page = opened(scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".controls").is_hidden()
    assert page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"


def test_a_hostile_name_runs_nothing(opened):
    name = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"
    page = opened(dataset=name, generator=name, names=(name,) * 4)
    assert page.evaluate("window.hit === undefined")
    assert name in page.locator("h1").inner_text()


def test_the_policy_stops_what_escaping_would_miss(browser, tmp_path, comparisons):
    text = html_page(comparisons).replace(
        "</main>", "<script>window.hit = 1</script><img src='http://127.0.0.1:9/x'></main>"
    )
    path = tmp_path / "planted.html"
    path.write_text(text, encoding="utf-8")
    page, refused = browser.new_page(), []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(path.as_uri())
    assert page.evaluate("window.hit === undefined")
    assert len(refused) == 2
    assert all("Content Security Policy" in message for message in refused)
    page.close()
