// The online tracker: predict, match, correct, start and end tracks. Mirrors numpy_core.py, method for method.
#pragma once

#include <variant>

#include "camera_shift.hpp"
#include "classes.hpp"
#include "gate/online.hpp"
#include "matching.hpp"

namespace flatsort {

struct Detected {  // a frame as the caller has it: rows of C arrays
    std::size_t count = 0, dimension = 0;
    const Box* boxes = nullptr;
    const double* scores = nullptr;
    const float* features = nullptr;    // or null
    const Index *class_ids = nullptr, *rows = nullptr;  // or null
};

using Affine = std::array<double, 6>;

class Tracker {
  public:
    // No memory has no looks to ask for; AveragedFeature stands in for it and is never asked.
    using Looks = std::variant<AveragedFeature, Gallery>;

    explicit Tracker(const Config& given) : config(given) {
        filters.model = &motion_model(config.xyah);
        if (config.appearance == Memory::gallery) {
            Gallery& gallery = memory.emplace<Gallery>();
            gallery.metric = config.metric, gallery.budget = config.budget;
        } else {
            AveragedFeature& average = memory.emplace<AveragedFeature>();
            average.metric = config.metric, average.momentum = config.momentum;
            average.longest = config.max_feature_age;
        }
        if (!config.max_appearance_distance) threshold.emplace(config.metric);
    }

    const Config config;
    TrackState state;
    Filters filters;
    Looks memory;
    ClassVotes votes;
    std::optional<OnlineThreshold> threshold;
    std::optional<Index> dimension;  // of the features, once seen
    double described_at = -INFINITE;  // frame in which every good detection was last described on demand
    Index next_id = 1, frames_seen = 0, frame_index = 0, detections_used = 0;
    std::optional<double> gate;  // largest appearance distance of a match in the last frame

    bool has_memory() const { return config.appearance != Memory::none; }

    // The detections worth matching; false: their numbers are none that the tracker takes.
    bool observe(const Detected& found) {
        frame = Observations();
        Boxes boxes;
        std::vector<double> scores;
        Indices source;
        boxes.reserve(found.count), scores.reserve(found.count), source.reserve(found.count);
        for (std::size_t row = 0; row < found.count; ++row) {
            const Box& box = found.boxes[row];
            const double largest = std::max(std::max(std::abs(box.left), std::abs(box.top)),
                                            std::max(std::abs(box.right), std::abs(box.bottom)));
            const bool is_number = box.left == box.left && box.top == box.top && box.right == box.right &&
                                   box.bottom == box.bottom && found.scores[row] == found.scores[row];
            if (!is_number || !(largest < INFINITE)) return false;
            if (!(found.scores[row] >= config.least_confidence)) continue;
            boxes.push_back(box), scores.push_back(found.scores[row]), source.push_back(static_cast<Index>(row));
        }
        if (config.nms_max_overlap < 1) {
            const Indices kept = non_maximum_suppression(boxes, scores, config.nms_max_overlap);
            boxes = take(boxes, kept), scores = take(scores, kept), source = take(source, kept);
        }
        if (has_memory() && found.features && !source.empty() && !observe_features(found, source)) return false;
        frame.boxes = std::move(boxes), frame.scores = std::move(scores);
        frame.high.reserve(source.size());
        for (double score : frame.scores) frame.high.push_back(score >= config.high_confidence);
        frame.described.assign(source.size(), frame.has_features);
        frame.has_classes = found.class_ids != nullptr;
        for (Index& row : source) {
            if (frame.has_classes) frame.class_ids.push_back(found.class_ids[row]);
            if (found.rows) row = found.rows[row];
        }
        frame.source = std::move(source);
        return true;
    }

    // Whether features are to be had on demand.
    bool wants_features() const {
        return has_memory() && !frame.has_features && std::count(frame.high.begin(), frame.high.end(), 1);
    }

    // Predict the tracks into frame `index`.
    void advance(Index index, const Affine* affine) {
        const Index steps = frames_seen ? index - frame_index : 1;
        frame_index = index;
        ++frames_seen;
        predict(steps);
        if (affine) follow_camera(*affine);
        if (config.camera_shift) follow_boxes();
    }

    // Rows of the good detections that motion does not settle, or of all when it is time again.
    Indices doubtful() {
        settled.clear();
        frame.described = frame.high;
        const double waited = static_cast<double>(frame_index) - described_at;
        if (waited < static_cast<double>(config.max_feature_age) && !is_calibrating()) {
            settled = match_beyond_doubt(state, filters, frame, config.class_gating);
            for (Index column : settled)
                if (column != NONE) frame.described[column] = 0;
        } else {
            described_at = static_cast<double>(frame_index);
        }
        return where(frame.described);
    }

    // Features, prepared, of the rows that were asked for.
    void describe(const Indices& rows, const Features& features) {
        frame.has_features = true, frame.dimension = features.dimension;
        frame.features.assign(frame.boxes.size() * features.dimension, 0.0f);
        for (std::size_t k = 0; k < rows.size(); ++k)
            std::copy_n(features[static_cast<Index>(k)], features.dimension,
                        frame.features.begin() + rows[k] * features.dimension);
    }

    void take_in() {
        if (frame.has_features) dimension = static_cast<Index>(frame.dimension);
        gate = appearance_gate();
        detections_used += static_cast<Index>(frame.boxes.size());
        if (settled.size() != state.size()) settled.assign(state.size(), NONE);
        const Indices found = std::visit(
            [&](const auto& looks) {
                const auto* asked = has_memory() ? &looks : nullptr;
                return Matching(config, state, filters, asked, frame, gate, assignment).match(settled);
            },
            memory);
        settled.clear();
        correct(found);
        start(found);
        report();
    }

    Indices reported;  // rows of the tracks to report for this frame
    Observations frame;

  private:
    void predict(Index steps) {
        for (Index& age : state.age) age += steps;
        if (has_memory() && config.appearance == Memory::average)
            for (Index& age : std::get<AveragedFeature>(memory).age) age += steps;
        if (steps > 1)  // in a long jump most tracks have ended
            keep_if([&](std::size_t row) { return state.age[row] <= config.max_age + 1; });
        for (Index step = 0; step < steps && state.size(); ++step) filters.predict();
        keep_if([&](std::size_t row) { return filters.is_alive(row, config.keep_shrunk); });
    }

    void follow_camera(const Affine& affine) {
        filters.warp(affine);
        keep_if([&](std::size_t row) {
            return filters.is_alive(row, config.keep_shrunk) && filters.full[row].is_regular(*filters.model);
        });
    }

    void follow_boxes() {
        Boxes seen;
        seen.reserve(state.size());
        for (std::size_t row = 0; row < state.size(); ++row)
            if (state.confirmed[row] && state.missed[row] == 0) seen.push_back(filters.box(row));
        const auto [x, y] = shift_from_boxes(seen, frame.high_boxes());
        filters.shift(x, y);
    }

    bool observe_features(const Detected& found, const Indices& source) {
        if (!found.dimension || (dimension && *dimension != static_cast<Index>(found.dimension))) return false;
        const double longest = 1e18 * 1e18;  // squared, of checks.py
        frame.features.resize(source.size() * found.dimension);
        for (std::size_t k = 0; k < source.size(); ++k) {
            const float* given = found.features + source[k] * found.dimension;
            const double squared = dot(given, given, found.dimension);
            if (!(squared < longest)) return false;
            prepare(given, &frame.features[k * found.dimension], found.dimension, config.metric, squared);
        }
        frame.has_features = true, frame.dimension = found.dimension;
        return true;
    }

    // Whether the first gate on appearance is still to come.
    bool is_calibrating() const { return threshold && !threshold->share_let_in(threshold->gate()); }

    std::optional<double> appearance_gate() {
        if (!frame.has_features) {
            if (threshold) threshold->follow(frame.high_boxes());
            return {};
        }
        if (!threshold) return config.max_appearance_distance;
        const Indices high = where(frame.high);
        bool all_described = true;
        for (Index row : high) all_described &= frame.described[row] != 0;
        if (!all_described) {
            threshold->follow(take(frame.boxes, high));
        } else if (high.size() == frame.boxes.size()) {
            threshold->observe(frame.boxes, frame.looks());
        } else {
            std::vector<float> looks(high.size() * frame.dimension);
            for (std::size_t k = 0; k < high.size(); ++k)
                std::copy_n(frame.looks()[high[k]], frame.dimension, &looks[k * frame.dimension]);
            threshold->observe(take(frame.boxes, high), {looks.data(), frame.dimension});
        }
        return threshold->value;
    }

    // Update the matched tracks, age the others, drop those that are over.
    void correct(const Indices& found) {
        for (std::size_t row = 0; row < found.size(); ++row) {
            const Index column = found[row];
            if (column == NONE) continue;
            filters.update(row, frame.boxes[column]);
            if (frame.has_features && frame.described[column] && frame.high[column]) remember(row, column);
            if (!config.class_gating && frame.has_classes)
                state.class_ids[row] = votes.update(row, state.class_ids[row], frame.class_ids[column]);
        }
        state.record(found, frame.scores, config.n_init);
        keep_if([&](std::size_t row) {
            return state.missed[row] == 0 || (state.confirmed[row] && state.age[row] <= config.max_age);
        });
    }

    // A doubtful detection says little of a track's looks, so only good ones are remembered.
    void remember(std::size_t row, Index column) {
        if (!has_memory()) return;
        std::visit(
            [&](auto& looks) {
                looks.set_dimension(frame.dimension);
                looks.update(row, frame.looks()[column]);
            },
            memory);
    }

    // Begin a track for each good detection that no track took.
    void start(const Indices& found) {
        Mask free = frame.high;
        for (std::size_t column = 0; column < free.size(); ++column)
            free[column] &= frame.scores[column] >= config.starting_confidence;
        for (Index column : found)
            if (column != NONE) free[column] = 0;
        for (Index column : where(free)) {
            const std::size_t row = state.size();
            const Index class_id = frame.has_classes ? frame.class_ids[column] : NONE;
            filters.append(frame.boxes[column]);
            state.append(next_id++, column, frame.scores[column], class_id, config.n_init);
            if (has_memory()) {
                std::visit([](auto& looks) { looks.append(); }, memory);
                if (frame.has_features) remember(row, column);
            }
            if (!config.class_gating) {
                votes.append();
                votes.update(row, class_id, class_id);
            }
        }
    }

    template <class Kept>
    void keep_if(Kept&& is_kept) {
        Mask kept(state.size());
        bool all = true;
        for (std::size_t row = 0; row < kept.size(); ++row) all &= (kept[row] = is_kept(row)) != 0;
        if (all) return;
        state.keep(kept);
        filters.keep(kept);
        if (has_memory()) std::visit([&](auto& looks) { looks.keep(kept); }, memory);
        if (!config.class_gating) votes.keep(kept);
    }

    void report() {
        reported.clear();
        reported.reserve(state.size());
        const bool needs_streak = config.min_hits && frames_seen > config.min_hits;
        for (std::size_t row = 0; row < state.size(); ++row) {
            if (!state.confirmed[row] || state.missed[row] > config.max_coast) continue;
            if (!needs_streak || state.streak[row] >= config.min_hits) reported.push_back(static_cast<Index>(row));
        }
    }

    Indices settled;  // of each track the detection that motion makes certain
    Assignment assignment;
};

}  // namespace flatsort
