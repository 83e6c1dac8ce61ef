/* Models: which format a path holds, and from a model the graph for one length. */
#include "frontend/models/model.h"

#include <string.h>
#include <sys/stat.h>

#include "frontend/models/models.h"
#include "frontend/tokenizer/tokenizers.h"
#include "runtime/base/words.h"

static model *load_directory(arena *a, diag *d, const char *path) {
    const char *graph = model_directory_graph(a, path);
    if (!graph)
        return model_from_directory(a, d, path);
    model *m = model_from_onnx(a, d, graph);
    if (m)
        m->name = model_directory_name(a, path);
    return m;
}

model *model_load(arena *a, diag *d, const char *path) {
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return load_directory(a, d, path);
    if (model_is_onnx(path))
        return model_from_onnx(a, d, path);
    if (dtq_ends_with(path, ".gguf"))
        return model_from_gguf(a, d, path);
    if (dtq_ends_with(path, ".bin"))
        return model_from_llama2c(a, d, path);
    return model_from_yaml(a, d, path);
}

const char *model_name(const model *m) {
    return m->name;
}

uint32_t model_positions(const model *m) {
    return m->bare ? m->attention.tokens : m->transformer.positions;
}

bool model_generates(const model *m) {
    return !m->bare && m->transformer.causal && m->transformer.head != HEAD_NONE;
}

bool model_is_attention(const model *m) {
    return m->bare;
}

const char *model_vocabulary(const model *m) {
    return m->vocabulary;
}

bool model_lower_case(const model *m) {
    return m->lower_case;
}

tokenizer *model_tokenizer(const model *m, arena *a, diag *d) {
    return tokenizer_load(a, d, m->vocabulary, &(tokenizer_settings){m->lower_case});
}

/** q, k, v in; one attention; its output out. */
static void attention_build(const model *from, ir_module *m, bool cluster) {
    static const char *const names[] = {"q", "k", "v"};
    const bare_attention *b = &from->attention;
    ir_value qkv[3];
    for (int i = 0; i < 3; i++) {
        uint32_t width = (i == 0 ? b->heads : b->kv_heads) * b->head_dim;
        ir_type type = {.elem = IR_ELEM_F32, .rank = 2, .dim = {m->header.seq, width}};
        size_t input = ir_append(m, IR_INPUT, NULL, 0, type, from->loc);
        ir_set_str(m, input, IR_KEY_name, names[i]);
        qkv[i] = ir_result(m, input);
    }
    size_t op = ir_append(m, IR_ATTENTION, qkv, 3, (ir_type){0}, from->loc);
    ir_set_str(m, op, IR_KEY_source, "attention");
    attention_describe(m, op, 0, b->heads, b->kv_heads, b->head_dim, b->causal, b->importance, cluster);
    ir_value out = ir_result(m, op);
    ir_append(m, IR_OUTPUT, &out, 1, (ir_type){0}, from->loc);
}

ir_module *model_build(const model *from, arena *a, diag *d, const model_options *o) {
    uint32_t seq = o->seq ? o->seq : from->tokens ? from->tokens : model_positions(from);
    uint32_t limit = from->bare ? MODEL_MAX_TOKENS : from->transformer.positions;
    if (seq > limit) {
        diag_error(d, from->loc, "a sequence of %u tokens does not fit: model '%s' has positions for %u", seq,
                   from->name, limit);
        return NULL;
    }
    ir_module *m = ir_module_new(a, IR_GRAPH);
    m->header.model = arena_strdup(a, from->name);
    m->header.seq = seq;
    m->header.qkv_input = from->bare;
    m->header.lower_case = from->lower_case;
    if (from->vocabulary)
        m->header.tokenizer = arena_strdup(a, from->vocabulary);
    if (from->bare) {
        m->header.positions = seq;
        attention_build(from, m, o->cluster);
    } else {
        m->header.positions = from->transformer.positions;
        m->header.vocabulary = from->transformer.vocabulary;
        transformer_build(from, m, o);
    }
    return m;
}
