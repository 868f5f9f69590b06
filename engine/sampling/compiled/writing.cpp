// What Python calls. Arrays are dense; B texts, V tokens, H units, which are filled up to a multiple of WIDTH in what layers
// carry.

#include <atomic>
#include <new>
#include <thread>

#include "steps.h"

constexpr int MOST_ROWS = 64;  // that go through a step together: what they need stays in the cache
constexpr int LEAST_ROWS = 8;  // of a thread

// What was done: 0, or 1 where there was no memory for it (no exception may reach Python).
template <class Work> int told(const Work& work) {
    try {
        work();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

// Blocks of rows, each filled up to whole registers; `filling` stands there.
inline Array<float> filled_up(const float* from, int64_t blocks, int numbers, float filling = 0) {
    const int width = rounded_up(numbers);
    Array<float> to(blocks * width);
    for (int64_t block = 0; block < blocks; block++) {
        std::fill_n(to.at(block * width), width, filling);
        std::copy_n(from + block * numbers, numbers, to.at(block * width));
    }
    return to;
}

extern "C" int width() { return WIDTH; }

// Whether int8 is faster than float32 here.
extern "C" int has_dots() { return HAS_DOTS; }

extern "C" Network* new_network(int64_t vocabulary, int64_t in_int8, int64_t residual) {
    auto* const network = new (std::nothrow) Network;
    if (network) network->vocabulary = static_cast<int>(vocabulary), network->in_int8 = in_int8, network->residual = residual;
    return network;
}

extern "C" void delete_network(Network* network) { delete network; }

// The tokens' own vectors (V, size) are multiplied by the first layer, so they are not looked up; they stay the caller's.
extern "C" int read_vectors(Network* network, int64_t size, const float* vectors) {
    network->vectors = vectors, network->vector_size = size;
    return 0;
}

// Vectors (rows, size) and codes (V) stay the caller's.
extern "C" int read_grams(Network* network, int64_t longest, int64_t size, int64_t rows, const float* vectors,
                          const int64_t* codes) {
    network->grams = Grams{static_cast<int>(longest), static_cast<int>(size), rows, vectors, codes};
    return 0;
}

// `known` (tokens or 1, gates * H) and W_x (gates * H, inputs) make up what comes from below: the latter may be missing, and so
// may the rest, where the cell or the network has none.
extern "C" int add_layer(Network* network, int64_t kind, int64_t units, int64_t tokens, const float* known,
                         int64_t inputs, int64_t bounded, const float* w_x, const float* w_h, const float* b_h,
                         const float* gain, const float* shift) {
    return told([&] {
        constexpr int GATES[] = {1, 3, 4};
        const int gates = GATES[kind];
        Layer layer;
        layer.kind = static_cast<Kind>(kind), layer.normed = units, layer.units = rounded_up(units);
        layer.from_h = Product(w_h, gates, units, units, network->in_int8, true);
        if (w_x) layer.from_x = Product(w_x, gates, units, inputs, network->in_int8, bounded);
        layer.known = filled_up(known, static_cast<int64_t>(tokens) * gates, units), layer.by_token = tokens > 1;
        if (b_h) layer.b_h = filled_up(b_h, gates, units);
        if (gain) layer.gain = filled_up(gain, 1, units), layer.shift = filled_up(shift, 1, units);
        network->most_units = std::max(network->most_units, layer.units);
        network->most_sums = std::max(network->most_sums, layer.from_h.outputs());
        network->layers.push_back(std::move(layer));
    });
}

// What the last layer gives goes through `narrow` (inputs, H) first, if there is one, and then through W (V, inputs).
extern "C" int read_out(Network* network, int64_t units, int64_t inputs, int64_t bounded, const float* narrow,
                        const float* w, const float* bias) {
    return told([&] {
        if (narrow) network->narrow = Product(narrow, 1, inputs, units, network->in_int8, bounded);
        network->output = Product(w, 1, network->vocabulary, inputs, network->in_int8, bounded && !narrow);
        network->bias = filled_up(bias, 1, network->vocabulary, NOWHERE);
        network->most_units = std::max(network->most_units, rounded_up(inputs));
        network->most_sums = std::max(network->most_sums, network->narrow.outputs());
    });
}

// Texts go on as `Asked` says, by so many threads: 0; 1: there is no memory; 2: a token was to be drawn and a logit is no number.
extern "C" int go_on(const Network* network, int64_t rows, int64_t threads, float* const* parts, int64_t* before, int64_t* tokens,
                     int64_t steps, double temperature, int64_t never, const int64_t* following, const double* uniform, int64_t* drawn,
                     double* nats, float* logits) {
    const int64_t blocks = std::max<int64_t>({1, std::min(threads, rows / LEAST_ROWS), (rows + MOST_ROWS - 1) / MOST_ROWS});
    std::atomic<int64_t> next{0};
    std::atomic<int> out{0};
    const auto take_blocks = [&] {
        for (int64_t block = next++; block < blocks; block = next++) {
            const int64_t row = rows * block / blocks, end = rows * (block + 1) / blocks;
            const int failed = told([&] {
                std::vector<float*> mine;
                for (const Layer& layer : network->layers)
                    for (int part = 0; part < (layer.kind == Kind::lstm ? 2 : 1); part++)
                        mine.push_back(parts[mine.size()] + row * layer.units);
                const int64_t seen = std::max(network->grams.longest - 1, 0);
                const Texts texts{static_cast<int>(end - row), mine.data(), before + row * seen, tokens + row};
                const Asked asked{static_cast<int>(steps),
                                  temperature,
                                  never,
                                  following ? following + row * steps : nullptr,
                                  uniform ? uniform + row * steps : nullptr,
                                  drawn + row * steps,
                                  nats + row * steps,
                                  logits + row * network->vocabulary};
                if (!Walk(*network, texts.rows).go_on(texts, asked)) out = 2;
            });
            if (failed) out = 1;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int64_t thread = 1; thread < std::min(threads, blocks); thread++) others.emplace_back(take_blocks);
    } catch (const std::exception&) {  // there are fewer then
    }
    take_blocks();
    for (std::thread& other : others) other.join();
    return out;
}
