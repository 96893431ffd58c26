"""Frames on their way to the reward model: where they come from, and the one form in which they go on.

A frame goes on as contiguous uint8 `(H, W, 3)` RGB. Other forms are taken only where they can mean one thing.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_SIDE", "FrameGrabber", "FrameSource", "as_rgb"]

FrameSource: TypeAlias = "str | Callable[[gym.Env[Any, Any]], NDArray[Any]]"
"""`"render"`, `"observation"` (all of it), a key of a Dict observation, `"module:function"`, or `env ->
frame`."""

MIN_SIDE = 8
"""Smallest side of a frame in pixels; below it, height, width and channels cannot be told apart by size."""

_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def as_rgb(frame: object, source: str = "frame") -> NDArray[np.uint8]:
    """Checks one picture and brings it into the form that reward models read.

    Args:
        frame: Array `(H, W, 3)` or `(3, H, W)`, RGB, H and W at least 8; uint8 in [0, 255] or float in [0,
            1]. A float above 1 is refused, since 255 levels in float cannot be told from a dark picture in
            [0, 1].
        source: Where the picture comes from, named by errors.

    Returns:
        uint8 `(H, W, 3)`, C-contiguous.

    Raises:
        TypeError: Not a numpy array, or a dtype that is neither uint8 nor float.
        ValueError: Shape, size or values that do not mean an RGB picture, or that could mean two.
    """
    if not isinstance(frame, np.ndarray):
        raise TypeError(f"{source} gave {_describe(frame)}; expected a numpy array, uint8 (H, W, 3) RGB")
    picture = _channels_last(frame, source)
    height, width, _ = picture.shape
    if min(height, width) < MIN_SIDE:
        raise ValueError(
            f"{source} gave a picture of {height}x{width} pixels; each side must be at least {MIN_SIDE}"
        )
    if picture.dtype != np.uint8:
        picture = _to_uint8(picture, source)
    return np.ascontiguousarray(picture)


def _describe(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)} items"
    return "None" if value is None else f"a {type(value).__module__}.{type(value).__qualname__}"


def _channels_last(frame: NDArray[Any], source: str) -> NDArray[Any]:
    """Returns the picture as (H, W, 3), or says which other thing it seems to be."""
    shape = frame.shape
    expected = f"{source} gave shape {shape}; expected (H, W, 3) RGB"
    if frame.ndim == 2:
        raise ValueError(
            f"{expected}, and this is grayscale: repeat it, np.repeat(frame[..., None], 3, axis=-1)"
        )
    if frame.ndim == 4:
        raise ValueError(f"{expected}, and this is a stack of pictures: pass the newest alone, frame[-1]")
    if frame.ndim != 3:
        raise ValueError(expected)
    last, first = shape[-1] == 3, shape[0] == 3
    if last and first:
        raise ValueError(f"{expected}, and here the channels could be the first axis or the last")
    if last:
        return frame
    if first:
        return frame.transpose(1, 2, 0)
    if 1 in (shape[0], shape[-1]):
        raise ValueError(f"{expected}, and this is grayscale: repeat the channel three times")
    if 4 in (shape[0], shape[-1]):
        raise ValueError(f"{expected}, and this has 4 channels: drop alpha or depth, frame[..., :3]")
    raise ValueError(expected)


def _to_uint8(picture: NDArray[Any], source: str) -> NDArray[np.uint8]:
    """Converts floats in [0, 1]; refuses everything else."""
    if not np.issubdtype(picture.dtype, np.floating):
        raise TypeError(f"{source} gave dtype {picture.dtype}; expected uint8 in [0, 255] or float in [0, 1]")
    if not np.isfinite(picture).all():
        bad = int(np.size(picture) - np.isfinite(picture).sum())
        raise ValueError(
            f"{source} gave {bad} pixel values that are NaN or infinite; expected uint8 (H, W, 3) RGB"
        )
    low, high = float(picture.min()), float(picture.max())
    if low < 0.0 or high > 1.0:
        raise ValueError(
            f"{source} gave float pixels in [{low:g}, {high:g}]; floats must lie in [0, 1], "
            "so convert yourself: frame.astype(np.uint8) if they are 0 to 255"
        )
    return np.rint(picture.astype(np.float64) * 255.0).astype(np.uint8)


class FrameGrabber:
    """Takes one picture per camera from an environment, each checked by `as_rgb`."""

    def __init__(self, env: gym.Env[Any, Any], sources: FrameSource | Sequence[FrameSource]) -> None:
        """Checks that each source exists, as far as that can be told before the first reset.

        Args:
            env: The environment; `"render"` and callables are asked of it.
            sources: One source, or one per camera.

        Raises:
            TypeError: A source is neither a string nor callable.
            ValueError: No sources, or a name that is not a key of the observation.
        """
        one = isinstance(sources, str) or callable(sources)
        listed: list[Any] = (
            [sources] if one else list(sources) if isinstance(sources, Sequence) else [sources]
        )
        if not listed:
            raise ValueError('frames=[] names no source; use "render", an observation key, or a callable')
        self._env = env
        self._space = env.observation_space
        self._cameras = [(self._label(source), self._resolve(source)) for source in listed]

    @property
    def cameras(self) -> int:
        """Number of pictures per grab."""
        return len(self._cameras)

    def grab(self, observation: Any) -> list[NDArray[np.uint8]]:
        """Takes the pictures that belong to the observation just returned.

        Args:
            observation: What `reset` or `step` returned.

        Returns:
            One uint8 `(H, W, 3)` per camera.

        Raises:
            RuntimeError: The environment does not render pictures.
            TypeError: A picture is not an array, or of a wrong dtype.
            ValueError: A picture is of a wrong shape or holds wrong values.
        """
        return [as_rgb(take(observation), label) for label, take in self._cameras]

    @staticmethod
    def _label(source: FrameSource) -> str:
        if source == "render":
            return "env.render()"
        return f"frames={source!r}" if isinstance(source, str) else f"the frames callable {source!r}"

    def _resolve(self, source: Any) -> Callable[[Any], Any]:
        if callable(source):
            return _FromCallable(self._env, source)
        if not isinstance(source, str):
            raise TypeError(f"frames={source!r} must be a string, a callable or a sequence of these")
        if source == "render":
            return _FromRender(self._env)
        if source == "observation":
            return _whole
        keys = list(self._space.spaces) if isinstance(self._space, gym.spaces.Dict) else []
        if source in keys:
            return _FromKey(source)
        if _ENTRY_POINT.fullmatch(source):
            return _FromCallable(self._env, _load_callable(source))
        raise ValueError(
            f'frames={source!r} is not a source; choose "render", "observation", "module:function", '
            f"a callable, or one of the observation's keys {keys or '(it has none)'}"
        )


def _load_callable(entry_point: str) -> Callable[..., Any]:
    module, _, name = entry_point.partition(":")
    found: Any = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise ValueError(f"frames={entry_point!r}: module {module!r} has no function {name!r}")
    return found


def _whole(observation: Any) -> Any:
    return observation


# Small classes and not closures: an environment must be picklable before its first use.


class _FromKey:
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, observation: Any) -> Any:
        return observation[self.key]


class _FromCallable:
    def __init__(self, env: gym.Env[Any, Any], function: Callable[..., Any]) -> None:
        self.env = env
        self.function = function

    def __call__(self, observation: Any) -> Any:
        return self.function(self.env)


class _FromRender:
    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env

    def __call__(self, observation: Any) -> Any:
        mode = self.env.render_mode
        if mode != "rgb_array":
            raise RuntimeError(
                f"the reward model needs frames, and this environment has render_mode={mode!r}: make it with "
                'render_mode="rgb_array", or pass frames=<observation key or callable> to the wrapper'
            )
        return self.env.render()
