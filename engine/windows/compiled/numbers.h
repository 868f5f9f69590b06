// What a step multiplies, bf16 (HALVED) or float32, and the slopes of gates.

#pragma once

#include "vectors.h"

#ifdef HALVED
using number = uint16_t;

inline floats load(const number* from) {
    using halves = uint16_t __attribute__((vector_size(2 * WIDTH)));
    return (floats)(__builtin_convertvector(load<halves>(from), wholes) << 16);
}

inline void store(number* to, floats x) { store(to, _mm512_cvtneps_pbh((__m512)x)); }
#else
using number = float;
#endif

constexpr int GROUP = sizeof(float) / sizeof(number);  // numbers in a float's place

inline void increase(float* sum, floats x) { store(sum, load(sum) + x); }
inline floats one_minus_square(floats y) { return 1 - y * y; }  // the slope of tanh, by its value
inline floats sigmoid_slope(floats y) { return y - y * y; }      // y (1 - y)
