"""An episode relabelled when it is over earns what it earned while it ran."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from robometer_test_fakes import MODEL, SENTENCE, FakeEnv, FakeRewardModel, play

from robometer_rl import DeadFrameWarning, RewardConfig, RobometerReward, ShapingConfig, relabel
from robometer_rl.rewards.compact.runtime import CompactReward


def frames_of(*counts: int) -> np.ndarray[Any, Any]:
    return np.stack([FakeEnv().picture(count) for count in counts])


def test_a_flat_episode_is_refused_and_a_still_one_warned_of() -> None:
    with pytest.raises(ValueError, match="all 3 pictures of camera 0 are flat; the first: 12x12 pixels"):
        relabel(np.zeros((3, 12, 12, 3), dtype=np.uint8), SENTENCE, MODEL)
    with pytest.warns(DeadFrameWarning, match="all 4 pictures of camera 1 are the same"):
        relabel([frames_of(0, 1, 2, 3), frames_of(7, 7, 7, 7)], SENTENCE, MODEL)


def test_rewards_known_by_hand() -> None:
    config = RewardConfig(ShapingConfig("progress"), score_every=2)
    done = relabel(frames_of(0, 10, 20, 30), SENTENCE, MODEL, config)
    assert done.reward == pytest.approx([0.0, 0.2, 0.3])  # step 1 holds the first score; the last is scored
    assert done.progress == pytest.approx([0.0, 0.0, 0.2, 0.3])


def test_potential_is_zero_where_the_episode_terminated() -> None:
    config = RewardConfig(ShapingConfig("potential", gamma=1.0))
    frames = frames_of(0, 10, 20)
    assert relabel(frames, SENTENCE, MODEL, config).reward == pytest.approx([0.1, 0.1])
    assert relabel(frames, SENTENCE, MODEL, config, terminated=True).reward == pytest.approx([0.1, -0.1])


@given(
    shaping=st.sampled_from(["progress+success", "delta", "potential"]),
    score_every=st.integers(1, 4),
    fill=st.sampled_from(["hold", "zero"]),
    bonus=st.sampled_from([0.0, 2.0]),
    weight=st.sampled_from([0.0, 0.5]),
    truth=st.sampled_from([0.0, 3.0]),
    ending=st.tuples(st.integers(1, 9), st.sampled_from(["terminated", "truncated", "both"])),
    at_end=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_it_equals_the_running_wrapper(
    shaping: Any, score_every: int, fill: Any, bonus: float, weight: float, truth: float, ending: Any,
    at_end: bool,
) -> None:  # fmt: skip
    options: dict[str, Any] = {
        "shaping": shaping, "score_every": score_every, "fill": fill, "success_bonus": bonus,
        "env_weight": weight, "true_success_bonus": truth,
    }  # fmt: skip
    env = FakeEnv(episodes=[ending], wander=True, success_at=3)
    wrapped = RobometerReward(env, SENTENCE, MODEL, score="episode_end" if at_end else "step", **options)
    wrapped.reset(seed=5)
    frames, rows = [env.render()], []
    while not rows or not (rows[-1][1] or rows[-1][2]):
        rows += play(wrapped, 1)
        frames.append(env.render())
    paid = rows[-1][3]["robometer/rewards"] if at_end else [row[0] for row in rows]
    config = RewardConfig(
        ShapingConfig(shaping, 0.99, bonus, env_weight=weight),
        score_every=score_every, fill=fill, true_success_bonus=truth,
    )  # fmt: skip
    done = relabel(
        np.stack(frames), SENTENCE, FakeRewardModel(), config,
        env_reward=[row[3]["env_reward"] for row in rows],
        true_success=[row[3]["is_success"] for row in rows],
        terminated=rows[-1][1],
    )  # fmt: skip
    assert done.reward == pytest.approx(np.array(paid, dtype=np.float64), abs=1e-5)
    assert done.reward[-1] == pytest.approx(rows[-1][0], abs=1e-5)
    assert done.progress[-1] == pytest.approx(rows[-1][3]["robometer/progress"], abs=1e-6)


def test_it_equals_the_stream_of_a_real_network(model: CompactReward) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    stream = model.stream(1)
    stream.reset(["open the door"])
    pushed = [stream.push(frame[None]) for frame in frames]
    expected = [float(s.progress[0] + s.success[0]) for s in pushed[1:]]
    assert relabel(frames, "open the door", model).reward == pytest.approx(expected, abs=1e-4)


def test_cameras_are_averaged() -> None:
    views = [frames_of(0, 10), frames_of(0, 30)]
    config = RewardConfig(ShapingConfig("progress"))
    assert relabel(views, SENTENCE, MODEL, config).reward == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"frames": frames_of(1)}, ValueError, "at least one more"),
        ({"frames": []}, ValueError, "at least one more"),
        ({"frames": [frames_of(1, 2), frames_of(1, 2, 3)]}, ValueError, r"\[2, 3\]"),
        ({"task": " "}, ValueError, "is empty"),
        ({"env_reward": [1.0]}, ValueError, r"env_reward has shape \(1,\)"),
        ({"config": RewardConfig(ShapingConfig(env_weight=1.0))}, ValueError, "needs env_reward"),
        ({"config": RewardConfig(true_success_bonus=1.0)}, ValueError, "need true_success"),
        (
            {"config": RewardConfig(ShapingConfig(shift=-1.0), terminate_on_success=True)},
            ValueError,
            "relabel without it",
        ),
        ({"model": {"name": MODEL, "broken": 1.5}}, ValueError, "not all in"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], error: type[Exception], words: str) -> None:
    arguments: dict[str, Any] = {"frames": frames_of(0, 1, 2), "task": SENTENCE, "model": MODEL}
    with pytest.raises(error, match=words):
        relabel(**{**arguments, **change})


# The single wrapper's option.


def test_the_wrapper_pays_nan_until_the_episode_is_over() -> None:
    env = RobometerReward(
        FakeEnv(horizon=3, pace=10), SENTENCE, MODEL, score="episode_end", shaping="progress"
    )
    _, info = env.reset(seed=0)
    assert np.isnan(info["robometer/progress"])
    rows = play(env)
    assert np.isnan([row[0] for row in rows[:-1]]).all()
    assert rows[-1][0] == pytest.approx(0.3)
    assert rows[-1][3]["robometer/rewards"] == pytest.approx([0.1, 0.2, 0.3])
    assert rows[-1][3]["robometer/rewards"].dtype == np.float32
    assert all("robometer/rewards" not in row[3] for row in rows[:-1])


def test_an_episode_that_was_cut_short_by_a_reset_is_forgotten() -> None:
    env = RobometerReward(
        FakeEnv(horizon=2, pace=10), SENTENCE, MODEL, score="episode_end", shaping="progress"
    )
    env.reset(seed=0)
    play(env, 1)
    with pytest.warns(UserWarning, match="reset after 1 steps"):
        env.reset()
    assert play(env)[-1][3]["robometer/rewards"] == pytest.approx([0.1, 0.2])


def test_what_needs_a_score_at_every_step_is_refused() -> None:
    with pytest.raises(ValueError, match="use score='step'"):
        RobometerReward(
            FakeEnv(), SENTENCE, MODEL, score="episode_end", terminate_on_success=True, shift=-1.0
        )
    with pytest.raises(ValueError, match="score='end' is unknown; choose one of step, episode_end"):
        RobometerReward(FakeEnv(), SENTENCE, MODEL, score="end")  # type: ignore[arg-type]
