"""The page of `report` in a real Chromium: it loads, sorts, plays, fits the screen, and asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from robometer_test_browser import Browser, chromium
from robometer_test_runs import curve_rows, write_run, write_study
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.report import ReportConfig, report

HOSTILE = "robometer-rl train <script>window.hacked = 1</script> </pre>"
COLUMN = """
const table = document.querySelector(`#${arguments[0]} table`);
const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
return [[...table.tBodies[0].rows].map((row) => row.cells[at].textContent),
        table.tHead.rows[0].cells[at].getAttribute("aria-sort")];
"""
HEADER = """
return [...document.querySelectorAll(`#${arguments[0]} th`)].find((cell) => cell.textContent === arguments[1])
  .querySelector("button")
"""
PLAY = """
const video = arguments[0];
video.scrollIntoView();
return video.play().then(() => new Promise((done, fail) => {
  video.addEventListener("error", () => fail(video.error.message));
  const check = () => {
    if (video.currentTime > 0.2) done([video.currentTime, video.videoWidth]);
    else setTimeout(check, 20);
  };
  check();
})).finally(() => video.pause());
"""


@dataclass(frozen=True)
class Opened:
    browser: Browser
    page: Path
    videos: int


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    runs = tmp_path_factory.mktemp("study")
    write_study(runs, tasks=("door-open", "drawer-open"), seeds=3, evaluations=12)
    # Seed 10 and 10,000 minutes: as text they would sort before 2 and 9.
    config = RunConfig(env="metaworld/reach-v3", seed=10, steps=9_000, eval_every=9_000)
    write_run(runs, config, curve_rows(config, [0.5], [3.0]), command=HOSTILE, wall_s=600_000)
    # A name without a blank is wider than a phone.
    config = replace(config, model=f"runs/{'long' * 25}/checkpoint")
    write_run(runs, config, curve_rows(config, [0.5], [3.0]))
    _, page = report(ReportConfig(runs, resamples=200))
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get_log("browser")
        browser.open(page)
        yield Opened(browser, page, len(list(runs.glob("*/videos/*.mp4"))))


def header(browser: Browser, section: str, name: str) -> WebElement:
    return browser.run(HEADER, section, name)


def click(browser: Browser, section: str, name: str) -> None:
    header(browser, section, name).click()


def column(browser: Browser, section: str, name: str) -> tuple[list[str], str]:
    shown, direction = browser.run(COLUMN, section, name)
    return shown, direction


def test_it_loads_without_errors_and_asks_nobody(opened: Opened) -> None:
    browser = opened.browser
    assert browser.run("return document.readyState") == "complete"
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if "requestWillBeSent" in event["method"]}
    assert opened.page.resolve().as_uri() in asked, "the log holds the page itself, so it holds everything"
    others = {url for url in asked if not url.startswith("data:")}
    assert others == {opened.page.resolve().as_uri()}


def test_every_picture_is_there_and_described(opened: Opened) -> None:
    script = (
        "return [...document.images].map((image) => [image.naturalWidth, image.naturalHeight, image.alt])"
    )
    pictures = opened.browser.run(script)
    assert len(pictures) >= 5
    assert all(width > 300 and height > 100 and alt for width, height, alt in pictures)


def test_every_link_leads_somewhere(opened: Opened) -> None:
    script = "return [...document.links].map((a) => [a.hash, document.querySelector(a.hash) !== null])"
    links = opened.browser.run(script)
    assert {"#results", "#alarm", "#head", "#videos", "#cost", "#runs", "#repeat"} <= {to for to, _ in links}
    assert all(found for _, found in links)


def test_numbers_sort_as_numbers_both_ways(opened: Opened) -> None:
    browser = opened.browser
    click(browser, "runs", "seed")
    shown, direction = column(browser, "runs", "seed")
    assert direction == "ascending"
    assert shown == sorted(shown, key=int)
    assert shown != sorted(shown), "10 comes after 2 as a number and before it as text"
    click(browser, "runs", "seed")
    shown, direction = column(browser, "runs", "seed")
    assert direction == "descending"
    assert shown == sorted(shown, key=int, reverse=True)


def test_thousands_sort_and_what_is_missing_stays_last(opened: Opened) -> None:
    browser = opened.browser
    for expected in ("ascending", "descending"):
        click(browser, "runs", "wall time, min")
        shown, direction = column(browser, "runs", "wall time, min")
        numbers = [float(text.replace(",", "")) for text in shown]
        assert direction == expected
        assert numbers == sorted(numbers, reverse=expected == "descending")
        assert "10,000.0" in shown
    for _ in range(2):
        click(browser, "runs", "steps to 0.8")
        shown, _ = column(browser, "runs", "steps to 0.8")
        assert "\N{EN DASH}" in shown
        assert set(shown[shown.index("\N{EN DASH}") :]) == {"\N{EN DASH}"}
    _, direction = column(browser, "runs", "wall time, min")
    assert direction == "none", "one column at a time says that it sorts"


def test_text_sorts_by_the_keyboard_too(opened: Opened) -> None:
    browser = opened.browser
    before, _ = column(browser, "runs", "task")
    assert before != sorted(before)
    header(browser, "runs", "task").send_keys(Keys.ENTER)
    shown, direction = column(browser, "runs", "task")
    assert direction == "ascending"
    assert shown == sorted(shown)


def test_every_table_sorts(opened: Opened) -> None:
    script = """
    return [...document.querySelectorAll("th")].map((cell) => {
      cell.querySelector("button").click();
      return cell.getAttribute("aria-sort");
    })"""
    directions = opened.browser.run(script)
    assert len(directions) > 30
    assert set(directions) == {"ascending"} or set(directions) == {"ascending", "descending"}
    assert opened.browser.get_log("browser") == []


def test_every_video_plays(opened: Opened) -> None:
    videos = opened.browser.run("return [...document.querySelectorAll('video')]")
    assert 4 <= len(videos) <= opened.videos
    for video in videos:
        time, width = opened.browser.run(PLAY, video)
        assert time > 0.2
        assert width == 320
    assert opened.browser.get_log("browser") == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out(opened: Opened, width: int) -> None:
    browser = opened.browser
    browser.resize(width)
    wide, window = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert window == width
    assert wide <= window
    script = """
    return [...document.querySelectorAll("h1, h2, p, li, figure, .scroll, video, pre")]
      .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((e) => e.outerHTML.slice(0, 80))"""
    assert browser.run(script) == []


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_it_follows_the_colour_scheme(opened: Opened, scheme: str, dark: bool) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert (sum(opened.browser.run(script)) < 3 * 128) is dark


def test_what_files_say_is_text_never_code(opened: Opened) -> None:
    assert opened.browser.run("return window.hacked ?? 0") == 0
    assert HOSTILE in opened.browser.run("return document.querySelector('#repeat pre').textContent")


def test_commands_can_be_copied(opened: Opened) -> None:
    browser = opened.browser
    browser.find_element(By.CSS_SELECTOR, "#repeat button.copy").click()
    selected = browser.run("return getSelection().toString()")
    assert selected.strip() == browser.run("return document.querySelector('#repeat pre').textContent")


def test_the_logs_would_tell(opened: Opened, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://127.0.0.1:9/x.png"><script>throw new Error("oh")</script>')
    browser = opened.browser
    browser.get_log("performance")
    browser.open(bad)
    messages = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "oh" in messages
    assert any("127.0.0.1:9" in entry["message"] for entry in browser.get_log("performance"))
    browser.open(opened.page)
    browser.get_log("browser")


def test_a_proxy_of_the_machine_stands_not_between_us_and_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with chromium(tmp_path) as browser:
        assert browser.run("return 1 + 1") == 2


def test_long_tables_keep_their_header_in_sight(opened: Opened) -> None:
    script = """
    const box = document.querySelector("#runs .scroll");
    box.style.maxHeight = "150px";
    box.scrollTop = 100;
    const [header, row] = [box.querySelector("th"), box.querySelector("tbody tr")];
    const tops = [box, header, row].map((element) => element.getBoundingClientRect().top);
    box.style.maxHeight = "";
    return tops;"""
    box, header, row = opened.browser.run(script)
    assert abs(header - box) < 1
    assert row < box


def test_a_missing_browser_is_a_failure_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(RuntimeError, match="apt-get install -y chromium chromium-driver"),
        chromium(tmp_path),
    ):
        pass
