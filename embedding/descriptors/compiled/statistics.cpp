// The statistics of crops, compiled: what `embedding/descriptors/statistics.py` computes, in the same order and by the
// same names. That module is the oracle of this one; the equations are cited there.
//
// One crop at a time, all of it in the first cache. Gaussians' logarithms come from Jacobi's method, on the matrices of
// all stripes at once: the same rotations for each, so that they fill a vector register.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__)
#define FOR_NEWER_PROCESSORS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FOR_NEWER_PROCESSORS
#endif

namespace {

constexpr int SIDE = 64, ROWS = 64, COLUMNS = 32, PIXELS = ROWS * COLUMNS;
constexpr int BANDS = 8, BAND = PIXELS / BANDS, STRIPES = BANDS - 1;
constexpr int NEAREST = 4, LEVELS = 32;          // of ColourWords
constexpr int SIZE = 10, PAIRS = SIZE * (SIZE + 1) / 2;  // features of a pixel and 1; their products
constexpr int LANES = 8;                         // the stripes, and one to fill a register
constexpr float DARKEST = 0.05f;
constexpr double RIDGE = 3e-3;

// A curve on 0 to 1 by straight lines between its values.
class Curve {
public:
    template <class Function> explicit Curve(Function function) {
        for (int step = 0; step <= STEPS; ++step) values_[step] = static_cast<float>(function(double(step) / STEPS));
        values_[STEPS + 1] = values_[STEPS];
    }
    float operator()(float x) const {
        const float place = x * STEPS;
        const int step = static_cast<int>(place);
        return values_[step] + (place - static_cast<float>(step)) * (values_[step + 1] - values_[step]);
    }

private:
    static constexpr int STEPS = 8192;
    std::array<float, STEPS + 2> values_;
};

const Curve linear_light([](double c) { return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); });
const Curve lightness([](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; });

struct Crop {
    float blue[PIXELS], green[PIXELS], red[PIXELS];
};

// Pairs of pixels averaged, and the light brought half way to grey.
void prepare(const std::uint8_t* crop, Crop& found) {
    float* const planes[3] = {found.blue, found.green, found.red};
    float means[3];
    for (int channel = 0; channel < 3; ++channel) {
        std::int64_t sum = 0;
        for (int pixel = 0; pixel < PIXELS; ++pixel) {
            const int pair = crop[6 * pixel + channel] + crop[6 * pixel + 3 + channel];
            planes[channel][pixel] = static_cast<float>(pair) / 510;
            sum += pair;
        }
        means[channel] = std::max(static_cast<float>(double(sum) / PIXELS / 510), 1.0f / 255);
    }
    const float grey = (means[0] + means[1] + means[2]) / 3;
    for (int channel = 0; channel < 3; ++channel) {
        const float gain = std::sqrt(grey / means[channel]);
        for (int pixel = 0; pixel < PIXELS; ++pixel)
            planes[channel][pixel] = std::min(planes[channel][pixel] * gain, 1.0f);
    }
}

// `ColourWords`: soft counts of the nearest words, in stripes.
void count_words(const Crop& crop, const std::int32_t* nearest, const float* share, const float* weights,
                 const float* stripes, int words, float* of_row, float* found) {
    std::fill_n(found, BANDS * words, 0.0f);
    for (int row = 0; row < ROWS; ++row) {
        std::fill_n(of_row, words, 0.0f);
        for (int column = 0; column < COLUMNS; ++column) {
            const int pixel = row * COLUMNS + column;
            int colour = 0;
            for (const float* plane : {crop.blue, crop.green, crop.red})
                colour = colour * LEVELS + std::min(static_cast<int>(plane[pixel] * LEVELS), LEVELS - 1);
            for (int near = colour * NEAREST; near < (colour + 1) * NEAREST; ++near)
                of_row[nearest[near]] += share[near] * weights[column];
        }
        for (int stripe = 0; stripe < BANDS; ++stripe)
            if (const float weight = stripes[stripe * ROWS + row]; weight > 0)
                for (int word = 0; word < words; ++word) found[stripe * words + word] += weight * of_row[word];
    }
    for (int entry = 0; entry < BANDS * words; ++entry) found[entry] = std::sqrt(found[entry]);
}

// `StripeGaussians.features`, without the 1: CIE L*a*b* under D65, saturation, gradients.
void look_at(const Crop& crop, float (*features)[PIXELS]) {
    float *height = features[0], *light = features[1], *across = features[5], *down = features[6];
    for (int pixel = 0; pixel < PIXELS; ++pixel) {
        const float blue = crop.blue[pixel], green = crop.green[pixel], red = crop.red[pixel];
        const float b = linear_light(blue), g = linear_light(green), r = linear_light(red);
        const float x = (0.412453f * r + 0.357580f * g + 0.180423f * b) / 0.950456f;
        const float y = 0.212671f * r + 0.715160f * g + 0.072169f * b;
        const float z = (0.019334f * r + 0.119193f * g + 0.950227f * b) / 1.088754f;
        const float fx = lightness(std::min(x, 1.0f)), fy = lightness(std::min(y, 1.0f)), fz = lightness(std::min(z, 1.0f));
        height[pixel] = static_cast<float>(pixel / COLUMNS) / ROWS;
        light[pixel] = (116 * fy - 16) / 100;
        features[2][pixel] = 500 * (fx - fy) / 50;
        features[3][pixel] = 200 * (fy - fz) / 50;
        const float largest = std::max(std::max(blue, green), red), smallest = std::min(std::min(blue, green), red);
        features[4][pixel] = (largest - smallest) / std::max(largest, DARKEST);
        features[7][pixel] = blue;
        features[8][pixel] = red;
        features[9][pixel] = 1;
    }
    for (int pixel = 0; pixel < PIXELS; ++pixel) {
        const int row = pixel / COLUMNS, column = pixel % COLUMNS;
        const bool inner_column = column > 0 && column < COLUMNS - 1, inner_row = row > 0 && row < ROWS - 1;
        across[pixel] = inner_column ? std::abs(light[pixel + 1] - light[pixel - 1]) : 0;
        down[pixel] = inner_row ? std::abs(light[pixel + COLUMNS] - light[pixel - COLUMNS]) : 0;
    }
}

using Matrices = double[SIZE][SIZE][LANES];

// Second moments of the features in each stripe, of two bands, and a ridge.
FOR_NEWER_PROCESSORS
void moments(const float (*features)[PIXELS], const float* weights, Matrices found) {
    constexpr int WIDE = 8;
    float bands[PAIRS][BANDS];
    for (int pair = 0, first = 0; first < SIZE; ++first) {
        float weighted[PIXELS];
        for (int pixel = 0; pixel < PIXELS; ++pixel)
            weighted[pixel] = features[first][pixel] * (weights[pixel % COLUMNS] * BANDS / ROWS);
        for (int second = first; second < SIZE; ++second, ++pair)
            for (int band = 0; band < BANDS; ++band) {
                float sums[WIDE] = {};
                for (int pixel = band * BAND; pixel < (band + 1) * BAND; pixel += WIDE)
                    for (int lane = 0; lane < WIDE; ++lane)
                        sums[lane] += weighted[pixel + lane] * features[second][pixel + lane];
                bands[pair][band] = ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
            }
    }
    for (int pair = 0, first = 0; first < SIZE; ++first)
        for (int second = first; second < SIZE; ++second, ++pair)
            for (int lane = 0; lane < LANES; ++lane) {
                const int stripe = std::min(lane, STRIPES - 1);
                double moment = (double(bands[pair][stripe + 1]) + bands[pair][stripe]) / 2;
                found[first][second][lane] = found[second][first][lane] = moment + (first == second ? RIDGE : 0);
            }
}

// Eigenvalues on the diagonal of `a`, eigenvectors in the columns of `v`, by cyclic rotations (Golub and Van Loan, 8.5).
FOR_NEWER_PROCESSORS
void diagonalise(Matrices a, Matrices v) {
    constexpr int MOST_SWEEPS = 12;
    constexpr double SMALL = 1e-16;  // of the squares off the diagonal over those on it
    for (int row = 0; row < SIZE; ++row)
        for (int column = 0; column < SIZE; ++column)
            for (int lane = 0; lane < LANES; ++lane) v[row][column][lane] = row == column;
    for (int sweep = 0; sweep < MOST_SWEEPS; ++sweep) {
        double off[LANES] = {}, on[LANES] = {};
        for (int row = 0; row < SIZE; ++row)
            for (int column = row; column < SIZE; ++column)
                for (int lane = 0; lane < LANES; ++lane)
                    (row == column ? on : off)[lane] += a[row][column][lane] * a[row][column][lane];
        bool done = true;
        for (int lane = 0; lane < LANES; ++lane) done = done && off[lane] <= SMALL * on[lane];
        if (done) return;
        for (int p = 0; p < SIZE - 1; ++p)
            for (int q = p + 1; q < SIZE; ++q) {
                double sine[LANES], cosine[LANES];
                for (int lane = 0; lane < LANES; ++lane) {
                    const double difference = a[q][q][lane] - a[p][p][lane], twice = 2 * a[p][q][lane];
                    const double length = std::sqrt(difference * difference + twice * twice);
                    const double divisor = std::abs(difference) + length;
                    const double tangent = divisor > 0 ? (difference < 0 ? -twice : twice) / divisor : 0;
                    cosine[lane] = 1 / std::sqrt(1 + tangent * tangent);
                    sine[lane] = tangent * cosine[lane];
                }
                for (int k = 0; k < SIZE; ++k)
                    for (int lane = 0; lane < LANES; ++lane) {
                        const double kp = a[k][p][lane], kq = a[k][q][lane];
                        a[k][p][lane] = cosine[lane] * kp - sine[lane] * kq;
                        a[k][q][lane] = sine[lane] * kp + cosine[lane] * kq;
                        const double vp = v[k][p][lane], vq = v[k][q][lane];
                        v[k][p][lane] = cosine[lane] * vp - sine[lane] * vq;
                        v[k][q][lane] = sine[lane] * vp + cosine[lane] * vq;
                    }
                for (int k = 0; k < SIZE; ++k)
                    for (int lane = 0; lane < LANES; ++lane) {
                        const double pk = a[p][k][lane], qk = a[q][k][lane];
                        a[p][k][lane] = cosine[lane] * pk - sine[lane] * qk;
                        a[q][k][lane] = sine[lane] * pk + cosine[lane] * qk;
                    }
            }
    }
}

// `StripeGaussians`: the logarithm of each stripe's matrix over the root of its determinant; off the diagonal times
// the root of 2.
FOR_NEWER_PROCESSORS
void logarithms(Matrices a, Matrices v, float* found) {
    double logs[SIZE][LANES], mean[LANES] = {};
    for (int k = 0; k < SIZE; ++k)
        for (int lane = 0; lane < LANES; ++lane) mean[lane] += (logs[k][lane] = std::log(a[k][k][lane])) / SIZE;
    for (int k = 0; k < SIZE; ++k)
        for (int lane = 0; lane < LANES; ++lane) logs[k][lane] -= mean[lane];
    const double root = std::sqrt(2.0);
    for (int pair = 0, first = 0; first < SIZE; ++first)
        for (int second = first; second < SIZE; ++second, ++pair) {
            double sums[LANES] = {};
            for (int k = 0; k < SIZE; ++k)
                for (int lane = 0; lane < LANES; ++lane) sums[lane] += v[first][k][lane] * logs[k][lane] * v[second][k][lane];
            for (int stripe = 0; stripe < STRIPES; ++stripe)
                found[stripe * PAIRS + pair] = static_cast<float>(first == second ? sums[stripe] : sums[stripe] * root);
        }
}

struct Buffers {
    Py_buffer crops{}, nearest{}, share{}, weights{}, stripes{}, words{}, gaussians{};
    ~Buffers() {
        for (Py_buffer* one : {&crops, &nearest, &share, &weights, &stripes, &words, &gaussians}) PyBuffer_Release(one);
    }
};

PyObject* describe(PyObject*, PyObject* arguments) {
    Buffers of;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*w*w*", &of.crops, &of.nearest, &of.share, &of.weights, &of.stripes, &of.words,
                          &of.gaussians))
        return nullptr;
    constexpr Py_ssize_t FLOAT = sizeof(float), COLOURS = LEVELS * LEVELS * LEVELS * NEAREST;
    const Py_ssize_t count = of.crops.len / (SIDE * SIDE * 3);
    const Py_ssize_t words = count ? of.words.len / (count * BANDS * FLOAT) : 0;
    if (of.crops.len != count * SIDE * SIDE * 3 || of.words.len != count * BANDS * words * FLOAT ||
        of.gaussians.len != count * STRIPES * PAIRS * FLOAT || of.nearest.len != COLOURS * Py_ssize_t(sizeof(std::int32_t)) ||
        of.share.len != COLOURS * FLOAT || of.weights.len != COLUMNS * FLOAT || of.stripes.len != BANDS * ROWS * FLOAT) {
        PyErr_SetString(PyExc_ValueError, "describe: the buffers do not fit each other");
        return nullptr;
    }
    const auto* nearest = static_cast<const std::int32_t*>(of.nearest.buf);
    if (count && std::any_of(nearest, nearest + COLOURS, [&](std::int32_t word) { return word < 0 || word >= words; })) {
        PyErr_SetString(PyExc_ValueError, "describe: no such word");
        return nullptr;
    }
    const auto* crops = static_cast<const std::uint8_t*>(of.crops.buf);
    const auto *share = static_cast<const float*>(of.share.buf), *weights = static_cast<const float*>(of.weights.buf),
               *stripes = static_cast<const float*>(of.stripes.buf);
    auto *of_words = static_cast<float*>(of.words.buf), *of_gaussians = static_cast<float*>(of.gaussians.buf);
    Py_BEGIN_ALLOW_THREADS;
    struct Memory {
        Crop crop;
        float features[SIZE][PIXELS];
        Matrices moments, vectors;
    };
    std::vector<Memory> memory(1);
    std::vector<float> of_row(static_cast<std::size_t>(words));
    for (Py_ssize_t number = 0; number < count; ++number) {
        Memory& here = memory.front();
        prepare(crops + number * SIDE * SIDE * 3, here.crop);
        count_words(here.crop, nearest, share, weights, stripes, static_cast<int>(words), of_row.data(),
                    of_words + number * BANDS * words);
        look_at(here.crop, here.features);
        moments(here.features, weights, here.moments);
        diagonalise(here.moments, here.vectors);
        logarithms(here.moments, here.vectors, of_gaussians + number * STRIPES * PAIRS);
    }
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {{"describe", describe, METH_VARARGS, "crops, nearest, share, weights, stripes -> words, gaussians"},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&definition); }
