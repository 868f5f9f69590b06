// Lanes do not see each other: threads share them out for a whole window at a time, and meet only at its end.

#pragma once

#include <algorithm>
#include <thread>
#include <vector>

#include "product.h"

// work(row, rows) for blocks of up to 16 of `lanes`; each thread has some, with its tiles set up for them.
template <class Work> void in_blocks(int lanes, int threads, bool tiles, const Work& work) {
    const int each = std::max((lanes + threads - 1) / threads, 1);
    const auto share = [&](int first) {
        const int last = std::min(lanes, first + each);
        for (int row = first; row < last; row += ROWS) {
            const int rows = std::min(ROWS, last - row);
            const Tiles set_up(tiles, rows);
            work(row, rows);
        }
    };
    std::vector<std::thread> others;
    for (int first = each; first < lanes; first += each) others.emplace_back(share, first);
    share(0);
    for (std::thread& other : others) other.join();
}
