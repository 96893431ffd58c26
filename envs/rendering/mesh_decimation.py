"""A copy of a MuJoCo model whose meshes have fewer faces, for drawing only."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..extras import require

if TYPE_CHECKING:
    import mujoco

SMALL = 120
"""Meshes of at most this many faces are kept: drawers and doors are boxes that lose their shape first."""

CREASE = np.cos(np.radians(35.0))
"""Faces that meet at a sharper angle than this (a cosine) do not share a normal, so that edges stay edges."""


def decimated_copy(
    model: mujoco.MjModel, faces: int | None, hidden_groups: tuple[int, ...] = ()
) -> mujoco.MjModel:
    """Copies a model and thins its meshes in place: each keeps its index, its frame and its place in memory.

    Args:
        model: Any compiled model; not touched.
        faces: Mesh faces to keep in all, shared out in proportion to the square root of each mesh's own (a
            mesh of many faces is fine rather than big); None keeps every face.
        hidden_groups: Geom groups that are not drawn; their meshes are left alone.

    Returns:
        A copy to make a drawing context from. Its physics is not meant to be run.
    """
    visual = copy.copy(model)
    if faces is None:
        return visual
    counts = np.asarray(model.mesh_facenum)
    thin = (counts > SMALL) & _drawn(model, hidden_groups) & ~_textured(model)
    if not thin.any():
        return visual
    share = np.sqrt(counts) * thin
    targets = np.maximum(share / share.sum() * faces, SMALL).astype(int)
    for mesh in np.flatnonzero(thin & (targets < counts)):
        _thin_mesh(visual, int(mesh), int(targets[mesh]))
    return visual


def _mesh_geoms(model: mujoco.MjModel) -> NDArray[np.intp]:
    import mujoco

    return np.flatnonzero(np.asarray(model.geom_type) == mujoco.mjtGeom.mjGEOM_MESH)


def _drawn(model: mujoco.MjModel, hidden_groups: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which meshes are seen at all: the others must not take a share of the faces."""
    geoms = _mesh_geoms(model)
    seen = geoms[~np.isin(model.geom_group[geoms], hidden_groups)]
    drawn = np.zeros(model.nmesh, dtype=bool)
    drawn[model.geom_dataid[seen]] = True
    return drawn


def _textured(model: mujoco.MjModel) -> NDArray[np.bool_]:
    """Which meshes carry a picture pinned to their vertices: decimation would move it."""
    geoms = _mesh_geoms(model)
    materials = model.geom_matid[geoms]
    # The geoms without a material are left out first: -1 would index the last one, or none at all.
    geoms, materials = geoms[materials >= 0], materials[materials >= 0]
    has_picture = (model.mat_texid[materials] >= 0).any(axis=1)
    textured = np.zeros(model.nmesh, dtype=bool)
    textured[model.geom_dataid[geoms[has_picture]]] = True
    return textured & (np.asarray(model.mesh_texcoordadr) >= 0)


def _thin_mesh(model: mujoco.MjModel, mesh: int, target: int) -> None:
    vertex_at, face_at, normal_at = (
        int(model.mesh_vertadr[mesh]),
        int(model.mesh_faceadr[mesh]),
        int(model.mesh_normaladr[mesh]),
    )
    n_vertices, n_faces = int(model.mesh_vertnum[mesh]), int(model.mesh_facenum[mesh])
    vertices = model.mesh_vert[vertex_at : vertex_at + n_vertices]
    faces = model.mesh_face[face_at : face_at + n_faces]
    points, triangles = _simplified(vertices.tobytes(), faces.tobytes(), target)
    normals, corners = _corner_normals(points, triangles)
    if len(points) > n_vertices or len(triangles) > n_faces or len(normals) > model.mesh_normalnum[mesh]:
        return
    model.mesh_vert[vertex_at : vertex_at + len(points)] = points
    model.mesh_face[face_at : face_at + len(triangles)] = triangles
    model.mesh_normal[normal_at : normal_at + len(normals)] = normals
    model.mesh_facenormal[face_at : face_at + len(triangles)] = corners
    model.mesh_vertnum[mesh], model.mesh_facenum[mesh] = len(points), len(triangles)
    model.mesh_normalnum[mesh] = len(normals)
    model.mesh_texcoordadr[mesh] = -1


@lru_cache(maxsize=512)
def _simplified(vertices: bytes, faces: bytes, target: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Thins one mesh; remembered, as one robot's meshes come back in every environment."""
    fast_simplification = require("fast_simplification")
    points = np.frombuffer(vertices, dtype=np.float32).reshape(-1, 3)
    triangles = np.frombuffer(faces, dtype=np.int32).reshape(-1, 3)
    # The same point is stored once per smoothing group; unwelded, every seam would open.
    points, index = np.unique(points, axis=0, return_inverse=True)
    triangles = index.reshape(-1)[triangles]
    points, triangles = fast_simplification.simplify(points, triangles, target_count=target, agg=5.0)
    return points.astype(np.float32), triangles.astype(np.int32)


def _corner_normals(
    points: NDArray[np.float32], triangles: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Gives every corner the mean normal of the faces around its vertex on the same side of a crease.

    Args:
        points: `(v, 3)`.
        triangles: `(f, 3)` indices of points.

    Returns:
        Distinct normals `(n, 3)` and, per corner, which of them: `(f, 3)`.
    """
    edges = points[triangles]
    weighted = np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0])
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    flat = weighted / np.maximum(lengths, 1e-20)
    owners = np.repeat(np.arange(len(triangles)), 3)
    order = np.argsort(triangles.reshape(-1), kind="stable")
    faces_of_vertex = np.bincount(triangles.reshape(-1), minlength=len(points))
    corners_of_vertex = np.split(order, np.cumsum(faces_of_vertex)[:-1])
    result = np.empty((len(triangles) * 3, 3), dtype=np.float32)
    for corners in corners_of_vertex:
        around = owners[corners]
        together = (flat[around] @ flat[around].T) >= CREASE
        result[corners] = together @ weighted[around]
    result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-20)
    normals, index = np.unique(np.round(result, 3), axis=0, return_inverse=True)
    return normals.astype(np.float32), index.reshape(-1, 3).astype(np.int32)
