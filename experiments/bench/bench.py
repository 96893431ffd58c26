"""`robometer-rl bench`: what a wrapped step costs, against the published pattern and against its floor."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from robometer_rl.arguments import read_arguments
from robometer_rl.errors import checking_input

from ..common.environment import EnvironmentConfig
from ..common.files import write_json
from ..common.progress import progress
from ..common.provenance import processor, versions
from .cases import CASES
from .config import QUICK, BenchCounts, BenchSetup
from .own_environment import measure
from .table import BenchReport, BenchRow, Part, fill

__all__ = ["BenchConfig", "bench", "main"]

_PACKAGES = ("robometer-rl", "torch", "numpy", "gymnasium", "mujoco", "metaworld", "robosuite")


@dataclass(frozen=True)
class BenchConfig:
    """What to measure and where to write it."""

    model: str = "compact"
    """A reward model, as in `load_reward_model`."""
    task: str = "metaworld/drawer-open-v3"
    """A Meta-World task."""
    env: str | None = None
    """Time the steps of this environment instead: a Gymnasium id, `module:Id-v0` or `module:factory`."""
    env_kwargs: str = "{}"
    """With `env`: its keyword arguments, as a JSON object."""
    wrappers: tuple[str, ...] = ()
    """With `env`: its wrappers as `module:Wrapper`, innermost first."""
    frames: str = "render"
    """With `env`: where pictures come from, "render", a key of the observation, or `module:function`."""
    size: int = 96
    """Side of the pictures, pixels; an environment of `env` has its own."""
    threads: int = 1
    """Threads of torch; the simulator has one."""
    only: tuple[str, ...] = ()
    """Cases to measure: step, model, flat, rate, batch, floor, lift, leak, peak, gpu; all if not given."""
    quick: bool = False
    """Do everything only a few times, to see that it runs: the numbers mean nothing."""
    counts: BenchCounts = field(default_factory=BenchCounts)
    """How often things are done, unless `quick`."""
    json: Path | None = None
    """Where to write the table, the spreads and the machine as JSON."""
    read: Path | None = None
    """Measure nothing and show the table of this JSON file."""
    markdown: tuple[Path, ...] = ()
    """Files in which to rewrite what stands between `<!-- bench -->`, `<!-- bench gpu -->`, `<!-- bench
    parts -->` or `<!-- bench run -->` and `<!-- end -->`."""

    def __post_init__(self) -> None:
        """Checks the names of the cases.

        Raises:
            ValueError: There is no such case.
        """
        unknown = [name for name in self.only if name not in CASES]
        if unknown:
            raise ValueError(f"unknown cases {', '.join(unknown)}; choose from {', '.join(CASES)}")
        needless = [f"--{name}" for name in ("only", "read", "markdown") if getattr(self, name)]
        if self.env is not None and needless:
            raise ValueError(f"{', '.join(needless)} is for the cases of Meta-World, not for --env")

    @property
    def own(self) -> EnvironmentConfig | None:
        """The environment of `env`; its time does not depend on what the task says."""
        if self.env is None:
            return None
        return EnvironmentConfig(self.env, "do the task", self.env_kwargs, self.wrappers, frames=self.frames)

    @property
    def setup(self) -> BenchSetup:
        """What the cases are told."""
        counts = QUICK if self.quick else self.counts
        return BenchSetup(self.model, self.task, self.size, self.threads, counts)


def bench(config: BenchConfig, command: str, console: Console) -> BenchReport:
    """Measures, with a progress bar.

    Args:
        config: What to measure.
        command: The command line, for the report.
        console: Of the progress bar.

    Returns:
        The table. A case whose suite or model part is not there is skipped, and the report says why.
    """
    import torch

    torch.set_num_threads(config.threads)
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    rows: list[BenchRow] = []
    parts: list[Part] = []
    skipped: dict[str, str] = {}
    with progress(console, "cases", len(config.only or CASES)) as advance:
        for name in config.only or CASES:
            try:
                found = CASES[name](config.setup)
            except (ImportError, NotImplementedError) as error:
                skipped[name] = " ".join(str(error).split())
            else:
                rows += found.rows
                parts += found.parts
            advance(note=name)
    return BenchReport(
        machine(config.threads), command, date, asdict(config.setup), tuple(rows), tuple(parts), skipped
    )


def machine(threads: int) -> dict[str, Any]:
    """What the numbers depend on.

    Args:
        threads: Of torch.

    Returns:
        Processor, cores, threads, GPU and GL where there is one, system, versions.
    """
    import torch

    found: dict[str, Any] = {"CPU": processor(), "cores": os.cpu_count()}
    found["threads"] = threads
    if torch.cuda.is_available():
        found["GPU"] = torch.cuda.get_device_name()
    found["GL"] = os.environ.get("MUJOCO_GL", "native")
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["Python"] = platform.python_version()
    return {**found, **versions(_PACKAGES)}


def _bench_own(config: BenchConfig, command: str) -> None:
    """Times the environment of `env`, and prints and writes what it costs."""
    import torch

    torch.set_num_threads(config.threads)
    with checking_input():
        own = config.own
        assert own is not None
        counts = config.setup.counts
        report = measure(own, config.model, counts.repetitions, machine(config.threads), command)
    Console(markup=False).print(report.table())
    if config.json is not None:
        write_json(config.json, report.to_json())
        print(f"wrote {config.json}")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what a wrapped step costs, and print the table with its goals."""
    config = read_arguments(BenchConfig, argv, "bench", main.__doc__)
    words = sys.argv[1:] if argv is None else argv
    command = f"robometer-rl bench {shlex.join(words)}".strip()
    if config.env is not None:
        _bench_own(config, command)
        return
    if config.read is None:
        report = bench(config, command, Console(stderr=True, markup=False))
    else:
        with checking_input():
            report = BenchReport.from_json(json.loads(config.read.read_text(encoding="utf-8")))
    console = Console(markup=False)
    for table in report.tables():
        console.print(table)
    for line in (*report.notes(), report.run()):
        console.print(line, markup=False, highlight=False)
    if config.json is not None:
        config.json.parent.mkdir(parents=True, exist_ok=True)
        config.json.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {config.json}")
    for path in config.markdown:
        path.write_text(fill(path.read_text(encoding="utf-8"), report), encoding="utf-8")
        print(f"wrote the tables of {path}")


if __name__ == "__main__":
    main()
