/* MPI behind the functions that commands know (frontend/cli/ranks.h). */
#include "frontend/cli/ranks.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int begin(unsigned *index, unsigned *count) {
    int provided, rank = 0, size = 1;
    int error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (error == MPI_SUCCESS)
        error = MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (error == MPI_SUCCESS)
        error = MPI_Comm_size(MPI_COMM_WORLD, &size);
    *index = (unsigned)rank;
    *count = (unsigned)size;
    return error == MPI_SUCCESS && provided < MPI_THREAD_FUNNELED ? MPI_ERR_OTHER : error;
}

/* Counts of MPI are ints: more than 2 GB in all goes in pieces. */
static int share_pieces(const char *mine, size_t bytes, char *all, const size_t *sizes, const size_t *starts,
                        int count) {
    enum { PIECE = 1 << 20 };
    int *counts = calloc((size_t)count, sizeof *counts), *places = calloc((size_t)count, sizeof *places);
    char *part = malloc((size_t)PIECE * (size_t)count);
    size_t most = 0;
    int error = counts && places && part ? MPI_SUCCESS : MPI_ERR_NO_MEM;
    for (int i = 0; i < count; i++)
        most = sizes[i] > most ? sizes[i] : most;
    for (size_t at = 0; at < most && error == MPI_SUCCESS; at += PIECE) {
        int put = 0;
        for (int i = 0; i < count; i++) {
            const size_t left = sizes[i] > at ? sizes[i] - at : 0;
            counts[i] = left < PIECE ? (int)left : PIECE;
            places[i] = put;
            put += counts[i];
        }
        const size_t left = bytes > at ? bytes - at : 0;
        error = MPI_Allgatherv(left ? mine + at : mine, left < PIECE ? (int)left : PIECE, MPI_BYTE, part, counts,
                               places, MPI_BYTE, MPI_COMM_WORLD);
        for (int i = 0; i < count && error == MPI_SUCCESS; i++)
            if (counts[i])
                memcpy(all + starts[i] + at, part + places[i], (size_t)counts[i]);
    }
    free(counts);
    free(places);
    free(part);
    return error;
}

static int share(const void *mine, size_t bytes, void **all, size_t *sizes) {
    int count;
    unsigned long long own = bytes;
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    unsigned long long *every = calloc((size_t)count, sizeof *every);
    size_t *starts = calloc((size_t)count, sizeof *starts), total = 0;
    *all = NULL;
    int error = every && starts
                    ? MPI_Allgather(&own, 1, MPI_UNSIGNED_LONG_LONG, every, 1, MPI_UNSIGNED_LONG_LONG, MPI_COMM_WORLD)
                    : MPI_ERR_NO_MEM;
    for (int i = 0; i < count && error == MPI_SUCCESS; i++) {
        sizes[i] = every[i];
        starts[i] = total;
        total += sizes[i];
    }
    if (error == MPI_SUCCESS)
        *all = malloc(total + 1);
    if (error == MPI_SUCCESS)
        error = *all ? share_pieces(mine, bytes, *all, sizes, starts, count) : MPI_ERR_NO_MEM;
    free(every);
    free(starts);
    return error;
}

/* Waits until all processes end; one that failed gives up after a while. */
static bool all_end(bool failed) {
    enum { PATIENCE_MS = 5000 };
    const struct timespec one = {0, 1000000};
    MPI_Request request;
    int done = 0;
    if (MPI_Ibarrier(MPI_COMM_WORLD, &request) != MPI_SUCCESS)
        return false;
    for (int ms = 0; (!failed || ms < PATIENCE_MS) && !done; ms++) {
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return false;
        if (!done)
            nanosleep(&one, NULL);
    }
    return done != 0;
}

/* An error that all processes met ends them in order, so that the first has told of it; one that a single process met
 * leaves the others waiting for it, and ends them. */
static void end(int code) {
    if (!all_end(code != 0) && code != 0)
        MPI_Abort(MPI_COMM_WORLD, code);
    else
        MPI_Finalize();
}

const ranks_functions *dtq_ranks(void);

const ranks_functions *dtq_ranks(void) {
    static const ranks_functions functions = {begin, share, end};
    return &functions;
}
