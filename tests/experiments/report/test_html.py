"""The file of `report`: whatever a name holds, it is text on the page."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import UndefinedError
from robometer_test_runs import curve_rows, write_run

from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.report.blocks import Bullets, Cell, Column, Paragraph, Section, Table
from robometer_rl.experiments.report.html import page
from robometer_rl.experiments.report.report import ReportConfig, report

HOSTILE = "\"'><img src=x onerror=hacked(1)>&amp;{{ 7 * 7 }}{% if %}$\\frac{$|`"
"""Markup, an entity, a template expression, and mathematics that Matplotlib cannot read; no slash, so that a
file may have this name."""
TAME = "t" * len(HOSTILE)


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def study(root: Path, name: str) -> Path:
    """A study in which everything that a user can name has one name."""
    runs = root / name
    learned = [float(x) for x in range(9)]
    for model, success in (("compact", [0.0] * 9), (name, [0.9] * 9)):
        config = RunConfig(env="metaworld/door-open-v3", model=model)
        folder = write_run(
            runs, config, curve_rows(config, success, learned), command=name, machine=name,
            versions={name: name}, ground_truth={name: True},
        )  # fmt: skip
        folder.videos.mkdir()
        (folder.videos / "wrong.mp4").write_bytes(b"x")
        folder.path.rename(runs / f"{name}{model == name}")
    unfinished = replace(config, seed=1)
    write_run(runs, unfinished, [], done=False).path.rename(runs / f"{name}unfinished")
    row = {"id": name, "state": name, "error": name}
    (runs / "manifest.json").write_text(json.dumps({"runs": [row]}))
    return runs


def test_hostile_names_are_text_and_add_no_markup(tmp_path: Path) -> None:
    pages = []
    for name in (TAME, HOSTILE):
        _, html = report(ReportConfig(study(tmp_path, name), resamples=200, max_video_mb=0.0))
        pages.append(Skeleton(html.read_text(encoding="utf-8")))
    tame, hostile = pages
    assert hostile.tags == tame.tags
    assert hostile.text.count(HOSTILE) == tame.text.count(TAME) > 20
    assert "<img src=x" not in html.read_text(encoding="utf-8")


def test_names_in_a_table_of_markdown_keep_its_columns(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    runs = study(tmp_path, HOSTILE)
    readme.write_text(f"<!-- benchmark {HOSTILE} -->\n<!-- end -->\n")
    report(ReportConfig(runs, resamples=200, readme=readme))
    rows = [line for line in readme.read_text().splitlines() if line.startswith("|")]
    assert len(rows) > 2
    assert {line.replace("\\|", "").count("|") for line in rows} == {4}


def test_every_block_is_escaped() -> None:
    table = Table([Column(HOSTILE, help=HOSTILE)], [[Cell(HOSTILE, HOSTILE)]], HOSTILE)
    section = Section("key", HOSTILE, [table, Bullets([HOSTILE]), Paragraph(HOSTILE)])
    source = page(HOSTILE, [Paragraph(HOSTILE)], [section])
    assert "onerror=hacked(1)" in source
    assert "<img" not in source
    assert "'><" not in source
    assert Skeleton(source).text.count(HOSTILE) == 9


def test_what_a_block_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="has no attribute 'tone'"):
        page("title", [SimpleNamespace(kind="paragraph")], [])  # type: ignore[list-item]
