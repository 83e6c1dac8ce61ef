/* Shuffles. What has a name in every representation (a half, two halves joined, one lane in all) is printed as that;
 * anything else becomes a function: one instruction's worth where the processor's vectors are wide enough, otherwise
 * put together from shuffles of 16 bytes.
 */
#include <string.h>

#include "codegen/c/state.h"

enum { MOST = 256 }; /* lanes */

typedef struct {
    const char *text;
    c_shape shape;
} source;

static unsigned lanes_of_16_bytes(c_shape s) {
    return 128 / s.bits;
}

/* The aligned block of `lanes` lanes that begins at lane `from` of a source. */
static const char *block(c_printer *p, source s, unsigned from, unsigned lanes) {
    while (c_held_lanes(s.shape) > lanes) {
        const char *v = c_vector_type(p, s.shape);
        s.shape.lanes = c_held_lanes(s.shape) / 2;
        bool upper = from >= s.shape.lanes;
        s.text = c_text(p, "%s_%s(%s)", v, upper ? "hi" : "lo", s.text);
        from -= upper ? s.shape.lanes : 0;
    }
    return s.text;
}

/* The lane that all of the mask are, -1: there is none, -2: several. */
static int only_lane(const int *mask, unsigned count) {
    int lane = -1;
    for (unsigned i = 0; i < count; i++) {
        if (mask[i] >= 0 && lane >= 0 && mask[i] != lane)
            return -2;
        if (mask[i] >= 0)
            lane = mask[i];
    }
    return lane;
}

/* Where consecutive lanes begin that the mask takes, or -1. */
static int run_start(const int *mask, unsigned count) {
    int start = -1;
    for (unsigned i = 0; i < count; i++) {
        if (mask[i] < 0)
            continue;
        int here = mask[i] - (int)i;
        if (here < 0 || (start >= 0 && here != start))
            return -1;
        start = here;
    }
    return start;
}

static bool usable(const int *mask, unsigned count) {
    return only_lane(mask, count) != -1;
}

static const char *general(c_printer *p, c_shape to, const source *ab, const int *mask);

/* A shuffle that has a name, or NULL. The mask counts held lanes. */
static const char *simple(c_printer *p, c_shape to, const source *ab, const int *mask) {
    unsigned count = c_held_lanes(to), have = c_held_lanes(ab[0].shape);
    const char *v = c_vector_type(p, to);
    int lane = only_lane(mask, count);
    if (lane == -1)
        return c_text(p, "%s_splat(0)", v);
    if (lane >= 0) {
        const source *s = &ab[(unsigned)lane >= have];
        return c_text(p, "%s_splat(%s_extract(%s, %u))", v, c_vector_type(p, s->shape), s->text, (unsigned)lane % have);
    }
    int start = run_start(mask, count);
    if (start < 0)
        return NULL;
    unsigned first = (unsigned)start, in = first % have;
    if (count <= have && in % count == 0)
        return block(p, ab[first / have], in, count);
    if (count == 2 * have && first == 0)
        return c_text(p, "%s_join(%s, %s)", v, ab[0].text, usable(mask + have, have) ? ab[1].text : ab[0].text);
    return NULL;
}

/* At most 16 bytes, from blocks of 16 bytes: each block in turn gives its lanes to what is there already. */
static const char *gathered(c_printer *p, c_shape to, const source *ab, const int *mask) {
    unsigned count = c_held_lanes(to), have = c_held_lanes(ab[0].shape), size = lanes_of_16_bytes(to);
    if (size > have)
        size = have;
    unsigned blocks = 2 * have / size, last[2] = {0, 0}, used = 0;
    const char *sum = NULL;
    c_shape shape = ab[0].shape;
    shape.lanes = size;
    /* two blocks can be had at once; more come one by one, to a sum that has the result's lanes in place */
    for (unsigned b = 0; b < blocks; b++) {
        bool takes = false;
        for (unsigned i = 0; i < count; i++)
            takes |= mask[i] >= 0 && (unsigned)mask[i] / size == b;
        if (takes && used < 2)
            last[used] = b;
        used += takes;
    }
    if (used <= 2) {
        int local[MOST] = {0};
        for (unsigned i = 0; i < count; i++)
            local[i] = mask[i] < 0 ? -1 : (mask[i] % (int)size) + ((unsigned)mask[i] / size == last[0] ? 0 : (int)size);
        source pair[2] = {{NULL, shape}, {NULL, shape}};
        for (int s = 0; s < 2; s++)
            pair[s].text = block(p, ab[last[s] * size / have], last[s] * size % have, size);
        const char *named = simple(p, to, pair, local);
        return named ? named : general(p, to, pair, local);
    }
    c_shape wide = to;
    wide.lanes = size; /* the sum is a whole block, so that it can be shuffled with one */
    for (unsigned b = 0; b < blocks; b++) {
        int local[MOST] = {0};
        bool takes = false;
        for (unsigned i = 0; i < size; i++) {
            bool here = i < count && mask[i] >= 0 && (unsigned)mask[i] / size == b;
            local[i] = here ? (int)size + mask[i] % (int)size : (int)i;
            takes |= here;
        }
        if (!takes)
            continue;
        source pair[2] = {{sum, shape}, {block(p, ab[b * size / have], b * size % have, size), shape}};
        pair[0].text = sum ? sum : pair[1].text;
        sum = general(p, wide, pair, local);
    }
    return block(p, (source){sum, wide}, 0, count);
}

/* Put together from blocks of 16 bytes. */
static const char *decomposed(c_printer *p, c_shape to, const source *ab, const int *mask) {
    const char *named = simple(p, to, ab, mask);
    if (named)
        return named;
    unsigned count = c_held_lanes(to);
    if (count <= lanes_of_16_bytes(to))
        return gathered(p, to, ab, mask);
    c_shape half = to;
    half.lanes = count / 2;
    const char *lo = decomposed(p, half, ab, mask), *hi = decomposed(p, half, ab, mask + count / 2);
    return c_text(p, "%s_join(%s, %s)", c_vector_type(p, to), lo, hi);
}

static const char *mask_text(c_printer *p, const int *mask, unsigned count) {
    char *text = arena_alloc(p->mem, (size_t)count * 6 + 1), *to = text;
    for (unsigned i = 0; i < count; i++)
        to += sprintf(to, "%s%d", i ? ", " : "", mask[i]);
    return text;
}

/* The call of a function that is made for this mask. */
static const char *general(c_printer *p, c_shape to, const source *ab, const int *mask) {
    c_shape from = ab[0].shape;
    unsigned count = c_held_lanes(to), have = c_held_lanes(from);
    const char *r = c_vector_type(p, to), *v = c_vector_type(p, from), *list = mask_text(p, mask, count);
    void **known = c_map_at_string(p->emitted, c_text(p, "%s(%s: %s)", r, v, list));
    if (*known)
        return c_text(p, "%s(%s, %s)", (const char *)*known, ab[0].text, ab[1].text);
    p->pieces[C_PIECE_SHUFFLE] = true;
    const char *name = c_text(p, "%s_shuffle_%u", r, ++p->counter);
    *known = (void *)(uintptr_t)name;
    unsigned wider = count > have ? count : have, bytes = wider * to.bits / 8;
    const source ab_here[2] = {{"a", from}, {"b", from}};
    const char *parts = bytes > 16 ? decomposed(p, to, ab_here, mask) : NULL;
    fprintf(p->lanes, "DTQ_INLINE %s %s(%s a, %s b) {\n    (void)b;\n", r, name, v, v);
    if (parts)
        fprintf(p->lanes, "#if DTQ_NATIVE > 0 && DTQ_NATIVE < %u\n    (void)a;\n    return %s;\n#else\n", bytes, parts);
    fprintf(p->lanes, "    DTQ_SHUFFLE(%s, %u, %u, a, b, %s)\n%s}\n", r, count, have, list, parts ? "#endif\n" : "");
    return c_text(p, "%s(%s, %s)", name, ab[0].text, ab[1].text);
}

const char *c_shuffle(c_printer *p, c_shape to, c_shape from, const char *a, const char *b, const int *mask) {
    unsigned count = c_held_lanes(to), have = c_held_lanes(from);
    if (count > MOST || have > MOST) {
        c_cannot(p, "a shuffle of more than %d lanes", (int)MOST);
        return a;
    }
    int held[MOST] = {0};
    for (unsigned i = 0; i < count; i++) {
        int lane = i < to.lanes ? mask[i] : -1;
        held[i] = lane >= (int)from.lanes ? lane - (int)from.lanes + (int)have : lane;
    }
    const source ab[2] = {{a, from}, {b, from}};
    const char *named = simple(p, to, ab, held);
    return named ? named : general(p, to, ab, held);
}
