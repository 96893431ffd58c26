"""The page of `score` and `rank`: whole in one file, and whatever a name holds is text on it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_browser import Browser, chromium
from robometer_test_fakes import MODEL, FakeRewardModel

from robometer_rl.video.batch import score_videos
from robometer_rl.video.page import POINTS, page_text
from robometer_rl.video.ranking import rank_videos

HOSTILE = "\"'><img src=x onerror=hacked(1)>&amp;{{ 7 * 7 }}{% if %}`"


class Parsed(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def shape(self) -> list[tuple[str, list[str]]]:
        return [(tag, sorted(attrs)) for tag, attrs in self.tags]

    def of(self, tag: str, name: str) -> list[str]:
        return [attrs.get(name) or "" for found, attrs in self.tags if found == tag]


def folder(clip: Any, tmp_path: Path, name: str) -> Path:
    for number in range(2):
        clip(f"{name}/{name}{number}", [10, 50 + number])
    clip(f"{name}/{name}still", [30] * 4)
    (tmp_path / name / f"{name}.mp4").write_text("no video")
    (tmp_path / name / f"{name}.txt").write_text("no video")
    return tmp_path / name


@pytest.mark.parametrize("rank", [False, True])
def test_hostile_names_are_text_and_add_no_markup(clip: Any, tmp_path: Path, rank: bool) -> None:
    pages = []
    for name in ("t" * len(HOSTILE), HOSTILE):
        paths = [folder(clip, tmp_path, name)]
        found = rank_videos(paths, name, MODEL) if rank else score_videos(paths, name, MODEL)
        pages.append(Parsed(page_text(found)))
    tame, hostile = pages
    assert hostile.shape() == tame.shape()
    assert hostile.text.count(HOSTILE) == tame.text.count("t" * len(HOSTILE)) > 10


def test_it_refers_to_nothing_outside_and_runs_no_script(clip: Any, tmp_path: Path) -> None:
    page = Parsed(page_text(score_videos([folder(clip, tmp_path, "v")], "count up", MODEL)))
    sources = [*page.of("img", "src"), *page.of("link", "href"), *page.of("a", "href")]
    assert {source[:5] for source in sources} == {"data:", "#vide"}
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "video", "form"}
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_scores_come_best_first_with_their_curves(clip: Any) -> None:
    paths = [clip("low", [0, 20]), clip("high", [100, 50, 0, 70])]
    page = Parsed(page_text(score_videos(paths, "count up", MODEL)))
    assert page.text.index("1. high.npz") < page.text.index("2. low.npz")
    curves = page.of("polyline", "points")
    # 600 x 120, high values above: 1, 0.5, 0 and 0.7 of progress over three equal steps.
    assert curves[1] == "0.0,0.0 200.0,60.0 400.0,120.0 600.0,36.0"
    assert "Final progress 0.700, highest success 0.900, success from frame 0; 4 frames, 0.4 s." in page.text
    assert len(page.of("img", "src")) == 6


def test_long_curves_are_thinned_but_keep_their_highest_point(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 80, (3001, 4, 4, 3)).astype(np.uint8)
    frames[1234] = 90
    np.save(tmp_path / "long.npy", frames)
    page = Parsed(page_text(score_videos([tmp_path / "long.npy"], "count up", MODEL)))
    success, progress = (points.split() for points in page.of("polyline", "points"))
    assert len(success) == len(progress) == POINTS + 1
    assert [point for point in success if point.endswith(",12.0")] == [f"{1234 / 5:.1f},12.0"]
    assert "frame 3000" in page.text


def test_one_frame_alone_is_a_dash(clip: Any) -> None:
    page = Parsed(page_text(score_videos([clip("one", [50])], "count up", MODEL)))
    assert page.of("polyline", "points")[1] == "296.0,60.0 304.0,60.0"


def test_only_failures_are_a_page_too(clip: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/a.mp4").write_text("no video")
    page = Parsed(page_text(score_videos([tmp_path / "run"], "count up", MODEL)))
    assert "a.mp4 cannot be decoded as a video" in page.text
    assert "table" not in {tag for tag, _ in page.tags}


def test_each_order_says_what_it_is_by(clip: Any) -> None:
    paths = [clip("a", [0, 20]), clip("b", [0, 70])]
    expected = {
        "progress": "by final progress",
        "preference": "by preference",
        "both": "by the mean of the places by progress and by preference",
    }
    for by, words in expected.items():
        text = Parsed(page_text(rank_videos(paths, "count up", MODEL, by=by))).text  # type: ignore[arg-type]
        assert f"Best first, {words}." in text
        assert ("Strength +" in text) is (by != "progress")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_a_browser_shows_it_on_every_width_and_asks_nobody(
    clip: Any, tmp_path: Path, browser: Browser
) -> None:
    paths = [clip("a" * 120, [10, 50]), clip("b", [10, 90, 20])]
    (tmp_path / "page.html").write_text(
        page_text(rank_videos(paths, "count up " * 20, FakeRewardModel())), encoding="utf-8"
    )
    for width in (1200, 360):
        browser.resize(width)
        browser.open(tmp_path / "page.html")
        assert browser.run("return document.documentElement.scrollWidth") <= width
    pictures = browser.run("return [...document.images].map((image) => [image.naturalWidth, image.width])")
    assert len(pictures) == 5
    assert all(natural == 16 and shown > 16 for natural, shown in pictures)
    height = browser.run("return document.querySelector('polyline.progress').getBoundingClientRect().height")
    assert height > 20
    assert browser.run("return document.querySelectorAll('tbody a')[1].hash") == "#video-2"
    assert browser.get_log("browser") == []
