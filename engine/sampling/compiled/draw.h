// The next token of a text by one number in [0, 1), as `engine.sampling.plain` says it, and how surprising a given one is.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "numbers.h"

constexpr float NOWHERE = -std::numeric_limits<float>::infinity();

struct Drawn {
    int64_t token;  // -1: some logit is no number, or no token can come
    double nats;
};

// A token's weight by its logarithm; what is far below the likeliest has none.
inline floats weight(floats log) { return log < -87 ? floats{} : exponential(log); }

inline double sum_of(floats x) {
    float sum = 0;
    for (int lane = 0; lane < WIDTH; lane++) sum += x[lane];
    return sum;
}

// Of `count` logits, filled up with NOWHERE to a multiple of WIDTH, as they are everywhere here.
inline float highest(const float* logits, int count) {
    floats most = all(NOWHERE);
    for (int i = 0; i < count; i += WIDTH) {
        const floats here = load(logits + i);
        most = here > most ? here : most;
    }
    float peak = most[0];
    for (int lane = 1; lane < WIDTH; lane++) peak = std::max(peak, most[lane]);
    return peak;
}

// In nats; NaN where a logit is no number.
inline double surprise(const float* logits, int count, int64_t token) {
    const float peak = highest(logits, count);
    double sum = 0;
    for (int i = 0; i < count; i += WIDTH) sum += sum_of(weight(load(logits + i) - peak));
    return std::log(sum) - (logits[token] - static_cast<double>(peak));
}

// `never` (or -1) does not come. `weights` has room for as many as there are logits, `reached` for a sum of each vector.
inline Drawn draw(float* logits, int count, double temperature, int64_t never, double uniform, float* weights,
                  double* reached) {
    const float banned = never < 0 ? NOWHERE : logits[never];
    if (never >= 0) logits[never] = NOWHERE;
    const float peak = highest(logits, count);

    // The likeliest has 0 before it is divided: no temperature, however low, leaves nothing.
    using Single = std::numeric_limits<float>;
    const auto sharper = static_cast<float>(std::clamp<double>(1 / temperature, Single::min(), Single::max()));
    double own = 0, total = 0;
    for (int i = 0; i < count; i += WIDTH) {
        const floats log = load(logits + i) - peak;
        const floats untempered = weight(log), tempered = sharper == 1 ? untempered : weight(log * sharper);
        own += sum_of(untempered);
        total += sum_of(tempered);
        store(weights + i, tempered);
        reached[i / WIDTH] = total;
    }
    if (!(total > 0 && total <= std::numeric_limits<double>::max())) return {-1, 0};

    // The first token whose sum lies above the mark: its vector, and in it the token.
    const double mark = uniform * total;
    const auto vector = std::upper_bound(reached, reached + rounded_up(count) / WIDTH, mark) - reached;
    double sum = vector ? reached[vector - 1] : 0;
    int64_t token = -1;
    for (int64_t i = vector * WIDTH; i < (vector + 1) * WIDTH && sum <= mark; i++)
        if (weights[i] > 0) sum += weights[i], token = i;
    const double banned_weight = banned - static_cast<double>(peak), log_own = std::log(own);
    const double log_all = std::max(log_own, banned_weight) + std::log1p(std::exp(-std::fabs(log_own - banned_weight)));
    return {token, log_all - (logits[token] - static_cast<double>(peak))};
}
