// A step's product: the rows of some lanes by a matrix that is laid out once for the whole window.

#pragma once

#include <vector>

#include "numbers.h"

constexpr int ROWS = 16;   // lanes of a block: rows of a tile
constexpr int DEPTH = 32;  // bf16 in a row of a tile

#if defined(__AVX512F__)
constexpr int SUMS = 16;  // of 32 registers
#else
constexpr int SUMS = 8;
#endif

// A matrix (depth, columns) in panels of WIDTH columns: [depth / GROUP][column][depth % GROUP], as tiles and dot products
// want their pairs of bf16. The depth and the columns are multiples of 32.
struct Panels {
    int depth, columns;
    std::vector<number> numbers;

    Panels(const float* w, int depth, int columns, int64_t next_row, int64_t next_column)
        : depth(depth), columns(columns), numbers(static_cast<size_t>(depth) * columns) {
        number* to = numbers.data();
        float groups[GROUP * WIDTH];
        for (int n = 0; n < columns; n += WIDTH)
            for (int k = 0; k < depth; k += GROUP, to += GROUP * WIDTH) {
                for (int c = 0; c < WIDTH; c++)
                    for (int j = 0; j < GROUP; j++) groups[GROUP * c + j] = w[(k + j) * next_row + (n + c) * next_column];
                for (int j = 0; j < GROUP; j++) store(to + j * WIDTH, load(groups + j * WIDTH));
            }
    }

    const number* panel(int n) const { return numbers.data() + static_cast<int64_t>(n) * depth; }
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
template <int N> inline void by_tiles(const Panels& w, int n, const number* x, float* to) {
    const number* panel = w.panel(n);
    const int64_t next = static_cast<int64_t>(WIDTH) * w.depth;
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (N == 4) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int k = 0; k < w.depth; k += DEPTH, panel += WIDTH * DEPTH) {
        _tile_loadd(6, x + k, w.depth * sizeof(number));
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

// The sums of a panel's columns, and what a row's next numbers add to them.
inline floats plus_products(floats sums, const number* x, const number* weights) {
#ifdef HALVED
    const auto pair = (__m512bh)_mm512_set1_epi32(load<int32_t>(x));
    return (floats)_mm512_dpbf16_ps((__m512)sums, pair, load<__m512bh>(weights));
#else
    return sums + *x * load(weights);
#endif
}

// P panels and R rows: their sums stay in registers.
template <int P, int R> inline void by_rows(const Panels& w, int n, const number* x, float* to) {
    const number* weights = w.panel(n);
    const int64_t next = static_cast<int64_t>(WIDTH) * w.depth;
    floats sums[P][R] = {};
    for (int k = 0; k < w.depth; k += GROUP, weights += GROUP * WIDTH)
#pragma GCC unroll 16
        for (int p = 0; p < P; p++)
#pragma GCC unroll 16
            for (int r = 0; r < R; r++)
                sums[p][r] = plus_products(sums[p][r], x + static_cast<int64_t>(r) * w.depth + k, weights + p * next);
    for (int r = 0; r < R; r++)
        for (int p = 0; p < P; p++) store(to + static_cast<int64_t>(r) * w.columns + n + p * WIDTH, sums[p][r]);
}

// The columns from n to before `last` (multiples of 32) of to (rows, columns) = x (rows, depth) by the matrix.
inline void multiply(const Panels& w, int n, int last, [[maybe_unused]] bool tiles, int rows, const number* x, float* to) {
#ifdef __AMX_BF16__
    if (tiles) {
        for (; n + 4 * WIDTH <= last; n += 4 * WIDTH) by_tiles<4>(w, n, x, to);
        for (; n < last; n += 2 * WIDTH) by_tiles<2>(w, n, x, to);
    }
#endif
    for (; n < last; n += 2 * WIDTH) {
        int row = 0;
        const auto take = [&](auto several, const auto& product) {
            for (; row + several <= rows; row += several)
                product(w, n, x + static_cast<int64_t>(row) * w.depth, to + static_cast<int64_t>(row) * w.columns);
        };
        take(SUMS / 2, by_rows<2, SUMS / 2>);
        take(SUMS / 4, by_rows<2, SUMS / 4>);
        take(1, by_rows<2, 1>);
    }
}
