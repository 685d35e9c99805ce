// The tracker's memory as a flat dictionary of arrays and numbers, and back: to look at, to keep, to copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <string>
#include <type_traits>

#include "../tracker.hpp"

namespace flatsort {

namespace nb = nanobind;

template <class Archive>
void visit_few(Archive& at, FewPeople& few) {
    at("few.knows_people", few.knows_people), at("few.capital", few.capital), at("few.nearest", few.nearest);
    at("few.pairs", few.pairs), at("few.frames", few.frames), at("few.sums", few.sums), at("few.counts", few.counts);
}

template <class Archive>
void visit_followed(Archive& at, const std::string& name, Followed& followed) {
    at(name + ".boxes", followed.boxes), at(name + ".looks", followed.looks);
    at(name + ".dimension", followed.dimension), at(name + ".age", followed.age);
}

template <class Archive>
void visit_threshold(Archive& at, OnlineThreshold& threshold) {
    at("threshold.value", threshold.value);
    for (auto& [name, histogram] : {std::pair<std::string, std::optional<Histogram>*>{"different", &threshold.different},
                                    std::pair<std::string, std::optional<Histogram>*>{"same", &threshold.same}})
        if (at.present(name, *histogram)) {
            at(name + ".limit", (*histogram)->limit), at(name + ".counts", (*histogram)->counts);
            at(name + ".total", (*histogram)->total);
        }
    if (at.present("followed", threshold.followed)) {
        visit_followed(at, "followed", *threshold.followed);
        at("followed.detections", threshold.detections);
    }
    if (at.present("few", threshold.few)) {
        threshold.few->metric = threshold.metric;
        visit_few(at, *threshold.few);
        visit_followed(at, "few.followed", threshold.few->followed);
    }
}

template <class Archive>
void visit_looks(Archive& at, AveragedFeature& average) {
    at("memory.dimension", average.dimension), at("memory.features", average.features);
    at("memory.known", average.known), at("memory.age", average.age);
}

template <class Archive>
void visit_looks(Archive& at, Gallery& gallery) {
    at("memory.dimension", gallery.dimension), at("memory.slots", gallery.slots), at("memory.free", gallery.free);
    at.resize("memory.pool", gallery.pool);
    for (std::size_t k = 0; k < gallery.pool.size(); ++k) {
        Gallery::Slot& slot = gallery.pool[k];
        const std::string name = "memory.pool." + std::to_string(k);
        at(name + ".ring", slot.ring), at(name + ".half_norm", slot.half_norm), at(name + ".anchor", slot.anchor);
        at(name + ".radius", slot.radius), at(name + ".filled", slot.filled), at(name + ".seen", slot.seen);
    }
}

template <class Archive>
void visit_votes(Archive& at, ClassVotes& votes) {
    at.resize("votes", votes.counts);
    for (std::size_t row = 0; row < votes.counts.size(); ++row) at("votes." + std::to_string(row), votes.counts[row]);
}

template <class Archive>
void visit_tracker(Archive& at, Tracker& tracker) {
    tracker.state.each_field([&](const char* name, auto& column) { at(std::string("state.") + name, column); });
    at("filter.is_full", tracker.filters.is_full);
    at("filter.separable", tracker.filters.separable), at("filter.full", tracker.filters.full);
    if (tracker.has_memory()) std::visit([&](auto& looks) { visit_looks(at, looks); }, tracker.memory);
    if (!tracker.config.class_gating) visit_votes(at, tracker.votes);
    if (tracker.threshold) visit_threshold(at, *tracker.threshold);
    at("dimension", tracker.dimension), at("described_at", tracker.described_at), at("gate", tracker.gate);
    at("next_id", tracker.next_id), at("frames_seen", tracker.frames_seen), at("frame_index", tracker.frame_index);
    at("detections_used", tracker.detections_used);
}

// Vectors and arrays travel as the bytes of their elements, all of which are plain numbers.
class Writer {
  public:
    explicit Writer(nb::dict& to) : to_(to) {}

    template <class T>
    void operator()(const std::string& name, T& value) {
        if constexpr (std::is_arithmetic_v<T>)
            set(name, nb::cast(value));
        else if constexpr (std::is_array_v<T>)
            set(name, nb::bytes(&value, sizeof(value)));
        else
            write(name, value);
    }

    template <class T>
    bool present(const std::string& name, const std::optional<T>& value) {
        set(name, nb::cast(value.has_value()));
        return value.has_value();
    }

    template <class T>
    void resize(const std::string& name, const std::vector<T>& rows) {
        set(name, nb::cast(rows.size()));
    }

  private:
    void set(const std::string& name, nb::object value) { to_[name.c_str()] = value; }

    template <class T>
    void write(const std::string& name, const std::vector<T>& rows) {
        static_assert(std::is_trivially_copyable_v<T> || sizeof(T) == 2 * sizeof(Index));  // pairs of numbers are
        set(name, nb::bytes(rows.data(), rows.size() * sizeof(T)));
    }

    template <class T>
    void write(const std::string& name, const std::optional<T>& value) {
        set(name, value ? nb::cast(*value) : nb::none());
    }

    nb::dict& to_;
};

class Reader {
  public:
    explicit Reader(const nb::dict& from) : from_(from) {}

    template <class T>
    void operator()(const std::string& name, T& value) {
        if constexpr (std::is_arithmetic_v<T>) {
            value = nb::cast<T>(from_[name.c_str()]);
        } else if constexpr (std::is_array_v<T>) {
            const nb::bytes stored = bytes(name);
            if (stored.size() != sizeof(value)) throw nb::value_error(("damaged tracker: " + name).c_str());
            std::memcpy(&value, stored.data(), sizeof(value));
        } else {
            read(name, value);
        }
    }

    template <class T>
    bool present(const std::string& name, std::optional<T>& value) {
        const bool has = nb::cast<bool>(from_[name.c_str()]);
        if (!has)
            value.reset();
        else if (!value)
            value = T();
        return has;
    }

    template <class T>
    void resize(const std::string& name, std::vector<T>& rows) {
        rows.resize(nb::cast<std::size_t>(from_[name.c_str()]));
    }

  private:
    nb::bytes bytes(const std::string& name) { return nb::cast<nb::bytes>(from_[name.c_str()]); }

    template <class T>
    void read(const std::string& name, std::vector<T>& rows) {
        const nb::bytes stored = bytes(name);
        rows.resize(stored.size() / sizeof(T));
        if (!rows.empty()) std::memcpy(static_cast<void*>(rows.data()), stored.data(), rows.size() * sizeof(T));
    }

    template <class T>
    void read(const std::string& name, std::optional<T>& value) {
        const nb::object stored = from_[name.c_str()];
        value = stored.is_none() ? std::optional<T>() : std::optional<T>(nb::cast<T>(stored));
    }

    const nb::dict& from_;
};

}  // namespace flatsort
