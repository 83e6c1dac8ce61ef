/* What the ops of a graph or of tiles must be as a whole before they are compiled: inputs that the program has, one
 * output, tokens for the first layer. */
#include <string.h>

#include "passes/derived.h"
#include "passes/layer.h"

static bool is_float(const ir_module *m, size_t op) {
    return m->types[m->ops[op].result].elem == IR_ELEM_F32;
}

/** The place of an input among `tokens`, or q, k, v; -1 if it is none. */
static int input_number(const ir_module *m, size_t op) {
    const char *name = ir_str(m, op, IR_KEY_name);
    if (!m->header.qkv_input)
        return !is_float(m, op) && name && strcmp(name, "tokens") == 0 ? 0 : -1;
    return is_float(m, op) && name && strlen(name) == 1 && strchr("qkv", *name) ? (int)(strchr("qkv", *name) - "qkv")
                                                                                : -1;
}

static bool check_inputs(pass_context *ctx, const ir_module *m) {
    bool seen[3] = {false};
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_INPUT)
            continue;
        int number = input_number(m, op);
        if (number < 0)
            return diag_error(ctx->diag, m->ops[op].loc, "`input`: a program%s takes %s; this is \"%s\", of %s",
                              m->header.qkv_input ? " with `qkv_input`" : "",
                              m->header.qkv_input ? "floats named q, k and v" : "token numbers named tokens",
                              ir_str(m, op, IR_KEY_name), is_float(m, op) ? "floats" : "token numbers");
        if (seen[number])
            return diag_error(ctx->diag, m->ops[op].loc, "`input`: \"%s\" is there twice", ir_str(m, op, IR_KEY_name));
        seen[number] = true;
    }
    const char *missing = !seen[0]                          ? (m->header.qkv_input ? "q" : "tokens")
                          : m->header.qkv_input && !seen[1] ? "k"
                          : m->header.qkv_input && !seen[2] ? "v"
                                                            : NULL;
    return !missing || diag_error(ctx->diag, (src_loc){m->text_file, 1, 1}, "there is no `input` named %s", missing);
}

static bool check_output(pass_context *ctx, const ir_module *m) {
    size_t outputs = 0;
    for (size_t op = 0; op < m->op_count; op++)
        if (m->ops[op].code == IR_OUTPUT && outputs++)
            return diag_error(ctx->diag, m->ops[op].loc, "`output`: there is one already");
    return outputs || diag_error(ctx->diag, (src_loc){m->text_file, 1, 1}, "there is no `output`");
}

/** Tokens of the first layer are known; only queries can be turned. */
static bool check_layers(pass_context *ctx, const ir_module *m) {
    for (size_t op = 0; op < m->op_count; op++) {
        if (m->ops[op].code != IR_ATTENTION || !ir_pass_ran(m, "reorder-tokens"))
            continue;
        const layer_info l = layer_read(ctx->arena, m, op);
        if (l.index == 0 && !l.by_own && !ir_get(m, op, IR_KEY_ids))
            return diag_error(ctx->diag, m->ops[op].loc,
                              "`attention`: it has no `ids`, and no layer before it whose importance selects");
        for (uint32_t i = 0; l.turned && i < l.slots; i++)
            if (l.turned[i] && (i < l.query_first || i >= l.query_first + l.queries))
                return diag_error(ctx->diag, m->ops[op].loc,
                                  "`attention`: `turned_rows` turns slot %u, which is no query", i);
    }
    return true;
}

bool graph_holds(pass_context *ctx, const ir_module *m) {
    return check_inputs(ctx, m) && check_output(ctx, m) && check_layers(ctx, m);
}
