/* Facts of layers, strips and instructions: each case changes one thing of a good module. */
#include "ir_util.h"

/* `text` with the first occurrence of `from` replaced. */
static const char *with(arena *a, const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    ck_assert_msg(at, "the case changes nothing: %s", from);
    return arena_printf(a, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

typedef struct {
    const char *from, *to, *message;
} change;

static void check_changes(const char *good, const change *changes, size_t count) {
    arena *a = arena_new();
    ck_assert_str_eq(ir_messages(a, good), "");
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(ir_messages(a, with(a, good, changes[i].from, changes[i].to)), changes[i].message);
    arena_free(a);
}

#define CHECK_CHANGES(good, changes) check_changes(good, changes, sizeof(changes) / sizeof(changes)[0])

#define STREAMS "window = 3, kept = 2, near_bits = 8, far_bits = 4"
#define WRONG_NUMBERS(op, window, kept, near, far)                                                                     \
    "`" op "`: it streams with `window` " window ", `kept` " kept ", `near_bits` " near " and `far_bits` " far         \
    "; a window has 1 to 65536 tokens and keeps no more than it has, and bits are 4 or 8"

START_TEST(streamed_facts) {
    static const char good[] =
        "dtir 1 graph\nseq = 9\n%x = input {name = \"x\"} : f32[9, 8]\n"
        "%y = attention %x, %x, %x {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = causal, "
        "importance_rule = streamed, " STREAMS ", token_bits = [9*8], cluster = none, promote = none} : f32[9, 8]\n";
    static const change changes[] = {
        {"window = 3, ", "", "`attention`: `importance_rule = streamed` needs `window`, which is missing"},
        {", far_bits = 4", "", "`attention`: `importance_rule = streamed` needs `far_bits`, which is missing"},
        {"window = 3", "window = 0", WRONG_NUMBERS("attention", "0", "2", "8", "4")},
        {"window = 3", "window = 4294967299", WRONG_NUMBERS("attention", "4294967299", "2", "8", "4")},
        {"kept = 2", "kept = 4", WRONG_NUMBERS("attention", "3", "4", "8", "4")},
        {"near_bits = 8", "near_bits = 264", WRONG_NUMBERS("attention", "3", "2", "264", "4")},
        {"far_bits = 4", "far_bits = 3", WRONG_NUMBERS("attention", "3", "2", "8", "3")},
        {"near_bits = 8", "near_bits = 4", "`attention`: `token_bits` has a run of 8 bits, but its `near_bits` are 4"},
        {"rule = streamed", "rule = mean",
         "`attention`: `window` is of `importance_rule = streamed`, but its rule is `mean`; remove it"},
        {"mask = causal", "mask = none", "`attention`: `mask` is `none`, but a layer that streams has `causal`"},
        {"cluster = none", "cluster = low-first",
         "`attention`: `cluster` is `low-first`, but a layer that streams has `none`"},
        {"cluster = none", "cluster = none, pinned = [3]",
         "`attention`: it streams, and `window` and `kept` say which keys stay; remove `pinned`"},
        {"cluster = none", "cluster = none, ratios = [0, 0, 1000000000]",
         "`attention`: it streams, and `window` and `kept` say which keys stay; remove `ratios`"},
        {"cluster = none", "cluster = none, slots = 8",
         "`attention`: `slots` is 8, but in a layer that streams all 9 tokens are active"},
        {"cluster = none", "cluster = none, slots = 9, ids = [1, 0, 2, 3, 4, 5, 6, 7, 8]",
         "`attention`: token 1 is in slot 0, but a layer that streams has tokens in their order"}};
    CHECK_CHANGES(good, changes);
}
END_TEST

START_TEST(streamed_blocks) {
    static const char good[] =
        "dtir 1 tile\nseq = 5\n%x = input {name = \"x\"} : f32[5, 4]\n"
        "%i = tile.select {index = 0, slots = 5, high = 5, order = original, ids = [0, 1, 2, 3, 4]} : ids[5]\n"
        "%y = tile.attention %x, %x, %x, %i {index = 0, query_heads = 1, kv_heads = 1, head_dim = 4, mask = causal, "
        "importance_rule = streamed, slots = 5, high = 5, order = original, static_bits = yes, segments = [5*8], "
        "q_bits = [5*8], k_bits = [5*8], v_bits = [5*8], p_bits = [5*8], window = 2, kept = 1, near_bits = 8, "
        "far_bits = 4} : f32[5, 4]\n"
        "tile.block {slot_range = 0..2, key_range = 0..2, far_keys = 0}\n"
        "tile.block {slot_range = 2..4, key_range = 0..4, far_keys = 0}\n"
        "tile.block {slot_range = 4..5, key_range = 2..5, far_keys = 0}\n";
    static const change changes[] = {
        {"window = 2", "window = 0", WRONG_NUMBERS("tile.attention", "0", "1", "8", "4")},
        {"kept = 1", "kept = 9223372036854775807",
         WRONG_NUMBERS("tile.attention", "2", "9223372036854775807", "8", "4")},
        {"kept = 1", "kept = 2", "`tile.block`: block 2 of its layer is slots 4..5 with keys 2..5 and 1 far ones"},
        {"window = 2", "window = 5",
         "`tile.block`: block 0 of its layer is slots 0..5 with keys 0..5 and 0 far ones\n"
         "`tile.block`: it stands behind the last block of a layer that streams"},
        {"importance_rule = streamed", "importance_rule = streamed, queries = 5",
         "`tile.attention`: it has `queries`, but the arrays do not stream from a cache; host code does"},
        {"tile.block {slot_range = 4..5, key_range = 2..5, far_keys = 0}\n", "",
         "`tile.attention`: it streams in 3 blocks of 2 tokens, and the `tile.block` of block 2 is missing"},
    };
    CHECK_CHANGES(good, changes);
}
END_TEST

START_TEST(attention_facts) {
    static const char good[] =
        "dtir 1 graph\nseq = 9\n%x = input {name = \"x\"} : f32[9, 8]\n"
        "%y = attention %x, %x, %x {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
        "importance_rule = mean, ratios = [1, 2, 999999997], counts = [2, 4, 3], token_bits = [2*0, 4*4, 3*8], pinned "
        "= [6, "
        "7], "
        "slots = 7, high = 3, order = low-first, static_bits = yes, segments = [4*4, 3*8], "
        "ids = [2, 3, 4, 5, 6, 7, 8], q_bits = [7*8]} : f32[9, 8]\n";
    static const change changes[] = {
        {"index = 0", "index = 4096", "`attention`: `index` is 4096; layers are numbered from 0 to 4095"},
        {"kv_heads = 2", "kv_heads = 0",
         "`attention`: k has type f32[9, 8], but must have 0 columns\n`attention`: v has type f32[9, 8], but must have "
         "0 "
         "columns\n`attention`: it has 2 query heads and 0 key/value heads of 4 channels; there are 1 to 4096 heads of "
         "1 to "
         "65536"},
        {"index = 0", "index = 1",
         "`attention`: `index` is 1, but layers are numbered 0, 1, 2, ... in the order in which they stand; this one "
         "is "
         "0"},
        {"%x = input {name = \"x\"} : f32[9, 8]", "%x = input {name = \"x\"} : f32[1, 8]",
         "`input`: it has type f32[1, 8], but the input has 9 tokens (`seq`), and a row for each"},
        {"%x = input {name = \"x\"} : f32[9, 8]", "%x = input {name = \"x\"} : f32[9, 2, 4]",
         "`input`: it has type f32[9, 2, 4]; an input is token numbers, u32[9], or rows of floats, f32[9, width]\n"
         "`attention`: q has type f32[9, 2, 4], but must have 8 columns\n"
         "`attention`: k has type f32[9, 2, 4], but must have 8 columns\n"
         "`attention`: v has type f32[9, 2, 4], but must have 8 columns"},
        {"[1, 2, 999999997]", "[1, 2]", "`attention`: `ratios` has 2 numbers; it has 3, for 0, 4 and 8 bits"},
        {"[1, 2, 999999997]", "[1, 2, 1000000001]",
         "`attention`: `ratios` has a 1000000001; each is between 0 and 1000000000"},
        {"[1, 2, 999999997]", "[1, 2, 3]", "`attention`: `ratios` do not sum to the 1000000000 parts of 10^9"},
        {"[2, 4, 3]", "[2, 4]", "`attention`: `counts` has 2 numbers; it has 3, for 0, 4 and 8 bits"},
        {"[2, 4, 3]", "[2, 4, 9223372036854775807]",
         "`attention`: `counts` has a 9223372036854775807; each is between 0 and 9"},
        {"[2, 4, 3]", "[-3, 6, 6]", "`attention`: `counts` has a -3; each is between 0 and 9"},
        {"[2, 4, 3]", "[2, 4, 4]", "`attention`: `counts` do not sum to the 9 tokens of the input"},
        {"[2*0, 4*4, 3*8]", "[2*0, 7*6]", "`attention`: `token_bits` has a run of 6 bits; a precision is 0, 4 or 8"},
        {"[2*0, 4*4, 3*8]", "[2*0, 4*4]", "`attention`: `token_bits` describes 6 tokens, but there are 9"},
        {"[6, 7]", "[7, 6]", "`attention`: `pinned` must be tokens of the input (0 to 8), ascending"},
        {"[6, 7]", "[9]", "`attention`: `pinned` must be tokens of the input (0 to 8), ascending"},
        {"high = 3", "high = 8", "`attention`: `high` is 8, more than its 7 slots"},
        {"slots = 7, ", "",
         "`attention`: `segments` needs `slots`, which is missing\n`attention`: `q_bits` needs `slots`, which is "
         "missing\n"
         "`attention`: `ids` has 7 tokens, but there are 0 slots"},
        {"low-first", "high-first",
         "`attention`: `segments` is [4*4, 3*8], but 7 slots, 3 of them at 8 bits, high-first make [3*8, 4*4]"},
        {"[4*4, 3*8]", "[4*4, 3*0]",
         "`attention`: `segments` has a run of 0 bits; a precision is 4 or 8\n"
         "`attention`: `segments` is [4*4, 3*0], but 7 slots, 3 of them at 8 bits, low-first make [4*4, 3*8]"},
        {"ids = [2, 3", "ids = [2, 2", "`attention`: token 2 of `ids` is there twice"},
        {"ids = [2, 3", "ids = [2, -3", "`attention`: token -3 of `ids` is no token of the input"},
        {"ids = [2, 3", "ids = [2", "`attention`: `ids` has 6 tokens, but there are 7 slots"},
        {"[7*8]", "[8*8]", "`attention`: `q_bits` describes 8 tokens, but there are 7"},
    };
    CHECK_CHANGES(good, changes);
}
END_TEST

START_TEST(strip_facts) {
    static const char good[] =
        "dtir 1 tile\nseq = 9\n%x = input {name = \"x\"} : f32[9, 8]\n"
        "%i = tile.select {index = 0, slots = 9, high = 0, order = low-first, ids = [0, 1, 2, 3, 4, 5, 6, 7, 8]} : "
        "ids[9]\n"
        "%a = tile.attention %x, %x, %x, %i {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
        "importance_rule = mean, slots = 9, high = 0, order = low-first, static_bits = yes, segments = [9*4]} : f32[9, "
        "8]\n"
        "tile.qk {slot_range = 0..9, key_range = 0..9, steps = 4, tiles = [1*1]}\n"
        "tile.softmax {slot_range = 0..9, key_range = 0..9}\n"
        "tile.importance {slot_range = 0..9, key_range = 0..9}\n"
        "tile.pv {slot_range = 0..9, key_range = 0..9}\n"
        "tile.topk\n"
        "%j = tile.select %a {index = 1, slots = 5, high = 0, order = low-first} : ids[5]\n"
        "%b = tile.attention %a, %a, %a, %j {index = 1, query_heads = 2, kv_heads = 2, head_dim = 4, mask = none, "
        "importance_rule = mean, slots = 5, high = 0, order = low-first, static_bits = yes, segments = [5*4]} : f32[9, "
        "8]\n"
        "tile.qk {slot_range = 0..5, key_range = 0..5}\n"
        "tile.softmax {slot_range = 0..5, key_range = 0..5}\n"
        "tile.importance {slot_range = 0..5, key_range = 0..5}\n"
        "tile.pv {slot_range = 0..5, key_range = 0..5, steps = 5}\n"
        "tile.topk\n";
    static const change changes[] = {
        {"tile.topk\n%j", "tile.topk\ntile.block {slot_range = 0..9, key_range = 0..9, far_keys = 0}\n%j",
         "`tile.block`: it stands in a layer whose `importance_rule` is not `streamed`"},
        {"slot_range = 0..9", "slot_range = 0..10",
         "`tile.qk`: `slot_range` is 0..10, but the queries of its layer are slots 0..9"},
        {"tile.qk {slot_range = 0..5, key_range = 0..5", "tile.qk {slot_range = 0..5, key_range = 0..6",
         "`tile.qk`: `key_range` is 0..6, but a strip meets all keys of its layer, slots 0..5"},
        {"tile.pv {slot_range = 0..5, key_range = 0..5", "tile.pv {slot_range = 0..5, key_range = 5..5",
         "`tile.pv`: `key_range` is 5..5, but a strip meets all keys of its layer, slots 0..5\n"
         "`tile.pv`: `key_range` is 5..5; a range begins at 0 or later and is not empty"},
        {"tile.softmax {slot_range = 0..5", "tile.softmax {slot_range = 0..4",
         "`tile.softmax`: `slot_range` is 0..4, but its strip is slots 0..5"},
        {"tile.importance {slot_range = 0..5, key_range = 0..5}\n", "",
         "`tile.pv`: a strip is `tile.qk`, `tile.softmax`, `tile.importance` and `tile.pv`, in this order; "
         "`tile.importance` is missing"},
        {"steps = 5}\ntile.topk\n", "steps = 5}\n", "`tile.attention`: its strips must end with a `tile.topk`"},
        {"steps = 5}\n", "steps = 5, turned = yes}\n",
         "`tile.pv`: its rows lie along the array's columns, those of its `tile.qk` along the rows; turn both or none"},
        {"[1*1]", "[]", "`tile.qk`: `tiles` is empty; a strip has at least one tile"},
        {"steps = 5", "steps = 0", "`tile.pv`: `steps` is 0; a tile has at least one step"},
        {"%a, %a, %a, %j", "%a, %a, %a, %i", "`tile.attention`: operand 4 must be the `tile.select` of layer 1"},
        {"tile.select %a {index = 1, slots = 5", "tile.select %a {index = 1, slots = 6",
         "`tile.select`: its result has type ids[5], but there are 6 slots\n"
         "`tile.attention`: it has other `slots` than its `tile.select`"},
        {"tile.select %a", "tile.select %x",
         "`tile.select`: layer 1 selects by the importance of the layer before, so its operand must be the "
         "`tile.attention` of layer 0"},
        {"tile.select %a", "tile.select %a, %a, %a",
         "`tile.select`: it has 3 operands, but takes the layer before, or q and k of its own layer"},
        {"tile.select %a", "tile.select %a, %a",
         "`tile.attention`: its `tile.select` chooses by q and k, which only the rules `probe` and `late` "
         "do, and each with `_heads`"},
        {"%j {index = 1", "%j {index = 0",
         "`tile.attention`: layer 0 is there twice; give this one another `index`\n`tile.attention`: operand 4 must be "
         "the `tile.select` of layer 0\n`tile.qk`: `key_range` is 0..5, but a strip meets all keys of its layer, slots "
         "0..9"},
    };
    CHECK_CHANGES(good, changes);
}
END_TEST

/* Rows of a step are the queries of its layer: of nine slots, 7 at 4 bits in front, the last of all or of the high
 * ones.
 */
START_TEST(cut_facts) {
    static const char good[] =
        "dtir 1 tile\nseq = 9\ntensor \"w\" {dtype = synthetic, rows = 6, cols = 8, seed = 1, mean = 0, scale = 1}\n"
        "%x = input {name = \"x\"} : f32[9, 8]\n"
        "%p = linear %x {tensor = \"w\", outputs = 6, arithmetic = mixed, row_edges = [7, 8, 9], turned_chunks = [0, "
        "1], "
        "output_block = [2, 3], input_block = 8, outer = rows} : f32[9, 6]\n"
        "%i = tile.select {index = 0, slots = 9, high = 2, order = low-first, ids = [0, 1, 2, 3, 4, 5, 6, 7, 8]} : "
        "ids[9]\n"
        "%a = tile.attention %x, %x, %x, %i {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = causal, "
        "importance_rule = mean, slots = 9, high = 2, queries = 2, order = low-first, static_bits = yes, segments = "
        "[7*4, 2*8]} : f32[9, 8]\n"
        "tile.qk {slot_range = 7..9, key_range = 0..9}\n"
        "tile.softmax {slot_range = 7..9, key_range = 0..9}\n"
        "tile.importance {slot_range = 7..9, key_range = 0..9}\n"
        "tile.pv {slot_range = 7..9, key_range = 0..9}\n"
        "tile.topk\n";
    static const change changes[] = {
        {"[7, 8, 9]", "[0, 4, 9]", "`linear`: `row_edges` must rise from 7 to 9, the query slots of its layer"},
        {"input_block = 8", "input_block = 4294967296",
         "`linear`: `input_block` is 4294967296; it is between 1 and the 8 inputs"},
        {"output_block = [2, 3], ", "", "`linear`: it has `outer`, but not `output_block`; tile-linears sets both"},
        {"f32[9, 8]\n%p", "?\n%p",
         "`input`: it has type ?; an input is token numbers, u32[9], or rows of floats, f32[9, width]\n"
         "`linear`: it is cut into blocks, but its inputs are not known; run infer-shapes before"},
    };
    CHECK_CHANGES(good, changes);
    static const char alone[] =
        "dtir 1 graph\nseq = 9\ntensor \"w\" {dtype = synthetic, rows = 6, cols = 8, seed = 1, mean = 0, scale = 1}\n"
        "%x = input {name = \"x\"} : f32[9, 8]\n"
        "%p = linear %x {tensor = \"w\", outputs = 6, arithmetic = mixed} : f32[9, 6]\n";
    static const change cut[] = {
        {"mixed",
         "mixed, row_edges = [0, 9], turned_chunks = [0], output_block = [2, 0], input_block = 8, outer = rows",
         "`linear`: it is cut into blocks, but there is no `tile.attention` whose rows it has"},
    };
    CHECK_CHANGES(alone, cut);
}
END_TEST

START_TEST(instruction_facts) {
    static const char good[] =
        "dtir 1 stream\nseq = 9\nmachine \"m\" { buffers.q = 100 }\n%d = buffer {space = dram, bytes = 576} : buffer\n"
        "layer %d, %d, %d, %d, %d, %d, %d, %d {index = 0, slots = 9, high = 2, query_heads = 4, kv_heads = 2, head_dim "
        "= 4, "
        "mask = none, importance_rule = mean, order = low-first, static_bits = yes, segments = [7*4, 2*8]}\n"
        "%q = buffer {space = q, bytes = 64, address = 36} : buffer\n"
        "%k = buffer {space = k, bytes = 64} : buffer\n"
        "%acc = buffer {space = importance, bytes = 72} : buffer\n"
        "load %q {queue = load, operand = q, layer = 0, head = 3, row = 0, rows = 9, start = 5, busy = 3, done = 8}\n"
        "load %k {queue = load, operand = k, layer = 0, head = 1, row = 4, rows = 5}\n"
        "topk %acc {queue = topk, layer = 0, select = no}\n"
        "signal {queue = topk, to = array0, untimed = no}\n";
    static const change changes[] = {
        {"address = 36", "address = 37", "`buffer`: it ends at byte 101 of `q`, which has 100 bytes"},
        {"address = 36", "address = 9223372036854775807",
         "`buffer`: it ends at byte 9223372036854775871 of `q`, which has 100 bytes"},
        {"bytes = 72", "bytes = 0", "`buffer`: it has no bytes"},
        {"space = k", "space = v", "`load`: operand 1, dst is a buffer in `v`; it must be in `k`"},
        {"space = dram", "space = k",
         "`layer`: operand 1 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 2 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 3 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 4 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 5 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 6 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 7 is a buffer in `k`; it must be in `dram`\n"
         "`layer`: operand 8 is a buffer in `k`; it must be in `dram`"},
        {"head = 3", "head = 4", "`load`: `head` is 4, but layer 0 has 4 of them, numbered from 0"},
        {"head = 1", "head = 2", "`load`: `head` is 2, but layer 0 has 2 of them, numbered from 0"},
        {"row = 4", "row = 5", "`load`: slots 5..10 (`row`, `rows`) are not in the 9 slots of layer 0"},
        {"rows = 5", "rows = 0", "`load`: slots 4..4 (`row`, `rows`) are not in the 9 slots of layer 0"},
        {"queue = load", "queue = store", "`load`: queue store cannot execute it; it belongs to load"},
        {"operand = k, layer = 0", "operand = k, layer = 1",
         "`load`: layer 1 is not declared; add a `layer` op with `index = 1`"},
        {"select = no", "select = yes",
         "`topk`: it selects for the layer after its own, which is not declared; set `select = no`"},
        {"to = array0", "to = topk", "`signal`: queue topk would wait for itself; tokens go from one queue to another"},
        {"bytes = 576", "bytes = 575",
         "`layer`: operand 7, for its output, has 575 bytes; 9 tokens with 4 query heads and 2 key/value heads of 4 "
         "channels need 576"},
        {"query_heads = 4, kv_heads = 2", "query_heads = 6, kv_heads = 2",
         "`layer`: operand 7, for its output, has 576 bytes; 9 tokens with 6 query heads and 2 key/value heads of 4 "
         "channels need 864"},
        {"done = 8", "done = 7", "`load`: `done` is before `start` + `busy`"},
        {"{index = 0", "{index = 1",
         "`layer`: `index` is 1, but layers are numbered 0, 1, 2, ... in the order in which they stand; this one is 0\n"
         "`load`: layer 0 is not declared; add a `layer` op with `index = 0`\n"
         "`load`: layer 0 is not declared; add a `layer` op with `index = 0`\n"
         "`topk`: layer 0 is not declared; add a `layer` op with `index = 0`"},
    };
    CHECK_CHANGES(good, changes);
}
END_TEST

IR_MAIN("verify_facts", attention_facts, streamed_facts, streamed_blocks, strip_facts, cut_facts, instruction_facts)
