// Who computes what: lanes in blocks of 16 do not see each other; threads that share a block each have some of its units.

#pragma once

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>
#include <vector>

#include "product.h"

// Units that a thread has at least: fewer take less time than meeting the others does.
constexpr int LEAST_BY_TILES = 128, LEAST_BY_DOTS = 64;

// torch's own threads (OpenMP), found where torch has loaded them: others would take turns with them on the cores.
extern "C" void GOMP_parallel(void (*work)(void*), void* given, unsigned threads, unsigned flags);
extern "C" int omp_get_thread_num(void);
extern "C" int omp_get_num_threads(void);

// Where the members of a team wait for each other once a step. They stay awake for it, as a step takes microseconds.
class Meeting {
    static constexpr int AWAKE = 4000;  // looks, some 50 us: after that another process may need this core
    std::atomic<int> arrived{0}, round{0};

  public:
    void wait(int members) {
        if (members == 1) return;
        const int now = round.load(std::memory_order_acquire);
        if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
            arrived.store(0, std::memory_order_relaxed);
            round.store(now + 1, std::memory_order_release);
            return;
        }
        for (int looks = 0; round.load(std::memory_order_acquire) == now; looks++)
            looks < AWAKE ? __builtin_ia32_pause() : std::this_thread::yield();  // leaves the core to its other thread
    }
};

// A thread's part of a window: `rows` lanes from `row` on, the units from `first` to before `last`.
struct Part {
    int64_t row;
    int rows, first, last, members;
    Meeting& meeting;

    void meet() const { meeting.wait(members); }
};

// work(part) by up to so many threads; each has its tiles set up for it.
template <class Work> void in_teams(int lanes, int units, int threads, bool tiles, const Work& work) {
    const int blocks = (lanes + ROWS - 1) / ROWS, slices = units / DEPTH;
    const int most = std::max(1, units / (tiles ? LEAST_BY_TILES : LEAST_BY_DOTS));
    std::vector<Meeting> meetings(blocks);
    const auto share = [&](int thread, int threads) {  // as many as there are, which may be fewer than were asked for
        const int members = std::clamp(threads / blocks, 1, most), teams = threads / members;
        const int team = thread / members, member = thread % members;
        if (team >= teams) return;
        for (int block = team; block < blocks; block += teams) {
            const int row = block * ROWS, rows = std::min(ROWS, lanes - row);
            const int first = slices * member / members * DEPTH, last = slices * (member + 1) / members * DEPTH;
            const Tiles set_up(tiles, rows);
            work(Part{row, rows, first, last, members, meetings[block]});
        }
    };
    if (threads == 1) return share(0, 1);
    const auto each = [](void* given) { (*static_cast<decltype(share)*>(given))(omp_get_thread_num(), omp_get_num_threads()); };
    GOMP_parallel(each, const_cast<void*>(static_cast<const void*>(&share)), threads, 0);
}

// What a step's sums begin with, of `gates` rows of H units each: what comes from the lanes' inputs (T, B, gates * H), if
// there are any, and from their tokens (T, B), as rows of a table (V, gates * H); without tokens its only row is for all.
struct Known {
    const number* inputs;
    const int64_t* tokens;
    const float* table;
    int64_t columns;

    floats at(int64_t lane, int64_t column) const {
        const floats by_token = load(table + (tokens ? tokens[lane] * columns : 0) + column);
        return inputs ? by_token + load(inputs + lane * columns + column) : by_token;
    }
};

// The gradients of a table's rows (V, columns) for each block of lanes, zeros before.
struct Learned {
    const int64_t* tokens;
    float* sums;
    int64_t columns;

    Learned(const int64_t* tokens, float* sums, int rows, int64_t columns, const Part& part)
        : tokens(tokens), sums(sums + part.row / ROWS * rows * columns), columns(columns) {}

    void add(int64_t lane, int64_t column, floats x) const { increase(sums + (tokens ? tokens[lane] * columns : 0) + column, x); }
};

// What the window did: 0, or 1 where there was no memory for it (no exception may reach Python).
template <class Window> int told(const Window& window) {
    try {
        window();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

// h (B, H) as a step multiplies it and as it writes the next: two buffers in turn, since others may still be reading.
class Carried {
    int units;
    std::vector<number> buffers[2];

  public:
    Carried(int lanes, int units, const float* first) : units(units) {
        for (auto& buffer : buffers) buffer.resize(static_cast<size_t>(lanes) * units);
        for (size_t i = 0; i < buffers[0].size(); i += WIDTH) store(&buffers[0][i], load(first + i));
    }

    number* at(int t, int64_t row) { return &buffers[t % 2][static_cast<size_t>(row) * units]; }
};
