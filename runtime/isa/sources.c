/* Source map entries: an instruction's own fields say most of them. */
#include "runtime/isa/sources.h"

#include <string.h>

const dtq_source_key dtq_source_keys[DTQ_SOURCE_KEYS] = {
    {"layer", "layer", offsetof(dtq_source, layer), UINT32_MAX},
    {"head", "head", offsetof(dtq_source, head), UINT32_MAX},
    {"row", "row", offsetof(dtq_source, row), 0},
    {"rows", "rows", offsetof(dtq_source, rows), 0},
    {"col", "col", offsetof(dtq_source, tile_col), 0},
    {"cols", "cols", offsetof(dtq_source, tile_cols), 0},
};

uint32_t dtq_source_get(const dtq_source *s, unsigned key) {
    uint32_t value;
    memcpy(&value, (const char *)s + dtq_source_keys[key].offset, sizeof value);
    return value;
}

void dtq_source_set(dtq_source *s, unsigned key, uint32_t value) {
    memcpy((char *)s + dtq_source_keys[key].offset, &value, sizeof value);
}

void dtq_source_of_instr(const dtq_instr *in, dtq_source *s) {
    memset(s, 0, sizeof *s);
    const dtq_op_info *op = &dtq_ops[in->op];
    for (unsigned key = 0; key < DTQ_SOURCE_KEYS; key++) {
        uint32_t value = dtq_source_keys[key].none;
        for (unsigned i = 0; i < op->field_count; i++)
            if (strcmp(op->fields[i].name, dtq_source_keys[key].field) == 0)
                value = (uint32_t)in->f[i];
        dtq_source_set(s, key, value);
    }
}
