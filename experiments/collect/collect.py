"""Collects episodes of graded quality: `robometer-rl collect --out data/train`.

Every episode is a file of its own, written whole or not at all, so a run that was stopped goes on where it
was: files that exist are skipped. What could not be made is listed in `manifest.json`. The same options give
the same bytes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import InputError, checking_input

from ..common.files import write_whole
from ..common.progress import progress
from ..episodes import RANKS, episode_path, list_episodes, read_frame_kind, write_episode

_KEPT_GENERATORS = 1
"""How many environments a worker keeps open: chunks come sorted by task, so one is enough."""


_UNLASTING = ("robosuite/Lift", "metaworld/reach-v3", "metaworld/door-open-v3", "metaworld/stick-push-v3")
"""Tasks whose success is over when the hand leaves (a lifted cube, a door that swings back)."""


_FRAMES = ("frame_every", "image_size", "max_steps")
"""The options that all episodes of a folder share."""


@dataclass(frozen=True)
class EpisodeCounts:
    """Episodes of each kind, for each task."""

    success: int = 40
    """The expert at any speed, with pauses."""
    noisy_success: int = 20
    """The expert under strong noise and after detours."""
    near_miss: int = 16
    """Stops at 80 to 95% of the way."""
    stalled: int = 24
    """Stops at 35 to 60% of the time, or at 15 to 70% of the object's way."""
    undone: int = 12
    """Goes some way and takes it back."""
    random: int = 16
    """Random motion, hardly any, or none."""
    other_task: int = 20
    """The behaviour of another task in this task's world, or the hand going elsewhere."""
    mime: int = 24
    """The expert's motion beside or above the object, which stays; the hand ends where the expert's does."""
    returned: int = 12
    """The expert does the task, then its hand goes back to where it began."""
    cornered: int = 24
    """The arm runs into corners of its room and stays there, often before the object."""


@dataclass(frozen=True)
class CollectConfig:
    """What to collect, and where to."""

    out: Path = Path("data/train")
    """Folder of the data set."""
    tasks: tuple[str, ...] = ()
    """Task ids, such as metaworld/drawer-open-v3; none means all of the split."""
    split: Literal["train", "unseen", "other"] = "train"
    """Split of the tasks where none are named: train, unseen or other."""
    counts: EpisodeCounts = field(default_factory=EpisodeCounts)
    """Episodes of each kind for each task."""
    scale: float = 1.0
    """Multiplies all counts; at least one episode stays of each kind that has any."""
    seed_start: int = 0
    """First seed of each kind; another range gives other episodes (held out: 100000, validation: 200000)."""
    workers: int = 0
    """Processes; 0 is one per core."""
    frame_every: int = 2
    """Control steps between two frames."""
    image_size: int = 96
    """Side of a frame in pixels."""
    max_steps: int = 250
    """Most control steps in an episode."""
    tries: int = 8
    """How often an episode may come out wrong before it is given up and listed in the manifest."""
    chunk: int = 8
    """Episodes in one job of a worker."""

    def __post_init__(self) -> None:
        """Refuses numbers that make no sense before a worker meets them."""
        least = {
            "seed_start": 0,
            "workers": 0,
            "frame_every": 1,
            "image_size": 16,
            "max_steps": 20,
            "tries": 1,
            "chunk": 1,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} should be at least {bound}, got {getattr(self, name)}")
        if not 0.0 < self.scale < float("inf"):
            raise ValueError(f"scale should be a positive number, got {self.scale}")


@dataclass(frozen=True)
class Order:
    """One episode to produce.

    Attributes:
        task: Task id.
        kind: Kind of episode.
        seed: Seed within the kind.
    """

    task: str
    kind: str
    seed: int


@dataclass(frozen=True)
class CollectReport:
    """What became of an order.

    Attributes:
        order: The order.
        refusals: Why tries were refused.
        made: Whether the file exists now.
        frames: Frames in it.
        seconds: Time spent, tries included.
    """

    order: Order
    refusals: tuple[str, ...]
    made: bool
    frames: int
    seconds: float


def orders(config: CollectConfig, tasks: Sequence[str]) -> list[Order]:
    """All episodes of a data set, sorted so that those of one task follow each other.

    Args:
        config: What to collect.
        tasks: Task ids.

    Returns:
        One order per episode.
    """
    wanted = [
        (kind.name, max(1, round(config.scale * count)))
        for kind in fields(config.counts)
        if (count := getattr(config.counts, kind.name)) > 0
    ]
    return [
        Order(task, kind, config.seed_start + index)
        for task in tasks
        for kind, count in wanted
        if kind != "returned" or task not in _UNLASTING
        for index in range(count)
    ]


def task_ids(config: CollectConfig) -> list[str]:
    """The tasks to collect; the slow suite first, so that no worker idles at the end.

    Args:
        config: What to collect.

    Returns:
        Task ids.

    Raises:
        ValueError: A task or split is unknown.
    """
    from robometer_rl.envs.tasks import get_task, list_tasks

    chosen = [get_task(name) for name in config.tasks] if config.tasks else list_tasks(split=config.split)
    chosen = list(dict.fromkeys(chosen))
    return [task.id for task in sorted(chosen, key=lambda task: (task.suite != "robosuite", task.id))]


def collect(config: CollectConfig) -> list[Order]:
    """Collects a data set, or what is missing of it.

    Args:
        config: What to collect, and where to.

    Returns:
        The orders that no try fulfilled; they are in the manifest too.

    Raises:
        InputError: A task or an option is wrong, or the folder's episodes have frames of another kind.
    """
    with checking_input():
        names = task_ids(config)
        config.out.mkdir(parents=True, exist_ok=True)
        _refuse_other_frames(config)
    everything = orders(config, names)
    # Before the first episode: a run that is interrupted must not be gone on with by other options.
    _write_manifest(config, [])
    missing = [order for order in everything if not _path(config, order).exists()]
    print(
        f"{len(everything)} episodes of {len(names)} tasks in {config.out}: "
        f"{len(everything) - len(missing)} exist"
    )
    began = time.perf_counter()
    reports = _fulfil(config, missing)
    return _summarise(config, reports, time.perf_counter() - began)


def _refuse_other_frames(config: CollectConfig) -> None:
    """Keeps episodes of different frames out of one folder: nothing in the files' names tells them apart."""
    first = next(_scripted(config), None)
    if first is None:
        return
    height, width, frame_every = read_frame_kind(first)
    found: list[dict[str, Any]] = [{"frame_every": frame_every, "image_size": height}]
    if height != width:
        found = [{"image_size": f"{height}x{width}"}]
    for run in [*_read_manifest(config)["runs"], *found]:
        for name in _FRAMES:
            now = getattr(config, name)
            then = run.get(name, now)
            if then != now:
                raise InputError(
                    f"{config.out} was collected with {name} {then}, now {name} is {now}: "
                    "give the old value, or another --out"
                )


def _scripted(config: CollectConfig) -> Iterator[Path]:
    """The episodes of the folder that `collect` made; those of agents may have other frames."""
    for kind in RANKS:
        yield from list_episodes(config.out, kind=kind)


def _read_manifest(config: CollectConfig) -> dict[str, Any]:
    """The manifest as it stands, with its lists `runs` and `not_made`; empty ones where there is none."""
    path = config.out / "manifest.json"
    if not path.exists():
        return {"runs": [], "not_made": []}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        runs, not_made = list(found["runs"]), list(found["not_made"])
        right = all(isinstance(run, dict) for run in runs)
        for entry in not_made:
            _path(config, Order(*_key(entry)))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not a manifest of `collect` ({error!r}); remove it") from error
    if not right:
        raise InputError(f"{path} is not a manifest of `collect`: its runs should be objects; remove it")
    return {"runs": runs, "not_made": not_made}


def _path(config: CollectConfig, order: Order) -> Path:
    return episode_path(config.out, order.task, order.kind, order.seed)


def _chunks(missing: Sequence[Order], size: int) -> Iterator[tuple[Order, ...]]:
    """Cuts the orders into jobs of one task each."""
    job: list[Order] = []
    for order in missing:
        if job and (len(job) == size or order.task != job[0].task):
            yield tuple(job)
            job = []
        job.append(order)
    if job:
        yield tuple(job)


def _fulfil(config: CollectConfig, missing: Sequence[Order]) -> list[CollectReport]:
    """Hands the orders to the workers and waits, with a progress bar."""
    if not missing:
        return []
    _one_thread_each()
    reports: list[CollectReport] = []
    pool = ProcessPoolExecutor(
        config.workers or os.cpu_count() or 1, mp_context=multiprocessing.get_context("spawn")
    )
    with pool, progress(Console(markup=False), "episodes", len(missing)) as advance:
        jobs: list[Future[list[CollectReport]]] = [
            pool.submit(_run_job, config, job) for job in _chunks(missing, config.chunk)
        ]
        try:
            for job in as_completed(jobs):
                done = job.result()
                reports += done
                advance(len(done), done[-1].order.task)
        except BaseException:
            # Leaving the pool shuts it down again and would forget that waiting jobs are cancelled: wait.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return reports


def _one_thread_each() -> None:
    """Keeps each worker on its own core: numeric libraries and software renderers start a thread per core."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("LP_NUM_THREADS", "0")


_generators: dict[str, Any] = {}
"""The generators that this worker holds open, by what they were built with; see `_KEPT_GENERATORS`."""


def _run_job(config: CollectConfig, job: tuple[Order, ...]) -> list[CollectReport]:
    """Fulfils the orders of one job; runs in a worker."""
    generator = _generator(config, job[0].task)
    return [_fulfil_one(config, generator, order) for order in job]


def _fulfil_one(config: CollectConfig, generator: Any, order: Order) -> CollectReport:
    began = time.perf_counter()
    take = generator.produce(order.kind, order.seed)
    if take.episode is not None:
        write_episode(config.out, take.episode)
    return CollectReport(
        order=order,
        refusals=take.refusals,
        made=take.episode is not None,
        frames=0 if take.episode is None else len(take.episode.frames),
        seconds=time.perf_counter() - began,
    )


def _generator(config: CollectConfig, task: str) -> Any:
    """The generator of a task, kept open between jobs: building a world takes longer than an episode."""
    from robometer_rl.envs.experts import make_expert
    from robometer_rl.envs.make import make_env

    from .generator import EpisodeGenerator
    from .rollout import horizon

    key = f"{task} {config.frame_every} {config.image_size} {config.max_steps} {config.tries}"
    if key not in _generators:
        while len(_generators) >= _KEPT_GENERATORS:
            _generators.pop(next(iter(_generators))).close()
        env = make_env(task, horizon=horizon(config.max_steps), image_size=config.image_size)
        _generators[key] = EpisodeGenerator(
            env, make_expert, config.frame_every, config.max_steps, config.tries
        )
    return _generators[key]


def _write_manifest(config: CollectConfig, failed: Sequence[CollectReport]) -> None:
    """Adds this run to the manifest: its options, what is in the folder now, what could not be made."""
    before = _read_manifest(config)
    runs = before["runs"]
    if next(_scripted(config), None) is None:
        # A run of other frames that made no episode says nothing about the folder.
        runs = [run for run in runs if all(run.get(name) == getattr(config, name) for name in _FRAMES)]
    lasting = json.loads(json.dumps(_lasting(config)))
    if lasting not in runs:
        runs = [*runs, lasting]
    now = [{**asdict(report.order), "refusals": list(report.refusals)} for report in failed]
    again = {_key(entry) for entry in now}
    kept = [
        entry
        for entry in before["not_made"]
        if _key(entry) not in again and not _path(config, Order(*_key(entry))).exists()
    ]
    made = Counter(
        f"{file.parent.relative_to(config.out)} {file.stem.rpartition('-')[0]}"
        for file in list_episodes(config.out)
    )
    manifest = {"runs": runs, "made": dict(made), "not_made": sorted(kept + now, key=_key)}
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    write_whole(config.out / "manifest.json", text.encode())


def _key(entry: dict[str, Any]) -> tuple[str, str, int]:
    """What a manifest entry is about: task, kind, seed."""
    return entry["task"], entry["kind"], entry["seed"]


def _summarise(config: CollectConfig, reports: Sequence[CollectReport], seconds: float) -> list[Order]:
    """Writes the manifest, prints rates and what is missing."""
    failed = [report for report in reports if not report.made]
    _write_manifest(config, failed)
    made = len(reports) - len(failed)
    frames = sum(report.frames for report in reports)
    if made:
        tries = sum(len(report.refusals) for report in reports)
        print(
            f"made {made} episodes, {frames} frames in {seconds:.0f} s: {made / seconds:.2f} episodes/s, "
            f"{frames / seconds:.0f} frames/s; {tries} tries refused"
        )
    for (task, kind), count in sorted(
        Counter((report.order.task, report.order.kind) for report in failed).items()
    ):
        why = next(
            report.refusals[-1] for report in failed if (report.order.task, report.order.kind) == (task, kind)
        )
        print(f"NOT MADE: {count} of {task} {kind}; the last try: {why}")
    return [report.order for report in failed]


def _lasting(config: CollectConfig) -> dict[str, Any]:
    """The options that shape the data: not where it lies, nor how many processes made it."""
    return {key: value for key, value in asdict(config).items() if key not in ("out", "workers", "chunk")}


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the options and collects.

    Args:
        argv: Words of the command line; None takes them from `sys.argv`.

    Returns:
        0 if the data set can be used; 1 if a task has no successful or no failed episode, though some were
        asked for. What else could not be made is no failure: another start would not make it either.
    """
    config = read_arguments(CollectConfig, argv, "collect", main.__doc__)
    holes = _holes(config) if collect(config) else []
    for hole in holes:
        print(hole)
    return 1 if holes else 0


def _holes(config: CollectConfig) -> list[str]:
    """What `fit` and `evaluate` will miss: tasks of which no success, or no failure, could be made."""
    there: dict[tuple[str, bool], bool] = {}
    for order in orders(config, task_ids(config)):
        sort = (order.task, RANKS[order.kind] == RANKS["success"])
        there[sort] = there.get(sort, False) or _path(config, order).exists()
    return [
        f"{task} has no {'successful' if succeeds else 'failed'} episode: none could be made"
        for (task, succeeds), found in there.items()
        if not found
    ]


if __name__ == "__main__":
    raise SystemExit(main())
