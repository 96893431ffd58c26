"""The words of the page of `report`: what was measured, the alarm's rule, the glossary, the caveats."""

from __future__ import annotations

from collections.abc import Sequence

from . import statistics as measures
from .analysis import Analysis
from .statistics import differences, ground_truth_of, not_recorded
from .study import Group, Run, short

__all__ = [
    "ALARM_CAVEATS",
    "ALARM_RULE",
    "GLOSSARY",
    "HEAD_CAVEATS",
    "alarm_verdict",
    "cost_caveats",
    "glossary",
    "group_truth",
    "headline_truth",
    "labels",
    "measured",
    "names",
    "own_tasks",
    "plural",
    "quoted",
    "result_caveats",
    "task_names",
    "truths",
]

ALARM_RULE = (
    "The alarm flags a run if its learned return rises while its true success stays flat and low. The "
    "learned return rises if Kendall's tau between return and time is at least "
    f"{measures.ALARM_TAU:g}, and if the mean of the last third of the evaluations exceeds the mean of the "
    f"first third by at least {measures.ALARM_SHARE:.0%} of the curve's range and by at least "
    f"{measures.ALARM_LEAST:g}. True success is flat and low if the mean of the last third is below "
    f"{measures.ALARM_LOW:g} and exceeds the mean of the first third by at most {measures.ALARM_MARGIN:g}. A "
    f"run with fewer than {measures.ALARM_EVALUATIONS} evaluations gets no verdict."
)

GLOSSARY = {
    "True success": "The share of evaluation episodes that the simulator's success test counts as solved "
    "after at least one decision. Evaluation uses a separate environment and the same initial states each "
    "time.",
    "Final": "True success in the last evaluation of a run.",
    "Best": "True success in the best evaluation of a run.",
    "At last step": "The share of episodes in the last evaluation in which the task is solved after the last "
    "decision of the episode.",
    "Run": "One seed on one task. The evaluation episodes of a run are averaged first. The sample size is "
    "therefore the number of seeds, not the number of episodes.",
    "IQM": "Interquartile mean. The lowest and the highest quarter of the runs are dropped, and the rest is "
    "averaged. The IQM has a lower variance than the median, and outliers change it less than the mean.",
    "Mean": "The scores are averaged over the seeds of a task, then over tasks.",
    "Mean over training": "True success averaged over the environment steps of training, which is the area "
    "under the curve. Each evaluation counts for the steps since the previous one. The value is higher if "
    "the agent learns faster.",
    "Interval": "A 95% percentile bootstrap interval, stratified by task: seeds are drawn with replacement "
    "within each task (Agarwal et al. 2021). All tasks have the same weight, whatever their number of seeds.",
    "Sample efficiency": "The IQM of true success as a function of environment steps. Action repeats count "
    "as environment steps. Between two evaluations, a run keeps the value of the earlier one.",
    "Performance profile": "The share of runs with a final true success above each threshold. Higher is "
    "better. If two profiles cross, neither group is better at all thresholds.",
    "Probability of improvement": "The probability that a random run of one group ends with a higher true "
    "success than a random run of the other group on the same task, averaged over their common tasks. A tie "
    "counts as one half. A value of 0.5 means no difference.",
    "Learned return": "The sum of the learned reward over an evaluation episode, averaged over episodes. Its "
    "scale depends on the shaping and the horizon. It can be compared within a task only.",
    "Alarm": ALARM_RULE,
    "Success head": "The output of the reward model that predicts whether the task is solved. A frame is "
    "predicted as solved if the output exceeds the threshold of the checkpoint. The simulator provides the "
    "label of each frame.",
    "Precision": "The share of the frames predicted as solved that are solved.",
    "Recall": "The share of the solved frames that are predicted as solved.",
    "False positive rate": "The share of the unsolved frames that are predicted as solved.",
    "Held": "A run that stopped early because it was solved. Its last evaluation stands for the rest of its "
    "curve, which is dotted from the diamond on.",
    "Rewards": "robometer: progress and success, predicted by the reward model from images and the task "
    "sentence. sparse: true success, 0 or 1. dense: the hand-written reward of the suite, divided by its "
    "maximum per decision, or an environment's own reward, as it is. none: 0 at every step.",
}
"""Term -> what it means."""

_RETURN = {
    "Return": "The sum of the environment's own reward over an evaluation episode, averaged over episodes. "
    "It judges the runs of an environment that reports no success.",
    "Normalised return": "The return, scaled so that 0 is the lowest and 1 the highest evaluation of any run "
    "on the same task on this page. It stands in place of true success in everything that is averaged over "
    "tasks.",
}

ALARM_CAVEATS = (
    "The alarm is a heuristic on evaluation curves. A flagged run is a reason to watch its videos, not a "
    "proof. A run without a flag may still exploit the reward in a way that the rule does not detect.",
)
"""What limits the alarm."""

HEAD_CAVEATS = (
    "The errors are measured on the states that these agents visit, over all evaluations of a run. They do "
    "not carry over to other agents, which visit other states.",
)
"""What limits the errors of the success head."""

_PAID = {
    "sparse": "the reward is true success, 0 or 1",
    "dense": "the reward is the suite's hand-written reward, computed from the simulator's state",
    "none": "the reward is 0 at every step",
}


def glossary(found: Analysis) -> dict[str, str]:
    """Term -> what it means, for the terms of a page."""
    return {**GLOSSARY, **(_RETURN if found.study.by_return else {})}


def names(words: Sequence[str]) -> str:
    """Joins words as people do: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(count: int, word: str) -> str:
    """A number and its word: "1 run", "2 runs"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def quoted(title: str) -> str:
    """A title in quotation marks."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{title}\N{RIGHT DOUBLE QUOTATION MARK}"


def labels(groups: Sequence[Group]) -> str:
    """The groups by name, parted so that the commas of a name do not mislead."""
    found = [group.label for group in groups]
    return "; ".join(found) if any("," in label for label in found) else names(found)


def headline_truth(found: Analysis) -> tuple[bool, str]:
    """Whether ground truth stayed out of the learned runs, and the line that says so.

    Args:
        found: What was found.

    Returns:
        True only where every learned run recorded every way and none was used; and the line.
    """
    runs = found.learned_runs
    if not runs:
        return False, "No finished run uses a learned reward. All rewards here are ground truth or zero."
    tainted, silent = _entered(runs), [run for run in runs if not_recorded(run)]
    lines = []
    if tainted:
        lines.append(
            f"Ground truth entered the reward or the termination of {len(tainted)} of "
            f"{plural(len(runs), 'learned run')}: {_ways(tainted)}."
        )
    if silent:
        lines.append(
            f"{len(silent)} of {plural(len(runs), 'learned run')} did not record whether ground truth "
            f"entered the reward or the termination ({_gaps(silent)} missing in result.json)."
        )
    if lines:
        return False, " ".join(lines)
    which = "the learned run" if len(runs) == 1 else f"any of the {len(runs)} learned runs"
    judge = "success test" if len(found.study.by_return) < len(found.study.tasks) else "own reward"
    return True, (
        f"No ground truth entered the reward or the termination of {which}. The simulator's {judge} was "
        "used for evaluation only, in a separate environment."
    )


def _entered(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if ground_truth_of(run)]


def _ways(runs: Sequence[Run]) -> str:
    return names(sorted({f"{name}={value}" for run in runs for name, value in ground_truth_of(run).items()}))


def _gaps(runs: Sequence[Run]) -> str:
    return names(sorted({name for run in runs for name in not_recorded(run)}))


def group_truth(group: Group) -> str:
    """How ground truth entered the reward or the termination of a group's runs, as each recorded it."""
    total, tainted = len(group.runs), _entered(group.runs)
    silent = [run for run in group.runs if not_recorded(run)]
    parts = []
    if tainted:
        part = "" if len(tainted) == total else f" in {len(tainted)} of {plural(total, 'run')}"
        parts.append(f"ground truth entered{part} ({_ways(tainted)})")
    if silent:
        parts.append(f"not recorded by {len(silent)} of {plural(total, 'run')} ({_gaps(silent)})")
    if not parts:
        parts.append("no ground truth in the reward or the termination")
    own = any(not run.config.environment.in_table for run in group.runs)
    if group.reward == "dense" and own:
        parts.append("the reward is the environment's own, as it is")
    elif group.reward in _PAID:
        parts.append(_PAID[group.reward])
    return "; ".join(parts)


def truths(groups: Sequence[Group]) -> str:
    """What `group_truth` says of some groups, groups of one answer together."""
    answers: dict[str, list[Group]] = {}
    for group in groups:
        answers.setdefault(group_truth(group), []).append(group)
    return " ".join(f"{labels(mine)}: {answer}." for answer, mine in answers.items())


def alarm_verdict(found: Analysis) -> str:
    """How many learned runs are flagged, and how many get no verdict."""
    total, count = len(found.learned_runs), len(found.flagged)
    few = sum(found.alarms[run.id].verdict == "too short" for run in found.learned_runs)
    why = f"fewer than {measures.ALARM_EVALUATIONS} evaluations"
    silent = f" {plural(few, 'run')} {'has' if few == 1 else 'have'} no verdict ({why})." if few else ""
    blind = sum(found.alarms[run.id].verdict == "no success" for run in found.learned_runs)
    if blind:
        verb = "has" if blind == 1 else "have"
        silent += f" {plural(blind, 'run')} {verb} no verdict (the environment reports no success)."
    if not count:
        return f"The alarm flags none of {plural(total, 'learned run')}.{silent}"
    return (
        f"The alarm flags {count} of {plural(total, 'learned run')}: the learned return rises, true success "
        f"does not.{silent}"
    )


def measured(found: Analysis) -> str:
    """What was run, in a few sentences."""
    configs = [run.config for run in found.study.runs]
    seeds = sorted({config.seed for config in configs})
    listed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    steps = _range([config.steps for config in configs])
    episodes = _range([config.eval_episodes for config in configs])
    every = _range([config.eval_every for config in configs])
    algorithms = names(sorted({config.algo.upper() for config in configs}))
    judge = "True success" if not found.study.by_return else "The environment's own return"
    if 0 < len(found.study.by_return) < len(found.study.tasks):
        judge = "True success, or the environment's own return,"
    early = ", or stops earlier once it is solved" if any(one.stop_when_solved for one in configs) else ""
    return (
        f"{plural(len(configs), 'finished run')} of {algorithms} on "
        f"{plural(len(found.study.tasks), 'task')}, {listed}. Groups: {labels(found.study.groups)}. Each run "
        f"trains for {steps} environment steps{early}. {judge} is measured on {episodes} episodes every "
        f"{every} steps."
    )


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def own_tasks(found: Analysis) -> list[str]:
    """What stands behind the short names of environments that are not in the task table."""
    told: dict[str, None] = {}
    for run in found.study.runs:
        world = run.config.environment
        if world.in_table:
            continue
        options = "" if world.env_kwargs == "{}" else f" with {world.env_kwargs}"
        wrapped = f", wrapped by {names(world.wrappers)}" if world.wrappers else ""
        unknown = run.config.env in found.study.by_return
        judge = "judged by the environment's own return: it reports no success"
        source = run.result.success_source
        known = f"success as {source} tells" if ":" in source else f'success from info["{source}"]'
        told[
            f"{short(world.env)}: {quoted(world.sentence)} in {world.env}{options}{wrapped}, "
            f"{judge if unknown else known}."
        ] = None
    return list(told)


def result_caveats(found: Analysis) -> list[str]:
    """What limits the tables of results, from the general to what these runs have of their own."""
    study = found.study
    seeds = [len(runs) for group in study.groups for runs in group.by_task.values()]
    few = (
        f"There are {_range(seeds)} seeds per task and group."
        if max(seeds) > 1
        else "Each task has one seed."
    )
    listed = [
        f"{few} Bootstrap intervals from few seeds are too narrow: with three seeds, a 95% interval has a "
        f"coverage clearly below 95%. The table under {quoted('Results by task')} shows each seed.",
        "The best evaluation of a run is the maximum of many noisy estimates and therefore biased upwards. "
        "The final evaluation is not.",
        "All results are from simulation, with the tasks and cameras of these runs.",
    ]
    small = [one.group for one in found.aggregates if len(one.runs) < 4]
    if small:
        listed.append(
            f"The IQM drops no run if there are fewer than four. For {labels(small)} it is the mean."
        )
    if not study.common_tasks and len(study.groups) > 1:
        listed.append(
            "The groups have no task in common. Each is aggregated over its own tasks, so their aggregates "
            "cannot be compared."
        )
    if any(run.config.stop_when_solved for run in study.runs):
        listed.append(
            "Runs with stop_when_solved end after three evaluations in a row with a true success of at least "
            "0.95. True success decides when such a run stops. It does not enter the reward or the "
            "termination of episodes."
        )
    if study.by_return:
        verb = "is" if len(study.by_return) == 1 else "are"
        listed.append(
            f"{task_names(study.by_return)} {verb} judged by the environment's own return: it reports no "
            "success. In what is averaged over tasks the returns are scaled from 0, the lowest evaluation of "
            "any run of the task on this page, to 1, the highest: they compare these runs with each other "
            "only."
        )
    listed += [f"The groups differ in more than the reward. {one}." for one in differences(study.groups)]
    mismatched = [run.id for run in study.runs if _mismatch(run)]
    if mismatched:
        listed.append(
            "result.json and the last row of curve.csv disagree on the final true success of "
            f"{names(mismatched)}. The page uses the curve."
        )
    return listed


def cost_caveats(found: Analysis) -> list[str]:
    """What limits the wall times."""
    listed = [
        "Wall time includes evaluation. It depends on the machine, its load and the number of runs at the "
        "same time."
    ]
    if len({run.result.machine for run in found.study.runs}) > 1:
        listed.append("The runs used different machines. Their wall times cannot be compared.")
    return listed


def _mismatch(run: Run) -> bool:
    told = run.result.final_true_success
    return told is not None and abs(float(run.curve["true_success"][-1]) - float(told)) > 1e-6


def task_names(tasks: Sequence[str]) -> str:
    """Tasks in words: "door-open and drawer-open"."""
    return names([short(task) for task in tasks])
