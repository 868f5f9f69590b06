// As many floats at a time as a register of this CPU holds, and the functions of gates.

#pragma once

#include <cstdint>
#include <cstring>
#include <new>

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

inline floats sigmoid(floats x) { return 1 / (1 + exponential(-x)); }

inline floats hyperbolic_tangent(floats x) {
    const floats e = exponential(-2 * x);
    return (1 - e) / (1 + e);
}

// Ends what a compiler may make one instruction of: products that are rounded here are rounded everywhere.
inline void round_here([[maybe_unused]] floats& x) {
#if defined(__x86_64__)
    asm("" : "+x"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#endif
}

// Where a row begins, of rows that begin so many numbers apart.
template <class Number> Number* at_row(Number* first, int64_t row, int64_t apart) { return first + row * apart; }

inline int rounded_up(int n, int multiple = WIDTH) { return (n + multiple - 1) / multiple * multiple; }

// Numbers of which each vector lies in one line of the cache.
template <class Number> class Array {
    static constexpr std::align_val_t LINE{64};
    Number* numbers = nullptr;
    size_t count = 0;

  public:
    Array() = default;
    explicit Array(size_t count) : numbers(static_cast<Number*>(operator new(count * sizeof(Number), LINE))), count(count) {
        std::memset(static_cast<void*>(numbers), 0, count * sizeof(Number));
    }
    Array(Array&& other) noexcept { *this = static_cast<Array&&>(other); }
    Array& operator=(Array&& other) noexcept {
        Number* const mine = numbers;
        numbers = other.numbers, other.numbers = mine;
        const size_t many = count;
        count = other.count, other.count = many;
        return *this;
    }
    ~Array() { operator delete(numbers, LINE); }

    explicit operator bool() const { return count; }
    Number* at(int64_t i) { return numbers + i; }
    const Number* at(int64_t i) const { return numbers + i; }
};
