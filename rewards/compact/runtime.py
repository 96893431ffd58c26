"""The compact network behind the `RewardModel` protocol: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..forking import check_threads
from ..protocol import Scores, TaskThreshold
from ..thresholds import canonical_sentence
from .bins import decode_progress
from .card import thresholds_by_sentence
from .checkpoint import Checkpoint
from .defaults import fresh_defaults, running
from .inference import InferenceEncoder
from .modeling import CompactRewardNetwork, VideoLogits
from .options import check_options
from .streaming import StreamReader

__all__ = ["CompactReward", "CompactStream", "preprocess"]


def preprocess(frames: NDArray[np.uint8], size: int, device: torch.device) -> Tensor:
    """Frames as the encoder reads them: resized with antialiasing to a square, scaled to [0, 1].

    Args:
        frames: uint8 `(B, H, W, 3)` RGB.
        size: side of the square in pixels.
        device: where the result lives.

    Returns:
        float32 `(B, 3, size, size)` in [0, 1], channels last in memory.

    Raises:
        ValueError: another shape or dtype.
    """
    _check(frames)
    images = _tensor(frames).to(device).permute(0, 3, 1, 2).float() / 255.0
    if images.shape[-2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return images


def _check(frames: NDArray[np.uint8]) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"frames must be uint8 (T, H, W, 3), got {frames.dtype} {frames.shape}")
    if 0 in frames.shape:
        raise ValueError(f"frames must hold at least one frame and pixel, got shape {frames.shape}")


def _tensor(frames: NDArray[np.uint8]) -> Tensor:
    """Frames as a tensor; read-only ones, such as those of `np.asarray(a PIL image)`, are copied."""
    return torch.from_numpy(np.require(frames, requirements=("C", "W")))


def _pixels(frames: NDArray[np.uint8], size: int) -> Tensor:
    """Frames as the encoder in use reads them: resized as `preprocess` does, but to bytes, on the CPU.

    The frames that the network was fitted to had been resized to bytes too. From 480 x 640 pixels it is eight
    times as fast as in float32, and differs by at most one level.
    """
    _check(frames)
    check_threads()
    images = _tensor(frames)
    if frames.shape[1:3] == (size, size):
        return images
    images = F.interpolate(
        images.permute(0, 3, 1, 2), (size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return images.permute(0, 2, 3, 1)


class CompactReward:
    """Scores videos with a compact checkpoint."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        precision: str = "float32",
        threads: int | None = None,
    ) -> None:
        """Takes its parts.

        Args:
            checkpoint: network, tokenizer and calibrated threshold. The weights are copied for encoding and
                streaming: a network that changes later needs a new `CompactReward`.
            device: "cpu", "cuda", "cuda:<number>" or "mps".
            precision: what the encoder's convolutions calculate in, "float32" or "bfloat16"; all else is
                float32. bfloat16 needs a processor with such instructions (AVX512-BF16, AMX) to be faster.
            threads: threads of torch while this model runs; the rest of the process keeps its own number.
                None runs with that one too.

        Raises:
            ValueError: an option has another value, this machine lacks the device, or a sentence has the
                thresholds of two tasks.
        """
        options = check_options(device, precision, threads)
        self.device, self._threads = options.device, options.threads
        self.network: CompactRewardNetwork = checkpoint.network.eval()
        size = self.network.config.image_size
        with fresh_defaults():
            nn.Module.to(self.network, self.device)
            self._encoder = InferenceEncoder(self.network.encoder, size, options.dtype, self.device)
            self._reader = StreamReader(self.network, self._encoder)
        self.tokenizer = checkpoint.tokenizer
        self.success_threshold = checkpoint.success_threshold
        self.trained_worlds = checkpoint.trained_worlds
        self._thresholds = thresholds_by_sentence(checkpoint.success_thresholds)

    def _task(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        check_threads()
        ids, words = self.tokenizer(sentences)
        return self.network.task_tokens(self.network.word_vectors(ids.to(self.device))), words.to(self.device)

    def _running(self) -> AbstractContextManager[None]:
        return running(self.device, self._threads)

    def encode(self, frames: NDArray[np.uint8]) -> Tensor:
        """Frame tokens, float `(T, C)`, of frames uint8 `(T, H, W, 3)`."""
        with self._running():
            return self._encoder(_pixels(frames, self.network.config.image_size))

    def resize_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames at the size that the encoder reads, see `FrameResizer.resize_frames`."""
        with self._running():
            return np.ascontiguousarray(_pixels(frames, self.network.config.image_size).numpy())

    def score(self, frames: NDArray[np.uint8], task: str) -> Scores:
        """Score every frame of one video, see `RewardModel.score`."""
        return self.score_tokens(self.encode(frames), [task])[0]

    def score_tokens(self, tokens: Tensor, tasks: Sequence[str]) -> list[Scores]:
        """Score encoded frames `(T, C)` under several sentences: one `Scores` of `(T,)` per sentence."""
        with self._running():
            task, words = self._task(tasks)
            scores = _to_scores(self.network.read_videos(task, words, tokens.expand(len(tasks), -1, -1)))
        return [Scores(p, s) for p, s in zip(scores.progress, scores.success, strict=True)]

    def prefer(self, frames_a: NDArray[np.uint8], frames_b: NDArray[np.uint8], task: str) -> float:
        """Probability that video a shows the task done better, see `RewardModel.prefer`."""
        return self.prefer_tokens(self.encode(frames_a), self.encode(frames_b), task)

    def prefer_tokens(self, a: Tensor, b: Tensor, task: str) -> float:
        """`prefer` on encoded frames `(T, C)`; asks both orders, so prefer(a, b) + prefer(b, a) = 1."""
        with self._running():
            words_row, words = self._task([task])
            _, _, a_first = self.network.read_pairs(words_row, words, a[None], b[None])
            _, _, b_first = self.network.read_pairs(words_row, words, b[None], a[None])
            return float(torch.sigmoid((a_first - b_first) / 2))

    def unread_words(self, task: str) -> tuple[str, ...]:
        """The words of a sentence that the model cannot read, see `TaskReader.unread_words`."""
        return self.tokenizer.unread_words(task)

    def task_threshold(self, task: str) -> TaskThreshold | None:
        """The success threshold that was calibrated for a task, see `ThresholdsPerTask.task_threshold`."""
        return self._thresholds.get(canonical_sentence(task))

    def stream(self, n: int) -> CompactStream:
        """Open n running episodes, see `RewardModel.stream`."""
        return CompactStream(self, n)


class CompactStream:
    """n running episodes over one key-value cache of constant size."""

    def __init__(self, model: CompactReward, n: int) -> None:
        """Takes its parts.

        Args:
            model: the model that scores.
            n: number of episodes, at least 1.
        """
        if n < 1:
            raise ValueError(f"a stream needs at least one episode, got n={n}")
        self.n = n
        self._model = model
        self._cache = model._reader.new_cache(n, model.device)
        size = model.network.config.hidden_size
        self._modulation = torch.zeros(2, n, size, dtype=torch.float32, device=model.device)
        self._started = np.zeros(n, dtype=bool)

    def _rows(self, mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        if mask is None:
            return np.arange(self.n)
        mask = np.asarray(mask)
        if mask.shape != (self.n,) or mask.dtype != np.bool_:
            raise ValueError(f"mask must be bool ({self.n},), got {mask.dtype} {mask.shape}")
        return np.flatnonzero(mask)

    def reset(self, tasks: Sequence[str], mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the masked episodes and set their tasks, see `RewardStream.reset`."""
        if len(tasks) != self.n:
            raise ValueError(f"expected {self.n} tasks, one per episode, got {len(tasks)}")
        rows = self._rows(mask)
        if not len(rows):
            return
        with self._model._running():
            task, words = self._model._task([tasks[i] for i in rows])
            index = torch.from_numpy(rows).to(self._model.device)
            self._modulation[:, index] = self._model.network.task_modulation(task, words).transpose(0, 1)
            self._model._reader.start(self._cache, rows, task, words)
        self._started[rows] = True

    def push(self, frames: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Scores:
        """Add one frame to each masked episode and score it, see `RewardStream.push`."""
        if len(frames) != self.n:
            raise ValueError(f"expected {self.n} frames, one per episode, got {len(frames)}")
        rows = self._rows(mask)
        if not self._started[rows].all():
            raise RuntimeError("push before reset: every episode needs a task first")
        if len(rows) == self.n:
            return Scores(*self._advance(frames, rows))
        scores = np.full((2, self.n), np.nan, dtype=np.float32)
        if len(rows):
            scores[:, rows] = self._advance(frames[rows], rows)
        return Scores(*scores)

    def _advance(self, frames: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Add a frame to each of m episodes `rows`; progress and success `(2, m)`."""
        with self._model._running():
            scale, offset = self._modulation if len(rows) == self.n else self._modulation[:, rows]
            is_first = self._cache.counts[rows] == 0
            if is_first.any():
                offset = offset.clone()
                offset[is_first] += self._model.network.first_frame
            pixels = _pixels(frames, self._model.network.config.image_size)
            return self._model._reader.push(self._cache, rows, pixels, scale, offset).cpu().numpy()


def _to_scores(logits: VideoLogits) -> Scores:
    progress = decode_progress(logits.progress).clamp(0, 1)
    return Scores(progress.float().cpu().numpy(), logits.success.sigmoid().float().cpu().numpy())
