"""The fast camera draws the right environment, the right way up, with what matters in it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from robometer_rl.envs.rendering.gl_backend import ensure_gl_backend

ensure_gl_backend()

import mujoco  # noqa: E402  (reads the backend when imported)

from robometer_rl.envs.make import make_env  # noqa: E402
from robometer_rl.envs.rendering.fast_camera import FastCamera, Pose  # noqa: E402
from robometer_rl.envs.rendering.mesh_decimation import decimated_copy  # noqa: E402
from robometer_rl.envs.suites.metaworld import CAMERAS  # noqa: E402

# Seen along +y from the front: red on the left, blue on the right, green above, on a black ground.
SCENE = """
<mujoco><worldbody>
  <light pos="0 -3 3" dir="0 1 -1"/>
  <camera name="front" pos="0 -4 0" xyaxes="1 0 0 0 0 1"/>
  <camera name="rolled" pos="0 -4 0" xyaxes="-1 0 0 0 0 -1"/>
  <geom type="sphere" size=".3" pos="-1 0 0" rgba="1 0 0 1"/>
  <geom type="sphere" size=".3" pos="1 0 0" rgba="0 0 1 1"/>
  <geom type="sphere" size=".3" pos="0 0 1" rgba="0 1 0 1" group="3"/>
</worldbody></mujoco>
"""


@pytest.fixture(scope="module")
def balls() -> tuple[Any, Any]:
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def _picture(model: Any, data: Any, *args: Any, **kwargs: Any) -> np.ndarray:
    camera = FastCamera(model, data, *args, **kwargs)
    picture = camera.render()
    camera.close()
    return picture


def _centre(picture: np.ndarray, channel: int) -> tuple[float, float]:
    """Row and column of the middle of what shines in one colour."""
    others = np.delete(picture.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(picture[..., channel] > others + 60)
    return float(rows.mean()), float(columns.mean())


@pytest.mark.parametrize(("camera", "rotate180"), [("front", False), ("rolled", True)])
def test_upright_and_not_mirrored(balls: tuple[Any, Any], camera: str, rotate180: bool) -> None:
    model, data = balls
    model.geom_group[2] = 0
    picture = _picture(model, data, camera, (60, 80), rotate180)
    assert picture.shape == (60, 80, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    (red_row, red_column), (_, blue_column), (green_row, _) = (_centre(picture, c) for c in (0, 2, 1))
    assert red_column < 40 < blue_column
    assert green_row < red_row


def test_a_pose_and_hidden_groups(balls: tuple[Any, Any]) -> None:
    model, data = balls
    model.geom_group[2] = 3
    behind = Pose(lookat=(0.0, 0.0, 0.0), distance=4.0, azimuth=-90.0, elevation=0.0)
    picture = _picture(model, data, behind, (64, 64))
    assert _centre(picture, 2)[1] < _centre(picture, 0)[1], "from behind, left and right change places"
    model.geom_group[2] = 1
    shown, hidden = (_picture(model, data, "front", (64, 64), hidden_groups=g) for g in ((), (1,)))
    assert (shown[..., 1] > 90).sum() > 10
    assert (hidden[..., 1] > 90).sum() == 0


def test_bad_names_and_sizes_are_refused(balls: tuple[Any, Any]) -> None:
    model, data = balls
    with pytest.raises(ValueError, match="front"):
        FastCamera(model, data, "side")
    with pytest.raises(ValueError, match="size"):
        FastCamera(model, data, "front", (0, 64))


def test_the_caller_owns_the_picture_and_close_is_not_the_end(balls: tuple[Any, Any]) -> None:
    model, data = balls
    camera = FastCamera(model, data, "front", (32, 32))
    first = camera.render()
    kept = first.copy()
    model.geom_rgba[0] = (1, 1, 1, 1)
    changed = camera.render()
    model.geom_rgba[0] = (1, 0, 0, 1)
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, changed)
    camera.close()
    camera.close()
    np.testing.assert_array_equal(camera.render(), kept)
    camera.close()


def test_environments_in_one_process_do_not_draw_into_each_other() -> None:
    names = "drawer-open", "window-close", "drawer-open"
    a, b, twin = (make_env(f"metaworld/{name}-v3", seed=1) for name in names)
    for env in (a, b, twin):
        env.reset()
    alone = a.render()
    other = b.render()
    np.testing.assert_array_equal(a.render(), alone)
    np.testing.assert_array_equal(b.render(), other)
    np.testing.assert_array_equal(twin.render(), alone)
    b.close()
    np.testing.assert_array_equal(a.render(), alone)
    twin.close()
    np.testing.assert_array_equal(a.render(), alone)
    assert np.mean(alone != other) > 0.05
    a.close()


def test_the_frame_after_reset_shows_that_reset() -> None:
    env = make_env("metaworld/drawer-open-v3", image_size=64)
    env.reset(seed=0)
    first = env.render()
    for _ in range(30):
        env.step(env.action_space.low)
    assert not np.array_equal(env.render(), first)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), first)
    env.reset(seed=1)
    assert not np.array_equal(env.render(), first)
    env.close()


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_every_camera_draws_something(name: str) -> None:
    env = make_env("metaworld/drawer-open-v3", seed=0, image_size=48, camera=name)
    env.reset()
    assert env.render().std() > 10
    env.close()


@pytest.mark.parametrize("name", ["corner", "corner2", "corner3", "corner4"])
def test_the_robot_stands_upright(name: str) -> None:
    env = make_env("metaworld/reach-v3", seed=0, image_size=96, camera=name)
    env.reset()
    camera = env.sim.model.camera(name).id
    right, up, _ = env.sim.data.cam_xmat[camera].reshape(3, 3).T
    turned = -1.0 if CAMERAS[name] else 1.0
    assert turned * up[2] > 0.5, "the world's up is the picture's up"
    assert abs(right[2]) < 0.5
    env.close()


def test_decimation_keeps_the_picture_and_the_model(metaworld_model: tuple[Any, Any]) -> None:
    model, data = metaworld_model
    before = model.mesh_face.copy(), model.mesh_vert.copy(), model.mesh_facenum.copy()
    full, thin = (
        _picture(model, data, "corner2", (128, 128), True, faces).astype(float) for faces in (None, 8000)
    )
    assert np.abs(full - thin).mean() < 3.0, "grey levels out of 255"
    for kept, now in zip(before, (model.mesh_face, model.mesh_vert, model.mesh_facenum), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_decimation_keeps_its_budget_and_valid_indices(metaworld_model: tuple[Any, Any]) -> None:
    model, _ = metaworld_model
    thin = decimated_copy(model, 8000)
    assert thin.mesh_facenum.sum() < 0.2 * model.mesh_facenum.sum()
    assert np.all(thin.mesh_facenum > 0)
    for mesh in range(thin.nmesh):
        at, count = thin.mesh_faceadr[mesh], thin.mesh_facenum[mesh]
        assert thin.mesh_face[at : at + count].max() < thin.mesh_vertnum[mesh]
        assert thin.mesh_facenormal[at : at + count].max() < thin.mesh_normalnum[mesh]
        normals_at = thin.mesh_normaladr[mesh]
        normals = thin.mesh_normal[normals_at : normals_at + thin.mesh_normalnum[mesh]]
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=0.01)


def test_no_decimation_leaves_every_face(metaworld_model: tuple[Any, Any]) -> None:
    model, _ = metaworld_model
    np.testing.assert_array_equal(decimated_copy(model, None).mesh_facenum, model.mesh_facenum)


@pytest.mark.parametrize("material", [False, True])
def test_decimation_needs_no_material(material: bool) -> None:
    points = np.random.default_rng(0).normal(size=(200, 3))
    ball = " ".join(map(str, (points / np.linalg.norm(points, axis=1, keepdims=True)).ravel()))
    plain = '<geom type="mesh" mesh="ball" material="plain"/>' if material else ""
    model = mujoco.MjModel.from_xml_string(f"""
<mujoco>
  <asset><mesh name="ball" vertex="{ball}"/>{'<material name="plain"/>' if material else ""}</asset>
  <worldbody><geom type="mesh" mesh="ball"/>{plain}</worldbody>
</mujoco>""")
    assert model.nmat == material
    assert 0 < decimated_copy(model, 200).mesh_facenum[0] < 250 < model.mesh_facenum[0]


def test_the_goal_stays_visible() -> None:
    env = make_env("metaworld/drawer-open-v3", seed=0, image_size=128)
    env.reset()
    with_goal = env.render()
    goal = env.sim.model.site("goal").id
    env.sim.model.site_rgba[goal, 3] = 0.0
    assert np.any(with_goal != env.render(), axis=2).sum() >= 8
    env.close()


@pytest.fixture(scope="module")
def metaworld_model() -> tuple[Any, Any]:
    env = make_env("metaworld/drawer-open-v3", seed=0)
    env.reset()
    return env.sim.model, env.sim.data


def test_a_fork_after_a_frame_is_refused_rather_than_left_to_hang() -> None:
    program = """
import multiprocessing
from robometer_rl.envs.make import make_env

def draw(pipe):
    env = make_env("metaworld/reach-v3", image_size=16)
    env.reset(seed=0)
    try:
        env.render()
    except RuntimeError as error:
        pipe.send(str(error))

env = make_env("metaworld/reach-v3", image_size=16)
env.reset(seed=0)
env.render()
here, there = multiprocessing.Pipe()
worker = multiprocessing.get_context("fork").Process(target=draw, args=(there,))
worker.start()
assert here.poll(60), "the worker hangs"
print(here.recv())
worker.join()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert 'context="spawn"' in done.stdout
