// Which detection belongs to which track: the rounds of the configuration, as in matching.py, on lists of pairs.
#pragma once

#include <optional>

#include "appearance.hpp"
#include "assignment.hpp"
#include "kalman_full.hpp"
#include "state.hpp"
#include "tracklets.hpp"

namespace flatsort {

struct Stage {  // as in config.py
    bool by_appearance, low, cascade, last_chance, assign_before_threshold;
    enum class Tracks { all, confirmed, tentative } tracks;
    enum class When { always, appearance, motion } when;
    std::optional<Index> max_missed;
    std::optional<double> max_distance;
};

enum class Memory { none, gallery, average };

struct Config {  // as in config.py; confidences are the derived ones
    bool xyah, keep_shrunk, class_gating, camera_shift;
    double least_confidence, high_confidence, starting_confidence, nms_max_overlap, gating_threshold, max_iou_distance;
    Index max_age, n_init, min_hits, max_coast, budget, max_feature_age;
    Memory appearance;
    Metric metric;
    double momentum;
    std::optional<double> max_appearance_distance;  // none: "auto"
    std::vector<Stage> stages;
};

struct Observations {  // the detections of a frame as matching needs them
    Boxes boxes;
    std::vector<double> scores;
    Mask high, described;
    bool has_features = false, has_classes = false;
    std::vector<float> features;  // [N, dimension], prepared for the metric; zeros where not described
    std::size_t dimension = 0;
    Indices class_ids, source;  // `source`: rows in the caller's arrays

    Features looks() const { return {features.data(), dimension}; }

    Boxes high_boxes() const { return take(boxes, where(high)); }
};

inline bool is_other_class(const TrackState& tracks, Index row, const Observations& frame, Index column) {
    const Index track = tracks.class_ids[row], found = frame.class_ids[column];
    return track != found && track != NONE && found != NONE;
}

// Pairs that motion alone makes certain: seen in the last frame, much overlap, and nobody else near.
inline Indices match_beyond_doubt(const TrackState& tracks, const Filters& filters, const Observations& frame,
                                  bool class_gating) {
    Indices found(tracks.size(), NONE);
    Boxes predicted;
    for (std::size_t row = 0; row < tracks.size(); ++row) predicted.push_back(filters.box(row));
    const Pairs pairs = mutual_overlaps(predicted, frame.boxes);
    for (std::size_t k = 0; k < pairs.rows.size(); ++k) {
        const Index row = pairs.rows[k], column = pairs.columns[k];
        if (!tracks.confirmed[row] || tracks.missed[row] || !frame.high[column]) continue;
        if (frame.has_classes && class_gating && is_other_class(tracks, row, frame, column)) continue;
        found[row] = column;
    }
    return found;
}

template <class Looks>  // AveragedFeature, Gallery
class Matching {
  public:
    Matching(const Config& config, const TrackState& tracks, const Filters& filters, const Looks* memory,
             const Observations& frame, std::optional<double> max_appearance_distance, Assignment& assignment)
        : config_(config), tracks_(tracks), filters_(filters), memory_(memory), frame_(frame),
          gate_(max_appearance_distance), assignment_(assignment) {}

    // For each track its detection, or NONE; `settled` by match_beyond_doubt, or all NONE.
    Indices match(const Indices& settled) {
        found_ = settled;
        free_.assign(frame_.boxes.size(), 1);
        rows_.reserve(tracks_.size()), columns_.reserve(free_.size()), edges_.reserve(tracks_.size() + free_.size());
        for (Index column : found_)
            if (column != NONE) free_[column] = 0;
        for (const Stage& stage : config_.stages) {
            if (stage.when == (gate_ ? Stage::When::motion : Stage::When::appearance)) continue;
            rows_.clear(), columns_.clear();
            for (std::size_t row = 0; row < tracks_.size(); ++row)
                if (is_eligible(stage, row)) rows_.push_back(static_cast<Index>(row));
            for (std::size_t column = 0; column < free_.size(); ++column)
                if (free_[column] && frame_.high[column] != stage.low) columns_.push_back(static_cast<Index>(column));
            if (rows_.empty() || columns_.empty()) continue;
            edges_.clear();
            double threshold;
            if (stage.by_appearance) {
                if (!gate_ || !frame_.has_features || !memory_) continue;
                threshold = stage.max_distance.value_or(*gate_);
                const double limit = stage.assign_before_threshold ? INFINITE : threshold;
                if (filters_.is_full)
                    compare_looks<FullGate>(filters_.full, limit);
                else
                    compare_looks<SeparableGate>(filters_.separable, limit);
            } else {
                threshold = stage.max_distance.value_or(config_.max_iou_distance);
                compare_boxes();
            }
            assign(stage, threshold);
        }
        return found_;
    }

  private:
    bool is_eligible(const Stage& stage, std::size_t row) const {
        if (found_[row] != NONE) return false;
        if (stage.tracks == Stage::Tracks::confirmed && !tracks_.confirmed[row]) return false;
        if (stage.tracks == Stage::Tracks::tentative && tracks_.confirmed[row]) return false;
        if (stage.max_missed && tracks_.missed[row] > *stage.max_missed) return false;
        return stage.last_chance || tracks_.age[row] <= config_.max_age;
    }

    bool may_be(std::size_t r, std::size_t c) const {
        return !frame_.has_classes || !config_.class_gating || !is_other_class(tracks_, rows_[r], frame_, columns_[c]);
    }

    void add(std::size_t r, std::size_t c, double cost) {
        edges_.push_back({static_cast<Index>(r), static_cast<Index>(c), cost});
    }

    // 1 - IoU with the predicted boxes, of pairs that overlap: boxes apart are nobody's match, whatever the threshold.
    void compare_boxes() {
        const Boxes boxes = take(frame_.boxes, columns_);
        const Sweep sweep(boxes);
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            const Box predicted = filters_.box(rows_[r]);
            sweep.overlapping(predicted, [&](Index c, double overlap) {
                if (may_be(r, c)) add(r, c, 1.0 - overlap);
            });
        }
    }

    // Distances of looks, for pairs inside the Mahalanobis gate (Wojke et al. 2017, Eq. 1-4).
    template <class Gate, class Filter>
    void compare_looks(const std::vector<Filter>& filters, double limit) {
        std::vector<Four> measured(columns_.size());
        for (std::size_t c = 0; c < columns_.size(); ++c)
            measured[c] = filters_.model->to_measurement(frame_.boxes[columns_[c]]);
        std::vector<std::pair<double, std::size_t>> by_x;  // most are ruled out by their x alone
        by_x.reserve(columns_.size());
        for (std::size_t c = 0; c < columns_.size(); ++c)
            if (frame_.described[columns_[c]]) by_x.emplace_back(measured[c][0], c);
        std::sort(by_x.begin(), by_x.end());
        const Features looks = frame_.looks();
        std::vector<int> rivals_of_row(rows_.size()), rivals_of_column(columns_.size());
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            const Gate gate(*filters_.model, filters[rows_[r]]);
            const double x = gate.position[0];
            const double reach = std::sqrt(config_.gating_threshold * gate.variance_of_x()) * (1 + 1e-6);
            auto near = std::lower_bound(by_x.begin(), by_x.end(), std::pair(x - reach, std::size_t{0}));
            for (; near != by_x.end() && near->first <= x + reach; ++near) {
                const std::size_t c = near->second;
                if (!(gate.distance(measured[c]) <= config_.gating_threshold) || !may_be(r, c)) continue;
                const double bound = memory_->bound(rows_[r], looks[columns_[c]], limit);
                if (bound < INFINITE) add(r, c, bound), ++rivals_of_row[r], ++rivals_of_column[c];
            }
        }
        // Where two have nobody else, it is enough to know that they are near: more than rounding below the limit.
        for (Edge& edge : edges_) {
            const bool alone = limit < INFINITE && rivals_of_row[edge.row] == 1 && rivals_of_column[edge.column] == 1;
            const double enough = alone ? limit - 1e-5 : -INFINITE;
            edge.cost = memory_->distance_to(rows_[edge.row], looks[columns_[edge.column]], edge.cost, enough);
        }
    }

    // In one go, or in a cascade over the tracks' ages.
    void assign(const Stage& stage, double threshold) {
        const auto count = [](const Indices& all) { return static_cast<Index>(all.size()); };
        const auto take_pair = [&](Index r, Index c, double) {
            found_[rows_[r]] = columns_[c], free_[columns_[c]] = 0;
        };
        if (stage.assign_before_threshold)
            assignment_.assign_before_threshold(edges_, count(rows_), count(columns_), threshold, take_pair);
        else if (!stage.cascade)
            assignment_.assign(edges_, count(rows_), count(columns_), threshold, CLIP_MARGIN, take_pair);
        else
            cascade(threshold);
    }

    void cascade(double threshold) {
        Indices ages;
        ages.reserve(edges_.size());
        for (const Edge& edge : edges_) ages.push_back(tracks_.missed[rows_[edge.row]]);
        std::sort(ages.begin(), ages.end());
        ages.erase(std::unique(ages.begin(), ages.end()), ages.end());
        for (Index age : ages) {  // rows and columns are counted anew in each level
            Indices level, left, row_of(rows_.size()), column_of(columns_.size());
            for (std::size_t r = 0; r < rows_.size(); ++r)
                if (tracks_.missed[rows_[r]] == age) {
                    row_of[r] = static_cast<Index>(level.size());
                    level.push_back(rows_[r]);
                }
            for (std::size_t c = 0; c < columns_.size(); ++c)
                if (free_[columns_[c]]) {
                    column_of[c] = static_cast<Index>(left.size());
                    left.push_back(columns_[c]);
                }
            level_edges_.clear();
            for (const Edge& edge : edges_)
                if (tracks_.missed[rows_[edge.row]] == age && free_[columns_[edge.column]])
                    level_edges_.push_back({row_of[edge.row], column_of[edge.column], edge.cost});
            const Index rows = static_cast<Index>(level.size()), columns = static_cast<Index>(left.size());
            assignment_.assign(level_edges_, rows, columns, threshold, CLIP_MARGIN, [&](Index r, Index c, double) {
                found_[level[r]] = left[c], free_[left[c]] = 0;
            });
        }
    }

    const Config& config_;
    const TrackState& tracks_;
    const Filters& filters_;
    const Looks* memory_;
    const Observations& frame_;
    const std::optional<double> gate_;
    Assignment& assignment_;
    Indices found_, rows_, columns_;
    Mask free_;
    Edges edges_, level_edges_;
};

}  // namespace flatsort
