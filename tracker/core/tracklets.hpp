// Pairs of boxes of consecutive frames that overlap each other best, as in tracklets.py and camera_shift.py.
#pragma once

#include "boxes.hpp"

namespace flatsort {

constexpr double LINK_MIN_OVERLAP = 0.5, LINK_MAX_SECOND = 0.3;

struct Best {  // the other box with the largest overlap, the first one of equals, and the largest overlap but that
    Index other = NONE;
    double overlap = 0, second = 0;

    void see(Index index, double found) {
        if (found > overlap || (found == overlap && index < other)) {
            second = overlap, overlap = found, other = index;
        } else {
            second = std::max(second, found);
        }
    }
};

struct BestOverlaps {
    std::vector<Best> of_old, of_new;

    BestOverlaps(const Boxes& old_boxes, const Boxes& new_boxes) : of_old(old_boxes.size()), of_new(new_boxes.size()) {
        const Sweep sweep(new_boxes);
        for (std::size_t row = 0; row < old_boxes.size(); ++row)
            sweep.overlapping(old_boxes[row], [&](Index column, double overlap) {
                of_old[row].see(column, overlap);
                of_new[column].see(static_cast<Index>(row), overlap);
            });
    }

    bool is_mutual(std::size_t row) const {
        return of_old[row].other != NONE && of_new[of_old[row].other].other == static_cast<Index>(row);
    }
};

struct Pairs {
    Indices rows, columns;
};

// Rows, ascending, of old boxes and the columns of the new ones that belong to them beyond doubt.
inline Pairs mutual_overlaps(const Boxes& old_boxes, const Boxes& new_boxes, double min_overlap = LINK_MIN_OVERLAP,
                             double max_second = LINK_MAX_SECOND) {
    Pairs found;
    if (old_boxes.empty() || new_boxes.empty()) return found;
    const BestOverlaps best(old_boxes, new_boxes);
    for (std::size_t row = 0; row < old_boxes.size(); ++row) {
        const Best& old = best.of_old[row];
        if (!best.is_mutual(row) || !(old.overlap > min_overlap)) continue;
        if (std::max(old.second, best.of_new[old.other].second) > max_second) continue;
        found.rows.push_back(static_cast<Index>(row)), found.columns.push_back(old.other);
    }
    return found;
}

}  // namespace flatsort
