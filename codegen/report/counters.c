/* Counts of a stream's instructions, as runtime/sim/TIMING.md defines the simulator's own; a test holds the two
 * together. */
#include "codegen/report/counters.h"
#include "runtime/base/whole.h"
#include "runtime/machine_members.h"

#include <string.h>

/** A distinct block and what it counts. */
typedef struct {
    uint64_t key[3]; /* key[0] is never 0 in use */
    double mac_cycles, stall_cycles, bytes;
    double tiles, stalled_tiles, stall_ratio_sum, step_cycles; /* of a linear's matmul */
} memo;

struct counter {
    arena *arena;
    const dtq_machine *machine;
    cost_model *cost;
    const layer_facts *layers;
    const uint8_t *all_low, *all_high; /* [most slots of any layer]: blocks of unknown precision lie between these */
    memo *memos;                       /* open addressing */
    uint32_t seq;                      /* tokens of the input */
    size_t memo_capacity, memo_count;  /* capacity: a power of two */
};

/** Kinds of memo entries. */
enum { MEMO_QK = 1, MEMO_PV, MEMO_LINEAR, MEMO_BLOCK /* + operand */, WALK_SHIFT = 6 };

counter *counter_new(arena *a, const dtq_machine *machine, cost_model *cost, const layer_facts *layers, size_t count,
                     uint32_t seq) {
    uint32_t most = seq;
    for (size_t i = 0; i < count; i++) {
        most = layers[i].slots > most ? layers[i].slots : most;
        most = layers[i].heads > most ? layers[i].heads : most;
    }
    uint8_t *low = arena_alloc(a, most), *high = arena_alloc(a, most);
    memset(low, 4, most);
    memset(high, 8, most);
    counter *c = ARENA_NEW(a, counter);
    *c = (counter){.arena = a,
                   .machine = machine,
                   .cost = cost,
                   .layers = layers,
                   .seq = seq,
                   .all_low = low,
                   .all_high = high,
                   .memo_capacity = 256};
    c->memos = ARENA_ARRAY(a, memo, c->memo_capacity);
    return c;
}

static size_t memo_slot(const memo *memos, size_t capacity, const uint64_t key[3]) {
    uint64_t h = key[0] * 0x9E3779B97F4A7C15u ^ key[1] * 0xC2B2AE3D27D4EB4Fu ^ key[2] * 0x165667B19E3779F9u;
    size_t at = (size_t)((h ^ h >> 29) * 0xBF58476D1CE4E5B9u >> 20) & (capacity - 1);
    while (memos[at].key[0] && memcmp(memos[at].key, key, sizeof memos[at].key) != 0)
        at = (at + 1) & (capacity - 1);
    return at;
}

/** The entry of a block; *fresh says that the caller has to fill it. Valid until the next call. */
static memo *memo_find(counter *c, unsigned kind, const counted_block *b, bool *fresh) {
    const uint64_t key[3] = {kind | b->walk << WALK_SHIFT | (uint64_t)c->layers[b->layer].like << 8,
                             (uint64_t)b->row << 32 | b->rows,
                             (uint64_t)(kind == MEMO_LINEAR ? b->depth : b->col) << 32 | b->cols};
    size_t at = memo_slot(c->memos, c->memo_capacity, key);
    *fresh = c->memos[at].key[0] == 0;
    if (*fresh && 2 * ++c->memo_count > c->memo_capacity) {
        size_t capacity = 4 * c->memo_capacity;
        memo *wider = ARENA_ARRAY(c->arena, memo, capacity);
        for (size_t i = 0; i < c->memo_capacity; i++)
            if (c->memos[i].key[0])
                wider[memo_slot(wider, capacity, c->memos[i].key)] = c->memos[i];
        c->memos = wider;
        c->memo_capacity = capacity;
        at = memo_slot(c->memos, capacity, key);
    }
    memcpy(c->memos[at].key, key, sizeof key);
    return &c->memos[at];
}

/** Bytes of slots [row, row + rows) of an operand; the expectation where their precision is not known. */
static double block_bytes(counter *c, uint32_t layer, dtq_operand operand, uint32_t row, uint32_t rows) {
    const layer_facts *l = &c->layers[layer];
    bool fresh;
    memo *e = memo_find(c, MEMO_BLOCK + operand, &(counted_block){.layer = layer, .row = row, .rows = rows}, &fresh);
    if (fresh) {
        bool class_scales = operand == DTQ_V && !l->folds;
        if (l->known) {
            e->bytes = (double)cost_block_bytes(l->bits[operand] + row, rows, l->head_dim, class_scales);
        } else {
            double least = (double)cost_block_bytes(c->all_low, rows, l->head_dim, class_scales);
            double most = (double)cost_block_bytes(c->all_high, rows, l->head_dim, class_scales);
            e->bytes = least + (most - least) * (double)l->high / (double)l->slots;
        }
    }
    return e->bytes;
}

static uint64_t tile_height(const counter *c, const counted_block *b) {
    return b->walk & WALK_TURNED ? c->machine->vssa_cols : c->machine->vssa_rows;
}

static uint64_t tile_width(const counter *c, const counted_block *b) {
    return b->walk & WALK_TURNED ? c->machine->vssa_rows : c->machine->vssa_cols;
}

/** What hides keys from the rows of a block; NULL: nothing. */
static const cost_mask *mask_of(const layer_facts *l, const counted_block *b, cost_mask *out) {
    *out = (cost_mask){&l->clusters, b->row, b->col};
    return l->clusters.count ? out : NULL;
}

/** Bytes that go through the buffers for Q.K^T or P.V of a block whose strips skip tiles or keys (TIMING.md). */
static double masked_bytes(const counter *c, const counted_block *b, bool qk) {
    const layer_facts *l = &c->layers[b->layer];
    const uint32_t height = (uint32_t)tile_height(c, b), width = (uint32_t)tile_width(c, b);
    const uint8_t *keys = l->bits[qk ? DTQ_K : DTQ_V] + b->col;
    double bytes = 0;
    for (uint32_t done = 0, rows; done < b->rows; done += rows) {
        rows = b->rows - done < height ? b->rows - done : height;
        dtq_hidden h = dtq_hidden_from(&l->clusters, b->row + done, rows, b->col, b->cols);
        if (qk) {
            const dtq_hidden tiles = dtq_hidden_tiles(h, b->cols, width);
            h.from = tiles.from * width;
            h.to = tiles.to * width < b->cols ? tiles.to * width : b->cols;
            h = tiles.from == tiles.to ? (dtq_hidden){0, 0} : h;
        }
        const double cols = (double)b->cols - (h.to - h.from);
        const uint64_t all = cost_block_bytes(keys, b->cols, l->head_dim, false),
                       hidden = cost_block_bytes(keys + h.from, h.to - h.from, l->head_dim, false);
        bytes += (double)(all - hidden);
        if (qk)
            bytes += (double)cost_block_bytes(l->bits[DTQ_Q] + b->row + done, rows, l->head_dim, false) *
                         (double)dtq_ceil_div((uint64_t)cols, width) +
                     4.0 * rows * cols;
        else
            bytes += rows * cols * (double)dtq_ceil_div(l->head_dim, width) + 4.0 * rows * l->head_dim;
    }
    return bytes;
}

static void add_qk(counter *c, const counted_block *b, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    double q = block_bytes(c, b->layer, DTQ_Q, b->row, b->rows), k = block_bytes(c, b->layer, DTQ_K, b->col, b->cols);
    bool fresh;
    memo *e = memo_find(c, MEMO_QK, b, &fresh);
    if (fresh) {
        uint64_t row_strips = dtq_ceil_div(b->rows, tile_height(c, b)),
                 col_tiles = dtq_ceil_div(b->cols, tile_width(c, b));
        e->bytes = q * (double)col_tiles + k * (double)row_strips + 4.0 * b->rows * b->cols;
        if (l->known) {
            cost_mask mask;
            cost_result r = cost_qk_masked(c->cost, l->bits[DTQ_Q] + b->row, b->rows, l->bits[DTQ_K] + b->col, b->cols,
                                           l->head_dim, b->walk, mask_of(l, b, &mask));
            e->bytes = l->clusters.count ? masked_bytes(c, b, true) : e->bytes;
            e->mac_cycles = (double)r.mac_cycles;
            e->stall_cycles = (double)r.stall_cycles;
        } else {
            cost_expectation r =
                cost_qk_expected(c->cost, l->slots, l->high, b->row, b->rows, b->col, b->cols, l->head_dim);
            e->mac_cycles = r.mac_cycles;
            e->stall_cycles = r.stall_cycles;
        }
    }
    sum->mac_cycles += e->mac_cycles;
    sum->stall_cycles += e->stall_cycles;
    sum->buffer_bytes += e->bytes;
}

static void add_pv(counter *c, const counted_block *b, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    double v = block_bytes(c, b->layer, DTQ_V, b->col, b->cols);
    bool fresh;
    memo *e = memo_find(c, MEMO_PV, b, &fresh);
    if (fresh) {
        uint64_t row_strips = dtq_ceil_div(b->rows, tile_height(c, b));
        uint64_t col_tiles = dtq_ceil_div(l->head_dim, tile_width(c, b));
        e->bytes = (double)b->rows * b->cols * (double)col_tiles + v * (double)row_strips + 4.0 * b->rows * l->head_dim;
        if (l->known) {
            cost_mask mask;
            cost_result r = cost_pv_masked(c->cost, l->bits[DTQ_P] + b->row, b->rows, l->bits[DTQ_V] + b->col, b->cols,
                                           l->head_dim, b->walk, mask_of(l, b, &mask));
            e->bytes = l->clusters.count ? masked_bytes(c, b, false) : e->bytes;
            e->mac_cycles = (double)r.mac_cycles;
            e->stall_cycles = (double)r.stall_cycles;
        } else {
            cost_expectation r = cost_pv_expected(c->cost, l->slots, l->high, facts_prob8(c->machine), b->row, b->rows,
                                                  b->col, b->cols, l->head_dim);
            e->mac_cycles = r.mac_cycles;
            e->stall_cycles = r.stall_cycles;
        }
    }
    sum->mac_cycles += e->mac_cycles;
    sum->stall_cycles += e->stall_cycles;
    sum->buffer_bytes += e->bytes;
}

/** Bytes of a block of a linear's rows. */
static double rows_bytes(const counter *c, const counted_block *b) {
    const layer_facts *l = &c->layers[b->layer];
    if (l->known)
        return (double)cost_block_bytes(l->bits[DTQ_Q] + b->row, b->rows, b->depth, false);
    double least = (double)cost_block_bytes(c->all_low, b->rows, b->depth, false);
    double most = (double)cost_block_bytes(c->all_high, b->rows, b->depth, false);
    return least + (most - least) * (double)l->high / (double)l->slots;
}

static double weights_bytes(const counted_block *b) {
    return (double)b->cols * (8.0 + b->depth);
}

static void price_linear(counter *c, const counted_block *b, memo *e) {
    const layer_facts *l = &c->layers[b->layer];
    uint64_t row_strips = dtq_ceil_div(b->rows, tile_height(c, b)), col_tiles = dtq_ceil_div(b->cols, tile_width(c, b));
    e->bytes = rows_bytes(c, b) * (double)col_tiles + weights_bytes(b) * (double)row_strips + 4.0 * b->rows * b->cols;
    if (l->known) {
        cost_result r = cost_linear(c->cost, l->bits[DTQ_Q] + b->row, b->rows, b->cols, b->depth, b->walk);
        e->mac_cycles = (double)r.mac_cycles;
        e->stall_cycles = (double)r.stall_cycles;
        e->tiles = (double)r.tiles;
        e->stalled_tiles = (double)r.stalled_tiles;
        e->stall_ratio_sum = r.stall_ratio_sum;
        e->step_cycles = r.step_cycles;
    } else {
        cost_expectation r = cost_linear_expected(c->cost, l->slots, l->high, b->rows, b->cols, b->depth);
        e->mac_cycles = r.mac_cycles;
        e->stall_cycles = r.stall_cycles;
        e->tiles = r.tiles;
        e->stalled_tiles = r.stalled_tiles;
        e->stall_ratio_sum = r.stall_ratio_sum;
        e->step_cycles = r.step_cycles;
    }
}

static void add_linear(counter *c, const counted_block *b, counters *sum) {
    bool fresh;
    memo *e = memo_find(c, MEMO_LINEAR, b, &fresh);
    if (fresh)
        price_linear(c, b, e);
    sum->mac_cycles += e->mac_cycles;
    sum->stall_cycles += e->stall_cycles;
    sum->buffer_bytes += e->bytes;
    sum->linear_tiles += e->tiles;
    sum->linear_stalled_tiles += e->stalled_tiles;
    sum->linear_stall_ratio_sum += e->stall_ratio_sum;
    sum->linear_step_cycles += e->step_cycles;
}

/** The row of a probe: its precisions are no slot's. */
static void add_probe(counter *c, const counted_block *b, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    const uint32_t queries = l->heads / l->kv_heads, keys = c->seq;
    cost_result r = cost_probe(c->cost, queries, keys, l->head_dim, b->walk);
    const double q = (double)cost_block_bytes(c->all_high, queries, l->head_dim, false);
    const double k = (double)cost_block_bytes(c->all_low, keys, l->head_dim, false);
    sum->mac_cycles += (double)r.mac_cycles;
    sum->stall_cycles += (double)r.stall_cycles;
    sum->buffer_bytes += q * (double)dtq_ceil_div(keys, tile_width(c, b)) +
                         k * (double)dtq_ceil_div(queries, tile_height(c, b)) + 4.0 * queries * keys;
}

static void add_transfer(counters *sum, double bytes) {
    sum->dram_bytes += bytes;
    sum->buffer_bytes += bytes;
}

/** Q.K^T or P.V of rows with what they see: of near keys, then of far ones. */
static void add_seen_matmul(counter *c, bool qk, const counted_block *b, const dtq_seen *seen, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    const dtq_streaming *s = &l->streaming;
    const cost_result r =
        cost_seen(c->cost, s, seen, l->head_dim, (unsigned)c->machine->top_prob_bits, qk, b->walk & WALK_TURNED);
    sum->mac_cycles += (double)r.mac_cycles;
    sum->stall_cycles += (double)r.stall_cycles;
    for (int far = 0; far < 2 && (far == 0 || seen->far); far++) {
        const double row = 4.0 + (double)dtq_seen_row_bytes(l->head_dim, far ? s->far_bits : s->near_bits);
        const uint32_t keys = far ? seen->far : seen->near;
        const double strips = (double)dtq_ceil_div(seen->rows, tile_height(c, b));
        sum->buffer_bytes += keys * row * strips;
        sum->buffer_bytes +=
            qk ? seen->rows * row * (double)dtq_ceil_div(keys, tile_width(c, b)) + 4.0 * seen->rows * keys
               : (double)seen->rows * keys * (double)dtq_ceil_div(l->head_dim, tile_width(c, b));
    }
    sum->buffer_bytes += qk ? 0 : 4.0 * seen->rows * l->head_dim;
}

/** Instructions of a layer that streams. */
static void add_seen(counter *c, dtq_opcode isa_op, const counted_block *b, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    const dtq_streaming *s = &l->streaming;
    const dtq_seen seen = dtq_seen_by(s, l->slots, b->row, b->rows);
    const double elements = (double)b->rows * ((double)seen.near + seen.far);
    switch (isa_op) {
    case DTQ_OP_LOAD_SEEN:
        add_transfer(sum, (double)dtq_seen_load_bytes(s, l->head_dim, &seen, b->operand == DTQ_Q));
        break;
    case DTQ_OP_SOFTMAX_SEEN:
        sum->probabilities += elements;
        sum->buffer_bytes += 6.0 * elements;
        break;
    case DTQ_OP_VOTE_SEEN:
        sum->topk_elements += (double)b->rows * s->window;
        sum->buffer_bytes += (double)b->rows * s->window;
        break;
    case DTQ_OP_KEEP:
        sum->topk_elements += (double)c->machine->topk_passes * ((double)s->window + s->kept);
        break;
    default:
        add_seen_matmul(c, isa_op == DTQ_OP_QK_SEEN, b, &seen, sum);
    }
}

/** Scores of a probe: each query head that shares these keys, against all of them. */
static double probed_scores(const counter *c, const layer_facts *l) {
    const uint32_t sharing = l->heads / l->kv_heads;
    return (double)sharing * c->seq;
}

void counter_add(counter *c, dtq_opcode isa_op, const counted_block *b, counters *sum) {
    const layer_facts *l = &c->layers[b->layer];
    double elements = (double)b->rows * b->cols;
    switch (isa_op) {
    case DTQ_OP_LOAD:
        add_transfer(sum, block_bytes(c, b->layer, b->operand, b->row, b->rows));
        break;
    case DTQ_OP_LOAD_PROBE:
        add_transfer(sum, (double)cost_probe_bytes(l->heads / l->kv_heads, c->seq, l->head_dim));
        break;
    case DTQ_OP_PROBE:
        add_probe(c, b, sum);
        break;
    case DTQ_OP_PROBE_SOFTMAX:
        sum->probabilities += probed_scores(c, l);
        sum->buffer_bytes += 5.0 * probed_scores(c, l);
        break;
    case DTQ_OP_VOTE:
        sum->topk_elements += probed_scores(c, l);
        sum->buffer_bytes += probed_scores(c, l);
        break;
    case DTQ_OP_CHOOSE_HEAD:
        sum->topk_elements += probed_scores(c, l) + (double)cost_head_passes(c->machine) * ((double)c->seq + l->keys);
        sum->buffer_bytes += 4.0 * probed_scores(c, l);
        break;
    case DTQ_OP_CHOOSE_LATE:
        sum->topk_elements += (double)cost_head_passes(c->machine) * ((double)c->seq + l->keys);
        break;
    case DTQ_OP_CHOOSE:
        sum->topk_elements += (double)c->machine->topk_passes * ((double)c->seq + l->keys);
        break;
    case DTQ_OP_LOAD_SEEN:
    case DTQ_OP_QK_SEEN:
    case DTQ_OP_SOFTMAX_SEEN:
    case DTQ_OP_PV_SEEN:
    case DTQ_OP_VOTE_SEEN:
    case DTQ_OP_KEEP:
        add_seen(c, isa_op, b, sum);
        break;
    case DTQ_OP_LOAD_ROWS:
        add_transfer(sum, rows_bytes(c, b));
        break;
    case DTQ_OP_LOAD_WEIGHTS:
        add_transfer(sum, weights_bytes(b));
        break;
    case DTQ_OP_MATMUL:
        add_linear(c, b, sum);
        break;
    case DTQ_OP_STORE_ROWS:
        add_transfer(sum, 4.0 * elements);
        break;
    case DTQ_OP_QK:
        add_qk(c, b, sum);
        break;
    case DTQ_OP_PV:
        add_pv(c, b, sum);
        break;
    case DTQ_OP_SOFTMAX:
        elements = (double)dtq_pairs_seen(&l->clusters, b->row, b->rows, b->col, b->cols);
        sum->probabilities += elements;
        sum->buffer_bytes += (l->folds ? 6.0 : 5.0) * elements; /* int32 scores in, one or two bytes out */
        break;
    case DTQ_OP_STORE:
        add_transfer(sum, 4.0 * b->rows * l->head_dim);
        break;
    case DTQ_OP_IMPORTANCE:
        elements = (double)dtq_pairs_seen(&l->clusters, b->row, b->rows, l->first_col, l->cols);
        sum->topk_elements += elements;
        sum->buffer_bytes += elements;
        break;
    case DTQ_OP_TOPK:
        sum->topk_elements += b->select ? (double)c->machine->topk_passes * ((double)l->keys + l->next_keys) : l->keys;
        break;
    default: /* the host's work and synchronisation take nothing from the accelerator */
        break;
    }
}

double counters_energy(const counters *c, double cycles, const dtq_machine *machine) {
    const double idle = (double)dtq_machine_pes(machine) * cycles - (c->mac_cycles + c->stall_cycles);
    return machine->energy_mac_pj * c->mac_cycles + machine->energy_stall_pj * c->stall_cycles +
           machine->energy_buffer_pj_per_byte * c->buffer_bytes + machine->energy_dram_pj_per_byte * c->dram_bytes +
           machine->energy_softmax_pj * c->probabilities + machine->energy_topk_pj * c->topk_elements +
           machine->energy_idle_pj * idle;
}
