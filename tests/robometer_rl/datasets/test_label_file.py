"""`labels.csv`: read strictly, written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.datasets.label_file import VideoLabel, read_labels, write_labels


def test_what_is_written_is_read(tmp_path: Path) -> None:
    labels = {
        "success/a b,c.mp4": VideoLabel("success", 12.3456, 0.1),
        'say "hi".mp4': VideoLabel("failure", None, 3.0, "open the box, slowly"),
        "ü.mp4": VideoLabel(),
    }
    assert read_labels(tmp_path) == {}
    assert write_labels(tmp_path, labels) == tmp_path / "labels.csv"
    assert read_labels(tmp_path) == labels
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_the_column_task_is_written_where_it_is_needed(tmp_path: Path) -> None:
    write_labels(tmp_path, {"a.mp4": VideoLabel("success", 1.0)})
    assert (tmp_path / "labels.csv").read_text() == "video,outcome,done_at,half_way_at\na.mp4,success,1,\n"


def test_a_file_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """With a byte order mark, Windows line ends, spaces, capitals and two columns only."""
    (tmp_path / "labels.csv").write_bytes(
        b"\xef\xbb\xbfvideo,outcome\r\nsuccess\\a.mp4, Success \r\nb.mp4,\r\n"
    )
    assert read_labels(tmp_path) == {"success/a.mp4": VideoLabel("success"), "b.mp4": VideoLabel()}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file,outcome\n", r"should begin with the line video,outcome,done_at,half_way_at,task"),
        ("video,outcome,note\n", "should begin with the line"),
        ("video,outcome,outcome\n", "should begin with the line"),
        ("", "should begin with the line"),
        ("video,outcome\na.mp4,won\n", r"line 2: outcome 'won' should be success, failure or blank"),
        ("video,outcome\n../a.mp4,success\n", r"line 2: '\.\./a\.mp4' should be a path inside"),
        ("video,outcome\n/a.mp4,success\n", "should be a path inside"),
        ("video,outcome\n,success\n", "should be a path inside"),
        ("video,outcome\na.mp4,success\na.mp4,failure\n", r"line 3: 'a\.mp4' stands there twice"),
        ("video,outcome\na.mp4\n", "line 2 has not as many values"),
        ("video,outcome\na.mp4,success,3\n", "line 2 has not as many values"),
        (
            "video,outcome,done_at\na.mp4,success,soon\n",
            r"line 2: done_at should be seconds or blank, got 'soon'",
        ),
        (
            "video,outcome,done_at\na.mp4,success,-1\n",
            "done_at should be seconds since the first picture, got -1",
        ),
        ("video,outcome,done_at\na.mp4,success,nan\n", "done_at should be seconds"),
        ("video,outcome,done_at\na.mp4,failure,1\n", "done_at=1 belongs to a success"),
        (
            "video,outcome,done_at,half_way_at\na.mp4,success,1,2\n",
            "half_way_at=2 should come before done_at=1",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("video,outcome\nü.mp4,success\n".encode("latin-1"))
    with pytest.raises(ValueError, match="cannot be read as CSV in UTF-8"):
        read_labels(tmp_path)
