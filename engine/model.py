"""The network: an embedding, a stack of recurrent layers, and a score for every token of the vocabulary.

    tokens -> embedding or one-hot -> [dropout ->] cell (+ its input) (-> norm) -> ... -> dropout -> output -> logits
           -> grams, if any     /

Dropout is vertical (Zaremba et al. 2014, arXiv 1409.2329): it acts on what goes up from layer to layer and to the
output, drawn anew for every unit, lane and time step, and never on what a layer carries through time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from checkpoints.errors import CheckpointError
from engine import cells, windows
from engine.carried import State
from engine.cells.base import Cell
from engine.config import MAX_HIDDEN, ModelConfig
from engine.grams import Grams
from engine.inputs import Inputs
from engine.randomness import kept


class Model(nn.Module):
    """A language model over `vocab_size` tokens.

    `rng`, a CPU generator, draws the weights: one seed gives the same weights whatever the device. Without it the
    model has shapes but no memory (torch's meta device), for `from_weights` and `weight_shapes`.
    """

    def __init__(self, config: ModelConfig, vocab_size: int, *, rng: Generator | None) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        e, h = config.embedding_size, config.hidden_size
        cell = cells.find(config.cell)
        # Built on the meta device, so that torch's own initialisation costs nothing and no global generator moves.
        with torch.device("meta"):
            # Not nn.Embedding(V, E): its draw on the meta device imports torch's compiler, which costs a second.
            self.embedding = (
                nn.Embedding.from_pretrained(torch.empty(vocab_size, e), freeze=False)  # type: ignore[no-untyped-call]
                if e
                else None
            )
            self.grams = Grams(config, vocab_size) if config.grams > 1 else None
            first = (e or vocab_size) + (config.gram_size if self.grams is not None else 0)
            self.cells = nn.ModuleList(
                cell(first if i == 0 else h, h) for i in range(config.num_layers)
            )
            self.norms = nn.ModuleList(
                nn.LayerNorm(h) for _ in range(config.num_layers if config.layer_norm else 0)
            )
            # With tied embeddings, logits are products with the tokens' own vectors, which are E wide.
            self.narrow = nn.Linear(h, e, bias=False) if config.tied and e != h else nn.Identity()
            self.output_weight = None if config.tied else nn.Parameter(torch.empty(vocab_size, h))
            self.output_bias = nn.Parameter(torch.empty(vocab_size))
        if rng is not None:
            self._allocate()
            self._initialise(rng)

    @classmethod
    def from_weights(
        cls, config: ModelConfig, vocab_size: int, weights: Mapping[str, Tensor]
    ) -> Model:
        """The model with these weights, on the CPU. Raises CheckpointError where they do not fit the configuration."""
        model = cls(config, vocab_size, rng=None)
        check_weights(config, vocab_size, {name: tuple(w.shape) for name, w in weights.items()})
        model._allocate()
        model.load_weights(weights)
        return model

    def _allocate(self) -> None:
        """Give the weights memory, with nothing in it yet."""
        # Not to_empty: empty_like of a meta tensor imports torch's symbolic shapes, and with them sympy: half a second.
        self._apply(lambda t: torch.empty(t.shape, dtype=t.dtype))  # type: ignore[no-untyped-call]

    @property
    def device(self) -> torch.device:
        return self.output_bias.device

    @property
    def parameter_count(self) -> int:
        """Number of trained weights; `engine.sizes.parameters` computes it without building anything."""
        return sum(p.numel() for p in self.parameters())

    @property
    def layers(self) -> list[Cell]:
        """The recurrent layers, lowest first."""
        return [cell for cell in self.cells if isinstance(cell, Cell)]

    def initial_state(self, lanes: int) -> State:
        """What the network knows before it read anything: zeros, for each layer a tuple of (B, H).

        With grams, the last tokens follow: a tuple of (B, grams - 1).
        """
        like = self.output_bias
        layers = tuple(
            cell.initial_state(lanes, device=like.device, dtype=like.dtype) for cell in self.layers
        )
        return layers if self.grams is None else (*layers, (self.grams.before(lanes),))

    def forward(
        self, tokens: Tensor, state: State, rng: Generator | None = None
    ) -> tuple[Tensor, State]:
        """Logits (T, B, V) for what follows each of `tokens` (T, B), and the state after the last.

        Dropout is applied if, and only if, `rng` is given; it draws the masks.
        """
        inputs, last = self._read(tokens, state, rng)
        lowest, *higher = self.layers
        looked_up = windows.look_up(lowest.name, lowest.hidden_size, inputs)
        out, layer_state = lowest(inputs if looked_up else inputs.dense(), state[0])  # (T, B, H)
        x, after = self._normed(0, out), [layer_state]
        for i, cell in enumerate(higher, 1):
            out, layer_state = cell(self._drop(x, rng), state[i])
            x = self._normed(i, out + x if self.config.residual else out)
            after.append(layer_state)
        return self._logits(self._drop(x, rng)), (*after, *last)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, V) for what follows `tokens` (B,), and the next state, by the cells' plain equations.

        Agrees with `forward` on one time step to rounding. On the CPU it is also the faster way to go on by a single
        token: oneDNN lays the weights of a fused kernel out anew at every call.
        """
        inputs, last = self._read(tokens.unsqueeze(0), state, None)
        x = inputs.dense().squeeze(0)  # (1, B, E) -> (B, E)
        after = []
        for i, cell in enumerate(self.layers):
            out, layer_state = cell.step(x, state[i])  # (B, H)
            x = self._normed(i, out + x if self.config.residual and i > 0 else out)
            after.append(layer_state)
        return self._logits(x), (*after, *last)

    def _read(self, tokens: Tensor, state: State, rng: Generator | None) -> tuple[Inputs, State]:
        """What the lowest layer is given of `tokens` (T, B), and what a state has beside the layers'."""
        vectors = None if self.embedding is None else self.embedding.weight
        if self.grams is None:
            nothing = self.output_bias.new_empty(*tokens.shape, 0)
            return Inputs(tokens, self.vocab_size, vectors, nothing), ()
        beside, last = self.grams(tokens, *state[-1], rng)
        return Inputs(tokens, self.vocab_size, vectors, beside), ((last,),)

    def _normed(self, i: int, out: Tensor) -> Tensor:
        return self.norms[i](out) if self.config.layer_norm else out

    def _logits(self, x: Tensor) -> Tensor:
        weight: Tensor | None = self.output_weight
        if weight is None:
            assert self.embedding is not None  # ModelConfig sees to it
            weight = self.embedding.weight
        return F.linear(self.narrow(x), weight, self.output_bias)

    def _drop(self, x: Tensor, rng: Generator | None) -> Tensor:
        share = self.config.dropout
        if rng is None or share == 0:
            return x
        return x * kept(x.shape, share, rng, device=x.device, dtype=x.dtype)

    @torch.no_grad()
    def _initialise(self, rng: Generator) -> None:
        for cell in self.layers:
            cell.initialise(rng)
        for norm in self.norms:
            assert isinstance(norm, nn.LayerNorm)
            norm.reset_parameters()
        if self.grams is not None:
            self.grams.initialise()
        if self.config.init != "orthogonal":
            self._initialise_as_peers(rng)
            return
        e, h = self.config.embedding_size, self.config.hidden_size

        def draw(shape: torch.Size) -> Tensor:
            return torch.randn(shape, generator=rng)

        if self.embedding is not None:
            # Tied vectors also score the tokens: at unit length each, first logits stay small.
            scale = 1 / math.sqrt(e) if self.config.tied else 1.0
            self.embedding.weight.copy_(draw(self.embedding.weight.shape) * scale)
        if isinstance(self.narrow, nn.Linear):
            self.narrow.weight.copy_(draw(self.narrow.weight.shape) / math.sqrt(h))
        if self.output_weight is not None:
            self.output_weight.copy_(draw(self.output_weight.shape) * (0.5 / math.sqrt(h)))
        self.output_bias.zero_()

    def _initialise_as_peers(self, rng: Generator) -> None:
        """char-rnn's start (uniform in ±0.08, forget bias 1) or min-char-rnn's (normal, 0.01, biases 0)."""
        uniform = self.config.init == "uniform"
        for name, weight in self.named_parameters():
            if name.startswith(("norms.", "grams.")) or ".gain_" in name:  # at 1, or at 0
                continue
            if uniform:
                weight.copy_(torch.empty(weight.shape).uniform_(-0.08, 0.08, generator=rng))
            elif weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape, generator=rng) * 0.01)
            else:
                weight.zero_()
        if uniform:
            for cell in self.layers:
                cell.raise_forget_bias()

    @torch.no_grad()
    def start_from_counts(self, counts: Tensor) -> None:
        """Let the untrained network predict tokens as often as they occur, `counts` (V,): the bias becomes log p.

        It spares the first steps, which would learn just that. A token never seen counts as half of one.
        """
        smoothed = counts.to(device="cpu", dtype=torch.float64).clamp_min(0.5)
        self.output_bias.copy_((smoothed / smoothed.sum()).log())

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take over these weights, wherever they lie; the model keeps its device.

        Raises CheckpointError, having changed nothing, where a name or a shape is not this model's.
        """
        check_weights(
            self.config, self.vocab_size, {name: tuple(w.shape) for name, w in weights.items()}
        )
        for name, own in self.state_dict().items():
            own.copy_(weights[name])

    def weights(self) -> dict[str, Tensor]:
        """Every weight by its name, copied to the CPU, as a checkpoint holds them."""
        return {
            name: weight.detach().to("cpu", copy=True).contiguous()
            for name, weight in self.state_dict().items()
        }


def weight_shapes(config: ModelConfig, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """The name and shape of every weight of such a model; nothing is allocated."""
    model = Model(config, vocab_size, rng=None)
    return {name: tuple(weight.shape) for name, weight in model.state_dict().items()}


def check_weights(
    config: ModelConfig, vocab_size: int, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise CheckpointError unless these are the names and shapes of such a model's weights; nothing is allocated."""
    expected = weight_shapes(config, vocab_size)
    hint = "the checkpoint's config.json and its weights do not belong together"
    for name, shape in expected.items():
        if name not in shapes:
            raise CheckpointError(f"the weight {name} is missing", hint=hint)
        if tuple(shapes[name]) != shape:
            raise CheckpointError(
                f"the weight {name} has shape {tuple(shapes[name])}; the configuration needs {shape}",
                hint=hint,
            )
    for name in shapes:
        if name not in expected:
            raise CheckpointError(f"the weight {name} is not part of this model", hint=hint)


def no_number() -> CheckpointError:
    """What to say of a model that computes NaN."""
    return CheckpointError(
        "the model's output is not a number: its weights are damaged or training diverged",
        hint="use an earlier checkpoint: rnnstudio runs show RUN lists them",
    )


def token_axes(config: ModelConfig) -> dict[str, int]:
    """The weights that have a row or column for each token, and along which axis: the one that grows with V."""
    # Two sizes that no hidden size reaches.
    less, more = (weight_shapes(config, MAX_HIDDEN + i) for i in (1, 2))
    return {
        name: axis
        for name, shape in less.items()
        for axis, size in enumerate(shape)
        if size != more[name][axis]
    }


@torch.no_grad()
def grow(old: Model, *, old_ids: Sequence[int | None], rng: Generator) -> Model:
    """A model for another vocabulary that knows all that `old` knows, for fine-tuning on text with new characters.

    `old_ids` gives for each new id the id that the same token had, or None for a new token. Known tokens keep their
    embedding and output rows; new ones start near the average token (noise of a tenth of the spread from `rng`), as
    unlikely as the least likely known one. Everything else is copied. `old` is left as it was.
    """
    weights = old.weights()
    new = torch.tensor([i is None for i in old_ids])
    source = torch.tensor([0 if i is None else i for i in old_ids])
    for name, axis in token_axes(old.config).items():
        if name not in weights:
            continue  # a MUT cell that needed no projection: `from_weights` says so if it does now
        rows = weights[name].movedim(axis, 0)
        grown = rows[source]
        if name == "output_bias":
            grown[new] = rows.min()
        elif name == "grams.codes":
            grown[new] = rows.max() + 1 + torch.arange(int(new.sum()))
        else:
            noise = torch.randn(int(new.sum()), rows.shape[1], generator=rng, dtype=rows.dtype)
            spread = rows.std(dim=0, correction=0)
            grown[new] = rows.mean(dim=0) + 0.1 * spread * noise
        weights[name] = grown.movedim(0, axis)
    return Model.from_weights(old.config, len(old_ids), weights).to(old.device)
