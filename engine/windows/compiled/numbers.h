// Sixteen floats at a time: functions of gates, and bf16 in and out.

#pragma once

#include <immintrin.h>

#include <cstdint>

using bf16 = uint16_t;
using floats = __m512;

constexpr int WIDTH = 16;  // floats of a register

inline floats load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, floats x) { _mm512_storeu_ps(to, x); }

inline floats load(const bf16* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

inline void store(bf16* to, floats x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(x));
}

inline floats all(float x) { return _mm512_set1_ps(x); }
inline floats one_minus_square(floats y) { return _mm512_fnmadd_ps(y, y, all(1)); }  // the slope of tanh, by its value
inline floats sigmoid_slope(floats y) { return _mm512_fnmadd_ps(y, y, y); }          // y (1 - y)

// e^x to 2e-7: 2^n times a polynomial of what is left, as in Cephes' expf. What a float cannot hold is cut off; what is no
// number stays none, as these instructions give their second operand then.
inline floats exponential(floats x) {
    x = _mm512_min_ps(all(88), _mm512_max_ps(all(-87), x));
    const floats n = _mm512_roundscale_ps(_mm512_mul_ps(x, all(1.44269504f)), 8);
    floats rest = _mm512_fnmadd_ps(n, all(0.693359375f), x);
    rest = _mm512_fnmadd_ps(n, all(-2.12194440e-4f), rest);
    floats sum = all(1.9875691500e-4f);
    for (const float factor : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        sum = _mm512_fmadd_ps(sum, rest, all(factor));
    sum = _mm512_fmadd_ps(sum, _mm512_mul_ps(rest, rest), _mm512_add_ps(rest, all(1)));
    return _mm512_scalef_ps(sum, n);
}

// 1 / x: the processor's fourteen bits, and a step of Newton's.
inline floats reciprocal(floats x) {
    const floats y = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(y, _mm512_fnmadd_ps(x, y, all(2)));
}

inline floats sigmoid(floats x) {
    return reciprocal(_mm512_add_ps(all(1), exponential(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

// To 1e-7, which near 0 is more than tanh is: as much as the sums in bf16 leave of it anyway.
inline floats hyperbolic_tangent(floats x) {
    return _mm512_fnmadd_ps(all(2), reciprocal(_mm512_add_ps(all(1), exponential(_mm512_add_ps(x, x)))), all(1));
}
