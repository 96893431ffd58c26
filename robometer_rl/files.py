"""Files that are written in one piece: a reader sees the old one or the whole new one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_json", "write_whole"]


def write_json(path: Path, values: Mapping[str, Any] | Sequence[Any]) -> None:
    """Writes JSON in one piece: a reader sees the old file or the whole new one.

    Args:
        path: The file.
        values: What JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(values, indent=2) + "\n").encode())


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file in one piece: a reader sees the old one or the whole new one.

    Args:
        path: The file; its folder exists. A link is followed. A pipe or a device is written to as it is.
        content: What it holds.

    Raises:
        OSError: The content cannot be written; the old file is as it was.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
