from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from robometer_rl.video.canvas import BLUE, GREEN, PALE_GREEN, PAPER, Canvas, fit_text, text_width
from robometer_rl.video.figures import ScoredEpisode, draw_episode, draw_mosaic, draw_overlay, draw_sheet


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
    ink = [where(picture[-190:, :70], BLUE).sum() for picture in pictures]
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


def test_text_is_cut_to_its_width() -> None:
    words = "put the green stick in the brown bowl"
    cut = fit_text(words, 20, 120)
    assert cut.endswith("...")
    assert words.startswith(cut[:-3])
    assert text_width(cut, 20) <= 120
    assert fit_text(words, 20, 10_000) == words


def test_lines_have_smooth_edges() -> None:
    canvas = Canvas(60, 60)
    canvas.line([(5, 5), (55, 31)], (0, 0, 0), 3)
    shades = np.unique(np.asarray(canvas.image())[..., 0])
    assert len(shades) > 5
