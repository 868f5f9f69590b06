// Some texts go through a network step by step.

#pragma once

#include <algorithm>
#include <utility>

#include "draw.h"
#include "network.h"

constexpr float LAYER_NORM_EPS = 1e-5f;  // torch's

// What is asked of some texts that lie next to each other, and where it goes.
struct Texts {
    int rows;
    float* const* parts;      // of each layer h (B, H), and c of an lstm
    int64_t *before, *tokens;  // what was read before the last tokens (B, longest - 1), and these (B)
};

struct Asked {
    int steps;
    double temperature;
    int64_t never;
    const int64_t* following;  // (B, steps), if this is to be read: its surprises are the answer
    const double* uniform;     // (B, steps), if tokens are to be drawn: by these
    int64_t* drawn;            // (B, steps)
    double* nats;              // (B, steps)
    float* logits;             // (B, V), the answer where there is but one step, and nothing is read or drawn
};

// Has room for what some texts need on their way through a step.
class Walk {
    const Network& network;
    int apart;  // of the first layer's inputs
    Array<float> inputs, x, other, sums, sums_x, logits, weights;
    Array<double> reached;
    Product::Scratch scratch;

    static size_t room(int rows, int numbers) { return static_cast<size_t>(rows) * numbers; }

  public:
    Walk(const Network& network, int rows)
        : network(network),
          apart(rounded_up(network.beside())),
          inputs(room(rows, apart)),
          x(room(rows, network.most_units)),
          other(room(rows, network.most_units)),
          sums(room(rows, network.most_sums)),
          sums_x(room(rows, network.most_sums)),
          logits(room(rows, network.output.outputs())),
          weights(network.output.outputs()),
          reached(network.output.outputs() / WIDTH),
          scratch(rows, std::max(apart, network.most_units)) {}

    // False where a token was to be drawn and a logit is no number.
    bool go_on(const Texts& texts, const Asked& asked) {
        for (int step = 0; step < asked.steps; step++) {
            score(texts);
            const int64_t next = network.output.outputs(), count = network.vocabulary;
            for (int64_t row = 0; row < texts.rows; row++) {
                float* scores = logits.at(row * next);
                const int64_t at = row * asked.steps + step;
                if (asked.following) {
                    texts.tokens[row] = asked.following[at];
                    asked.nats[at] = surprise(scores, count, asked.following[at]);
                    continue;
                }
                if (!asked.uniform) {
                    std::copy_n(scores, count, asked.logits + row * count);
                    continue;
                }
                const Drawn drawn =
                    draw(scores, count, asked.temperature, asked.never, asked.uniform[at], weights.at(0), reached.at(0));
                if (drawn.token < 0) return false;
                texts.tokens[row] = asked.drawn[at] = drawn.token;
                asked.nats[at] = drawn.nats;
            }
        }
        return true;
    }

  private:
    // The logits for what follows each text's last token.
    void score(const Texts& texts) {
        for (int64_t row = 0; row < texts.rows; row++) look_up(texts, row, inputs.at(row * apart));
        const float* up = inputs.at(0);
        int next = apart;
        float* const* part = texts.parts;
        for (const Layer& layer : network.layers) {
            float *h = *part++, *c = layer.kind == Kind::lstm ? *part++ : nullptr;
            layer.step(texts.tokens, up, next, texts.rows, h, c, sums.at(0), sums_x.at(0), scratch);
            const bool adds = network.residual && &layer != &network.layers[0];
            if (adds || layer.gain) {
                const size_t count = room(texts.rows, layer.units);
                for (size_t i = 0; i < count; i += WIDTH)
                    store(other.at(i), adds ? load(h + i) + load(up + i) : load(h + i));
                if (layer.gain)
                    for (int row = 0; row < texts.rows; row++) norm(layer, other.at(room(row, layer.units)));
                std::swap(x, other);
            }
            up = adds || layer.gain ? x.at(0) : h, next = layer.units;
        }
        if (network.narrow) {
            network.narrow(up, next, texts.rows, sums.at(0), false, scratch);
            up = sums.at(0), next = network.narrow.outputs();
        }
        network.output(up, next, texts.rows, logits.at(0), false, scratch);
        const int width = network.output.outputs();
        for (int64_t row = 0; row < texts.rows; row++)
            for (int i = 0; i < width; i += WIDTH) {
                float* const at = logits.at(row * width + i);
                store(at, load(at) + load(network.bias.at(i)));
            }
    }

    void look_up(const Texts& texts, int64_t row, float* to) const {
        const int64_t token = texts.tokens[row];
        if (network.vectors) to = std::copy_n(network.vectors + token * network.vector_size, network.vector_size, to);
        if (network.grams.longest) network.grams(token, texts.before + row * (network.grams.longest - 1), to);
    }

    static void norm(const Layer& layer, float* x) {
        float mean = 0, square = 0;
        for (int u = 0; u < layer.normed; u++) mean += x[u];
        mean /= layer.normed;
        for (int u = 0; u < layer.normed; u++) square += (x[u] - mean) * (x[u] - mean);
        const float factor = 1 / std::sqrt(square / layer.normed + LAYER_NORM_EPS);
        for (int u = 0; u < layer.units; u += WIDTH)
            store(x + u, (load(x + u) - mean) * factor * load(layer.gain.at(u)) + load(layer.shift.at(u)));
    }
};
