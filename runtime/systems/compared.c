/* The arithmetic of a compared system, from the parameters of its target file. */
#include "runtime/systems/compared.h"

#include "runtime/entry.h"

enum { BITS_LEAST = 2, BITS_MOST = 16 };

/* Both parts together, where there are two. */
static uint64_t spatten_bits(const dtq_system_spatten *p) {
    return p->dram_refetch_bits != 0 ? p->dram_word_bits + p->dram_refetch_bits : p->multipliers_operand_bits;
}

static bool check_bits(uint64_t bits, const char *what, dtq_error *e) {
    if (bits < BITS_LEAST || bits > BITS_MOST) {
        return dtq_fail(e, DTQ_BAD_INPUT, "%s is %llu bits; attention is computed at %d to %d", what,
                        (unsigned long long)bits, BITS_LEAST, BITS_MOST);
    }
    return true;
}

bool dtq_system_computes(dtq_system_kind kind, const dtq_system_params *p, dtq_error *e) {
    switch (kind) {
    case DTQ_SYSTEM_eyeriss:
        return check_bits(p->eyeriss.array_word_bits, "array.word_bits", e);
    case DTQ_SYSTEM_a3:
        return check_bits(p->a3.pipeline_operand_bits, "pipeline.operand_bits", e);
    case DTQ_SYSTEM_mnnfast:
        return check_bits(p->mnnfast.pipeline_operand_bits, "pipeline.operand_bits", e);
    case DTQ_SYSTEM_spatten:
        if (p->spatten.tokens_schedule != 0) {
            return dtq_fail(e, DTQ_BAD_INPUT,
                            "tokens.schedule is policy, which is for costs alone; cascade says which tokens leave");
        }
        return check_bits(
            spatten_bits(&p->spatten),
            p->spatten.dram_refetch_bits != 0 ? "dram.word_bits + dram.refetch_bits" : "multipliers.operand_bits", e);
    case DTQ_SYSTEM_KINDS:
        break;
    }
    return dtq_fail(e, DTQ_BAD_PROGRAM, "there is no system of kind %d", (int)kind);
}

static bool attend_spatten(const dtq_system_spatten *p, const dtq_attention *a, dtq_cascade *c, dtq_tally *t,
                           dtq_error *e) {
    const dtq_spatten how = {.format = {(unsigned)spatten_bits(p), DTQ_FRACTION_AUTO},
                             .second_bits = (unsigned)p->dram_refetch_bits,
                             .refetch_below = p->dram_refetch_below,
                             .values_kept = p->values_kept};
    return dtq_attention_spatten(a, &how, c, t, e);
}

static bool attend_a3(const dtq_system_a3 *p, const dtq_attention *a, dtq_tally *t, dtq_error *e) {
    const dtq_a3 how = {.format = {(unsigned)p->pipeline_operand_bits,
                                   p->pipeline_point == 0 ? (int)p->pipeline_fraction_bits : DTQ_FRACTION_AUTO},
                        .iterations = p->search_iterations,
                        .threshold = p->search_threshold};
    return p->top_approximate == 0 ? dtq_attention_fixed(a, how.format, t, e) : dtq_attention_a3(a, &how, t, e);
}

bool dtq_attention_system(dtq_system_kind kind, const dtq_system_params *p, const dtq_attention *a, dtq_cascade *c,
                          dtq_tally *t, dtq_error *e) {
    if (!dtq_system_computes(kind, p, e))
        return false;
    switch (kind) {
    case DTQ_SYSTEM_spatten:
        return attend_spatten(&p->spatten, a, c, t, e);
    case DTQ_SYSTEM_a3:
        return attend_a3(&p->a3, a, t, e);
    case DTQ_SYSTEM_mnnfast: {
        const dtq_mnnfast how = {.format = {(unsigned)p->mnnfast.pipeline_operand_bits, DTQ_FRACTION_AUTO},
                                 .chunk = (uint32_t)p->mnnfast.values_chunk,
                                 .threshold = p->mnnfast.values_threshold};
        return dtq_attention_mnnfast(a, &how, t, e);
    }
    case DTQ_SYSTEM_eyeriss:
    case DTQ_SYSTEM_KINDS:
        break;
    }
    return dtq_attention_fixed(a, (dtq_fixed_format){(unsigned)p->eyeriss.array_word_bits, DTQ_FRACTION_AUTO}, t, e);
}

void dtq_system_prune(const dtq_system_spatten *p, dtq_cascade *c, size_t layer, size_t layers) {
    dtq_cascade_prune(c,
                      dtq_do_cascade_kept(c->seq, layer, layers, p->tokens_whole_layers, p->tokens_pruned_mean,
                                          p->tokens_pruned_first),
                      dtq_do_cascade_kept(c->heads, layer, layers, p->heads_whole_layers, p->heads_pruned_mean,
                                          p->heads_pruned_first));
}
