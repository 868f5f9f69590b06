// Long short-term memory: i, f, o = sigmoid, g = tanh; c = f c + i g; h = o tanh c.

#pragma once

#include "teams.h"

// What a window does from what comes from its inputs, W_x x (T, B, 4H), and its tokens (T, B), with the biases (V, 4H), from h
// and c (B, H), and W_h (4H, H).
//
// Gives the outputs (T, B, H), and for the way back the gates (T, B, 4H), c and tanh c (T, B, H).
extern "C" int lstm_forward(int T, int B, int H, int threads, bool tiles, const number* inputs, const int64_t* tokens,
                            const float* table, const float* w_h, const float* h, const float* c, number* out, float* gates, float* cells, float* squashed) {
    return told([&] {
        const Panels towards_gates(w_h, H, 4 * H, 1, H);
        const Known known{inputs, tokens, table, 4 * H};
        Carried carried(B, H, h);
        std::vector<float> sums_from_h(size_t{4} * B * H);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float* from_h = &sums_from_h[4 * part.row * H];
            const float* memory = c + part.row * H;
            for (int t = 0; t < T; t++) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const number* now = t ? out + (lane - B) * H : carried.at(0, part.row);
                for (int gate = 0; gate < 4 * H; gate += H)
                    multiply(towards_gates, gate + part.first, gate + part.last, tiles, part.rows, now, from_h);
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, four = (lane + r) * 4 * H + u;
                        const auto sum = [&](int gate) {
                            return known.at(lane + r, gate * H + u) + load(from_h + (4 * r + gate) * H + u);
                        };
                        const floats i = sigmoid(sum(0)), f = sigmoid(sum(1)), g = hyperbolic_tangent(sum(2)), o = sigmoid(sum(3));
                        const floats cell = f * load(memory + r * H + u) + i * g;
                        const floats shown = hyperbolic_tangent(cell);
                        store(gates + four, i), store(gates + four + H, f);
                        store(gates + four + 2 * H, g), store(gates + four + 3 * H, o);
                        store(cells + one, cell), store(squashed + one, shown);
                        store(out + one, o * shown);
                    }
                memory = cells + lane * H;
                part.meet();
            }
        });
    });
}

// The gradients of the sums (T, B, 4H), of the table by each block of lanes (blocks, V, 4H; zeros before) and of h (B, H) from
// those of the outputs (T, B, H); d_c (B, H) is that of the last c, and becomes that of the first.
extern "C" int lstm_backward(int T, int B, int H, int V, int threads, bool tiles, const number* d_out, const float* w_h, const float* c,
                             const float* gates, const float* cells, const float* squashed, const int64_t* tokens, number* d_sums,
                             float* d_table, float* d_h, float* d_c) {
    return told([&] {
        const Panels towards_h(w_h, 4 * H, H, H, 1);
        std::fill_n(d_h, static_cast<size_t>(B) * H, 0.0f);
        in_teams(B, H, threads, tiles, [&](const Part& part) {
            float *from_after = d_h + part.row * H, *of_memory = d_c + part.row * H;
            const Learned learned(tokens, d_table, V, 4 * H, part);
            for (int t = T - 1; t >= 0; t--) {
                const int64_t lane = static_cast<int64_t>(t) * B + part.row;
                const float* memory = t ? cells + (lane - B) * H : c + part.row * H;
                for (int r = 0; r < part.rows; r++)
                    for (int u = part.first; u < part.last; u += WIDTH) {
                        const int64_t one = (lane + r) * H + u, four = (lane + r) * 4 * H + u;
                        const floats i = load(gates + four), f = load(gates + four + H);
                        const floats g = load(gates + four + 2 * H), o = load(gates + four + 3 * H);
                        const floats shown = load(squashed + one);
                        const floats d = load(d_out + one) + load(from_after + r * H + u);
                        const floats d_cell = d * o * one_minus_square(shown) + load(of_memory + r * H + u);
                        const floats before = load(memory + r * H + u);
                        const auto towards = [&](int gate, floats d_sum) {
                            store(d_sums + four + gate * H, d_sum), learned.add(lane + r, gate * H + u, d_sum);
                        };
                        towards(0, d_cell * g * sigmoid_slope(i)), towards(1, d_cell * before * sigmoid_slope(f));
                        towards(2, d_cell * i * one_minus_square(g)), towards(3, d * shown * sigmoid_slope(o));
                        store(of_memory + r * H + u, d_cell * f);
                    }
                part.meet();
                multiply(towards_h, part.first, part.last, tiles, part.rows, d_sums + lane * 4 * H, from_after);
            }
        });
    });
}
