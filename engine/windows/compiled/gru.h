// Gated recurrent units as cuDNN has them: r, z = sigmoid; n = tanh(x_n + r (W_n h + b_n)); h = (1 - z) n + z h.

#pragma once

#include "teams.h"

// Outputs (T, B, H) from the sums of the inputs and their biases (T, B, 3H), h (B, H), W_h (3H, H) and its biases (3H).
//
// For the way back also the gates (T, B, 3H) and what r lets through, W_n h + b_n (T, B, H).
extern "C" int gru_forward(int T, int B, int H, int threads, bool tiles, const bf16* sums, const float* w_h, const float* b_h,
                           const float* h, float* out, float* gates, float* let_through) {
    return told([&] {
        const Panels towards_gates(w_h, H, 3 * H, 1, H);
        Halves halves(B, H, h);
        std::vector<float> sums_from_h(size_t{3} * B * H);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float* from_h = &sums_from_h[3 * part.row * H];
            const float* before = h + part.row * H;
            for (int t = 0; t < T; t++) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const bf16* now = halves.at(t, part.row);
                bf16* after = halves.at(t + 1, part.row);
                for (int gate = 0; gate < 3 * H; gate += H)
                    multiply(towards_gates, gate + part.first, gate + part.last, tiles, part.rows, now, from_h);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, three = (lane + r) * 3 * H + u;
                        const auto towards = [&](int gate) {
                            return _mm512_add_ps(load(from_h + (3 * r + gate) * H + u), load(b_h + gate * H + u));
                        };
                        const floats reset = sigmoid(_mm512_add_ps(load(sums + three), towards(0)));
                        const floats update = sigmoid(_mm512_add_ps(load(sums + three + H), towards(1)));
                        const floats passing = towards(2);
                        const floats candidate = hyperbolic_tangent(_mm512_fmadd_ps(reset, passing, load(sums + three + 2 * H)));
                        const floats old = load(before + r * H + u);
                        const floats next = _mm512_fmadd_ps(update, _mm512_sub_ps(old, candidate), candidate);
                        store(gates + three, reset), store(gates + three + H, update), store(gates + three + 2 * H, candidate);
                        store(let_through + one, passing);
                        store(out + one, next), store(after + r * H + u, next);
                    }
                before = out + lane * H;
                part.meet();
            }
        });
    });
}

// The gradients of W_h h + b_h (T, B, 3H), of n's sum (T, B, H; those of r's and z's are the same for the input) and of h
// (B, H) from those of the outputs (T, B, H).
extern "C" int gru_backward(int T, int B, int H, int threads, bool tiles, const float* d_out, const float* w_h, const float* h,
                            const float* out, const float* gates, const float* let_through, bf16* d_sums, bf16* d_n, float* d_h) {
    return told([&] {
        const Panels towards_h(w_h, 3 * H, H, H, 1);
        std::vector<float> by_way_of_z(static_cast<size_t>(B) * H);
        std::fill_n(d_h, static_cast<size_t>(B) * H, 0.0f);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float *from_after = d_h + part.row * H, *kept = &by_way_of_z[part.row * H];
            for (int t = T - 1; t >= 0; t--) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const float* before = t ? out + (lane - B) * H : h + part.row * H;
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, three = (lane + r) * 3 * H + u;
                        const floats reset = load(gates + three), update = load(gates + three + H);
                        const floats candidate = load(gates + three + 2 * H);
                        const floats d = _mm512_add_ps(load(d_out + one), load(from_after + r * H + u));
                        const floats d_candidate = _mm512_fnmadd_ps(d, update, d);
                        const floats d_sum = _mm512_mul_ps(d_candidate, one_minus_square(candidate));
                        const floats difference = _mm512_sub_ps(load(before + r * H + u), candidate);
                        store(d_n + one, d_sum);
                        store(d_sums + three, _mm512_mul_ps(_mm512_mul_ps(d_sum, load(let_through + one)), sigmoid_slope(reset)));
                        store(d_sums + three + H, _mm512_mul_ps(_mm512_mul_ps(d, difference), sigmoid_slope(update)));
                        store(d_sums + three + 2 * H, _mm512_mul_ps(d_sum, reset));
                        store(kept + r * H + u, _mm512_mul_ps(d, update));
                    }
                part.meet();
                multiply(towards_h, part.first, part.last, tiles, part.rows, d_sums + lane * 3 * H, from_after);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        float* towards = from_after + r * H + u;
                        store(towards, _mm512_add_ps(load(towards), load(kept + r * H + u)));
                    }
            }
        });
    });
}
