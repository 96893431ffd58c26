from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robometer_test_browser import chromium  # type: ignore[import-not-found]

from robometer_rl.experiments.adapt.cheat import (
    CheatReport,
    PaidEpisode,
    agreement,
    give_verdict,
)
from robometer_rl.experiments.adapt.page import HEIGHT, WIDTH, render_page, view_episode, write_page
from robometer_rl.experiments.agent.recorder import JUDGED, LEARNING
from robometer_rl.experiments.episodes import Episode, write_episode

SENTENCE = "put <b>the</b> cup & saucer down"


def paid_episode(root: Path, number: int, done: bool | None, paid: float, length: int = 31) -> PaidEpisode:
    """A square that moves to the right; success is told from two thirds on."""
    frames = np.full((length, 48, 64, 3), 190, dtype=np.uint8)
    for i in range(length):
        x = int(48 * i / length)
        frames[i, 16:32, x : x + 16] = (40, 90 + 5 * number, 200)
    known = done is not None
    success = np.arange(length) > 2 * length // 3 if done else np.zeros(length, dtype=np.bool_)
    episode = Episode(
        "own/Cup", "agent" if known else "unlabelled", number, frames, success if known else None,
        detail=LEARNING if number % 2 else JUDGED,
    )  # fmt: skip
    progress = np.linspace(0, 0.9, length)
    return PaidEpisode(
        write_episode(root, episode), number, number % 2 == 0, done, progress, progress**3,
        success if known else None, paid, 60.0,
    )  # fmt: skip


def report(root: Path, outcomes: Any) -> CheatReport:
    episodes = tuple(paid_episode(root, n, done, 40.0 - 3 * n) for n, done in enumerate(outcomes))
    known = all(done is not None for done in outcomes)
    found = agreement([one.paid for one in episodes], outcomes) if known else None
    verdict, says = give_verdict(found, 60.0)
    return CheatReport(verdict, says, found, 70, episodes, root)


def test_the_page_escapes_what_it_is_given(tmp_path: Path) -> None:
    page = render_page(report(tmp_path, [False]), SENTENCE, "runs/<x>/checkpoint")
    assert "<b>the</b>" not in page
    assert "put &lt;b&gt;the&lt;/b&gt; cup &amp; saucer down" in page
    assert "runs/&lt;x&gt;/checkpoint" in page


def test_the_page_says_pay_truth_and_verdict(tmp_path: Path) -> None:
    page = render_page(report(tmp_path, [False, True]), SENTENCE, "compact")
    assert "paid 40.0 of 60.0 at most (67%)" in page
    assert page.count("not done</span>") == 1
    assert page.count("truly done</span> paid") == 1
    assert "cheated" in page
    assert "label-demos" not in page


def test_unjudged_episodes_come_with_the_command_to_judge_them(tmp_path: Path) -> None:
    page = render_page(report(tmp_path, [None, None]), SENTENCE, "compact")
    assert page.count("judge it yourself") == 2
    assert f"robometer-rl label-demos {tmp_path / 'to_label'}" in page


def test_curves_go_from_bottom_left_to_top_right(tmp_path: Path) -> None:
    view = view_episode(1, paid_episode(tmp_path, 1, True, 30.0))
    first, *_, last = view.progress.split()
    assert first == f"0.0,{HEIGHT}.0"
    assert last == f"{WIDTH}.0,{HEIGHT * 0.1:.1f}"
    ((left, width),) = view.done
    assert left == pytest.approx(WIDTH * 20.5 / 30, abs=0.1)
    assert left + width == pytest.approx(WIDTH, abs=0.1)


def test_the_page_loads_nothing_and_shows_every_picture(tmp_path: Path) -> None:
    path = tmp_path / "cheats.html"
    write_page(path, report(tmp_path, [False, True, False]), SENTENCE, "compact")
    with chromium(tmp_path / "profile") as browser:
        browser.open(path)
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
        widths = browser.run("return Array.from(document.images, image => image.naturalWidth)")
        assert widths == [8 * 160] * 3
        for width in (1200, 400):
            browser.resize(width)
            assert browser.run("return document.documentElement.scrollWidth") <= width
