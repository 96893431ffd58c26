from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.video.task_table import read_tasks


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    (tmp_path / "tasks.csv").write_text(text, encoding=encoding)
    return tmp_path / "tasks.csv"


def test_paths_are_relative_to_the_table_and_order_is_kept(tmp_path: Path) -> None:
    rows = 'note,video,task\n,b.mp4,"open it, slowly"\n\n,/far/a.mp4, close it \n'
    assert list(read_tasks(table(tmp_path, rows)).items()) == [
        (tmp_path / "b.mp4", "open it, slowly"),
        (Path("/far/a.mp4"), "close it"),
    ]


def test_the_mark_that_excel_writes_is_no_part_of_a_column(tmp_path: Path) -> None:
    tasks = read_tasks(table(tmp_path, "video, task\na.mp4,öffne die Tür\n", "utf-8-sig"))
    assert tasks == {tmp_path / "a.mp4": "öffne die Tür"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video;task\na;b\n", r"has the columns \['video;task'\]; expected video, task"),
        ("", r"has the columns \[\]; expected video, task"),
        ("video,task\n", "names no videos"),
        ("video,task\na.mp4,\n", "line 2 of .*tasks.csv has no task"),
        ("video,task\n,open\n", "line 2 of .*tasks.csv has no video"),
        ("video,task\na.mp4\n", "line 2 of .*tasks.csv has no task"),
        (
            "video,task\na.mp4,open it, slowly\n",
            "line 2 of .* has more than 2 cells; a task that holds",
        ),
        ("video,task\na.mp4,x\n./a.mp4,y\n", r"line 3 of .* names ./a.mp4, which line 2 names already"),
        ('video,task\na.mp4,"x\n', "cannot be read as a CSV file in UTF-8: unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tasks(table(tmp_path, text))


def test_other_encodings_and_missing_tables_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as a CSV file in UTF-8"):
        read_tasks(table(tmp_path, "video,task\na,öffne\n", "latin-1"))
    with pytest.raises(FileNotFoundError, match="no table of tasks at"):
        read_tasks(tmp_path / "gone.csv")
