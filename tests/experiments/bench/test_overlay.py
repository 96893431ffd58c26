from __future__ import annotations

import pytest

from robometer_rl.experiments.bench.overlay import OverlayBenchConfig, clip, main, measure, subjects


def test_every_way_draws_every_frame() -> None:
    config = OverlayBenchConfig(frames=4, size=16, width=320)
    episode = clip(config)
    assert episode.truth is not None
    assert episode.truth.tolist() == [False, False, False, True]
    for draw in subjects().values():
        assert draw(episode, config.width) == 4


def test_a_frame_is_charged_its_share_of_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("robometer_rl.experiments.bench.overlay.time.process_time", lambda: now[0])

    def draw(seconds: float) -> int:
        now[0] += seconds
        return 4

    config = OverlayBenchConfig(frames=4, size=16)
    costs = measure({"fast": lambda *_: draw(0.5), "slow": lambda *_: draw(2.0)}, clip(config), config)
    assert costs == pytest.approx({"fast": 125.0, "slow": 500.0})


def test_the_table_holds_each_way_and_its_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    main(OverlayBenchConfig(frames=3, size=16, width=320, repetitions=1))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:34].strip() for line in lines[2:]] == list(subjects())
    assert lines[2].split()[-1] == "1.00"
