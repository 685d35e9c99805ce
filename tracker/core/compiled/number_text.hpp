// Decimal numbers in text, exactly rounded: what `tracker/files/number_text.py` leaves to NumPy where this is absent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flatsort {

// One number of at most 15 significant digits and a power of ten within 22: both are exact in a double, so that one
// multiplication or division rounds once (Clinger, 1990). Anything else is nobody's fault: the caller asks NumPy.
// Moves `at` behind the number; false where there is none of that kind.
inline bool read_number(const char*& at, const char* end, double& value) {
    static constexpr double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    while (at < end && *at == ' ') ++at;
    const bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    std::uint64_t digits = 0;
    int significant = 0, exponent = 0, seen = 0;
    bool behind_point = false;
    for (; at < end; ++at) {
        if (*at == '.' && !behind_point) {
            behind_point = true;
            continue;
        }
        const unsigned digit = static_cast<unsigned char>(*at) - '0';
        if (digit > 9) break;
        ++seen;
        exponent -= behind_point;
        if (significant || digit) ++significant;
        if (significant > 15) return false;
        digits = 10 * digits + digit;
    }
    if (!seen) return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        ++at;
        const bool small = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+')) ++at;
        int power = 0, count = 0;
        for (; at < end && *at >= '0' && *at <= '9'; ++at) {
            if (++count > 3) return false;
            power = 10 * power + (*at - '0');
        }
        if (!count) return false;
        exponent += small ? -power : power;
    }
    if (exponent < -22 || exponent > 22) return false;
    const double magnitude = exponent < 0 ? digits / powers[-exponent] : digits * powers[exponent];
    value = negative ? -magnitude : magnitude;
    while (at < end && *at == ' ') ++at;
    return true;
}

// Lines of `columns` numbers with commas between them, each ended by a line feed, into `values`; false where a line is
// anything else, or there are more or fewer numbers than `count`.
inline bool read_table(const char* at, const char* end, std::size_t columns, double* values, std::size_t count) {
    std::size_t column = 0, row = 0;
    for (double* value = values; at < end; ++at) {
        if (row == count || !read_number(at, end, *value++) || at == end) return false;
        ++row;
        if (++column == columns) {
            if (*at != '\n') return false;
            column = 0;
        } else if (*at != ',') {
            return false;
        }
    }
    return column == 0 && row == count;
}

}  // namespace flatsort
