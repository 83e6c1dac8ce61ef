
#include "isa_util.h"
#include "runtime/isa/hazards.h"
#include "runtime/isa/isa.h"
#include "runtime/machine_members.h"

#define GOOD DTQC_SOURCE_DIR "/tests/isa/good/"

static void check_good(const char *path) {
    if (strstr(path, "corners"))
        return; /* text that no machine can run */
    dtq_program *p = assemble_file(path);
    dtq_error e = {0};
    for (size_t i = 0; i < p->stream_count; i++)
        ck_assert_msg(dtq_verify(p, &p->streams[i], &e), "%s: %s", path, e.message);
    dtq_program_free(p);
}

START_TEST(good_streams_verify) {
    ck_assert_int_ge(each_dtasm("good", check_good), 4);
}
END_TEST

/* The text with `from` (which is there) replaced by `to`. */
static char *replaced(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    ck_assert_msg(at, "no '%s'", from);
    size_t room = strlen(text) + strlen(to) + 1;
    char *out = malloc(room);
    snprintf(out, room, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

/* One edit of a good stream, and what the verifier says to it. */
typedef struct {
    const char *file, *from, *to, *words;
} edit;

static const edit edits[] = {
    /* fields */
    {"attention", "operand=q layer=0", "operand=q layer=1", "layer 1 of 1"},
    {"attention", "store: store layer=0 head=0", "store: store layer=0 head=1", "head 1 of 1"},
    {"attention", "row=0 rows=6 dst", "row=1 rows=6 dst", "row + rows exceeds the layer's 6 slots"},
    {"attention", "row=0 rows=6 dst", "row=0 rows=0 dst", "rows is 0"},
    {"attention", "row=0 rows=6 col=0 cols=6 q", "row=0 rows=6 col=3 cols=4 q",
     "col + cols exceeds the layer's 6 slots"},
    {"attention", "array0: wait", "array2: wait", "the machine has 2 arrays"},
    {"attention", "to=array0 ", "to=array9 ", "the machine has 2 arrays"},
    {"attention", "row=0 rows=6 dst=0x0", "row=0 rows=6 dst=0xffff0", "leave q, which has 1048576"},
    {"attention", "q=0x0 k=0x0 s=0x0", "q=none k=0x0 s=0x0", "leave q, which has 1048576"},
    {"attention", "dram=0x280", "dram=0x26f", "layer 0: importance_at at 0x240 takes 48 bytes"},
    {"attention", "importance_at=0x240", "importance_at=0x23c", "not aligned to 8"},
    {"attention", "src=0x60", "src=0x62", "src is not aligned to 4 bytes"},
    {"attention", "output_width=4", "output_width=5", "the output is 5 wide, the heads together 4"},
    {"attention", "input_v=0xc0", "input_v=0x27c", "an input at 0x27c takes 96 bytes"},
    {"attention", ".ids 0 2..4 1 5", ".ids 0 2..3 1 4..5", "ids do not ascend within a cluster"},
    {"attention", ".ids 0 2..4 1 5", ".ids 0 2..4 5 1", "ids do not ascend within a cluster"},
    {"attention", "mode=full layer=0 head=0 row=0 rows=6 col=0 cols=6",
     "mode=full layer=0 head=0 row=0 rows=6 col=0 cols=5", "mode=full takes all 6 key slots"},
    {"attention", "mode=full", "mode=wmax", "mode=wmax is for causal layers"},
    {"attention", "cols=6 p=0x40 v=0x0", "cols=5 p=0x40 v=0x0", "flags=only takes all key slots"},
    {"attention", "high=2", "high=2 muted=2", "row + rows leaves the layer's keys, slots 2 to 5"},
    {"attention", "order=low_first", "muted=2 order=high_first", "row + rows leaves the layer's keys, slots 0 to 3"},
    {"attention", "high=2", "high=2 key_only=4 cached=yes causal=yes",
     "its queries are not the newest tokens, whose rows the run computes"},
    {"attention", "select=no", "select=yes", "there is no layer to select for"},
    {"encoder", "position=\"position\"", "position=$11", "position is tensor 11 of 10"},
    {"encoder", "word=\"word\"", "word=none", "word cannot be none"},
    {"encoder", "gamma=\"gamma\"", "gamma=\"word\"", "gamma is [10][4], not [1][4]"},
    {"encoder", "bias=\"proj.bias\"", "bias=\"word\"", "bias is [10][4], not [1][4]"},
    {"encoder", "position=\"position\"", "position=\"gamma\"", "position is [1][4], not [6 or more][4]"},
    {"encoder", "vocabulary=10", "vocabulary=11", "word is [10][4], not [11 or more][4]"},
    {"encoder", "bytes=4096", "bytes=255", "tensor \"proj.weight\" leaves its file"},
    {"encoder", "dst=0x60 src=0x0 weight", "dst=0x40 src=0x0 weight", "what it writes overlaps what it reads"},
    {"encoder", "dst=0x60 src=0x0 weight", "dst=0x0 src=0x0 weight", "what it writes overlaps what it reads"},
    {"encoder", "dst=0x0 src=0x0 gamma", "dst=0x4 src=0x0 gamma", "what it writes overlaps what it reads"},
    {"encoder", "dst=0x3a0 src=0x340", "dst=0x3f4 src=0x340", "leave DRAM, which has 1024"},
    {"encoder", "s=0x100 v=0x0", "s=0x100 v=none", "a causal layer folds the scales of v into p"},
    {"encoder", ".ids 0..5\n", "", "layer 0: its 6 tokens have no ids"},
    {"encoder", "layer=0 select=yes", "layer=1 select=yes", "there is no layer to select for"},
    /* linears on the arrays */
    {"linears", "input=4 depth=4 width=8", "input=4 depth=6 width=8", "inputs 4 + 6 leave the linear's 8"},
    {"linears", "input=4 depth=4 width=8", "input=3 depth=4 width=8", "the first input is not even"},
    {"linears", "output=5 cols=3 input=0", "output=6 cols=3 input=0", "outputs 6 + 3 leave the linear's 8"},
    {"linears", "cols=5 input=4 depth=4", "cols=5 input=6 depth=4", "inputs 6 + 4 leave the linear's 8"},
    {"linears", "output=5 cols=3 width=8", "output=6 cols=3 width=8", "outputs 6 + 3 leave the linear's 8"},
    {"linears", "weight=\"weight\" bias=\"bias\" @", "weight=\"weight\" bias=\"words\" @",
     "(host: host.codes layer=0 dst=0x440 src=0x300 codes=0x3c0 weight=$1 bias=$0): bias is [10][8]"},
    {"linears", "bias=\"bias\" output=0", "bias=\"words\" output=0", "bias is [10][8], not [1][8]"},
    {"linears", "flags=first row=0 rows=3 cols=5", "flags=first row=0 rows=3 cols=0", "cols is 0"},
    {"linears", "dst=0x440 src=0x300 codes", "dst=0x300 src=0x300 codes", "what it writes overlaps what it reads"},
    {"linears", "src=0x300 codes=0x3c0 weight", "src=0x300 codes=0x4d0 weight", "leave DRAM, which has 1280"},
    {"linears", "x=0x48 @", "x=0xb8 @", "leave q, which has 192"},
    {"linears", "w=0x60 @", "w=0x68 @", "leave k, which has 192"},
    {"linears", "o=0x40 turned=yes", "o=0xe0 turned=yes", "leave out, which has 256"},
    {"linears", "row=3 rows=2 input=0", "row=4 rows=2 input=0", "row + rows exceeds the layer's 5 slots"},
    {"linears", "flags=first row=0 rows=3 cols=5", "flags=middle row=0 rows=3 cols=5",
     "reads out at 0x0 before anything has written it"},
    /* what is there before and after the run */
    {"attention", "input_k=0x60", "input_k=0x40", "inputs q and k overlap in DRAM"},
    {"attention", "output_at=0x1e0", "output_at=0x0", "the output lies where input q is"},
    {"attention", "dram=0x280 input=qkv input_k=0x60 input_v=0xc0 output=attention output_at=0x1e0",
     "dram=0x380 input=qkv input_k=0x60 input_v=0xc0 output=attention output_at=0x300", "nothing writes the output"},
    {"attention", "importance_at=0x240", "importance_at=0x1e8",
     "the output and the importance of layer 0 overlap in DRAM"},
    {"attention", "  topk: topk layer=0 select=no acc=0x0", "  # none:", "nothing writes the importance of layer 0"},
    {"attention", "  store: store layer=0 head=0 row=0 rows=6 o=0x0", "  # none:", "nothing writes the output"},
    {"encoder", "pool layer=1 kind=mean width=4 dst=0x3a0", "pool layer=1 kind=mean width=4 dst=0x3c0",
     "instruction 68 (host: host.normalize width=4 dst=0x3c0 src=0x3a0) reads DRAM at 0x3a0 before anything"},
    {"encoder", "dst=0x3c0 src=0x3a0", "dst=0x3a0 src=0x3a0", "nothing writes the output"},
    {"encoder", "dst=0x1e0 src=0x1e0", "dst=0x3a0 src=0x1e0", "over the output, 16 bytes at 0x3c0"},
    {"encoder", "importance_at=0x3d0", "importance_at=0x240",
     "the importance of layer 0 and the importance of layer 1 overlap"},
    /* what a layer's regions and blocks hold */
    {"attention", "v_scale=0x1c0", "v_scale=0x160", "two things that it writes overlap in DRAM"},
    {"attention", "k=0x140", "k=0x120",
     "must find codes and scales that host.quant made of its layer and operand, but "
     "instruction 1 (host: host.quant layer=0 operand=k src=0x60) wrote it last"},
    {"attention", "k_scale=0x1a0", "k_scale=0x128", "must find codes and scales"},
    {"attention", "out=0x1e0 ", "out=0x180 ", "nothing writes the output"},
    {"attention", "src=0x60", "src=0x64", "must find a matrix of this place and size, but several instructions wrote"},
    {"attention", "operand=k src=0x60", "operand=k src=0x1e0", "reads DRAM at 0x1e0 before anything has written it"},
    {"attention", "operand=k src=0x60", "operand=q src=0x60", "this operand of the layer has been quantised before"},
    {"attention", "head=0 row=0 rows=6 first=yes", "head=0 row=0 rows=5 first=yes",
     "must find the probabilities of its layer, head and rows, for all keys"},
    {"encoder", "k=0x40 s=0x80", "k=0x0 s=0x80",
     "must find the keys of its layer, head and columns, loaded there, but"},
    {"encoder", "mode=max layer=0 head=0 row=0 rows=6 col=3 cols=3 s=0x80",
     "mode=max layer=0 head=0 row=0 rows=6 col=0 cols=3 s=0x0",
     "must find what the pass before it left of the same rows, over all keys in front of its own"},
    {"encoder", "col=2 cols=2 p=0x100 v=0x60", "col=2 cols=2 p=0x100 v=0x40",
     "must find the values of its layer, head and columns, loaded there"},
    {"encoder", "host.add layer=1", "host.add layer=0", "must find a matrix with the rows of all its layer's tokens"},
    {"linears", "output=5 cols=3 width=8 o", "output=4 cols=3 width=8 o",
     "must find the products of the outputs that it "
     "stores, of the linear that ends at its `dst`"},
    {"linears", "output=0 cols=8 input=4", "output=0 cols=8 input=0",
     "must find weights of the linear whose rows it "
     "multiplies, for the same inputs"},
    /* probes */
    {"probe", "importance=probe", "importance=mean", "layer 0: its 6 tokens have no ids"},
    {"probe", "prob_bits=row", "causal=yes prob_bits=row", "layer 0: a probe is of all tokens"},
    {"probe", ".bits q,k,v,p", ".ids 0..5\n.bits q,k,v,p", "the layer does not choose its tokens by a probe"},
    {"probe", "load.probe layer=0 head=0", "load.probe layer=0 head=1", "head 1 of 1"},
    {"probe", "codes=0x440 dst=0x0", "codes=0x460 dst=0x0", "leave DRAM"},
    {"probe", "host.probe layer=0 q=0x280 k=0x340 codes=0x440", "host.probe layer=0 q=0x280 k=0x340 codes=0x28c",
     "what it writes overlaps what it reads"},
    {"probe", "probe layer=0 k=0x0 s=0x0", "probe layer=0 k=0x0 s=0xe0", "leave scores, which has 256"},
    {"probe", "vote layer=0 first=yes", "vote layer=0 first=no",
     "reads importance at 0x0 before anything has written it"},
    /* layers that choose late */
    {"late", "importance=late_heads", "importance=late", "the layer's heads do not choose for themselves"},
    {"late", "importance=late_heads", "importance=probe_heads", "leaves the layer's keys, slots 2 to 5"},
    {"late", ".bits q,k,p = 4*6", ".bits q,k,p = 4*5 8*1",
     "has queries, keys or rows of probabilities of two precisions"},
    {"late", ".bits q,k,p = 4*6", ".ids 0..5\n.bits q,k,p = 4*6", "leaves the layer's keys, slots 2 to 5"},
    {"late", "choose.late layer=0 head=0", "choose.late layer=0 head=1",
     "must find the importance of its layer and key/value head, with every row counted once since the choice before"},
    {"late", "importance layer=0 head=1 row=0 rows=4 first=yes", "importance layer=0 head=1 row=0 rows=4 first=no",
     "it goes on with importance that has been chosen by"},
    {"late", "  topk: choose.late layer=0 head=0 acc=0x0\n", "", "it clears the importance of its layer"},
    {"late", "mode=full layer=0 head=0 row=0 rows=4 col=0 cols=6 s=0x0 v=none",
     "mode=max layer=0 head=0 row=0 rows=4 col=0 cols=6 s=0x0 v=none", "all keys vote at once"},
    {"late", "flags=only layer=0 head=0 row=0", "flags=first layer=0 head=0 row=0", "its sums are of all keys at once"},
    {"late", "row=2 rows=4 dst=0x0", "row=1 rows=4 dst=0x0", "leaves the layer's keys, slots 2 to 5"},
    {"late", "  load: wait from=topk untimed=no\n  load: load operand=v layer=0 head=0",
     "  load: load operand=v layer=0 head=0", "are not balanced"},
    /* layers that stream */
    {"streamed", "window=3", "window=2", "its rows are not"},
    {"streamed", "  topk: keep layer=0 head=0 row=3",
     "  # none:", "reads DRAM at 0x5c0 before anything has written it"},
    {"streamed", "  topk: keep layer=0 head=0 row=6", "  # none:", "the importance of layer 0 is not whole"},
    {"streamed", "keep layer=0 head=0 row=6 rows=2 acc=0x18 list=0x5c0",
     "keep layer=0 head=0 row=6 rows=2 acc=0x18 list=0x5c8", "list at 0x5c8 leaves DRAM"},
    {"streamed", "  topk: vote.seen layer=0 head=1 row=3",
     "  # none:", "must find the votes of all rows of its block, for its key/value head"},
    {"streamed", "first=no p=0x108", "first=yes p=0x108", "first: yes where the votes of a block begin"},
    {"streamed", "src=0x440 codes=0x580", "src=0x3c0 codes=0x580",
     "must find the matrix that host.quant of its layer and operand has read before"},
    {"streamed", "v_scale=0x140", "v_scale=0x580",
     "must find codes and scales that host.quant made of its layer and operand, but"},
    /* order */
    {"encoder", "select=yes", "select=no", "reads token-id tables at 0x1 before anything has written it"},
    {"encoder", "flags=first", "flags=middle",
     "flags: first and only are for the block that begins with the first key"},
    {"attention", "first=yes", "first=no", "reads importance at 0x0 before anything has written it"},
    {"attention", "  load: signal to=array1 untimed=no @ \"attention\" layer=0\n", "",
     "tokens from load to array1 are not balanced: 0 signals, 1 waits"},
    {"attention", "  array0: wait from=load untimed=no", "  array0: wait from=load untimed=yes",
     "instruction 10 waits untimed for the token of instruction 7, which is timed"},
};

START_TEST(wrong_operands_and_orders_are_named) {
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, GOOD "%s.dtasm", edits[i].file);
        char *text = read_text(path, NULL), *wrong = replaced(text, edits[i].from, edits[i].to);
        dtq_program *p = assemble(path, wrong);
        dtq_error e = {0};
        ck_assert_msg(!dtq_verify(p, &p->streams[0], &e), "'%s' -> '%s' verifies", edits[i].from, edits[i].to);
        ck_assert_msg(strstr(e.message, edits[i].words), "'%s' -> '%s': %s", edits[i].from, edits[i].to, e.message);
        dtq_program_free(p);
        free(wrong);
        free(text);
    }
}
END_TEST

static void check_access(const dtq_access *a, dtq_memory memory, unsigned mode, uint64_t address, uint64_t bytes) {
    ck_assert_int_eq(a->memory, memory);
    ck_assert_uint_eq(a->mode, mode);
    ck_assert_uint_eq(a->address, address);
    ck_assert_uint_eq(a->bytes, bytes);
}

/* What instructions touch, by the layouts of ISA.md, in a layer of several heads. */
/* Of an access that no operand names: which of a row's touches it is. It lies in what begins last before it, of the
 * regions of the layer and what DRAM operands name. */
static unsigned touch_of(const dtq_stream *s, const dtq_layer *l, const dtq_instr *in, const dtq_access *a) {
    const bool writes = a->mode & DTQ_WRITES;
    const unsigned operand = writes ? DTQ_WRITES_OPERAND : DTQ_READS_OPERAND;
    const struct {
        uint64_t at;
        unsigned touch;
    } regions[] = {{l->q, operand},          {l->k, operand},
                   {l->v, operand},          {l->q_scale, operand},
                   {l->k_scale, operand},    {l->v_scale, operand},
                   {l->out, DTQ_WRITES_OUT}, {l->importance_at, DTQ_WRITES_IMPORTANCE}};
    uint64_t nearest = 0;
    unsigned touch = 0;
    if (a->memory == DTQ_MEM_IDS && !writes)
        return DTQ_READS_SLOTS | DTQ_READS_TOKENS | DTQ_READS_VALUES;
    if (a->memory == DTQ_MEM_IDS)
        return s->layers + a->address % s->layer_count == l ? DTQ_WRITES_CHOICE : DTQ_WRITES_NEXT;
    if (a->memory != DTQ_MEM_DRAM)
        return 0;
    for (size_t r = 0; r < sizeof regions / sizeof *regions; r++)
        if (regions[r].at <= a->address && regions[r].at >= nearest) {
            nearest = regions[r].at;
            touch = regions[r].touch;
        }
    for (unsigned f = 0; f < dtq_ops[in->op].field_count; f++)
        if (dtq_ops[in->op].fields[f].kind == DTQ_KIND_DRAM && in->f[f] <= a->address && in->f[f] >= nearest)
            return 0;
    return touch;
}

static unsigned seen_ops[DTQ_OP_COUNT];

static void check_touches(const char *path) {
    const unsigned ids = DTQ_READS_SLOTS | DTQ_READS_TOKENS | DTQ_READS_VALUES;
    if (strstr(path, "corners"))
        return; /* text that no machine can run */
    dtq_program *p = assemble_file(path);
    for (size_t i = 0; i < p->streams[0].count; i++) {
        const dtq_stream *s = &p->streams[0];
        const dtq_instr *in = &s->instrs[i];
        const int of = dtq_layer_field(in->op);
        dtq_access a[DTQ_ACCESS_MAX];
        const unsigned said = dtq_op_touches[in->op];
        unsigned touches = 0;
        for (unsigned n = of < 0 ? 0 : dtq_accesses(p, s, in, a); n > 0; n--)
            touches |= touch_of(s, &s->layers[in->f[of]], in, &a[n - 1]);
        const bool may_not_select = in->op == DTQ_OP_TOPK && !DTQ_GET(in, TOPK, select);
        ck_assert_msg((touches & ~ids) == (said & ~ids & ~(may_not_select ? (unsigned)DTQ_WRITES_NEXT : 0u)) &&
                          (!(touches & ids) || said & ids),
                      "%s, instruction %zu, %s: touches %x, its row says %x", path, i, dtq_ops[in->op].mnemonic,
                      touches, said);
        seen_ops[in->op]++;
    }
    dtq_program_free(p);
}

START_TEST(rows_say_what_no_operand_names) {
    each_dtasm("good", check_touches);
    for (unsigned op = 0; op < DTQ_OP_COUNT; op++)
        ck_assert_msg(seen_ops[op] || !(dtq_op_touches[op] & (DTQ_READS_OPERAND | DTQ_WRITES_OPERAND | DTQ_WRITES_OUT)),
                      "no good program has %s", dtq_ops[op].mnemonic);
}
END_TEST

START_TEST(accesses_are_those_of_the_layout) {
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    dtq_stream *s = &p->streams[0]; /* six slots of six, four channels; precisions 4 4 4 4 8 8 */
    dtq_layer *l = &s->layers[0];
    dtq_access a[DTQ_ACCESS_MAX];
    l->heads = 4;
    l->kv_heads = 2;
    dtq_instr in = {.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {DTQ_Q, 0, 3, 3, 2, 0x50}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 4);
    check_access(&a[0], DTQ_MEM_IDS, DTQ_READS, 0, 1);
    check_access(&a[1], DTQ_MEM_DRAM, DTQ_READS, l->q + 3 * 6 * 4, 6 * 4);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_READS, l->q_scale + 3 * 6 * 4, 6 * 4);
    check_access(&a[3], DTQ_MEM_Q, DTQ_WRITES, 0x50, 2 * 4 + 2 + 4);
    in = (dtq_instr){.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {DTQ_V, 0, 1, 0, 6, 0}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 5);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_READS, l->v_scale + 4 * 4, 4 * 4);           /* four-bit class, head 1 */
    check_access(&a[3], DTQ_MEM_DRAM, DTQ_READS, l->v_scale + (2 + 1) * 4 * 4, 4 * 4); /* eight-bit class */
    check_access(&a[4], DTQ_MEM_V, DTQ_WRITES, 0, 2 * 4 * 4 + 4 * 2 + 2 * 4);
    in = (dtq_instr){.op = DTQ_OP_QUANT, .queue = DTQ_HOST, .f = {0, DTQ_K, 0x40}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 4);
    check_access(&a[1], DTQ_MEM_DRAM, DTQ_READS, 0x40, 4 * 6 * 2 * 4);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_WRITES, l->k, 2 * 6 * 4);
    check_access(&a[3], DTQ_MEM_DRAM, DTQ_WRITES, l->k_scale, 2 * 6 * 4);
    in = (dtq_instr){.op = DTQ_OP_TOPK, .queue = DTQ_TOPK, .f = {0, 1, 0x8}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 4);
    check_access(&a[1], DTQ_MEM_IMPORTANCE, DTQ_READS, 0x8, 6 * 8);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_WRITES, l->importance_at, 6 * 8);
    check_access(&a[3], DTQ_MEM_IDS, DTQ_WRITES, 1, 1);
    in = (dtq_instr){.op = DTQ_OP_STORE, .queue = DTQ_STORE, .f = {0, 3, 1, 2, 0x20}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 3);
    check_access(&a[1], DTQ_MEM_OUT, DTQ_READS, 0x20, 2 * 4 * 4);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_WRITES, l->out, 6 * 4 * 4 * 4);
    in = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = DTQ_STORE, .f = {DTQ_LOAD}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 0);
    dtq_program_free(p);
}
END_TEST

/* Of a linear of eight inputs and outputs over six tokens, of which slots 0 and 1 are at 8 bits and 2 to 4 at 4. */
START_TEST(accesses_of_linears_are_those_of_the_layout) {
    dtq_program *p = assemble_file(GOOD "linears.dtasm");
    dtq_stream *s = &p->streams[0];
    dtq_access a[DTQ_ACCESS_MAX];
    dtq_instr in = {.op = DTQ_OP_CODES, .queue = DTQ_HOST, .f = {0, 0x100, 0x40, 0x80, 3, 0xffff}}; /* 4 outputs */
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 4);
    check_access(&a[0], DTQ_MEM_IDS, DTQ_READS, 0, 1);
    check_access(&a[1], DTQ_MEM_DRAM, DTQ_READS, 0x40, 6 * 8 * 4);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_WRITES, 0x100, 6 * 4 * 4);
    check_access(&a[3], DTQ_MEM_DRAM, DTQ_WRITES, 0x80, 6 * (4 + 8));
    in = (dtq_instr){.op = DTQ_OP_LOAD_ROWS, .queue = DTQ_LOAD, .f = {0, 1, 3, 2, 5, 8, 0x80, 0x20}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 3);
    check_access(&a[1], DTQ_MEM_DRAM, DTQ_READS, 0x80, 6 * (4 + 8));
    check_access(&a[2], DTQ_MEM_Q, DTQ_WRITES, 0x20, 3 * 4 + 5 + 2 * 3);
    in = (dtq_instr){.op = DTQ_OP_LOAD_WEIGHTS, .queue = DTQ_LOAD, .f = {0, 1, 2, 2, 3, 0, 5, 0x30}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 1); /* no token ids */
    check_access(&a[0], DTQ_MEM_K, DTQ_WRITES, 0x30, 3 * (4 + 4 + 5));
    for (uint64_t flags = DTQ_PV_MIDDLE; flags <= DTQ_PV_ONLY; flags++) {
        const bool clears = flags == DTQ_PV_FIRST || flags == DTQ_PV_ONLY;
        in = (dtq_instr){.op = DTQ_OP_MATMUL, .queue = DTQ_ARRAY0, .f = {0, flags, 1, 3, 3, 5, 0x20, 0x30, 0x40}};
        ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 4);
        check_access(&a[1], DTQ_MEM_Q, DTQ_READS, 0x20, 3 * 4 + 5 + 2 * 3);
        check_access(&a[2], DTQ_MEM_K, DTQ_READS, 0x30, 3 * (4 + 4 + 5));
        check_access(&a[3], DTQ_MEM_OUT, clears ? DTQ_WRITES : DTQ_READS | DTQ_WRITES, 0x40, 3 * 3 * 4);
    }
    in = (dtq_instr){.op = DTQ_OP_STORE_ROWS, .queue = DTQ_STORE, .f = {0, 1, 3, 2, 3, 8, 0x40, 0x100}};
    ck_assert_uint_eq(dtq_accesses(p, s, &in, a), 3);
    check_access(&a[1], DTQ_MEM_OUT, DTQ_READS, 0x40, 3 * 3 * 4);
    check_access(&a[2], DTQ_MEM_DRAM, DTQ_WRITES, 0x100, 6 * 8 * 4);
    dtq_program_free(p);
}
END_TEST

/* Removes the `n`th token: its signal and its wait. Returns false if there are no more. */
static bool drop_token(dtq_stream *s, size_t n) {
    size_t signal = 0, order = 0, wait = 0;
    while (signal < s->count && (s->instrs[signal].op != DTQ_OP_SIGNAL || n-- > 0))
        signal++;
    if (signal == s->count)
        return false;
    const dtq_instr put = s->instrs[signal];
    for (size_t i = 0; i < signal; i++)
        order += s->instrs[i].op == DTQ_OP_SIGNAL && s->instrs[i].queue == put.queue &&
                 DTQ_GET(&s->instrs[i], SIGNAL, to) == DTQ_GET(&put, SIGNAL, to);
    for (;; wait++)
        if (s->instrs[wait].op == DTQ_OP_WAIT && s->instrs[wait].queue == DTQ_GET(&put, SIGNAL, to) &&
            DTQ_GET(&s->instrs[wait], WAIT, from) == put.queue && order-- == 0)
            break;
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (i != signal && i != wait)
            s->instrs[kept++] = s->instrs[i];
    s->count = kept;
    return true;
}

/* Every token of these streams is needed: without it the proof fails. */
START_TEST(a_missing_token_is_a_race) {
    const char *files[] = {GOOD "attention.dtasm", GOOD "encoder.dtasm", GOOD "linears.dtasm"};
    size_t dropped = 0;
    for (int f = 0; f < 3; f++)
        for (size_t n = 0;; n++) {
            dtq_program *p = assemble_file(files[f]);
            dtq_error e = {0};
            bool there = drop_token(&p->streams[0], n);
            if (there) {
                ck_assert_msg(!dtq_verify(p, &p->streams[0], &e), "%s without token %zu verifies", files[f], n);
                ck_assert_msg(strstr(e.message, "race in "), "%s without token %zu: %s", files[f], n, e.message);
                dropped++;
            }
            dtq_program_free(p);
            if (!there)
                break;
        }
    ck_assert_uint_eq(dropped, 7 + 15 + 35);
}
END_TEST

#define SYNC(body)                                                                                                     \
    ".version 9\n.program model=\"m\" tokenizer=\"\" vocabulary=0 positions=0\n"                                       \
    ".stream seq=1 dram=4 input=tokens output=pooled output_at=0 output_width=1\n" body

START_TEST(deadlock_names_every_stuck_queue) {
    dtq_program *p = assemble("t", SYNC("load: wait from=store untimed=no\nload: signal to=store untimed=no\n"
                                        "store: wait from=load untimed=no\nstore: signal to=load untimed=no\n"
                                        "topk: signal to=host untimed=no\nhost: wait from=topk untimed=no\n"));
    dtq_error e = {0};
    ck_assert(!dtq_verify(p, &p->streams[0], &e));
    ck_assert_int_eq(e.status, DTQ_DEADLOCK);
    ck_assert_str_eq(e.message,
                     "deadlock: load at instruction 0 waits for store; store at instruction 2 waits for load");
    dtq_program_free(p);
    /* no deadlock, but not an order to execute one by one */
    p = assemble("t", SYNC("store: wait from=load untimed=no\nload: signal to=store untimed=no\n"));
    ck_assert(!dtq_verify(p, &p->streams[0], &e));
    ck_assert_int_eq(e.status, DTQ_BAD_PROGRAM);
    ck_assert_ptr_nonnull(strstr(e.message,
                                 "instruction 0 (store: wait from=load untimed=no) waits for a token that only "
                                 "a later instruction puts"));
    dtq_program_free(p);
}
END_TEST

/* ---- the proof against the definition ---- */

enum { MOST = 120 };
typedef unsigned __int128 set; /* of instructions */

/* Race by the definition: conflicting overlapping accesses of two instructions that no path of queue order and tokens
 * joins. `reach[i]` holds the instructions that are complete before i starts, as bits. */
static bool has_race(const dtq_program *p, const dtq_stream *s) {
    set reach[MOST] = {0};
    for (size_t i = 0; i < s->count; i++) {
        const dtq_instr *in = &s->instrs[i];
        for (size_t j = 0; j < i; j++)
            if (s->instrs[j].queue == in->queue)
                reach[i] |= reach[j] | (set)1 << j;
        if (in->op != DTQ_OP_WAIT)
            continue;
        size_t order = 0;
        for (size_t j = 0; j < i; j++)
            order += s->instrs[j].op == DTQ_OP_WAIT && s->instrs[j].queue == in->queue && s->instrs[j].f[0] == in->f[0];
        for (size_t j = 0; j < i; j++)
            if (s->instrs[j].op == DTQ_OP_SIGNAL && s->instrs[j].queue == in->f[0] && s->instrs[j].f[0] == in->queue &&
                order-- == 0)
                reach[i] |= reach[j] | (set)1 << j;
    }
    for (size_t i = 0; i < s->count; i++)
        for (size_t j = 0; j < i; j++) {
            dtq_access a[DTQ_ACCESS_MAX], b[DTQ_ACCESS_MAX];
            unsigned n = dtq_accesses(p, s, &s->instrs[i], a), m = dtq_accesses(p, s, &s->instrs[j], b);
            for (unsigned x = 0; x < n; x++)
                for (unsigned y = 0; y < m; y++)
                    if (a[x].memory == b[y].memory && ((a[x].mode | b[y].mode) & DTQ_WRITES) &&
                        a[x].address < b[y].address + b[y].bytes && b[y].address < a[x].address + a[x].bytes &&
                        !(reach[i] >> j & 1))
                        return true;
        }
    return false;
}

/* Random lists over four queues, on places that overlap: qk writes scores, softmax reads them and writes probabilities,
 * importance reads probabilities and writes accumulators; tokens at random. What is read has been written before. */
static size_t random_stream(dtq_instr *in, uint64_t *seed) {
    size_t n = 0, under_way[8][8] = {0};
    const unsigned queues[] = {DTQ_SOFTMAX, DTQ_TOPK, DTQ_ARRAY0, DTQ_ARRAY0 + 1};
    in[n++] = (dtq_instr){.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {DTQ_Q, 0, 0, 0, 6, 0}};
    in[n++] = (dtq_instr){.op = DTQ_OP_LOAD, .queue = DTQ_LOAD, .f = {DTQ_K, 0, 0, 0, 6, 0}};
    in[n++] = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = DTQ_LOAD, .f = {DTQ_ARRAY0}};
    in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = DTQ_ARRAY0, .f = {DTQ_LOAD}};
    for (unsigned at = 0; at < 2000; at += 192)
        in[n++] = (dtq_instr){.op = DTQ_OP_QK, .queue = DTQ_ARRAY0, .f = {0, 0, 0, 6, 0, 6, 0, 0, at}};
    in[n++] = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = DTQ_ARRAY0, .f = {DTQ_SOFTMAX}};
    in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = DTQ_SOFTMAX, .f = {DTQ_ARRAY0}};
    in[n++] = (dtq_instr){.op = DTQ_OP_SOFTMAX, .queue = DTQ_SOFTMAX, .f = {0, 0, 0, 0, 6, 0, 6, 0, 0xffffffffff, 0}};
    const unsigned others[] = {DTQ_TOPK, DTQ_ARRAY0 + 1};
    for (unsigned i = 0; i < 2; i++) {
        in[n++] = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = DTQ_SOFTMAX, .f = {others[i]}};
        in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = (uint8_t)others[i], .f = {DTQ_SOFTMAX}};
    }
    for (size_t most = n + 4 + next_random(seed) % 28; n < most;) {
        unsigned from = queues[next_random(seed) % 4], to = queues[next_random(seed) % 4];
        uint64_t row = next_random(seed) % 4, rows = 1 + next_random(seed) % 2, at = 16 * (next_random(seed) % 100);
        uint8_t array = (uint8_t)(DTQ_ARRAY0 + next_random(seed) % 2);
        switch (next_random(seed) % 8) {
        case 0:
        case 1:
        case 2:
            if (from == to)
                break;
            in[n++] = (dtq_instr){.op = DTQ_OP_SIGNAL, .queue = (uint8_t)from, .f = {to}};
            if (next_random(seed) % 4 && !under_way[from][to])
                in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = (uint8_t)to, .f = {from}};
            else
                under_way[from][to]++;
            break;
        case 3:
            if (!under_way[from][to])
                break;
            in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = (uint8_t)to, .f = {from}};
            under_way[from][to]--;
            break;
        case 4:
        case 5:
            in[n++] = (dtq_instr){.op = DTQ_OP_QK, .queue = array, .f = {0, 0, row, rows, 0, 1 + row, 0, 0, at}};
            break;
        case 6:
            in[n++] = (dtq_instr){.op = DTQ_OP_IMPORTANCE, .queue = DTQ_TOPK, .f = {0, 0, row, rows, 1, 0, at}};
            break;
        default:
            in[n++] = (dtq_instr){.op = DTQ_OP_SOFTMAX,
                                  .queue = DTQ_SOFTMAX,
                                  .f = {1, 0, 0, row, rows, 0, 1 + row, at, 0xffffffffff, at}};
        }
    }
    for (unsigned from = 0; from < 8; from++)
        for (unsigned to = 0; to < 8; to++)
            for (; under_way[from][to]; under_way[from][to]--)
                in[n++] = (dtq_instr){.op = DTQ_OP_WAIT, .queue = (uint8_t)to, .f = {from}};
    return n;
}

START_TEST(the_proof_agrees_with_the_definition) {
    uint64_t seed = test_seed();
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    dtq_stream s = p->streams[0];
    dtq_instr instrs[2 * MOST];
    unsigned races = 0, clean = 0;
    s.instrs = instrs;
    s.sources = NULL;
    for (int round = 0; round < 1000; round++) {
        uint64_t start = seed;
        s.count = random_stream(instrs, &seed);
        if (s.count > MOST)
            continue;
        dtq_error e = {0};
        bool ok = dtq_hazards_check(p, &s, NULL, &e);
        ck_assert_msg(ok || strstr(e.message, "race in "), "seed %llu: %s", (unsigned long long)start, e.message);
        ck_assert_msg(ok == !has_race(p, &s), "seed %llu: %s", (unsigned long long)start,
                      ok ? "race not seen" : e.message);
        *(ok ? &clean : &races) += 1;
    }
    ck_assert_uint_gt(races, 20);
    ck_assert_uint_gt(clean, 100);
    dtq_program_free(p);
}
END_TEST

/* ---- speed ---- */

/* Strips over 16 arrays, double-buffered through tokens, as a compiler would make them: `strips` times qk, softmax, pv,
 * importance, store. */
static size_t big_stream(dtq_instr *in, size_t strips, unsigned arrays) {
    size_t n = 0;
#define PUT(code, q, ...)                                                                                              \
    in[n++] = (dtq_instr) {                                                                                            \
        .op = DTQ_OP_##code, .queue = (uint8_t)(q), .f = { __VA_ARGS__ }                                               \
    }
#define TOKEN(q, r)                                                                                                    \
    do {                                                                                                               \
        PUT(SIGNAL, q, (unsigned)(r));                                                                                 \
        PUT(WAIT, r, (unsigned)(q));                                                                                   \
    } while (0)
    for (size_t i = 0; i < strips; i++) {
        unsigned array = DTQ_ARRAY0 + (unsigned)(i % arrays), place = (unsigned)(i % (2 * arrays));
        if (i >= 2 * arrays) { /* the place is free again */
            TOKEN(array, DTQ_LOAD);
            TOKEN(DTQ_STORE, array);
            TOKEN(DTQ_TOPK, DTQ_SOFTMAX);
        }
        PUT(LOAD, DTQ_LOAD, DTQ_Q, 0, 0, 0, 6, 0x100u * place);
        PUT(LOAD, DTQ_LOAD, DTQ_K, 0, 0, 0, 6, 0x100u * place);
        PUT(LOAD, DTQ_LOAD, DTQ_V, 0, 0, 0, 6, 0x100u * place);
        TOKEN(DTQ_LOAD, array);
        PUT(QK, array, 0, 0, 0, 6, 0, 6, 0x100u * place, 0x100u * place, 0x100u * place);
        TOKEN(array, DTQ_SOFTMAX);
        PUT(SOFTMAX, DTQ_SOFTMAX, 0, 0, 0, 0, 6, 0, 6, 0x100u * place, 0xffffffffffu, 0x100u * place);
        TOKEN(DTQ_SOFTMAX, array);
        PUT(PV, array, 3, 0, 0, 0, 6, 0, 6, 0x100u * place, 0x100u * place, 0x100u * place);
        TOKEN(array, DTQ_STORE);
        PUT(STORE, DTQ_STORE, 0, 0, 0, 6, 0x100u * place);
        TOKEN(DTQ_SOFTMAX, DTQ_TOPK);
        PUT(IMPORTANCE, DTQ_TOPK, 0, 0, 0, 6, i == 0, 0x100u * place, 0);
    }
    return n;
#undef PUT
#undef TOKEN
}

START_TEST(big_streams_are_proved) {
    dtq_program *p = assemble_file(GOOD "attention.dtasm");
    p->machine->vssa_arrays = 16;
    p->target_hash = dtq_machine_hash(p->machine);
    dtq_stream s = p->streams[0];
    const size_t sizes[] = {800, 8000};
    for (int i = 0; i < 2; i++) {
        s.instrs = calloc(sizes[i] * 30, sizeof *s.instrs);
        s.sources = NULL;
        s.count = big_stream(s.instrs, sizes[i], 16);
        dtq_error e = {0};
        ck_assert_msg(dtq_hazards_check(p, &s, NULL, &e), "%s", e.message);
        free(s.instrs);
    }
    dtq_program_free(p);
}
END_TEST

RUN_TESTS("isa_verify", good_streams_verify, wrong_operands_and_orders_are_named, accesses_are_those_of_the_layout,
          rows_say_what_no_operand_names, accesses_of_linears_are_those_of_the_layout, a_missing_token_is_a_race,
          deadlock_names_every_stuck_queue, the_proof_agrees_with_the_definition, big_streams_are_proved)
