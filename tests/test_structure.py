"""What holds over the whole tree: who imports whom, what is packaged, how long things get."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("robometer_rl", "rewards", "envs", "experiments")
HEAVY = {"torch", "mujoco", "transformers", "metaworld", "robosuite"}
MAX_FUNCTION, MAX_MODULE = 60, 600  # lines

# Who may import whom inside a room: folder or module -> those that it may ask for. What stands in no table
# (`__init__`, `cli`, `registration`, `make`) ties a room together and may import all of it.
_STUDIES = {"agent", "collect", "reward_model", "episodes", "common"}
DIRECTIONS: dict[str, dict[str, set[str]]] = {
    "robometer_rl": {
        "wrappers": {"subenvs", "scoring", "frames", "world_ids", "errors"},
        "subenvs": {"scoring", "frames", "world_ids", "errors"},
        "scoring": {"frames", "frame_checks", "success", "world_ids", "errors"},
        # A dead picture is told alike in an environment and in a video.
        "video": {"arguments", "files", "frame_checks", "templates", "errors"},
        # Its readers take videos too; a recorder takes frames as the wrappers do.
        "datasets": {
            "video",
            "arguments",
            "files",
            "frames",
            "frame_checks",
            "success",
            "world_ids",
            "errors",
        },
        "success": set(),
        "world_ids": set(),
        "templates": set(),
        "files": set(),
        "frames": {"errors"},
        "frame_checks": set(),
        "arguments": {"errors"},
        "errors": set(),
    },
    "rewards": {
        "training": {"compact", "protocol"},
        "compact": {"protocol", "forking", "thresholds"},
        "thresholds": {"protocol"},
        "protocol": set(),
        "forking": set(),
    },
    "envs": {
        "experts": {"suites", "rendering", "base", "tasks", "extras"},
        "suites": {"rendering", "base", "tasks", "extras"},
        "rendering": {"extras"},
        "base": {"tasks", "extras"},
        "tasks": set(),
        "extras": set(),
    },
    "experiments": {
        "examples": _STUDIES,
        "bench": _STUDIES,
        "report": _STUDIES,
        "sweep": _STUDIES,
        "adapt": _STUDIES,
        "agent": {"episodes", "common"},
        "collect": {"episodes", "common"},
        "reward_model": {"episodes", "common"},
        "episodes": {"common"},
        "common": set(),
    },
}
SOURCES = sorted(path for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py"))
BUILD_INPUTS = (*ROOMS, "setup.py", "pyproject.toml", "README.md", "LICENSE")


def package_of(path: Path) -> str:
    """Installed package of a source file: `rewards/compact/x.py` is in `robometer_rl.rewards.compact`."""
    parts = path.relative_to(ROOT).parent.parts
    return ".".join(parts if parts[0] == "robometer_rl" else ("robometer_rl", *parts))


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Absolute names of the modules that the import statements below a node ask for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from robometer_rl import rewards` asks for robometer_rl.rewards.
            yield from (f"{module}.{alias.name}" for alias in node.names)


def import_time_nodes(tree: ast.Module) -> Iterator[ast.stmt]:
    """Import statements that run when the module is imported: not in functions, not for type checkers."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def room_of(module: str) -> str | None:
    """The room that a dotted name of ours lies in, None for somebody else's module."""
    head, _, rest = module.partition(".")
    if head != "robometer_rl":
        return None
    room = rest.partition(".")[0]
    return room if room in ROOMS[1:] else "robometer_rl"


def offences(room: str, forbidden: set[str]) -> list[str]:
    """Imports, at any depth, by which a room reaches into a forbidden one."""
    return [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for module in imports(ast.parse(path.read_text("utf-8")), package_of(path))
        if room_of(module) in forbidden
    ]


def run_outside(code: str, folder: Path) -> str:
    """Runs code in a fresh interpreter away from the checkout; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the checkout, built from a copy so that no stale `build/` gets in or is left behind."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILD_INPUTS:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(origin, source / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "-w", str(target)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_import_finder_sees_relative_and_absolute_imports() -> None:
    """The rules below are only as good as what `imports` finds, so its answers are checked by hand."""
    code = "import torch.nn\nfrom . import a\nfrom ..protocol import b\nfrom robometer_rl import envs\n"
    code += "def f():\n import x"
    found = set(imports(ast.parse(code), "robometer_rl.rewards.compact"))
    assert found == {
        "torch.nn",
        "robometer_rl.rewards.compact.a",
        "robometer_rl.rewards.protocol.b",
        "robometer_rl.envs",
        "x",
    }
    lazy = "if TYPE_CHECKING:\n import torch\nelse:\n import numpy\n"
    lazy += "try:\n import mujoco\nfinally:\n pass\ndef f():\n import x"
    eager = {name for node in import_time_nodes(ast.parse(lazy)) for name in imports(node, "robometer_rl")}
    assert eager == {"numpy", "mujoco"}


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("rewards", {"robometer_rl", "envs", "experiments"}),
        ("envs", {"robometer_rl", "rewards", "experiments"}),
    ],
)
def test_rewards_and_envs_know_neither_each_other_nor_the_plugin(room: str, forbidden: set[str]) -> None:
    assert offences(room, forbidden) == []


def part_of(module: str) -> tuple[str, str] | None:
    """Room of a dotted name of ours, and the folder or module of it; None for somebody else's."""
    room = room_of(module)
    if room is None:
        return None
    rest = module.split(".")[1 if room == "robometer_rl" else 2 :]
    return room, rest[0] if rest else ""


def wrong_ways(room: str) -> list[str]:
    """Imports, at any depth, from one part of a room to another that `DIRECTIONS` does not allow."""
    allowed = DIRECTIONS[room]
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        mine = path.relative_to(ROOT / room).parts[0].removesuffix(".py")
        for module in imports(ast.parse(path.read_text("utf-8")), package_of(path)):
            part = part_of(module)
            if mine not in allowed or part is None or part[0] != room or part[1] == mine:
                continue
            if part[1] not in allowed[mine]:
                found.append(f"{path.relative_to(ROOT)} imports {module}")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_folders_import_in_one_direction(room: str) -> None:
    assert wrong_ways(room) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_has_a_direction(room: str) -> None:
    """A new folder is not outside the law: it must be named in `DIRECTIONS`."""
    folders = {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
    assert folders <= set(DIRECTIONS[room])


def test_the_directions_have_no_circle() -> None:
    for allowed in DIRECTIONS.values():
        left = {name: set(asks) for name, asks in allowed.items()}
        while left:
            free = {name for name, asks in left.items() if not asks & set(left)}
            assert free, f"a circle among {sorted(left)}"
            left = {name: asks for name, asks in left.items() if name not in free}


def test_a_wrong_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DIRECTIONS, "robometer_rl", DIRECTIONS["robometer_rl"] | {"wrappers": {"frames"}})
    assert any("scoring" in offence for offence in wrong_ways("robometer_rl"))


def test_every_folder_says_what_lives_there() -> None:
    """The docstring of a folder: what is in it, and who may import it."""
    short = []
    for room in ROOMS:
        for path in (ROOT / room).glob("*/__init__.py"):
            text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            if len(text.splitlines()) < 3 or "import" not in text:
                short.append(str(path.relative_to(ROOT)))
    assert short == []


def test_class_names_are_used_once() -> None:
    """One name, one thing: no two modules of the package define a class of the same public name."""
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "tests"):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_another_by_its_folder_name(room: str) -> None:
    """`from rewards import ...` works in the checkout by accident and makes a second copy of every class."""
    for path in (ROOT / room).rglob("*.py"):
        bare = {
            name.partition(".")[0] for name in imports(ast.parse(path.read_text("utf-8")), package_of(path))
        }
        assert bare.isdisjoint({"rewards", "envs", "experiments", "tests"}), path


def test_the_plugin_imports_nothing_heavy_and_no_world_at_import_time() -> None:
    found = []
    for path in sorted((ROOT / "robometer_rl").rglob("*.py")):
        for node in import_time_nodes(ast.parse(path.read_text("utf-8"))):
            for module in imports(node, package_of(path)):
                if module.partition(".")[0] in HEAVY or room_of(module) == "experiments":
                    found.append(f"{path.relative_to(ROOT)} imports {module}")
    assert found == []


def test_import_is_quick_and_light(tmp_path: Path) -> None:
    code = """
import json, sys, time
start = time.perf_counter()
import robometer_rl
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""
    reports = [json.loads(run_outside(code, tmp_path)) for _ in range(3)]
    assert HEAVY.isdisjoint(reports[0]["modules"])
    # The fastest of three: the claim is about the package, not about what else the machine is doing.
    assert min(report["seconds"] for report in reports) < 1.0


def test_every_package_folder_is_listed_in_setup(installed: Path) -> None:
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    expected = {package_of(folder / "__init__.py") for folder in folders}
    (call,) = (
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    listed = next(ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "packages")
    assert sorted(listed) == sorted(expected)
    assert {path.name for path in installed.iterdir() if path.suffix != ".dist-info"} == {"robometer_rl"}


def test_the_wheel_holds_every_module_and_data_file(installed: Path) -> None:
    wanted = ["robometer_rl/py.typed", "robometer_rl/datasets/label_page.html"]
    wanted += [
        f"robometer_rl/{path.relative_to(ROOT)}" for path in (ROOT / "rewards/weights/compact").iterdir()
    ]
    wanted += [str(path.relative_to(ROOT)) for path in ROOT.glob("robometer_rl/video/templates/*")]
    for pattern in (
        "envs/*.json",
        "experiments/report/templates/*",
        "experiments/adapt/templates/*",
        "experiments/sweep/studies/*.yaml",
        "experiments/agent/hyperparameters/*.yaml",
    ):
        wanted += [f"robometer_rl/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)]
    for path in SOURCES:
        if path.is_relative_to(ROOT / "tests"):
            continue
        wanted.append(f"{package_of(path).replace('.', '/')}/{path.name}")
    assert [name for name in wanted if not (installed / name).is_file()] == []
    assert {"config.json", "model.safetensors"} <= {
        path.name for path in (installed / "robometer_rl/rewards/weights/compact").iterdir()
    }


def test_an_installed_copy_brings_no_bare_rewards_or_envs(installed: Path, tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(installed)!r})
import importlib, importlib.util
for name in ("robometer_rl", "robometer_rl.rewards", "robometer_rl.envs", "robometer_rl.experiments"):
    module = importlib.import_module(name)
    assert module.__file__.startswith({str(installed)!r}), module.__file__
bare = ("rewards", "envs", "experiments", "tests")
print([name for name in bare if importlib.util.find_spec(name)])
"""
    assert run_outside(code, tmp_path) == "[]"


def test_the_tests_import_the_installed_package_only() -> None:
    """Under importlib mode the checkout is not on sys.path, so `rewards` cannot be imported twice."""
    assert str(ROOT) not in sys.path, "start the tests as `pytest`, not as `python -m pytest`"
    assert "" not in sys.path


def test_one_version() -> None:
    import robometer_rl

    assert robometer_rl.__version__ == metadata.version("robometer-rl")
    assert f"version: {robometer_rl.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_modules_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines >= MAX_MODULE} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno)
        - node.lineno
        + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    long = {name: lines for name, lines in lengths.items() if lines >= MAX_FUNCTION}
    assert len(long) <= 0.05 * len(lengths), f"{len(long)} of {len(lengths)} functions are long: {long}"
