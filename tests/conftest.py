"""What every test may use: the fakes (fixture or module `robometer_test_fakes`), episodes, a tiny model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from robometer_rl.envs.tasks import load_tasks
from robometer_rl.rewards.compact.checkpoint import Checkpoint
from robometer_rl.rewards.compact.configuration import CompactConfig
from robometer_rl.rewards.compact.modeling import CompactRewardNetwork
from robometer_rl.rewards.compact.runtime import CompactReward
from robometer_rl.rewards.compact.text import TaskTokenizer


def _load(name: str, file: str) -> ModuleType:
    # Registered by hand: with the checkout on sys.path, a bare `import rewards` would find a room under a
    # second name.
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_FAKES = _load("robometer_test_fakes", "fakes.py")
_load("robometer_test_envs", "foreign_envs.py")
_load("robometer_test_episodes", "episodes.py")
_load("robometer_test_runs", "runs.py")
_load("robometer_test_browser", "browser.py")
_load("robometer_test_demos", "demos.py")


@pytest.fixture
def fakes() -> ModuleType:
    """The module `tests/fakes.py`: FakeEnv, FakeRewardModel, and the names MODEL, WORLD, SENTENCE."""
    return _FAKES


def _vocabulary() -> list[str]:
    """The words of the task table, so that a tiny model reads every sentence of it."""
    words: set[str] = set()
    for task in load_tasks().values():
        for sentence in (
            task.sentence,
            *task.paraphrases,
            *task.heldout_paraphrases,
            *task.inverse_sentences,
        ):
            words.update(word for word, _ in Whitespace().pre_tokenize_str(sentence))
    return [*BASIC, *sorted(words - set(BASIC))]


BASIC = ["[UNK]", "open", "close", "the", "door", "drawer", "push", "red", "cube"]
WORDS = _vocabulary()


@pytest.fixture(scope="session")
def tiny_config() -> CompactConfig:
    """Sizes at which a step takes a millisecond."""
    return CompactConfig(
        image_size=32, encoder_widths=(8, 8, 8), hidden_size=24, num_layers=2, num_heads=3, window=4,
        vocab_size=len(WORDS), word_size=8, max_words=6,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, tiny_config: CompactConfig) -> TaskTokenizer:
    """A word-level tokenizer over the words of the task table."""
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    path = Path(tmp_path_factory.mktemp("tokenizer")) / "tokenizer.json"
    words.save(str(path))
    return TaskTokenizer(path, tiny_config.max_words)


@pytest.fixture
def network(tiny_config: CompactConfig) -> CompactRewardNetwork:
    """Random weights, the same in each test, with normalisation statistics that are not the identity."""
    torch.manual_seed(0)
    network = CompactRewardNetwork(tiny_config)
    basic = torch.randn(len(BASIC), tiny_config.word_size)
    others = torch.Generator().manual_seed(
        1
    )  # so that new words in the table of tasks change no other number
    rest = torch.randn(len(WORDS) - len(BASIC), tiny_config.word_size, generator=others)
    network.get_buffer("word_table").copy_(torch.cat([basic, rest]))
    with torch.no_grad():
        network.train()
        for _ in range(3):
            network.frame_tokens(torch.rand(16, 3, 32, 32))
    return network.eval()


@pytest.fixture
def checkpoint(network: CompactRewardNetwork, tokenizer: TaskTokenizer) -> Checkpoint:
    """The tiny network as a checkpoint."""
    return Checkpoint(network, tokenizer, 0.7, ("metaworld/door-open-v3",), {"seed": 0})


@pytest.fixture
def model(checkpoint: Checkpoint) -> CompactReward:
    """The tiny network as a reward model."""
    return CompactReward(checkpoint)
