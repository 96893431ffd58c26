from __future__ import annotations

import subprocess
import sys

import matplotlib.style
import numpy as np
import pytest
from numpy.typing import NDArray

from robometer_rl.video.figures import (
    ScoredEpisode,
    _tick_labels,
    draw_episode,
    draw_mosaic,
    draw_overlay,
    draw_sheet,
)

PAPER, BLUE, GREEN, PALE_GREEN = (255, 255, 255), (37, 99, 235), (22, 150, 72), (217, 244, 226)


def episode(count: int = 9, truth: list[bool] | None = None, **changes: object) -> ScoredEpisode:
    """Progress on the diagonal, success a step at two thirds, black pictures."""
    line = np.linspace(0, 1, count, dtype=np.float32) if count > 1 else np.zeros(1, np.float32)
    fields = {
        "title": "open the drawer",
        "frames": np.zeros((count, 24, 24, 3), np.uint8),
        "progress": line,
        "success": (line > 0.66).astype(np.float32),
        "times": np.arange(count, dtype=np.float64),
        "truth": None if truth is None else np.asarray(truth),
    }
    return ScoredEpisode(**{**fields, **changes})  # type: ignore[arg-type]


def where(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return (np.abs(picture.astype(int) - np.asarray(colour)) <= 3).all(axis=-1)


def test_progress_climbs_from_lower_left_to_upper_right() -> None:
    picture = np.asarray(draw_episode(episode(success=np.zeros(9, np.float32)), legend=False))
    rows, columns = np.nonzero(where(picture, BLUE))
    left, right = rows[columns < columns.min() + 20], rows[columns > columns.max() - 20]
    assert left.mean() > right.mean() + 100
    slope = np.polyfit(columns, rows, 1)
    assert np.abs(np.polyval(slope, columns) - rows).max() < 4


def test_each_picture_of_the_strip_stands_over_its_moment() -> None:
    """The picture of the only orange frame lies over the only success of 1."""
    frames = np.zeros((8, 24, 24, 3), np.uint8)
    frames[5] = (200, 120, 40)
    success = np.zeros(8, np.float32)
    success[5] = 1
    shown = episode(8, frames=frames, success=success, progress=np.zeros(8, np.float32))
    picture = np.asarray(draw_episode(shown, legend=False))
    orange = np.nonzero(where(picture, (200, 120, 40)))[1]
    rows, columns = np.nonzero(where(picture, GREEN))
    assert orange.mean() == pytest.approx(columns[rows < rows.min() + 5].mean(), abs=2)


def test_truth_is_marked_where_it_holds_and_only_there() -> None:
    truth = [False] * 6 + [True] * 3
    marked = np.asarray(draw_episode(episode(truth=truth), legend=False))
    columns = np.nonzero(where(marked, PALE_GREEN))[1]
    blue = np.nonzero(where(marked, BLUE))[1]
    span = blue.max() - blue.min()
    assert columns.min() == pytest.approx(blue.min() + span * 5.5 / 8, abs=5)
    assert columns.max() == pytest.approx(blue.max(), abs=5)
    assert not where(np.asarray(draw_episode(episode(truth=[False] * 9), legend=False)), PALE_GREEN).any()


def test_pictures_are_light_and_equal_for_equal_input() -> None:
    first, second = (np.asarray(draw_episode(episode(truth=[True] * 9))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first[0, 0] == PAPER).all()


@pytest.mark.parametrize("count", [1, 2, 3, 200])
def test_videos_of_any_length_are_drawn(count: int) -> None:
    shown = episode(count, truth=[True] * count, threshold=0.5)
    assert draw_episode(shown).width == 1200
    assert len(list(draw_overlay(shown, width=160))) == count


@pytest.mark.parametrize("shape", [(24, 24), (30, 60), (61, 17)])
def test_overlay_shows_the_frame_and_grows_the_curve(shape: tuple[int, int]) -> None:
    frames = np.zeros((9, *shape, 3), np.uint8)
    frames[:] = (np.arange(9, dtype=np.uint8) * 20)[:, None, None, None]
    pictures = list(draw_overlay(episode(frames=frames), width=201))
    sizes = {picture.shape for picture in pictures}
    assert len(sizes) == 1
    height, width, _ = sizes.pop()
    assert height % 2 == 0
    assert width == 202
    for number, picture in enumerate(pictures):
        assert picture.dtype == np.uint8
        assert (picture[80, 101] == number * 20).all()
    ink = [where(picture[-190:, :130], BLUE).sum() for picture in pictures]
    assert ink[0] < ink[4] < ink[8]


def test_sheet_holds_every_episode() -> None:
    single = draw_episode(episode(), 600, 6, legend=False)
    sheet = draw_sheet([[episode(), episode()], [episode()]], "all of them", width=1200)
    assert sheet.width == 1200
    assert sheet.height > 2 * single.height
    blue = where(np.asarray(sheet), BLUE)
    half = sheet.height // 2
    assert blue[:half, :600].any()
    assert blue[:half, 600:].any()
    assert blue[half:, :600].any()


def test_mosaic_runs_as_long_as_the_longest_and_holds_the_rest() -> None:
    pictures = list(draw_mosaic([[episode(3), episode(5)]], width=160))
    assert len(pictures) == 5
    np.testing.assert_array_equal(pictures[2][:, :160], pictures[4][:, :160])
    assert (pictures[2][:, 160:] != pictures[4][:, 160:]).any()


def test_empty_sheets_and_ragged_mosaics_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one episode"):
        draw_sheet([[]], "nothing")
    with pytest.raises(ValueError, match=r"rows of one length, at least 1, got \[1, 2\]"):
        next(draw_mosaic([[episode()], [episode(), episode()]]))


def test_curves_that_do_not_fit_the_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"progress must have shape \(9,\) like the frames, got \(8,\)"):
        episode(progress=np.zeros(8, np.float32))
    with pytest.raises(ValueError, match=r"success holds NaN or infinity at \[3\]"):
        episode(success=np.where(np.arange(9) == 3, np.nan, 0).astype(np.float32))
    with pytest.raises(ValueError, match=r"frames must be \(T, H, W, 3\)"):
        episode(frames=np.zeros((9, 24, 24), np.uint8))


def ink(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Columns of the title row that hold letters."""
    return (picture[5:35] < 200).any(axis=(0, 2))


def test_long_titles_are_cut_before_the_note() -> None:
    note = "learned return 77"
    alone = ink(np.asarray(draw_episode(episode(title="", note=note))))
    long = "put the green stick in the brown bowl " * 9
    both = ink(np.asarray(draw_episode(episode(title=long, note=note))))
    first = np.flatnonzero(alone)[0]
    np.testing.assert_array_equal(both[first:], alone[first:])
    assert not both[first - 20 : first].any()
    assert both[first - 60 : first - 20].any()


def test_long_titles_stay_inside_an_overlay() -> None:
    picture = next(draw_overlay(episode(title="put the green stick in the brown bowl " * 9), width=320))
    columns = np.flatnonzero((picture[5:40] < 200).any(axis=(0, 2)))
    assert 270 < columns[-1] < 305


def test_titles_are_shown_as_they_are_written() -> None:
    """A dollar starts no formula, a line break is a blank, and letters that the font lacks are boxes."""
    plain = np.asarray(draw_episode(episode(title="a$b_1$ c d")))
    broken = np.asarray(draw_episode(episode(title="a$b_1$\nc\td")))
    np.testing.assert_array_equal(plain, broken)
    width = [np.flatnonzero(ink(np.asarray(draw_episode(episode(title=t)))))[-1] for t in ("b_1", "$b_1$")]
    assert width[1] > width[0] + 10
    foreign, boxes = (np.asarray(draw_episode(episode(title=t))) for t in ("\u6253 door", "\u25a1 door"))
    np.testing.assert_array_equal(foreign, boxes)


@pytest.mark.parametrize("style", ["dark_background", "ggplot", "fivethirtyeight", "Solarize_Light2"])
def test_the_users_matplotlib_style_changes_nothing(style: str) -> None:
    shown = episode(truth=[False] * 6 + [True] * 3, threshold=0.5, note="learned return 77")
    plain = np.asarray(draw_episode(shown)), list(draw_overlay(shown))[-1]
    with matplotlib.style.context(style):
        styled = np.asarray(draw_episode(shown)), list(draw_overlay(shown))[-1]
    for ours, theirs in zip(plain, styled, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_of_pyplot_is_loaded_and_matplotlib_only_when_something_is_drawn() -> None:
    code = (
        "import sys, numpy as np;"
        "from robometer_rl.video.figures import ScoredEpisode, draw_episode, draw_overlay;"
        "assert 'matplotlib' not in sys.modules, 'loaded with the module';"
        "line = np.linspace(0, 1, 3); frames = np.zeros((3, 24, 24, 3), np.uint8);"
        "shown = ScoredEpisode('lift', frames, line, line, line);"
        "draw_episode(shown); next(draw_overlay(shown));"
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules, 'pyplot'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("thumbs", [1, 2])
def test_the_curves_span_the_episode_however_few_pictures_there_are(thumbs: int) -> None:
    picture = np.asarray(draw_episode(episode(success=np.zeros(9, np.float32)), thumbs=thumbs, legend=False))
    rows, columns = np.nonzero(where(picture, BLUE))
    assert np.ptp(columns) > 400
    assert np.ptp(rows) == pytest.approx(150, abs=5)


def test_the_curves_of_a_narrow_overlay_start_inside_its_axes() -> None:
    picture = list(draw_overlay(episode(success=np.zeros(9, np.float32)), width=160))[-1]
    columns = np.nonzero(where(picture[-190:], BLUE))[1]
    assert columns.min() >= 46


def test_labels_of_moments_that_lie_close_do_not_run_into_each_other() -> None:
    """After a pause in a recording two shown frames can be 0.1 s apart."""
    assert _tick_labels([0.0, 5.0, 5.1, 10.0], "s", 80) == ["0.0 s", "5.0 s", "", "10.0 s"]
    assert _tick_labels([1, 100, 200], "step", 1) == ["step 1", "step 100", "step 200"]
    assert _tick_labels([1, 30, 200], "frame", 1) == ["frame 1", "", "frame 200"]
