"""The cases of the benchmark: each measures and returns rows of the table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robometer_rl.envs import make_env
from robometer_rl.envs.tasks import get_task
from robometer_rl.rewards import RewardModel, RewardStream, check_model_spec, load_reward_model

from .config import BenchSetup
from .memory import growth, in_child, peak_in_one_process, peak_with_workers
from .subjects import (
    KEPT,
    BareLoop,
    BareSide,
    Clocked,
    ReferenceSide,
    Side,
    SuiteLift,
    WrappedSide,
    take_turns,
)
from .table import BenchRow, Goal, Part, Spread, paired, single

__all__ = ["CASES", "Found"]


@dataclass(frozen=True)
class Found:
    """What a case found."""

    rows: tuple[BenchRow, ...]
    """Of the table."""
    parts: tuple[Part, ...] = ()
    """Of one wrapped step."""


def _at_least(value: float, words: str) -> Goal:
    return Goal("ratio", ">=", value, words)


def _at_most(value: float, words: str) -> Goal:
    return Goal("ratio", "<=", value, words)


def step(setup: BenchSetup) -> Found:
    """A wrapped step against the reference pattern, late enough in the episode that 8 frames are full."""
    counts = setup.counts
    ours: list[float] = []
    against: list[float] = []
    with ExitStack() as stack:
        wrapped = stack.enter_context(closing(WrappedSide(setup.task, setup.model, setup.size)))
        reference = stack.enter_context(
            closing(ReferenceSide(setup.task, wrapped.env.robometer.model, setup.size))
        )
        sides = {"ours": Side(wrapped.step), "against": Side(reference.step)}
        for episode in range(counts.episodes):
            wrapped.restart(episode)
            reference.restart(episode)
            # `take_turns` warms up by two steps of each; the step asked for is in the middle of the others.
            for _ in range(max(0, counts.at_step - counts.block - 2)):
                wrapped.step()
                reference.look()
            taken = take_turns(sides, 2 * counts.block, counts.block)
            ours += taken["ours"]
            against += taken["against"]
    name = f"wrapped step against the reference pattern, at step {counts.at_step}"
    return Found((paired("step", name, "ms", ours, against, "faster", _at_least(10, "10 times faster")),))


def model(setup: BenchSetup) -> Found:
    """One streamed frame against a prefix of 8 read again: the model alone."""
    loaded = load_reward_model(setup.model)
    sentence = get_task(setup.task).sentence
    frames = _frames(setup, KEPT)
    stream = _warm(loaded, 1, frames, sentence)
    taken = take_turns(
        {
            "ours": Side(lambda: stream.push(frames[:1])),
            "against": Side(lambda: loaded.score(frames, sentence)),
        },
        setup.counts.repetitions,
        setup.counts.block,
    )
    row = paired(
        "model", f"the model alone: one frame against {KEPT} read again", "ms",
        taken["ours"], taken["against"], "faster", _at_least(5, "5 times faster"),
    )  # fmt: skip
    return Found((row,))


def flat(setup: BenchSetup) -> Found:
    """Late steps of an episode against its first, two environments taking turns; and the model alone."""
    counts = setup.counts
    late: list[float] = []
    first: list[float] = []
    goal = _at_most(1.1, "1.1 at most: flat")
    with ExitStack() as stack:
        old, new = (
            stack.enter_context(closing(WrappedSide(setup.task, setup.model, setup.size))) for _ in range(2)
        )
        sides = {"late": Side(old.step), "first": Side(new.step)}
        for episode in range(counts.episodes):
            old.restart(episode)
            for _ in range(counts.late):
                old.step()
            new.restart(episode)
            taken = take_turns(sides, counts.window, counts.block)
            late += taken["late"]
            first += taken["first"]
    between = f"steps {counts.late} to {counts.late + counts.window} against 0 to {counts.window}"
    rows = [paired("flat", f"wrapped step, {between}", "ms", late, first, "share", goal)]
    late, first = _pushes_late_and_first(setup)
    rows.append(paired("flat model", f"the model alone, {between}", "ms", late, first, "share", goal))
    return Found(tuple(rows))


def _pushes_late_and_first(setup: BenchSetup) -> tuple[list[float], list[float]]:
    counts = setup.counts
    loaded = load_reward_model(setup.model)
    sentence = get_task(setup.task).sentence
    frame = _frames(setup, 1)
    late: list[float] = []
    first: list[float] = []
    for _ in range(counts.episodes):
        old, new = loaded.stream(1), loaded.stream(1)
        old.reset([sentence])
        for _ in range(counts.late):
            old.push(frame)
        new.reset([sentence])
        taken = take_turns(
            {"late": Side(_pusher(old, frame)), "first": Side(_pusher(new, frame))},
            counts.window,
            counts.block,
        )
        late += taken["late"]
        first += taken["first"]
    return late, first


def rate(setup: BenchSetup) -> Found:
    """Environment steps per second with every 5th scored, against the environment without pictures."""
    counts = setup.counts
    with ExitStack() as stack:
        wrapped = stack.enter_context(
            closing(WrappedSide(setup.task, setup.model, setup.size, score_every=5))
        )
        bare = stack.enter_context(closing(BareSide(setup.task, setup.size)))
        sides = {"ours": Side(wrapped.step), "against": Side(bare.step)}
        taken = take_turns(sides, counts.rates * counts.rate_steps, counts.rate_steps)
    ours, against = (_rates(taken[name], counts.rate_steps) for name in ("ours", "against"))
    row = paired(
        "rate", "steps per second, `score_every=5` against unwrapped", "1/s",
        ours, against, "share", _at_least(0.25, "25% or more"),
    )  # fmt: skip
    return Found((row,))


def _rates(ms: list[float], steps: int) -> list[float]:
    """Steps per second, one rate for so many steps in a row."""
    return [1e3 * steps / sum(ms[i : i + steps]) for i in range(0, len(ms), steps)]


def batch(setup: BenchSetup) -> Found:
    """Cost of a frame where several environments are scored in one forward."""
    n = setup.counts.envs
    loaded = load_reward_model(setup.model)
    sentence = get_task(setup.task).sentence
    frames = _frames(setup, n)
    many, one = _warm(loaded, n, frames, sentence), _warm(loaded, 1, frames, sentence)
    taken = take_turns(
        {"ours": Side(_pusher(many, frames)), "against": Side(_pusher(one, frames[:1]))},
        setup.counts.repetitions,
        setup.counts.block,
    )
    row = paired(
        "batch", f"the model alone, per frame: {n} environments against 1", "ms",
        [ms / n for ms in taken["ours"]], taken["against"], "share", _at_most(0.5, "0.5 or less"),
    )  # fmt: skip
    return Found((row,))


def floor(setup: BenchSetup) -> Found:
    """A wrapped step against what it cannot do without, and the parts of the step."""
    with ExitStack() as stack:
        wrapped = stack.enter_context(closing(Clocked(setup.task, setup.model, setup.size)))
        bare = stack.enter_context(closing(BareSide(setup.task, setup.size)))
        loop = BareLoop(bare, wrapped.model)
        frame = bare.env.render()[None]
        sides = {
            "step": Side(wrapped.step),
            "physics": Side(bare.step),
            "render": Side(bare.env.render),
            "encode": Side(lambda: loop.encode(frame)),
            "loop": Side(loop.step),
        }
        taken = take_turns(sides, setup.counts.repetitions, setup.counts.block)
    total = taken["step"]
    least = [a + b for a, b in zip(taken["render"], taken["encode"], strict=True)]
    with_physics = [a + b for a, b in zip(least, taken["physics"], strict=True)]
    rows = (
        paired(
            "floor", "wrapped step over its floor", "ms", total, least, "share",
            _at_most(1.15, "1.15 or less"),
            "the floor is a fast render and one frame through the encoder, each repeated alone with its "
            "caches warm; it holds no physics",
        ),
        paired(
            "floor with physics", "wrapped step over its floor and the physics, each alone", "ms",
            total, with_physics, "share",
        ),
        paired(
            "floor in turn", "wrapped step over a bare loop of physics, render, encoder", "ms",
            total, taken["loop"], "share",
            note="the same three in turn, each on the caches that the others leave, as in a wrapped step",
        ),
    )  # fmt: skip
    encode = [parts["encode"] for parts in loop.parts]
    return Found(rows, _parts(setup.task, total, wrapped.parts, encode))


def _parts(
    world: str, total: list[float], inside: list[dict[str, float]], encode: list[float] | None = None
) -> tuple[Part, ...]:
    """Splits steps by what was timed inside them; the encoder's share is what it takes in a bare loop."""
    inside = inside[-len(total) :]  # what came before was warm-up
    timed = {name: [parts[name] for parts in inside] for name in ("physics", "render", "model")}
    named = {
        "physics: the environment's own step": timed["physics"],
        "render: `FastCamera`": timed["render"],
        "model: one frame pushed": timed["model"],
    }
    if encode is not None:
        encode = encode[-len(total) :]
        named["of it the encoder, as in a bare loop"] = encode
        named["of it decoder and heads, the difference"] = _differences(timed["model"], encode)
    named["the wrapper itself, the rest"] = _differences(total, [sum(parts.values()) for parts in inside])
    named["the whole step"] = total
    return tuple(Part(world, name, Spread.of(ms)) for name, ms in named.items())


def _differences(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def leak(setup: BenchSetup) -> Found:
    """Growth of memory over many episodes."""
    counts = setup.counts
    every = max(1, counts.leak_episodes // 100)
    seen = in_child(growth, setup.model, counts.leak_episodes, counts.leak_warmup, every, setup.threads)
    row = single(
        "leak", f"memory: growth over {counts.leak_episodes:,} episodes", "MiB", seen.grown,
        Goal("ours", "<=", 1.0, "none (1 MiB at most: the allocator's noise)"),
        f"resident {seen.before:.0f} MiB after {counts.leak_warmup} episodes; least-squares slope "
        f"{seen.slope:+.2f} MiB per 10,000",
    )  # fmt: skip
    return Found((row,))


def peak(setup: BenchSetup) -> Found:
    """Peak memory with several environments, in one process and with a worker each."""
    counts = setup.counts
    args = (setup.model, setup.task, setup.size, counts.envs, counts.env_steps, setup.threads)
    one = in_child(peak_in_one_process, *args)
    many = in_child(peak_with_workers, *args)
    goal = Goal("ours", "<=", 1536.0, "1.5 GiB")
    name = f"memory: peak of {counts.envs} environments"
    return Found(
        (
            single("peak", f"{name}, in one process", "MiB", one.resident, goal),
            single(
                "peak workers", f"{name}, a worker each", "MiB", many.resident, goal,
                "summed over all processes, which counts shared pages in each; "
                f"counting those once, {many.proportional:.0f} MiB at the end",
            ),
        )
    )  # fmt: skip


def lift(setup: BenchSetup) -> Found:
    """Lift of robosuite: a wrapped step against the suite's own with its camera observation."""
    world = "robosuite/Lift"
    with ExitStack() as stack:
        ours = stack.enter_context(closing(Clocked(world, setup.model, setup.size)))
        suite = stack.enter_context(closing(SuiteLift(setup.size)))
        sides = {"ours": Side(ours.step), "against": Side(suite.step, suite.prepare)}
        taken = take_turns(sides, setup.counts.repetitions, setup.counts.block)
    row = paired(
        "lift", "robosuite Lift: wrapped step against the suite's with its camera observation", "ms",
        taken["ours"], taken["against"], "faster", _at_least(5, "5 times faster"),
    )  # fmt: skip
    return Found((row,), _parts(world, taken["ours"], ours.parts))


def gpu(setup: BenchSetup) -> Found:
    """Frames per second on a GPU, many episodes streamed together; nothing where there is none."""
    import torch

    if not torch.cuda.is_available():
        return Found(())
    return Found(tuple(throughput(setup, n, "cuda") for n in setup.counts.gpu_batches))


def throughput(setup: BenchSetup, n: int, device: str) -> BenchRow:
    """Frames per second of n episodes streamed together.

    Args:
        setup: What to measure.
        n: Episodes.
        device: Of torch.

    Returns:
        A row without a goal.
    """
    name, options = check_model_spec(setup.model)
    loaded = load_reward_model({"name": name, **options, "device": device})
    frames = np.repeat(_frames(setup, 1), n, axis=0)
    stream = _warm(loaded, n, frames, get_task(setup.task).sentence)
    taken = take_turns({"ours": Side(_pusher(stream, frames))}, setup.counts.repetitions, 1)
    # `push` takes and gives numpy arrays, so its time holds the way to the GPU and back.
    rates = [1e3 * n / ms for ms in taken["ours"]]
    return BenchRow(
        f"{device} {n}", f"{n} episodes streamed together", "frames/s", Spread.of(rates), gpu=True
    )


def _frames(setup: BenchSetup, n: int) -> NDArray[np.uint8]:
    """Pictures of the task, uint8 `(n, size, size, 3)`, a step apart."""
    env = make_env(setup.task, image_size=setup.size)
    env.reset(seed=0)
    pictures = []
    for _ in range(n):
        pictures.append(env.render())
        env.step(np.full(env.action_space.shape, 0.5, dtype=np.float32))
    env.close()
    return np.stack(pictures)


def _warm(model: RewardModel, n: int, frames: NDArray[np.uint8], sentence: str) -> RewardStream:
    """A stream of n episodes whose cache is full."""
    stream = model.stream(n)
    stream.reset([sentence] * n)
    for _ in range(40):
        stream.push(frames[:n])
    return stream


def _pusher(stream: RewardStream, frames: NDArray[np.uint8]) -> Callable[[], object]:
    return lambda: stream.push(frames)


CASES: dict[str, Callable[[BenchSetup], Found]] = {
    "step": step, "model": model, "flat": flat, "rate": rate, "batch": batch, "floor": floor,
    "lift": lift, "leak": leak, "peak": peak, "gpu": gpu,
}  # fmt: skip
"""By name, in the order in which they are measured and printed."""
