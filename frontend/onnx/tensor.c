/* Tensors of an ONNX file: in the file as raw bytes or packed numbers, or in a file of their own beside it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/onnx/reader.h"
#include "ir/base/path.h"

unsigned onnx_type_bytes(int64_t type) {
    static const uint8_t widths[] = {[ONNX_FLOAT] = 4,
                                     [2] = 1,
                                     [3] = 1,
                                     [4] = 2,
                                     [5] = 2,
                                     [ONNX_INT32] = 4,
                                     [ONNX_INT64] = 8,
                                     [ONNX_BOOL] = 1,
                                     [ONNX_FLOAT16] = 2,
                                     [ONNX_DOUBLE] = 8,
                                     [12] = 4,
                                     [13] = 8,
                                     [ONNX_BFLOAT16] = 2};
    return type > 0 && type < (int64_t)sizeof widths ? widths[type] : 0;
}

/** Where the elements of a tensor may come from, as found. */
typedef struct {
    wire raw, floats, varints;
    bool has_raw, has_floats, has_varints, external;
    const char *location, *offset, *length;
} sources;

/** A whole number of external_data; the default if there is none. */
static bool read_count(const char *text, uint64_t missing, uint64_t *out) {
    *out = missing;
    if (!text)
        return true;
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return *text && strspn(text, "0123456789") == strlen(text) && errno == 0;
}

/** A name that stays in the model's directory. */
static bool is_beside(const char *location) {
    if (!*location || *location == '/')
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
            return false;
    }
    return true;
}

static bool find_external(onnx_reader *r, const sources *s, onnx_tensor *t) {
    struct stat st;
    if (!s->location || !is_beside(s->location))
        return diag_error(r->d, r->whole,
                          "tensor '%.80s' is kept in the file '%.80s'; that must be a name beside the model, without "
                          "'..'",
                          t->name, s->location ? s->location : "");
    t->file = path_beside(r->a, r->whole.file, s->location);
    if (stat(t->file, &st) != 0 || !S_ISREG(st.st_mode))
        return diag_error(r->d, r->whole, "tensor '%.80s' is kept in '%s', which is no file that can be read", t->name,
                          t->file);
    t->file_bytes = (uint64_t)st.st_size;
    if (!read_count(s->offset, 0, &t->offset) || t->offset > t->file_bytes ||
        !read_count(s->length, t->file_bytes - t->offset, &t->bytes) || t->bytes > t->file_bytes - t->offset)
        return diag_error(r->d, r->whole, "tensor '%.80s' is said to lie outside of '%s', which has %llu bytes",
                          t->name, t->file, (unsigned long long)t->file_bytes);
    return true;
}

/** Numbers of int64_data and int32_data: decoded, for they are few. */
static bool decode_varints(onnx_reader *r, wire w, onnx_tensor *t) {
    if (t->elements > ONNX_MAX_INTS)
        return diag_error(r->d, r->whole, "tensor '%.80s' has %llu numbers in int64_data; at most %d are read", t->name,
                          (unsigned long long)t->elements, ONNX_MAX_INTS);
    int64_t *ints = ARENA_ARRAY(r->a, int64_t, t->elements + 1);
    for (uint64_t i = 0; i < t->elements; i++) {
        uint64_t number;
        if (!wire_varint(&w, &number))
            return diag_error(r->d, r->whole, "tensor '%.80s' has fewer numbers than its shape needs", t->name);
        ints[i] = (int64_t)number;
    }
    t->ints = ints;
    return wire_done(&w) || diag_error(r->d, r->whole, "tensor '%.80s' has more numbers than its shape needs", t->name);
}

static bool locate(onnx_reader *r, const sources *s, onnx_tensor *t) {
    if (s->external && !find_external(r, s, t))
        return false;
    if (!s->external && s->has_varints)
        return decode_varints(r, s->varints, t);
    if (!s->external) {
        wire w = s->has_raw ? s->raw : s->floats;
        t->file = r->whole.file;
        t->file_bytes = r->bytes;
        t->bytes = wire_left(&w);
        t->offset = w.at ? (uint64_t)(w.at - r->data) : 0;
        t->data = w.at;
    }
    unsigned width = onnx_type_bytes(t->type);
    uint64_t need;
    if (width && (__builtin_mul_overflow(t->elements, width, &need) || need != t->bytes))
        return diag_error(r->d, r->whole, "tensor '%.80s' has %llu bytes; its shape and type need %llu times %u",
                          t->name, (unsigned long long)t->bytes, (unsigned long long)t->elements, width);
    return true;
}

/** An entry of external_data: a key and its value. */
static bool read_entry(onnx_reader *r, wire w, sources *s) {
    wire_field f;
    const char *key = "", *value = "";
    while (wire_next(&w, &f))
        if (f.type == WIRE_BYTES && (f.field == 1 || f.field == 2))
            *(f.field == 1 ? &key : &value) = reader_text(r, f.bytes);
    if (strcmp(key, "location") == 0)
        s->location = value;
    else if (strcmp(key, "offset") == 0)
        s->offset = value;
    else if (strcmp(key, "length") == 0)
        s->length = value;
    return reader_ended(r, &w, "external_data");
}

static bool read_dim(onnx_reader *r, onnx_tensor *t, uint64_t dim) {
    if (t->rank == ONNX_MAX_RANK || dim > INT64_MAX || __builtin_mul_overflow(t->elements, dim, &t->elements))
        return diag_error(r->d, r->whole,
                          "tensor '%.80s' has a shape that cannot be: more than %d dimensions, or more "
                          "elements than can be counted",
                          t->name, ONNX_MAX_RANK);
    t->dims[t->rank++] = dim;
    return true;
}

static bool read_field(onnx_reader *r, const wire_field *f, onnx_tensor *t, sources *s) {
    wire packed = f->bytes;
    bool bytes = f->type == WIRE_BYTES;
    switch (f->field) {
    case 1:
        if (f->type == WIRE_VARINT)
            return read_dim(r, t, f->number);
        while (!wire_done(&packed)) {
            uint64_t dim;
            if (!wire_varint(&packed, &dim) || !read_dim(r, t, dim))
                return reader_ended(r, &packed, "the shape of a tensor");
        }
        return true;
    case 2:
        t->type = (int64_t)f->number;
        return true;
    case 4:
        if (!bytes || s->has_floats)
            return diag_error(r->d, r->whole, "tensor '%.80s' has float_data that is not packed; write it as raw_data",
                              t->name);
        s->has_floats = true;
        s->floats = f->bytes;
        return true;
    case 5:
    case 7:
        if (!bytes || s->has_varints)
            return diag_error(r->d, r->whole, "tensor '%.80s' has int64_data that is not packed; write it as raw_data",
                              t->name);
        s->has_varints = true;
        s->varints = f->bytes;
        return true;
    case 8:
        t->name = reader_text(r, f->bytes);
        return true;
    case 9:
        s->has_raw = true;
        s->raw = f->bytes;
        return true;
    case 13:
        return !bytes || read_entry(r, f->bytes, s);
    case 14:
        s->external = f->number == 1;
        return true;
    default:
        return true;
    }
}

bool reader_tensor(onnx_reader *r, wire w, onnx_tensor *t) {
    wire_field f;
    sources s = {0};
    *t = (onnx_tensor){.name = "", .elements = 1};
    while (wire_next(&w, &f))
        if (!read_field(r, &f, t, &s))
            return false;
    return reader_ended(r, &w, "a tensor") && locate(r, &s, t);
}

const char *reader_text(onnx_reader *r, wire bytes) {
    return bytes.at ? arena_strndup(r->a, (const char *)bytes.at, strnlen((const char *)bytes.at, wire_left(&bytes)))
                    : "";
}

bool reader_ended(onnx_reader *r, const wire *w, const char *what) {
    return wire_done(w) || diag_error(r->d, r->whole, "is no ONNX model, or truncated: %s is malformed at byte %llu",
                                      what, (unsigned long long)(w->at - r->data));
}
