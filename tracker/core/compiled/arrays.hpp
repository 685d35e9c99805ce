// NumPy's arrays as C++ sees them: taken as they are where they are plain, made where there is something to return.
// By NumPy's C interface: the buffer protocol takes a tenth of a microsecond an array, an eighth of a small frame.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <nanobind/nanobind.h>
#include <numpy/arrayobject.h>

#include <cstring>

#include "../tracker.hpp"

namespace flatsort {

namespace nb = nanobind;

template <class T>
constexpr int type_number() {
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, float> || std::is_same_v<T, Index>);
    return std::is_same_v<T, double> ? NPY_DOUBLE : std::is_same_v<T, float> ? NPY_FLOAT : NPY_INT64;
}

// A C-contiguous array of numbers of type T. Whatever else an array may be is made into one first.
template <class T>
class Numbers {
  public:
    explicit Numbers(nb::handle given) {
        if (given.is_none()) return;
        if (is_plain(given)) {
            array_ = nb::borrow(given);
            return;
        }
        PyArray_Descr* wanted = PyArray_DescrFromType(type_number<T>());  // which `FromAny` takes over
        array_ = nb::steal(PyArray_FromAny(given.ptr(), wanted, 0, 0, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST, nullptr));
        if (!array_.is_valid()) throw nb::python_error();
    }

    static bool is_plain(nb::handle given) {
        if (!PyArray_CheckExact(given.ptr())) return false;
        const auto* array = reinterpret_cast<PyArrayObject*>(given.ptr());
        return PyArray_TYPE(array) == type_number<T>() && PyArray_ISCARRAY_RO(array);
    }

    bool is_given() const { return array_.is_valid(); }
    T* data() const { return is_given() ? static_cast<T*>(PyArray_DATA(array())) : nullptr; }
    std::size_t size() const { return is_given() ? static_cast<std::size_t>(PyArray_SIZE(array())) : 0; }
    bool is_table() const { return is_given() && PyArray_NDIM(array()) == 2; }
    std::size_t rows() const { return is_given() && PyArray_NDIM(array()) ? extent(0) : 0; }
    std::size_t columns() const { return is_table() ? extent(1) : 0; }

  private:
    PyArrayObject* array() const { return reinterpret_cast<PyArrayObject*>(array_.ptr()); }
    std::size_t extent(int axis) const { return static_cast<std::size_t>(PyArray_DIM(array(), axis)); }

    nb::object array_;
};

// A new array [rows], or [rows, columns], whose numbers are still to be written to `data`.
template <class T>
nb::object new_array(T*& data, std::size_t rows, std::size_t columns = 0) {
    npy_intp shape[2] = {static_cast<npy_intp>(rows), static_cast<npy_intp>(columns)};
    nb::object made = nb::steal(PyArray_SimpleNew(columns ? 2 : 1, shape, type_number<T>()));
    if (!made.is_valid()) throw nb::python_error();
    data = static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(made.ptr())));
    return made;
}

// The arrays of one frame, held for as long as it takes.
struct Arrays {
    Numbers<double> boxes, scores;
    Numbers<float> features;
    Numbers<Index> class_ids, rows;

    Arrays(nb::handle boxes_, nb::handle scores_, nb::handle features_, nb::handle classes_, nb::handle rows_)
        : boxes(boxes_), scores(scores_), features(features_), class_ids(classes_), rows(rows_) {
        const std::size_t count = scores.size();
        const auto fits = [&](const auto& one) { return !one.is_given() || one.size() == count; };
        if (boxes.size() != 4 * count || !fits(class_ids) || !fits(rows) ||
            (features.is_given() && features.size() != features.columns() * count))
            throw nb::value_error("detections: expected arrays with one row a box");
    }

    Detected detected() const {
        return {scores.size(),   features.columns(), reinterpret_cast<const Box*>(boxes.data()), scores.data(),
                features.data(), class_ids.data(),   rows.data()};
    }
};

// Whether `Detections` may take the arrays as they are: of the right types and shapes, and no number or box that it
// would refuse or drop. False where that is not plain to see; Python looks again.
inline bool are_sound(nb::handle boxes_, nb::handle scores_, nb::handle features_) {
    if (!Numbers<double>::is_plain(boxes_) || !Numbers<double>::is_plain(scores_)) return false;
    if (!features_.is_none() && !Numbers<float>::is_plain(features_)) return false;
    const Numbers<double> boxes(boxes_), scores(scores_);
    const Numbers<float> features(features_);
    const std::size_t count = scores.rows();
    if (!count || scores.size() != count || boxes.rows() != count || boxes.columns() != 4) return false;
    if (features.is_given() && (features.rows() != count || !features.is_table())) return false;
    const Box* box = reinterpret_cast<const Box*>(boxes.data());
    bool sound = true;
    for (std::size_t row = 0; row < count; ++row) {
        const Box& b = box[row];
        sound &= std::abs(b.left) < LIMIT && std::abs(b.top) < LIMIT && std::abs(b.right) < LIMIT;
        sound &= std::abs(b.bottom) < LIMIT && std::abs(scores.data()[row]) < LIMIT;
        sound &= b.right - b.left >= SMALLEST_SIDE && b.bottom - b.top >= SMALLEST_SIDE;
    }
    constexpr std::uint32_t exponent = 0x7f800000;  // all of it: an infinity, or no number
    bool finite = true;
    for (std::size_t k = 0; k < features.size(); ++k) {
        std::uint32_t bits;
        std::memcpy(&bits, features.data() + k, sizeof(bits));
        finite &= (bits & exponent) != exponent;
    }
    return sound && finite;
}

}  // namespace flatsort
