"""Fit, end to end on episodes small enough for a test."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from robometer_test_episodes import LENGTH, TASKS, long_tokenizer, make_episode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from robometer_rl.envs.tasks import get_task, list_tasks
from robometer_rl.errors import InputError
from robometer_rl.experiments.episodes import list_episodes, read_episode, write_episode
from robometer_rl.experiments.reward_model import fit as fitting
from robometer_rl.experiments.reward_model import training_run
from robometer_rl.experiments.reward_model.fit import FitConfig, fit
from robometer_rl.experiments.reward_model.fit_config import learning_rate_at
from robometer_rl.experiments.reward_model.labels import progress_labels, to_training_episode
from robometer_rl.experiments.reward_model.metrics import pearson_r
from robometer_rl.rewards import RewardModel, load_reward_model
from robometer_rl.rewards.compact.checkpoint import load_checkpoint, save_checkpoint
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.protocol import TaskThreshold
from robometer_rl.rewards.training.augment import AugmentConfig
from robometer_rl.rewards.training.sampling import BatchSampler
from robometer_rl.rewards.training.step import batch_losses


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
    assert near.inverse_progress is not None
    assert near.inverse_success is not None
    assert np.isnan(near.inverse_progress).all(), "it does not begin where the inverse task does"
    assert near.inverse_success[[0, 1, -1]].tolist() == [1.0, 0.0, 0.0]
    little = replace(make_episode(TASKS[0], "stalled", 0), quality=np.full(LENGTH, 0.1, dtype=np.float32))
    assert to_training_episode(little, 0.8, has_inverse=True).inverse_success is None
    other = to_training_episode(make_episode(TASKS[0], "other_task", 0), 0.8, has_inverse=True)
    assert (other.progress == 0).all()
    for kind in ("other_task", "random"):
        lucky = replace(make_episode(TASKS[0], "stalled", 0), kind=kind)
        progress = to_training_episode(lucky, 0.8, has_inverse=True).progress
        np.testing.assert_array_equal(np.isnan(progress), lucky.quality > 0.1)
        assert (progress[lucky.quality <= 0.1] == 0).all()


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
    assert (training["steps"], training["seed"], training["episodes"]) == (6, 0, 40)
    assert training["started_from"] == {"path": str(config.start), "training": {"seed": 0}}
    assert list((config.out / "tensorboard").iterdir())


def fitted(model: RewardModel, root: Path) -> tuple[float, float]:
    """Of the successes in a folder: correlation of progress with the labels, and their final progress."""
    voc, final = [], []
    for path in list_episodes(root, kind="success"):
        episode = read_episode(path)
        progress = model.score(episode.frames, get_task(episode.task).sentence).progress
        voc.append(pearson_r(progress, progress_labels(episode.clock, episode.success)))
        final.append(float(progress[-1]))
    return float(np.mean(voc)), float(np.mean(final))


def test_a_short_fit_fits_its_own_training_set(config: FitConfig) -> None:
    """What is saved is an average, in which the weights that the run began with must not be left."""
    easy = replace(config.sampling, wrong_sentence=0.0, inverse=0.0, pair_different=0.0)
    views = AugmentConfig(brightness=0.0)  # by which these episodes tell their progress
    short = replace(config, steps=100, warmup=5, learning_rate=5e-3, sampling=easy, augment=views)
    saved = load_checkpoint(fit(replace(short, evaluate_every=1000), "", quiet()))
    last = CompactRewardNetwork(saved.network.config)
    last.load_state_dict(torch.load(config.out / "state.pt", weights_only=True)["network"], strict=True)
    voc, final = fitted(CompactReward(saved), config.data)
    voc_last, final_last = fitted(CompactReward(replace(saved, network=last.eval())), config.data)
    assert voc_last > 0.85
    assert final_last > 0.8
    assert voc > voc_last - 0.03
    assert final > final_last - 0.05


def test_the_average_warms_up() -> None:
    """Decays 1/10, 2/11, 3/12 by hand, then never above the largest."""
    average, weights = torch.zeros(1), torch.ones(1)
    update = training_run.warmed_average(0.998)
    left = 1.0
    for step, decay in enumerate((1 / 10, 2 / 11, 3 / 12)):
        update([average], [weights], step)
        left *= decay
        assert average.item() == pytest.approx(1 - left)
    average.zero_()
    update([average], [weights], torch.tensor(10**6))
    assert average.item() == pytest.approx(0.002)
    training_run.warmed_average(0.0)([average], [weights], 5)
    assert average.item() == 1.0


def logged(run: Path, tag: str) -> list[tuple[int, float]]:
    """Steps and values of a scalar in TensorBoard's files."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_the_losses_shown_are_those_of_the_weights_that_are_saved(config: FitConfig) -> None:
    views = AugmentConfig(brightness=0.0)
    slow = replace(config, steps=40, warmup=5, learning_rate=5e-3, augment=views, evaluate_every=1000)
    fit(slow, "", quiet())
    shown = dict(logged(slow.out, "loss/progress"))
    assert list(shown) == [20, 40]
    run = training_run.TrainingRun(slow)
    assert run.resume()
    episodes, texts = fitting._load(slow, run, quiet())
    batch = BatchSampler(episodes, texts, slow.sampling).draw(np.random.default_rng([slow.seed, 39]))
    of_saved = batch_losses(
        run.averaged(), run.tokenizer, batch, views, slow.noise, torch.Generator().manual_seed(40)
    )
    assert shown[40] == pytest.approx(of_saved.progress.item(), rel=1e-4)
    assert dict(logged(slow.out, "loss_while_learning/progress"))[40] != pytest.approx(shown[40], rel=1e-3)


def test_without_preference_its_head_stays_as_it_was_and_the_others_learn(config: FitConfig) -> None:
    folder = fit(replace(config, preference=False), "robometer-rl fit", quiet())
    assert config.start is not None
    before, after = (load_checkpoint(path).network.state_dict() for path in (config.start, folder))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"progress_head", "success_head", "decoder", "encoder"} <= changed
    assert not {"preference_head", "preference"} & changed


def test_fit_takes_frames_of_any_size(config: FitConfig) -> None:
    rows, columns = np.arange(40) % 32, np.arange(60) % 32
    for task in TASKS:
        for kind in ("success", "random"):
            small = make_episode(task, kind, 0)
            write_episode(config.data, replace(small, frames=small.frames[:, rows][:, :, columns]))
    fit(replace(config, steps=2), "", quiet())


def test_evaluation_on_the_way_leaves_the_held_out_paraphrases_unread(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    tokenize = type(long_tokenizer(load_checkpoint(config.start))).__call__

    def remember(self, sentences):  # type: ignore[no-untyped-def]
        read.extend(sentences)
        return tokenize(self, sentences)

    monkeypatch.setattr("robometer_rl.rewards.compact.text.TaskTokenizer.__call__", remember)
    lines = io.StringIO()
    fit(config, "", Console(file=lines))
    assert "step 4, " in lines.getvalue()
    assert {sentence for task in TASKS for sentence in get_task(task).heldout_paraphrases}.isdisjoint(read)


def test_validation_is_checked_before_training(config: FitConfig, tmp_path: Path) -> None:
    for task in TASKS:
        write_episode(tmp_path / "half", make_episode(task, "success", 0))
    write_episode(tmp_path / "half", make_episode(TASKS[1], "stalled", 0))
    with pytest.raises(ValueError, match=rf"half needs successes and failures.* {TASKS[0]}: collect"):
        fit(replace(config, validation=tmp_path / "half"), "", quiet())
    with pytest.raises(ValueError, match="missing is not a folder"):
        fit(replace(config, validation=tmp_path / "missing"), "", quiet())
    assert not (config.out / "state.pt").exists()


def test_a_damaged_validation_file_is_named_before_training(own: FitConfig, tmp_path: Path) -> None:
    for kind in ("stalled", "success", "undone"):
        path = write_episode(tmp_path / "held", replace(make_episode(TASKS[0], kind, 7), task="mine/press"))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"undone-00007\.h5 is not a whole episode file"):
        fit(replace(own, validation=tmp_path / "held"), "", quiet())
    assert not (own.out / "state.pt").exists()


def test_unseen_tasks_are_trained_on_only_when_allowed(config: FitConfig) -> None:
    unseen = list_tasks(split="unseen")[0].id
    for kind in ("success", "stalled"):
        write_episode(config.data, replace(make_episode(TASKS[0], kind, 0), task=unseen))
    with pytest.raises(ValueError, match=rf"{unseen}.*--allow-unseen"):
        fit(config, "", quiet())
    allowed = fit(replace(config, allow_unseen=True, steps=2, out=config.out / "more"), "", quiet())
    assert unseen in load_checkpoint(allowed).trained_worlds


class Killed(BaseException):
    """Stands for kill -9 after a state was saved."""


def test_a_killed_run_ends_where_an_unbroken_one_does(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_checkpoint(fit(config, "", quiet())).network.state_dict()
    broken = replace(config, out=config.out.with_name("broken"))
    save = training_run.TrainingRun.save

    def save_then_die(run: training_run.TrainingRun) -> None:
        save(run)
        if run.step == 4:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training_run.TrainingRun, "save", save_then_die)
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


def saved_state(config: FitConfig) -> Path:
    """The state of a run that has not begun."""
    config.out.mkdir(parents=True, exist_ok=True)
    training_run.TrainingRun(config).save()
    return config.out / "state.pt"


def test_a_run_goes_on_with_other_validation_and_with_states_that_knew_less(config: FitConfig) -> None:
    path = saved_state(config)
    assert training_run.TrainingRun(replace(config, validation=Path("elsewhere"), allow_unseen=True)).resume()
    state = torch.load(path, weights_only=True)
    recipe = json.loads(state["recipe"])
    del recipe["ema"]
    old = {**state, "recipe": json.dumps({**recipe, "validation": "data/validation"})}
    del old["data"]
    torch.save(old, path)
    assert training_run.TrainingRun(config).resume()
    del old["recipe"]
    torch.save(old, path)
    with pytest.raises(ValueError, match=r"state\.pt does not say which options.*another --out"):
        training_run.TrainingRun(config).resume()


def test_a_run_notices_other_data(config: FitConfig) -> None:
    saved_state(config)
    path = config.data / TASKS[0] / "random-00001.h5"
    path.rename(path.with_name("random-00009.h5"))
    with pytest.raises(ValueError, match=r"of another run \(the data has episodes of other names\)"):
        training_run.TrainingRun(config).resume()
    path.with_name("random-00009.h5").unlink()
    with pytest.raises(ValueError, match="the data had 40 episodes, now 39"):
        training_run.TrainingRun(config).resume()


def test_a_run_notices_other_contents_under_the_old_names(config: FitConfig) -> None:
    saved_state(config)
    path = config.data / TASKS[0] / "random-00001.h5"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match=r"of another run \(.*these names with other contents\)"):
        training_run.TrainingRun(config).resume()


def test_a_state_that_knew_no_contents_and_fewer_shares_is_gone_on_with(config: FitConfig) -> None:
    path = saved_state(config)
    state = torch.load(path, weights_only=True)
    recipe = json.loads(state["recipe"])
    del state["data"]["contents"], recipe["sampling"]["own_forward"]
    torch.save({**state, "recipe": json.dumps(recipe)}, path)
    assert training_run.TrainingRun(config).resume()
    other = replace(config, sampling=replace(config.sampling, max_stall=5))
    with pytest.raises(ValueError, match=r"\(sampling\.max_stall was 2, now 5\)"):
        training_run.TrainingRun(other).resume()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps should be at least 1, got 0"),
        ({"save_every": 0}, "save_every should be at least 1"),
        ({"evaluate_every": 0}, "evaluate_every should be at least 1"),
        ({"ema": 1.0}, "ema should be from 0 up to, but not, 1, got 1.0"),
        ({"ema": float("nan")}, "ema should be from 0 up to, but not, 1, got nan"),
        ({"false_positives": 2.0}, "false_positives should be from 0 up to"),
        ({"success_negative_below": -1.0}, "success_negative_below should be from 0 to 1"),
        ({"learning_rate": 0.0}, "learning_rate should be a positive number"),
        ({"grad_clip": float("inf")}, "grad_clip should be a positive number"),
        ({"weight_decay": -0.1}, "weight_decay should be a number of at least 0"),
    ],
)
def test_numbers_that_make_no_run_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FitConfig(**change)  # type: ignore[arg-type]


def test_the_bundled_model_is_started_from_by_its_name(
    config: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.start is not None
    monkeypatch.setattr("robometer_rl.experiments.reward_model.dataset.BUNDLED", config.start)
    folder = fit(replace(config, start=Path("compact"), steps=2), "", quiet())
    assert load_checkpoint(folder).training["started_from"]["path"] == "compact"


def test_fit_needs_episodes(config: FitConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="collect"):
        fit(replace(config, data=tmp_path / "empty"), "", quiet())


@pytest.fixture
def own(config: FitConfig, tmp_path: Path) -> FitConfig:
    """Two tasks outside the table, without validation episodes."""
    for i, name in enumerate(("mine/press", "mine/push")):
        for kind in ("success", "stalled"):
            write_episode(tmp_path / "mine", replace(make_episode(TASKS[i], kind, 0), task=name))
    rows = {"mine/press": ["open the door", "push the door"], "mine/push": ["push the red cube"]}
    (tmp_path / "sentences.json").write_text(json.dumps(rows))
    sentences = tmp_path / "sentences.json"
    return replace(config, data=tmp_path / "mine", sentences=sentences, steps=2, out=tmp_path / "own")


@pytest.mark.parametrize("folder", ["data", "nowhere"])
def test_sentences_of_tasks_outside_the_table(own: FitConfig, tmp_path: Path, folder: str) -> None:
    lines = io.StringIO()
    saved = fit(replace(own, validation=tmp_path / folder), "", Console(file=lines, width=300))
    checkpoint = load_checkpoint(saved)
    assert checkpoint.trained_worlds == ("mine/press", "mine/push")
    assert checkpoint.success_threshold == 0.7, "of the checkpoint that it started from"
    assert "threshold 0.700 (uncalibrated: " in lines.getvalue()
    assert " on 4 of the very episodes that it was trained on" in lines.getvalue()


def test_a_fit_of_own_tasks_ends_with_a_verdict_on_validation(own: FitConfig, tmp_path: Path) -> None:
    for i, name in enumerate(("mine/press", "mine/push")):
        for kind in ("success", "stalled", "random"):
            episode = replace(make_episode(TASKS[i], kind, 7), task=name)
            write_episode(tmp_path / "own_validation", episode)
    lines = io.StringIO()
    saved = fit(replace(own, validation=tmp_path / "own_validation"), "", Console(file=lines, width=300))
    said = lines.getvalue()
    numbers = r"VOC -?\d\.\d\d, success AUC \d\.\d\d on 6 episodes that were not trained on"
    assert re.search(rf"^(The fit is|Whether) .*{numbers}", said, re.MULTILINE)
    assert "good: VOC from 0.90, success AUC from 0.90" in said
    told = load_checkpoint(saved).training["evaluation"]
    assert told["on"] == "6 episodes that were not trained on"
    assert 0 <= told["success_auc"] <= 1
    assert dict(logged(own.out, "final/success_auc"))[2] == pytest.approx(told["success_auc"], abs=1e-4)


def test_without_validation_some_episodes_are_held_aside(own: FitConfig, tmp_path: Path) -> None:
    for i, name in enumerate(("mine/press", "mine/push")):
        for kind in ("success", "stalled"):
            for seed in range(1, 5):
                write_episode(own.data, replace(make_episode(TASKS[i], kind, seed), task=name))
    lines = io.StringIO()
    saved = fit(replace(own, validation=tmp_path / "none"), "", Console(file=lines, width=300))
    assert "4 other episodes of " in lines.getvalue()
    assert "(calibrated)" in lines.getvalue()
    training = load_checkpoint(saved).training
    assert training["episodes"] == 16
    assert training["evaluation"]["on"] == "4 episodes that were not trained on"


def test_one_task_is_enough_and_what_it_does_not_teach_is_said(own: FitConfig) -> None:
    for path in list_episodes(own.data, "mine/push"):
        path.unlink()
    lines = io.StringIO()
    saved = fit(own, "", Console(file=lines, width=300))
    assert load_checkpoint(saved).trained_worlds == ("mine/press",)
    assert "mine/press is the only task: the model learns nothing about reading" in lines.getvalue()


def test_failed_episodes_of_own_tasks_calibrate(own: FitConfig) -> None:
    lines = io.StringIO()
    saved = fit(replace(own, validation=own.data), "", Console(file=lines, width=300))
    threshold = load_checkpoint(saved).success_threshold
    assert f"threshold {threshold:.3f} (calibrated)" in lines.getvalue()
    model = load_reward_model(str(saved))
    peaks = [
        model.score(make_episode(task, "stalled", 0).frames, sentence).success[1:].max()
        for task, sentence in zip(TASKS, ("open the door", "push the red cube"), strict=True)
    ]
    assert threshold == pytest.approx(max(peaks), abs=1e-5)


def test_a_fit_sets_the_threshold_of_each_task_that_it_has_failures_of(own: FitConfig) -> None:
    write_episode(own.data, replace(make_episode(TASKS[0], "random", 1), task="mine/press"))
    for path in list_episodes(own.data, "mine/push", "stalled"):
        path.unlink()
    lines = io.StringIO()
    saved = fit(replace(own, validation=own.data, false_positives=0.1), "", Console(file=lines, width=300))
    (task,) = found = load_checkpoint(saved).success_thresholds
    assert task == "mine/press", "no failure of the other one was scored"
    kept = found[task]
    assert (kept.failures, kept.successes, kept.false_alarm_rate) == (2, 1, 0.1)
    assert kept.sentences == ("open the door", "push the door")
    assert "1 of 2 tasks have a threshold of their own too" in lines.getvalue()


def test_the_episodes_of_the_training_set_no_threshold_of_a_task(own: FitConfig, tmp_path: Path) -> None:
    start = load_checkpoint(own.start)
    threshold = TaskThreshold(0.5, 0.02, 1, 1, 0, True, 1, ("open the door",))
    save_checkpoint(replace(start, success_thresholds={"mine/press": threshold}), tmp_path / "calibrated")
    chosen = replace(own, validation=tmp_path / "nowhere", start=tmp_path / "calibrated")
    saved = fit(chosen, "", Console(quiet=True))
    assert load_checkpoint(saved).success_thresholds == {}, "nor those of other weights"


def test_frozen_parts_keep_the_weights_of_the_start(own: FitConfig) -> None:
    parts = ("word_projection", "encoder.stage1")
    saved = fit(replace(own, freeze=parts), "", quiet())
    assert own.start is not None
    before, after = (load_checkpoint(path).network.state_dict() for path in (own.start, saved))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not {name for name in changed if name.startswith(parts)}, "the normalisation's statistics neither"
    assert {name.split(".")[0] for name in changed} >= {"encoder", "decoder", "progress_head"}
    with pytest.raises(ValueError, match=r"freeze='encoder.stage9' is no part .* choose from encoder.stage"):
        fit(replace(own, freeze=("encoder.stage9",), out=own.out / "b"), "", quiet())


def test_frozen_statistics_are_those_of_the_start(own: FitConfig) -> None:
    assert own.start is not None
    before = load_checkpoint(own.start).network.state_dict()
    statistics = {name for name in before if name.endswith(("running_mean", "running_var"))}
    for frozen in (False, True):
        saved = fit(replace(own, freeze_statistics=frozen, out=own.out / str(frozen)), "", quiet())
        after = load_checkpoint(saved).network.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert (statistics & changed) == (set() if frozen else statistics)
        assert changed - statistics, "the weights learn either way"
    with pytest.raises(ValueError, match="freeze_statistics=True needs --start"):
        FitConfig(freeze_statistics=True)


def test_lost_pictures_are_learned_to_show_nothing(own: FitConfig) -> None:
    lines = io.StringIO()
    fit(replace(own, lost_pictures=3), "", Console(file=lines, width=300))
    count = len(list_episodes(own.data)) + 3 * 2
    assert f"{count} episodes" in lines.getvalue(), "three for each of the two tasks"
    with pytest.raises(ValueError, match="lost_pictures should be at least 0, got -1"):
        FitConfig(lost_pictures=-1)


@pytest.fixture
def replayed(own: FitConfig, data: Path) -> FitConfig:
    """A fit on a task outside the table with the tasks of the table replayed."""
    for path in list_episodes(own.data, "mine/push"):
        path.unlink()
    assert own.sentences is not None
    own.sentences.write_text(json.dumps({"mine/press": ["press the red button"]}))
    return replace(own, replay=data, replay_share=0.25)


def test_replayed_tasks_get_their_share_of_the_batches_and_judge_nothing(
    replayed: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    draw = BatchSampler._draw_episodes

    def remember(self: BatchSampler, rng: np.random.Generator) -> tuple[str, int, int]:
        pair, first, second = draw(self, rng)
        seen.append(self.episodes[first].task)
        return pair, first, second

    monkeypatch.setattr(BatchSampler, "_draw_episodes", remember)
    lines = io.StringIO()
    saved = fit(replace(replayed, steps=40), "", Console(file=lines, width=300))
    assert set(seen) == {"mine/press", *TASKS}
    # A pair of different tasks begins with either; "worse" and the rest with the drawn one.
    assert np.mean([task == "mine/press" for task in seen]) == pytest.approx(0.75, abs=0.12)
    found = load_checkpoint(saved)
    assert found.trained_worlds == tuple(sorted(["mine/press", *TASKS]))
    assert "only task" not in lines.getvalue()


def test_a_task_that_is_replayed_and_new_is_refused(replayed: FitConfig) -> None:
    with pytest.raises(ValueError, match=r"mine/press is in .* and in the replayed"):
        fit(replace(replayed, replay=replayed.data), "", quiet())


def test_a_resumed_run_notices_other_replayed_episodes(replayed: FitConfig) -> None:
    replayed.out.mkdir()
    training_run.TrainingRun(replayed).save()
    assert replayed.replay is not None
    list_episodes(replayed.replay)[0].unlink()
    with pytest.raises(ValueError, match="the episodes of --replay are others"):
        training_run.TrainingRun(replayed).resume()


@pytest.mark.parametrize(
    ("told", "number", "said"),
    [
        ([0.5, 0.2, 0.4, 0.31], 1, "those of evaluation 2 of 4"),
        ([0.5, 0.2, 0.4, 0.29], 3, "the last ones"),  # a few episodes tell no less
    ],
)
def test_a_run_that_stops_by_validation_saves_its_last_weights_unless_they_got_worse(
    own: FitConfig, monkeypatch: pytest.MonkeyPatch, told: list[float], number: int, said: str
) -> None:
    errors = iter(told)
    kept: list[dict[str, torch.Tensor]] = []
    note = training_run.TrainingRun.note_error

    def worsen(run: training_run.TrainingRun, error: float) -> None:
        assert 0.0 <= error <= 2.0
        kept.append(run.averaged().state_dict())
        note(run, next(errors))

    monkeypatch.setattr(training_run.TrainingRun, "note_error", worsen)
    config = replace(own, validation=own.data, stop_after=2, evaluate_every=3, steps=60)
    lines = io.StringIO()
    saved = fit(config, "", Console(file=lines, width=300))
    assert len(kept) == 4
    assert f"none of the last 2 evaluations was better by 0.005; the weights that are kept are {said}" in (
        lines.getvalue()
    )
    best = load_checkpoint(saved).network.state_dict()
    assert all(torch.equal(best[name], kept[number][name]) for name in best)
    assert load_checkpoint(saved).training["steps"] == 12


def test_stopping_by_validation_needs_a_success_to_judge_by(own: FitConfig) -> None:
    with pytest.raises(ValueError, match="stop_after=1 needs successes to judge by"):
        fit(replace(own, stop_after=1), "", quiet())


def test_a_run_that_was_killed_after_it_stopped_does_not_go_on(
    own: FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = training_run.TrainingRun.note_error
    monkeypatch.setattr(training_run.TrainingRun, "note_error", lambda run, error: note(run, 0.5))
    config = replace(own, validation=own.data, stop_after=1, evaluate_every=3, save_every=100, steps=60)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_judge", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit(config, "", quiet())
    lines = io.StringIO()
    saved = fit(config, "", Console(file=lines, width=300))
    assert "resumed at step 6" in lines.getvalue()
    assert load_checkpoint(saved).training["steps"] == 6
