// What each track looks like, as in appearance.py: an averaged feature, or a gallery of past ones.
#pragma once

#include "boxes.hpp"
#include "vectors.hpp"

namespace flatsort {

constexpr double ROUNDING = 1e-13;  // less than this share of the terms is no difference

enum class Metric { cosine, euclidean };

struct Features {  // rows of `dimension` numbers, prepared for the metric
    const float* data = nullptr;
    std::size_t dimension = 0;

    const float* operator[](Index row) const { return data + row * dimension; }
};

// A feature as the metric compares it: of unit length for cosine, as it is for Euclidean. `squared` is its length.
inline void prepare(const float* from, float* to, std::size_t dimension, Metric metric, double squared) {
    if (metric == Metric::euclidean) {
        if (from != to) std::copy_n(from, dimension, to);
        return;
    }
    divide(from, std::max(static_cast<float>(std::sqrt(squared)), 1e-12f), to, dimension);
}

// 1 - cos in [0, 2], or the Euclidean length, of two prepared features.
inline float distance(const float* a, const float* b, std::size_t dimension, Metric metric) {
    if (metric == Metric::cosine) return static_cast<float>(1.0 - dot(a, b, dimension));
    return static_cast<float>(std::sqrt(squared_difference(a, b, dimension)));
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
        prepare(mine, mine, dimension, metric, dot(mine, mine, dimension));
        known[row] = 1, age[row] = 0;
    }

    double bound(std::size_t row, const float* feature, double) const {
        return known[row] ? distance(&features[row * dimension], feature, dimension, metric) : INFINITE;
    }

    double distance_to(std::size_t, const float*, double bound, double) const { return bound; }
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

    // The distance is no larger than this; inf: the triangle inequality says that it is above `limit`.
    double bound(std::size_t row, const float* feature, double limit) const {
        const Slot& slot = pool[slots[row]];
        if (!slot.seen) return INFINITE;
        const double found = distance(slot.anchor.data(), feature, dimension, metric);
        return is_within_reach(slot, found, limit) ? found : INFINITE;
    }

    // From a `bound`; any distance up to `enough` is as good as the smallest.
    double distance_to(std::size_t row, const float* feature, double bound, double enough) const {
        if (metric == Metric::cosine && bound <= enough) return bound;
        const Slot& slot = pool[slots[row]];
        const auto to = [&](std::size_t k) { return distance(&slot.ring[k * dimension], feature, dimension, metric); };
        if (const double last = to((slot.seen - 1) % budget); metric == Metric::cosine && last <= enough) return last;
        const float* half_norm = metric == Metric::euclidean ? slot.half_norm.data() : nullptr;
        return to(most_similar(slot.ring.data(), half_norm, slot.filled, feature, dimension));
    }

    bool is_within_reach(const Slot& slot, double found, double limit) const {
        if (found <= limit) return true;
        if (metric == Metric::euclidean) return found <= slot.radius * 1.001 + limit + 1e-3 * found;
        const double pi = 3.14159265358979323846;
        const double angle = std::min(slot.radius + std::acos(std::max(1 - limit, -1.0)) + 1e-3, pi);
        return found <= 1 - std::cos(angle) + 1e-5;
    }
};

}  // namespace flatsort
