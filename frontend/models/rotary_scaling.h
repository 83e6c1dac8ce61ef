/* Rotary positions that are scaled for longer texts, as config.json and GGUF files describe them. Private to the
 * frontend. */
#ifndef DTQ_FRONTEND_ROTARY_SCALING_H
#define DTQ_FRONTEND_ROTARY_SCALING_H

#include "frontend/files/document.h"
#include "frontend/models/model.h"

/** What YaRN's frequencies depend on beside the base and the channels of a head. */
typedef struct {
    double factor;     /* of the lengths; from 1 on */
    double original;   /* tokens of the texts of the first training */
    double fast, slow; /* turns over `original` above which a frequency stays, and below which it is divided */
    bool truncate;     /* the two pairs where this begins and ends are whole numbers */
    double amplitude;  /* of cosines and sines, where the caller says it */
} yarn_scaling;

/** The text for the frequencies of a rotary table (runtime/numerics/rotary.h), in the arena; NULL if nothing is scaled.
 */
const char *rotary_frequencies(arena *a, float amplitude, const float *divisors, uint32_t pairs);
/** The divisors of columns / 2 frequencies. Peng et al., "YaRN", 2023: between the two pairs the frequencies turn from
 *  kept into divided ones along a line. */
void rotary_yarn(const yarn_scaling *y, double base, uint32_t columns, float *divisors);
/** The amplitude that YaRN takes where nobody says another: 1 + .1 m ln(factor). */
double rotary_yarn_amplitude(double factor, double m);

/** Reads rope_scaling or rope_parameters of a config.json. The members of `t` that give positions, base and channels
 * are filled; sets frequencies, and may set the base and lower the positions. False after an error. */
bool rotary_scaling_read(arena *a, diag *d, const doc_node *config, transformer *t);

#endif
