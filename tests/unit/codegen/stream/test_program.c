/* From a module to a program: fields, layers, tensors, files, the source map and the static cycle count. */
#include <limits.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "passes/pass_util.h"

static const dtq_program *program_of(pass_case *c) {
    const dtq_program *p = codegen_program(c->memory, c->d, (const ir_module *const *)&c->m, 1);
    ck_assert_msg(p, "%s", ir_diag_text(c->memory, c->d));
    return p;
}

/* A stream written by hand: every kind of field. */
static const char by_hand[] =
    "dtir 1 stream\nmodel = \"m\"\nseq = 9\nvocabulary = 100\npositions = 16\ntokenizer = \"vocab.txt\"\n"
    "lower_case = yes\n"
    "tensor \"w\" {dtype = synthetic, rows = 4, cols = 6, transposed = yes, seed = 7, mean = 0.5, scale = 2}\n"
    "tensor \"g\" {dtype = synthetic, rows = 1, cols = 4, seed = 8, mean = 1, scale = 0}\n"
    "passes = [timeline]\n"
    "%c = buffer {space = dram, bytes = 64, address = 128} : buffer\n"
    "%d = buffer {space = dram, bytes = 64, address = 192} : buffer\n"
    "%o = buffer {space = dram, bytes = 144, address = 256, name = \"output.hidden\"} : buffer\n"
    "layer %c, %d, %c, %d, %c, %d, %o, %d {index = 0, slots = 9, high = 2, query_heads = 4, kv_heads = 2, "
    "head_dim = 5, mask = causal, importance_rule = sum, order = high-first, static_bits = yes, "
    "segments = [2*8, 7*4], q_bits = [3*8, 6*4], k_bits = [9*8], v_bits = [2*8, 7*4], p_bits = [9*4], "
    "pinned = [4], ids = [4, 8, 0, 1, 2, 3, 5, 6, 7]}\n"
    "layer %c, %d, %c, %d, %c, %d, %o, %d {index = 1, slots = 8, high = 2, query_heads = 4, kv_heads = 2, "
    "head_dim = 5, mask = none, importance_rule = mean, order = original, static_bits = no, "
    "segments = [6*4, 2*8]}\n"
    "%s = buffer {space = scores, bytes = 396, address = 1024} : buffer\n"
    "%p = buffer {space = probs, bytes = 225, address = 2048} : buffer\n"
    "host.embed %c {queue = host, layer = 0, word = \"w\", position = \"\", type = \"g\"}\n"
    "host.norm %d, %c {queue = host, layer = 0, gamma = \"g\", beta = \"\", eps = 1e-12, source = \"norm\"}\n"
    "host.act %d, %c {queue = host, layer = 1, kind = silu, width = 12} @ \"model.yaml\":3:7\n"
    "wait {queue = softmax, from = array3, untimed = yes}\n"
    "signal {queue = softmax, to = topk, untimed = no}\n"
    "softmax %s, _, %p {queue = softmax, mode = wmax, layer = 1, head = 3, row = 4, rows = 2, col = 1, cols = 7, "
    "source = \"layer.1\", start = 7, busy = 1, done = 95} @ \"model.yaml\":5:9\n"
    "host.quant %c {queue = host, layer = 0, operand = v, start = 0, busy = 0, done = 1000}\n";

START_TEST(fields_are_copied_one_to_one) {
    pass_case c = pass_begin(by_hand);
    const dtq_stream *s = &program_of(&c)->streams[0];
    ck_assert_uint_eq(s->count, 7);
    const dtq_instr *embed = &s->instrs[0], *norm = &s->instrs[1], *act = &s->instrs[2], *wait = &s->instrs[3],
                    *signal = &s->instrs[4], *softmax = &s->instrs[5], *quant = &s->instrs[6];
    ck_assert(embed->op == DTQ_OP_EMBED && embed->queue == DTQ_HOST);
    ck_assert_uint_eq(DTQ_GET(embed, EMBED, dst), 128);
    ck_assert_uint_eq(DTQ_GET(embed, EMBED, word), 0);
    ck_assert_uint_eq(DTQ_GET(embed, EMBED, position), 0xffff); /* none: all ones */
    ck_assert_uint_eq(DTQ_GET(embed, EMBED, type), 1);
    ck_assert_uint_eq(DTQ_GET(norm, NORM, dst), 192);
    ck_assert_uint_eq(DTQ_GET(norm, NORM, src), 128);
    ck_assert_uint_eq(DTQ_GET(norm, NORM, beta), 0xffff);
    ck_assert_uint_eq(DTQ_GET(norm, NORM, eps), 0x2b8cbccc); /* the bits of 1e-12f */
    ck_assert_uint_eq(DTQ_GET(act, ACT, kind), 4);
    ck_assert_uint_eq(DTQ_GET(act, ACT, width), 12);
    ck_assert_uint_eq(DTQ_GET(act, ACT, layer), 1);
    ck_assert(wait->op == DTQ_OP_WAIT && wait->queue == DTQ_SOFTMAX);
    ck_assert_uint_eq(DTQ_GET(wait, WAIT, from), DTQ_ARRAY0 + 3);
    ck_assert_uint_eq(DTQ_GET(wait, WAIT, untimed), 1);
    ck_assert_uint_eq(DTQ_GET(signal, SIGNAL, to), DTQ_TOPK);
    ck_assert_uint_eq(DTQ_GET(signal, SIGNAL, untimed), 0);
    static const uint64_t fields[] = {2, 1, 3, 4, 2, 1, 7, 1024, 0xffffffffff, 2048};
    ck_assert_mem_eq(softmax->f, fields, sizeof fields);
    ck_assert_uint_eq(DTQ_GET(quant, QUANT, operand), DTQ_V);
    pass_end(&c);
}
END_TEST

START_TEST(layers_are_copied) {
    pass_case c = pass_begin(by_hand);
    const dtq_stream *s = &program_of(&c)->streams[0];
    const dtq_layer *l = &s->layers[0];
    static const uint8_t q[9] = {8, 8, 8, 4, 4, 4, 4, 4, 4}, k[9] = {8, 8, 8, 8, 8, 8, 8, 8, 8};
    static const uint8_t v[9] = {8, 8, 4, 4, 4, 4, 4, 4, 4}, p[9] = {4, 4, 4, 4, 4, 4, 4, 4, 4};
    static const uint32_t ids[9] = {4, 8, 0, 1, 2, 3, 5, 6, 7};
    ck_assert_uint_eq(s->layer_count, 2);
    ck_assert(l->slots == 9 && l->high == 2 && l->heads == 4 && l->kv_heads == 2 && l->head_dim == 5);
    ck_assert(l->causal == 1 && l->order == DTQ_ORDER_HIGH_FIRST && l->importance == DTQ_IMPORTANCE_SUM);
    ck_assert_mem_eq(l->bits[DTQ_Q], q, 9);
    ck_assert_mem_eq(l->bits[DTQ_K], k, 9);
    ck_assert_mem_eq(l->bits[DTQ_V], v, 9);
    ck_assert_mem_eq(l->bits[DTQ_P], p, 9);
    ck_assert_mem_eq(l->ids, ids, sizeof ids);
    ck_assert_uint_eq(l->pinned_count, 1);
    ck_assert_uint_eq(l->pinned[0], 4);
    ck_assert(l->q == 128 && l->k == 192 && l->v == 128 && l->q_scale == 192 && l->k_scale == 128);
    ck_assert(l->v_scale == 192 && l->out == 256 && l->importance_at == 192);
    l = &s->layers[1];
    ck_assert(l->slots == 8 && !l->causal && l->order == DTQ_ORDER_ORIGINAL && l->importance == DTQ_IMPORTANCE_MEAN);
    ck_assert(!l->bits[DTQ_Q] && !l->bits[DTQ_P] && !l->ids && !l->pinned && l->pinned_count == 0);
    pass_end(&c);
}
END_TEST

START_TEST(header_tensors_and_ends_are_copied) {
    pass_case c = pass_begin(by_hand);
    const dtq_program *p = program_of(&c);
    const dtq_stream *s = &p->streams[0];
    ck_assert_str_eq(p->model, "m");
    ck_assert_str_eq(p->tokenizer, "vocab.txt");
    ck_assert(p->lower_case == 1 && p->vocabulary == 100 && p->positions == 16);
    ck_assert_uint_eq(p->target_hash, dtq_machine_hash(c.m->machine));
    ck_assert_uint_eq(p->tensor_count, 2);
    ck_assert_uint_eq(p->file_count, 0);
    const dtq_tensor *w = &p->tensors[0];
    ck_assert_str_eq(w->name, "w");
    ck_assert(w->file == UINT32_MAX && w->shape[0] == 4 && w->shape[1] == 6 && w->transposed == 1 && w->seed == 7);
    ck_assert_float_eq(w->mean, 0.5f);
    ck_assert_float_eq(w->scale, 2.0f);
    ck_assert(s->seq == 9 && s->input == DTQ_INPUT_TOKENS && s->output == DTQ_OUTPUT_HIDDEN);
    ck_assert_uint_eq(s->output_at, 256);
    ck_assert_uint_eq(s->output_width, 4); /* 144 bytes, 9 rows */
    ck_assert_uint_eq(s->dram_bytes, 400); /* the end of the highest buffer */
    pass_end(&c);
}
END_TEST

START_TEST(the_source_map_says_where_from) {
    pass_case c = pass_begin(by_hand);
    const dtq_program *p = program_of(&c);
    const dtq_source *s = p->streams[0].sources;
    ck_assert_str_eq(p->strings[s[5].op], "layer.1");
    ck_assert_str_eq(p->strings[s[5].file], "model.yaml");
    ck_assert(s[5].line == 5 && s[5].col == 9 && s[5].layer == 1 && s[5].head == 3);
    ck_assert(s[5].row == 4 && s[5].rows == 2 && s[5].tile_col == 1 && s[5].tile_cols == 7);
    ck_assert_str_eq(p->strings[s[1].op], "norm");
    ck_assert_str_eq(p->strings[s[2].op], "");
    ck_assert(s[2].line == 3 && s[2].col == 7 && s[2].layer == 1 && s[2].head == UINT32_MAX && s[2].rows == 0);
    ck_assert(s[3].layer == 1 && s[3].head == 3 && s[3].line == 5); /* a wait is of the instruction behind it */
    ck_assert(s[4].layer == UINT32_MAX && s[4].head == UINT32_MAX); /* a signal of the one before it, here none */
    ck_assert_uint_eq(s[2].file, s[5].file);
    for (size_t i = 0; i < p->string_count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(p->strings[i], p->strings[j]);
    pass_end(&c);
}
END_TEST

/* The last done of any queue but the host; unknown where precision is. */
START_TEST(static_cycles_are_the_timelines) {
    pass_case c = pass_attention((attention_problem){.policy = {FIG5_POLICY}}, TO_TIMELINE, false);
    int64_t last = 0;
    for (size_t op = 0; op < c.m->op_count; op++)
        if (ir_int(c.m, op, IR_KEY_queue, DTQ_HOST) != DTQ_HOST && ir_int(c.m, op, IR_KEY_done, 0) > last)
            last = ir_int(c.m, op, IR_KEY_done, 0);
    ck_assert_uint_eq(program_of(&c)->streams[0].static_cycles, (uint64_t)last);
    pass_end(&c);
    c = pass_begin(by_hand);
    ck_assert_uint_eq(program_of(&c)->streams[0].static_cycles, UINT64_MAX);
    pass_end(&c);
    arena *a = arena_new(); /* without the layer of unknown precision: 95, not the host's 1000 */
    const char *second = strstr(by_hand, "layer %c, %d, %c, %d, %c, %d, %o, %d {index = 1");
    const char *after = strstr(second, "%s = buffer");
    char *text = arena_printf(a, "%.*s%s", (int)(second - by_hand), by_hand, after);
    for (char *p = text; (p = strstr(p, "layer = 1"));)
        p[8] = '0';
    c = pass_begin(text);
    ck_assert_uint_eq(program_of(&c)->streams[0].static_cycles, 95);
    pass_end(&c);
    arena_free(a);
}
END_TEST

/* Tokens are what the instructions that wait for them and give them are. */
START_TEST(tokens_have_the_rows_of_their_instructions) {
    pass_case c = pass_attention((attention_problem){.heads = 2, .policy = {FIG5_POLICY}}, TO_TIMELINE, false);
    const dtq_stream *s = &program_of(&c)->streams[0];
    const dtq_source *last[DTQ_QUEUE_MAX + 1] = {NULL};
    unsigned signals = 0;
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        if (in->op == DTQ_OP_SIGNAL) {
            ck_assert_mem_eq(&s->sources[i], last[in->queue], sizeof(dtq_source));
            signals++;
        } else if (in->op != DTQ_OP_WAIT) {
            last[in->queue] = &s->sources[i];
        }
    }
    ck_assert_uint_gt(signals, 5);
    pass_end(&c);
}
END_TEST

START_TEST(inputs_and_streams_are_in_their_places) {
    pass_case longer = pass_attention((attention_problem){.seq = 12, .heads = 2, .policy = {""}}, TO_TIMELINE, false);
    pass_case shorter = pass_attention((attention_problem){.seq = 5, .heads = 2, .policy = {""}}, TO_TIMELINE, false);
    const ir_module *modules[2] = {longer.m, shorter.m};
    const dtq_program *p = codegen_program(longer.memory, longer.d, modules, 2);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p->stream_count, 2);
    ck_assert_uint_eq(p->streams[0].seq, 5); /* ascending, whatever came first */
    ck_assert_uint_eq(p->streams[1].seq, 12);
    for (size_t i = 0; i < 2; i++) {
        const dtq_stream *s = &p->streams[i];
        ck_assert(s->input == DTQ_INPUT_QKV && s->output == DTQ_OUTPUT_ATTENTION && s->output_width == 8);
        ck_assert_uint_eq(s->output_at, s->layers[0].out);
        for (size_t n = 0, input = 0; n < s->count && input < 3; n++)
            if (s->instrs[n].op == DTQ_OP_QUANT)
                ck_assert_uint_eq(s->input_at[input++], DTQ_GET(&s->instrs[n], QUANT, src));
        dtq_error e;
        ck_assert_msg(dtq_verify(p, s, &e), "%s", e.message);
    }
    pass_end(&shorter);
    pass_end(&longer);
}
END_TEST

/* Modules that are given up become the same program, and nothing is left of them. Layers repeat after more instructions
 * than are kept while they are made; heads do after fewer. */
static void expect_same_given_up(attention_problem p, bool optimise) {
    pass_case c = pass_attention(p, TO_TIMELINE, optimise);
    dtq_program *kept = codegen_program(c.memory, c.d, (const ir_module *const *)&c.m, 1);
    program_maker *maker = program_begin(c.memory, c.d, c.m);
    ck_assert(kept && maker && program_add_last(maker, c.m));
    dtq_program *last = program_end(maker);
    ck_assert_uint_gt(kept->streams[0].count, 3 << 13); /* 1 << 13 are kept */
    ck_assert_uint_eq(c.m->op_count, 0);
    ck_assert_ptr_null(last->streams[0].instrs);
    uint8_t *data[2];
    size_t bytes[2];
    dtq_error e;
    ck_assert_msg(dtq_program_encode(kept, &data[0], &bytes[0], &e), "%s", e.message);
    ck_assert_msg(dtq_program_encode(last, &data[1], &bytes[1], &e), "%s", e.message);
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_mem_eq(data[0], data[1], bytes[0]);
    ck_assert_uint_eq(kept->streams[0].static_cycles, last->streams[0].static_cycles);
    free(data[0]);
    free(data[1]);
    pass_end(&c);
}

START_TEST(given_up_modules_become_the_same_program) {
#define LAYER "counts = [0, 368, 400]"
    expect_same_given_up((attention_problem){.seq = 40, .heads = 4000, .policy = {""}}, false);
    expect_same_given_up(
        (attention_problem){.seq = 768,
                            .heads = 16,
                            .head_dim = 64,
                            .machine = "vssa.arrays = 16\nvssa.rows = 18\nvssa.cols = 11\nbuffers.q = 131072\n"
                                       "buffers.k = 196608\nbuffers.v = 196608\nbuffers.scores = 2097152\n"
                                       "buffers.probs = 1048576\nbuffers.out = 262144\n",
                            .policy = {LAYER, LAYER, LAYER}},
        true);
#undef LAYER
}
END_TEST

/* A program needs nothing of modules that have gone, and says in order of length what they said in any other. */
START_TEST(modules_may_go_before_the_program_ends) {
    enum { LENGTHS = 3 };
    static const unsigned lengths[LENGTHS] = {14, 11, 9};
    arena *memory = arena_new();
    diag *d = diag_new(memory, NULL);
    pass_case all[LENGTHS];
    const ir_module *modules[LENGTHS];
    program_maker *maker = NULL;
    for (int i = 0; i < LENGTHS; i++) {
        attention_problem p = {.seq = lengths[i], .heads = 2, .policy = {""}};
        all[i] = pass_attention(p, TO_TIMELINE, false);
        modules[i] = all[i].m;
        pass_case gone = pass_attention(p, TO_TIMELINE, false);
        if (i == 0)
            maker = program_begin(memory, d, gone.m);
        ck_assert(maker && program_add_last(maker, gone.m));
        pass_end(&gone);
    }
    const dtq_program *grown = program_end(maker), *whole = codegen_program(memory, d, modules, LENGTHS);
    uint8_t *data[2];
    size_t bytes[2];
    dtq_error e;
    ck_assert_msg(dtq_program_encode(grown, &data[0], &bytes[0], &e), "%s", e.message);
    ck_assert_msg(dtq_program_encode(whole, &data[1], &bytes[1], &e), "%s", e.message);
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_mem_eq(data[0], data[1], bytes[0]);
    ck_assert_uint_eq(grown->streams[0].seq, 9);
    free(data[0]);
    free(data[1]);
    for (int i = 0; i < LENGTHS; i++)
        pass_end(&all[i]);
    arena_free(memory);
}
END_TEST

/** A weight file of `bytes` bytes, byte i being i * 7, and its path. */
static const char *weight_file(arena *a, size_t bytes) {
    char *path = arena_strdup(a, "/tmp/dtqc-weights-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    FILE *out = fdopen(fd, "wb");
    ck_assert_ptr_nonnull(out);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)(i * 7 & 0xff), out);
    ck_assert_int_eq(fclose(out), 0);
    return path;
}

static bool is_hash_of(const dtq_file *file) {
    dtq_file now = {.path = file->path};
    dtq_error e;
    return dtq_file_describe(&now, NULL, 1, NULL, &e) && now.hash.high == file->hash.high &&
           now.hash.low == file->hash.low && now.hash.high != 0;
}

static const char *with_files(arena *a, const char *first, const char *second, uint64_t bytes) {
    return arena_printf(
        a,
        "dtir 1 stream\nmodel = \"m\"\nseq = 9\n"
        "tensor \"a\" {dtype = F32, rows = 1, cols = 4, file = \"%s\", offset = 16, file_bytes = %llu}\n"
        "tensor \"b\" {dtype = F16, rows = 2, cols = 4, file = \"%s\", offset = 0, file_bytes = 100}\n"
        "tensor \"c\" {dtype = BF16, rows = 3, cols = 2, file = \"%s\", offset = 4, file_bytes = %llu}\n"
        "passes = [timeline]\n"
        "%%o = buffer {space = dram, bytes = 36, address = 0, name = \"output.pooled\"} : buffer\n"
        "host.normalize %%o, %%o {queue = host, width = 9}\n",
        first, (unsigned long long)bytes, second, first, (unsigned long long)bytes);
}

/* Each file once, with its size and its identity. */
START_TEST(weight_files_are_described) {
    enum { LONG = 70000, SHORT = 100 };
    arena *a = arena_new();
    const char *first = weight_file(a, LONG), *second = weight_file(a, SHORT);
    pass_case c = pass_begin(with_files(a, first, second, LONG));
    const dtq_program *p = program_of(&c);
    char resolved[PATH_MAX];
    ck_assert_uint_eq(p->file_count, 2);
    ck_assert_str_eq(p->files[0].path, realpath(first, resolved));
    ck_assert_uint_eq(p->files[0].bytes, LONG);
    ck_assert(is_hash_of(&p->files[0]));
    ck_assert_uint_eq(p->files[1].bytes, SHORT);
    ck_assert(is_hash_of(&p->files[1]));
    ck_assert(p->tensors[0].file == 0 && p->tensors[0].offset == 16 && p->tensors[0].dtype == DTQ_F32);
    ck_assert(p->tensors[1].file == 1 && p->tensors[1].offset == 0 && p->tensors[1].dtype == DTQ_F16);
    ck_assert(p->tensors[2].file == 0 && p->tensors[2].offset == 4 && p->tensors[2].dtype == DTQ_BF16);
    ck_assert(p->streams[0].output == DTQ_OUTPUT_POOLED && p->streams[0].output_width == 9);
    ck_assert_int_eq(unlink(second), 0);
    ck_assert_ptr_null(codegen_program(c.memory, c.d, (const ir_module *const *)&c.m, 1));
    const diag_entry *e = diag_at(c.d, 0);
    ck_assert_str_eq(e->loc.file, second);
    ck_assert_str_eq(e->message, "cannot read the weights: No such file or directory");
    ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
    ck_assert_int_eq(unlink(first), 0);
    pass_end(&c);
    arena_free(a);
}
END_TEST

static bool identified(pass_case *c) {
    return weights_identify(c->memory, c->d, c->m, NULL);
}

/* A module that went through a text says which files it was made from, and others are refused. */
START_TEST(modules_know_their_files) {
    enum { LONG = 70000, SHORT = 100 };
    arena *a = arena_new();
    const char *first = weight_file(a, LONG), *second = weight_file(a, SHORT);
    pass_case c = pass_begin(with_files(a, first, second, LONG));
    ck_assert(identified(&c));
    const char *hash = arena_strdup(a, c.m->tensors[2].file_hash);
    ck_assert_uint_eq(strlen(hash), 32);
    ck_assert_str_eq(c.m->tensors[0].file_hash, hash);
    ck_assert_str_ne(c.m->tensors[1].file_hash, hash);
    ck_assert(identified(&c));
    c.m->tensors[0].file_stamp = 1; /* what it was like when the model was read: not as now */
    ck_assert(!identified(&c));
    ck_assert(remarked(&c, "changed since the model was read from it; run it again"));
    pass_end(&c);
    FILE *out = fopen(first, "r+b"); /* another byte at the end */
    ck_assert_int_eq(fseek(out, LONG - 1, SEEK_SET), 0);
    fputc(1, out);
    ck_assert_int_eq(fclose(out), 0);
    c = pass_begin(with_files(a, first, second, LONG));
    c.m->tensors[0].file_hash = hash;
    ck_assert(!identified(&c));
    const diag_entry *e = diag_at(c.d, 0);
    ck_assert_str_eq(e->loc.file, first);
    ck_assert_ptr_nonnull(strstr(e->message, "is not the file that the IR was made from"));
    ck_assert_int_eq(diag_exit_code(c.d), EXIT_INPUT);
    pass_end(&c);
    c = pass_begin(with_files(a, first, second, LONG + 1));
    ck_assert(!identified(&c));
    ck_assert(remarked(&c, "has 70000 bytes, and the IR was made from a file of 70001"));
    pass_end(&c);
    ck_assert_int_eq(unlink(first) | unlink(second), 0);
    arena_free(a);
}
END_TEST

START_TEST(unfinished_modules_are_refused) {
    pass_case c = pass_attention((attention_problem){.policy = {""}}, TO_SYNC, false);
    ck_assert_ptr_null(codegen_program(c.memory, c.d, (const ir_module *const *)&c.m, 1));
    ck_assert(remarked(&c, "the module is not finished: its passes end before timeline"));
    pass_end(&c);
    c = pass_begin("dtir 1 stream\nmodel = \"m\"\nseq = 9\npasses = [timeline]\n");
    ck_assert_ptr_null(codegen_program(c.memory, c.d, (const ir_module *const *)&c.m, 1));
    ck_assert(remarked(&c, "the module has no output"));
    pass_end(&c);
}
END_TEST

IR_MAIN("program", fields_are_copied_one_to_one, layers_are_copied, header_tensors_and_ends_are_copied,
        the_source_map_says_where_from, tokens_have_the_rows_of_their_instructions, static_cycles_are_the_timelines,
        inputs_and_streams_are_in_their_places, given_up_modules_become_the_same_program,
        modules_may_go_before_the_program_ends, weight_files_are_described, modules_know_their_files,
        unfinished_modules_are_refused)
