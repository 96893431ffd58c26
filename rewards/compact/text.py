"""A task sentence as word ids: WordPiece from a `tokenizer.json` that ships with the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

__all__ = ["TaskTokenizer"]


class TaskTokenizer:
    """Turns sentences into padded word ids."""

    def __init__(self, path: Path, max_words: int) -> None:
        """Takes its parts.

        Args:
            path: a `tokenizer.json` of the `tokenizers` library.
            max_words: tokens that a sentence may have.
        """
        self.path = path
        self.max_words = max_words
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def __call__(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode sentences.

        Args:
            sentences: B non-empty sentences.

        Returns:
            ids int64 `(B, L)`, 0 in the padding, and a bool mask `(B, L)`, True for words.

        Raises:
            TypeError: a sentence is not a string.
            ValueError: a sentence is empty or has more than `max_words` tokens.
        """
        rows = [self._encode(sentence) for sentence in sentences]
        length = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), length, dtype=torch.long, device="cpu")
        words = torch.zeros(len(rows), length, dtype=torch.bool, device="cpu")
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, device="cpu")
            words[i, : len(row)] = True
        return ids, words

    def _encode(self, sentence: str) -> list[int]:
        if not isinstance(sentence, str):
            raise TypeError(f"a task is a sentence (str), got {type(sentence).__name__}: {sentence!r}")
        row = self._tokenizer.encode(sentence, add_special_tokens=False).ids
        if not row:
            raise ValueError(f"a task must hold at least one word, got {sentence!r}")
        if len(row) > self.max_words:
            raise ValueError(f"a task may have {self.max_words} tokens, got {len(row)}: {sentence!r}")
        return row
