"""Other people's recipes, re-implemented from their published settings: small, faithful, and trained as they say.

Each module has one or more `Opponent`s (see `base`); none shares code with the engine.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.opponents.base import Opponent
from benchmarks.opponents.char_rnn import CharRNN, TorchRNN
from benchmarks.opponents.min_rnn import MinGRU, MinGRUSmall, MinLSTM
from benchmarks.opponents.nanogpt import NanoGPTCPU, NanoGPTGPU
from benchmarks.opponents.word_language_model import WordLanguageModel

OPPONENTS: Mapping[str, type[Opponent]] = {
    cls.name: cls
    for cls in (
        CharRNN,
        TorchRNN,
        WordLanguageModel,
        NanoGPTCPU,
        NanoGPTGPU,
        MinGRU,
        MinLSTM,
        MinGRUSmall,
    )
}
"""By the name that `--only` takes."""
