"""Any environment by name: a world of the task table, a Gymnasium id, or a function that makes one.

`EnvironmentConfig` says which, and every command that takes an environment has its fields. `make_environment`
makes it with pictures, seed, time limit and the bool `info["is_success"]`, as the worlds of the table have
them.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import TimeLimit

from robometer_rl.envs.base import RewardMode
from robometer_rl.envs.make import make_env
from robometer_rl.envs.tasks import TASKS, Suite, get_task
from robometer_rl.frames import FrameGrabber
from robometer_rl.success import named_success

from .environment_wrappers import RepeatAction, ReportSuccess, SeedFirstReset, SuccessReward
from .parsing import parse_json

__all__ = [
    "EnvironmentConfig",
    "load_entry_point",
    "make_environment",
    "success_source",
    "time_limit",
]

_ENTRY_POINT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_OF_MAKE = ("max_episode_steps", "disable_env_checker")
"""Options that `gym.make` takes itself."""
_OF_TABLE = ("camera", "image_size", "terminate_on_success")
"""Options of `make_env` that `env_kwargs` may set."""
_PROBED_STEPS = 1_000
"""Most steps of the episode in which `success_source` looks for success."""


@dataclass(frozen=True)
class EnvironmentConfig:
    """Which environment, what it shows, and how its success is known."""

    env: str
    """A world of the task table (`metaworld/drawer-open-v3`), a Gymnasium id (`CartPole-v1`, or
    `module:Id-v0`, where the module registers it), or `module:factory`, a callable that returns one."""
    task: str | None = None
    """What the agent should do, as a sentence. Only worlds of the table have one of their own."""
    env_kwargs: str = "{}"
    """Keyword arguments of the environment as a JSON object; `max_episode_steps` goes to `gym.make`."""
    wrappers: tuple[str, ...] = ()
    """Wrappers as `module:Wrapper`, each called with the environment alone, innermost first."""
    success: str = "auto"
    """How success is known. auto: `info["is_success"]`, else `info["success"]`; none: not at all; or
    `module:function`, called as `f(env, info)` after every step."""
    frames: str = "render"
    """Where pictures come from: `render`, a key or a path of the observation, or `module:function`."""

    def __post_init__(self) -> None:
        """Checks every field as far as that goes without importing what it names.

        Raises:
            ValueError: A field cannot be meant; the message says what was expected.
        """
        if self.task is not None and not self.task.strip():
            raise ValueError(f"task={self.task!r} must be a sentence, or left out for a world of the table")
        _check_name(self.env)
        if self.task is None and not self.in_table:
            raise ValueError(
                f"{self.env!r} is not in the task table, so say what the agent should do: "
                '--task "put the cup on the shelf"'
            )
        if not isinstance(self.options, dict):
            raise ValueError(f"env_kwargs={self.env_kwargs!r} must be a JSON object: '{{\"size\": 3}}'")
        for name in self.wrappers:
            if not _ENTRY_POINT.fullmatch(name):
                raise ValueError(f"wrappers: {name!r} must be module:name, such as my_package:MyWrapper")
        if self.success not in ("auto", "none") and not _ENTRY_POINT.fullmatch(self.success):
            raise ValueError(f"success={self.success!r} must be 'auto', 'none' or module:function")
        if self.in_table and self.success != "auto":
            raise ValueError(f"success={self.success!r}: {self.env!r} is in the table and knows its success")
        if not self.frames.strip():
            raise ValueError(f"frames={self.frames!r} must name where pictures come from, such as 'render'")

    @property
    def in_table(self) -> bool:
        """Whether it is a world of the task table."""
        return self.env in TASKS

    @property
    def sentence(self) -> str:
        """What the agent should do."""
        return get_task(self.env).sentence if self.task is None else self.task

    @property
    def options(self) -> dict[str, Any]:
        """`env_kwargs` as a dict."""
        try:
            return parse_json(self.env_kwargs)
        except json.JSONDecodeError as error:
            raise ValueError(f"env_kwargs={self.env_kwargs!r} is not JSON: {error}") from error
        except ValueError as error:
            raise ValueError(f"env_kwargs: {error}") from error


def make_environment(
    config: EnvironmentConfig,
    seed: int | None = None,
    *,
    reward: RewardMode = "dense",
    horizon: int | None = None,
    action_repeat: int = 1,
    render: bool = True,
    success_known: bool | None = None,
) -> gym.Env[Any, Any]:
    """Makes the environment that a configuration names.

    Args:
        config: Which.
        seed: Of the first reset that is given none; None leaves it to chance.
        reward: `"dense"` for the environment's own, or `"sparse"`: 1.0 while success holds, else 0.0.
        horizon: Environment steps until truncation; the environment's own limit holds as well, and alone
            where this is None.
        action_repeat: Environment steps that one `step()` takes with the same action. Their own rewards are
            added up; success is that after the last.
        render: Whether pictures are needed; an environment that has none is then refused.
        success_known: What `success_source` found. True: `info["is_success"]` is a bool at every reset and
            step, False where nothing was said of it. False: it is never there. None: it is there where the
            environment, or the function, tells.

    Returns:
        The environment.

    Raises:
        ValueError: It cannot be found or made, an option is refused, or there is no such picture.
        ImportError: It is a world of the table whose suite is not installed.
    """
    for name, value in (("horizon", horizon), ("action_repeat", action_repeat)):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if reward not in get_args(RewardMode):
        raise ValueError(f"reward={reward!r} must be one of {', '.join(get_args(RewardMode))}")
    if reward == "sparse" and config.success == "none":
        raise ValueError("reward='sparse' pays success, and success='none' says that there is none")
    if config.in_table:
        env = _wrapped(config, _from_table(config, seed, reward, horizon, action_repeat, render))
    else:
        source = "none" if success_known is False else config.success
        function = None if source in ("auto", "none") else load_entry_point(source, "success")
        env = _wrapped(config, _made(config, render))
        if horizon is not None:
            env = TimeLimit(env, horizon)
        if action_repeat > 1:
            env = RepeatAction(env, action_repeat)
        if seed is not None:
            env = SeedFirstReset(env, seed)
        env = ReportSuccess(env, source, function, bool(success_known))
        env = SuccessReward(env) if reward == "sparse" else env
    if render:
        FrameGrabber(env, config.frames)  # refuses a source that does not exist
        if config.frames == "render" and env.render_mode != "rgb_array":
            _refuse_blind(config, env)
    return env


def success_source(env: gym.Env[Any, Any]) -> str:
    """Looks for the success of an environment, before anything is trained: plays one episode at random.

    Args:
        env: From `make_environment`, and not used for anything else: it is reset and stepped.

    Returns:
        `"is_success"` or `"success"`, the key of the info in which it was found at any step; the name of the
        function that tells it; or `"none"`. At most 1,000 steps are looked at.
    """
    for layer in _layers(env):
        if isinstance(layer, ReportSuccess):
            if layer.source != "auto":
                return layer.source
            env = layer.env  # what the environment itself calls it
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    key, over, steps = _success_key(info), False, 0
    while key is None and not over and steps < _PROBED_STEPS:
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        key, over, steps = _success_key(info), terminated or truncated, steps + 1
    return "none" if key is None else key


def _success_key(info: Mapping[str, Any]) -> str | None:
    """The key under which an info tells of success, None where it does not."""
    told = named_success(info).get("is_success")
    if told is None:
        return None
    return "success" if info.get("is_success") is None else "is_success"


def time_limit(env: gym.Env[Any, Any]) -> int | None:
    """Environment steps after which an episode ends at the latest, as far as the environment says.

    Args:
        env: Any environment.

    Returns:
        The smallest limit of its `TimeLimit` wrappers, of its spec, and of an attribute `horizon` or
        `max_episode_steps` that it has itself; None where there is none of these.
    """
    limits: list[Any] = []
    for layer in _layers(env):
        limits += [layer._max_episode_steps] if isinstance(layer, TimeLimit) else []
    limits.append(None if env.unwrapped.spec is None else env.unwrapped.spec.max_episode_steps)
    limits += [getattr(env.unwrapped, name, None) for name in ("horizon", "max_episode_steps")]
    found = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    return min(found, default=None)


def load_entry_point(name: str, option: str) -> Any:
    """Loads what `module:attribute` names.

    Args:
        name: Module and attribute; the attribute may have dots.
        option: Where the name was given, for errors.

    Returns:
        The attribute.

    Raises:
        ValueError: The module cannot be imported, or it has no such attribute.
    """
    module_name, _, path = name.partition(":")
    found: Any = _import_module(module_name, option)
    for part in path.split("."):
        if part not in dir(found):
            close = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{option}={name!r}: module {module_name!r} has no {path!r}{hint}")
        found = getattr(found, part)
    return found


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    """The environment and everything that it wraps, outermost first."""
    yield env
    while isinstance(env, gym.Wrapper):
        env = env.env
        yield env


def _import_module(name: str, option: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{option}: module {name!r} cannot be imported ({error}); install it, or put its folder on the "
            "path: PYTHONPATH=. robometer-rl ..."
        ) from error


def _check_name(env: str) -> None:
    """Refuses a name that can mean no environment; what a module registers or holds is not looked up yet."""
    if not isinstance(env, str) or not env.strip():
        raise ValueError(
            f"env={env!r} must name an environment: metaworld/drawer-open-v3, CartPole-v1 or module:factory"
        )
    module, colon, name = env.partition(":")
    if not colon and env.split("/")[0] in get_args(Suite):
        get_task(env)
    elif not colon and env not in gym.registry:
        _refuse_unknown(env, "unknown environment", [*TASKS, *gym.registry])
    if not colon:
        return
    if not re.fullmatch(r"[A-Za-z_][\w.]*", module) or not name:
        raise ValueError(f"env={env!r} must be module:Id-v0 or module:factory, such as my_package:make_env")


def _refuse_unknown(wanted: str, what: str, known: list[str]) -> None:
    """Names the ids that come close, by the whole id or by the part after the slash."""
    # Gymnasium's own ids of the table's worlds would only say the same twice.
    known = [key for key in known if key in TASKS or key.split("/")[0] not in get_args(Suite)]
    ids = {key.lower(): key for key in known}
    names = {key.lower().rsplit("/", 1)[-1]: key for key in known}
    found = [ids[key] for key in get_close_matches(wanted.lower(), ids, n=3, cutoff=0.6)]
    found += [names[key] for key in get_close_matches(wanted.lower(), names, n=3, cutoff=0.6)]
    close = list(dict.fromkeys(found))[:3]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "nothing has a name like this."
    raise ValueError(
        f"{what} {wanted!r}: {hint} An environment is a world of the task table (`python -m "
        "robometer_rl.envs` lists them), a Gymnasium id, module:Id-v0 where the module registers it, or "
        "module:factory"
    )


def _from_table(
    config: EnvironmentConfig, seed: int | None, reward: RewardMode, horizon: int | None, repeat: int,
    render: bool,
) -> gym.Env[Any, Any]:  # fmt: skip
    options = config.options
    _check_options(config, options, _OF_TABLE)
    mode = "rgb_array" if render else None
    return make_env(config.env, seed, reward, horizon, repeat, render_mode=mode, **options)


def _made(config: EnvironmentConfig, render: bool) -> gym.Env[Any, Any]:
    """Calls the constructor that the name stands for."""
    creator, spec = _find_creator(config.env)
    options = config.options
    mode = options.get("render_mode", "rgb_array")
    if render and config.frames == "render" and mode != "rgb_array":
        raise ValueError(f"env_kwargs: render_mode={mode!r} gives no pictures; leave it out, or set --frames")
    taken = {**({} if spec is None else spec.kwargs), **options}
    _check_signature(config, creator, taken, spec is not None)
    # An environment that says which modes it has is not asked for another: Gymnasium would warn.
    may_render = "rgb_array" in _render_modes(creator) and _takes(creator, "render_mode")
    if render and may_render and "render_mode" not in taken:
        options = {**options, "render_mode": "rgb_array"}
    try:
        env: Any = creator(**options) if spec is None else gym.make(spec, **options)
    except (TypeError, ValueError, AssertionError, KeyError, ImportError, gym.error.Error) as error:
        raise ValueError(
            f"env={config.env!r} could not be made with {options}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(env, gym.Env):
        raise ValueError(f"env={config.env!r} returned a {type(env).__name__}; expected a gymnasium.Env")
    return env


def _find_creator(env: str) -> tuple[Callable[..., Any], EnvSpec | None]:
    """What a name stands for: a constructor, and the spec by which Gymnasium calls it, if it does."""
    module, colon, name = env.rpartition(":")
    if colon:
        found = _import_module(module, f"env={env!r}")
    spec = gym.registry.get(name)
    if spec is not None:
        entry = spec.entry_point
        if entry is None:
            raise ValueError(f"env={env!r} is registered for vector environments only")
        return load_entry_point(entry, f"env={env!r}, entry point") if isinstance(entry, str) else entry, spec
    if not colon:
        _refuse_unknown(env, "unknown environment", [*TASKS, *gym.registry])
    if not _ENTRY_POINT.fullmatch(env):
        _refuse_unknown(name, f"env={env!r}: {module!r} registers no", list(gym.registry))
    if callable(creator := load_entry_point(env, "env")):
        return creator, None
    raise ValueError(f"env={env!r}: {name!r} of {found.__name__!r} cannot be called")


def _render_modes(creator: Any) -> Sequence[str]:
    """The modes that the class of an environment says it has; a function may have all."""
    metadata = getattr(creator, "metadata", None)  # a wrapper class has a property of this name
    return metadata.get("render_modes", ()) if isinstance(metadata, dict) else ("rgb_array",)


def _takes(creator: Callable[..., Any], name: str) -> bool:
    """Whether a callable has a parameter of this name, or takes any."""
    parameters = inspect.signature(creator).parameters.values()
    return any(p.name == name or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _check_signature(
    config: EnvironmentConfig, creator: Callable[..., Any], taken: Mapping[str, Any], of_make: bool
) -> None:
    """Refuses options that the constructor does not take, and a constructor that needs more."""
    parameters = inspect.signature(creator).parameters
    open_ended = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    named = [name for name, parameter in parameters.items() if parameter.kind not in open_ended]
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        _check_options(config, taken, [*named, *(_OF_MAKE if of_make else ())])
    empty = inspect.Parameter.empty
    missing = [name for name in named if parameters[name].default is empty and name not in taken]
    if missing:
        raise ValueError(
            f"env={config.env!r} takes the argument{'s' if len(missing) > 1 else ''} {', '.join(missing)}: "
            "give each in --env-kwargs"
        )


def _check_options(config: EnvironmentConfig, options: Mapping[str, Any], valid: Any) -> None:
    for name in options:
        if name not in valid:
            raise ValueError(
                f"env_kwargs: {config.env!r} does not take {name!r}; choose from {', '.join(valid) or 'none'}"
            )


def _wrapped(config: EnvironmentConfig, env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    for name in config.wrappers:
        wrapper = load_entry_point(name, "wrappers")
        try:
            wrapped = wrapper(env)
        except TypeError as error:
            raise ValueError(f"wrappers: {name!r} cannot be called with the environment: {error}") from error
        if not isinstance(wrapped, gym.Wrapper):
            raise ValueError(
                f"wrappers: {name!r} returned a {type(wrapped).__name__}; expected a gymnasium.Wrapper"
            )
        env = wrapped
    return env


def _refuse_blind(config: EnvironmentConfig, env: gym.Env[Any, Any]) -> None:
    """Says why there are no pictures; a part of the observation that is called "render" is one."""
    space = env.observation_space
    if isinstance(space, gym.spaces.Dict) and "render" in space.spaces:
        return
    raise ValueError(
        f"env={config.env!r} cannot render: its render_mode is {env.render_mode!r} and its "
        f'metadata["render_modes"] are {env.metadata.get("render_modes", [])}. Its constructor must take '
        'render_mode="rgb_array"; or choose other pictures: --frames with a key of the observation or '
        "module:function"
    )
