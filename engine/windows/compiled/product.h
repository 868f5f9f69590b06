// A step's product: the rows of some lanes by a matrix that is laid out once for the whole window.

#pragma once

#include <cstring>
#include <vector>

#include "numbers.h"

constexpr int ROWS = 16;   // lanes of a block: rows of a tile
constexpr int DEPTH = 32;  // bf16 in a row of a tile

// A matrix (depth, columns) in panels of 16 columns: [depth / 2][column][depth % 2], as tiles and dot products want it.
// The depth and the columns are multiples of 32.
struct Panels {
    int depth, columns;
    std::vector<bf16> numbers;

    Panels(const float* w, int depth, int columns, int64_t next_row, int64_t next_column)
        : depth(depth), columns(columns), numbers(static_cast<size_t>(depth) * columns) {
        bf16* to = numbers.data();
        float pairs[2 * WIDTH];
        for (int n = 0; n < columns; n += WIDTH)
            for (int k = 0; k < depth; k += 2, to += 2 * WIDTH) {
                for (int c = 0; c < WIDTH; c++)
                    for (int j = 0; j < 2; j++) pairs[2 * c + j] = w[(k + j) * next_row + (n + c) * next_column];
                store(to, load(pairs));
                store(to + WIDTH, load(pairs + WIDTH));
            }
    }

    const bf16* panel(int n) const { return numbers.data() + static_cast<int64_t>(n) * depth; }
};

// The tiles of this thread, set up for so many rows (AMX; nothing without). What they were set up for comes back at the end.
class Tiles {
#ifdef __AMX_BF16__
    struct alignas(64) Setting {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {};
        uint8_t rows[16] = {};
    };
    Setting before;
    bool used;

  public:
    Tiles(bool used, int rows) : used(used) {
        if (!used) return;
        _tile_storeconfig(&before);
        Setting now;
        for (int tile = 0; tile < 8; tile++) now.bytes[tile] = 64, now.rows[tile] = tile < 7 ? rows : ROWS;
        _tile_loadconfig(&now);
    }
    ~Tiles() {
        if (used) _tile_loadconfig(&before);
    }
#else
  public:
    Tiles(bool, int) {}
#endif
};

#ifdef __AMX_BF16__
// What a panel's part adds to one of the sums; the instructions want the tiles' numbers, which is why these are written out.
#define ADD_PANEL(sum)                        \
    _tile_loadd(7, panel + (sum) * next, 64); \
    _tile_dpbf16ps(sum, 6, 7)
#define STORE_SUM(sum) _tile_stored(sum, to + n + (sum) * WIDTH, w.columns * sizeof(float))

// N panels at once, 4 or 2: tiles 0 to 3 are their sums, 6 has the rows, 7 a panel's part.
template <int N> inline void by_tiles(const Panels& w, int n, const bf16* x, float* to) {
    const bf16* panel = w.panel(n);
    const int64_t next = static_cast<int64_t>(WIDTH) * w.depth;
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (N == 4) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int k = 0; k < w.depth; k += DEPTH, panel += WIDTH * DEPTH) {
        _tile_loadd(6, x + k, w.depth * sizeof(bf16));
        ADD_PANEL(0);
        ADD_PANEL(1);
        if constexpr (N == 4) {
            ADD_PANEL(2);
            ADD_PANEL(3);
        }
    }
    STORE_SUM(0);
    STORE_SUM(1);
    if constexpr (N == 4) {
        STORE_SUM(2);
        STORE_SUM(3);
    }
}

#undef ADD_PANEL
#undef STORE_SUM
#endif

// One panel and R rows: a sum for each stays in its register.
template <int R> inline void by_rows(const Panels& w, int n, const bf16* x, float* to) {
    const bf16* pairs = w.panel(n);
    floats sums[R];
    for (floats& sum : sums) sum = _mm512_setzero_ps();
    for (int k = 0; k < w.depth; k += 2, pairs += 2 * WIDTH) {
        const auto both = (__m512bh)_mm512_loadu_si512(pairs);
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) {
            int32_t pair;
            std::memcpy(&pair, x + static_cast<int64_t>(r) * w.depth + k, sizeof pair);
            sums[r] = _mm512_dpbf16_ps(sums[r], (__m512bh)_mm512_set1_epi32(pair), both);
        }
    }
    for (int r = 0; r < R; r++) store(to + static_cast<int64_t>(r) * w.columns + n, sums[r]);
}

// The columns from n to before `last` (multiples of 32) of to (rows, columns) = x (rows, depth) by the matrix.
inline void multiply(const Panels& w, int n, int last, [[maybe_unused]] bool tiles, int rows, const bf16* x, float* to) {
#ifdef __AMX_BF16__
    if (tiles) {
        for (; n + 4 * WIDTH <= last; n += 4 * WIDTH) by_tiles<4>(w, n, x, to);
        for (; n < last; n += 2 * WIDTH) by_tiles<2>(w, n, x, to);
    }
#endif
    for (; n < last; n += WIDTH) {
        int row = 0;
        const auto take = [&](auto several, const auto& product) {
            for (; row + several <= rows; row += several)
                product(w, n, x + static_cast<int64_t>(row) * w.depth, to + static_cast<int64_t>(row) * w.columns);
        };
        take(16, by_rows<16>);
        take(8, by_rows<8>);
        take(4, by_rows<4>);
        take(1, by_rows<1>);
    }
}
