"""Robot worlds with task sentences: Meta-World and robosuite as clean Gymnasium environments."""

from __future__ import annotations

from .experts import make_expert
from .make import make_env
from .tasks import Task, get_task, list_tasks

__all__ = ["Task", "get_task", "list_tasks", "make_env", "make_expert"]
