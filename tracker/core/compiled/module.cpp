// tracker.hpp as a Python module: frames come in as buffers, and go through without the interpreter's lock.
#include <mutex>

#include "archive.hpp"
#include "number_text.hpp"

namespace flatsort {

// A C-contiguous array of numbers of type T. Whatever else an array may be is made into one first.
template <class T>
class Numbers {
  public:
    Numbers(nb::handle array, const char* dtype, bool writable = false) {
        if (array.is_none()) return;
        const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(array.ptr(), &view_, flags)) {
            PyErr_Clear();
        } else if (!is_native(dtype)) {
            PyBuffer_Release(&view_);
        } else {
            held_ = true;
            return;
        }
        if (writable) throw nb::type_error("expected a contiguous array to write to");
        const nb::object converted = nb::module_::import_("numpy").attr("ascontiguousarray")(array, dtype);
        if (PyObject_GetBuffer(converted.ptr(), &view_, flags)) throw nb::python_error();
        held_ = true;  // the view owns a reference
    }
    ~Numbers() {
        if (held_) PyBuffer_Release(&view_);
    }
    Numbers(const Numbers&) = delete;
    Numbers& operator=(const Numbers&) = delete;

    T* data() const { return held_ ? static_cast<T*>(view_.buf) : nullptr; }
    std::size_t size() const { return held_ ? static_cast<std::size_t>(view_.len) / sizeof(T) : 0; }
    std::size_t columns() const { return held_ && view_.ndim == 2 ? static_cast<std::size_t>(view_.shape[1]) : 0; }
    bool is_given() const { return held_; }

  private:
    bool is_native(const char* dtype) const {
        if (!view_.format || view_.itemsize != sizeof(T) || view_.format[1]) return false;
        const char kind = view_.format[0];
        return dtype[0] == 'f' ? kind == 'f' || kind == 'd' : kind == 'l' || kind == 'q';
    }

    Py_buffer view_{};
    bool held_ = false;
};

// The arrays of one frame, held for as long as it takes.
struct Arrays {
    Numbers<double> boxes, scores;
    Numbers<float> features;
    Numbers<Index> class_ids, rows;

    Arrays(nb::handle boxes_, nb::handle scores_, nb::handle features_, nb::handle classes_, nb::handle rows_)
        : boxes(boxes_, "f8"), scores(scores_, "f8"), features(features_, "f4"), class_ids(classes_, "i8"),
          rows(rows_, "i8") {
        const std::size_t count = scores.size();
        const auto fits = [&](const auto& one) { return !one.is_given() || one.size() == count; };
        if (boxes.size() != 4 * count || !fits(class_ids) || !fits(rows) ||
            (features.is_given() && features.size() != features.columns() * count))
            throw nb::value_error("detections: expected arrays with one row a box");
    }

    Detected detected() const {
        return {scores.size(),    features.columns(), reinterpret_cast<const Box*>(boxes.data()), scores.data(),
                features.data(), class_ids.data(),   rows.data()};
    }
};

std::optional<Affine> affine_of(nb::handle warp) {
    const Numbers<double> given(warp, "f8");
    if (!given.is_given()) return {};
    if (given.size() != 6) throw nb::value_error("warp: expected [2, 3] numbers");
    Affine affine;
    std::copy_n(given.data(), 6, affine.begin());
    return affine;
}

class Core {
  public:
    explicit Core(const Config& config) : tracker_(config) {}

    // Take in a frame; how many tracks are to be reported, or -1: numbers that no tracker takes, nothing has changed.
    Index update(Index index, nb::handle warp, nb::handle boxes, nb::handle scores, nb::handle features,
                 nb::handle class_ids, nb::handle rows) {
        const Arrays arrays(boxes, scores, features, class_ids, rows);
        const std::optional<Affine> affine = affine_of(warp);
        const nb::gil_scoped_release released;
        const std::lock_guard lock(mutex_);
        if (saved_) throw std::runtime_error("update: called while a frame is being described");
        if (!tracker_.observe(arrays.detected())) return -1;
        tracker_.advance(index, affine ? &*affine : nullptr);
        tracker_.take_in();
        return reported();
    }

    // The same up to where features are asked for; the boxes that `finish` or `roll_back` must follow for, or None if
    // the frame needs none, when nothing has changed.
    nb::object begin(Index index, nb::handle warp, nb::handle boxes, nb::handle scores, nb::handle features,
                     nb::handle class_ids, nb::handle rows) {
        const Arrays arrays(boxes, scores, features, class_ids, rows);
        const std::optional<Affine> affine = affine_of(warp);
        {
            const nb::gil_scoped_release released;
            const std::lock_guard lock(mutex_);
            if (saved_) throw std::runtime_error("update: called while a frame is being described");
            if (!tracker_.observe(arrays.detected()) || !tracker_.wants_features()) return nb::none();
            save();
            tracker_.advance(index, affine ? &*affine : nullptr);
            asked_ = tracker_.doubtful();
        }
        const Boxes found = take(tracker_.frame.boxes, asked_);
        return nb::bytes(found.data(), found.size() * sizeof(Box));
    }

    // Features, prepared, of the boxes that `begin` returned; None where there were none.
    Index finish(nb::handle features) {
        const Numbers<float> given(features, "f4");
        const nb::gil_scoped_release released;
        const std::lock_guard lock(mutex_);
        if (!saved_) throw std::runtime_error("finish: no frame has begun");
        if (given.size() != asked_.size() * given.columns()) throw std::runtime_error("finish: expected a row a box");
        if (given.is_given()) tracker_.describe(asked_, {given.data(), given.columns()});
        saved_.reset();
        tracker_.take_in();
        return reported();
    }

    void roll_back() {
        const std::lock_guard lock(mutex_);
        if (!saved_) return;
        tracker_.state = std::move(saved_->state), tracker_.filters = std::move(saved_->filters);
        tracker_.votes = std::move(saved_->votes), tracker_.described_at = saved_->described_at;
        tracker_.frames_seen = saved_->frames_seen, tracker_.frame_index = saved_->frame_index;
        if (auto* average = std::get_if<AveragedFeature>(&tracker_.memory)) {
            *average = std::move(saved_->average);
        } else {
            Gallery& gallery = std::get<Gallery>(tracker_.memory);
            gallery.slots = std::move(saved_->slots), gallery.free = std::move(saved_->free);
        }
        saved_.reset();
    }

    // Write the report of the last frame into arrays of the length that it told.
    void report(nb::handle ids, nb::handle boxes, nb::handle scores, nb::handle detection, nb::handle class_ids) {
        const Numbers<Index> id(ids, "i8", true), row_of(detection, "i8", true), kind(class_ids, "i8", true);
        const Numbers<double> box(boxes, "f8", true), score(scores, "f8", true);
        const std::lock_guard lock(mutex_);
        const std::size_t count = tracker_.reported.size();
        for (std::size_t size : {id.size(), row_of.size(), kind.size(), score.size(), box.size() / 4})
            if (size != count) throw nb::value_error("report: expected arrays of the length of the last report");
        const TrackState& state = tracker_.state;
        for (std::size_t k = 0; k < count; ++k) {
            const Index row = tracker_.reported[k], column = state.detection[row];
            id.data()[k] = state.ids[row], score.data()[k] = state.scores[row], kind.data()[k] = state.class_ids[row];
            row_of.data()[k] = column == NONE ? NONE : tracker_.frame.source[column];
            reinterpret_cast<Box*>(box.data())[k] = tracker_.filters.box(row);
        }
    }

    nb::dict contents() {
        const std::lock_guard lock(mutex_);
        nb::dict found;
        Writer writer(found);
        visit_tracker(writer, tracker_);
        return found;
    }

    void restore(const nb::dict& contents) {
        const std::lock_guard lock(mutex_);
        Reader reader(contents);
        visit_tracker(reader, tracker_);
        require_whole();
    }

    Index frame_index() const { return tracker_.frame_index; }
    Index frames_seen() const { return tracker_.frames_seen; }
    Index next_id() const { return tracker_.next_id; }
    Index detections_used() const { return tracker_.detections_used; }
    std::optional<double> gate() const { return tracker_.gate; }
    std::optional<Index> dimension() const { return tracker_.dimension; }

  private:
    struct Saved {  // what `advance` and `doubtful` change
        TrackState state;
        Filters filters;
        ClassVotes votes;
        AveragedFeature average;
        Indices slots, free;
        double described_at;
        Index frames_seen, frame_index;
    };

    Index reported() const { return static_cast<Index>(tracker_.reported.size()); }

    void save() {
        saved_ = Saved{tracker_.state,        tracker_.filters,     tracker_.votes,      {}, {}, {},
                       tracker_.described_at, tracker_.frames_seen, tracker_.frame_index};
        if (const auto* average = std::get_if<AveragedFeature>(&tracker_.memory)) {
            saved_->average = *average;
        } else {
            const Gallery& gallery = std::get<Gallery>(tracker_.memory);
            saved_->slots = gallery.slots, saved_->free = gallery.free;
        }
    }

    // What was read may come from a damaged file: no row or slot may point outside.
    void require_whole() {
        const std::size_t tracks = tracker_.state.size();
        bool whole = tracker_.filters.size() == tracks;
        tracker_.state.each_field([&](const char*, const auto& column) { whole &= column.size() == tracks; });
        if (!tracker_.config.class_gating) whole &= tracker_.votes.counts.size() == tracks;
        tracker_.reported.clear();
        if (tracker_.has_memory()) {
            if (const auto* average = std::get_if<AveragedFeature>(&tracker_.memory)) {
                whole &= average->known.size() == tracks && average->age.size() == tracks;
                whole &= average->features.size() == tracks * average->dimension;
            } else {
                whole &= std::get<Gallery>(tracker_.memory).slots.size() == tracks;
            }
        }
        if (!whole) throw nb::value_error("damaged tracker: columns of different lengths");
    }

    Tracker tracker_;
    std::mutex mutex_;
    std::optional<Saved> saved_;
    Indices asked_;
};

// A value of pydantic's dictionary; nullopt for None and for "auto".
template <class T>
std::optional<T> number(const nb::dict& from, const char* key) {
    const nb::object value = from[key];
    if (value.is_none() || nb::isinstance<nb::str>(value)) return {};
    return nb::cast<T>(value);
}

Stage stage_of(const nb::dict& from) {
    const auto text = [&](const char* key) { return nb::cast<std::string>(from[key]); };
    const auto flag = [&](const char* key) { return nb::cast<bool>(from[key]); };
    const std::string tracks = text("tracks"), when = text("when");
    return {
        text("match") == "appearance",
        text("detections") == "low",
        flag("cascade"),
        flag("last_chance"),
        flag("assign_before_threshold"),
        tracks == "all" ? Stage::Tracks::all : tracks == "confirmed" ? Stage::Tracks::confirmed : Stage::Tracks::tentative,
        when == "always" ? Stage::When::always : when == "appearance" ? Stage::When::appearance : Stage::When::motion,
        number<Index>(from, "max_missed"),
        number<double>(from, "max_distance"),
    };
}

Config config_of(const nb::dict& from) {
    const auto text = [&](const char* key) { return nb::cast<std::string>(from[key]); };
    const auto flag = [&](const char* key) { return nb::cast<bool>(from[key]); };
    const auto real = [&](const char* key) { return nb::cast<double>(from[key]); };
    const auto whole = [&](const char* key) { return nb::cast<Index>(from[key]); };
    const std::string looks = text("appearance");
    Config config{text("motion") == "xyah",
                  flag("keep_shrunk"),
                  flag("class_gating"),
                  flag("camera_shift"),
                  real("least_confidence"),
                  real("high_confidence"),
                  real("starting_confidence"),
                  real("nms_max_overlap"),
                  real("gating_threshold"),
                  real("max_iou_distance"),
                  whole("max_age"),
                  whole("n_init"),
                  whole("min_hits"),
                  whole("max_coast"),
                  whole("budget"),
                  whole("max_feature_age"),
                  looks == "gallery" ? Memory::gallery : looks == "average" ? Memory::average : Memory::none,
                  text("metric") == "cosine" ? Metric::cosine : Metric::euclidean,
                  real("momentum"),
                  number<double>(from, "max_appearance_distance"),
                  {}};
    for (nb::handle stage : from["stages"]) config.stages.push_back(stage_of(nb::cast<nb::dict>(stage)));
    return config;
}

}  // namespace flatsort

NB_MODULE(_native, module) {
    namespace nb = nanobind;
    using namespace flatsort;
    const auto frame = [](auto& definition, const char* name, auto method) {
        definition.def(name, method, nb::arg("index"), nb::arg("warp").none(), nb::arg("boxes"), nb::arg("scores"),
                       nb::arg("features").none(), nb::arg("class_ids").none(), nb::arg("rows").none());
    };
    nb::class_<Core> core(module, "Core");
    core.def("__init__", [](Core* self, const nb::dict& config) { new (self) Core(config_of(config)); });
    frame(core, "update", &Core::update);
    frame(core, "begin", &Core::begin);
    core.def("finish", &Core::finish, nb::arg("features").none());
    core.def("roll_back", &Core::roll_back);
    core.def("report", &Core::report);
    core.def("contents", &Core::contents);
    core.def("restore", &Core::restore);
    core.def_prop_ro("frame_index", &Core::frame_index);
    core.def_prop_ro("frames_seen", &Core::frames_seen);
    core.def_prop_ro("next_id", &Core::next_id);
    core.def_prop_ro("detections_used", &Core::detections_used);
    core.def_prop_ro("gate", &Core::gate);
    core.def_prop_ro("dimension", &Core::dimension);
    module.attr("revision") = 2;  // counted up with every change of what Python calls here, in __init__.py too
    module.def("read_table", [](const nb::bytes& text, std::size_t columns, nb::handle values) {
        const Numbers<double> found(values, "f8", true);
        const char* start = static_cast<const char*>(text.data());
        const nb::gil_scoped_release released;
        return columns && read_table(start, start + text.size(), columns, found.data(), found.size());
    });
}
