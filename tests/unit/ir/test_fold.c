/* What is alike is printed once, and reads back as the same ops: each one, each attribute, each operand. */
#include <time.h>

#include "ir/tables.h"
#include "ir_util.h"
#include "runtime/machine_members.h"

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static unsigned below(uint64_t *state, unsigned n) {
    return (unsigned)(next_random(state) % n);
}

/** Values are called otherwise when they are read back; what defines them says which they are. */
static bool same_operand(const ir_module *a, const ir_module *b, size_t op, size_t i) {
    const ir_value x = ir_operand(a, op, i), y = ir_operand(b, op, i);
    return x == IR_NONE || y == IR_NONE ? x == y : a->defs[x] == b->defs[y];
}

static void check_same(const ir_module *a, const ir_module *b, const char *text) {
    ck_assert_msg(a->op_count == b->op_count, "%zu ops, read back %zu:\n%.2000s", a->op_count, b->op_count, text);
    for (size_t op = 0; op < a->op_count; op++) {
        const ir_op *x = &a->ops[op], *y = &b->ops[op];
        bool same = x->code == y->code && x->operand_count == y->operand_count && x->attr_count == y->attr_count &&
                    (x->result == IR_NONE) == (y->result == IR_NONE);
        for (unsigned i = 0; same && i < x->operand_count; i++)
            same = same_operand(a, b, op, i);
        for (unsigned i = 0; same && i < x->attr_count; i++) {
            const ir_attr *mine = &a->attrs[x->attrs + i], *other = ir_get(b, op, mine->key);
            same = other && ir_attr_equal(mine, other);
        }
        ck_assert_msg(same, "op %zu, `%s`, is another one when it is read back:\n%.2000s", op,
                      ir_info((ir_opcode)x->code)->spelling, text);
    }
}

static const char *lines_of(arena *a, const ir_module *m) {
    return strstr(ir_text(a, m, NULL), "\n\n") + 2;
}

static ir_module *read_back(arena *a, const ir_module *m) {
    size_t bytes;
    diag *d = diag_new(a, NULL);
    char *text = ir_text(a, m, &bytes);
    ir_module *back = ir_parse(a, d, "t", text, bytes);
    ck_assert_msg(back, "%s\n%s", ir_diag_text(a, d), text);
    check_same(m, back, text);
    ck_assert_str_eq(ir_text(a, back, NULL), text);
    return back;
}

#define TEXT(...) "dtir 1 schedule\nseq = 8\nmachine \"m\" {\nvssa.arrays = 4\n}\n" __VA_ARGS__

static ir_module *parse(arena *a, const char *text) {
    diag *d = diag_new(a, NULL);
    ir_module *m = ir_parse(a, d, "t", text, strlen(text));
    ck_assert_msg(m, "%s", ir_diag_text(a, d));
    return m;
}

START_TEST(heads_alike_are_one_op) {
    arena *a = arena_new();
    const char *text = TEXT();
    for (int head = 0; head < 6; head++)
        text = arena_printf(
            a,
            "%s%%k%d = buffer {space = k, bytes = 9} : buffer\n"
            "load %%k%d {queue = load, operand = k, layer = 0, head = %d, row = 0, rows = 8}\n"
            "%%s%d = buffer {space = scores, bytes = %d} : buffer\n"
            "qk %%k%d, %%k0, %%s%d {queue = array%d, layer = 0, head = %d, row = %d, rows = 4, col = 0, cols = 8}\n",
            text, head, head, head, head, 70 + 2 * head, head, head, (head + 3) % 4, head, head % 2 ? 4 : 0);
    ir_module *m = parse(a, text);
    ck_assert_uint_eq(m->op_count, 24);
    ck_assert_str_eq(
        lines_of(a, m),
        "6x load %k0..%k6:k[9] {queue = load, operand = k, layer = 0, head = 0..6, row = 0, rows = 8}\n"
        " | qk %k0..%k6, %k0, %scores0..%scores6:scores[70..82] {queue = array3..array9, layer = 0, head = "
        "0..6, row = 3*0..8, rows = 4, col = 0, cols = 8}\n");
    read_back(a, m);
    arena_free(a);
}
END_TEST

START_TEST(what_comes_first_may_differ) {
    arena *a = arena_new();
    const char *text = TEXT("%acc = buffer {space = importance, bytes = 64} : buffer\n");
    for (int i = 0; i < 4; i++)
        text = arena_printf(
            a,
            "%s%%p%d = buffer {space = probs, bytes = 9} : buffer\n"
            "importance %%p%d, %%acc {queue = topk, source = \"x\", layer = 0, head = %d, row = 0, rows = 8, "
            "first = %s}\n",
            text, i, i, i / 2, i ? "no" : "yes");
    /* buffers in another order than the operands' stay on lines of their own */
    ir_module *m = parse(a, text);
    read_back(a, m);
    ck_assert_ptr_nonnull(strstr(lines_of(a, m), "%importance0 = buffer {space = importance, bytes = 64} : buffer\n"));
    m = parse(
        a, TEXT("4x importance %p0..%p4:probs[9], %acc:importance[64, \"acc\"] {queue = topk, source = \"x\", layer = "
                "0, head = 0..2*2, row = 0, rows = 8, first = yes..no}\n"));
    ck_assert_uint_eq(m->op_count, 9);
    ck_assert_str_eq(
        lines_of(a, m),
        "4x importance %probs0..%probs4:probs[9], %importance0:importance[64, \"acc\"] {queue = topk, source = "
        "\"x\", layer = 0, head = 0..2*2, row = 0, rows = 8, first = yes..no}\n");
    read_back(a, m);
    arena_free(a);
}
END_TEST

START_TEST(layers_alike_are_one_block) {
    arena *a = arena_new();
    const char *text = TEXT();
    for (int layer = 0; layer < 5; layer++) {
        text = arena_printf(a,
                            "%s%%x%d = buffer {space = dram, bytes = 64} : buffer\n"
                            "host.act %%x%d, %%x%d {queue = host, source = \"layer.%d.act\", layer = %d, width = %d, "
                            "kind = gelu}\n",
                            text, layer, layer, layer ? layer - 1 : 0, layer, layer, 16);
        for (int head = 0; head < 3; head++)
            text =
                arena_printf(a,
                             "%s%%k%d.%d = buffer {space = k, bytes = %d} : buffer\n"
                             "load %%k%d.%d {queue = load, source = \"layer.%d.attention\", operand = k, layer = %d, "
                             "head = %d, row = 0, rows = 8}\n",
                             text, layer, head, 9 + layer, layer, head, layer, layer, head);
    }
    ir_module *m = parse(a, text);
    ck_assert_uint_eq(m->op_count, 40);
    ck_assert_str_eq(
        lines_of(a, m),
        "host.act %dram0:dram[64], %dram0 {queue = host, source = \"layer.0.act\", layer = 0, width = 16, kind = "
        "gelu}\n"
        "3x load %k0..%k3:k[9] {queue = load, source = \"layer.0.attention\", operand = k, layer = 0, head = 0..3, "
        "row = 0, rows = 8}\n"
        "4x { # layers 1..5\n"
        "host.act %dram1+1:dram[64], %dram0+1 {queue = host, source = \"layer.1.act\"+1, layer = 1+1, width = 16, kind "
        "= gelu}\n"
        "3x load %k3..%k6+3:k[10+1] {queue = load, source = \"layer.1.attention\"+1, operand = k, layer = 1+1, head = "
        "0..3, row = 0, rows = 8}\n"
        "}\n");
    read_back(a, m);
    arena_free(a);
}
END_TEST

START_TEST(what_does_not_count_on_is_written_out) {
    arena *a = arena_new();
    static const char *const odd[] = {"width = 17", "source = \"layer.7.act\"", "source = \"layer.2.ac\"",
                                      "kind = relu"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const char *text = TEXT("%x = buffer {space = dram, bytes = 64} : buffer\n");
        for (int layer = 0; layer < 4; layer++)
            text = arena_printf(a, "%shost.act %%x, %%x {queue = host, layer = %d%s%s%s%s}\n", text, layer,
                                layer == 2 && *odd[i] == 'w' ? ", width = 17" : ", width = 16",
                                layer == 2 && *odd[i] == 'k' ? ", kind = relu" : ", kind = gelu",
                                layer == 2 && *odd[i] == 's' ? ", " : "",
                                layer == 2 && *odd[i] == 's' ? odd[i]
                                                             : arena_printf(a, ", source = \"layer.%d.act\"", layer));
        ir_module *m = parse(a, text);
        ck_assert_msg(!strstr(lines_of(a, m), "x {"), "%s: %s", odd[i], lines_of(a, m));
        read_back(a, m);
    }
    arena_free(a);
}
END_TEST

START_TEST(mistakes_are_named) {
    arena *a = arena_new();
    static const char *const cases[][2] = {
        {"topk %a:importance[8] {layer = 0..2}", "0..2 counts up, which is for ops that are repeated; give one number"},
        {"3x topk %a:importance[8] {layer = 0..2}", "from 0 to 2 there are no 3 equal steps"},
        {"3x topk %a:importance[8] {layer = 0..2*2}", "3 times cannot be shared among 2 evenly"},
        {"3x topk %a:importance[8] {layer = 3*0}", "expected `..` and where it ends, found `}`"},
        {"1x topk %a:importance[8] {layer = 0}", "ops are repeated 2 to 4096 times"},
        {"99999999999999999999x topk %a:importance[8]", "ops are repeated 2 to 4096 times"},
        {"3x topk %a..%c:importance[8] {layer = 0}",
         "values that count up have numbers, and the same in front of them: %k0..%k12"},
        {"3x topk %a:importance[8] {layer = 0, queue = host..array3}",
         "queues that count up are arrays: array0..array12"},
        {"3x topk %a:importance[8] {layer = 0, queue = array3..array0}",
         "queues that count up are arrays: array0..array12"},
        {"topk %a:importance[8] {layer = 0, select = yes..no}",
         "`yes..no` is one word the first time and another later, which is for ops that are repeated"},
        {"topk %a:importance[8]\ntopk %a:importance[8]", "`%a` is defined twice; rename one"},
        {"topk %a:imp[8]",
         "`imp` is no word of `space`. The words are q, k, v, scores, probs, out, importance and dram"},
        {"topk %a:importance[8, 0, 0]", "expected `]`: a buffer has bytes, an address and a name, found `0`"},
        {"topk %a:importance[8] {source = ^}", "`^` repeats the `source` before it, but there is none; write one out"},
        {"3x seq = 4", "unknown op `seq`."},
        {"topk %a:importance[8] {layer = 0+1}",
         "`+` counts on from layer to layer, which is for ops in a block: `12x {`"},
        {"1x {\n}", "blocks are repeated 2 to 4096 times"},
        {"3x { topk %a:importance[8]\n}", "expected the end of the line, found `topk`"},
        {"3x {\ntopk %a:importance[8]\n", "the block that begins here has no end; write `}` behind its ops"},
        {"3x {\n2x {\n}\n}", "a block stands in no other block"},
        {"3x {\n%a = buffer {space = k, bytes = 1}\n}", "expected an op of the block, or `}`, found `%`"},
        {"3x {\ntopk %a:importance[8]\n}", "`%a` is defined twice; rename one"},
        {"3x {\ntopk %a+1:importance[8]\n}", "values that count on have numbers: %k0+12"},
        {"3x {\ntopk %a0+1:importance[8] {source = \"x\"+1}\n}",
         "there is no number of 1 to 9 digits in this text that could count on"},
        {"3x {\ntopk %a0+1:importance[8] {layer = 9223372036854775807+1}\n}", "no number is that large"},
        {"3x {\ntopk %a0+1:importance[8] {source = ^}\n}",
         "`^` repeats the `source` before it, but there is none; write one out"},
        {"| topk %a:importance[8]", "expected an op, found `|`"},
        {"2x topk %a:importance[8] {queue = array0..array2}\nmachine \"n\" {}",
         "queues have been counted up before; the machine, which says how many arrays there are, stands in front of "
         "them"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        diag *d = diag_new(a, NULL);
        const char *text = arena_printf(a, "dtir 1 schedule\n%s\n", cases[i][0]);
        ir_module *m = ir_parse(a, d, "t", text, strlen(text));
        ck_assert_msg(!m && diag_total(d) > 0, "%s is read", cases[i][0]);
        ck_assert_str_eq(diag_at(d, 0)->message, cases[i][1]);
    }
    arena_free(a);
}
END_TEST

/* ---- any ops ----------------------------------------------------------------------------------------------------- */

static const ir_opcode codes[] = {IR_I_LOAD, IR_I_QK, IR_I_SOFTMAX, IR_I_IMPORTANCE, IR_I_TOPK, IR_I_WAIT};

/** What happens to a number from one time to the next. */
typedef struct {
    unsigned first, step, period;
    bool cycles;
} course;

static int64_t at_time(const course *c, unsigned time) {
    return c->first + (int64_t)c->step * (c->cycles ? time % c->period : time / c->period);
}

/** Ops of a body, `times` times, each number on a course of its own, now and then off it. */
static void add_body(arena *a, ir_module *m, uint64_t *state) {
    enum { OPS = 4, PLACES = 16 };
    const unsigned ops = 1 + below(state, OPS), times = 1 + below(state, 9), noise = below(state, 4) ? 0 : 40;
    course courses[OPS][PLACES];
    ir_opcode body[OPS];
    for (unsigned o = 0; o < ops; o++) {
        body[o] = codes[below(state, sizeof codes / sizeof *codes - (m->level == IR_SCHEDULE))];
        for (unsigned p = 0; p < PLACES; p++)
            courses[o][p] = (course){below(state, 5), below(state, 3), 1 + below(state, 3), below(state, 4) == 0};
    }
    for (unsigned time = 0; time < times; time++)
        for (unsigned o = 0; o < ops; o++) {
            const ir_op_info *info = ir_info(body[o]);
            ir_value operands[4];
            for (int i = 0; i < info->operands; i++) {
                const bool fresh = m->value_count == 0 || below(state, 2) == 0;
                if (!fresh) {
                    operands[i] = (ir_value)((uint64_t)at_time(&courses[o][i], time) % m->value_count);
                    continue;
                }
                size_t buffer = ir_append(m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, (src_loc){0});
                ir_set_str(m, buffer, IR_KEY_space, below(state, 9) ? "k" : "v");
                ir_set_int(m, buffer, IR_KEY_bytes, at_time(&courses[o][4 + i], time));
                if (courses[o][8].first)
                    ir_set_int(m, buffer, IR_KEY_address, at_time(&courses[o][8 + i], time));
                if (below(state, 30) == 0)
                    ir_set_str(m, buffer, IR_KEY_name, "named");
                operands[i] = ir_result(m, buffer);
            }
            size_t op = ir_append(m, body[o], operands, (size_t)info->operands, (ir_type){0}, (src_loc){0});
            unsigned place = 0;
            for (unsigned key = 0; key < ir_key_count(); key++) {
                if (ir_key_need(body[o], key) == IR_NEVER)
                    continue;
                const course *c = &courses[o][place++ % PLACES];
                const int64_t now = at_time(c, time) + (noise && below(state, noise) == 0);
                ir_word words[IR_WORDS_MAX];
                size_t count;
                switch (ir_key_get(key)->kind) {
                case IR_KIND_INT:
                    ir_set_int(m, op, key, now);
                    break;
                case IR_KIND_QUEUE:
                    ir_set_int(m, op, key, c->step ? 5 + now % (int64_t)m->machine->vssa_arrays : c->first);
                    break;
                case IR_KIND_WORD:
                    count = ir_words(body[o], key, words);
                    const ir_word *word = &words[(size_t)(time ? c->first : c->step) % count];
                    ir_set_str(m, op, key, arena_strndup(a, word->text, word->length));
                    break;
                case IR_KIND_STR:
                    ir_set_str(m, op, key, c->first < 3 ? "one" : arena_printf(a, "%lld", (long long)now));
                    break;
                default:
                    break;
                }
            }
        }
}

/** Layers of one body, in which each number counts on by a step of its own, now and then not. */
static void add_layers(arena *a, ir_module *m, uint64_t *state) {
    enum { OPS = 3, PLACES = 16 };
    const unsigned ops = 1 + below(state, OPS), layers = 2 + below(state, 5), noise = below(state, 4) ? 0 : 40;
    unsigned first[OPS][PLACES], step[OPS][PLACES], each[OPS][PLACES], times[OPS];
    bool twisted[OPS]; /* one of its heads counts on by other steps */
    ir_opcode body[OPS];
    for (unsigned o = 0; o < ops; o++) {
        body[o] = codes[below(state, sizeof codes / sizeof *codes - 1)];
        times[o] = 1 + below(state, 4);
        twisted[o] = below(state, 4) == 0;
        for (unsigned p = 0; p < PLACES; p++) {
            first[o][p] = below(state, 5);
            step[o][p] = below(state, 3);
            each[o][p] = below(state, 3);
        }
    }
    for (unsigned at = 0; at < layers * ops; at++) {
        const unsigned layer = at / ops, o = at % ops;
        for (unsigned time = 0; time < times[o]; time++) {
            const ir_op_info *info = ir_info(body[o]);
            ir_value operands[4];
            for (unsigned i = 0; i < (unsigned)info->operands; i++) {
                size_t buffer = ir_append(m, IR_BUFFER, NULL, 0, (ir_type){.elem = IR_ELEM_BUFFER}, (src_loc){0});
                ir_set_str(m, buffer, IR_KEY_space, "k");
                ir_set_int(m, buffer, IR_KEY_bytes, first[o][i] + step[o][i] * layer + each[o][i] * time);
                if (first[o][8])
                    ir_set_int(m, buffer, IR_KEY_address, first[o][8 + i] + step[o][8 + i] * layer);
                operands[i] = ir_result(m, buffer);
            }
            const size_t op = ir_append(m, body[o], operands, (size_t)info->operands, (ir_type){0}, (src_loc){0});
            unsigned place = 0;
            for (unsigned key = 0; key < ir_key_count(); key++) {
                if (ir_key_need(body[o], key) == IR_NEVER)
                    continue;
                const unsigned p = place++ % PLACES;
                const int64_t now = first[o][p] + (step[o][p] + (twisted[o] && time == 1)) * layer +
                                    (noise && below(state, noise) == 0);
                ir_word words[IR_WORDS_MAX];
                size_t count;
                switch (ir_key_get(key)->kind) {
                case IR_KIND_INT:
                    ir_set_int(m, op, key,
                               strcmp(ir_key_get(key)->name, "layer") == 0 ? (int64_t)layer : now + each[o][p] * time);
                    break;
                case IR_KIND_QUEUE:
                    ir_set_int(m, op, key, first[o][p]);
                    break;
                case IR_KIND_WORD:
                    count = ir_words(body[o], key, words);
                    const ir_word *word = &words[(first[o][p] + (noise && below(state, noise) == 0)) % count];
                    ir_set_str(m, op, key, arena_strndup(a, word->text, word->length));
                    break;
                case IR_KIND_STR:
                    ir_set_str(m, op, key, first[o][p] < 2 ? "one" : arena_printf(a, "l.%lld.%u", (long long)now, p));
                    break;
                default:
                    break;
                }
            }
        }
    }
}

START_TEST(any_layers_read_back) {
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("DTQ_SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    uint64_t state = seed;
    size_t blocks = 0;
    for (int round = 0; round < 60; round++) {
        arena *a = arena_new();
        ir_module *m = ir_module_new(a, below(&state, 2) ? IR_SCHEDULE : IR_STREAM);
        m->machine->vssa_arrays = 1 + below(&state, 5);
        add_layers(a, m, &state);
        if (below(&state, 2))
            add_layers(a, m, &state);
        blocks += strstr(lines_of(a, read_back(a, m)), "x {") != NULL;
        arena_free(a);
    }
    ck_assert_msg(blocks > 5, "seed %llu: only %zu blocks; nothing has been tried", (unsigned long long)seed, blocks);
}
END_TEST

START_TEST(any_ops_read_back) {
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("DTQ_SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    uint64_t state = seed;
    size_t repeats = 0;
    for (int round = 0; round < 60; round++) {
        arena *a = arena_new();
        ir_module *m = ir_module_new(a, below(&state, 2) ? IR_SCHEDULE : IR_STREAM);
        m->machine->vssa_arrays = 1 + below(&state, 5);
        for (unsigned bodies = 1 + below(&state, 4); bodies > 0; bodies--)
            add_body(a, m, &state);
        ir_module *back = read_back(a, m);
        for (const char *at = lines_of(a, back); (at = strstr(at, "x ")); at++)
            repeats++;
        arena_free(a);
    }
    ck_assert_msg(repeats > 10, "seed %llu: only %zu repeats; nothing has been tried", (unsigned long long)seed,
                  repeats);
}
END_TEST

IR_MAIN("fold", heads_alike_are_one_op, what_comes_first_may_differ, layers_alike_are_one_block,
        what_does_not_count_on_is_written_out, mistakes_are_named, any_ops_read_back, any_layers_read_back)
