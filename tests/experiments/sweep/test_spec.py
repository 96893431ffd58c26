from __future__ import annotations

from pathlib import Path

import pytest

from robometer_rl.envs.tasks import TASKS
from robometer_rl.experiments.agent.run import RunConfig
from robometer_rl.experiments.sweep.spec import find_sweep, read_sweep

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


def test_an_environment_of_ones_own_has_all_its_keys(tmp_path: Path) -> None:
    text = """
env: my_package:make
task: put the cup on the shelf
env_kwargs: { size: 3 }
wrappers: [a:Inner, a:Outer]
success: my_package:is_done
frames: pixels
reward: [robometer, sparse]
"""
    first, second = read_sweep(written(tmp_path, text)).runs
    assert (first.reward, second.reward) == ("robometer", "sparse")
    assert (first.task, first.env_kwargs) == ("put the cup on the shelf", '{"size": 3}')
    assert first.wrappers == second.wrappers == ("a:Inner", "a:Outer")
    assert (first.success, first.frames) == ("my_package:is_done", "pixels")


def test_several_lists_of_wrappers_are_several_choices(tmp_path: Path) -> None:
    text = "env: my_package:make\ntask: go\nwrappers: [[], [a:B], [a:B, c:D]]"
    assert [run.wrappers for run in read_sweep(written(tmp_path, text)).runs] == [
        (),
        ("a:B",),
        ("a:B", "c:D"),
    ]
    one = "env: my_package:make\ntask: go\nwrappers: a:B"
    assert [run.wrappers for run in read_sweep(written(tmp_path, one)).runs] == [("a:B",)]
    with pytest.raises(ValueError, match="wrappers=3 should be a list of texts"):
        read_sweep(written(tmp_path, "wrappers: 3"))


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
        ("steps: 1e5", "steps=100000.0 should be a whole number, such as 100000"),
        ("steps: '1e5'", "steps='1e5' should be a whole number"),
        ("steps: 1:30", "steps='1:30' should be a whole number"),
        ("steps: 5,000", "steps='5,000' should be a whole number"),
        ("seed: 010", "seed='010' should be a whole number"),
        ("seed: 0.0", "seed=0.0 should be a whole number, such as 0"),
        ("seed: 0.5", "seed=0.5 should be a whole number$"),
        ("seed: true", "seed=True should be a whole number"),
        ("seed:", "seed has no value; it should be a whole number"),
        ("seed: .nan", "seed=nan should be a finite number"),
        ("seed: -1", "seed=-1 must be a whole number of at least 0"),
        ("action_scale: .nan", "action_scale=nan should be a finite number"),
        ("action_scale: 2e0", "action_scale=2.0 must be above 0 and at most 1"),
        ("action_scale: half", "action_scale='half' should be a number"),
        ("action_scale: true", "action_scale=True should be a number"),
        ("action_scale: [1, 1.0]", "action_scale lists 1.0 twice"),
        ("stop_when_solved: 'no'", "stop_when_solved='no' should be true or false"),
        ("stop_when_solved: on", "stop_when_solved='on' should be true or false"),
        ("hold_orientation: off", "hold_orientation='off' should be true or false"),
        ("stop_when_solved: 1", "stop_when_solved=1 should be true or false"),
        ("algo: on", "algo='on' is unknown; choose one of sac, ppo"),
        ("model: 1.0", "model=1.0 should be text"),
        ("overrides: {gamma: .nan}", "overrides.gamma=nan should be a finite number"),
        ("overrides: {policy_kwargs: {net_arch: [64, .inf]}}", r"policy_kwargs.net_arch\[1\]=inf should be"),
        ("overrides: '{\"gamma\": NaN}'", "overrides: gamma=nan should be a finite number"),
        ('overrides: \'{"gamma": 1, "gamma": 2}\'', "overrides: key 'gamma' stands twice"),
        ("overrides: {gamma: 1, gamma: 2}", "key 'gamma' stands twice.*line 1"),
        ("overrides: {gamma: '1e-3'}", "overrides: gamma='1e-3' is text; write a number"),
        ("overrides: {use_sde: off}", "overrides: use_sde='off' is text; write .* true, false"),
        ("overrides: {1: 2}", "key '1' should be text"),
        ("overrides: 5", "overrides=5 should be a mapping, or a JSON object as text"),
        ("seed: []", "seed lists no value"),
        ("seed: [0, 1, 0]", "seed lists 0 twice"),
        ("seed: 0\nsteps: 5\nseed: 1", "key 'seed' stands twice.*line 3"),
        ("seed: 0\nexclude: [{seed: 3}]", "fits no run"),
        ("seed: 0\nexclude: [{seed: 0}]", "leaves no run"),
        ("seed: 0\nexclude: {seed: 0}", "exclude should be a list of mappings"),
        ("name: ../x\nseed: 0", "name='../x' should be a plain word"),
        ("seed: [0", "line 1"),
        ("? [seed]\n: 1", "key a list or a mapping should be text"),
        ("seed: 0\nexclude: [{seed: 0.0}]", "seed=0.0 should be a whole number"),
        ("- seed", "should map fields of a run"),
        ("", "should map fields of a run"),
    ],
)
def test_mistakes_are_named_with_the_file(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"(?s)mine\.yaml: .*{message}"):
        read_sweep(written(tmp_path, text))


def test_an_unknown_environment_names_the_nearest_and_not_all(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"yaml: env: unknown environment 'lifft': did you mean 'robosuite/Lift'"
    ):
        read_sweep(written(tmp_path, "env: lifft"))
    with pytest.raises(ValueError, match="env: unknown task 'metaworld/drawer'") as raised:
        read_sweep(written(tmp_path, "env: metaworld/drawer"))
    assert sum(name in str(raised.value) for name in TASKS) <= 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("action_scale: 5e-1", 0.5),
        ("action_scale: 1", 1.0),
        ("action_scale: [0.25, 1]\nexclude: [{action_scale: 1}]", 0.25),
    ],
)
def test_a_number_may_be_written_in_every_way(text: str, value: float, tmp_path: Path) -> None:
    (run,) = read_sweep(written(tmp_path, text)).runs
    assert type(run.action_scale) is float
    assert run.action_scale == value


def test_a_learning_rate_in_scientific_notation_is_a_number(tmp_path: Path) -> None:
    (run,) = read_sweep(written(tmp_path, "overrides: {learning_rate: 1e-3}")).runs
    assert run == RunConfig(overrides='{"learning_rate": 0.001}')


def test_values_can_be_shared_between_layers(tmp_path: Path) -> None:
    text = "seed: 0\ninclude: [&slow {reward: dense, steps: 9}, {<<: *slow, reward: none}]"
    runs = read_sweep(written(tmp_path, text)).runs
    assert [(run.reward, run.steps) for run in runs] == [("robometer", 100_000), ("dense", 9), ("none", 9)]


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_packaged_sweeps_read(path: Path) -> None:
    assert read_sweep(find_sweep(Path(path.stem))) == read_sweep(path)


def test_the_sweep_of_the_seen_tasks() -> None:
    runs = read_sweep(SWEEPS / "seen.yaml").runs
    assert len(runs) == 72
    assert [run.seed for run in runs] == [0] * 24 + [1] * 24 + [2] * 24
    assert {(run.algo, run.steps, run.stop_when_solved) for run in runs} == {("sac", 100_000, True)}


def test_a_file_that_is_not_there_lists_the_packaged_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"no sweep file xyzzy; .*: control, .*seen, .*smoke, wipe$"):
        find_sweep(Path("xyzzy"))


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("sene", "'seen'"),
        ("sean.yaml", "'seen'"),
        ("Smoke", "'smoke'"),
        ("seen_bundeld", "'seen_bundled'"),
    ],
)
def test_a_name_that_is_nearly_that_of_a_packaged_sweep_is_told_so(wrong: str, nearest: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no sweep file {wrong}; did you mean {nearest}\?"):
        find_sweep(Path(wrong))


def test_a_path_that_is_nearly_that_of_a_file_is_told_so(tmp_path: Path) -> None:
    there = written(tmp_path, SMALL)
    with pytest.raises(FileNotFoundError, match=f"did you mean '{there}'"):
        find_sweep(tmp_path / "mine.yml")
    with pytest.raises(FileNotFoundError, match=f"did you mean '{there}'"):
        find_sweep(tmp_path / "mien.yaml")
    with pytest.raises(FileNotFoundError, match=f"no sweep file {tmp_path}"):
        find_sweep(tmp_path)
