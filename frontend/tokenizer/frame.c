/* Frames around texts, truncation and padding. */
#include "frontend/tokenizer/frame.h"

#include "frontend/tokenizer/tokenizers.h"

frames frames_bare(void) {
    return (frames){{1, {{FRAME_FIRST, 0, 0}}}, {2, {{FRAME_FIRST, 0, 0}, {FRAME_SECOND, 0, 1}}}, TOKEN_NONE};
}

/* Cuts the longer of two texts first until `room` ids remain; then both alike, an odd one left to the one that was
 * longer (to b if neither was). */
static void cut_longest_first(size_t *a, size_t *b, size_t room) {
    if (*a + *b <= room)
        return;
    bool a_longer = *a > *b;
    size_t shorter = a_longer ? *b : *a, longer;
    if (2 * shorter < room) {
        longer = room - shorter;
    } else {
        shorter = room / 2;
        longer = room - shorter;
    }
    *a = a_longer ? longer : shorter;
    *b = a_longer ? shorter : longer;
}

static void append(token_list *out, const uint32_t *ids, size_t count, uint32_t segment) {
    for (size_t i = 0; i < count; i++) {
        out->ids[out->count] = ids[i];
        out->segments[out->count++] = segment;
    }
}

static size_t ids_around(const frame *f) {
    size_t ids = 0;
    for (size_t i = 0; i < f->count; i++)
        ids += f->pieces[i].kind == FRAME_ID;
    return ids;
}

bool frame_join(const frames *f, arena *a, diag *d, const id_list *first, const id_list *second, size_t limit,
                size_t pad_to, token_list *out) {
    const frame *shape = second ? &f->pair : &f->single;
    if (!shape->count)
        return diag_error(d, (src_loc){0}, "this model's tokenizer has no pairs of texts; give one text");
    size_t around = ids_around(shape);
    if (limit && limit < around)
        return diag_error(d, (src_loc){0}, "%zu tokens are too few for %s; the least is %zu", limit,
                          second ? "a pair of sentences" : "a sentence", around);
    size_t all_second = second ? second->count : 0, kept_first = first->count, kept_second = all_second;
    if (limit)
        cut_longest_first(&kept_first, &kept_second, limit - around);
    size_t count = around + kept_first + kept_second;
    if (pad_to > count && f->pad == TOKEN_NONE)
        return diag_error(d, (src_loc){0}, "the vocabulary has no token to pad with ([PAD])");
    size_t room = pad_to > count ? pad_to : count;
    *out = (token_list){.ids = ARENA_ARRAY(a, uint32_t, room), .segments = ARENA_ARRAY(a, uint32_t, room)};
    out->truncated = kept_first < first->count || kept_second < all_second;
    for (size_t i = 0; i < shape->count; i++) {
        const frame_piece *p = &shape->pieces[i];
        if (p->kind == FRAME_ID)
            append(out, &p->id, 1, p->segment);
        else if (p->kind == FRAME_FIRST)
            append(out, first->ids, kept_first, p->segment);
        else if (second)
            append(out, second->ids, kept_second, p->segment);
    }
    while (out->count < pad_to)
        append(out, &f->pad, 1, 0);
    return true;
}
