// Where to set the gate on appearance, without labels, as in online.py.
#pragma once

#include "few_people.hpp"

namespace flatsort {

constexpr int BINS = 4096;
constexpr Index LAG = 10, MIN_SAME_PAIRS = 10, MIN_PAIRS = 300, MAX_DETECTIONS = 64;
constexpr double MIN_TRUE_ACCEPTS = 0.65, FALSE_ACCEPTS = 0.003, MAX_SHARED = 0.3;

struct Histogram {  // counts of distances in equal bins over [0, limit]; larger ones count in the last bin
    double limit = 2.0;
    Indices counts = Indices(BINS);
    Index total = 0;

    void add(float distance) {
        const float bin = distance * static_cast<float>(BINS / limit);
        ++counts[static_cast<int>(std::clamp(bin, 0.0f, static_cast<float>(BINS - 1)))], ++total;
    }

    double quantile(double share) const {  // the lower edge of the bin that passes it
        const double wanted = share * static_cast<double>(total);
        int passed = 0;
        for (Index sum = 0; passed < BINS; ++passed)
            if (static_cast<double>(sum += counts[passed]) > wanted) break;
        return passed * limit / BINS;
    }

    double share_below(double distance) const {
        const int stop = std::min(static_cast<int>(distance * BINS / limit), BINS);
        const Index sum = std::accumulate(counts.begin(), counts.begin() + stop, Index{0});
        return static_cast<double>(sum) / static_cast<double>(std::max<Index>(total, 1));
    }
};

struct OnlineThreshold {
    Metric metric = Metric::cosine;
    std::optional<Histogram> different, same;
    std::optional<double> value;  // the gate; none while too little was seen or the descriptor does not separate
    std::optional<Followed> followed;
    Indices detections;  // of those followed: their rows in the present frame
    std::optional<FewPeople> few;

    explicit OnlineThreshold(Metric of) : metric(of) { few.emplace().metric = of; }

    // The distance that lets through a small share of the different pairs, whatever it is worth.
    std::optional<double> gate() const {
        if (!different || different->total < MIN_PAIRS) return {};
        return different->quantile(FALSE_ACCEPTS);
    }

    // Share of same-person pairs that the gate lets through; none while too few were seen.
    std::optional<double> share_let_in(std::optional<double> gate) const {
        if (!gate || !same || same->total < MIN_SAME_PAIRS) return {};
        return same->share_below(*gate);
    }

    // One frame: boxes and prepared features of its good detections.
    void observe(const Boxes& boxes, const Features& features) {
        const Indices spread = spread_over(boxes.size());
        const std::vector<float> distances = different_pairs(boxes, features, spread);
        if (!different) {
            if (distances.empty()) return;
            const double largest = *std::max_element(distances.begin(), distances.end());
            different.emplace().limit = metric == Metric::cosine ? 2.0 : 2 * largest + 1e-12;
            same = different;
        }
        for (float distance : distances) different->add(distance);
        follow_people(boxes);
        compare(features);
        if (!followed) {
            followed.emplace().begin(boxes, features, spread);
            detections = spread;
        }
        const std::optional<double> found = gate(), accepted = share_let_in(found);
        value = accepted && *accepted >= MIN_TRUE_ACCEPTS ? found : std::nullopt;
        if (accepted) {
            few.reset();
        } else if (few) {
            few->observe(boxes, features, distances);
            value = few->gate();
        }
    }

    // A frame whose detections were not described.
    void follow(const Boxes& boxes) {
        follow_people(boxes);
        if (few) few->follow(boxes);
    }

    void follow_people(const Boxes& boxes) {
        if (followed) detections = followed->follow(boxes, LINK_MIN_OVERLAP, LINK_MAX_SECOND);
    }

    // Compare whom we have followed for long enough with what they looked like.
    void compare(const Features& features) {
        if (!followed || !same) return;
        if (followed->age >= LAG)
            for (std::size_t k = 0; k < detections.size(); ++k) {
                const float* first = &followed->looks[k * features.dimension];
                same->add(distance(first, features[detections[k]], features.dimension, metric));
            }
        if (followed->age >= LAG || followed->boxes.empty()) followed.reset();
    }

    // At most MAX_DETECTIONS rows, evenly spread, as numpy.linspace has them.
    static Indices spread_over(std::size_t count) {
        Indices rows(std::min<std::size_t>(count, MAX_DETECTIONS));
        const double last = static_cast<double>(count) - 1, step = last / (static_cast<double>(rows.size()) - 1);
        for (std::size_t k = 1; k < rows.size(); ++k) rows[k] = static_cast<Index>(static_cast<double>(k) * step);
        if (rows.size() > 1) rows.back() = static_cast<Index>(count) - 1;
        return rows;
    }

    // Distances of pairs that do not overlap so much that they may be one person found twice.
    std::vector<float> different_pairs(const Boxes& boxes, const Features& features, const Indices& rows) const {
        const std::size_t count = rows.size(), dimension = features.dimension;
        std::vector<double> wide(count * dimension), squared(count);  // so that each is converted once
        for (std::size_t i = 0; i < count; ++i) {
            std::copy_n(features[rows[i]], dimension, &wide[i * dimension]);
            if (metric == Metric::euclidean) squared[i] = dot(features[rows[i]], features[rows[i]], dimension);
        }
        std::vector<float> found;
        found.reserve(count * count / 2);
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t j = i + 1; j < count; ++j) {
                if (!(iou(boxes[rows[i]], boxes[rows[j]]) < MAX_SHARED)) continue;
                const double *a = &wide[i * dimension], *b = &wide[j * dimension];
                const double product = dot(a, b, dimension);
                found.push_back(distance_by_product(product, squared[i], squared[j], metric));
            }
        return found;
    }
};

}  // namespace flatsort
