"""What a number depends on is named."""

from __future__ import annotations

from pathlib import Path

from robometer_rl.experiments.common.provenance import processor, versions


def test_the_processor_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor : 0\nmodel name\t: Abacus 3000\nmodel name\t: Abacus 3000\n")
    assert processor(path) == "Abacus 3000"
    assert processor(tmp_path / "none")


def test_versions_of_what_is_there_and_what_is_not() -> None:
    found = versions(["numpy", "nothing-of-this-name"])
    assert found["numpy"][0].isdigit()
    assert found["nothing-of-this-name"] == "not installed"
