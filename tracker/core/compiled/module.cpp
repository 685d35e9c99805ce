// tracker.hpp as a Python module: frames come in as arrays, and go through without the interpreter's lock.
#include <mutex>

#include "archive.hpp"
#include "arrays.hpp"
#include "number_text.hpp"

namespace flatsort {

constexpr Index LARGEST_INDEX = Index{1} << 53;  // of checks.py

// A whole number as Python has it, of a size that a frame's may be.
std::optional<Index> number_of(nb::handle given) {
    int overflow = 0;
    if (!PyLong_CheckExact(given.ptr())) return {};
    const Index number = PyLong_AsLongLongAndOverflow(given.ptr(), &overflow);
    if (overflow || number >= LARGEST_INDEX || number <= -LARGEST_INDEX) return {};
    return number;
}

std::optional<Affine> affine_of(nb::handle warp) {
    const Numbers<double> given(warp);
    if (!given.is_given()) return {};
    if (given.size() != 6) throw nb::value_error("warp: expected [2, 3] numbers");
    Affine affine;
    std::copy_n(given.data(), 6, affine.begin());
    return affine;
}

// What is told of a track. A frame's rows are gathered while nobody else may touch the tracker, and become arrays after.
struct Reported {
    Index id, detection, class_id;
    double score;
    Box box;
};

class Core {
  public:
    // `tracks`: the Python class that a report is made of.
    Core(const Config& config, nb::object tracks) : tracker_(config), tracks_(std::move(tracks)) {}

    // Take in a frame, and report. `number` is the frame's, None for the next one. None: it, or what the arrays hold, is
    // nothing that the tracker takes, or not plainly so; nothing has changed.
    nb::object update(nb::handle number, nb::handle warp, nb::handle boxes, nb::handle scores, nb::handle features,
                      nb::handle class_ids, nb::handle rows) {
        const Arrays arrays(boxes, scores, features, class_ids, rows);
        const std::optional<Affine> affine = affine_of(warp);
        const std::optional<Index> asked = number_of(number);
        if (!asked && !number.is_none()) return nb::none();
        std::vector<Reported> found;
        bool taken;
        {
            const nb::gil_scoped_release released;
            const std::lock_guard lock(mutex_);
            require_between_frames();
            const Index last = tracker_.frame_index, index = asked.value_or(tracker_.frames_seen ? last + 1 : 1);
            taken = (!tracker_.frames_seen || index > last) && tracker_.observe(arrays.detected());
            if (taken) {
                tracker_.advance(index, affine ? &*affine : nullptr);
                tracker_.take_in();
                found = reported();
            }
        }
        return taken ? tracks_of(found) : nb::none();
    }

    // The same up to where features are asked for; the boxes that `finish` or `roll_back` must follow for, or None if
    // the frame needs none, when nothing has changed.
    nb::object begin(Index index, nb::handle warp, nb::handle boxes, nb::handle scores, nb::handle features,
                     nb::handle class_ids, nb::handle rows) {
        const Arrays arrays(boxes, scores, features, class_ids, rows);
        const std::optional<Affine> affine = affine_of(warp);
        std::optional<Boxes> asked;
        {
            const nb::gil_scoped_release released;
            const std::lock_guard lock(mutex_);
            require_between_frames();
            if (tracker_.observe(arrays.detected()) && tracker_.wants_features()) {
                save();
                tracker_.advance(index, affine ? &*affine : nullptr);
                asked_ = tracker_.doubtful();
                asked = take(tracker_.frame.boxes, asked_);
            }
        }
        if (!asked) return nb::none();
        double* box;
        nb::object made = new_array(box, asked->size(), 4);
        if (!asked->empty()) std::memcpy(box, asked->data(), asked->size() * sizeof(Box));
        return made;
    }

    // Features, prepared, of the boxes that `begin` returned, None where there were none; the tracks to report.
    nb::object finish(nb::handle features) {
        const Numbers<float> given(features);
        std::vector<Reported> found;
        {
            const nb::gil_scoped_release released;
            const std::lock_guard lock(mutex_);
            if (!saved_) throw std::runtime_error("finish: no frame has begun");
            if (given.size() != asked_.size() * given.columns())
                throw std::runtime_error("finish: expected a row a box");
            if (given.is_given()) tracker_.describe(asked_, {given.data(), given.columns()});
            saved_.reset();
            tracker_.take_in();
            found = reported();
        }
        return tracks_of(found);
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

    void require_between_frames() const {
        if (saved_) throw std::runtime_error("update: called while a frame is being described");
    }

    std::vector<Reported> reported() const {
        std::vector<Reported> found;
        found.reserve(tracker_.reported.size());
        const TrackState& state = tracker_.state;
        for (Index row : tracker_.reported) {
            const Index column = state.detection[row], source = column == NONE ? NONE : tracker_.frame.source[column];
            found.push_back({state.ids[row], source, state.class_ids[row], state.scores[row], tracker_.filters.box(row)});
        }
        return found;
    }

    nb::object tracks_of(const std::vector<Reported>& found) const {
        Index *id, *detection, *class_id;
        double *box, *score;
        const std::size_t count = found.size();
        nb::object ids = new_array(id, count), boxes = new_array(box, count, 4), scores = new_array(score, count);
        nb::object rows = new_array(detection, count), class_ids = new_array(class_id, count);
        for (std::size_t k = 0; k < count; ++k) {
            id[k] = found[k].id, detection[k] = found[k].detection, class_id[k] = found[k].class_id;
            score[k] = found[k].score;
            std::memcpy(box + 4 * k, &found[k].box, sizeof(Box));
        }
        return tracks_(std::move(ids), std::move(boxes), std::move(scores), std::move(rows), std::move(class_ids));
    }

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
    const nb::object tracks_;
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
    if (_import_array() < 0) throw nb::python_error();
    const auto frame = [](auto& definition, const char* name, auto method) {
        definition.def(name, method, nb::arg("index").none(), nb::arg("warp").none(), nb::arg("boxes"), nb::arg("scores"),
                       nb::arg("features").none(), nb::arg("class_ids").none(), nb::arg("rows").none());
    };
    nb::class_<Core> core(module, "Core");
    core.def("__init__", [](Core* self, const nb::dict& config, nb::object tracks) {
        new (self) Core(config_of(config), std::move(tracks));
    });
    frame(core, "update", &Core::update);
    frame(core, "begin", &Core::begin);
    core.def("finish", &Core::finish, nb::arg("features").none());
    core.def("roll_back", &Core::roll_back);
    core.def("contents", &Core::contents);
    core.def("restore", &Core::restore);
    core.def_prop_ro("frame_index", &Core::frame_index);
    core.def_prop_ro("frames_seen", &Core::frames_seen);
    core.def_prop_ro("next_id", &Core::next_id);
    core.def_prop_ro("detections_used", &Core::detections_used);
    core.def_prop_ro("gate", &Core::gate);
    core.def_prop_ro("dimension", &Core::dimension);
    module.attr("revision") = 3;  // counted up with every change of what Python calls here, in __init__.py too
    module.def("are_sound", &are_sound, nb::arg("boxes").none(), nb::arg("scores").none(), nb::arg("features").none());
    module.def("read_table", [](const nb::bytes& text, std::size_t columns, nb::handle values) {
        if (!Numbers<double>::is_plain(values)) throw nb::type_error("values: expected plain doubles");
        const Numbers<double> found(values);
        const char* start = static_cast<const char*>(text.data());
        const nb::gil_scoped_release released;
        return columns && read_table(start, start + text.size(), columns, found.data(), found.size());
    });
}
