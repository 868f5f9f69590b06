// A step of one layer of `rnn`, `gru` and `lstm` for some texts side by side; equations and sources stand with the cells.

#pragma once

#include "product.h"

enum class Kind { rnn, gru, lstm };

// H units, filled up to a multiple of WIDTH; those beyond stay 0.
struct Layer {
    Kind kind;
    int units, normed;  // with and without those beyond
    Product from_h, from_x;  // from_x: what of the inputs is multiplied, perhaps nothing
    Array<float> known;      // (tokens or 1, gates * H): what is added to that
    bool by_token;
    Array<float> b_h;  // (gates * H), of a GRU
    Array<float> gain, shift;  // (H), if its outputs are normed

    int gates() const { return from_h.outputs() / units; }
    const float* known_of(int64_t token) const { return known.at(by_token ? token * from_h.outputs() : 0); }

    // h (and c) (rows, H) go on by a step, for inputs that begin `apart` numbers from each other.
    void step(const int64_t* tokens, const float* x, int apart, int rows, float* h, float* c, float* sums, float* sums_x,
              Product::Scratch& scratch) const {
        from_h(h, units, rows, sums, false, scratch);
        if (kind != Kind::gru && from_x) from_x(x, apart, rows, sums, true, scratch);
        if (kind == Kind::gru && from_x) from_x(x, apart, rows, sums_x, false, scratch);
        for (int row = 0; row < rows; row++) {
            const int64_t one = static_cast<int64_t>(row) * units, all_gates = one * gates();
            const float *a = sums + all_gates, *b = known_of(tokens[row]), *more = sums_x + all_gates;
            switch (kind) {
                case Kind::rnn: remember_rnn(a, b, h + one); break;
                case Kind::lstm: remember_lstm(a, b, h + one, c + one); break;
                case Kind::gru: remember_gru(a, b, more, h + one);
            }
        }
    }

  private:
    void remember_rnn(const float* a, const float* b, float* h) const {
        for (int u = 0; u < units; u += WIDTH) store(h + u, hyperbolic_tangent(load(a + u) + load(b + u)));
    }

    void remember_lstm(const float* a, const float* b, float* h, float* c) const {
        for (int u = 0; u < units; u += WIDTH) {
            const auto sum = [&](int gate) { return load(a + gate * units + u) + load(b + gate * units + u); };
            const floats now = sigmoid(sum(1)) * load(c + u) + sigmoid(sum(0)) * hyperbolic_tangent(sum(2));
            store(c + u, now);
            store(h + u, sigmoid(sum(3)) * hyperbolic_tangent(now));
        }
    }

    void remember_gru(const float* a, const float* b, const float* more, float* h) const {
        for (int u = 0; u < units; u += WIDTH) {
            const auto from_inputs = [&](int gate) {
                const floats sum = load(b + gate * units + u);
                return from_x ? sum + load(more + gate * units + u) : sum;
            };
            const auto from_before = [&](int gate) { return load(a + gate * units + u) + load(b_h.at(gate * units + u)); };
            const floats reset = sigmoid(from_inputs(0) + from_before(0)), update = sigmoid(from_inputs(1) + from_before(1));
            const floats candidate = hyperbolic_tangent(from_inputs(2) + reset * from_before(2));
            store(h + u, candidate + update * (load(h + u) - candidate));
        }
    }
};
