/* Table-driven reading of mappings. */
#include "frontend/files/fields.h"

#include <string.h>

#include "frontend/files/document.h"

static bool read_one(diag *d, const doc_node *n, const char *what, const field *f, char *out) {
    int64_t number = 0;
    int word = 0;
    switch (f->kind) {
    case FIELD_U32:
        if (!doc_int(d, n, what, (int64_t)f->lo, (int64_t)f->hi, &number))
            return false;
        *(uint32_t *)(void *)out = (uint32_t)number;
        return true;
    case FIELD_U64:
        if (!doc_int(d, n, what, (int64_t)f->lo, f->hi >= 9.2e18 ? INT64_MAX : (int64_t)f->hi, &number))
            return false;
        *(uint64_t *)(void *)out = (uint64_t)number;
        return true;
    case FIELD_REAL:
        return doc_real(d, n, what, f->lo, f->hi, (double *)(void *)out);
    case FIELD_BOOL:
        return doc_bool(d, n, what, (bool *)(void *)out);
    case FIELD_WORD:
        if (!doc_word(d, n, what, f->words, &word))
            return false;
        *(uint32_t *)(void *)out = (uint32_t)word;
        return true;
    case FIELD_STRING:
        return doc_string(d, n, what, (const char **)(void *)out);
    case FIELD_NODE:
        return true;
    }
    return true;
}

bool fields_read(diag *d, const doc_node *mapping, const char *what, const field *fields, size_t count, unsigned flags,
                 void *out) {
    enum { MAX_FIELDS = 64 };
    const char *keys[MAX_FIELDS];
    const char *name = *what ? what : "the file";
    if (count > MAX_FIELDS)
        return diag_internal(d, mapping->loc, "%s has more than %d keys", name, MAX_FIELDS);
    for (size_t i = 0; i < count; i++)
        keys[i] = fields[i].key;
    if (!doc_kind_is(d, mapping, name, DOC_MAPPING))
        return false;
    bool ok = !(flags & FIELDS_STRICT) || doc_keys(d, mapping, name, keys, count);
    for (size_t i = 0; i < count; i++) {
        const field *f = &fields[i];
        const doc_node *n = doc_find(mapping, f->key);
        if (n && (flags & FIELDS_NULLS) && doc_is_null(n))
            n = NULL;
        char full[128];
        snprintf(full, sizeof full, "%s%s%s", what, *what ? "." : "", f->key);
        if (n)
            ok = read_one(d, n, full, f, (char *)out + f->offset) && ok;
        else if (f->required)
            ok = diag_error(d, mapping->loc, "%s lacks the key '%s'", name, f->key);
    }
    return ok;
}
