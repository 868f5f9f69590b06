// Gated recurrent units as cuDNN has them: r, z = sigmoid; n = tanh(x_n + r (W_n h + b_n)); h = (1 - z) n + z h.

#pragma once

#include "teams.h"

// Outputs (T, B, H) from what comes from the inputs, W_x x (T, B, 3H), and the tokens (T, B), with b_x (V, 3H), from b_h (3H),
// h (B, H) and W_h (3H, H).
//
// For the way back also the gates (T, B, 3H) and what r lets through, W_n h + b_n (T, B, H).
extern "C" int gru_forward(int T, int B, int H, int threads, bool tiles, const number* inputs, const int64_t* tokens,
                           const float* table, const float* b_h, const float* w_h, const float* h, float* out, float* gates, float* let_through) {
    return told([&] {
        const Panels towards_gates(w_h, H, 3 * H, 1, H);
        const Known known{inputs, tokens, table, 3 * H};
        Carried carried(B, H, h);
        std::vector<float> sums_from_h(size_t{3} * B * H);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float* from_h = &sums_from_h[3 * part.row * H];
            const float* before = h + part.row * H;
            for (int t = 0; t < T; t++) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const number* now = carried.at(t, part.row);
                number* after = carried.at(t + 1, part.row);
                for (int gate = 0; gate < 3 * H; gate += H)
                    multiply(towards_gates, gate + part.first, gate + part.last, tiles, part.rows, now, from_h);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, three = (lane + r) * 3 * H + u;
                        const auto by_x = [&](int gate) { return known.at(lane + r, gate * H + u); };
                        const auto by_h = [&](int gate) { return load(from_h + (3 * r + gate) * H + u) + load(b_h + gate * H + u); };
                        const floats reset = sigmoid(by_x(0) + by_h(0)), update = sigmoid(by_x(1) + by_h(1));
                        const floats passing = by_h(2), candidate = hyperbolic_tangent(by_x(2) + reset * passing);
                        const floats old = load(before + r * H + u);
                        const floats next = candidate + update * (old - candidate);
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

// The gradients of W_h h + b_h (T, B, 3H), of n's sum (T, B, H; those of r's and z's are the same for the input), of the
// table and of n's b_h by each block of lanes (blocks, V, 3H; blocks, H; zeros before) and of h (B, H) from those of the outputs
// (T, B, H).
extern "C" int gru_backward(int T, int B, int H, int V, int threads, bool tiles, const float* d_out, const float* w_h, const float* h,
                            const float* out, const float* gates, const float* let_through, const int64_t* tokens,
                            number* d_sums, number* d_n, float* d_table, float* d_b_n, float* d_h) {
    return told([&] {
        const Panels towards_h(w_h, 3 * H, H, H, 1);
        std::vector<float> by_way_of_z(static_cast<size_t>(B) * H);
        std::fill_n(d_h, static_cast<size_t>(B) * H, 0.0f);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float *from_after = d_h + part.row * H, *kept = &by_way_of_z[part.row * H];
            const Learned learned(tokens, d_table, V, 3 * H, part), of_b_n(nullptr, d_b_n, 1, H, part);
            for (int t = T - 1; t >= 0; t--) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const float* before = t ? out + (lane - B) * H : h + part.row * H;
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, three = (lane + r) * 3 * H + u;
                        const floats reset = load(gates + three), update = load(gates + three + H);
                        const floats candidate = load(gates + three + 2 * H);
                        const floats d = load(d_out + one) + load(from_after + r * H + u);
                        const floats d_candidate = d - d * update;
                        const floats d_sum = d_candidate * one_minus_square(candidate);
                        const floats difference = load(before + r * H + u) - candidate;
                        const auto towards = [&](int gate, floats d_by_h, floats d_by_x) {
                            store(d_sums + three + gate * H, d_by_h), learned.add(lane + r, gate * H + u, d_by_x);
                        };
                        const floats d_reset = d_sum * load(let_through + one) * sigmoid_slope(reset);
                        const floats d_update = d * difference * sigmoid_slope(update), d_passing = d_sum * reset;
                        towards(0, d_reset, d_reset), towards(1, d_update, d_update), towards(2, d_passing, d_sum);
                        store(d_n + one, d_sum), of_b_n.add(0, u, d_passing);
                        store(kept + r * H + u, d * update);
                    }
                part.meet();
                multiply(towards_h, part.first, part.last, tiles, part.rows, d_sums + lane * 3 * H, from_after);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        float* towards = from_after + r * H + u;
                        store(towards, load(towards) + load(kept + r * H + u));
                    }
            }
        });
    });
}
