/* GGUF files: header, metadata and the table of tensors. Numbers are read as they stand: little-endian, unaligned. */
#include "frontend/files/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/tokenizer/tokenizers.h"
#include "ir/base/file.h"
#include "runtime/weights/tensor.h"

enum {
    VALUE_LEAST = 8 + 4 + 1,          /* bytes of a value: key, type, a byte */
    TENSOR_LEAST = 8 + 4 + 8 + 4 + 8, /* of a row of the table: name, rank, a dimension, type, offset */
    KEY_MOST = 65535,
    RANK_MOST = 4
};

static const unsigned type_bytes[GGUF_TYPES] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8};

/** What is being read. */
typedef struct {
    arena *a;
    diag *d;
    gguf *g;
    uint64_t at;
} cursor;

static bool fail(const cursor *c, const char *what) {
    return diag_error(c->d, (src_loc){c->g->path, 0, 0}, "is no valid GGUF file: %s (at byte %llu)", what,
                      (unsigned long long)c->at);
}

static uint64_t left(const cursor *c) {
    return c->g->bytes - c->at;
}

/** Passes over `bytes` and gives their place, or NULL. */
static const uint8_t *take(cursor *c, uint64_t bytes) {
    if (bytes > left(c)) {
        fail(c, "it is cut short");
        return NULL;
    }
    const uint8_t *p = c->g->data + c->at;
    c->at += bytes;
    return p;
}

static bool take_u32(cursor *c, uint32_t *out) {
    const uint8_t *p = take(c, sizeof *out);
    if (p)
        memcpy(out, p, sizeof *out);
    return p;
}

static bool take_u64(cursor *c, uint64_t *out) {
    const uint8_t *p = take(c, sizeof *out);
    if (p)
        memcpy(out, p, sizeof *out);
    return p;
}

/** A name of at most KEY_MOST bytes, without NULs. */
static bool take_name(cursor *c, const char **out) {
    uint64_t n;
    if (!take_u64(c, &n))
        return false;
    const uint8_t *p = n <= KEY_MOST ? take(c, n) : NULL;
    if (n > KEY_MOST || (p && memchr(p, 0, n)))
        return fail(c, "a name is too long, or has a NUL in it");
    *out = p ? arena_strndup(c->a, (const char *)p, n) : NULL;
    return p;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static bool take_string(cursor *c) {
    uint64_t n;
    return take_u64(c, &n) && take(c, n);
}

static bool take_data(cursor *c, gguf_value *v) {
    v->data = c->g->data + c->at;
    if (v->type != GGUF_STRING) {
        if (v->count > left(c) / type_bytes[v->type])
            return fail(c, "an array is longer than the file");
        return take(c, v->count * type_bytes[v->type]);
    }
    if (v->count > left(c) / 8)
        return fail(c, "an array is longer than the file");
    for (uint64_t i = 0; i < v->count; i++)
        if (!take_string(c))
            return false;
    return true;
}

static bool take_value(cursor *c, gguf_value *v) {
    uint32_t type;
    v->count = 1;
    if (!take_name(c, &v->key) || !take_u32(c, &type))
        return false;
    v->is_array = type == GGUF_ARRAY;
    if (v->is_array && (!take_u32(c, &type) || !take_u64(c, &v->count)))
        return false;
    if (type >= GGUF_TYPES || type == GGUF_ARRAY)
        return fail(c, "a value has an unknown type");
    v->type = (gguf_type)type;
    return take_data(c, v);
}

static int by_key(const void *a, const void *b) {
    const gguf_value *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bool read_values(cursor *c, uint64_t count) {
    gguf *g = c->g;
    if (count > left(c) / VALUE_LEAST)
        return fail(c, "it announces more metadata than it has bytes");
    g->values = ARENA_ARRAY(c->a, gguf_value, count + 1);
    for (; g->value_count < count; g->value_count++)
        if (!take_value(c, &g->values[g->value_count]))
            return false;
    if (count)
        qsort(g->values, count, sizeof *g->values, by_key);
    for (uint64_t i = 1; i < count; i++)
        if (strcmp(g->values[i].key, g->values[i - 1].key) == 0)
            return diag_error(c->d, (src_loc){g->path, 0, 0}, "the key '%.200s' is there twice", g->values[i].key);
    return true;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/** ggml's numbers of types. Those without a row in runtime/dtypes.def are named so that messages can say them. */
static const char *type_name(arena *a, uint32_t type) {
    static const char *const names[] = {[0] = "F32",   [1] = "F16",   [2] = "Q4_0",  [3] = "Q4_1",  [6] = "Q5_0",
                                        [7] = "Q5_1",  [8] = "Q8_0",  [9] = "Q8_1",  [10] = "Q2_K", [11] = "Q3_K",
                                        [12] = "Q4_K", [13] = "Q5_K", [14] = "Q6_K", [15] = "Q8_K", [30] = "BF16"};
    const char *name = type < sizeof names / sizeof *names ? names[type] : NULL;
    return name ? name : arena_printf(a, "number %u of ggml", type);
}

/** One row of the table; offsets are still from the start of the data. */
static bool take_tensor(cursor *c, stored_tensor *t) {
    uint32_t type;
    uint64_t dims[RANK_MOST] = {0};
    *t = (stored_tensor){.file = c->g->path, .file_bytes = c->g->bytes};
    if (!take_name(c, &t->name) || !take_u32(c, &t->rank))
        return false;
    if (t->rank == 0 || t->rank > RANK_MOST)
        return fail(c, "a tensor has no dimensions, or more than four");
    for (uint32_t i = 0; i < t->rank; i++)
        if (!take_u64(c, &dims[i]))
            return false;
    for (uint32_t i = 0; i < t->rank; i++) /* they stand innermost first */
        t->shape[i] = dims[t->rank - 1 - i];
    if (!take_u32(c, &type) || !take_u64(c, &t->offset))
        return false;
    t->dtype = type_name(c->a, type);
    return true;
}

/** Bytes of the tensor's data; false if they are too many to count or not whole blocks. Of types that cannot be read
 *  none are counted. */
static bool data_bytes(const stored_tensor *t, uint64_t *bytes) {
    uint64_t elements = 1;
    *bytes = 0;
    for (uint32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(elements, t->shape[i], &elements))
            return false;
    for (unsigned type = 0; type < DTQ_DTYPES; type++) {
        const dtq_dtype_info *info = &dtq_dtypes[type];
        if (info->bytes && strcmp(info->word, t->dtype) == 0)
            return t->shape[t->rank - 1] % info->elements == 0 &&
                   !__builtin_mul_overflow(elements / info->elements, info->bytes, bytes);
    }
    return true;
}

static bool place_tensors(cursor *c) {
    gguf *g = c->g;
    uint32_t alignment = 32;
    if (!gguf_uint(g, c->d, "general.alignment", false, 1, 1 << 20, &alignment))
        return false;
    if (alignment % 8 != 0)
        return fail(c, "general.alignment is no multiple of 8");
    uint64_t start = (c->at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < g->tensors.count; i++) {
        stored_tensor *t = &g->tensors.tensors[i];
        uint64_t bytes, end;
        if (!data_bytes(t, &bytes) || __builtin_add_overflow(t->offset, start, &t->offset) ||
            __builtin_add_overflow(t->offset, bytes, &end) || end > g->bytes)
            return diag_error(c->d, (src_loc){g->path, 0, 0},
                              "tensor '%.200s' does not lie within the file; it may be cut short", t->name);
    }
    return tensor_store_sort(c->d, &g->tensors);
}

static bool read_tensors(cursor *c, uint64_t count) {
    gguf *g = c->g;
    if (count > left(c) / TENSOR_LEAST)
        return fail(c, "it announces more tensors than it has bytes");
    g->tensors.path = g->path;
    g->tensors.tensors = ARENA_ARRAY(c->a, stored_tensor, count + 1);
    for (; g->tensors.count < count; g->tensors.count++)
        if (!take_tensor(c, &g->tensors.tensors[g->tensors.count]))
            return false;
    return place_tensors(c);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

gguf *gguf_parse(arena *a, diag *d, const char *name, const uint8_t *data, uint64_t bytes) {
    gguf *g = ARENA_NEW(a, gguf);
    *g = (gguf){.path = arena_strdup(a, name), .data = data, .bytes = bytes};
    cursor c = {a, d, g, 0};
    src_loc whole = {g->path, 0, 0};
    uint32_t version;
    uint64_t tensors, values;
    if (bytes < 4 || memcmp(data, "GGUF", 4) != 0) {
        diag_error(d, whole, "is no GGUF file: it does not begin with GGUF");
        return NULL;
    }
    c.at = 4;
    if (!take_u32(&c, &version))
        return NULL;
    if (version != 2 && version != 3) {
        diag_error(d, whole, "is of version %u of GGUF, or big-endian; versions 2 and 3 can be read", version);
        return NULL;
    }
    bool ok = take_u64(&c, &tensors) && take_u64(&c, &values) && read_values(&c, values) && read_tensors(&c, tensors);
    return ok ? g : NULL;
}

gguf *gguf_open(arena *a, diag *d, const char *path) {
    const uint8_t *data;
    uint64_t bytes, stamp;
    if (!file_map(d, path, &data, &bytes, &stamp))
        return NULL;
    gguf *g = gguf_parse(a, d, path, data, bytes);
    if (g) {
        g->mapped = true;
        for (size_t i = 0; i < g->tensors.count; i++)
            g->tensors.tensors[i].file_stamp = stamp;
    } else {
        file_unmap(data, bytes);
    }
    return g;
}

void gguf_close(gguf *g) {
    if (g && g->mapped)
        file_unmap(g->data, g->bytes);
    if (g) {
        g->mapped = false;
        g->data = NULL;
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

const gguf_value *gguf_find(const gguf *g, const char *key) {
    const gguf_value wanted = {.key = key};
    return g->value_count ? bsearch(&wanted, g->values, g->value_count, sizeof wanted, by_key) : NULL;
}

static bool wrong(const gguf *g, diag *d, const char *key, const char *what) {
    return diag_error(d, (src_loc){g->path, 0, 0}, "%s must be %s", key, what);
}

/** A key that may be missing: true, with *out NULL, unless it is required. */
static bool find(const gguf *g, diag *d, const char *key, bool required, const gguf_value **out) {
    *out = gguf_find(g, key);
    return *out || !required || diag_error(d, (src_loc){g->path, 0, 0}, "has no %s in its metadata", key);
}

/** The number, if the value is a single whole one and not negative. */
static bool whole_number(const gguf_value *v, uint64_t *out) {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    *out = 0;
    if (v->is_array)
        return false;
    switch (v->type) {
    case GGUF_U8:
    case GGUF_I8:
        memcpy(&u8, v->data, sizeof u8);
        *out = u8;
        return v->type == GGUF_U8 || u8 <= INT8_MAX;
    case GGUF_U16:
    case GGUF_I16:
        memcpy(&u16, v->data, sizeof u16);
        *out = u16;
        return v->type == GGUF_U16 || u16 <= INT16_MAX;
    case GGUF_U32:
    case GGUF_I32:
        memcpy(&u32, v->data, sizeof u32);
        *out = u32;
        return v->type == GGUF_U32 || u32 <= INT32_MAX;
    case GGUF_U64:
    case GGUF_I64:
        memcpy(out, v->data, sizeof *out);
        return v->type == GGUF_U64 || *out <= INT64_MAX;
    default:
        return false;
    }
}

bool gguf_uint(const gguf *g, diag *d, const char *key, bool required, uint64_t least, uint64_t most, uint32_t *out) {
    const gguf_value *v;
    uint64_t n;
    if (!find(g, d, key, required, &v) || !v)
        return v || !required;
    if (!whole_number(v, &n) || n < least || n > most)
        return diag_error(d, (src_loc){g->path, 0, 0}, "%s must be one whole number from %llu to %llu", key,
                          (unsigned long long)least, (unsigned long long)most);
    *out = (uint32_t)n;
    return true;
}

bool gguf_real(const gguf *g, diag *d, const char *key, bool required, double least, double most, double *out) {
    const gguf_value *v;
    float f = 0;
    double x = 0;
    if (!find(g, d, key, required, &v) || !v)
        return v || !required;
    if (!v->is_array && v->type == GGUF_F32) {
        memcpy(&f, v->data, sizeof f);
        x = (double)f;
    } else if (!v->is_array && v->type == GGUF_F64) {
        memcpy(&x, v->data, sizeof x);
    } else {
        return wrong(g, d, key, "one number");
    }
    if (!(x >= least && x <= most))
        return diag_error(d, (src_loc){g->path, 0, 0}, "%s is %g; it must be from %g to %g", key, x, least, most);
    *out = x;
    return true;
}

bool gguf_bool(const gguf *g, diag *d, const char *key, bool *out) {
    const gguf_value *v = gguf_find(g, key);
    if (!v)
        return true;
    if (v->is_array || v->type != GGUF_BOOL || *v->data > 1)
        return wrong(g, d, key, "true or false");
    *out = *v->data == 1;
    return true;
}

static token_string string_at(const uint8_t *p) {
    uint64_t n;
    memcpy(&n, p, sizeof n);
    return (token_string){(const char *)p + sizeof n, (size_t)n};
}

bool gguf_text(const gguf *g, arena *a, diag *d, const char *key, bool required, const char **out) {
    const gguf_value *v;
    if (!find(g, d, key, required, &v) || !v)
        return v || !required;
    if (v->is_array || v->type != GGUF_STRING)
        return wrong(g, d, key, "a text");
    token_string s = string_at(v->data);
    if (s.bytes > KEY_MOST || memchr(s.text, 0, s.bytes))
        return wrong(g, d, key, "a short text without NULs");
    *out = arena_strndup(a, s.text, s.bytes);
    return true;
}

bool gguf_strings(const gguf *g, arena *a, diag *d, const char *key, const token_string **out, size_t *count) {
    const gguf_value *v = gguf_find(g, key);
    *out = NULL;
    *count = 0;
    if (!v)
        return true;
    if (!v->is_array || v->type != GGUF_STRING)
        return wrong(g, d, key, "an array of texts");
    token_string *strings = ARENA_ARRAY(a, token_string, v->count + 1);
    const uint8_t *p = v->data;
    for (uint64_t i = 0; i < v->count; i++) {
        strings[i] = string_at(p);
        p += 8 + strings[i].bytes;
    }
    *out = strings;
    *count = (size_t)v->count;
    return true;
}

bool gguf_numbers(const gguf *g, arena *a, diag *d, const char *key, gguf_type type, size_t count, const void **out) {
    const gguf_value *v = gguf_find(g, key);
    *out = NULL;
    if (!v)
        return true;
    if (!v->is_array || v->type != type || v->count != count)
        return diag_error(d, (src_loc){g->path, 0, 0}, "%s must be an array of %zu numbers of type %d", key, count,
                          (int)type);
    void *copy = arena_alloc(a, 4 * count + 1);
    if (count)
        memcpy(copy, v->data, 4 * count);
    *out = copy;
    return true;
}
