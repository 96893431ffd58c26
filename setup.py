"""Packaging: which folder of the checkout becomes which package of the wheel.

The four rooms stand at the top level of the checkout and install as one package:

    robometer_rl/  -> robometer_rl               rewards/      -> robometer_rl.rewards
    envs/          -> robometer_rl.envs          experiments/  -> robometer_rl.experiments

Nothing installs a top-level module called `rewards` or `envs`: users have folders of those names.
Setuptools cannot discover such a mapping by itself, so every package is listed; `tests/test_structure.py`
fails when a folder with an `__init__.py` is missing here. All other metadata is in `pyproject.toml`.
Never install with `editable_mode=compat`: it puts the checkout itself on `sys.path` and loses the mapping.
"""

from setuptools import setup

setup(
    packages=[
        "robometer_rl",
        "robometer_rl.datasets",
        "robometer_rl.scoring",
        "robometer_rl.subenvs",
        "robometer_rl.video",
        "robometer_rl.wrappers",
        "robometer_rl.rewards",
        "robometer_rl.rewards.compact",
        "robometer_rl.rewards.training",
        "robometer_rl.envs",
        "robometer_rl.envs.experts",
        "robometer_rl.envs.rendering",
        "robometer_rl.envs.suites",
        "robometer_rl.experiments",
        "robometer_rl.experiments.adapt",
        "robometer_rl.experiments.agent",
        "robometer_rl.experiments.bench",
        "robometer_rl.experiments.collect",
        "robometer_rl.experiments.common",
        "robometer_rl.experiments.examples",
        "robometer_rl.experiments.examples.own_worlds",
        "robometer_rl.experiments.report",
        "robometer_rl.experiments.reward_model",
        "robometer_rl.experiments.sweep",
    ],
    package_dir={
        "robometer_rl": "robometer_rl",
        "robometer_rl.rewards": "rewards",
        "robometer_rl.envs": "envs",
        "robometer_rl.experiments": "experiments",
    },
    package_data={
        "robometer_rl": ["py.typed"],
        "robometer_rl.datasets": ["*.html"],
        "robometer_rl.video": ["templates/*"],
        "robometer_rl.rewards": ["weights/*/*"],
        "robometer_rl.envs": ["*.json"],
        "robometer_rl.experiments.adapt": ["replay_sample/*", "templates/*"],
        "robometer_rl.experiments.agent": ["hyperparameters/*.yaml"],
        "robometer_rl.experiments.report": ["templates/*"],
        "robometer_rl.experiments.sweep": ["studies/*.yaml"],
    },
    include_package_data=False,
)
