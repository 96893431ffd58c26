"""What a fit that was killed must get back: weights, their average, optimiser, randomness, data."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robometer_rl.rewards.compact.checkpoint import Checkpoint, load_checkpoint
from robometer_rl.rewards.compact.configuration import CompactConfig
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.text import TaskTokenizer
from robometer_rl.rewards.training.sampling import Batch
from robometer_rl.rewards.training.step import batch_losses
from robometer_rl.rewards.training.words import distil_word_table, teacher_folder

from ..episodes import list_episodes, task_of
from .dataset import checkpoint_folder, fingerprint
from .fit_config import FitConfig
from .verdict import hold_aside

__all__ = ["TrainingRun", "warmed_average"]


def _starting_point(config: FitConfig) -> Checkpoint:
    if config.start is not None:
        return load_checkpoint(checkpoint_folder(config.start))
    sizes = CompactConfig()
    network = CompactRewardNetwork(sizes)
    network.get_buffer("word_table").copy_(distil_word_table(sizes.word_size))
    return Checkpoint(network, TaskTokenizer(teacher_folder() / "tokenizer.json", sizes.max_words))


def _optimizer(network: CompactRewardNetwork, config: FitConfig) -> torch.optim.AdamW:
    trained = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.dim() >= 2]
    plain = [p for p in trained if p.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def _freeze(network: CompactRewardNetwork, parts: Sequence[str], statistics: bool) -> None:
    """Lets parts of a network keep their weights, and their normalisation its statistics.

    Args:
        network: The network, in training mode.
        parts: Names of the parts.
        statistics: Lets all of its batch normalisation keep its statistics.

    Raises:
        ValueError: The network has no such part.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    for part in parts:
        if part not in modules:
            close = get_close_matches(part, modules, n=3) or dict(network.named_children())
            raise ValueError(f"freeze={part!r} is no part of the network: choose from {', '.join(close)}")
        modules[part].requires_grad_(False)
        modules[part].eval()
    for module in modules.values() if statistics else ():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def warmed_average(largest: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Moving average of weights whose decay rises from a tenth to `largest`.

    It averages over the last ninth of the steps so far, until that is as long as the largest decay's own
    average. With a decay that is the same from the start, 37% of what is saved after 500 steps at 0.998 are
    the weights that the run began with. The rule reads the step alone and not the number of steps to come.

    Args:
        largest: In [0, 1).

    Returns:
        What `AveragedModel` takes as `multi_avg_fn`.
    """

    @torch.no_grad()
    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], step: Tensor | int) -> None:
        decay = min(largest, (1.0 + float(step)) / (10.0 + float(step)))
        for average, weight in zip(averages, weights, strict=True):
            average.lerp_(weight, 1.0 - decay)

    return update


def _save_whole(state: Mapping[str, Any], path: Path) -> None:
    """Writes under a temporary name, then renames: a killed run leaves the old file whole."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


_WORSE = 0.1
"""By how much the last weights must be worse than the best ones for the best to be saved. The few episodes
that judge choose at random within less: on FetchPush's two successes VOC was best at step 150; on ten new
ones it was 0.80 there and 0.88 at step 350."""

_BETTER = 0.005
"""By how much an evaluation must be better for a run to go on; a few episodes tell no less."""

_FREE = {"out", "validation", "allow_unseen", "device", "threads", "save_every", "evaluate_every"}
_FREE |= {"evaluate_episodes", "false_positives"}
"""Options that a resumed run may change."""


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options side by side, `sampling.stall` for `stall` in `sampling`."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


class TrainingRun:
    """Everything that a resumed run must get back."""

    def __init__(self, config: FitConfig) -> None:
        """Begins a run: its data, its starting weights, its optimiser.

        Args:
            config: The options.

        Raises:
            ValueError: The data or the starting weights cannot be used.
        """
        torch.manual_seed(config.seed)
        self.config = config
        self.training, self.aside = list_episodes(config.data), list[Path]()
        if config.sentences is not None:
            self.training, self.aside = hold_aside(config.data, config.validation)
        self.data = fingerprint(config.data, self.training)
        self.replay = [] if config.replay is None else list_episodes(config.replay)
        if config.replay is not None:
            self.data["replay"] = fingerprint(config.replay, self.replay)["contents"]
        self.start = _starting_point(config)
        self.network, self.tokenizer = self.start.network, self.start.tokenizer
        torch.nn.Module.to(self.network, config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.train()
        _freeze(self.network, config.freeze, config.freeze_statistics)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network,
            multi_avg_fn=warmed_average(config.ema),
            use_buffers=False,
        )
        self.optimizer = _optimizer(self.network, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.errors: list[float] = []
        self.seconds = 0.0

    @property
    def tasks(self) -> set[str]:
        """Ids of the tasks of --data."""
        return {task_of(path, self.config.data) for path in [*self.training, *self.aside]}

    @property
    def recipe(self) -> str:
        """The options that decide what comes out, as JSON: a resumed run must have the same."""
        kept = {key: value for key, value in asdict(self.config).items() if key not in _FREE}
        return json.dumps(kept, default=str, sort_keys=True)

    @property
    def path(self) -> Path:
        """File of the saved state."""
        return self.config.out / "state.pt"

    @property
    def best_path(self) -> Path:
        """File of the best averaged weights so far, where a run stops by validation."""
        return self.config.out / "best.pt"

    def save(self) -> None:
        """Write the state under a temporary name, then rename: a killed run leaves the old state whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "dropout": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.config.device.startswith("cuda") else [],
            "step": self.step,
            "seconds": self.seconds,
            "errors": self.errors,
            "recipe": self.recipe,
            "data": self.data,
        }
        _save_whole(state, self.path)

    @property
    def stopped(self) -> bool:
        """Whether as many evaluations as `stop_after` have passed without a better one."""
        reference, last = math.inf, 0
        for i, found in enumerate(self.errors):
            if found < reference - _BETTER:
                reference, last = found, i
        return bool(self.errors) and len(self.errors) - 1 - last >= self.config.stop_after

    def note_error(self, error: float) -> None:
        """Keeps what validation says of the weights now, and the weights if they are the best.

        Args:
            error: Of the averaged weights, lower is better.
        """
        if error < min(self.errors, default=math.inf):
            _save_whole(self.averaged().state_dict(), self.best_path)
        self.errors.append(error)

    def resume(self) -> bool:
        """Load the saved state if there is one; says whether there was."""
        if not self.path.exists():
            return False
        state = torch.load(self.path, map_location=self.config.device, weights_only=True)
        changed = self._changed_since(state)
        if changed:
            raise ValueError(
                f"{self.path} is of another run ({'; '.join(changed)}): "
                "give the old options to go on with it, or another --out"
            )
        self.network.load_state_dict(state["network"], strict=True)
        self.average.load_state_dict(state["average"], strict=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        torch.set_rng_state(state["dropout"].cpu())
        if state["cuda"]:
            torch.cuda.set_rng_state_all([rng.cpu() for rng in state["cuda"]])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.errors = list(state.get("errors", []))
        return True

    def _changed_since(self, state: dict[str, Any]) -> list[str]:
        """What of options and data is not as it was; options that the state does not know are passed over."""
        if "recipe" not in state:
            raise ValueError(
                f"{self.path} does not say which options it was made with (an older version saved it): "
                "give another --out"
            )
        then, now = _flat(json.loads(state["recipe"])), _flat(json.loads(self.recipe))
        changed = [
            f"{name} was {then[name]!r}, now {value!r}"
            for name, value in now.items()
            if name in then and then[name] != value
        ]
        data = {**self.data, **state.get("data", {})}
        if data["episodes"] != self.data["episodes"]:
            changed.append(f"the data had {data['episodes']} episodes, now {self.data['episodes']}")
        elif data["names"] != self.data["names"]:
            changed.append("the data has episodes of other names")
        elif data["contents"] != self.data["contents"]:
            changed.append("the data has episodes of these names with other contents")
        elif data.get("replay") != self.data.get("replay"):
            changed.append("the episodes of --replay are others")
        return changed

    def losses_of_average(self, batch: Batch, precision: torch.dtype) -> dict[str, float]:
        """The losses on a batch of the weights that would be saved now, without dropout.

        Args:
            batch: What to read, in views drawn for this step.
            precision: Of the large products.

        Returns:
            Value per term.
        """
        average = self.average.module
        assert isinstance(average, CompactRewardNetwork)
        average.eval()
        for kept, now in zip(average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)
        views = torch.Generator().manual_seed(self.step)  # the run's own generator must not notice
        with torch.no_grad():
            losses = batch_losses(
                average,
                self.tokenizer,
                batch,
                self.config.augment,
                self.config.noise,
                views,
                precision,
            )
        return {name: value.item() for name, value in losses._asdict().items()}

    def averaged(self) -> CompactRewardNetwork:
        """A copy of the network with averaged weights and the current normalisation statistics."""
        copy = CompactRewardNetwork(self.network.config)
        state = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        state.update({name: tensor.cpu() for name, tensor in self.average.module.named_parameters()})
        copy.load_state_dict(state, strict=True)
        return copy.eval()

    @property
    def got_worse(self) -> bool:
        """Whether the last weights are so much worse than the best ones that these are saved."""
        return bool(self.errors) and self.errors[-1] > min(self.errors) + _WORSE

    @property
    def why_stopped(self) -> str:
        """Why a run that has stopped did, and which weights it saves."""
        best, count = self.errors.index(min(self.errors)) + 1, len(self.errors)
        kept = f"those of evaluation {best} of {count}" if self.got_worse else "the last ones"
        return (
            f"stopped: none of the last {self.config.stop_after} evaluations was better by {_BETTER}; "
            f"the weights that are kept are {kept}"
        )

    def to_save(self) -> CompactRewardNetwork:
        """What the run ends with: the last average, or the best one where it got worse since."""
        network = self.averaged()
        if self.got_worse:
            network.load_state_dict(torch.load(self.best_path, weights_only=True), strict=True)
        return network
