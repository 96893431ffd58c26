"""Frames on their way to the reward model: where they come from, and the one form in which they go on.

A frame goes on as contiguous uint8 `(H, W, 3)` RGB. Other forms are taken only where they can mean one thing.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_SIDE", "FrameGrabber", "FrameSource", "as_rgb", "resize_frame", "source_label"]

FrameSource: TypeAlias = "str | int | Callable[[gym.Env[Any, Any]], NDArray[Any]]"
"""A key of a Dict observation, `"render"`, `"observation"` (all of it), a path into a nested observation
(`"pixels/top"`, or an index into a Tuple), `"module:function"`, or `env -> frame`; the first that fits."""

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
    raise ValueError(expected + _seems(shape))


def _seems(shape: tuple[int, ...]) -> str:
    """What a three-dimensional shape without an axis of 3 may mean; empty where nothing is likely."""
    first, last = shape[0], shape[-1]
    if 1 in (first, last):
        return ", and this is grayscale: repeat the channel three times"
    count = min(first, last)
    if count >= MIN_SIDE:
        return ""
    stack = f"a stack of {count} gray pictures"
    if count == 4:
        alpha = "frame[:3]" if first == 4 else "frame[..., :3]"
        rgba = f"RGBA or RGB with depth (drop alpha, {alpha})"
        stack = f"{stack} (a gray picture has no colours to read)"
        return f", and this is {stack} or {rgba}" if first == 4 else f", and this is {rgba} or {stack}"
    if count % 3 == 0:
        stack = f"a stack of {count // 3} RGB pictures, or of {count} gray ones"
    return f", and this is {stack}: pass one RGB picture, the newest"


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


def resize_frame(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resizes a picture to a square with antialiasing, as the bundled model does.

    Args:
        frame: uint8 `(H, W, 3)`.
        size: Side of the square in pixels, at least 1.

    Returns:
        uint8 `(size, size, 3)`, always a new array.
    """
    from PIL import Image

    if frame.shape[:2] == (size, size):
        return frame.copy()
    return np.array(Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR))


def source_label(source: FrameSource) -> str:
    """What messages call the pictures of a source."""
    if source == "render":
        return "env.render()"
    return f"frames={source!r}" if isinstance(source, (str, int)) else f"the frames callable {source!r}"


class FrameGrabber:
    """Takes one picture per camera from an environment, each checked by `as_rgb`."""

    def __init__(self, env: gym.Env[Any, Any], sources: FrameSource | Sequence[FrameSource]) -> None:
        """Checks that each source exists, as far as that can be told before the first reset.

        Args:
            env: The environment; `"render"` and callables are asked of it.
            sources: One source, or one per camera.

        Raises:
            TypeError: A source is neither a string, an index nor callable.
            ValueError: No sources, a name that is no part of the observation, or a part that is no picture.
        """
        one = isinstance(sources, (str, int)) or callable(sources)
        listed: list[Any] = (
            [sources] if one else list(sources) if isinstance(sources, Sequence) else [sources]
        )
        if not listed:
            raise ValueError('frames=[] names no source; use "render", an observation key, or a callable')
        self._env = env
        self._space = env.observation_space
        self._cameras = [(source_label(source), self._resolve(source)) for source in listed]

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

    def _resolve(self, source: Any) -> Callable[[Any], Any]:
        if callable(source):
            return _FromCallable(self._env, source)
        if isinstance(source, bool) or not isinstance(source, (str, int)):
            raise TypeError(
                f"frames={source!r} must be a string, an index, a callable or a sequence of these"
            )
        name = str(source)
        path = _find(self._space, name)
        if path is None or path != (name,):  # a key as it is spelled goes before everything else
            if source == "render":
                return _FromRender(self._env)
            if source == "observation":
                path = ()
        if path is not None:
            self._check_part(source, path)
            return _FromObservation(path)
        if _ENTRY_POINT.fullmatch(name):
            return _FromCallable(self._env, _load_callable(name))
        raise ValueError(
            f'frames={source!r} is not a source; choose "render", "observation", "module:function", '
            f"a callable, or one of the observation's parts {_parts(self._space) or '(it has none)'}"
        )

    def _check_part(self, source: FrameSource, path: _Path) -> None:
        """Refuses what cannot be one picture, as far as the spaces tell."""
        part = _at(self._space, path)
        if isinstance(part, (gym.spaces.Dict, gym.spaces.Tuple)):
            raise ValueError(
                f"frames={source!r} is a {type(part).__name__}: name the picture in it, one of "
                f"{_parts(self._space)}"
            )
        stack = _find_stack(self._env, path)
        if stack is not None:
            raise ValueError(
                f"frames={source!r} is {stack}: the model reads one RGB picture at a time, and stacked gray "
                'ones look like its channels. Use frames="render", or a callable env -> frame'
            )


_Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and indices that lead to a part of an observation; empty for all of it."""


def _find(space: gym.Space[Any], name: str) -> _Path | None:
    """The way to a part: `"pixels/top"` or `"0"`; a key that contains a slash goes before a nested one."""
    if isinstance(space, gym.spaces.Dict):
        if name in space.spaces:
            return (name,)
        for key, inner in space.spaces.items():
            if name.startswith(f"{key}/"):
                rest = _find(inner, name[len(key) + 1 :])
                if rest is not None:
                    return (key, *rest)
    elif isinstance(space, gym.spaces.Tuple):
        head, slash, tail = name.partition("/")
        if head.isdecimal() and int(head) < len(space.spaces):
            rest = _find(space.spaces[int(head)], tail) if slash else ()
            return None if rest is None else (int(head), *rest)
    return None


def _inner(space: gym.Space[Any]) -> Mapping[Any, gym.Space[Any]]:
    """The parts of a Dict or Tuple space, one level deep."""
    if isinstance(space, gym.spaces.Dict):
        return space.spaces
    return dict(enumerate(space.spaces)) if isinstance(space, gym.spaces.Tuple) else {}


def _at(space: gym.Space[Any], path: _Path) -> gym.Space[Any] | None:
    """The space of a part, None where there is no such part."""
    found: gym.Space[Any] | None = space
    for key in path:
        found = None if found is None else _inner(found).get(key)
    return found


def _parts(space: gym.Space[Any]) -> list[str]:
    """Names of all parts that have no parts themselves."""
    names = []
    for key, inner in _inner(space).items():
        deeper = _parts(inner)
        names += [f"{key}/{name}" for name in deeper] if deeper else [str(key)]
    return names


def _find_stack(env: gym.Env[Any, Any], path: _Path) -> str | None:
    """Says so where a part of the observation is a stack of pictures, which its shape alone need not tell.

    Three stacked gray pictures have the shape of an RGB picture with the channels first. So wrappers that are
    called stacks are asked: what they give has one axis more than what they take, or its single channel
    repeated.
    """
    shape = _shape(env, path)
    while isinstance(env, gym.Wrapper):
        before = _shape(env.env, path)
        if "stack" in type(env).__name__.lower() and len(before) >= 2:
            added = before in (shape[1:], shape[:-1])
            channels = len(shape) == len(before) == 3 and (
                (before[0] == 1 and before[1:] == shape[1:])
                or (before[-1] == 1 and before[:-1] == shape[:-1])
            )
            if added or channels:
                count = shape[0] if before[-2:] == shape[-2:] else shape[-1]
                colours = "RGB" if 3 in (before[0], before[-1]) else "gray"
                return f"a stack of {count} {colours} pictures, shape {shape} ({type(env).__name__})"
        env = env.env
    return None


def _shape(env: gym.Env[Any, Any], path: _Path) -> tuple[int, ...]:
    space = _at(env.observation_space, path)
    return () if space is None or space.shape is None else tuple(space.shape)


def _load_callable(entry_point: str) -> Callable[..., Any]:
    module, _, name = entry_point.partition(":")
    found: Any = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise ValueError(f"frames={entry_point!r}: module {module!r} has no function {name!r}")
    return found


# Small classes and not closures: an environment must be picklable before its first use.


class _FromObservation:
    def __init__(self, path: _Path) -> None:
        self.path = path

    def __call__(self, observation: Any) -> Any:
        for key in self.path:
            observation = observation[key]
        return observation


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
        _take_gl_context(self.env)
        return self.env.render()


def _take_gl_context(env: gym.Env[Any, Any]) -> None:
    """Makes the GL context of Gymnasium's own MuJoCo viewer current, which it does not do by itself.

    Without it a second viewer of the process draws into the first one's context, or, once another is closed,
    into none: a black picture.
    """
    loaded = sys.modules.get("gymnasium.envs.mujoco.mujoco_rendering")  # where there is such an environment
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if (
        loaded is not None
        and isinstance(renderer, loaded.MujocoRenderer)
        and isinstance(renderer.viewer, loaded.OffScreenViewer)
    ):
        renderer.viewer.make_context_current()
