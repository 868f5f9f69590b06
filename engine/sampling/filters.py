"""Which tokens may be drawn, and how likely each: pure functions on log-probabilities (B, V).

Every filter takes normalised log-probabilities and returns normalised ones; a token that it drops has -inf. None ever
drops all tokens, each is the identity (the very same tensor) when it is off, and where tokens tie the lower id wins.
`apply` runs them in the order in which `SampleConfig` lists its fields:

    repetition penalty -> temperature -> top-k -> top-p -> min-p -> typical-p

Rows never mix, so what one stream draws does not depend on the streams beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.config import SampleConfig

REPETITION_WINDOW = 64
"""Tokens back that the repetition penalty looks at."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of the next token of each row, (B, V): its own log-probabilities, and those that are left."""

    own: Tensor
    allowed: Tensor


def scores(logits: Tensor, never: Tensor | None) -> Scores:
    """Of logits (B, V); `never` (V,), -inf or 0, is added to the log-probabilities before filters see them."""
    own = logits.double().log_softmax(dim=-1)
    return Scores(own, own if never is None else _normalised(own + never))


def without(scored: Scores, row: int, banned: Tensor) -> Scores:
    """The same, but that in one row the tokens `banned`, (V,) of bool, must not come."""
    allowed = scored.allowed.clone()
    allowed[row] = _normalised(allowed[row].masked_fill(banned, -math.inf))
    return Scores(scored.own, allowed)


def next_tokens(
    scored: Scores, config: SampleConfig, recent: Tensor | None, uniform: Tensor
) -> tuple[Tensor, Tensor]:
    """The next token (B,) of each row, and its surprise in nats under the unfiltered model (see `apply`, `draw`)."""
    tokens = draw(apply(scored.allowed, config, recent), uniform)
    return tokens, scored.own.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).neg()


def apply(logp: Tensor, config: SampleConfig, recent: Tensor | None = None) -> Tensor:
    """The distribution that a token is drawn from: `logp` (B, V) after every filter that `config` turns on.

    `recent` (B, K) holds the ids of the last tokens, -1 where there was none; only the repetition penalty reads it.
    """
    if recent is not None:
        logp = repetition_penalty(logp, recent, config.repetition_penalty)
    logp = temperature(logp, config.temperature)
    logp = top_k(logp, config.top_k)
    logp = top_p(logp, config.top_p)
    logp = min_p(logp, config.min_p)
    return typical_p(logp, config.typical_p)


def repetition_penalty(logp: Tensor, recent: Tensor, penalty: float) -> Tensor:
    """Divide the odds of each token among `recent` (B, K; -1 is none) by `penalty`; 1 is off.

    However often a token occurred, it is penalised once. After Keskar et al. 2019 (CTRL, section 4.1), on
    log-probabilities instead of logits, so that it means the same for every model.
    """
    if penalty == 1:
        return logp
    vocab = logp.shape[-1]
    seen = torch.zeros(logp.shape[0], vocab + 1, dtype=torch.bool, device=logp.device)
    seen.scatter_(1, torch.where(recent < 0, vocab, recent), True)  # column V takes the blanks
    return _normalised(torch.where(seen[:, :vocab], logp - math.log(penalty), logp))


def temperature(logp: Tensor, value: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) the distribution: p ** (1 / value); 0 leaves only the likeliest token."""
    if value == 1:
        return logp
    if value == 0:
        best = logp.argmax(dim=-1, keepdim=True)  # the first of equals
        return torch.full_like(logp, -math.inf).scatter_(-1, best, 0.0)
    # The best token's log-odds are 0 before the division, so no temperature, however small, can overflow all of them.
    return _normalised((logp - logp.amax(dim=-1, keepdim=True)) / value)


def top_k(logp: Tensor, k: int) -> Tensor:
    """Keep the `k` likeliest tokens; 0 is off."""
    if not 0 < k < logp.shape[-1]:
        return logp
    order = _likeliest_first(logp)
    return _keep(logp, order[:, :k])


def top_p(logp: Tensor, p: float) -> Tensor:
    """Keep the likeliest tokens that together reach probability `p`; 1 is off (Holtzman et al. 2020)."""
    if p >= 1:
        return logp
    return _keep_mass(logp, _likeliest_first(logp), p)


def min_p(logp: Tensor, share: float) -> Tensor:
    """Drop tokens less likely than `share` of the likeliest one's probability; 0 is off (Nguyen et al. 2024)."""
    if share <= 0:
        return logp
    floor = logp.amax(dim=-1, keepdim=True) + math.log(share)
    return _normalised(logp.masked_fill(logp < floor, -math.inf))


def typical_p(logp: Tensor, p: float) -> Tensor:
    """Keep the tokens whose surprise is nearest the expected one, up to probability `p`; 1 is off.

    Locally typical sampling (Meister et al. 2023).
    """
    if p >= 1:
        return logp
    probability = logp.exp()
    surprise = torch.where(probability > 0, -logp, 0.0)
    entropy = (probability * surprise).sum(dim=-1, keepdim=True)  # (B, 1), nats
    distance = torch.where(probability > 0, (surprise - entropy).abs(), math.inf)
    return _keep_mass(logp, distance.argsort(dim=-1, stable=True), p)


def draw(logp: Tensor, uniform: Tensor) -> Tensor:
    """One token id (B,) a row, by inverting the distribution function at `uniform` (B,) in [0, 1).

    One number a token, always used up: with the same numbers, what changes between two models' texts is the model.
    float64, because in float32 the sum over a large vocabulary ends short of 1 and rare tokens would never come.
    """
    reached = logp.double().exp().cumsum(dim=-1)  # (B, V)
    # The largest number below 1 times the last sum is below that sum in float64 too, so a token is always found, and
    # the first one whose sum lies above the mark has a probability of its own.
    mark = uniform.unsqueeze(-1) * reached[:, -1:]
    found = torch.searchsorted(reached, mark, right=True).squeeze(-1)
    return found.clamp_(max=logp.shape[-1] - 1)  # a row of NaN, which the sampler reports


def _normalised(logp: Tensor) -> Tensor:
    return logp.log_softmax(dim=-1)


def _likeliest_first(logp: Tensor) -> Tensor:
    return logp.argsort(dim=-1, descending=True, stable=True)


def _keep(logp: Tensor, ids: Tensor) -> Tensor:
    """Only the tokens `ids` (B, K) of each row."""
    dropped = torch.ones_like(logp, dtype=torch.bool).scatter_(-1, ids, False)
    return _normalised(logp.masked_fill(dropped, -math.inf))


def _keep_mass(logp: Tensor, order: Tensor, p: float) -> Tensor:
    """Of the tokens in `order` (B, V), the first ones that together reach probability `p`: at least one, and no more
    than needed."""
    probability = logp.exp().gather(-1, order)
    before = probability.cumsum(dim=-1) - probability  # what the tokens ahead have already
    enough = before >= p  # never for the first one, which has nothing ahead
    dropped = torch.zeros_like(enough).scatter_(-1, order, enough)
    return _normalised(logp.masked_fill(dropped, -math.inf))
