// The separable Kalman filters of kalman.py: four independent position-velocity pairs a track.
#pragma once

#include "boxes.hpp"

namespace flatsort {

struct Variance {  // absolute + relative * h^2
    Four absolute{}, relative{};
    bool depends_on_height = false;

    Four at(const Four& mean) const {
        if (!depends_on_height) return absolute;
        Four found;
        const double squared = mean[3] * mean[3];
        for (int k = 0; k < 4; ++k) found[k] = absolute[k] + relative[k] * squared;
        return found;
    }
};

inline Variance absolute(double a, double b, double c, double d) { return {{a, b, c, d}, {}, false}; }

inline Variance deviations(double relative, double aspect) {  // DeepSORT's form
    const double scaled = relative * relative;
    return {{0, 0, aspect * aspect, 0}, {scaled, scaled, 0, scaled}, true};
}

struct MotionModel {
    Four (*to_measurement)(const Box&);
    Box (*to_box)(const Four&);
    Variance initial_position, initial_velocity, process_position, process_velocity, measurement;
    int area_column;  // its velocity is zeroed where it would not stay positive; -1: none
};

inline const MotionModel& motion_model(bool is_xyah) {
    static const MotionModel xyah{  // Wojke et al. 2017
        xyxy_to_xyah,           xyah_to_xyxy,
        deviations(2.0 / 20, 1e-2), deviations(10.0 / 160, 1e-5),
        deviations(1.0 / 20, 1e-2), deviations(1.0 / 160, 1e-5),
        deviations(1.0 / 20, 1e-1), -1};
    static const MotionModel xysr{  // Bewley et al. 2016
        xyxy_to_xysr,           xysr_to_xyxy,
        absolute(10, 10, 10, 10), absolute(1e4, 1e4, 1e4, 0),
        absolute(1, 1, 1, 1),     absolute(1e-2, 1e-2, 1e-4, 0),
        absolute(1, 1, 10, 10),   2};
    return is_xyah ? xyah : xysr;
}

struct Separable {  // one track's filter
    Four position, velocity, p_xx, p_xv, p_vv;

    static Separable born(const MotionModel& model, const Box& box) {
        const Four z = model.to_measurement(box);
        return {z, {}, model.initial_position.at(z), {}, model.initial_velocity.at(z)};
    }

    void predict(const MotionModel& model) {  // x += v, P = F P F' + Q
        const int column = model.area_column;
        if (column >= 0 && position[column] + velocity[column] <= 0) velocity[column] = 0;
        const Four noise = model.process_position.at(position), noise_velocity = model.process_velocity.at(position);
        for (int k = 0; k < 4; ++k) {
            position[k] += velocity[k];
            p_xx[k] = p_xx[k] + 2 * p_xv[k] + p_vv[k] + noise[k];
            p_xv[k] += p_vv[k];
            p_vv[k] += noise_velocity[k];
        }
    }

    void update(const MotionModel& model, const Box& box) {
        const Four z = model.to_measurement(box), variance = model.measurement.at(position);
        for (int k = 0; k < 4; ++k) {
            const double innovation = z[k] - position[k], inverse = 1.0 / (p_xx[k] + variance[k]);
            const double gain = p_xx[k] * inverse, gain_velocity = p_xv[k] * inverse;
            position[k] = position[k] + gain * innovation;
            velocity[k] = velocity[k] + gain_velocity * innovation;
            p_vv[k] = p_vv[k] - gain_velocity * p_xv[k];
            p_xv[k] = p_xv[k] - gain * p_xv[k];
            p_xx[k] = p_xx[k] - gain * p_xx[k];
        }
    }
};

// The Mahalanobis gate as matching asks for it: squared distances of measurements to one track.
struct SeparableGate {
    Four position, inverse;

    SeparableGate(const MotionModel& model, const Separable& filter) : position(filter.position) {
        const Four variance = model.measurement.at(position);
        for (int k = 0; k < 4; ++k) inverse[k] = 1.0 / (filter.p_xx[k] + variance[k]);
    }

    double distance(const Four& z) const {
        double sum = 0;
        for (int k = 0; k < 4; ++k) sum += (z[k] - position[k]) * (z[k] - position[k]) * inverse[k];
        return sum;
    }

    double variance_of_x() const { return 1.0 / inverse[0]; }
};

}  // namespace flatsort
