"""The words of the page of `report`: what was measured, the alarm's rule, the glossary, the caveats."""

from __future__ import annotations

from collections.abc import Sequence

from . import statistics as measures
from .analysis import Analysis
from .statistics import differences, ground_truth_of
from .study import Group, Run, short

__all__ = [
    "ALARM_RULE",
    "GLOSSARY",
    "alarm_verdict",
    "caveats",
    "group_truth",
    "headline_truth",
    "labels",
    "measured",
    "names",
    "plural",
    "task_names",
    "truths",
]

ALARM_RULE = (
    "A run is flagged where its learned return rises while true success stays flat and low. Rises: over the "
    f"evaluations, Kendall's tau with time is at least {measures.ALARM_TAU:g}, and the mean of the last "
    f"third lies above that of the first third by at least {measures.ALARM_SHARE:.0%} of the curve's range "
    f"and by at least {measures.ALARM_LEAST:g}. Flat and low: the mean true success of the last third is "
    f"below {measures.ALARM_LOW:g} and at most {measures.ALARM_MARGIN:g} above that of the first third. A "
    f"run with fewer than {measures.ALARM_EVALUATIONS} evaluations gets no verdict."
)

GLOSSARY = {
    "True success": "The share of evaluation episodes that the simulator's own test counts as solved, at the "
    "end of any decision. It is measured on a separate environment, with the same start states each time.",
    "Final score": "True success of the last evaluation of a run. Best: of its best evaluation. At the last "
    "step: of the last evaluation, but the task must be done at the very end of the episode.",
    "Run": "One seed on one task. Its evaluation episodes are averaged first, so the sample is the seeds, "
    "not the episodes.",
    "IQM": "Interquartile mean: the mean of the runs that are left when the lowest and the highest quarter "
    "are cut off. It is steadier than the median, and a single lucky or unlucky run moves it little.",
    "Mean": "The mean over tasks of the mean over a task's seeds.",
    "Interval": "In brackets and as bands: 95% percentile interval of a bootstrap that draws seeds with "
    "replacement within each task (Agarwal et al. 2021). Each task counts the same, however many seeds it "
    "has.",
    "Sample efficiency": "IQM of true success along environment steps, action repeats counted. Between "
    "evaluations a run counts with its last one.",
    "Performance profile": "The share of runs whose final score lies above each threshold. Higher is better; "
    "where two profiles cross, which one is better depends on what you ask for.",
    "Probability of improvement": "How likely a run of the one group ends above a run of the other on the "
    "same task, averaged over the tasks that both have; ties count half. 0.5 is no difference.",
    "Learned return": "The sum over an evaluation episode of the reward that the model gives, averaged over "
    "episodes. Its scale depends on shaping and horizon, so it compares within a task only.",
    "Alarm": ALARM_RULE,
    "Success head": "The model's own judgement that the task is done, at its shipped threshold, held against "
    "the simulator frame by frame. Precision: of the frames it calls done, the share that are. Recall: of "
    "the frames that are done, the share it calls done. False positive rate: of the frames that are not "
    "done, the share it calls done.",
    "Held": "A run that stopped early as solved keeps its last evaluation for the rest of its curve: dotted, "
    "from the diamond on.",
    "Rewards": "robometer: progress and success as a vision-language model sees them. sparse: true success, "
    "0 or 1. dense: the suite's own hand-written reward, divided by what a decision pays at most. "
    "none: 0 at every step.",
}
"""Measure -> what it is."""

_TRUTH = {
    "sparse": "the reward is ground truth: true success, 0 or 1",
    "dense": "the reward is ground truth: the suite's hand-written reward, from the simulator's state",
    "none": "no reward at all, and so no ground truth",
}


def names(words: Sequence[str]) -> str:
    """Joins words as people do: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(count: int, word: str) -> str:
    """A number and its word: "1 run", "2 runs"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def labels(groups: Sequence[Group]) -> str:
    """The groups by name, parted so that the commas of a name do not mislead."""
    found = [group.label for group in groups]
    return "; ".join(found) if any("," in label for label in found) else names(found)


def headline_truth(found: Analysis) -> tuple[bool, str]:
    """Whether ground truth stayed out of the learned runs, and the line that says so."""
    runs = found.learned_runs
    if not runs:
        return (
            False,
            "There are no finished runs on a learned reward: every reward here is ground truth or nothing.",
        )
    tainted = [run for run in runs if ground_truth_of(run)]
    if not tainted:
        return True, (
            f"No ground truth entered reward or termination of {plural(len(runs), 'learned run')}. The "
            "simulator's success test only judged, on a separate environment."
        )
    ways = sorted({f"{name}={value}" for run in tainted for name, value in ground_truth_of(run).items()})
    return False, (
        f"Ground truth entered reward or termination of {len(tainted)} of "
        f"{plural(len(runs), 'learned run')}: {names(ways)}."
    )


def alarm_verdict(found: Analysis) -> str:
    """How many learned runs are flagged, and for how many nothing can be said."""
    total, count = len(found.learned_runs), len(found.flagged)
    short_runs = sum(found.alarms[run.id].verdict == "too short" for run in found.learned_runs)
    silent = f" {plural(short_runs, 'run')} too short for a verdict." if short_runs else ""
    if not count:
        return f"None of {plural(total, 'learned run')} flagged.{silent}"
    return f"{count} of {plural(total, 'learned run')} flagged: learned return up, true success flat.{silent}"


def group_truth(group: Group) -> str:
    """How ground truth entered the reward or the termination of a group's runs."""
    if group.reward != "robometer":
        return _TRUTH[group.reward]
    ways = sorted({f"{name}={value}" for run in group.runs for name, value in ground_truth_of(run).items()})
    return f"ground truth entered: {names(ways)}" if ways else "no ground truth in reward or termination"


def truths(groups: Sequence[Group]) -> str:
    """What `group_truth` says of some groups, groups of one answer together."""
    answers: dict[str, list[Group]] = {}
    for group in groups:
        answers.setdefault(group_truth(group), []).append(group)
    return " ".join(f"{labels(mine)}: {answer}." for answer, mine in answers.items())


def measured(found: Analysis) -> str:
    """What was run, in two sentences."""
    study = found.study
    configs = [run.config for run in study.runs]
    tasks = plural(len(study.tasks), "task")
    seeds = sorted({config.seed for config in configs})
    listed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    steps = _range([config.steps for config in configs])
    episodes = _range([config.eval_episodes for config in configs])
    every = _range([config.eval_every for config in configs])
    learners = names(sorted({config.algo.upper() for config in configs}))
    groups = labels(study.groups)
    return (
        f"{plural(len(study.runs), 'finished run')} of {learners} on {tasks}, {listed}, by reward: "
        f"{groups}. {steps} environment steps each, judged by true success over {episodes} episodes every "
        f"{every} steps."
    )


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def caveats(found: Analysis) -> list[str]:
    """What to keep in mind, from the general to what these runs have of their own."""
    study = found.study
    seeds = [len(runs) for group in study.groups for runs in group.by_task.values()]
    few = (
        f"There are {_range(seeds)} seeds per task and group."
        if max(seeds) > 1
        else "There is one seed per task."
    )
    listed = [
        f"{few} Bootstrap intervals of few seeds are too narrow: with three seeds, a 95% interval covers "
        "clearly less than 95%. Read the seeds themselves in the table by task.",
        "The best evaluation of a run is the largest of many noisy numbers, and so biased upwards; the final "
        "one is not.",
        "The alarm is a rule of thumb on evaluation curves. It sends you to the videos; it proves nothing, "
        "and a run that it clears may be hacked in a way that it does not see.",
        "Success-head errors are taken on the states that these agents reach, over all evaluations of a run. "
        "Other agents reach other states.",
        "Wall time holds for the machine, its load and the number of runs side by side; it includes "
        "evaluation.",
        "All of it is simulation, with the camera and the tasks named here.",
    ]
    small = [one.group for one in found.aggregates if len(one.runs) < 4]
    if small:
        listed.append(
            f"With fewer than four runs nothing is cut off: the IQM of {labels(small)} is the mean."
        )
    if not study.common_tasks and len(study.groups) > 1:
        listed.append(
            "No task is common to all groups: each is aggregated over its own, and they do not compare."
        )
    if len({run.result.machine for run in study.runs}) > 1:
        listed.append("The runs were made on different machines; their wall times do not compare.")
    if any(run.config.stop_when_solved for run in study.runs):
        listed.append(
            "Runs marked stop_when_solved ended when three evaluations in a row were at 0.95 or more. True "
            "success chose that moment; it entered neither reward nor termination of an episode."
        )
    listed += [f"The groups differ in more than the reward. {one}." for one in differences(study.groups)]
    mismatched = [run for run in study.runs if _mismatch(run)]
    if mismatched:
        which = names([run.id for run in mismatched])
        listed.append(
            f"result.json and the last row of curve.csv disagree on the final score: {which}; the curve "
            "counts."
        )
    return listed


def _mismatch(run: Run) -> bool:
    return abs(run.final - float(run.result.final_true_success)) > 1e-6


def task_names(tasks: Sequence[str]) -> str:
    """Tasks in words: "door-open and drawer-open"."""
    return names([short(task) for task in tasks])
