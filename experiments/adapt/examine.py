"""`robometer-rl examine`: what a reward model makes of episodes of your own, and what it is good for.

The measures and the sentence are those with which `robometer-rl adapt` ends, on any episodes and any model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from robometer_rl.arguments import read_arguments
from robometer_rl.datasets.sentences import read_tasks
from robometer_rl.errors import InputError, checking_input
from robometer_rl.files import write_json
from robometer_rl.rewards import load_reward_model

from ..common.progress import tracked
from ..episodes import list_episodes, read_episode
from .verdict import FOR_RL, Findings, examine, is_ready_for_rl, judge

__all__ = ["ExamineConfig", "findings_table", "main"]


_SAYS = {
    "voc": "progress of successes (VOC)",
    "success_auc": "success against failure (AUC)",
    "ranking": "a success ends above a failure",
}
"""The measures of `FOR_RL` in words."""


@dataclass(frozen=True)
class ExamineConfig:
    """Which model, on which episodes."""

    data: Path
    """Folder of episodes of known success that the model was not trained on, with their `tasks.json`."""
    model: str = "compact"
    """Reward model: a name, a checkpoint folder or `package.module:Factory`."""
    json: Path | None = None
    """File for the figures as JSON."""


def findings_table(task: str, findings: Findings) -> Table:
    """The figures, what is wanted of them, and whether that is met.

    Args:
        task: Task id, for the title.
        findings: What was measured.

    Returns:
        The table.
    """
    table = Table(
        title=f"{task}: {findings.successes} successes and {findings.failures} failures, none trained on"
    )
    for heading in ("measure", "value", "for RL", ""):
        table.add_column(heading)
    for name, least in FOR_RL.items():
        value = getattr(findings, name)
        passed = None if value != value else value >= least
        table.add_row(_SAYS[name], _number(value), f">= {least}", _mark(passed))
    table.add_row("failures called done at the threshold", _number(findings.false_alarms), "", "")
    table.add_row("successes found at the threshold", _number(findings.found), "", "")
    for trap in findings.traps:
        wanted = f"<= {trap.most}" if trap.most is not None else f">= {trap.least}"
        table.add_row(trap.says, _number(trap.value), wanted, _mark(trap.passed))
    return table


def _number(value: float) -> str:
    return "not known" if value != value else f"{value:.2f}"


def _mark(passed: bool | None) -> str:
    return {None: "?", True: "yes", False: "no"}[passed]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure a reward model on episodes of your own, and say what it is good for.

    Exit status 0: ready for RL; 1: not yet, the last line says what to do.
    """
    config = read_arguments(ExamineConfig, argv, "examine", main.__doc__)
    console = Console(markup=False)
    with checking_input():
        tasks = read_tasks(config.data)
        if not tasks:
            raise InputError(f"{config.data} has no tasks.json, which says what its episodes show")
        model = load_reward_model(config.model)
        paths = {task: list_episodes(config.data, task) for task in tasks}
    found = {}
    for task, sentences in tasks.items():
        read = tracked(paths[task], console, "episodes read", len(paths[task]))
        episodes = {path.stem: read_episode(path) for path in read}
        found[task] = examine(model, episodes, sentences[0], model.success_threshold)
        console.print(findings_table(task, found[task]))
        console.print(judge(found[task]))
    if config.json is not None:
        write_json(config.json, {task: findings.as_dict() for task, findings in found.items()})
    return 0 if all(map(is_ready_for_rl, found.values())) else 1


if __name__ == "__main__":
    raise SystemExit(main())
