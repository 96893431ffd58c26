"""torch's global settings, kept out of a model that is built, and left as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

__all__ = ["fresh_defaults", "running"]


@contextmanager
def fresh_defaults() -> Iterator[None]:
    """Builds as a fresh torch would: float32, on the CPU, with gradients. Afterwards all is as it was.

    The random numbers drawn inside do not advance torch's CPU generator. The default dtype is one for all
    threads; where it is not float32, other threads see float32 meanwhile.
    """
    dtype = torch.get_default_dtype()
    with (
        torch.random.fork_rng(devices=[]),
        torch.device("cpu"),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        try:
            if dtype != torch.float32:
                torch.set_default_dtype(torch.float32)
            yield
        finally:
            if dtype != torch.float32:
                torch.set_default_dtype(dtype)


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """For a caller who has it on: the scores are to be those of float32."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


@contextmanager
def running(device: torch.device, threads: int | None) -> Iterator[None]:
    """Runs forwards in inference mode, without autocast, with this many threads of torch.

    Afterwards there are as many threads as before. Setting the number twice takes a quarter of a microsecond.

    Args:
        device: where they run.
        threads: of torch, at least 1; None leaves them.
    """
    before = torch.get_num_threads()
    with torch.inference_mode(), _without_autocast(device):
        if threads is None or threads == before:
            yield
            return
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
