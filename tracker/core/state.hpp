// The book-keeping of all tracks, as in state.py: one array a column, one row a track.
#pragma once

#include "boxes.hpp"

namespace flatsort {

struct TrackState {
    Indices ids, hits, streak, age, missed, detection, class_ids;
    Mask confirmed;
    std::vector<double> scores;

    std::size_t size() const { return ids.size(); }

    template <class Visitor>
    void each_field(Visitor&& visit) {
        visit("ids", ids), visit("hits", hits), visit("streak", streak), visit("age", age), visit("missed", missed);
        visit("detection", detection), visit("class_ids", class_ids);
        visit("confirmed", confirmed), visit("scores", scores);
    }

    void keep(const Mask& kept) {
        each_field([&](const char*, auto& column) { keep_rows(column, kept); });
    }

    // Enter what matching found: `found` is each track's detection or NONE.
    void record(const Indices& found, const std::vector<double>& frame_scores, Index n_init) {
        detection = found;
        for (std::size_t row = 0; row < size(); ++row) {
            const bool hit = found[row] != NONE;
            if (hit) scores[row] = frame_scores[found[row]];
            hits[row] += hit;
            streak[row] = hit ? streak[row] + 1 : 0;
            missed[row] = hit ? 0 : missed[row] + 1;
            if (hit) age[row] = 0;
            confirmed[row] |= hits[row] >= n_init;
        }
    }

    void append(Index id, Index column, double score, Index class_id, Index n_init) {
        ids.push_back(id), hits.push_back(1), streak.push_back(0), age.push_back(0), missed.push_back(0);
        detection.push_back(column), class_ids.push_back(class_id);
        confirmed.push_back(n_init <= 1), scores.push_back(score);
    }
};

}  // namespace flatsort
