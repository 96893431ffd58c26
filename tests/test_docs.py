"""README and documentation: what they name exists, their code runs, their tables are those of the runs."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from robometer_rl.cli import COMMANDS, main
from robometer_rl.experiments.report.analysis import analyse
from robometer_rl.experiments.report.study import read_study
from robometer_rl.experiments.report.tables import fill_benchmark, task_markdown

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
CARD = ROOT / "rewards/weights/compact/README.md"
PAGES = (README, CARD, *sorted(DOCS.rglob("*.md")))
RESULTS = ROOT / "experiments/results"
STUDIES = ("seen", "seen_bundled", "robosuite", "shaping", "ppo", "preference")
MAX_README, MAX_CARD = 150, 120  # lines
MAX_RESULTS = 10e6  # bytes


def names(pages: tuple[Path, ...]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def blocks(page: Path, language: str) -> Iterator[str]:
    """The fenced code blocks of a page that are in one language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def python_blocks() -> list[tuple[str, str]]:
    return [(str(page.relative_to(ROOT)), code) for page in PAGES for code in blocks(page, "python")]


def command_lines(text: str) -> Iterator[list[str]]:
    """Words after `robometer-rl` of every call in a text; what stands in single quotes is left out."""
    joined = re.sub(r"'[^'\n]*'", "", text.replace("\\\n", " "))
    for line in re.findall(r"(?:^|[ `\"(/])robometer-rl ([a-z][^`\"\n#&|;>]*)", joined, re.MULTILINE):
        yield line.split()


def sh_and_inline(page: Path) -> str:
    """What a page shows as something to type."""
    text = page.read_text("utf-8")
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return "\n".join([*blocks(page, "sh"), *(" ".join(found.split()) for found in inline)])


def test_the_readme_and_the_card_are_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= MAX_README
    assert len(CARD.read_text("utf-8").splitlines()) <= MAX_CARD


@pytest.mark.parametrize("page", names(PAGES))
def test_links_and_pictures_lead_to_files(page: str) -> None:
    path = ROOT / page
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    local = [target.partition("#")[0] for target in targets if not target.startswith(("http", "#"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


def test_every_page_of_the_docs_is_linked_from_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [name for name in names(PAGES) if name.startswith("docs/") and name[5:] not in menu] == []


def test_commands_in_the_docs_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands and their options: a page that names an option which is gone fails here."""
    helps: dict[str, str] = {}
    unknown = []
    for page in PAGES:
        for words in command_lines(sh_and_inline(page)):
            name, options = words[0], [word.partition("=")[0] for word in words if word.startswith("--")]
            if name not in COMMANDS:
                unknown.append(f"{page.relative_to(ROOT)}: robometer-rl {name}")
                continue
            if name not in helps:
                with pytest.raises(SystemExit):
                    main([name, "--help"])
                helps[name] = capsys.readouterr().out
            missing = [one for one in options if not re.search(rf"{one}(?![\w-])", helps[name])]
            unknown += [f"{page.relative_to(ROOT)}: robometer-rl {name} {one}" for one in missing]
    assert len(helps) >= 8
    assert unknown == []


def test_an_option_that_does_not_exist_is_found() -> None:
    text = "robometer-rl fit --no-such \\\n    --steps 3 --train='--x'\n`robometer-rl nothing`"
    assert list(command_lines(text)) == [["fit", "--no-such", "--steps", "3", "--train="], ["nothing"]]


def test_modules_that_the_docs_run_exist() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    modules = set(re.findall(r"python -m (robometer_rl[\w.]*)", text))
    assert len(modules) >= 4
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []


def test_files_that_the_docs_name_exist() -> None:
    """Paths into the checkout, unless the sentence says at which commit they were."""
    missing = []
    for page in PAGES:
        for sentence in re.split(r"(?<=[.;:])\s|\n\n|\n\d\. |\n- ", page.read_text("utf-8")):
            if "commit" in sentence or "git show" in sentence:
                continue
            for path in re.findall(r"`((?:experiments|envs|rewards|docs)/[\w/.*-]+\.\w+)`", sentence):
                if not list(ROOT.glob(path)):
                    missing.append(f"{page.relative_to(ROOT)}: {path}")
    assert missing == []


def test_the_docs_have_code_to_check() -> None:
    assert len(python_blocks()) >= 12


@pytest.mark.parametrize(("page", "code"), python_blocks())
def test_python_in_the_docs_compiles_and_its_imports_exist(page: str, code: str) -> None:
    tree = ast.parse(code, page)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("robometer_rl"):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


class YourEnv(gym.Env[np.ndarray[Any, Any], int]):
    """The environment that the README wraps: pictures, and nothing else."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action: int) -> Any:
        return np.zeros(2, np.float32), 7.0, False, False, {}

    def render(self) -> Any:
        return self.np_random.integers(0, 256, (96, 96, 3), dtype=np.uint8)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_line_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = dict(gym.registry)
    monkeypatch.setattr("gymnasium.envs.registration.registry", registry)
    monkeypatch.setattr("gymnasium.registry", registry)
    gym.register("YourEnv-v0", YourEnv)
    scope: dict[str, Any] = {}
    exec(next(blocks(README, "python")), scope)
    env = scope["env"]
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert info["env_reward"] == 7.0
    assert reward == pytest.approx(info["robometer/progress"] + info["robometer/success"])


@pytest.mark.parametrize("study", STUDIES)
def test_the_table_of_a_study_is_that_of_its_committed_runs(study: str) -> None:
    page = DOCS / "results" / f"{study}.md"
    text = page.read_text("utf-8")
    table = task_markdown(analyse(read_study(RESULTS / study), 5_000, 0))
    assert fill_benchmark(text, table, study) == text, f"robometer-rl report {study} --readme {page}"


@pytest.mark.parametrize("page", [README, DOCS / "results/index.md"])
def test_the_overview_shows_the_means_of_the_studies(page: Path) -> None:
    """Each number of the overview stands in the row of means of the page that its row links to."""
    found = 0
    for line in page.read_text("utf-8").splitlines():
        link = re.search(r"^\|.*?\]\((?:docs/results/)?(\w+)\.md\).*\[\d", line)
        if link is None:
            continue
        study = (DOCS / f"results/{link[1]}.md").read_text("utf-8")
        means = next(row for row in study.splitlines() if row.startswith("| **mean** "))
        measured = re.findall(r"\*\*(\d\.\d\d)\*\* (\[\d\.\d\d, \d\.\d\d\])", means)
        assert re.findall(r"(\d\.\d\d) (\[\d\.\d\d, \d\.\d\d\])", line) == measured, line
        found += 1
    assert found == 4


def test_the_committed_results_are_small_and_hold_no_films_or_pages() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z", str(RESULTS)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    assert {Path(name).suffix for name in files} <= {".csv", ".json", ".yaml"}
    assert sum((ROOT / name).stat().st_size for name in files) < MAX_RESULTS


def test_the_code_of_the_first_hour_records_its_demonstrations(tmp_path: Path) -> None:
    text = (DOCS / "first_hour.md").read_text("utf-8")
    files = re.findall(r"^`([\w/]+\.py)`[^`]*\n\n```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in files] == [
        "my_lab/__init__.py", "my_lab/carry.py", "my_lab/policy.py", "record.py"
    ]  # fmt: skip
    for name, code in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code, "utf-8")
    found = subprocess.run(
        [sys.executable, "record.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    recorded = [path.name.partition("-")[0] for path in (tmp_path / "demos/own/CarryPuck-v0").glob("*.h5")]
    assert sorted(recorded) == ["failure"] * 20 + ["success"] * 10
