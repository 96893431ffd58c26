"""The GL backend is chosen by drawing, kept when set, and named when none works."""

from __future__ import annotations

import os

import pytest

from robometer_rl.envs.rendering import gl_backend as gl


@pytest.fixture
def no_backend_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("PYOPENGL_PLATFORM", raising=False)
    monkeypatch.setattr(gl.sys, "platform", "linux")
    return monkeypatch


def _only(backend: str):
    return lambda tried: None if tried == backend else "broken"


@pytest.mark.parametrize("works", gl.BACKENDS)
def test_takes_the_backend_that_draws(no_backend_set: pytest.MonkeyPatch, works: str) -> None:
    no_backend_set.setattr(gl, "probe", _only(works))
    assert gl.ensure_gl_backend() == works
    assert os.environ["MUJOCO_GL"] == os.environ["PYOPENGL_PLATFORM"] == works


def test_a_value_already_set_is_kept_untried(no_backend_set: pytest.MonkeyPatch) -> None:
    no_backend_set.setenv("MUJOCO_GL", "osmesa")
    no_backend_set.setattr(gl, "probe", lambda tried: pytest.fail("tried a backend although one was set"))
    assert gl.ensure_gl_backend() == "osmesa"
    assert os.environ["PYOPENGL_PLATFORM"] == "osmesa"


def test_no_backend_names_the_cure_and_the_causes(no_backend_set: pytest.MonkeyPatch) -> None:
    no_backend_set.setattr(gl, "probe", lambda tried: f"no {tried} here")
    with pytest.raises(RuntimeError, match="apt-get install") as caught:
        gl.ensure_gl_backend()
    assert "egl: no egl here" in str(caught.value)
    assert "osmesa: no osmesa here" in str(caught.value)


def test_probe_draws_with_the_chosen_backend_and_reports_a_broken_one() -> None:
    assert gl.probe(gl.ensure_gl_backend()) is None
    error = gl.probe("no-such-backend")
    assert error is not None
    assert "no-such-backend" in error
