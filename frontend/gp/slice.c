/* Slice sampling by coordinates. */
#include "frontend/gp/slice.h"

#include "frontend/explore/random.h"

enum { STEPS_MOST = 10, SHRINKS_MOST = 100 };

void slice_sweep(slice_density *density, void *context, double *x, size_t d, double width, double *at,
                 uint64_t *state) {
    for (size_t i = 0; i < d; i++) {
        const double here = x[i], level = *at + log(1 - random_unit(state));
        double low = here - width * random_unit(state), high = low + width;
        /* Steps to both sides together are limited, split at random: so that the way back is as likely. */
        int left = (int)random_below(state, STEPS_MOST), right = STEPS_MOST - 1 - left;
        for (x[i] = low; left > 0 && density(context, x, d) > level; left--)
            x[i] = low -= width;
        for (x[i] = high; right > 0 && density(context, x, d) > level; right--)
            x[i] = high += width;
        for (int k = 0;; k++) {
            x[i] = low + (high - low) * random_unit(state);
            const double there = density(context, x, d);
            if (there > level) {
                *at = there;
                break;
            }
            if (k == SHRINKS_MOST) { /* rounding has left nothing of the slice but where it stands */
                x[i] = here;
                break;
            }
            *(x[i] < here ? &low : &high) = x[i];
        }
    }
}
