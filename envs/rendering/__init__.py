"""Drawing a MuJoCo scene: the fast camera, the meshes that it simplifies, the choice of a GL backend.

`suites` imports this folder; it knows no suite and no task.
"""
