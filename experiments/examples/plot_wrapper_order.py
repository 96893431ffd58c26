"""Draws which wrapper stands where, and what the wrong orders do: `docs/images/wrapper_order.png`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

__all__ = ["STACKS", "Stack", "WrapperOrderPlotConfig", "draw", "main"]

_COLOURS = {"right": "#15803d", "slow": "#9a6b00", "refused": "#b91c1c"}
_OURS = ("RobometerReward", "VecRobometerReward", "RobometerVectorReward", "ShareFrames")


@dataclass(frozen=True)
class Stack:
    """One order of wrappers."""

    layers: tuple[str, ...]
    """Names from outside in."""
    verdict: str
    """`right`, `slow` or `refused`."""
    reason: str
    """What becomes of it, in a few words."""


STACKS = (
    Stack(
        ("VecNormalize", "VecRobometerReward", "SubprocVecEnv", "n x ShareFrames", "Monitor", "env"),
        "right",
        "SB3: one model, one forward for all;\nMonitor logs the environment's return",
    ),
    Stack(
        ("RobometerVectorReward", "AsyncVectorEnv", "n x ShareFrames", "TimeLimit", "env"),
        "right",
        "Gymnasium: the same, in every autoreset mode;\nShareFrames sees the truncation of TimeLimit",
    ),
    Stack(
        ("VecRobometerReward", "VecNormalize", "SubprocVecEnv", "n x ShareFrames", "env"),
        "refused",
        "refused when made: SAC would store\nthe environment's reward, not the learned one",
    ),
    Stack(
        ("RobometerVectorReward", "AsyncVectorEnv", "n x TimeLimit", "ShareFrames", "env"),
        "refused",
        "refused at the first truncation:\nthe episode's last frame would be lost",
    ),
    Stack(
        ("VecNormalize", "SubprocVecEnv", "n x RobometerReward", "env"),
        "slow",
        "works, but n models in n processes\nand no batch: n times the memory",
    ),
    Stack(
        ("VecNormalize", "VecRobometerReward  mode='off'", "DummyVecEnv", "Monitor", "env"),
        "right",
        "evaluation beside the first: the same depth,\nfor EvalCallback, and nothing touched",
    ),
)


@dataclass(frozen=True)
class WrapperOrderPlotConfig:
    """Where to draw."""

    out: Path = Path("docs/images/wrapper_order.png")
    """The picture."""


def draw(out: Path) -> None:
    """Draws the stacks as boxes in boxes.

    Args:
        out: The PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8.6), dpi=110)
    for axes, stack in zip(figure.subplots(2, 3).flat, STACKS, strict=True):
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 10)
        axes.axis("off")
        _boxes(axes, stack)
        mark = {"right": "right", "slow": "slow", "refused": "wrong"}[stack.verdict]
        axes.set_title(mark, color=_COLOURS[stack.verdict], fontsize=13, fontweight="bold", loc="left", pad=4)
        axes.text(0.1, -0.35, stack.reason, fontsize=9.5, va="top", color="#222222")
    figure.subplots_adjust(left=0.03, right=0.98, top=0.95, bottom=0.09, wspace=0.08, hspace=0.34)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def _boxes(axes: Any, stack: Stack) -> None:
    from matplotlib.patches import FancyBboxPatch

    step = 9.4 / len(stack.layers)
    for depth, name in enumerate(stack.layers):
        inset = 0.3 * depth
        left, width = 0.1 + inset, 9.8 - 2 * inset
        bottom, height = 0.2 + 0.28 * depth, 9.6 - 0.28 * depth - (step - 0.28) * depth
        ours = name.removeprefix("n x ").split()[0] in _OURS
        shape = FancyBboxPatch(
            (left, bottom), width, max(height, 0.9), boxstyle="round,pad=0,rounding_size=0.25",
            facecolor="#e8f0fe" if ours else "#f6f6f4", edgecolor="#2563eb" if ours else "#8a8a85",
            linewidth=1.8 if ours else 1.0,
        )  # fmt: skip
        axes.add_patch(shape)
        axes.text(
            left + 0.25, bottom + max(height, 0.9) - 0.2, name, fontsize=10.5, va="top", ha="left",
            fontfamily="monospace", color="#1e40af" if ours else "#333333",
        )  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Draw the picture."""
    config = tyro.cli(WrapperOrderPlotConfig, args=argv, description=main.__doc__)
    draw(config.out)
    print(f"wrote {config.out}")


if __name__ == "__main__":
    main()
