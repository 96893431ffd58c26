"""Stands in for `robometer-rl train` in the tests of the sweep: the same files and signals, in no time.

What it does is the word `act` in the run's overrides; `pause` is its seconds per step of work, `hold` a file
without which it does not go beyond its second step.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

from robometer_rl.experiments.agent.run import CURVE_COLUMNS, RunConfig, RunFolder, config_from_dict
from robometer_rl.experiments.common.files import write_json

STEPS = 8


def read_words(words: list[str]) -> tuple[RunConfig, Path]:
    """The configuration and the folder of runs, from the words of a command line."""
    given = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        given[name] = words.pop(0) if words and not words[0].startswith("--") else "true"
    kinds = {item.name: type(item.default) for item in fields(RunConfig)}
    values = {
        name: kinds[name](json.loads(text)) if kinds[name] is not str else text
        for name, text in given.items()
        if name in kinds
    }
    return config_from_dict(values), Path(given["out"])


def write_curve(folder: RunFolder, made: int, total: int) -> None:
    rows = [",".join(CURVE_COLUMNS)]
    for step in range(1, made + 1):
        values = {"env_steps": step * total // STEPS, "wall_s": step * 60.0, "true_success": step / STEPS}
        rows.append(",".join(str(values.get(name, 0)) for name in CURVE_COLUMNS))
    folder.curve.write_text("\n".join(rows) + "\n")


def work(config: RunConfig, folder: RunFolder, pause: float, hold: str) -> bool:
    """Counts to `STEPS`, from the checkpoint on; whether it came to the end."""
    asked = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: asked.append(number))
    print("ready", flush=True)
    there = sorted(folder.checkpoint.glob("[0-9]*/state.json"))
    step = json.loads(there[-1].read_text())["step"] if there else 0
    if step:
        print(f"going on from {step}", flush=True)
    while step < STEPS:
        time.sleep(pause)
        if step == 2 and hold and not Path(hold).exists() and not asked:
            continue
        step += 1
        write_curve(folder, step, config.steps)
        write_json(folder.checkpoint / "part" / "state.json", {"step": step})
        (folder.checkpoint / "part").rename(folder.checkpoint / f"{step:09d}")
        shutil.rmtree(folder.checkpoint / f"{step - 1:09d}", ignore_errors=True)
        if asked:
            print("stopped", flush=True)
            return False
    return True


def misbehave(act: str, folder: RunFolder) -> None:
    """Ends, or eats, or does not end, as the act says."""
    if act == "fail" or (act == "fail once" and not (folder.path / "tried").exists()):
        (folder.path / "tried").touch()
        raise RuntimeError("the simulator broke")
    if act == "wrong":
        print("robometer-rl train: overrides names 'gama'", file=sys.stderr)
        sys.exit(2)
    if act == "nothing":
        sys.exit(0)
    if act == "eat":
        eaten = [os.urandom(50_000_000) for _ in range(8)]
        time.sleep(60)
        print(len(eaten))
    if act == "stubborn":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print("ready", flush=True)
        time.sleep(60)


def main() -> int:
    config, out = read_words(sys.argv[1:])
    folder = RunFolder(out / config.run_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    if not folder.config.exists():
        write_json(folder.config, asdict(config))
    with (folder.path / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    options = config.hyperparameters
    misbehave(str(options.get("act", "")), folder)
    if not work(config, folder, float(options.get("pause", 0.01)), str(options.get("hold", ""))):
        return 130
    folder.best_model.write_bytes(bytes(range(256)) * 100)
    folder.videos.mkdir(exist_ok=True)
    (folder.videos / "best.mp4").write_bytes(b"video")
    result = {"run_id": config.run_id, "env_steps": config.steps, "wall_s": 480.0}
    result |= {"cores": sorted(os.sched_getaffinity(0)), "threads": os.environ["OMP_NUM_THREADS"]}
    write_json(folder.result, result)
    shutil.rmtree(folder.checkpoint)
    return 0


if __name__ == "__main__":
    sys.exit(main())
