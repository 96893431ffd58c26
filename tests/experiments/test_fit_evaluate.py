"""Fit and evaluate, end to end on episodes small enough for a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from robometer_rl.experiments import fit as fitting
from robometer_rl.experiments.episodes import RANKS, Episode, write_episode
from robometer_rl.experiments.evaluate import KEYS, evaluate, load_by_task
from robometer_rl.experiments.evaluate import main as evaluate_main
from robometer_rl.experiments.fit import FitConfig, fit, learning_rate_at
from robometer_rl.experiments.labels import to_training_episode
from robometer_rl.rewards import load_reward_model
from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.training.sampling import SamplingConfig

TASKS = ("metaworld/door-open-v3", "metaworld/drawer-close-v3")
LENGTH = 9


def make_episode(task: str, kind: str, seed: int) -> Episode:
    """Brightness is how far the episode has come; the kind says where it ends."""
    ends = {"success": 1.0, "noisy_success": 1.0, "near_miss": 0.85, "stalled": 0.5, "undone": 0.0}
    clock = np.linspace(0, 8 * ends.get(kind, 0.0), LENGTH, dtype=np.float32)
    noise = np.random.default_rng([seed, len(kind)]).integers(0, 10, (LENGTH, 32, 32, 3))
    frames = (noise + 25 * clock[:, None, None, None]).astype(np.uint8)
    frames[:, :8] = 40 * TASKS.index(task)
    return Episode(task, kind, seed, frames, clock >= 8, clock / 8, clock)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for task in TASKS:
        for kind in RANKS:
            for seed in range(2):
                write_episode(tmp_path / "data", make_episode(task, kind, seed))
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path, data: Path, checkpoint: Checkpoint) -> FitConfig:
    long = replace(checkpoint, tokenizer=_long_tokenizer(checkpoint))
    save_checkpoint(long, tmp_path / "start")
    sampling = SamplingConfig(frames_per_batch=24, max_frames=6, max_stall=2)
    return FitConfig(
        data=data,
        validation=data,
        out=tmp_path / "run",
        start=tmp_path / "start",
        steps=6,
        warmup=2,
        save_every=2,
        evaluate_every=4,
        evaluate_episodes=1,
        sampling=sampling,
        threads=1,
    )


def _long_tokenizer(checkpoint: Checkpoint):  # type: ignore[no-untyped-def]
    """Real sentences are longer than the tiny tokenizer's limit, which only bounds the stream's cache."""
    from robometer_rl.rewards.compact.text import TaskTokenizer

    checkpoint.network.config.max_words = 40
    return TaskTokenizer(checkpoint.tokenizer.path, 40)


def quiet() -> Console:
    return Console(quiet=True)


def test_labels_of_the_kinds() -> None:
    success = to_training_episode(make_episode(TASKS[0], "success", 0), 0.8, has_inverse=True)
    np.testing.assert_allclose(success.progress, np.linspace(0, 1, LENGTH), atol=1e-6)
    np.testing.assert_array_equal(success.success, [0, 0, 0, 0, 0, 0, 0, np.nan, 1])
    assert success.inverse_progress is not None
    assert success.inverse_progress[[0, 1, -1]].tolist() == [1.0, 1.0, 0.0]
    near = to_training_episode(make_episode(TASKS[0], "near_miss", 0), 0.8, has_inverse=True)
    assert near.progress[0] == 0
    assert np.isnan(near.progress[1:]).all()
    assert (near.success == 0).all()
    assert near.inverse_progress is None
    other = to_training_episode(make_episode(TASKS[0], "other_task", 0), 0.8, has_inverse=True)
    assert (other.progress == 0).all()
    lucky = replace(make_episode(TASKS[0], "stalled", 0), kind="other_task")
    unlabelled = np.isnan(to_training_episode(lucky, 0.8, has_inverse=True).progress)
    np.testing.assert_array_equal(unlabelled, lucky.quality > 0.1)


def test_learning_rate_by_hand() -> None:
    config = FitConfig(steps=100, warmup=10, learning_rate=1.0)
    assert learning_rate_at(0, config) == pytest.approx(0.1)
    assert learning_rate_at(9, config) == pytest.approx(1.0)
    assert learning_rate_at(55, config) == pytest.approx(0.51)
    assert learning_rate_at(100, config) == pytest.approx(0.02)


def test_fit_writes_a_checkpoint_that_scores(config: FitConfig) -> None:
    folder = fit(config, "robometer-rl fit", quiet())
    model = load_reward_model(str(folder))
    assert model.trained_worlds == TASKS
    assert 0 < model.success_threshold <= 1
    assert model.score(make_episode(TASKS[0], "success", 5).frames, "open the door").progress.shape == (
        LENGTH,
    )
    training = load_checkpoint(folder).training
    assert (training["steps"], training["seed"], training["episodes"]) == (6, 0, 28)
    assert list((config.out / "tensorboard").iterdir())


class Killed(BaseException):
    """Stands for kill -9 after a state was saved."""


def test_a_killed_run_ends_where_an_unbroken_one_does(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_checkpoint(fit(config, "", quiet())).network.state_dict()
    broken = replace(config, out=config.out.with_name("broken"))
    save = fitting._Run.save

    def save_then_die(run: fitting._Run) -> None:
        save(run)
        if run.step == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Run, "save", save_then_die)
        with pytest.raises(Killed):
            fit(broken, "", quiet())
    resumed = load_checkpoint(fit(broken, "", quiet())).network.state_dict()
    for name, tensor in whole.items():
        np.testing.assert_allclose(
            tensor.float().numpy(), resumed[name].float().numpy(), atol=1e-5, err_msg=name
        )


def test_a_run_goes_on_only_with_its_own_options(config: FitConfig) -> None:
    fit(replace(config, steps=2), "", quiet())
    with pytest.raises(ValueError, match=r"steps was 2, now 6.*another --out"):
        fit(config, "", quiet())
    fit(replace(config, steps=2, save_every=1, threads=2), "", quiet())


def test_fit_needs_episodes(config: FitConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="collect"):
        fit(replace(config, data=tmp_path / "empty"), "", quiet())


def test_sentences_of_tasks_outside_the_table(config: FitConfig, tmp_path: Path) -> None:
    for i, name in enumerate(("mine/press", "mine/push")):
        for kind in ("success", "stalled"):
            write_episode(tmp_path / "mine", replace(make_episode(TASKS[i], kind, 0), task=name))
    rows = {"mine/press": ["open the door", "push the door"], "mine/push": ["push the red cube"]}
    (tmp_path / "sentences.json").write_text(json.dumps(rows))
    sentences = tmp_path / "sentences.json"
    own = replace(config, data=tmp_path / "mine", sentences=sentences, steps=2, out=tmp_path / "own")
    folder = fit(own, "", quiet())
    assert load_checkpoint(folder).trained_worlds == ("mine/press", "mine/push")


class Oracle:
    """Reads progress off the brightness: what a perfect model would score."""

    success_threshold = 0.9
    trained_worlds = TASKS

    def score(self, frames, task):  # type: ignore[no-untyped-def]
        from robometer_rl.rewards import Scores

        right = ("door" in task or "safe" in task or "cabinet" in task) == (frames[0, 0, 0, 0] == 0)
        bright = frames[:, 8:].astype(float).mean(axis=(1, 2, 3)) - 4.5
        progress = (np.clip(bright / 200, 0, 1) * right).astype(np.float32)
        return Scores(progress, np.float32(progress > 0.95) * progress)

    def prefer(self, a, b, task):  # type: ignore[no-untyped-def]
        return float(self.score(a, task).progress[-1] > self.score(b, task).progress[-1])

    def stream(self, n: int):  # type: ignore[no-untyped-def]
        raise NotImplementedError("evaluate reads whole videos")


def test_a_perfect_model_gets_perfect_measures(data: Path) -> None:
    table = evaluate(Oracle(), load_by_task(data, TASKS, 2), seed=0)
    mean = table["mean"]
    assert set(mean) == set(KEYS)
    for key in (
        "voc",
        "kendall_tau",
        "preference_task",
        "success_auc",
        "success_auprc",
        "rewind_r",
        "success_tpr",
    ):
        assert mean[key] == pytest.approx(1.0, abs=0.01), key
    for key in ("success_fpr", "stall_drift", "still_progress", "wrong_task_progress"):
        assert mean[key] == pytest.approx(0.0, abs=0.01), key
    # undone and random both end where they began: this model cannot tell them apart
    assert mean["preference_quality"] > 0.85


def test_the_compact_path_equals_the_protocol(data: Path, checkpoint: Checkpoint) -> None:
    _long_tokenizer(checkpoint)
    model = CompactReward(replace(checkpoint, tokenizer=_long_tokenizer(checkpoint)))
    episodes = load_by_task(data, TASKS, 1)

    class Plain:
        """The same model without its shortcut."""

        success_threshold, trained_worlds = model.success_threshold, model.trained_worlds
        score, prefer, stream = model.score, model.prefer, model.stream

    quick, plain = evaluate(model, episodes, seed=1), evaluate(Plain(), episodes, seed=1)
    for key in KEYS:
        np.testing.assert_allclose(quick["mean"][key], plain["mean"][key], atol=1e-4, err_msg=key)


def test_missing_episodes_are_named(data: Path) -> None:
    with pytest.raises(ValueError, match=r"button-press-v3.*collect"):
        load_by_task(data, ("metaworld/button-press-v3",), 1)


def test_the_command_writes_json(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="holds no episodes of"):
        evaluate_main(["--data", str(data), "--model", "compact", "--json", str(tmp_path / "table.json")])
