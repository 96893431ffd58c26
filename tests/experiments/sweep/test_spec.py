from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import tyro

from robometer_rl.envs.tasks import TASKS
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.agent.train import TrainCommand
from robometer_rl.experiments.sweep.spec import find_sweep, read_sweep, run_words

SWEEPS = Path(__file__).parents[3] / "experiments" / "sweep" / "studies"

SMALL = """
env: [metaworld/door-open-v3, metaworld/door-close-v3]
algo: sac
reward: [robometer, sparse]
seed: [1, 0]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_the_product_with_seeds_in_the_outer_loop(tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, SMALL))
    assert sweep.name == "mine"
    assert [(run.seed, run.env.split("/")[1], run.reward) for run in sweep.runs] == [
        (1, "door-open-v3", "robometer"),
        (1, "door-open-v3", "sparse"),
        (1, "door-close-v3", "robometer"),
        (1, "door-close-v3", "sparse"),
        (0, "door-open-v3", "robometer"),
        (0, "door-open-v3", "sparse"),
        (0, "door-close-v3", "robometer"),
        (0, "door-close-v3", "sparse"),
    ]


def test_include_adds_and_exclude_takes_away(tmp_path: Path) -> None:
    more = "include: [{reward: dense, env: metaworld/reach-v3}, {reward: sparse}]\n"
    more += "exclude: [{env: metaworld/door-open-v3, reward: [sparse]}]\n"
    runs = read_sweep(written(tmp_path, SMALL + more)).runs
    assert [(run.seed, run.env.split("/")[1], run.reward) for run in runs] == [
        (seed, *rest)
        for seed in (1, 0)
        for rest in [
            ("door-open-v3", "robometer"),
            ("door-close-v3", "robometer"),
            ("door-close-v3", "sparse"),
            ("reach-v3", "dense"),
        ]
    ]


def test_hyperparameters_may_be_a_mapping(tmp_path: Path) -> None:
    runs = read_sweep(written(tmp_path, "overrides: [{gamma: 0.9}, '{\"gamma\": 0.8}']")).runs
    assert [run.hyperparameters for run in runs] == [{"gamma": 0.9}, {"gamma": 0.8}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rewrad: sparse", r"unknown key 'rewrad'; choose from env, algo, .* did you mean 'reward'\?"),
        ("seed: 0\ninclude: [{sede: 1}]", "unknown key 'sede'.*did you mean 'seed'"),
        ("env: metaworld/drawer-opne-v3", "did you mean 'metaworld/drawer-open-v3'"),
        ("algo: [sac, td3]", "algo='td3' is unknown; choose one of sac, ppo"),
        ("reward: learned", "reward='learned' is unknown; choose one of robometer, sparse, dense, none"),
        ("steps: 1e5", "steps='1e5' should be a whole number"),
        ("seed: -1", "seed=-1 must be a whole number of at least 0"),
        ("stop_when_solved: 'no'", "stop_when_solved='no' should be true or false"),
        ("seed: []", "seed lists no value"),
        ("seed: [0, 1, 0]", "seed lists 0 twice"),
        ("seed: 0\nsteps: 5\nseed: 1", "key 'seed' stands twice.*line 3"),
        ("seed: 0\nexclude: [{seed: 3}]", "fits no run"),
        ("seed: 0\nexclude: [{seed: 0}]", "leaves no run"),
        ("seed: 0\nexclude: {seed: 0}", "exclude should be a list of mappings"),
        ("name: ../x\nseed: 0", "name='../x' should be a plain word"),
        ("seed: [0", "line 1"),
        ("- seed", "should map fields of a run"),
        ("", "should map fields of a run"),
    ],
)
def test_mistakes_are_named_with_the_file(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"(?s)mine\.yaml: .*{message}"):
        read_sweep(written(tmp_path, text))


def test_an_unknown_environment_lists_all_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown task") as raised:
        read_sweep(written(tmp_path, "env: CartPole-v1"))
    assert all(name in str(raised.value) for name in TASKS)


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_packaged_sweeps_read(path: Path) -> None:
    assert read_sweep(find_sweep(Path(path.stem))) == read_sweep(path)


def test_the_sweep_of_the_seen_tasks() -> None:
    runs = read_sweep(SWEEPS / "seen.yaml").runs
    assert len(runs) == 72
    assert [run.seed for run in runs] == [0] * 24 + [1] * 24 + [2] * 24
    assert {(run.algo, run.steps, run.stop_when_solved) for run in runs} == {("sac", 100_000, True)}


def test_a_file_that_is_not_there_lists_the_packaged_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"no sweep file sene; .*seen, .*smoke"):
        find_sweep(Path("sene"))


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig("robosuite/Lift", "ppo", "none", 3, 500, "delta", "a b", n_envs=2, stop_when_solved=True),
        RunConfig(overrides='{"gamma": 0.99, "net_arch": [64, 64]}'),
    ],
)
def test_the_command_of_a_run_is_what_train_reads(config: RunConfig) -> None:
    words = shlex.split(shlex.join([*run_words(config), "--out", "x"]))
    assert tyro.cli(TrainCommand, args=words) == TrainCommand(run=config, out=Path("x"))
