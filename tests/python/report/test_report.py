"""The HTML report in a real browser: it draws, it asks nobody for anything, its numbers are the JSON's.

The reports show made-up studies; SPLITCOST_REPORT names one more, from a real run.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[3]
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
MADE_UP = ("full", "paired", "estimated", "crowded", "cut", "empty")
REAL = os.environ.get("SPLITCOST_REPORT")
VARIANTS = (*MADE_UP, "real") if REAL else MADE_UP
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
DEADLINE_MILLIS = 30_000

# Every drawn line, dot, arrow and letter of a chart, and how large it is.
DRAWN = """element => [...element.querySelectorAll("svg path, svg text")].map(e => {
    const box = e.getBoundingClientRect();
    return {tag: e.tagName, text: e.textContent, width: box.width, height: box.height};
})"""
CELLS = """() => [...document.querySelectorAll("[data-path]")].map(e => ({
    path: e.dataset.path, value: e.dataset.value, length: e.dataset.length, scale: e.dataset.scale ?? "1",
    text: e.textContent,
}))"""
# Every text with a digit that is no number of the study: no `data-path`, and no name, label, mark or axis.
LOOSE = r"""() => {
    const loose = [];
    const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const other = "[data-path], script, style, svg, code, select, .axis, [data-chart], .tabs, h2, a";
    while (texts.nextNode()) {
        const text = texts.currentNode.textContent.trim();
        if (/[0-9]/.test(text) && !texts.currentNode.parentElement.closest(other)) loose.push(text);
    }
    return loose;
}"""


def built_example() -> str:
    """Builds the program that writes the made-up reports, and returns its path.

    The features are those of `make test`, and an example brings in the test dependencies as the tests do: after the
    Rust tests nothing is left to compile.
    """
    command = [
        "cargo",
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--all-features",
        "--example",
        "sample",
    ]
    command += ["--bin", "splitcost", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, check=True, timeout=900, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    artifacts = [message for message in messages if message["reason"] == "compiler-artifact"]
    [path] = [found["executable"] for found in artifacts if found["target"]["kind"] == ["example"]]
    assert isinstance(path, str)
    return path


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every report by its name."""
    directory = tmp_path_factory.mktemp("report")
    pages = {variant: directory / f"{variant}.html" for variant in MADE_UP}
    sample = built_example()
    for variant, page in pages.items():
        subprocess.run([sample, str(page), variant], cwd=ROOT, check=True, timeout=60)
    if REAL:
        pages["real"] = Path(REAL).resolve()
    return pages


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. While Playwright lives, this thread has a running event loop, as others need."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert executable, "there is no Chromium on PATH: scripts/need-chromium installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and what it complained about or asked for."""

    def __init__(
        self, browser: Browser, path: Path, size: str = "desktop", scheme: str = "light", at: str = ""
    ):
        width, height = SIZES[size]
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page.set_default_timeout(DEADLINE_MILLIS)
        self.page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + at, wait_until="load")

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.page.close()

    def charts(self, kind: str) -> list[list[dict[str, Any]]]:
        """Everything that is drawn in the visible charts of a kind."""
        charts = self.page.locator(f'[data-chart="{kind}"]:visible')
        return [charts.nth(i).evaluate(DRAWN) for i in range(charts.count())]

    def study(self) -> dict[str, Any]:
        """The data that the page holds."""
        return json.loads(self.page.locator("#study").text_content() or "")


@pytest.fixture(params=VARIANTS)
def sample(request: pytest.FixtureRequest, samples: dict[str, Path]) -> Path:
    """Each variant of the sample report."""
    return samples[request.param]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_it_fits_and_is_quiet(browser: Browser, sample: Path, size: str, scheme: str) -> None:
    with Visit(browser, sample, size, scheme) as visit:
        tabs = visit.page.locator(".tabs a")
        for i in range(tabs.count()):
            tabs.nth(i).click()
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            assert width <= SIZES[size][0]
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        for service in visit.page.locator(".service").all():
            visit.page.evaluate("id => location.hash = id", service.get_attribute("id"))
            expect(service).to_be_visible()
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        channels = [int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")]
        assert (sum(channels) / 3 < 64) == (scheme == "dark")
        assert visit.troubles == []
        assert visit.requests[0].startswith("file:")
        assert [url for url in visit.requests[1:] if not url.startswith("data:")] == []


def shown(text: str) -> float:
    """The number that a cell shows."""
    return float(text.removesuffix("×").replace(",", ""))


def lookup(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer."""
    for key in pointer.removeprefix("/").split("/"):
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_the_numbers_are_those_of_the_json(browser: Browser, sample: Path) -> None:
    with Visit(browser, sample) as visit:
        study = visit.study()
        cells = visit.page.evaluate(CELLS)
        assert len(cells) > (200 if study["splits"] else 1)
        for cell in cells:
            value = lookup(study, cell["path"])
            if cell.get("length") is not None:
                assert int(cell["length"]) == len(value) == shown(cell["text"]), cell
                continue
            assert float(cell["value"]) == pytest.approx(value, rel=1e-15), cell
            # Three significant digits (two of a factor), or all digits of a whole number: off by at most half of
            # the last one.
            exact = value * float(cell["scale"])
            kept = 1 if cell["text"].endswith("×") else 2
            digits = 0 if exact == 0 else max(0, min(6, kept - math.floor(math.log10(abs(exact)))))
            assert shown(cell["text"]) == pytest.approx(exact, abs=0.5001 * 10**-digits, rel=0), cell


def strings(document: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, (dict, list)):
        for part in document.values() if isinstance(document, dict) else document:
            yield from strings(part)


def test_no_number_is_shown_that_is_not_in_the_json(browser: Browser, sample: Path) -> None:
    with Visit(browser, sample) as visit:
        # Names of percentiles and of intervals are words; a text of the study is shown as it is.
        known = " ".join(strings(visit.study())).replace("T", " ").replace("Z", " UTC")
        words = re.compile(r"p50|p90|p99|90 %")
        loose = [text for text in visit.page.evaluate(LOOSE) if re.search("[0-9]", words.sub("", text))]
        assert [text for text in loose if text.replace("T", " ").replace("Z", " UTC") not in known] == []


@pytest.mark.parametrize("number", [0, 1])
def test_every_interval_and_ratio_of_an_endpoint_is_shown(
    browser: Browser, samples: dict[str, Path], number: int
) -> None:
    with Visit(browser, samples["paired"]) as visit:
        paths = {cell["path"] for cell in visit.page.evaluate(CELLS)}
        split = visit.study()["splits"][number]
        parts = ("value", "low", "high")
        for arm, part in itertools.product(("monolith", "split"), parts):
            for i in range(len(split["rehearsal"]["endpoints"])):
                for quantile in ("p50_ms", "p90_ms", "p99_ms"):
                    assert f"/splits/{number}/rehearsal/endpoints/{i}/{arm}/{quantile}/{part}" in paths
        for i in range(len(split["comparison"]["endpoints"])):
            for figure, source, part in itertools.product(
                ("alone", "p50", "p90", "p99"), ("predicted", "measured"), parts
            ):
                assert f"/splits/{number}/comparison/endpoints/{i}/ratios/{figure}/{source}/{part}" in paths


def test_transactions_joins_and_tables_of_several_services_are_shown(
    browser: Browser, samples: dict[str, Path]
) -> None:
    with Visit(browser, samples["cut"]) as visit:
        data = visit.study()["splits"][0]["data"]
        paths = {cell["path"] for cell in visit.page.evaluate(CELLS)}
        for kind, rows in data.items():
            assert rows
            for row, found in enumerate(rows):
                numbers = [key for key, value in found.items() if isinstance(value, float)]
                assert {f"/splits/0/data/{kind}/{row}/{key}" for key in numbers} <= paths
        [transactions, joins, foreign] = visit.page.locator("table.data:visible").all_inner_texts()
        assert "Writes order_lines, orders of main and price_history of pricing" in transactions
        assert "shop/orders/service.py:121, shop/pricing/service.py:88" in transactions
        assert data["cut_joins"][0]["sql"] in joins
        assert "Writes of price_history of pricing by shop.orders" in foreign
        # The verdict names the transaction before any time.
        [verdict] = visit.page.locator(".verdict .sentence").all_inner_texts()
        assert verdict.index("cuts the transaction of POST /orders") < verdict.index("slower")


def test_a_service_has_a_page_of_its_own(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#split-1") as visit:
        page = visit.page
        page.locator(".services:visible a", has_text="pricing").click()
        assert page.locator("main > :visible").evaluate_all("all => all.map(e => e.id)") == ["service-1-1"]
        heading = page.get_by_role("heading", name="The service pricing")
        expect(heading).to_be_in_viewport()
        page.locator(".siblings:visible a", has_text="main").click()
        expect(page.get_by_role("heading", name="The service main")).to_be_visible()
        page.locator(".service:visible .brand a").click()
        expect(page.locator("#split-1")).to_be_visible()
        assert page.locator(".service:visible").count() == 0
    # The charts had no size while the page of a service was seen.
    with Visit(browser, samples["full"], at="#service-1-1") as visit:
        assert visit.charts("graph") == []
        visit.page.locator(".service:visible .brand a").click()
        expect(visit.page.locator("#split-1 [data-chart=graph] svg")).to_be_visible()


def test_the_page_of_a_service_shows_its_interface(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#service-1-1") as visit:
        interfaces = visit.study()["splits"][1]["interfaces"]
        service = interfaces["services"][1]
        shown_paths = {cell["path"] for cell in visit.page.evaluate(CELLS)}
        base = "/splits/1/interfaces/services/1"
        expected = {f"{base}/calls_per_request", f"{base}/bytes_per_request", f"{base}/added_ms_per_request"}
        for f, function in enumerate(service["functions"]):
            numbers = ("calls_per_request", "bytes_per_request", "bytes_per_call", "added_ms_per_request")
            expected |= {f"{base}/functions/{f}/{key}" for key in numbers if key in function}
            for c, caller in enumerate(function["callers"]):
                keys = [key for key, value in caller.items() if isinstance(value, (int, float))]
                expected |= {f"{base}/functions/{f}/callers/{c}/{key}" for key in keys}
        for t, table in enumerate(service["tables"]):
            keys = ("reads_per_request", "writes_per_request", "rows_per_request")
            expected |= {
                f"{base}/tables/{t}/accesses/{a}/{key}" for a in range(len(table["accesses"])) for key in keys
            }
        expected.add(f"{base}/shared_code/0/calls_per_request")
        expected.add("/splits/1/interfaces/cut_transactions/0/transactions_per_request")
        assert expected <= shown_paths
        text = visit.page.locator(".service:visible").inner_text()
        for piece in (
            "shop.pricing:quote(request: PriceRequest, on: datetime = …) -> Decimal",
            "arguments.session is a live resource",
            "Raises shop.pricing.errors:UnknownCoupon",
            "shared with main",
            "SHOP_TAX",
        ):
            assert piece in text


@pytest.mark.parametrize(
    "name, begin", [("pricing.py", '"""'), ("pricing.proto", "//"), ("pricing.json", "{")]
)
def test_the_interface_is_downloaded_and_copied_as_code(
    browser: Browser, samples: dict[str, Path], name: str, begin: str
) -> None:
    with Visit(browser, samples["full"], at="#service-1-1") as visit:
        code = visit.page.locator(".service:visible details.code", has_text=name)
        code.locator("summary").click()
        with visit.page.expect_download() as download:
            code.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename == name
        text = download.value.path().read_text()
        assert text.startswith(begin)
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        code.get_by_role("button", name="Copy").click()
        expect(code.get_by_role("button", name="Copied")).to_be_visible()
        assert visit.page.evaluate("navigator.clipboard.readText()") == text
        assert visit.troubles == []


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("variant", ["paired", "crowded"])
def test_the_charts_are_drawn(browser: Browser, samples: dict[str, Path], variant: str, size: str) -> None:
    with Visit(browser, samples[variant], size, at="#split-1") as visit:
        # Nine endpoints: a dot for each of 40 pairs and arm, two medians and the line between them.
        of_pairs = [("pairs", 9 * (2 * 40 + 3))] if variant == "paired" else []
        for kind, least in (*of_pairs, ("accuracy", 40), ("distribution", 8), ("graph", 4)):
            [drawn] = visit.charts(kind)
            solid = [e for e in drawn if e["tag"] == "path" and max(e["width"], e["height"]) > 2]
            assert len(solid) >= least, (kind, len(solid))
        split = visit.study()["splits"][1]
        texts = {e["text"] for e in visit.charts("graph")[0] if e["tag"] == "text"}
        assert {service["name"] for service in split["services"]} <= texts


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Says if two boxes have an area in common."""
    return all(
        min(one[far], other[far]) - max(one[near], other[near]) > 1
        for near, far in (("left", "right"), ("top", "bottom"))
    )


@pytest.mark.parametrize("size", list(SIZES))
def test_no_text_of_a_chart_lies_on_another(browser: Browser, samples: dict[str, Path], size: str) -> None:
    with Visit(browser, samples["paired"], size, at="#split-1") as visit:
        for kind in ("pairs", "accuracy", "distribution", "graph"):
            texts = visit.page.locator(f'[data-chart="{kind}"]:visible svg text').evaluate_all(
                """all => all.map(e => {
                    const {left, right, top, bottom} = e.getBoundingClientRect();
                    return {text: e.textContent, left, right, top, bottom};
                })"""
            )
            assert len(texts) >= 3
            pairs = itertools.combinations(texts, 2)
            assert [(a["text"], b["text"]) for a, b in pairs if overlap(a, b)] == [], kind


def test_a_row_shows_its_ratios_its_pairs_and_the_noise(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["paired"], at="#split-1") as visit:
        endpoints = visit.study()["splits"][1]["comparison"]["endpoints"]
        weights = [endpoint["requests"] for endpoint in endpoints]
        shown_first = visit.page.locator("#split-1 .endpoints tbody").evaluate_all(
            "all => all.map(e => e.id)"
        )
        order = [int(row.removeprefix("endpoint-1-")) for row in shown_first]
        assert [weights[place] for place in order] == sorted(weights, reverse=True)
        for place, endpoint in enumerate(endpoints):
            row = visit.page.locator(f"#endpoint-1-{place} tr.alone")
            lanes = row.locator(".lanes")
            boxes: dict[str, Any] = {
                name: lanes.locator(selector).bounding_box() or {}
                for name, selector in (("noise", "b"), ("predicted", "u.hollow"), ("measured", "u.filled"))
            }
            middle = {name: box["x"] + box["width"] / 2 for name, box in boxes.items()}
            ratios = endpoint["ratios"]["alone"]
            predicted, measured = ratios["predicted"]["value"], ratios["measured"]["value"]
            assert (middle["predicted"] < middle["measured"]) == (predicted < measured), endpoint["name"]
            band = boxes["noise"]
            inside = band["x"] < middle["measured"] < band["x"] + band["width"]
            floor = max(ratios["noise"]["high"], 1 / ratios["noise"]["low"])
            assert inside == (1 / floor < measured < floor), endpoint["name"]
            assert lanes.locator(".pairs path").count() == 1
            signs = row.locator(".measured .sign").all_text_contents()
            is_noise = ratios["measured"]["low"] <= floor and ratios["measured"]["high"] >= 1 / floor
            apart = (
                ratios["measured"]["low"] > ratios["predicted"]["high"]
                or ratios["predicted"]["low"] > ratios["measured"]["high"]
            )
            assert signs == ["≈"] * is_noise + ["≠"] * apart, endpoint["name"]
        # One sentence for each split says where prediction and measurement agree.
        sentences = [split["comparison"]["agreement"]["sentence"] for split in visit.study()["splits"]]
        assert visit.page.locator(".verdict .agreement").all_text_contents() == sentences


def test_the_graph_says_what_the_calls_add_up_to(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#split-1") as visit:
        estimate = visit.study()["splits"][1]["estimate"]
        requests = {e["name"]: e["requests"] for e in estimate["endpoints"]}
        calls = sum(requests[c["endpoint"]] * c["calls_per_request"] for c in estimate["calls"])
        mean = calls / sum(requests.values())
        labels = [e["text"] for e in visit.charts("graph")[0] if e["text"].endswith(" calls")]
        assert [shown(label.removesuffix(" calls")) for label in labels] == [pytest.approx(mean, rel=0.005)]


def test_an_endpoint_can_be_chosen(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#split-1") as visit:
        curves = visit.page.locator('[data-chart="distribution"]:visible')
        before = curves.inner_html()
        visit.page.locator("select.endpoint:visible").select_option(label="GET /reports/sales")
        assert curves.inner_html() != before
        assert visit.troubles == []


def test_one_split_is_shown_at_a_time(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"]) as visit:
        tabs = visit.page.get_by_role("tab")
        assert tabs.all_text_contents() == ["billing", "pricing"]
        assert visit.page.locator(".split:visible").get_attribute("id") == "split-0"
        tabs.nth(0).press("ArrowRight")
        assert visit.page.locator(".split:visible").get_attribute("id") == "split-1"
        assert tabs.nth(1).get_attribute("aria-selected") == "true"
        # A link to an endpoint opens the split that it is in.
        visit.page.locator('.comparison a[href^="#endpoint-0-"]').click()
        visit.page.locator("#split-0").wait_for(state="visible")


def test_more_quantiles_on_demand(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#split-1") as visit:
        row = visit.page.locator("#endpoint-1-0 tr.p90")
        assert not row.is_visible()
        visit.page.locator(".show-p90:visible").check()
        assert row.is_visible()


def test_it_follows_a_change_of_theme(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["full"], at="#split-1") as visit:
        graph = visit.page.locator('[data-chart="graph"]:visible')
        light = graph.inner_html()
        visit.page.emulate_media(color_scheme="dark")
        expect(graph).not_to_have_js_property("innerHTML", light, timeout=DEADLINE_MILLIS)


def test_it_reads_without_a_script(browser: Browser, samples: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(samples["full"].as_uri())
    assert page.locator(".split:visible").count() == 2
    context.close()


def test_names_stay_text(browser: Browser, samples: dict[str, Path]) -> None:
    with Visit(browser, samples["crowded"], at="#split-1") as visit:
        name = visit.study()["splits"][1]["comparison"]["endpoints"][0]["name"]
        assert name == "</script><b>&\"'"
        assert visit.page.locator("#endpoint-1-0 .name b").first.text_content() == name
        assert name in visit.page.locator("select.endpoint:visible option").all_text_contents()


CONTRAST = """() => {
    const channels = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = color => {
        const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = channels(color).map(c => linear(c / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = light(getComputedStyle(document.body).backgroundColor);
    const low = [];
    for (const element of document.querySelectorAll("body *:not(script):not(svg *)")) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || !element.getClientRects().length) continue;
        const ink = light(getComputedStyle(element).color);
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        if (ratio < 4.5) low.push([element.tagName, element.className, ratio]);
    }
    return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_text_has_contrast(browser: Browser, samples: dict[str, Path], scheme: str) -> None:
    # WCAG 2.2, 1.4.3: at least 4.5 to 1.
    for at in ("", "#service-1-1"):
        with Visit(browser, samples["full"], scheme=scheme, at=at) as visit:
            assert visit.page.evaluate(CONTRAST) == []
