/* Numbers as text: shortest round trip for machines, grouped digits and decimal units for people. */
#include "ir/base/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool number_shortest(double value, char out[NUMBER_MAX]) {
    out[0] = '\0';
    if (!isfinite(value))
        return false;
    if (value == 0.0) { /* -0 too: no reader of a report wants it */
        snprintf(out, NUMBER_MAX, "0");
        return true;
    }
    if (fabs(value) < 0x1p53 && value == trunc(value)) {
        snprintf(out, NUMBER_MAX, "%.0f", value);
        return true;
    }
    /* Up to 15 digits every decimal survives the trip through a normal double, so %.15g finds it if there is one;
     * subnormal numbers have fewer digits. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(out, NUMBER_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return true;
}

const char *number_grouped(double value, char out[NUMBER_MAX]) {
    char digits[NUMBER_MAX];
    if (!isfinite(value) || fabs(value) >= 1e24) {
        snprintf(out, NUMBER_MAX, "%g", value);
        return out;
    }
    snprintf(digits, sizeof digits, "%.0f", value);
    size_t length = strlen(digits), written = 0;
    for (size_t i = 0; i < length; i++) {
        size_t left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-')
            out[written++] = ',';
        out[written++] = digits[i];
    }
    out[written] = '\0';
    return out;
}

const char *number_bytes(double bytes, char out[NUMBER_MAX]) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    while (bytes >= 999.995 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1000.0;
        unit++;
    }
    snprintf(out, NUMBER_MAX, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return out;
}
