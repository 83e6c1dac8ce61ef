/* Safetensors files: an 8-byte little-endian header length, a JSON header, then the tensors' bytes. Mapped, not read.
 *
 * Everything the header claims is checked before anything is handed out: the length of the header, element types, shape
 * products, that each tensor has exactly the bytes its shape needs, and that the tensors lie side by side, without gap
 * or overlap, up to the end of the file. Tensors need not be aligned; who maps them copes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/files/document.h"
#include "frontend/files/fields.h"
#include "frontend/files/safetensors.h"
#include "ir/base/file.h"

enum { PREFIX = 8, MAX_HEADER = 100000000, MAX_RANK = 8 };

static const struct {
    const char *name;
    unsigned bytes;
} dtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8},  {"U64", 8},     {"I32", 4},    {"U32", 4},
              {"I16", 2}, {"U16", 2}, {"I8", 1},   {"U8", 1},  {"BOOL", 1}, {"F8_E5M2", 1}, {"F8_E4M3", 1}};

static unsigned dtype_bytes(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].bytes;
    return 0;
}

static uint64_t read_le64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/** Non-negative whole numbers up to 2^63 - 1, as shapes and offsets are. */
static bool read_numbers(diag *d, src_loc whole, const char *tensor, const doc_node *list, const char *what,
                         size_t least, size_t most, uint64_t *out, size_t *count) {
    if (!list || list->kind != DOC_SEQUENCE || list->count < least || list->count > most)
        return diag_error(d, whole,
                          least == most ? "tensor '%.80s' must have %s, a list of %zu numbers"
                                        : "tensor '%.80s' must have %s, a list of at most %zu numbers",
                          tensor, what, most);
    for (size_t i = 0; i < list->count; i++) {
        const doc_node *n = list->items[i];
        const char *s = n->kind == DOC_SCALAR && !n->quoted ? n->text : "";
        errno = 0;
        unsigned long long value = strtoull(s, NULL, 10);
        if (!*s || strspn(s, "0123456789") != strlen(s) || errno == ERANGE || value > INT64_MAX)
            return diag_error(d, whole, "tensor '%.80s' has '%.40s' in its %s; it must be a whole number", tensor, s,
                              what);
        out[i] = value;
    }
    *count = list->count;
    return true;
}

/** Checks one entry of the header. `data` is where the tensors' bytes begin, `size` how many there are. */
static bool read_tensor(diag *d, src_loc whole, const char *name, const doc_node *entry, uint64_t data, uint64_t size,
                        st_tensor *t) {
    if (entry->kind != DOC_MAPPING)
        return diag_error(d, whole, "tensor '%.80s' must be described by dtype, shape and data_offsets", name);
    const doc_node *dtype = doc_find(entry, "dtype");
    unsigned width = dtype && dtype->kind == DOC_SCALAR ? dtype_bytes(dtype->text) : 0;
    if (!width)
        return diag_error(d, whole,
                          "tensor '%.80s' has the unknown dtype '%.40s'; known are F64 to F8, I64 to I8, U64 to U8, "
                          "BF16 and BOOL",
                          name, dtype && dtype->kind == DOC_SCALAR ? dtype->text : "");
    uint64_t offsets[2] = {0, 0}, bytes = width;
    size_t rank = 0, two = 0;
    t->name = name;
    t->dtype = dtype->text;
    if (!read_numbers(d, whole, name, doc_find(entry, "shape"), "shape", 0, MAX_RANK, t->shape, &rank) ||
        !read_numbers(d, whole, name, doc_find(entry, "data_offsets"), "data_offsets", 2, 2, offsets, &two))
        return false;
    t->rank = (uint32_t)rank;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(bytes, t->shape[i], &bytes))
            return diag_error(d, whole, "tensor '%.80s' has a shape with more elements than can be counted", name);
    if (offsets[0] > offsets[1])
        return diag_error(d, whole, "tensor '%.80s' ends at byte %llu, before it begins at %llu", name,
                          (unsigned long long)offsets[1], (unsigned long long)offsets[0]);
    if (offsets[1] > size)
        return diag_error(d, whole,
                          "tensor '%.80s' ends at byte %llu, but only %llu bytes follow the header; is the file "
                          "truncated?",
                          name, (unsigned long long)offsets[1], (unsigned long long)size);
    if (offsets[1] - offsets[0] != bytes)
        return diag_error(d, whole, "tensor '%.80s' has %llu bytes; its shape and dtype need %llu", name,
                          (unsigned long long)(offsets[1] - offsets[0]), (unsigned long long)bytes);
    t->offset = data + offsets[0];
    t->bytes = bytes;
    return true;
}

static int by_offset(const void *x, const void *y) {
    const st_tensor *a = x, *b = y;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int by_name(const void *x, const void *y) {
    return strcmp(((const st_tensor *)x)->name, ((const st_tensor *)y)->name);
}

/** The tensors must fill the bytes behind the header exactly. */
static bool check_layout(diag *d, src_loc whole, safetensors *s, uint64_t data) {
    qsort(s->tensors, s->count, sizeof *s->tensors, by_offset);
    uint64_t at = data;
    for (size_t i = 0; i < s->count; i++) {
        const st_tensor *t = &s->tensors[i];
        if (t->offset < at)
            return diag_error(d, whole, "tensors '%.80s' and '%.80s' overlap", s->tensors[i - 1].name, t->name);
        if (t->offset > at)
            return diag_error(d, whole, "%llu bytes before tensor '%.80s' belong to no tensor",
                              (unsigned long long)(t->offset - at), t->name);
        at += t->bytes;
    }
    if (at != s->bytes)
        return diag_error(d, whole, "%llu bytes at the end belong to no tensor", (unsigned long long)(s->bytes - at));
    return true;
}

static bool read_header(arena *a, diag *d, src_loc whole, safetensors *s) {
    if (s->bytes < PREFIX)
        return diag_error(d, whole,
                          "is %llu bytes long; a safetensors file begins with 8 bytes that say how long its "
                          "header is",
                          (unsigned long long)s->bytes);
    uint64_t length = read_le64(s->data);
    if (length > s->bytes - PREFIX)
        return diag_error(d, whole,
                          "claims a header of %llu bytes, but only %llu follow; it is truncated or no "
                          "safetensors file",
                          (unsigned long long)length, (unsigned long long)(s->bytes - PREFIX));
    if (length > MAX_HEADER)
        return diag_error(d, whole, "has a header of %llu bytes; at most %d are read", (unsigned long long)length,
                          MAX_HEADER);
    const char *text = (const char *)s->data + PREFIX;
    if (length == 0 || text[0] != '{')
        return diag_error(d, whole, "has a header that is no JSON object; it is no safetensors file");
    const doc_node *root = doc_parse(a, d, s->path, text, (size_t)length, true);
    if (!root || !doc_kind_is(d, root, "the header", DOC_MAPPING))
        return false;
    uint64_t data = PREFIX + length;
    s->tensors = ARENA_ARRAY(a, st_tensor, root->count + 1);
    for (size_t i = 0; i < root->count; i++) {
        if (strcmp(root->keys[i], "__metadata__") == 0)
            continue;
        if (!read_tensor(d, whole, root->keys[i], root->items[i], data, s->bytes - data, &s->tensors[s->count]))
            return false;
        s->count++;
    }
    if (!check_layout(d, whole, s, data))
        return false;
    qsort(s->tensors, s->count, sizeof *s->tensors, by_name);
    return true;
}

safetensors *safetensors_parse(arena *a, diag *d, const char *name, const uint8_t *data, uint64_t bytes) {
    safetensors *s = ARENA_NEW(a, safetensors);
    s->path = arena_strdup(a, name);
    s->data = data;
    s->bytes = bytes;
    return read_header(a, d, (src_loc){s->path, 0, 0}, s) ? s : NULL;
}

safetensors *safetensors_open(arena *a, diag *d, const char *path) {
    const uint8_t *data;
    uint64_t bytes, stamp;
    if (!file_map(d, path, &data, &bytes, &stamp))
        return NULL;
    safetensors *s = safetensors_parse(a, d, path, data, bytes);
    if (s) {
        s->mapped = true;
        s->stamp = stamp;
    } else {
        file_unmap(data, bytes);
    }
    return s;
}

void safetensors_close(safetensors *s) {
    if (s && s->mapped)
        file_unmap(s->data, s->bytes);
    if (s) {
        s->mapped = false;
        s->data = NULL;
    }
}

const st_tensor *safetensors_find(const safetensors *s, const char *name) {
    st_tensor key = {.name = name};
    return s->count ? bsearch(&key, s->tensors, s->count, sizeof key, by_name) : NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void write_quoted(FILE *out, const char *s) {
    fputc('"', out);
    for (; *s; s++)
        if ((uint8_t)*s < 0x20)
            fprintf(out, "\\u%04x", (unsigned)(uint8_t)*s);
        else
            fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    fputc('"', out);
}

static int by_text(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool check_output(diag *d, src_loc whole, const st_output *tensors, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const st_output *t = &tensors[i];
        uint64_t bytes = dtype_bytes(t->dtype);
        for (uint32_t r = 0; r < t->rank && r < MAX_RANK; r++)
            bytes *= t->shape[r];
        if (!dtype_bytes(t->dtype) || t->rank > MAX_RANK || bytes != t->bytes)
            return diag_internal(d, whole, "tensor '%s' to be written has %llu bytes of %s, its shape needs %llu",
                                 t->name, (unsigned long long)t->bytes, t->dtype, (unsigned long long)bytes);
    }
    const char **names = malloc((count + 1) * sizeof *names);
    if (!names)
        return diag_error(d, whole, "out of memory: %zu bytes are needed", (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = tensors[i].name;
    qsort(names, count, sizeof *names, by_text);
    bool ok = true;
    for (size_t i = 1; i < count && ok; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            ok = diag_internal(d, whole, "two tensors to be written are called '%s'", names[i]);
    free(names);
    return ok;
}

/** Wide elements first, so that every tensor is aligned behind a header of a multiple of 8 bytes. */
static size_t write_order(const st_output *tensors, size_t count, size_t *order) {
    size_t n = 0;
    for (unsigned width = 8; width; width /= 2)
        for (size_t i = 0; i < count; i++)
            if (dtype_bytes(tensors[i].dtype) == width)
                order[n++] = i;
    return n;
}

/** The header's JSON; malloc'd. */
static char *write_header(const st_output *tensors, const size_t *order, size_t count, size_t *bytes) {
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    if (!out)
        return NULL;
    uint64_t at = 0;
    fputc('{', out);
    for (size_t i = 0; i < count; i++) {
        const st_output *t = &tensors[order[i]];
        fputs(i ? "," : "", out);
        write_quoted(out, t->name);
        fprintf(out, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
        for (uint32_t r = 0; r < t->rank; r++)
            fprintf(out, "%s%llu", r ? "," : "", (unsigned long long)t->shape[r]);
        fprintf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)(at + t->bytes));
        at += t->bytes;
    }
    fputc('}', out);
    while (ftell(out) % 8)
        fputc(' ', out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

bool safetensors_write(diag *d, const char *path, const st_output *tensors, size_t count) {
    src_loc whole = {path, 0, 0};
    file_writer w;
    size_t bytes = 0;
    if (!check_output(d, whole, tensors, count))
        return false;
    size_t *order = malloc((count + 1) * sizeof *order);
    const size_t order_bytes = (count + 1) * sizeof *order;
    count = order ? write_order(tensors, count, order) : 0;
    char *header = order ? write_header(tensors, order, count, &bytes) : NULL;
    bool ok = header ? file_begin(&w, d, path)
                     : diag_error(d, whole, "out of memory: %zu bytes are needed", bytes + order_bytes);
    if (ok) {
        uint8_t prefix[PREFIX];
        for (int i = 0; i < PREFIX; i++)
            prefix[i] = (uint8_t)((uint64_t)bytes >> (8 * i));
        fwrite(prefix, 1, PREFIX, w.out);
        fwrite(header, 1, bytes, w.out);
        for (size_t i = 0; i < count; i++)
            if (tensors[order[i]].bytes)
                fwrite(tensors[order[i]].data, 1, (size_t)tensors[order[i]].bytes, w.out);
        ok = file_commit(&w, d);
    }
    free(header);
    free(order);
    return ok;
}
