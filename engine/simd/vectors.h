// As many floats at a time as a register of this CPU holds, and the functions of gates.

#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int WIDTH = 16;  // floats of a register
#elif defined(__AVX__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif

// The compiler's own vectors, which it has for every CPU.
using floats = float __attribute__((vector_size(4 * WIDTH)));
using wholes = int32_t __attribute__((vector_size(4 * WIDTH)));
using small = int8_t __attribute__((vector_size(WIDTH)));

template <class Vector, class Number> inline Vector load(const Number* from) {
    Vector x;
    std::memcpy(&x, from, sizeof x);
    return x;
}
inline floats load(const float* from) { return load<floats>(from); }
inline floats load(const int8_t* from) { return __builtin_convertvector(load<small>(from), floats); }
template <class Number, class Vector> inline void store(Number* to, Vector x) { std::memcpy(to, &x, sizeof x); }

inline floats all(float x) { return floats{} + x; }

// Whole numbers are added to this and stand in the last bits then.
constexpr float LAST_BITS = 12582912;

// e^x to 2e-7: 2^n times a polynomial of what is left, as in Cephes' expf. What a float cannot hold is cut off; what is no
// number stays none.
inline floats exponential(floats x) {
    x = x > 88 ? all(88) : x;
    x = x < -87 ? all(-87) : x;
    const floats shifted = x * 1.44269504f + LAST_BITS;
    const floats n = shifted - LAST_BITS;
    floats rest = x - n * 0.693359375f;
    rest = rest + n * 2.12194440e-4f;
    floats sum = all(1.9875691500e-4f);
    for (const float factor : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        sum = sum * rest + factor;
    sum = sum * (rest * rest) + (rest + 1);
    return sum * (floats)(((wholes)shifted << 23) + (127 << 23));
}

// 1 / x to 2e-7: the processor's twelve or fourteen bits and a step of Newton's, where it has them.
inline floats reciprocal(floats x) {
#if defined(__AVX512F__)
    const floats y = (floats)_mm512_rcp14_ps((__m512)x);
    return y * (2 - x * y);
#elif defined(__AVX__)
    const floats y = (floats)_mm256_rcp_ps((__m256)x);
    return y * (2 - x * y);
#else
    return 1 / x;
#endif
}

inline floats sigmoid(floats x) { return reciprocal(1 + exponential(-x)); }

// To 3e-7, which near 0 is more than tanh is: as much as the sums leave of it anyway.
inline floats hyperbolic_tangent(floats x) { return 1 - 2 * reciprocal(1 + exponential(2 * x)); }
