// The gate on appearance where few people are seen, as in few_people.py.
#pragma once

#include <optional>

#include "../appearance.hpp"
#include "../tracklets.hpp"

namespace flatsort {

constexpr Index SPAN = 10;  // frames
constexpr double STAKE = 0.9, CAPITAL = 100.0, MAX_MEAN_PAIRS = 4.5;
constexpr double FEW_MIN_OVERLAP = 0.3, FEW_MAX_SECOND = 0.5;

// Boxes of people who are followed, and what they looked like when that began.
struct Followed {
    Boxes boxes;
    std::vector<float> looks;  // [K, dimension]
    std::size_t dimension = 0;
    Index age = 0;

    // Take `rows` of what is seen.
    void begin(const Boxes& seen, const Features& features, const Indices& rows) {
        boxes = take(seen, rows), dimension = features.dimension, age = 0;
        looks.resize(rows.size() * dimension);
        for (std::size_t k = 0; k < rows.size(); ++k)
            std::copy_n(features[rows[k]], dimension, looks.begin() + k * dimension);
    }

    // Follow them into a frame; which of its boxes are those still followed.
    Indices follow(const Boxes& seen, double min_overlap, double max_second) {
        const Pairs pairs = mutual_overlaps(boxes, seen, min_overlap, max_second);
        for (std::size_t k = 0; k < pairs.rows.size(); ++k)
            std::copy_n(looks.begin() + pairs.rows[k] * dimension, dimension, looks.begin() + k * dimension);
        looks.resize(pairs.rows.size() * dimension);
        boxes = take(seen, pairs.columns);
        ++age;
        return pairs.columns;
    }
};

struct FewPeople {
    Metric metric = Metric::cosine;
    bool knows_people = false;
    double capital = 1.0;
    Index pairs = 0, frames = 0;  // of two people in one frame, and frames that have such pairs
    double nearest = INFINITE;    // smallest distance of two people
    double sums[2][2] = {};       // of the frames' [farthest own, nearest two], in a span's [first, second half]
    Index counts[2][2] = {};
    Followed followed;

    bool are_few() const { return static_cast<double>(pairs) <= MAX_MEAN_PAIRS * static_cast<double>(frames); }

    // One frame: its good detections, and the distances of its pairs of two people.
    void observe(const Boxes& boxes, const Features& features, const std::vector<float>& different) {
        if (!different.empty()) {
            pairs += static_cast<Index>(different.size()), ++frames;
            nearest = std::min(nearest, static_cast<double>(*std::min_element(different.begin(), different.end())));
        }
        if (!are_few()) {
            followed.boxes.clear(), followed.looks.clear();
            return;
        }
        const Indices columns = followed.follow(boxes, FEW_MIN_OVERLAP, FEW_MAX_SECOND);
        if (!columns.empty()) compare(features, columns, different);
        if (followed.age >= SPAN || columns.size() < std::min<std::size_t>(2, boxes.size())) {
            Indices all(boxes.size());
            std::iota(all.begin(), all.end(), Index{0});
            followed.begin(boxes, features, all);
        }
    }

    void follow(const Boxes& boxes) { followed.follow(boxes, FEW_MIN_OVERLAP, FEW_MAX_SECOND); }

    // Bet on the distances of first looks and present ones, and note how far they have come.
    void compare(const Features& features, const Indices& columns, const std::vector<float>& different) {
        const std::size_t people = columns.size(), dimension = features.dimension;
        const auto apart = [&](std::size_t i, std::size_t j) {
            const float *a = &followed.looks[i * dimension], *b = features[columns[j]];
            return distance_by_product(dot(a, b, dimension), dot(a, a, dimension), dot(b, b, dimension), metric);
        };
        const int half = 2 * followed.age > SPAN;
        float farthest = 0;
        bool known = true;
        for (std::size_t i = 0; i < people; ++i) {
            const float own = apart(i, i);
            farthest = i ? std::max(farthest, own) : own;
            if (people < 2 || knows_people) continue;
            float others = std::numeric_limits<float>::infinity();
            for (std::size_t j = 0; j < people; ++j)
                if (j != i) others = std::min(others, apart(i, j));
            known &= own < 0.9999f * others - 1e-6f;  // by more than rounding
        }
        sums[0][half] += farthest, ++counts[0][half];
        if (!different.empty())
            sums[1][half] += *std::min_element(different.begin(), different.end()), ++counts[1][half];
        if (people < 2 || knows_people) return;
        double odds = 1;  // less than fair is on the safe side
        for (std::size_t k = 2; k <= std::min<std::size_t>(people, 9); ++k) odds *= static_cast<double>(k);
        capital *= known ? 1 + STAKE * (odds - 1) : 1 - STAKE;
        knows_people = capital >= CAPITAL;
    }

    // The smallest distance of two people, seen or to come; none while one person's may become as large.
    std::optional<double> gate() const {
        const bool counted = counts[0][0] && counts[0][1] && counts[1][0] && counts[1][1];
        if (!are_few() || !knows_people || !counted) return {};
        const auto mean = [&](int kind, int half) { return sums[kind][half] / static_cast<double>(counts[kind][half]); };
        const double own = mean(0, 0), own_later = mean(0, 1), near = mean(1, 0), near_later = mean(1, 1);
        const double own_to_come = own_later + 2 * std::max(own_later - own, 0.0);
        const double nearest_to_come = std::min(nearest, near_later - 2 * std::max(near - near_later, 0.0));
        if (own_to_come < nearest_to_come) return nearest_to_come;
        return {};
    }
};

}  // namespace flatsort
