// Arrays and rows of numbers.

#pragma once

#include <new>

#include "vectors.h"

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
