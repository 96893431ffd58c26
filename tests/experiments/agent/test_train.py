"""A training run: its files, its end, what a kill leaves, what a full disk leaves, what it refuses."""

from __future__ import annotations

import csv
import errno
import json
import os
import pickle
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tyro
from stable_baselines3.common.vec_env import unwrap_vec_wrapper

from robometer_rl import RobometerReward, VecRobometerReward, cli, make_env
from robometer_rl.experiments.agent import environments
from robometer_rl.experiments.agent import train as training
from robometer_rl.experiments.agent.algorithms import load_checkpoint, make_learner, save_checkpoint
from robometer_rl.experiments.agent.callback import StopRequest
from robometer_rl.experiments.agent.environment_checks import check_environment
from robometer_rl.experiments.agent.environments import evaluation_env, ground_truth, training_envs
from robometer_rl.experiments.agent.run import CURVE_COLUMNS, RunConfig, RunFolder, train_options
from robometer_rl.experiments.agent.train import TrainCommand, train
from robometer_rl.experiments.common import environment
from robometer_rl.experiments.common.seeds import EVALUATION, TRAINING, training_seed
from robometer_rl.experiments.episodes import list_episodes, read_episode
from robometer_rl.rewards import weights_id
from robometer_rl.scoring.unseen_world import UnseenWorldWarning

SMALL = json.dumps({"learning_starts": 10, "batch_size": 8, "gradient_steps": 1, "buffer_size": 500})
TINY = RunConfig(
    env="metaworld/door-open-v3", reward="sparse", steps=300, horizon=50, action_repeat=5,
    eval_every=100, eval_episodes=1, overrides=SMALL,
)  # fmt: skip


def carry_out(config: RunConfig, out: Path, **options: Any) -> tuple[Any, RunFolder]:
    return train(TrainCommand(config, out, **options)), RunFolder(out / config.run_id)


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a CSV file, numbers by column."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


# Runs.


@pytest.mark.parametrize("reward", ["robometer", "sparse", "dense", "none"])
def test_a_run_leaves_a_curve_a_result_and_the_best_agent(reward: Any, tmp_path: Path) -> None:
    config = replace(TINY, reward=reward)
    result, folder = carry_out(config, tmp_path)
    assert result.env_steps == 300
    assert result.sessions == 1
    assert json.loads(folder.result.read_text()) == asdict(result)
    rows = read_rows(folder.curve)
    assert [row["env_steps"] for row in rows] == [100, 200, 300]
    assert tuple(rows[0]) == CURVE_COLUMNS
    assert folder.best_model.exists()
    assert not folder.checkpoint.exists()
    assert folder.read_config() == config
    assert tyro.cli(TrainCommand, args=shlex.split(result.command)[2:]).run == config
    learned = reward == "robometer"
    assert result.weights == (weights_id("compact") if learned else "")
    assert all(np.isfinite(row["learned_return"]) == learned for row in rows)
    assert all(sum(row[name] for name in row if name.startswith("head_")) == 10 * learned for row in rows)
    assert (folder.videos / "wrong.mp4").exists() == learned
    assert result.ground_truth["env_weight"] == (1.0 if reward in ("sparse", "dense") else 0.0)
    if reward == "none":
        assert all(row["train_learned_return"] == 0.0 for row in rows)


@pytest.mark.parametrize("env", ["metaworld/door-open-v3", "robosuite/Lift"])
def test_the_dense_reward_is_the_suites_own_on_the_scale_of_the_others(env: str) -> None:
    """The same actions in the suite's environment, a control step at a time, give the sum to compare with."""
    config = replace(TINY, env=env, reward="dense", action_repeat=5)
    venv, most = training_envs(config), {"metaworld": 10.0, "robosuite": 1.0}[env.split("/")[0]]
    venv.reset()
    seed = training_seed(config.seed)
    single = make_env(env, seed=seed, reward="dense", horizon=config.horizon, action_repeat=1)
    single.reset()
    action = np.random.default_rng(0).uniform(-1, 1, venv.action_space.shape).astype(np.float32)
    _, found, _, _ = venv.step(action[None])
    expected = sum(float(single.step(action)[1]) for _ in range(5)) / (5 * most)
    assert found[0] == pytest.approx(expected, rel=1e-5)
    assert 0 < found[0] <= 1
    venv.close()
    single.close()


@pytest.mark.parametrize("reward", ["robometer", "sparse"])
def test_actions_are_scaled_where_an_agent_learns_and_where_it_is_judged(reward: Any) -> None:
    raw = json.dumps({"normalize": None})
    config = replace(TINY, reward=reward, action_repeat=2, action_scale=0.25, overrides=raw)
    venv, evaluation = training_envs(config), evaluation_env(config)
    plain = make_env(config.env, horizon=config.horizon, action_repeat=2)
    action = np.random.default_rng(0).uniform(-1, 1, 4).astype(np.float32)
    assert venv.action_space == evaluation.action_space == plain.action_space
    evaluation.reset(seed=config.seed)
    plain.reset(seed=config.seed)
    venv.seed(config.seed)
    venv.reset()
    expected = plain.step(0.25 * action)[0]
    np.testing.assert_allclose(evaluation.step(action)[0], expected)
    np.testing.assert_allclose(venv.step(action[None])[0][0], expected)
    assert not np.allclose(expected, plain.step(action)[0])
    venv.close()
    evaluation.close()
    plain.close()


def test_an_agent_that_holds_the_orientation_moves_and_grips_alone() -> None:
    config = replace(TINY, env="robosuite/Lift", action_scale=0.5, hold_orientation=True)
    evaluation, plain = evaluation_env(config), make_env(config.env, horizon=config.horizon, action_repeat=5)
    evaluation.reset(seed=0)
    plain.reset(seed=0)
    assert evaluation.action_space.shape == (4,)
    action = np.array([0.2, -0.4, 0.6, 1.0], dtype=np.float32)
    expected = plain.step(np.array([0.1, -0.2, 0.3, 0, 0, 0, 0.5], dtype=np.float32))[0]
    np.testing.assert_allclose(evaluation.step(action)[0], expected)
    evaluation.close()
    plain.close()


def test_a_run_shorter_than_its_first_evaluation_is_judged_at_its_end(tmp_path: Path) -> None:
    result, folder = carry_out(replace(TINY, steps=60), tmp_path, videos=False)
    assert [row["env_steps"] for row in read_rows(folder.curve)] == [60]
    assert np.isfinite(result.final_true_success)


def test_recording_changes_nothing_but_leaves_episodes(tmp_path: Path) -> None:
    _, plain = carry_out(TINY, tmp_path / "plain")
    _, filmed = carry_out(TINY, tmp_path / "filmed", record=tmp_path / "data")
    for one, two in zip(read_rows(plain.curve), read_rows(filmed.curve), strict=True):
        np.testing.assert_equal({**one, "wall_s": 0}, {**two, "wall_s": 0})
    # 300 steps are six episodes of ten decisions; every other one is kept.
    episodes = [read_episode(path) for path in list_episodes(tmp_path / "data", TINY.env, "agent")]
    assert [episode.frames.shape for episode in episodes] == [(11, 96, 96, 3)] * 3


def test_wandb_gets_the_run_and_mirrors_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    config = replace(TINY, steps=100)

    def init(**options: Any) -> None:
        calls.append(options)
        assert not (tmp_path / config.run_id / "tensorboard").exists(), "writers opened before are not seen"

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    carry_out(config, tmp_path, wandb="mine")
    assert calls == [
        {
            "project": "mine",
            "id": config.run_id,
            "resume": "allow",
            "sync_tensorboard": True,
            "config": asdict(config),
        }
    ]


def test_wandb_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match="pip install wandb"):
        carry_out(TINY, tmp_path, wandb="mine")


def test_a_run_that_is_done_is_only_reported(tmp_path: Path) -> None:
    first, folder = carry_out(TINY, tmp_path)
    before = folder.curve.stat().st_mtime_ns
    again, _ = carry_out(TINY, tmp_path)
    assert again == first
    assert folder.curve.stat().st_mtime_ns == before


def test_ppo_in_worker_processes_with_a_normaliser(tmp_path: Path) -> None:
    small = json.dumps({"n_steps": 10, "batch_size": 10, "n_epochs": 1})
    config = replace(TINY, algo="ppo", reward="robometer", n_envs=2, steps=200, overrides=small)
    result, folder = carry_out(config, tmp_path, videos=False)
    assert result.env_steps == 200
    assert [row["env_steps"] for row in read_rows(folder.curve)] == [100, 200]


def test_an_agent_that_would_be_judged_again_unchanged_is_told(tmp_path: Path) -> None:
    small = json.dumps({"n_steps": 20, "batch_size": 10, "n_epochs": 1})
    config = replace(TINY, algo="ppo", steps=200, eval_every=50, overrides=small)
    with pytest.warns(UserWarning, match="=50 judges the same agent.* takes 100 env.*--eval-every 100 or"):
        carry_out(config, tmp_path)


def test_the_best_agent_keeps_the_normaliser_that_it_was_judged_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robometer_rl.experiments.agent import callback as train_callback

    verdict = {name: 0.0 for name in CURVE_COLUMNS if name.startswith(("head_", "env_r", "learned", "final"))}
    marks = iter([1.0, 0.5, 0.5])

    def judged(episodes: Any, threshold: float) -> dict[str, float]:
        return verdict | dict.fromkeys(("true_success", "true_success_last"), next(marks))

    monkeypatch.setattr(train_callback, "summarise", judged)
    small = json.dumps({**json.loads(SMALL), "normalize": {"norm_obs": True, "norm_reward": False}})
    _, folder = carry_out(replace(TINY, reward="robometer", overrides=small), tmp_path)
    normaliser = pickle.loads(folder.best_normaliser.read_bytes())
    # The best evaluation was the first, after 20 decisions and the resets among them.
    assert 20 <= normaliser.obs_rms.count < 24
    assert (folder.videos / "best.mp4").exists()


def test_a_solved_run_stops_and_its_curve_is_held_and_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robometer_rl.experiments.agent import callback as train_callback

    perfect = {name: 0.0 for name in CURVE_COLUMNS if name.startswith(("head_", "env_r", "learned", "final"))}
    perfect |= {"true_success": 1.0, "true_success_last": 1.0}
    monkeypatch.setattr(train_callback, "summarise", lambda episodes, threshold: perfect)
    config = replace(TINY, steps=600, stop_when_solved=True)
    result, folder = carry_out(config, tmp_path, videos=False)
    assert result.solved
    assert result.env_steps == 300
    rows = read_rows(folder.curve)
    assert [row["env_steps"] for row in rows] == [100, 200, 300, 400, 500, 600]
    assert [row["held"] for row in rows] == [0, 0, 0, 1, 1, 1]


# Interruptions.


def start(config: RunConfig, out: Path) -> subprocess.Popen[str]:
    words = ["train", *train_options(config), "--out", str(out), "--checkpoint-every", "50", "--no-videos"]
    program = [sys.executable, "-m", "robometer_rl.cli", *words]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def await_checkpoint(folder: RunFolder, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not list(folder.checkpoint.glob("0*/state.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "no checkpoint within a minute"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_same_command_goes_on_after(number: signal.Signals, tmp_path: Path) -> None:
    config = replace(TINY, steps=700)
    folder = RunFolder(tmp_path / config.run_id)
    process = start(config, tmp_path)
    await_checkpoint(folder, process)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert not folder.done
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert "the same command goes on from here" in output
    process = start(config, tmp_path)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "going on from" in output
    result = json.loads(output.splitlines()[-1])
    assert result["env_steps"] == 700
    assert result["sessions"] == 2
    steps = [row["env_steps"] for row in read_rows(folder.curve)]
    assert steps == list(range(100, 800, 100))


def test_a_run_that_is_stopped_at_its_last_step_tells_its_steps(tmp_path: Path) -> None:
    """What remained was the end alone: no step is made again, and none is forgotten."""
    folder = RunFolder(tmp_path / TINY.run_id)
    command = TrainCommand(TINY, tmp_path, videos=False, checkpoint_every=TINY.steps)

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_finish", fail)
        with pytest.raises(OSError, match="No space"):
            train(command)
    result = train(command)
    assert result is not None
    assert (result.env_steps, result.sessions) == (300, 2)
    assert [row["env_steps"] for row in read_rows(folder.curve)] == [100, 200, 300]


def test_a_run_in_another_thread_cannot_be_asked_by_signals_and_runs() -> None:
    asked: list[Any] = []

    def listen() -> None:
        with StopRequest().listening():
            asked.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert asked == [signal.getsignal(signal.SIGTERM)]


def test_no_two_environments_record_under_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []

    def record(env: Any, folder: Path, task: str, number: int, *options: Any) -> Any:
        numbers.append(number)
        return env

    monkeypatch.setattr(environments, "Record", record)
    monkeypatch.setattr(environments, "_world", lambda *args, **options: make_env(TINY.env))
    for seed, session in ((0, 0), (1, 0), (1000, 0), (0, 1)):
        config = replace(TINY, seed=seed, n_envs=2)
        for make in environments._makers(config, session, tmp_path, check_environment(config)):
            make().close()
    assert len(set(numbers)) == len(numbers) == 8


def test_a_checkpoint_brings_back_weights_buffer_and_state(tmp_path: Path) -> None:
    agent = make_learner(TINY, training_envs(TINY), "cpu")
    agent.learn(25)
    save_checkpoint(tmp_path, agent, {"sessions": 1})
    loaded = load_checkpoint(tmp_path, TINY, partial(training_envs, TINY), "cpu")
    assert loaded is not None
    again, state = loaded
    assert state == {"sessions": 1}
    assert again.num_timesteps == 25
    for ours, theirs in zip(again.policy.parameters(), agent.policy.parameters(), strict=True):
        assert (ours == theirs).all()
    ours, theirs = again.replay_buffer, agent.replay_buffer  # type: ignore[attr-defined]
    assert ours.pos == theirs.pos == 25
    assert (ours.observations[:25] == theirs.observations[:25]).all()
    assert (ours.rewards[:25] == theirs.rewards[:25]).all()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The disk refuses larger files, as a full one does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_previous_checkpoint_whole(tmp_path: Path) -> None:
    agent = make_learner(TINY, training_envs(TINY), "cpu")
    agent.learn(5)
    save_checkpoint(tmp_path, agent, {"sessions": 1})
    agent.num_timesteps = 10
    with files_of_at_most(100_000), pytest.raises(OSError, match="the previous one stands") as caught:
        save_checkpoint(tmp_path, agent, {"sessions": 2})
    assert caught.value.errno in (errno.EFBIG, errno.ENOSPC)
    assert [path.name for path in tmp_path.iterdir()] == ["000000005"]
    loaded = load_checkpoint(tmp_path, TINY, partial(training_envs, TINY), "cpu")
    assert loaded is not None
    assert loaded[1] == {"sessions": 1}


# What is refused.


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"env": "metaworld/drawr-open-v3"}, "drawer-open-v3"),
        ({"algo": "td3"}, "algo='td3' is unknown; choose one of sac, ppo, dqn, tqc"),
        ({"reward": "robomter"}, "choose one of robometer, sparse, dense, none"),
        ({"shaping": "sum"}, "choose one of progress\\+success"),
        ({"steps": 0}, "steps=0 must be a whole number of at least 1"),
        ({"hold_orientation": True}, "hold_orientation=True is for robosuite"),
        ({"action_scale": 0.0}, "action_scale=0.0 must be above 0 and at most 1"),
        ({"action_scale": 2.0}, "action_scale=2.0 must be above 0 and at most 1"),
        ({"overrides": "{gamma: 1}"}, "is not JSON"),
        ({"overrides": "[1]"}, "must be a JSON object"),
        ({"overrides": '{"gamma": NaN}'}, "overrides: gamma=nan should be a finite number"),
        ({"overrides": '{"gamma": 1, "gamma": 2}'}, "overrides: key 'gamma' stands twice"),
        ({"overrides": '{"gamma": "0.9"}'}, "overrides: gamma='0.9' is text; write a number"),
    ],
)
def test_a_wrong_run_is_refused_before_it_starts(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)


def test_the_command_line_lists_valid_choices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["train", "--env", "metaworld/nothing-v3", "--out", str(tmp_path)]) == 2
    assert "metaworld/nothing-v3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["train", "--algo", "td3"])
    assert "sac" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / TINY.run_id)
    folder.path.mkdir()
    folder.config.write_text(json.dumps({**asdict(TINY), "horizon": 99}))
    with pytest.raises(ValueError, match="differs in horizon; choose another --out"):
        carry_out(TINY, tmp_path)


def test_a_run_does_not_go_on_with_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(TINY, reward="robometer")
    folder = RunFolder(tmp_path / config.run_id)
    agent = make_learner(config, training_envs(config), "cpu")
    agent.learn(5)
    state = {"rows": [], "wall_s": 1.0, "sessions": 1, "best": 0.0, "weights": "of-another-fit"}
    save_checkpoint(folder.checkpoint, agent, state)
    with pytest.raises(ValueError, match=r"other weights of the reward model 'compact' .of-another-fit, now"):
        carry_out(config, tmp_path)


# Commands and ids.


def test_the_id_is_the_same_in_every_process_and_another_for_every_change() -> None:
    program = "from robometer_rl.experiments.agent.run import RunConfig; print(RunConfig(seed=1).run_id)"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert said.stdout.strip() == RunConfig(seed=1).run_id
    assert len({RunConfig(seed=1).run_id, RunConfig(seed=2).run_id, RunConfig(seed=1, steps=7).run_id}) == 3


def test_an_unseen_world_is_told_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robometer_rl.scoring import unseen_world

    monkeypatch.setattr(unseen_world, "_warned", set())
    config = replace(TINY, env="metaworld/door-close-v3", reward="robometer", steps=100)
    with pytest.warns(UnseenWorldWarning, match="door-close"):
        carry_out(config, tmp_path, videos=False)
    assert training.INTERRUPTED == 130


# Seeds: nobody resets on another's start states.


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The seeds of all resets of the suites' environments, in their order; workers become one process."""
    seen: list[int | None] = []

    def recording(*args: Any, **options: Any) -> Any:
        env = make_env(*args, **options)
        reset = env.reset

        def remember(*, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            seen.append(seed)
            return reset(seed=seed, options=options)

        monkeypatch.setattr(env, "reset", remember)
        return env

    monkeypatch.setattr(environment, "make_env", recording)
    monkeypatch.setattr(environments, "SubprocVecEnv", environments.DummyVecEnv)
    return seen


def test_each_row_of_ppo_has_a_seed_of_its_own_run(resets: list[int | None]) -> None:
    taken: list[int] = []
    for seed in range(3):
        config = replace(TINY, algo="ppo", n_envs=4, seed=seed, overrides="{}")
        resets.clear()
        venv = make_learner(config, training_envs(config), "cpu").get_env()
        assert venv is not None
        venv.reset()
        assert resets == [training_seed(seed, 0, row) for row in range(4)]
        taken += [found for found in resets if found is not None]
        venv.close()
    assert len(set(taken)) == 12


def test_a_resumed_run_starts_from_new_states_and_is_judged_on_the_same(
    resets: list[int | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, steps=400)
    stop = training.StopRequest
    judged = []

    class AfterTheFirstEvaluation(stop):
        @property
        def asked(self) -> signal.Signals | None:  # type: ignore[override]
            return signal.SIGTERM if EVALUATION[0] in resets and not judged else None

        @asked.setter
        def asked(self, value: signal.Signals | None) -> None:
            pass

    monkeypatch.setattr(training, "StopRequest", AfterTheFirstEvaluation)
    assert carry_out(config, tmp_path)[0] is None
    first = [seed for seed in resets if seed is not None and seed in TRAINING]
    judged.append(True)
    resets.clear()
    result, _ = carry_out(config, tmp_path)
    assert result.sessions == 2
    second = [seed for seed in resets if seed is not None and seed in TRAINING]
    assert first == [training_seed(0, 0)]
    assert second == [training_seed(0, 1)]
    assert {seed for seed in resets if seed is not None and seed not in TRAINING} == {EVALUATION[0]}


# Evaluation pays what the learner gets, and the result says what entered.


def test_the_judge_pays_the_reward_that_the_agent_learns_from() -> None:
    overrides = json.dumps({"gamma": 0.9, "normalize": None})
    config = replace(TINY, reward="robometer", shaping="potential", score_every=3, overrides=overrides)
    venv, evaluation = training_envs(config), evaluation_env(config)
    learner = unwrap_vec_wrapper(venv, VecRobometerReward)
    assert learner is not None
    assert isinstance(evaluation, RobometerReward)
    assert learner.robometer.parameters == evaluation.robometer.parameters
    assert evaluation.robometer.config.shaping.gamma == 0.9
    assert evaluation.robometer.config.score_every == 3
    venv.close()
    evaluation.close()


def test_ground_truth_is_read_from_the_wrapper_that_the_agent_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a bonus for true success slipped into the options, the result must say so."""
    config = replace(TINY, reward="robometer")
    plain = environments.reward_options
    monkeypatch.setattr(
        environments, "reward_options", lambda *args: {**plain(*args), "true_success_bonus": 5.0}
    )
    agent = make_learner(config, training_envs(config), "cpu")
    assert ground_truth(config, agent)["true_success_bonus"] == 5.0
    agent.get_env().close()  # type: ignore[union-attr]


# How a command ends.


def test_a_full_disk_is_no_wrong_input(tmp_path: Path) -> None:
    """A sweep tries status 1 again, and never status 2."""
    program = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    program += "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
    program += "from robometer_rl.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["train", *train_options(TINY), "--out", str(tmp_path), "--checkpoint-every", "50", "--no-videos"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" in done.stderr
    assert "OSError" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--env", "metaworld/nothing-v3"],
        ["--reward", "robometer", "--model", "no/such/folder"],
        ["--overrides", '{"no_such": 1}'],
        ["--seed", "70000"],
        ["--steps", "many"],
        ["--device", "cudaa"],
        ["--threads", "0"],
        ["--checkpoint-every", "0"],
    ],
)
def test_wrong_input_ends_with_status_2_and_leaves_no_run_behind(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROBOMETER_RL_TRACEBACK", raising=False)
    try:
        status = cli.main(["train", "--out", str(tmp_path), *words])
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    assert status == 2
    assert list(tmp_path.iterdir()) == []
