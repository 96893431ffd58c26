"""Files that are written in one piece, as the plugin writes them too."""

from __future__ import annotations

from robometer_rl.files import write_json, write_whole

__all__ = ["write_json", "write_whole"]
