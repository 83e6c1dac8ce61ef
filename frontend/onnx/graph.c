/* The graph of an ONNX file. The reader goes down by kinds of messages, of which none holds its own kind but graphs,
 * and those in attributes (bodies of If and Loop) are not entered: depth is fixed whatever the file says. */
#include "frontend/onnx/graph.h"

#include <string.h>

#include "frontend/onnx/reader.h"

/** How many fields of each number below 16 a message has. False if it is malformed. */
static bool count_fields(onnx_reader *r, wire w, const char *what, size_t counts[16]) {
    wire_field f;
    memset(counts, 0, 16 * sizeof *counts);
    while (wire_next(&w, &f))
        if (f.field < 16 && f.type == WIRE_BYTES)
            counts[f.field]++;
    return reader_ended(r, &w, what);
}

/* ---- attributes and nodes ---------------------------------------------------------------------------------------- */

/** Appends whole numbers, one or packed. `room` bytes of the message bound their count. */
static bool read_ints(onnx_reader *r, const wire_field *f, uint64_t room, int64_t **ints, onnx_attr *attr) {
    wire packed = f->bytes;
    if (!*ints)
        *ints = ARENA_ARRAY(r->a, int64_t, room + 1);
    attr->ints = *ints;
    if (f->type == WIRE_VARINT)
        (*ints)[attr->int_count++] = (int64_t)f->number;
    while (f->type == WIRE_BYTES && !wire_done(&packed)) {
        uint64_t number;
        if (!wire_varint(&packed, &number))
            return reader_ended(r, &packed, "a list of numbers");
        (*ints)[attr->int_count++] = (int64_t)number;
    }
    return true;
}

static bool read_attr(onnx_reader *r, wire w, onnx_attr *attr) {
    wire_field f;
    int64_t *ints = NULL;
    uint64_t room = wire_left(&w);
    *attr = (onnx_attr){.name = ""};
    while (wire_next(&w, &f)) {
        if (f.field == 1) {
            attr->name = reader_text(r, f.bytes);
        } else if (f.field == 2 && f.type == WIRE_FIXED32) {
            uint32_t bits = (uint32_t)f.number;
            memcpy(&attr->f, &bits, sizeof bits);
            attr->has_float = true;
        } else if (f.field == 3 && f.type == WIRE_VARINT) {
            attr->i = (int64_t)f.number;
            attr->has_int = true;
        } else if (f.field == 4) {
            attr->s = reader_text(r, f.bytes);
        } else if (f.field == 5 && f.type == WIRE_BYTES) {
            onnx_tensor *t = ARENA_NEW(r->a, onnx_tensor);
            if (!reader_tensor(r, f.bytes, t))
                return false;
            attr->tensor = t;
        } else if (f.field == 8 && !read_ints(r, &f, room, &ints, attr)) {
            return false;
        }
    }
    return reader_ended(r, &w, "an attribute");
}

static bool read_node(onnx_reader *r, wire w, onnx_node *n) {
    size_t counts[16];
    wire_field f;
    if (!count_fields(r, w, "a node", counts))
        return false;
    *n = (onnx_node){.name = "", .op = "", .domain = ""};
    n->inputs = ARENA_ARRAY(r->a, const char *, counts[1] + 1);
    n->outputs = ARENA_ARRAY(r->a, const char *, counts[2] + 1);
    onnx_attr *attrs = ARENA_ARRAY(r->a, onnx_attr, counts[5] + 1);
    n->attrs = attrs;
    while (wire_next(&w, &f)) {
        if (f.type != WIRE_BYTES)
            continue;
        if (f.field == 1)
            n->inputs[n->input_count++] = reader_text(r, f.bytes);
        else if (f.field == 2)
            n->outputs[n->output_count++] = reader_text(r, f.bytes);
        else if (f.field == 3)
            n->name = reader_text(r, f.bytes);
        else if (f.field == 4)
            n->op = reader_text(r, f.bytes);
        else if (f.field == 7)
            n->domain = reader_text(r, f.bytes);
        else if (f.field == 5 && !read_attr(r, f.bytes, &attrs[n->attr_count++]))
            return false;
    }
    if (!*n->name && n->output_count > 0)
        n->name = n->outputs[0];
    return true;
}

const onnx_attr *onnx_attribute(const onnx_node *n, const char *name) {
    for (size_t i = 0; i < n->attr_count; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

/* ---- inputs and outputs ------------------------------------------------------------------------------------------ */

/** The message in field `field` of another; empty if there is none. */
static wire inner(wire w, uint32_t field) {
    wire_field f;
    wire found = {0};
    while (wire_next(&w, &f))
        if (f.field == field && f.type == WIRE_BYTES)
            found = f.bytes;
    return found;
}

static bool read_value(onnx_reader *r, wire w, onnx_value *v) {
    wire_field f;
    *v = (onnx_value){.name = reader_text(r, inner(w, 1))};
    wire type = inner(inner(w, 2), 1), shape = inner(type, 2);
    while (wire_next(&type, &f))
        if (f.field == 1 && f.type == WIRE_VARINT)
            v->type = (int64_t)f.number;
    v->shaped = shape.at != NULL;
    while (wire_next(&shape, &f)) {
        if (f.field != 1 || f.type != WIRE_BYTES)
            continue;
        if (v->rank == ONNX_MAX_RANK)
            return diag_error(r->d, r->whole, "'%.80s' has more than %d dimensions", v->name, ONNX_MAX_RANK);
        wire dim = f.bytes;
        while (wire_next(&dim, &f))
            if (f.field == 1 && f.type == WIRE_VARINT)
                v->dims[v->rank] = f.number;
        v->rank++;
    }
    return true;
}

/* ---- graph and model --------------------------------------------------------------------------------------------- */

static bool read_graph(onnx_reader *r, wire w, onnx_graph *g) {
    size_t counts[16];
    wire_field f;
    if (!count_fields(r, w, "the graph", counts))
        return false;
    onnx_node *nodes = ARENA_ARRAY(r->a, onnx_node, counts[1] + 1);
    onnx_tensor *tensors = ARENA_ARRAY(r->a, onnx_tensor, counts[5] + 1);
    onnx_value *inputs = ARENA_ARRAY(r->a, onnx_value, counts[11] + 1);
    onnx_value *outputs = ARENA_ARRAY(r->a, onnx_value, counts[12] + 1);
    g->nodes = nodes;
    g->tensors = tensors;
    g->inputs = inputs;
    g->outputs = outputs;
    bool ok = true;
    while (ok && wire_next(&w, &f)) {
        if (f.type != WIRE_BYTES)
            continue;
        if (f.field == 1)
            ok = read_node(r, f.bytes, &nodes[g->node_count++]);
        else if (f.field == 5)
            ok = reader_tensor(r, f.bytes, &tensors[g->tensor_count++]);
        else if (f.field == 11)
            ok = read_value(r, f.bytes, &inputs[g->input_count++]);
        else if (f.field == 12)
            ok = read_value(r, f.bytes, &outputs[g->output_count++]);
    }
    return ok;
}

/** An entry of opset_import: the version, if it is that of the standard operators. */
static void read_opset(onnx_reader *r, wire w, onnx_graph *g) {
    const char *domain = reader_text(r, inner(w, 1));
    wire_field f;
    while (wire_next(&w, &f))
        if (f.field == 2 && f.type == WIRE_VARINT && (!*domain || strcmp(domain, "ai.onnx") == 0))
            g->opset = (int64_t)f.number;
}

onnx_graph *onnx_parse(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes) {
    onnx_graph *g = ARENA_NEW(a, onnx_graph);
    g->path = arena_strdup(a, path);
    onnx_reader r = {.a = a, .d = d, .whole = {g->path, 0, 0}, .data = data, .bytes = bytes};
    wire w = {data, data + bytes}, graph = {0};
    wire_field f;
    while (data && wire_next(&w, &f))
        if (f.field == 7 && f.type == WIRE_BYTES)
            graph = f.bytes;
        else if (f.field == 8 && f.type == WIRE_BYTES)
            read_opset(&r, f.bytes, g);
    if (!reader_ended(&r, &w, "the model"))
        return NULL;
    if (!graph.at) {
        diag_error(d, r.whole, "is no ONNX model: it has no graph");
        return NULL;
    }
    return read_graph(&r, graph, g) ? g : NULL;
}
