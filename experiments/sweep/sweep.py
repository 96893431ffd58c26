"""Many training runs: `robometer-rl sweep FILE.yaml`, the product of the file's lists.

Each run is a process of its own, started by the same command that one would type. The folder of the sweep
has a manifest; started again, the sweep goes on: what is done is skipped, what was stopped resumes from its
checkpoint, what failed is tried again. Exit status 0: all done; 1: some run failed; 2: wrong input; 130:
stopped, and resumable.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.live import Live

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import InputError, checking_input

from ..agent.run import RunConfig, train_options
from .local_engine import LocalEngine, cores_of_this_process, memory_of_this_process
from .manifest import MANIFEST, Manifest, exclusive, load, open_manifest
from .process import LOG, PROGRAM, Job
from .scheduler import Engine, Interruption, Loop, ProgressView
from .spec import find_sweep, read_sweep
from .status_table import LineView, LiveView, summary, table

__all__ = ["SweepConfig", "main", "sweep"]

_RUNS = Path("runs")
_KEEP_FREE_GB = 1.0


@dataclass(frozen=True)
class SweepConfig:
    """What to run, where, and how much of the machine it may have."""

    file: tyro.conf.Positional[Path | None] = None
    """Sweep file, or a packaged one: seen, seen_bundled, shaping,
    robosuite, ppo, preference, control, fetch, wipe, record, smoke."""
    out: Path | None = None
    """Folder of the sweep; without it, runs/ and the sweep's name."""
    workers: int = 0
    """Runs at a time; 0 is what cores and memory allow, each run having its `--cpus` and `--memory-gb`."""
    retries: int = 1
    """How often a run that failed is tried again; one that was given wrong input is not."""
    cpus: int = 1
    """Cores of a run, and threads of its numeric libraries; a local run is kept on cores of its own."""
    memory_gb: float | None = None
    """Memory that a run and its processes may use, in GB; over it, the attempt is ended with that reason."""
    gpus: float = 0.0
    """Share of a GPU for a run; `--engine ray` only, local runs all see what the machine has."""
    grace: float = 60.0
    """Seconds that a run has for its last checkpoint when the sweep is stopped."""
    train: str = ""
    """More options of `robometer-rl train` for every run, as one word: --train='--device cuda'."""
    engine: Literal["local", "ray"] = "local"
    """Processes of this machine, or a Ray cluster."""
    address: str | None = None
    """Ray cluster, such as 10.0.0.1:6379; without it RAY_ADDRESS, else a Ray of this machine alone."""
    status: bool = False
    """Only show how far the sweep is, also while it runs elsewhere; without a file, all sweeps in runs/."""
    dry_run: bool = False
    """Only print the commands."""

    def __post_init__(self) -> None:
        """Refuses what makes no sense.

        Raises:
            ValueError: An option is out of range, or belongs elsewhere.
        """
        for name, least in (("workers", 0), ("retries", 0), ("cpus", 1), ("gpus", 0), ("grace", 0)):
            if not getattr(self, name) >= least:  # NaN is not
                raise ValueError(f"{name} should be at least {least}, got {getattr(self, name)}")
        if self.memory_gb is not None and not self.memory_gb > 0:
            raise ValueError(f"memory_gb should be a positive number, got {self.memory_gb}")
        if self.engine == "local" and (self.gpus or self.address):
            raise ValueError("--gpus and --address are for --engine ray")
        taken = {item.name for item in fields(RunConfig)} | {"out", "threads"}
        for word in shlex.split(self.train):
            name = word.split("=")[0].removeprefix("--").removeprefix("no-").replace("-", "_")
            if word.startswith("--") and name in taken:
                raise ValueError(
                    f"--train has {word}, which is for the sweep file or the sweep's own options"
                )

    @property
    def extra(self) -> str:
        """Options of `robometer-rl train` for every run."""
        threads = f"--threads {self.cpus}" if self.cpus > 1 else ""
        return f"{threads} {self.train}".strip()


def sweep(config: SweepConfig, program: Sequence[str] = PROGRAM) -> int:
    """Runs a sweep, or what is left of it.

    Args:
        config: What to run.
        program: What carries out one run; see `PROGRAM`.

    Returns:
        0 if every run is done, 1 if one failed.

    Raises:
        InputError: The file, an option or the folder is wrong, or another sweep has the folder; nothing was
            started.
        OSError: The folder cannot be written.
        ImportError: Ray is not installed.
        KeyboardInterrupt: The user asked for the end; what ran has stopped and will resume.
    """
    console = Console(markup=False)
    if config.status:
        return _show(config, console)
    with checking_input():
        if config.file is None:
            raise ValueError("name a sweep file: robometer-rl sweep FILE.yaml")
        wanted = read_sweep(find_sweep(config.file))
    out = config.out or _RUNS / wanted.name
    if config.dry_run:
        with checking_input():
            _announce(open_manifest(out, wanted, config.extra))
        return 0
    with ExitStack() as stack:
        with checking_input():
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive(out))
            manifest = open_manifest(out, wanted, config.extra)
        _announce(manifest)
        if any(entry.state != "done" for entry in manifest.entries):
            _run(config, manifest, tuple(program), console)
        manifest.save()
    return _report(manifest)


def _run(config: SweepConfig, manifest: Manifest, program: tuple[str, ...], console: Console) -> None:
    """Takes every run to its end."""
    words = {entry.id: train_options(entry.config) + shlex.split(config.extra) for entry in manifest.entries}
    jobs = {
        run_id: Job(run_id, tuple(its), program, config.cpus, config.memory_gb)
        for run_id, its in words.items()
    }
    engine = _engine(config, manifest.out)
    stop = Interruption()
    try:
        with ExitStack() as stack:
            stack.enter_context(stop.listening())
            board: ProgressView = LineView(console, manifest)
            if console.is_terminal:
                live = stack.enter_context(Live(console=console, auto_refresh=False))
                board = LiveView(live, manifest)
            Loop(manifest, jobs, engine, board, config.retries, config.grace, stop).run()
    except KeyboardInterrupt:
        print(f"stopped: {summary(manifest)}; the same command goes on from here", flush=True)
        raise


def _engine(config: SweepConfig, out: Path) -> Engine:
    if config.engine == "ray":
        from .ray_engine import RayEngine

        needs = {"CPU": config.cpus, "GPU": config.gpus, "memory": (config.memory_gb or 0.0) * 1e9}
        return RayEngine(out, config.address, config.workers, needs)
    cores = cores_of_this_process()
    most = max(len(cores) // config.cpus, 1)
    if config.memory_gb is not None:
        memory = memory_of_this_process() / 1e9
        fits = int((memory - _KEEP_FREE_GB) / config.memory_gb)
        if fits < 1:
            raise InputError(f"--memory-gb {config.memory_gb:g} is more than this machine's {memory:.1f} GB")
        most = min(most, fits)
    workers = config.workers or most
    if workers > most:
        print(f"note: {workers} runs at a time share {len(cores)} cores; {most} would have what they ask for")
    return LocalEngine(out, workers, config.cpus, cores)


def _announce(manifest: Manifest) -> None:
    """Prints the commands that are about to run, in their order."""
    todo = [entry for entry in manifest.entries if entry.state != "done"]
    done = len(manifest.entries) - len(todo)
    print(f"sweep {manifest.name} in {manifest.out}: {done} of {len(manifest.entries)} runs done, to do:")
    for entry in todo:
        print(entry.command)
    sys.stdout.flush()


def _report(manifest: Manifest) -> int:
    """Prints how it ended, and every failure."""
    print(summary(manifest))
    failed = _print_failures(manifest)
    if failed:
        print("the same command tries them again")
    sys.stdout.flush()
    return 1 if failed else 0


def _print_failures(manifest: Manifest) -> bool:
    """Returns whether there are any."""
    failed = [entry for entry in manifest.entries if entry.state == "failed"]
    for entry in failed:
        ended = f", exit status {entry.exit_status}" if entry.exit_status is not None else ""
        print(f"FAILED {entry.id} (attempts: {entry.attempts}{ended}): {entry.error}")
        print(f"  log: {manifest.folder(entry).path / LOG}")
    return bool(failed)


def _show(config: SweepConfig, console: Console) -> int:
    """Prints the tables of one sweep, or of all below `runs/`."""
    with checking_input():
        if config.out is not None:
            folders = [config.out]
        elif config.file is not None:
            folders = [_RUNS / read_sweep(find_sweep(config.file)).name]
        else:
            folders = sorted(path.parent for path in _RUNS.glob(f"*/{MANIFEST}"))
            if not folders:
                raise FileNotFoundError(f"no sweep in {_RUNS.absolute()}; name its file or give --out")
        manifests = [load(folder) for folder in folders]
    for manifest in manifests:
        console.print(f"{manifest.name} in {manifest.out}", style="bold", highlight=False)
        console.print(table(manifest))
        console.print(summary(manifest), highlight=False)
        _print_failures(manifest)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sweep: the product of environments, algorithms, rewards and seeds; resumable at any time."""
    return sweep(read_arguments(SweepConfig, argv, "sweep", main.__doc__))


if __name__ == "__main__":
    raise SystemExit(main())
