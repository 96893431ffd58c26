"""A task sentence as word ids: WordPiece from a `tokenizer.json` that ships with the checkpoint."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from ..protocol import UnreadTaskWarning

__all__ = ["TaskTokenizer"]

# No sentence of the task table has an unknown word; in none is more than half of the words in pieces. Of the
# German, French and Spanish sentences that were tried, two words in three are.
_MOST_UNKNOWN = 0.25
_MOST_UNREAD = 0.5
_HINT = "say what the robot should do in plain English, such as 'open the drawer'"
_warned: set[tuple[Path, str]] = set()


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
        unknown = json.loads(self._tokenizer.to_str())["model"].get("unk_token")
        self._unknown: int | None = None if unknown is None else self._tokenizer.token_to_id(unknown)

    def __call__(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Encode sentences.

        Args:
            sentences: B non-empty sentences.

        Returns:
            ids int64 `(B, L)`, 0 in the padding, and a bool mask `(B, L)`, True for words.

        Raises:
            TypeError: a sentence is not a string.
            ValueError: a sentence holds no word, no word that is in the vocabulary, or more than `max_words`
                tokens.

        Warns:
            UnreadTaskWarning: more than a quarter of a sentence's words are unknown, or more than half of
                them unknown or only known in pieces; once for each sentence.
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
        encoding = self._tokenizer.encode(sentence, add_special_tokens=False)
        if not any(character.isalnum() for character in sentence) and self._unknown not in encoding.ids:
            raise ValueError(f"a task must hold at least one word, got {sentence!r}")
        if len(encoding.ids) > self.max_words:
            raise ValueError(
                f"a task may have {self.max_words} tokens, got {len(encoding.ids)}: {sentence!r}"
            )
        self._check_words(sentence, encoding)
        return encoding.ids

    def _check_words(self, sentence: str, encoding: Encoding) -> None:
        """Refuses a sentence without a known word, and warns of one with few."""
        unknown, pieces, count = self._unread(sentence, encoding)
        named = ", ".join(map(repr, dict.fromkeys(word for _, word in sorted([*unknown, *pieces]))))
        if len(unknown) == count:
            raise ValueError(
                f"the reward model knows no word of the task {sentence!r} (unknown: {named}): it reads "
                f"English; {_HINT}"
            )
        is_unread = len(unknown) > _MOST_UNKNOWN * count or len(unknown) + len(pieces) > _MOST_UNREAD * count
        if is_unread and (self.path, sentence) not in _warned:
            _warned.add((self.path, sentence))
            warnings.warn(
                f"the reward model does not know {len(unknown) + len(pieces)} of the {count} words of the "
                f"task {sentence!r}: {named}. It reads English, so its scores may not be about this task; "
                f"{_HINT}",
                UnreadTaskWarning,
                stacklevel=2,
            )

    def unread_words(self, sentence: str) -> tuple[str, ...]:
        """The words of a sentence that are unknown, or only known in pieces.

        Args:
            sentence: Any text.

        Returns:
            Them, in their order.
        """
        unknown, pieces, _ = self._unread(
            sentence, self._tokenizer.encode(sentence, add_special_tokens=False)
        )
        return tuple(word for _, word in sorted([*unknown, *pieces]))

    def _unread(
        self, sentence: str, encoding: Encoding
    ) -> tuple[list[tuple[int, str]], list[tuple[int, str]], int]:
        """The unknown words and those in pieces, each with its place, and how many words there are."""
        tokens: dict[int, list[int]] = {}  # of each word, where they stand
        for position, word in enumerate(encoding.word_ids):
            if word is not None:
                tokens.setdefault(word, []).append(position)
        texts = {word: self._text(sentence, encoding, places) for word, places in tokens.items()}
        unknown = [word for word, places in tokens.items() if self._is_unknown(encoding, places)]
        pieces = [word for word, places in tokens.items() if len(places) > 1 and word not in unknown]
        count = sum(word in unknown or any(map(str.isalnum, text)) for word, text in texts.items())
        return [(word, texts[word]) for word in unknown], [(word, texts[word]) for word in pieces], count

    def _is_unknown(self, encoding: Encoding, places: Sequence[int]) -> bool:
        return any(encoding.ids[place] == self._unknown for place in places)

    def _text(self, sentence: str, encoding: Encoding, places: Sequence[int]) -> str:
        """A word as it stands in the sentence."""
        offsets = [encoding.offsets[place] for place in places]
        return sentence[min(start for start, _ in offsets) : max(end for _, end in offsets)]

    def refuse_alike(self, tasks: Mapping[str, Sequence[str]]) -> None:
        """Refuses two tasks with sentences that the model cannot tell apart.

        Args:
            tasks: Sentences by task id.

        Raises:
            ValueError: Two tasks have a sentence of the same tokens, or one that `__call__` refuses.
        """
        seen: dict[tuple[int, ...], tuple[str, str]] = {}
        for task, sentences in tasks.items():
            for sentence in sentences:
                other, earlier = seen.setdefault(tuple(self._encode(sentence)), (task, sentence))
                if other != task:
                    raise ValueError(
                        f"two tasks read alike: {other!r} has the sentence {earlier!r} and {task!r} has "
                        f"{sentence!r}, which are the same tokens, so that no model could tell the tasks "
                        "apart; say them in other words"
                    )
