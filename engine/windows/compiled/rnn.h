// Plain units: h = tanh(W_x x + W_h h + b).

#pragma once

#include "lanes.h"

// Outputs (T, B, H) from the sums of inputs and biases (T, B, H), h (B, H) and W_h (H, H).
extern "C" void rnn_forward(int T, int B, int H, int threads, bool tiles, const bf16* sums, const float* w_h, const float* h,
                        float* out) {
    const Panels towards_h(w_h, H, H, 1, H);
    in_blocks(B, threads, tiles, [&](int row, int rows) {
        const int block = rows * H;
        std::vector<float> from_h(block);
        std::vector<bf16> now(block);
        for (int u = 0; u < block; u += WIDTH) store(&now[u], load(h + row * H + u));
        for (int t = 0; t < T; t++) {
            const int64_t lane = (static_cast<int64_t>(t) * B + row) * H;
            multiply(towards_h, tiles, rows, now.data(), from_h.data());
            for (int u = 0; u < block; u += WIDTH) {
                const floats next = hyperbolic_tangent(_mm512_add_ps(load(sums + lane + u), load(&from_h[u])));
                store(out + lane + u, next), store(&now[u], next);
            }
        }
    });
}

// The gradients of the sums (T, B, H) and of h (B, H) from those of the outputs (T, B, H).
extern "C" void rnn_backward(int T, int B, int H, int threads, bool tiles, const float* d_out, const float* w_h, const float* out,
                         bf16* d_sums, float* d_h) {
    const Panels towards_h(w_h, H, H, H, 1);
    in_blocks(B, threads, tiles, [&](int row, int rows) {
        const int block = rows * H;
        float* from_after = d_h + row * H;
        std::fill(from_after, from_after + block, 0.0f);
        for (int t = T - 1; t >= 0; t--) {
            const int64_t lane = (static_cast<int64_t>(t) * B + row) * H;
            for (int u = 0; u < block; u += WIDTH) {
                const floats d = _mm512_add_ps(load(d_out + lane + u), load(from_after + u));
                store(d_sums + lane + u, _mm512_mul_ps(d, one_minus_square(load(out + lane + u))));
            }
            multiply(towards_h, tiles, rows, d_sums + lane, from_after);
        }
    });
}
