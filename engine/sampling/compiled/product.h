// A matrix and its products with a few rows. Every sum is added up in one order, however many rows there are, so that a row has
// the same bits beside others as alone.

#pragma once

#include <algorithm>
#include <cmath>

#include "numbers.h"

#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__AVX2__) || defined(__ARM_FEATURE_DOTPROD)
#define HAS_DOTS 1  // sums of products of whole numbers
#else
#define HAS_DOTS 0
#endif

// `blocks` matrices of as many rows, one below the other; each begins a panel of WIDTH outputs, of which the last is filled up.
//
// In float32, or in int8: each output's weights are rounded to 8 bits, by a scale of its own (Dettmers et al. 2022,
// section 2), and so are the inputs where the CPU adds up products of whole numbers; elsewhere they stay as they are.
class Product {
    // How many weights a dot product takes of a row, and what the inputs are in it, ZERO more each.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    static constexpr int GROUP = 4, ZERO = 128;
    using Rounded = uint8_t;
#elif defined(__ARM_FEATURE_DOTPROD)
    static constexpr int GROUP = 4, ZERO = 0;
    using Rounded = int8_t;
#else
    static constexpr int GROUP = 2, ZERO = 0;
    using Rounded = int16_t;
#endif
    static constexpr float STEPS = 127;
#if defined(__AVX512F__) || defined(__aarch64__)
    static constexpr int SUMS = 16;  // of 32 registers
#else
    static constexpr int SUMS = 8;
#endif

    int inputs = 0, depth = 0, panels = 0;
    [[maybe_unused]] bool bounded = false;
    Array<float> singles;   // (panels, depth, WIDTH) float32, or
    Array<int8_t> bytes;    // the same in int8; for dots (panels, depth / GROUP, WIDTH, GROUP)
    Array<float> scales;    // of each output
    Array<int32_t> shifts;  // what inputs that are ZERO more add to each

  public:
    // What the rows of a call are written as before they are multiplied.
    struct Scratch {
        Array<Rounded> rounded;
        Array<float> sizes;

        Scratch(int rows, int most_inputs) : rounded(static_cast<size_t>(rows) * rounded_up(most_inputs)), sizes(rows) {}
    };

    Product() = default;

    // `bounded`: no number in the inputs is beyond ±1.
    Product(const float* w, int blocks, int rows, int inputs, bool in_int8, bool bounded)
        : inputs(inputs), depth(rounded_up(inputs)), panels(blocks * rounded_up(rows) / WIDTH), bounded(bounded) {
        const size_t count = static_cast<size_t>(panels) * WIDTH * depth;
        if (in_int8)
            bytes = Array<int8_t>(count), scales = Array<float>(outputs()), shifts = Array<int32_t>(outputs());
        else
            singles = Array<float>(count);
        for (int block = 0; block < blocks; block++)
            for (int row = 0; row < rows; row++, w += inputs) lay_out(block * rounded_up(rows) + row, w);
    }

    explicit operator bool() const { return panels; }
    int outputs() const { return panels * WIDTH; }

    // to (rows, outputs) = x (rows, inputs) Wᵀ, or that added to it. x's rows begin so many numbers apart, filled up to a
    // multiple of WIDTH.
    void operator()(const float* x, int apart, int rows, float* to, bool add, [[maybe_unused]] Scratch& scratch) const {
        if (!bytes) return through<Floats<float>>({singles.at(0), x, apart, nullptr}, rows, to, add);
#if HAS_DOTS
        for (int row = 0; row < rows; row++)
            *scratch.sizes.at(row) = round(at_row(x, row, apart), at_row(scratch.rounded.at(0), row, depth));
        through<Dots>({bytes.at(0), scratch.rounded.at(0), depth, scratch.sizes.at(0)}, rows, to, add);
#else
        through<Floats<int8_t>>({bytes.at(0), x, apart, nullptr}, rows, to, add);
#endif
    }

  private:
    void lay_out(int output, const float* w) {
        const int64_t panel = static_cast<int64_t>(output / WIDTH) * depth * WIDTH;
        const int lane = output % WIDTH;
        if (!bytes) {
            for (int k = 0; k < inputs; k++) *singles.at(panel + static_cast<int64_t>(k) * WIDTH + lane) = w[k];
            return;
        }
        float largest = 1e-9f;
        for (int k = 0; k < inputs; k++) largest = std::max(largest, std::fabs(w[k]));
        const float scale = largest / STEPS;
        *scales.at(output) = scale;
        for (int k = 0; k < inputs; k++) {
            const auto rounded = static_cast<int8_t>(std::nearbyint(w[k] / scale));
#if HAS_DOTS
            *bytes.at(panel + static_cast<int64_t>(k / GROUP) * WIDTH * GROUP + lane * GROUP + k % GROUP) = rounded;
            *shifts.at(output) += ZERO * rounded;
#else
            *bytes.at(panel + static_cast<int64_t>(k) * WIDTH + lane) = rounded;
#endif
        }
    }

    // What a kernel reads: the panels, the rows, how far those are apart, and what each was divided by.
    template <class Weight, class Input> struct Given {
        const Weight* panels;
        const Input* x;
        int apart;
        const float* sizes;
    };

    template <class Weight> struct Floats {
        using Reads = Given<Weight, float>;

        template <int P, int R> static void sum(const Product& w, const Reads& reads, int panel, int row, floats (&sums)[P][R]) {
            const int64_t next = static_cast<int64_t>(w.depth) * WIDTH;
            const Weight* from = reads.panels + panel * next;
            const float* x = at_row(reads.x, row, reads.apart);
            for (int k = 0; k < w.inputs; k++, from += WIDTH)
#pragma GCC unroll 16
                for (int p = 0; p < P; p++) {
                    const floats weights = load(from + p * next);
#pragma GCC unroll 16
                    for (int r = 0; r < R; r++) sums[p][r] += weights * at_row(x, r, reads.apart)[k];
                }
            if (w.scales)
                for (int p = 0; p < P; p++)
                    for (int r = 0; r < R; r++) sums[p][r] *= load(w.scales.at((panel + p) * WIDTH));
        }
    };

#if HAS_DOTS
    // A row in whole numbers, ZERO more each, and what they are multiplied by to be its numbers again.
    float round(const float* x, Rounded* to) const {
        float size = 1;
        if (!bounded) {
            floats most = all(1e-9f);
            for (int k = 0; k < depth; k += WIDTH) {
                const floats here = load(x + k);
                most = here > most ? here : most;
                most = -here > most ? -here : most;
            }
            size = most[0];
            for (int lane = 1; lane < WIDTH; lane++) size = std::max(size, most[lane]);
        }
        const float factor = STEPS / size;
        using Narrow = Rounded __attribute__((vector_size(WIDTH * sizeof(Rounded))));
        for (int k = 0; k < depth; k += WIDTH)
            store(to + k, __builtin_convertvector((wholes)(load(x + k) * factor + (LAST_BITS + ZERO)), Narrow));
        return size / STEPS;
    }

    struct Dots {
        using Reads = Given<int8_t, Rounded>;

        static wholes add(wholes sum, int32_t x, const int8_t* weights) {
#ifdef __AVX512VNNI__
            return (wholes)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(x), _mm512_load_si512(weights));
#elif defined(__AVXVNNI__)
            const __m256i here = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights));
            return (wholes)_mm256_dpbusd_avx_epi32((__m256i)sum, _mm256_set1_epi32(x), here);
#elif defined(__ARM_FEATURE_DOTPROD)
            return (wholes)vdotq_s32((int32x4_t)sum, vreinterpretq_s8_s32(vdupq_n_s32(x)), vld1q_s8(weights));
#else
            const __m256i here = _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(weights)));
            return sum + (wholes)_mm256_madd_epi16(_mm256_set1_epi32(x), here);
#endif
        }

        template <int P, int R> static void sum(const Product& w, const Reads& reads, int panel, int row, floats (&sums)[P][R]) {
            const int64_t next = static_cast<int64_t>(w.depth) * WIDTH;
            const int8_t* from = reads.panels + panel * next;
            const Rounded* x = at_row(reads.x, row, reads.apart);
            wholes whole[P][R] = {};
            for (int k = 0; k < w.depth; k += GROUP, from += WIDTH * GROUP)
#pragma GCC unroll 16
                for (int p = 0; p < P; p++)
#pragma GCC unroll 16
                    for (int r = 0; r < R; r++)
                        whole[p][r] = add(whole[p][r], group(at_row(x, r, reads.apart) + k), from + p * next);
            for (int p = 0; p < P; p++)
                for (int r = 0; r < R; r++) {
                    const int at = (panel + p) * WIDTH;
                    const wholes unshifted = whole[p][r] - load<wholes>(w.shifts.at(at));
                    sums[p][r] = __builtin_convertvector(unshifted, floats) * load(w.scales.at(at)) * reads.sizes[row + r];
                }
        }

        static int32_t group(const Rounded* x) {
            int32_t numbers;
            std::memcpy(&numbers, x, sizeof numbers);
            return numbers;
        }
    };
#endif

    // Few rows are multiplied with many panels at once, many with few, so that there are always some sums under way.
    template <class Kernel> void through(const typename Kernel::Reads& reads, int rows, float* to, bool add) const {
        int panel = 0;
        if (rows < SUMS / 4) panel = over<Kernel, SUMS / 2>(panel, reads, rows, to, add);
        if (rows < SUMS / 2) panel = over<Kernel, 4>(panel, reads, rows, to, add);
        panel = over<Kernel, 2>(panel, reads, rows, to, add);
        over<Kernel, 1>(panel, reads, rows, to, add);
    }

    template <class Kernel, int P> int over(int panel, const typename Kernel::Reads& reads, int rows, float* to, bool add) const {
        for (; panel + P <= panels; panel += P) {
            int row = 0;
            if constexpr (P <= 2) row = down<Kernel, P, SUMS / 2>(panel, row, reads, rows, to, add);
            if constexpr (P <= 4) row = down<Kernel, P, SUMS / 4>(panel, row, reads, rows, to, add);
            row = down<Kernel, P, 2>(panel, row, reads, rows, to, add);
            down<Kernel, P, 1>(panel, row, reads, rows, to, add);
        }
        return panel;
    }

    template <class Kernel, int P, int R>
    int down(int panel, int row, const typename Kernel::Reads& reads, int rows, float* to, bool add) const {
        for (; row + R <= rows; row += R) {
            floats sums[P][R] = {};
            Kernel::template sum<P, R>(*this, reads, panel, row, sums);
            for (int p = 0; p < P; p++)
                for (int r = 0; r < R; r++) {
                    float* const at = at_row(to, row + r, outputs()) + (panel + p) * WIDTH;
                    round_here(sums[p][r]);
                    store(at, add ? load(at) + sums[p][r] : sums[p][r]);
                }
        }
        return row;
    }
};
