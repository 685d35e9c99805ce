// What each track looks like, as in appearance.py: an averaged feature, or a gallery of past ones.
#pragma once

#include "boxes.hpp"

namespace flatsort {

constexpr double ROUNDING = 1e-13;  // less than this share of the terms is no difference

enum class Metric { cosine, euclidean };

struct Features {  // rows of `dimension` numbers, prepared for the metric
    const float* data = nullptr;
    std::size_t dimension = 0;

    const float* operator[](Index row) const { return data + row * dimension; }
};

// Sums are of doubles, in eight lanes, which compilers turn into vector instructions.
template <class Term>
inline double sum_over(std::size_t dimension, Term&& term) {
    double lanes[8] = {}, rest = 0;
    std::size_t k = 0;
    for (; k + 8 <= dimension; k += 8)
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += term(k + lane);
    for (; k < dimension; ++k) rest += term(k);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) + rest;
}

inline double dot(const float* a, const float* b, std::size_t dimension) {
    return sum_over(dimension, [=](std::size_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
}

inline float dot_in_floats(const float* a, const float* b, std::size_t dimension) {
    float lanes[16] = {}, rest = 0;
    std::size_t k = 0;
    for (; k + 16 <= dimension; k += 16)
        for (int lane = 0; lane < 16; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
    for (; k < dimension; ++k) rest += a[k] * b[k];
    for (float lane : lanes) rest += lane;
    return rest;
}

// A feature as the metric compares it: of unit length for cosine, as it is for Euclidean.
inline void prepare(const float* from, float* to, std::size_t dimension, Metric metric) {
    if (metric == Metric::euclidean) {
        if (from != to) std::copy_n(from, dimension, to);
        return;
    }
    const float norm = std::max(static_cast<float>(std::sqrt(dot(from, from, dimension))), 1e-12f);
    for (std::size_t k = 0; k < dimension; ++k) to[k] = from[k] / norm;
}

// 1 - cos in [0, 2], or the Euclidean length, of two prepared features.
inline float distance(const float* a, const float* b, std::size_t dimension, Metric metric) {
    if (metric == Metric::cosine) return static_cast<float>(1.0 - dot(a, b, dimension));
    return static_cast<float>(std::sqrt(sum_over(dimension, [=](std::size_t k) {
        const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
        return difference * difference;
    })));
}

// The same from the inner product, for many pairs; `aa` and `bb` are the products with themselves.
inline float distance_by_product(double ab, double aa, double bb, Metric metric) {
    if (metric == Metric::cosine) return static_cast<float>(1.0 - ab);
    const double squared = aa + bb - 2 * ab;
    return static_cast<float>(std::sqrt(squared > ROUNDING * (aa + bb) ? squared : 0.0));
}

// One feature a track: f <- m f + (1 - m) new, renormalised for the cosine metric.
struct AveragedFeature {
    Metric metric = Metric::cosine;
    double momentum = 0.9;
    Index longest = 1;
    std::size_t dimension = 0;
    std::vector<float> features;  // [M, dimension]
    Mask known;
    Indices age;  // frames since the last feature

    void append() { features.resize(features.size() + dimension), known.push_back(0), age.push_back(0); }

    void keep(const Mask& kept) {
        keep_rows(features, kept, dimension), keep_rows(known, kept), keep_rows(age, kept);
    }

    void set_dimension(std::size_t columns) {
        if (columns == dimension) return;
        dimension = columns;
        features.assign(known.size() * columns, 0.0f);
    }

    void update(std::size_t row, const float* feature) {
        float* mine = &features[row * dimension];
        const double frames = static_cast<double>(std::clamp<Index>(age[row], 1, longest));
        const float kept = known[row] ? static_cast<float>(std::pow(momentum, frames)) : 0.0f, fresh = 1.0f - kept;
        for (std::size_t k = 0; k < dimension; ++k) mine[k] = kept * mine[k] + fresh * feature[k];
        prepare(mine, mine, dimension, metric);
        known[row] = 1, age[row] = 0;
    }

    double distance_to(std::size_t row, const float* feature, double) const {
        return known[row] ? distance(&features[row * dimension], feature, dimension, metric) : INFINITE;
    }
};

// The last `budget` features of each track; the distance is the smallest to any of them (Wojke et al. 2017, Eq. 2).
struct Gallery {
    struct Slot {
        std::vector<float> ring, half_norm;  // [filled, dimension]; |feature|^2 / 2 [filled], Euclidean only
        std::vector<float> anchor;           // no feature of the slot is farther from it than the radius
        float radius = 0;
        std::size_t filled = 0;
        Index seen = 0;  // features ever written
    };

    Metric metric = Metric::cosine;
    Index budget = 100;
    std::size_t dimension = 0;
    Indices slots, free;  // slot of each track; slots of ended tracks, to be handed on
    std::vector<Slot> pool;

    void append() {
        if (free.empty()) {
            free.push_back(static_cast<Index>(pool.size()));
            pool.emplace_back();
        }
        slots.push_back(free.back()), free.pop_back();
        Slot& slot = pool[slots.back()];
        slot.seen = 0, slot.filled = 0;
        slot.ring.clear(), slot.half_norm.clear();
    }

    void keep(const Mask& kept) {
        for (std::size_t row = kept.size(); row-- > 0;)
            if (!kept[row]) free.push_back(slots[row]);
        keep_rows(slots, kept);
    }

    void set_dimension(std::size_t columns) { dimension = columns; }

    void update(std::size_t row, const float* feature) {
        Slot& slot = pool[slots[row]];
        const std::size_t place = static_cast<std::size_t>(slot.seen % budget);
        if (slot.seen < budget) slot.ring.resize(++slot.filled * dimension);
        std::copy_n(feature, dimension, &slot.ring[place * dimension]);
        if (metric == Metric::euclidean) {
            slot.half_norm.resize(slot.filled);
            slot.half_norm[place] = 0.5f * dot_in_floats(feature, feature, dimension);
        }
        ++slot.seen;
        if (place > 0) {
            slot.radius = std::max(slot.radius, reach(slot.anchor.data(), feature));
            return;
        }
        slot.anchor.assign(feature, feature + dimension);  // a new track, or a ring gone round: the old one may be far
        slot.radius = 0;
        for (std::size_t k = 0; k < slot.filled; ++k)
            slot.radius = std::max(slot.radius, reach(slot.anchor.data(), &slot.ring[k * dimension]));
    }

    // How far apart, in a distance that obeys the triangle inequality: the angle for cosine.
    float reach(const float* a, const float* b) const {
        const float found = distance(a, b, dimension, metric);
        return metric == Metric::cosine ? std::acos(std::clamp(1.0f - found, -1.0f, 1.0f)) : found;
    }

    // Inf where the triangle inequality says that it is above `limit`.
    double distance_to(std::size_t row, const float* feature, double limit) const {
        const Slot& slot = pool[slots[row]];
        if (!slot.seen || !is_within_reach(slot, feature, limit)) return INFINITE;
        std::size_t best = 0;
        float largest = -std::numeric_limits<float>::infinity();
        for (std::size_t k = 0; k < slot.filled; ++k) {
            float similarity = dot_in_floats(&slot.ring[k * dimension], feature, dimension);
            if (metric == Metric::euclidean) similarity -= slot.half_norm[k];
            if (similarity > largest) largest = similarity, best = k;
        }
        return distance(&slot.ring[best * dimension], feature, dimension, metric);
    }

    bool is_within_reach(const Slot& slot, const float* feature, double limit) const {
        const double found = distance(slot.anchor.data(), feature, dimension, metric);
        if (metric == Metric::euclidean) return found <= slot.radius * 1.001 + limit + 1e-3 * found;
        const double pi = 3.14159265358979323846;
        const double angle = std::min(slot.radius + std::acos(std::max(1 - limit, -1.0)) + 1e-3, pi);
        return found <= 1 - std::cos(angle) + 1e-5;
    }
};

}  // namespace flatsort
