/* Generated host code: opening a model, running it. */
#ifndef DTQRT_HOST_MODEL_H
#define DTQRT_HOST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/device/device.h"
#include "runtime/host/abi.h"
#include "runtime/run.h"

/** An instance of a generated model: worker threads, weights laid out for its kernels, memory for runs. It serves one
 *  run at a time: a second one meanwhile, from another thread, fails and says so. Several instances of a model may
 *  exist. */
typedef struct dtq_host dtq_host;

typedef struct {
    const char *directory; /* where relative weight paths are resolved; NULL: the current one */
    unsigned threads;      /* 0: all cores. Never changes a bit of the result */
    const char *store;     /* a file that keeps prepared weights for the next process; NULL: none. It is used if it was
                              made of these weights, is whole, is of this user and nobody else may write to it, else
                              (re)written; that it cannot be is no error */
    dtq_known *known;      /* as in dtq_weights_options */
    bool copy;             /* as in dtq_weights_options: weights are read into memory, not mapped */
    bool allow_nonfinite;  /* as of dtq_run_options */
    unsigned levels;       /* only variants of a dtq_host_level below this are used; 0: all that the processor runs */
    const dtq_device *device; /* computes attention, by the instructions of the plan; NULL: generated code, or, of a
                                 model that was generated for a device, dtq_simulator */
    void *device_user;        /* given to its `open` */
    bool want_events;         /* asks it for the time of each instruction */
} dtq_host_options;

/** The best level that this processor runs. */
dtq_host_level dtq_host_detect(void);

/** Opens a model. `plan`: a program whose streams give the layers of each length (its instructions, if any, are
 * ignored), or NULL for the plan that the model carries. `options`: NULL for all zeros. `plan` and `model` must outlive
 * the instance. NULL on error. */
dtq_host *dtq_host_open(const dtq_host_model *model, const dtq_program *plan, const dtq_host_options *options,
                        dtq_error *e);
/** The level of the variant that was chosen. */
dtq_host_level dtq_host_chosen(const dtq_host *h);
/** The plan: the one given, or the model's own. */
const dtq_program *dtq_host_plan(const dtq_host *h);

/** Runs `seq` tokens. `out` as of dtq_run, identical bit for bit to the other engines; released by dtq_output_free.
 *  Output that is not finite is DTQ_NOT_FINITE, as of dtq_run. Without `want_importance`, out->importance stays NULL
 * and importance that no selection needs is not computed. */
bool dtq_host_run(dtq_host *h, uint32_t seq, const dtq_input *in, bool want_importance, dtq_output *out, dtq_error *e);
/** As dtq_host_run, by a stream of any program of the same layers, with the cache that it is made for (or NULL). What
 *  fails leaves the cache as it was. Generated code does not depend on what is a query: one model takes whole sequences
 *  and steps. */
bool dtq_host_run_stream(dtq_host *h, const dtq_stream *s, const dtq_input *in, dtq_cache *cache, bool want_importance,
                         dtq_output *out, dtq_error *e);
/** Moves what the device has counted in the last run that succeeded to *out, which dtq_stats_free releases; zeros if it
 *  has been moved. False: there is no device. */
bool dtq_host_stats(dtq_host *h, dtq_stats *out);
/** As dtq_weights_unchanged. */
bool dtq_host_unchanged(const dtq_host *h, dtq_error *e);
void dtq_host_close(dtq_host *h);

#endif
