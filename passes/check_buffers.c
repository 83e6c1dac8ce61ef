/* The buffers of a schedule: where they stand, which have a name, and that each has the bytes that it holds. */
#include "passes/check_schedule.h"

/** A buffer stands in front of the op that first names it, among those that this op names first, in the order of its
 *  operands; named inputs stand behind the layers. So that where it stands means nothing else. */
bool check_places(checker *c) {
    const ir_module *m = c->m;
    size_t pending[32], count = 0, at = 0;
    bool begun = false, inputs = false;
    for (c->op = 0; c->op < m->op_count; c->op++) {
        ir_opcode code = (ir_opcode)m->ops[c->op].code;
        if (code == IR_BUFFER) {
            const char *name = ir_str(m, c->op, IR_KEY_name);
            bool input = m->header.qkv_input && name && strlen(name) == 1 && strchr("qkv", *name);
            c->contents[m->ops[c->op].result].is_input = input;
            if (input && begun)
                return check_fail(c, "an input stands in front of all instructions");
            inputs = inputs || input;
            if (input)
                continue;
            if (count == sizeof pending / sizeof *pending)
                return check_fail(c, "a buffer stands in front of the op that first names it");
            pending[count++] = c->op;
            continue;
        }
        if (code == IR_I_WAIT || code == IR_I_SIGNAL)
            continue;
        begun = begun || code != IR_LAYER;
        if ((begun || inputs) && code == IR_LAYER)
            return check_fail(c, "layers are declared in front of inputs and instructions");
        at = 0;
        for (size_t i = 0; i < m->ops[c->op].operand_count; i++) {
            check_content *b = check_operand(c, i);
            if (!b || b->used)
                continue;
            b->used = true;
            if (b->is_input && code != IR_LAYER)
                continue;
            if (at >= count || m->ops[pending[at]].result != ir_operand(m, c->op, i)) {
                c->op = at < count ? pending[at] : c->op;
                return check_fail(
                    c, "buffers stand in front of the op that names them first, in the order of its operands");
            }
            at++;
        }
        if (at < count) {
            c->op = pending[at];
            return check_fail(c,
                              "the op behind it does not name it; a buffer stands in front of the op that first does");
        }
        count = 0;
    }
    if (count) {
        c->op = pending[0];
        return check_fail(c, "no op names it");
    }
    return true;
}

bool check_names(checker *c) {
    static const char *const outputs[] = {"output.pooled", "output.hidden", "output.attention"};
    bool inputs[3] = {false}, output = false;
    for (c->op = 0; c->op < c->m->op_count; c->op++) {
        const char *name = c->m->ops[c->op].code == IR_BUFFER ? ir_str(c->m, c->op, IR_KEY_name) : NULL;
        if (!name)
            continue;
        bool known = strncmp(name, "cache.", 6) == 0; /* check_cache_name */
        for (int i = 0; i < 3; i++) {
            if (strcmp(name, outputs[i]) == 0) {
                if (output)
                    return check_fail(c, "there are two outputs");
                known = output = true;
                c->output = c->m->ops[c->op].result;
            }
            if (c->m->header.qkv_input && strlen(name) == 1 && *name == "qkv"[i]) {
                if (inputs[i])
                    return check_fail(c, "the input is there twice");
                known = inputs[i] = true;
            }
        }
        if (!known)
            return CHECK_FAIL("its name, \"%s\", is not that of an input, an output or a cache", name);
    }
    const src_loc start = {c->m->text_file, 1, 1};
    if (!output)
        return diag_error(c->ctx->diag, start,
                          "no buffer is the output; name one output.pooled, .hidden or .attention");
    for (int i = 0; i < 3 && c->m->header.qkv_input; i++)
        if (!inputs[i])
            return diag_error(c->ctx->diag, start, "no buffer is the input %c; name it", "qkv"[i]);
    return true;
}

bool check_bytes(checker *c) {
    for (size_t v = 0; v < c->m->value_count; v++) {
        c->op = c->m->defs[v];
        int64_t bytes = ir_int(c->m, c->op, IR_KEY_bytes, 0);
        if (bytes != c->contents[v].need)
            return CHECK_FAIL("`bytes` is %lld, but what it holds takes %lld", (long long)bytes,
                              (long long)c->contents[v].need);
    }
    return true;
}
