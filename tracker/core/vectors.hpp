// Sums over the numbers of features, compiled for vectors of 16 bytes and of 32. They add up in lanes of a fixed number,
// so both give the same to the last bit; which one runs is known when the module is loaded.
#pragma once

#include <cstddef>
#include <limits>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define FLATSORT_INLINE __attribute__((always_inline)) inline
#define FLATSORT_WIDE __attribute__((target("avx2")))
#else
#define FLATSORT_INLINE inline
#endif

namespace flatsort {

#ifdef FLATSORT_WIDE
inline const bool has_wide_vectors = __builtin_cpu_supports("avx2");
#endif

namespace body {

template <class Term>
FLATSORT_INLINE double sum_over(std::size_t dimension, Term&& term) {
    double lanes[8] = {}, rest = 0;
    std::size_t k = 0;
    for (; k + 8 <= dimension; k += 8)
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += term(k + lane);
    for (; k < dimension; ++k) rest += term(k);
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7])) + rest;
}

template <class Number>
FLATSORT_INLINE double dot(const Number* a, const Number* b, std::size_t dimension) {
    return sum_over(dimension, [=](std::size_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
}

FLATSORT_INLINE double squared_difference(const float* a, const float* b, std::size_t dimension) {
    return sum_over(dimension, [=](std::size_t k) {
        const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
        return difference * difference;
    });
}

FLATSORT_INLINE float dot_in_floats(const float* a, const float* b, std::size_t dimension) {
    float lanes[32] = {}, rest = 0;
    std::size_t k = 0;
    for (; k + 32 <= dimension; k += 32)
        for (int lane = 0; lane < 32; ++lane) lanes[lane] += a[k + lane] * b[k + lane];
    for (; k < dimension; ++k) rest += a[k] * b[k];
    for (int half = 16; half; half /= 2)
        for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    return lanes[0] + rest;
}

// The row of `all` [count, dimension] that has the largest product with `one`, less its half norm if these are given.
FLATSORT_INLINE std::size_t most_similar(const float* all, const float* half_norm, std::size_t count, const float* one,
                                         std::size_t dimension) {
    std::size_t best = 0;
    float largest = -std::numeric_limits<float>::infinity();
    for (std::size_t k = 0; k < count; ++k) {
        float similarity = dot_in_floats(all + k * dimension, one, dimension);
        if (half_norm) similarity -= half_norm[k];
        if (similarity > largest) largest = similarity, best = k;
    }
    return best;
}

FLATSORT_INLINE void divide(const float* from, float by, float* to, std::size_t dimension) {
    for (std::size_t k = 0; k < dimension; ++k) to[k] = from[k] / by;
}

}  // namespace body

#ifdef FLATSORT_WIDE
#define FLATSORT_TWICE(result, name, parameters, arguments)                                  \
    FLATSORT_WIDE inline result name##_wide parameters { return body::name arguments; }      \
    inline result name##_narrow parameters { return body::name arguments; }                  \
    inline result name parameters { return has_wide_vectors ? name##_wide arguments : name##_narrow arguments; }
#else
#define FLATSORT_TWICE(result, name, parameters, arguments) \
    inline result name parameters { return body::name arguments; }
#endif

FLATSORT_TWICE(double, dot, (const float* a, const float* b, std::size_t dimension), (a, b, dimension))
FLATSORT_TWICE(double, dot, (const double* a, const double* b, std::size_t dimension), (a, b, dimension))
FLATSORT_TWICE(float, dot_in_floats, (const float* a, const float* b, std::size_t dimension), (a, b, dimension))
FLATSORT_TWICE(double, squared_difference, (const float* a, const float* b, std::size_t dimension), (a, b, dimension))
FLATSORT_TWICE(void, divide, (const float* from, float by, float* to, std::size_t dimension), (from, by, to, dimension))
FLATSORT_TWICE(std::size_t, most_similar,
               (const float* all, const float* half_norm, std::size_t count, const float* one, std::size_t dimension),
               (all, half_norm, count, one, dimension))

#undef FLATSORT_TWICE

}  // namespace flatsort
