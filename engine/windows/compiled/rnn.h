// Plain units: h = tanh(W_x x + W_h h + b).

#pragma once

#include "teams.h"

// Outputs (T, B, H) from what comes from the inputs, W_x x (T, B, H), and the tokens (T, B), with the biases (V, H), from h (B, H)
// and W_h (H, H).
extern "C" int rnn_forward(int T, int B, int H, int threads, bool tiles, const number* inputs, const int64_t* tokens,
                           const float* table, const float* w_h, const float* h, float* out) {
    return told([&] {
        const Panels towards_h(w_h, H, H, 1, H);
        const Known known{inputs, tokens, table, H};
        Carried carried(B, H, h);
        std::vector<float> sums_from_h(static_cast<size_t>(B) * H);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float* from_h = &sums_from_h[part.row * H];
            for (int t = 0; t < T; t++) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const number* now = carried.at(t, part.row);
                number* next = carried.at(t + 1, part.row);
                multiply(towards_h, part.first, part.last, tiles, part.rows, now, from_h);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u;
                        const floats y = hyperbolic_tangent(known.at(lane + r, u) + load(from_h + r * H + u));
                        store(out + one, y), store(next + r * H + u, y);
                    }
                part.meet();
            }
        });
    });
}

// The gradients of the sums (T, B, H), of the table by each block of lanes (blocks, V, H; zeros before) and of h (B, H) from
// those of the outputs (T, B, H).
extern "C" int rnn_backward(int T, int B, int H, int V, int threads, bool tiles, const float* d_out, const float* w_h, const float* out,
                            const int64_t* tokens, number* d_sums, float* d_table, float* d_h) {
    return told([&] {
        const Panels towards_h(w_h, H, H, H, 1);
        std::fill_n(d_h, static_cast<size_t>(B) * H, 0.0f);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float* from_after = d_h + part.row * H;
            const Learned learned(tokens, d_table, V, H, part);
            for (int t = T - 1; t >= 0; t--) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u;
                        const floats d = load(d_out + one) + load(from_after + r * H + u);
                        const floats d_sum = d * one_minus_square(load(out + one));
                        store(d_sums + one, d_sum), learned.add(lane + r, u, d_sum);
                    }
                part.meet();
                multiply(towards_h, part.first, part.last, tiles, part.rows, d_sums + lane * H, from_after);
            }
        });
    });
}
