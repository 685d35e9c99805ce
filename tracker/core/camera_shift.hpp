// How the picture moved as a whole, told from the boxes alone, as in camera_shift.py.
#pragma once

#include "tracklets.hpp"

namespace flatsort {

constexpr double SHIFT_MIN_OVERLAP = 0.2;
constexpr std::size_t SHIFT_MIN_PAIRS = 3;

inline double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2) return *middle;
    return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

// Median displacement (x, y) from predicted to detected boxes that overlap each other best; zero with too few pairs.
inline std::array<double, 2> shift_from_boxes(const Boxes& predicted, const Boxes& detected) {
    if (std::min(predicted.size(), detected.size()) < SHIFT_MIN_PAIRS) return {0, 0};
    const BestOverlaps best(predicted, detected);
    std::vector<double> x, y;
    x.reserve(predicted.size()), y.reserve(predicted.size());
    for (std::size_t row = 0; row < predicted.size(); ++row) {
        if (!best.is_mutual(row) || !(best.of_old[row].overlap > SHIFT_MIN_OVERLAP)) continue;
        const Box &to = detected[best.of_old[row].other], &from = predicted[row];
        x.push_back(0.5 * ((to.left - from.left) + (to.right - from.right)));
        y.push_back(0.5 * ((to.top - from.top) + (to.bottom - from.bottom)));
    }
    if (x.size() < SHIFT_MIN_PAIRS) return {0, 0};
    return {median(x), median(y)};
}

}  // namespace flatsort
