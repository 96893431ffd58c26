"""`RecordEpisodes`: what happens in an environment, kept as episodes for `robometer-rl fit`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsFloat, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..frame_checks import DeadFrameWarning, check_video
from ..frames import MIN_SIDE, FrameGrabber, FrameSource, resize_frame
from ..success import named_success
from ..world_ids import task_id_of, world_of
from .episodes import FAILURE, KINDS, UNLABELLED, Episode, check_task, write_episode
from .keys import KeySource, TerminalKeys
from .locks import claimed_number
from .sentences import add_sentences

__all__ = ["RecordEpisodes", "SuccessSource"]

SuccessSource: TypeAlias = "str | Callable[[gym.Env[Any, Any], Mapping[str, Any]], bool]"
"""`"auto"`, `"key"`, `"later"`, or a function of the environment and its info."""

SUCCESS = "success"
DONE_KEY, FAILED_KEY = "s", "f"


class RecordEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Writes each episode of an environment into a folder, as `robometer-rl fit` reads it.

    Observations, rewards and infos pass untouched. An episode is written when it ends. One that is reset or
    closed before its end is written too, if it holds more than one frame: whoever presses reset after a
    success that was driven by hand does not lose it, and one that was given up counts as the failure that it
    is. With `success="key"` every episode waits for the next reset or `close`, so that a key can still be
    pressed after its end.

    In a vector environment each sub-environment gets a recorder of its own:
    `gym.vector.AsyncVectorEnv([lambda: RecordEpisodes(gym.make(...), folder)] * 4)`. Recorders of one folder,
    in one process or in several, never take the same number.

    Examples:
        >>> import gymnasium as gym
        >>> from robometer_rl import RecordEpisodes
        >>> env = gym.make("FetchPush-v4", render_mode="rgb_array")  # doctest: +SKIP
        >>> env = RecordEpisodes(env, "data/push", task="push the block to the target")  # doctest: +SKIP
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        folder: str | Path,
        task_id: str | None = None,
        *,
        task: str | Sequence[str] | None = None,
        frames: FrameSource = "render",
        success: SuccessSource = "auto",
        image_size: int | None = 96,
        frame_every: int = 1,
        kind: str | None = None,
        every: int = 1,
        keys: KeySource | None = None,
    ) -> None:
        """Checks every option; nothing is rendered yet.

        Args:
            env: Any environment that gives pictures.
            folder: Folder of the data set; episodes are added to those that are there.
            task_id: Names the task, `"suite/name"`; None makes it of the environment's id, such as
                `"own/FetchPush-v4"`.
            task: What the robot should do, a sentence, or it and other ways to say the same. It is written to
                `folder/tasks.json`, which `robometer-rl fit --sentences` reads.
            frames: Where pictures come from, one source as in `RobometerReward`: `"render"`, a part of the
                observation, a callable `env -> frame`, or `"module:function"`.
            success: Who says when the task is done. `"auto"`: `info["is_success"]`, else `info["success"]`;
                if neither is ever there, the episode is written as unlabelled, with a warning. `"key"`: a
                person, who presses s in the terminal (done from here on) or f (failed), the last key counts;
                without one the episode is unlabelled. `"later"`: nobody yet, every episode is unlabelled and
                waits for `robometer-rl label-demos`. Or a function, called as `f(env, info) -> bool` after
                every reset and step.
            image_size: Side in pixels to which each picture is resized, to a square, when it arrives, as the
                model would do; 96 is what the bundled one reads. None keeps them as they are.
            frame_every: Steps between two frames, at least 1; the first and the last are always kept.
            kind: Kind of every episode, such as `"random"` for aimless motion or `"agent"`; None takes
                `"success"` or `"failure"`, as it turns out. Where nobody tells the success, a `"success"`
                counts as done at its last frame and every other kind as done nowhere.
            every: Each how many-th episode is kept, at least 1, beginning with the first.
            keys: With `success="key"`, a function that returns the keys pressed since its last call, in place
                of the terminal.

        Raises:
            TypeError: The frame source or a sentence is of a wrong type.
            ValueError: An option is outside its range, there is no such frame source, the keyboard cannot be
                read, or `tasks.json` gives the task another sentence.
        """
        for name, least, value in (("frame_every", 1, frame_every), ("every", 1, every)):
            _check_least(name, least, value)
        if image_size is not None:
            _check_least("image_size", MIN_SIDE, image_size)
        if kind is not None and (kind not in KINDS or kind == UNLABELLED):
            valid = ", ".join(name for name in KINDS if name != UNLABELLED)
            raise ValueError(f"kind={kind!r} is none; choose from {valid}, or success='later' for unlabelled")
        if not callable(success) and success not in ("auto", "key", "later"):
            raise ValueError(f"success={success!r}: choose 'auto', 'key', 'later' or a function (env, info)")
        if keys is not None and success != "key":
            raise ValueError(f"keys are read with success='key' alone, got success={success!r}")
        super().__init__(env)
        self._task_id = task_id_of(world_of(env)) if task_id is None else task_id
        check_task(self._task_id)
        self._grabber = FrameGrabber(env, frames)
        if self._grabber.cameras != 1:
            raise ValueError(f"an episode has the pictures of one camera, got frames={frames!r}")
        self._folder = Path(folder).expanduser()
        if task is not None:
            add_sentences(self._folder, self._task_id, task)
        self._success, self._kind = success, kind
        self._size, self._frame_every, self._every = image_size, frame_every, every
        self._keys: KeySource | None = None
        if success == "key":
            self._keys = TerminalKeys() if keys is None else keys
        self._begun = 0
        self._told_nothing = False
        self._episode: _Recording | None = None

    @property
    def task_id(self) -> str:
        """Id of the task whose episodes are recorded, `"suite/name"`."""
        return self._task_id

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Writes the episode that was left, if any, and begins another.

        Args:
            seed: Passed on.
            options: Passed on.

        Returns:
            The environment's observation and info.

        Raises:
            RuntimeError: The environment gives no frames; the message names the fix.
            TypeError: A frame is of a wrong type.
            ValueError: A frame is of a wrong shape, or `info` has a success that is no truth value.
        """
        self._leave()
        observation, info = self.env.reset(seed=seed, options=options)
        if self._begun % self._every == 0:
            self._episode = _Recording()
            self._note(observation, info)
        self._begun += 1
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Steps the environment, and writes the episode at its end.

        Args:
            action: Passed on.

        Returns:
            What the environment returned.

        Raises:
            TypeError: A frame is of a wrong type.
            ValueError: A frame is of a wrong shape, or `info` has a success that is no truth value.
        """
        episode = self._episode
        if episode is not None:
            episode.unseen = None  # where the step fails, there is nothing more to see
        observation, reward, terminated, truncated, info = self.env.step(action)
        if episode is not None and not episode.over:
            episode.over = bool(terminated or truncated)
            self._note(observation, info)
            if episode.over and self._success != "key":
                self._write()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Writes the episode that was left, if any, and closes the environment."""
        self._leave()
        if isinstance(self._keys, TerminalKeys):
            self._keys.close()
        self.env.close()

    def _note(self, observation: Any, info: Mapping[str, Any]) -> None:
        """Keeps the picture of a reset or step where one is due, and what was told of it."""
        episode = self._episode
        assert episode is not None
        episode.told = self._ask(info)
        episode.rated = _quality(info)
        if episode.steps % self._frame_every == 0 or episode.over:
            self._keep(observation)
        else:
            episode.unseen = (observation,)
        episode.steps += 1

    def _keep(self, observation: Any) -> None:
        episode = self._episode
        assert episode is not None
        (frame,) = self._grabber.grab(observation)
        # A copy in any case: a renderer may hand out the same buffer again.
        episode.frames.append(frame.copy() if self._size is None else resize_frame(frame, self._size))
        episode.success.append(episode.told)
        episode.quality.append(episode.rated)
        episode.unseen = None

    def _ask(self, info: Mapping[str, Any]) -> bool | None:
        """Whether the task is done now; None where nobody tells."""
        if callable(self._success):
            return bool(self._success(self.env, info))
        if self._success == "auto":
            told = named_success(info).get("is_success")
            return told if told is None else bool(told)
        return self._pressed() if self._success == "key" else None

    def _pressed(self) -> bool | None:
        """What the keys have said by now: done, failed, or nothing yet."""
        assert self._keys is not None
        assert self._episode is not None
        for key in self._keys().lower():
            if key == DONE_KEY:
                self._episode.told = True
            elif key == FAILED_KEY:
                self._episode.told = False
                self._episode.success = [False] * len(self._episode.success)
        return self._episode.told

    def _leave(self) -> None:
        """Writes the running episode; one of a single frame shows nothing, and is dropped."""
        episode = self._episode
        if episode is None:
            return
        if episode.unseen is not None:
            self._keep(*episode.unseen)
        if self._success == "key":
            episode.success[-1] = self._pressed()
        if len(episode.frames) > 1:
            self._write()
        self._episode = None

    def _write(self) -> None:
        episode = self._episode
        assert episode is not None
        self._episode = None
        kind, success = _outcome(episode.success, self._kind)
        if kind != self._kind and self._kind is not None:
            warnings.warn(
                f"an episode was to be of kind {self._kind!r}, and its success says {kind!r}: it is written "
                f"as {kind!r}",
                stacklevel=4,
            )
        if kind == UNLABELLED and self._success == "auto" and not self._told_nothing:
            self._told_nothing = True
            warnings.warn(_UNTOLD, stacklevel=4)
        frames = np.stack(episode.frames)
        with claimed_number(self._folder, self._task_id) as number:
            path = write_episode(
                self._folder,
                Episode(
                    task=self._task_id,
                    kind=kind,
                    seed=number,
                    frames=frames,
                    success=success,
                    quality=None if None in episode.quality else np.array(episode.quality, dtype=np.float32),
                    frame_every=self._frame_every,
                    detail="" if episode.over else "reset before its end",
                ),
            )
        for fault in _faults(frames, path.name):
            warnings.warn(fault, DeadFrameWarning, stacklevel=4)
        if isinstance(self._keys, TerminalKeys):
            print(f"{path}: {len(frames)} frames", file=sys.stderr)


class _Recording:
    """The episode that runs."""

    def __init__(self) -> None:
        self.frames: list[NDArray[np.uint8]] = []
        self.success: list[bool | None] = []
        """Whether the task is done at each frame, None where nobody has told."""
        self.steps = 0
        self.over = False
        self.quality: list[float | None] = []
        """How near to done it is at each frame, None where `info` does not tell."""
        self.told: bool | None = None
        """What was told last."""
        self.rated: float | None = None
        """The quality that was told last."""
        self.unseen: tuple[Any] | None = None
        """The last observation, where its picture has not been kept."""


_UNTOLD = (
    "the environment's info says nothing about success (is_success, success), so its episodes are written as "
    "unlabelled: `robometer-rl label-demos` asks a person afterwards. Or pass success='key', success=a "
    "function (env, info) -> bool, or the kind of all episodes, such as kind='random'"
)


def _quality(info: Mapping[str, Any]) -> float | None:
    """How near to done it is, in [0, 1], where `info` says so; other things may go by that name."""
    told = info.get("quality")
    if isinstance(told, bool) or not isinstance(told, (int, float, np.floating, np.integer)):
        return None
    return float(told) if 0.0 <= told <= 1.0 else None


def _outcome(told: Sequence[bool | None], kind: str | None) -> tuple[str, NDArray[np.bool_] | None]:
    """Kind and success of an episode, of what was told at each frame and the kind that was asked for."""
    success = np.array([bool(value) for value in told], dtype=np.bool_)
    if all(value is None for value in told):
        if kind is None:
            return UNLABELLED, None
        success[-1] = kind == SUCCESS
        return kind, success
    seen = SUCCESS if success.any() else FAILURE
    return (seen if kind in (None, SUCCESS, FAILURE) else str(kind)), success


def _faults(frames: NDArray[np.uint8], name: str) -> list[str]:
    """What is wrong with the pictures; a recording is kept all the same."""
    try:
        return check_video(frames, name)
    except ValueError as error:
        return [str(error)]


def _check_least(name: str, least: int, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
