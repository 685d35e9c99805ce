// Boxes and the forms trackers write them in: what boxes.py does, on the pairs that overlap instead of whole matrices.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace flatsort {

constexpr std::int64_t NONE = -1;  // no detection in this frame; no class
constexpr double LIMIT = 1e9, SMALLEST_SIDE = 1e-6;  // of detections.py
constexpr double NAN_ = std::numeric_limits<double>::quiet_NaN();
constexpr double INFINITE = std::numeric_limits<double>::infinity();

using Index = std::int64_t;
using Indices = std::vector<Index>;
using Mask = std::vector<std::uint8_t>;
using Four = std::array<double, 4>;

struct Box {  // xyxy
    double left, top, right, bottom;
};
using Boxes = std::vector<Box>;

template <class T>
std::vector<T> take(const std::vector<T>& all, const Indices& rows) {
    std::vector<T> taken;
    taken.reserve(rows.size());
    for (Index row : rows) taken.push_back(all[row]);
    return taken;
}

// Drop the rows, `width` numbers each, that the mask leaves out.
template <class T>
void keep_rows(std::vector<T>& all, const Mask& kept, std::size_t width = 1) {
    std::size_t to = 0;
    for (std::size_t row = 0; row < kept.size(); ++row) {
        if (!kept[row]) continue;
        if (to != row) std::copy_n(all.begin() + row * width, width, all.begin() + to * width);
        ++to;
    }
    all.resize(to * width);
}

inline Indices where(const Mask& mask) {
    Indices rows;
    rows.reserve(mask.size());
    for (std::size_t row = 0; row < mask.size(); ++row)
        if (mask[row]) rows.push_back(static_cast<Index>(row));
    return rows;
}

inline Four xyxy_to_xyah(const Box& box) {
    const double width = box.right - box.left, height = box.bottom - box.top;
    return {box.left + 0.5 * width, box.top + 0.5 * height, width / height, height};
}

inline Four xyxy_to_xysr(const Box& box) {
    const double width = box.right - box.left, height = box.bottom - box.top;
    return {box.left + 0.5 * width, box.top + 0.5 * height, width * height, width / height};
}

inline Box from_centre(double x, double y, double width, double height) {
    return {-width * 0.5 + x, -height * 0.5 + y, width * 0.5 + x, height * 0.5 + y};
}

inline Box xyah_to_xyxy(const Four& z) { return from_centre(z[0], z[1], z[2] * z[3], z[3]); }

inline Box xysr_to_xyxy(const Four& z) {
    const double squared_width = z[2] * z[3];
    const double width = std::sqrt(squared_width > 0 ? squared_width : NAN_);
    return from_centre(z[0], z[1], width, z[2] / width);
}

inline double area(const Box& box) { return (box.right - box.left) * (box.bottom - box.top); }

inline double iou(const Box& a, const Box& b) {
    const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
    const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
    const double shared = std::max(width, 0.0) * std::max(height, 0.0);
    return shared / (area(a) + area(b) - shared);
}

// Boxes in the order of their left sides, to find those that overlap another one without looking at all.
class Sweep {
  public:
    explicit Sweep(const Boxes& boxes) : boxes_(boxes), order_(boxes.size()), reach_(boxes.size()) {
        std::iota(order_.begin(), order_.end(), Index{0});
        std::sort(order_.begin(), order_.end(), [&](Index a, Index b) { return boxes_[a].left < boxes_[b].left; });
        double reach = -INFINITE;
        for (std::size_t k = 0; k < order_.size(); ++k)
            reach_[k] = reach = std::max(reach, boxes_[order_[k]].right);
    }

    // Call `found(index, iou)` for each box that overlaps `box`, in no order.
    template <class Found>
    void overlapping(const Box& box, Found&& found) const {
        const auto ends = [&](Index index, double right) { return boxes_[index].left < right; };
        auto k = std::lower_bound(order_.begin(), order_.end(), box.right, ends) - order_.begin();
        while (k-- > 0 && reach_[k] > box.left) {  // all before reach no farther
            const Box& other = boxes_[order_[k]];
            if (other.right > box.left && other.top < box.bottom && other.bottom > box.top) {
                const double overlap = iou(box, other);
                if (overlap > 0) found(order_[k], overlap);
            }
        }
    }

  private:
    const Boxes& boxes_;
    Indices order_;
    std::vector<double> reach_;  // rightmost side of a box and all before it
};

// Indices, ascending, of the boxes that survive greedy suppression by better ones that overlap them more.
inline Indices non_maximum_suppression(const Boxes& boxes, const std::vector<double>& scores, double max_overlap) {
    Indices order(boxes.size());
    std::iota(order.begin(), order.end(), Index{0});
    if (max_overlap >= 1.0 || boxes.size() < 2) return order;
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return scores[a] > scores[b]; });
    Indices rank(boxes.size());
    for (std::size_t k = 0; k < order.size(); ++k) rank[order[k]] = static_cast<Index>(k);
    const Sweep sweep(boxes);
    Mask alive(boxes.size(), 1);
    for (Index better : order) {
        if (!alive[better]) continue;
        sweep.overlapping(boxes[better], [&](Index other, double overlap) {
            if (rank[other] > rank[better] && overlap > max_overlap) alive[other] = 0;
        });
    }
    return where(alive);
}

}  // namespace flatsort
