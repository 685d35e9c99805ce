// The same filters with full 8 x 8 covariances, as in kalman_full.py: the path that camera motion needs.
#pragma once

#include "kalman.hpp"

namespace flatsort {

template <int N>
using Matrix = std::array<std::array<double, N>, N>;

// Solve A X = B for M right-hand sides by elimination with partial pivoting; B becomes X.
template <int N, int M>
void solve(Matrix<N> a, std::array<std::array<double, M>, N>& b) {
    for (int k = 0; k < N; ++k) {
        int pivot = k;
        for (int i = k + 1; i < N; ++i)
            if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
        std::swap(a[k], a[pivot]), std::swap(b[k], b[pivot]);
        for (int i = k + 1; i < N; ++i) {
            const double factor = a[i][k] / a[k][k];
            for (int j = k + 1; j < N; ++j) a[i][j] -= factor * a[k][j];
            for (int j = 0; j < M; ++j) b[i][j] -= factor * b[k][j];
        }
    }
    for (int k = N - 1; k >= 0; --k)
        for (int j = 0; j < M; ++j) {
            for (int i = k + 1; i < N; ++i) b[k][j] -= a[k][i] * b[i][j];
            b[k][j] /= a[k][k];
        }
}

// P <- A P A'.
inline void sandwich(const Matrix<8>& a, Matrix<8>& p) {
    Matrix<8> left{};
    for (int i = 0; i < 8; ++i)
        for (int k = 0; k < 8; ++k)
            for (int j = 0; j < 8; ++j) left[i][j] += a[i][k] * p[k][j];
    p = {};
    for (int i = 0; i < 8; ++i)
        for (int k = 0; k < 8; ++k)
            for (int j = 0; j < 8; ++j) p[i][j] += left[i][k] * a[j][k];
}

struct Full {  // one track's filter
    std::array<double, 8> state;  // position, velocity
    Matrix<8> covariance;

    static Full from_separable(const Separable& from) {
        Full full{};
        for (int k = 0; k < 4; ++k) {
            full.state[k] = from.position[k], full.state[k + 4] = from.velocity[k];
            full.covariance[k][k] = from.p_xx[k], full.covariance[k + 4][k + 4] = from.p_vv[k];
            full.covariance[k][k + 4] = full.covariance[k + 4][k] = from.p_xv[k];
        }
        return full;
    }

    Four mean() const { return {state[0], state[1], state[2], state[3]}; }

    void predict(const MotionModel& model) {
        static const Matrix<8> transition = [] {
            Matrix<8> f{};
            for (int k = 0; k < 8; ++k) f[k][k] = 1;
            for (int k = 0; k < 4; ++k) f[k][k + 4] = 1;
            return f;
        }();
        const int column = model.area_column;
        if (column >= 0 && state[column] + state[column + 4] <= 0) state[column + 4] = 0;
        const Four noise = model.process_position.at(mean()), noise_velocity = model.process_velocity.at(mean());
        for (int k = 0; k < 4; ++k) state[k] += state[k + 4];
        sandwich(transition, covariance);
        for (int k = 0; k < 4; ++k) covariance[k][k] += noise[k], covariance[k + 4][k + 4] += noise_velocity[k];
    }

    Matrix<4> innovation_covariance(const MotionModel& model) const {
        Matrix<4> found;
        const Four variance = model.measurement.at(mean());
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) found[i][j] = covariance[i][j];
            found[i][i] += variance[i];
        }
        return found;
    }

    void update(const MotionModel& model, const Box& box) {  // K = P H' S^-1, P -= K S K'
        std::array<std::array<double, 8>, 4> gain;  // K', S K' = H P
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 8; ++j) gain[i][j] = covariance[j][i];
        const auto cross = gain;
        solve<4, 8>(innovation_covariance(model), gain);
        const Four z = model.to_measurement(box), position = mean();
        for (int j = 0; j < 8; ++j)
            for (int k = 0; k < 4; ++k) state[j] += gain[k][j] * (z[k] - position[k]);
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < 8; ++j)
                for (int k = 0; k < 4; ++k) covariance[i][j] -= gain[k][i] * cross[k][j];
    }

    // Whether warps have left the state a size that a box can have, and the covariance can be inverted.
    bool is_regular(const MotionModel& model) const {
        const Box box = model.to_box(mean());
        const auto has = [](double low, double high) {
            return std::abs(high - low) >= SMALLEST_SIDE && std::abs(low) < LIMIT && std::abs(high) < LIMIT;
        };
        const Matrix<4> s = innovation_covariance(model);
        const double product = s[0][0] * s[1][1];  // only x and y depend on each other
        return has(box.left, box.right) && has(box.top, box.bottom) && product - s[0][1] * s[0][1] > 1e-12 * product;
    }

    // Move by the camera's affine motion [2, 3]: x and y turn, sizes scale by sqrt|det|, ratios stay.
    void warp(const MotionModel& model, const std::array<double, 6>& affine) {
        const double a = affine[0], b = affine[1], c = affine[3], d = affine[4];
        const double scale = std::sqrt(std::abs(a * d - b * c));
        Matrix<8> whole{};
        for (int k = 0; k < 8; k += 4) {
            whole[k][k] = a, whole[k][k + 1] = b, whole[k + 1][k] = c, whole[k + 1][k + 1] = d;
            whole[k + 2][k + 2] = whole[k + 3][k + 3] = 1;
            if (model.area_column < 0)
                whole[k + 3][k + 3] = scale;
            else
                whole[k + model.area_column][k + model.area_column] = scale * scale;
        }
        std::array<double, 8> moved{};
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < 8; ++j) moved[i] += whole[i][j] * state[j];
        state = moved;
        state[0] += affine[2], state[1] += affine[5];
        sandwich(whole, covariance);
    }
};

struct FullGate {
    Four position;
    Matrix<4> inverse;
    double variance;

    FullGate(const MotionModel& model, const Full& filter) : position(filter.mean()), inverse{} {
        const Matrix<4> s = filter.innovation_covariance(model);
        variance = s[0][0];
        for (int k = 0; k < 4; ++k) inverse[k][k] = 1;
        solve<4, 4>(s, inverse);
    }

    double distance(const Four& z) const {
        double sum = 0;
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) sum += (z[i] - position[i]) * inverse[i][j] * (z[j] - position[j]);
        return sum;
    }

    double variance_of_x() const { return variance; }
};

// All tracks' filters: separable ones until the first warp, full ones from then on.
struct Filters {
    const MotionModel* model = nullptr;
    bool is_full = false;
    std::vector<Separable> separable;
    std::vector<Full> full;

    std::size_t size() const { return is_full ? full.size() : separable.size(); }

    template <class Do>
    void each(Do&& apply) {  // apply(row, filter)
        for (std::size_t row = 0; row < separable.size(); ++row) apply(row, separable[row]);
        for (std::size_t row = 0; row < full.size(); ++row) apply(row, full[row]);
    }

    Four mean(std::size_t row) const { return is_full ? full[row].mean() : separable[row].position; }
    Box box(std::size_t row) const { return model->to_box(mean(row)); }

    void predict() {
        each([&](std::size_t, auto& filter) { filter.predict(*model); });
    }

    void shift(double x, double y) {
        for (Separable& filter : separable) filter.position[0] += x, filter.position[1] += y;
        for (Full& filter : full) filter.state[0] += x, filter.state[1] += y;
    }

    void update(std::size_t row, const Box& box) {
        if (is_full)
            full[row].update(*model, box);
        else
            separable[row].update(*model, box);
    }

    void append(const Box& box) {
        const Separable born = Separable::born(*model, box);
        if (is_full)
            full.push_back(Full::from_separable(born));
        else
            separable.push_back(born);
    }

    void keep(const Mask& kept) {
        if (is_full)
            keep_rows(full, kept);
        else
            keep_rows(separable, kept);
    }

    void warp(const std::array<double, 6>& affine) {
        if (!is_full) {
            is_full = true;
            for (const Separable& filter : separable) full.push_back(Full::from_separable(filter));
            separable.clear();
        }
        for (Full& filter : full) filter.warp(*model, affine);
    }

    // Whether the predicted state is of any use: a box, or with keep_shrunk finite numbers.
    bool is_alive(std::size_t row, bool keep_shrunk) const {
        const Four z = mean(row);
        if (!keep_shrunk) return z[2] > 0 && z[3] > 0;
        return std::isfinite(z[0]) && std::isfinite(z[1]) && std::isfinite(z[2]) && std::isfinite(z[3]);
    }
};

}  // namespace flatsort
