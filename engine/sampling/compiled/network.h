// A network, layer by layer: what its texts share.

#pragma once

#include <vector>

#include "layers.h"

// `engine.grams` by the token.
struct Grams {
    int longest, size;
    int64_t rows;
    const float* vectors;  // (rows, size)
    const int64_t* codes;  // (V)

    // The vectors of the runs that end at a token, added up; `before` (longest - 1) takes it in.
    void operator()(int64_t token, int64_t* before, float* to) const {
        constexpr uint64_t STEP = 6364136223846793005u, MIX = static_cast<uint64_t>(-7046029254386353131);
        uint64_t mixed = codes[token];
        std::fill_n(to, size, 0.0f);
        for (int back = longest - 2; back >= 0; back--) {
            mixed = mixed * STEP + before[back];
            const auto shifted = static_cast<uint64_t>(static_cast<int64_t>(mixed) >> 29);
            const int64_t row = ((mixed ^ shifted) * MIX >> 32 & 0x7FFFFFFF) % rows;
            for (int i = 0; i < size; i++) to[i] += vectors[row * size + i];
        }
        for (int at = 0; at + 2 < longest; at++) before[at] = before[at + 1];
        before[longest - 2] = codes[token];
    }
};

struct Network {
    int vocabulary = 0;
    bool in_int8 = false, residual = false;
    int most_units = 0, most_sums = 0;
    int vector_size = 0;             // of the first layer's inputs that are multiplied: the tokens' own, if not looked up
    const float* vectors = nullptr;  // (V, vector_size)
    Grams grams{};
    std::vector<Layer> layers;
    Product narrow, output;
    Array<float> bias;  // (V)

    int beside() const { return vector_size + (grams.longest ? grams.size : 0); }
};
