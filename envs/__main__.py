"""`python -m robometer_rl.envs` prints the table of tasks as Markdown."""

from __future__ import annotations

from .tasks import tasks_markdown

print(tasks_markdown(), end="")
