"""What was wrong with the input of a command, told apart from a fault of the moment.

A command that is started again after a full disk or a lost worker may succeed; one whose input is wrong never
will. So only `InputError` ends a command with status 2, and a sweep does not try it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["InputError", "checking_input"]


class InputError(ValueError):
    """An option, a task, a model or a file that the user named cannot be used; the message says why."""


@contextmanager
def checking_input() -> Iterator[None]:
    """Around the part of a command that reads and checks what the user gave, before the work begins.

    Inside it an unusable value or file is the user's to mend. The same exception later, while the command
    works, is a fault of the moment and stays as it is.

    Raises:
        InputError: In place of a `ValueError`, a `TypeError`, or an `OSError` which says that a path that was
            named does not exist, is of another kind, or may not be read.
    """
    try:
        yield
    except InputError:
        raise
    except (
        ValueError,
        TypeError,
        FileNotFoundError,
        FileExistsError,
        NotADirectoryError,
        IsADirectoryError,
        PermissionError,
    ) as error:
        raise InputError(str(error) or type(error).__name__) from error
