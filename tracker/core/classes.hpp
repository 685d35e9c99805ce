// Which class a track is of when its detections disagree, as in classes.py: that of most of them.
#pragma once

#include <utility>

#include "boxes.hpp"

namespace flatsort {

struct ClassVotes {
    std::vector<std::vector<std::pair<Index, Index>>> counts;  // of each track: class, how often

    void append() { counts.emplace_back(); }

    void keep(const Mask& kept) {
        std::size_t to = 0;
        for (std::size_t row = 0; row < kept.size(); ++row)
            if (kept[row]) {
                if (to != row) counts[to] = std::move(counts[row]);
                ++to;
            }
        counts.resize(to);
    }

    Index& count(std::size_t row, Index class_id) {
        for (auto& [known, often] : counts[row])
            if (known == class_id) return often;
        counts[row].emplace_back(class_id, 0);
        return counts[row].back().second;
    }

    // The class of a track that was of `current` until now and was `found` as this; NONE: unknown.
    Index update(std::size_t row, Index current, Index found) {
        if (found == NONE) return current;
        const Index often = ++count(row, found);
        return current == NONE || often > count(row, current) ? found : current;
    }
};

}  // namespace flatsort
