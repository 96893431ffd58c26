"""Sizes of the compact reward model."""

from __future__ import annotations

from typing import Any

from transformers import PretrainedConfig

__all__ = ["CompactConfig"]


class CompactConfig(PretrainedConfig):
    """Configuration of `CompactRewardNetwork`."""

    model_type = "robometer_compact"

    def __init__(
        self,
        image_size: int = 96,
        encoder_widths: tuple[int, int, int] = (32, 64, 128),
        hidden_size: int = 192,
        num_layers: int = 4,
        num_heads: int = 6,
        window: int = 16,
        num_bins: int = 10,
        vocab_size: int = 30522,
        word_size: int = 128,
        max_words: int = 32,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        """Stores the options.

        Args:
            image_size: side in pixels of the square frame the encoder reads.
            encoder_widths: channels of the three stages of the vision encoder (strides 4, 8, 16).
            hidden_size: width of the decoder.
            num_layers: decoder blocks.
            num_heads: attention heads; divides `hidden_size`.
            window: how many frames back a frame sees, itself included, beside the first frame.
            num_bins: bins of the progress head (Robometer: 10).
            vocab_size: rows of the word table.
            word_size: columns of the word table.
            max_words: tokens of a task sentence that are read; a longer sentence is refused.
            dropout: dropout rate inside the decoder and the heads.
            **kwargs: of `PretrainedConfig`.
        """
        if hidden_size % num_heads:
            raise ValueError(f"num_heads must divide hidden_size, got {num_heads} and {hidden_size}")
        if image_size % 16:
            raise ValueError(f"image_size must be a multiple of 16, got {image_size}")
        if window < 1 or num_bins < 2:
            raise ValueError(f"window must be >= 1 and num_bins >= 2, got {window} and {num_bins}")
        self.image_size = image_size
        self.encoder_widths = tuple(encoder_widths)
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.window = window
        self.num_bins = num_bins
        self.vocab_size = vocab_size
        self.word_size = word_size
        self.max_words = max_words
        self.dropout = dropout
        super().__init__(**kwargs)
