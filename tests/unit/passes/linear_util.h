/* A block of an encoder for tests of linears on the arrays: 9 tokens of 8 channels, two heads of 4, an FFN of 12. */
#ifndef DTQ_TESTS_LINEAR_UTIL_H
#define DTQ_TESTS_LINEAR_UTIL_H

#include "passes/pass_util.h"

#define TO_CUT_LINEARS TO_TILES " tile-linears"
#define LINEARS_VSSA   "top.linear = vssa\n"
#define LINEAR_TENSOR(name, rows, cols)                                                                                \
    "tensor \"" name "\" {dtype = synthetic, rows = " rows ", cols = " cols ", seed = 5, mean = 0, scale = 0.5}\n"

/** `attention`: the policy of its layer, as attributes; `machine` as text. */
static inline const char *linear_text(arena *a, const char *machine, const char *attention) {
    return arena_printf(
        a,
        "dtir 1 graph\nmodel = \"m\"\nseq = 9\nvocabulary = 20\npositions = 16\nmachine \"toy\" {\n%s}\n" LINEAR_TENSOR(
            "words", "20", "8") LINEAR_TENSOR("wq", "8", "8") LINEAR_TENSOR("bq", "1", "8")
            LINEAR_TENSOR("wo", "8", "8") LINEAR_TENSOR("wu", "12", "8") LINEAR_TENSOR("bu", "1", "12") LINEAR_TENSOR(
                "wd", "8",
                "12") "%%t = input {name = \"tokens\"} : u32[9]\n%%x = embed %%t {tensor = \"words\"} : ?\n"
                      "%%q = linear %%x {tensor = \"wq\", bias_tensor = \"bq\", outputs = 8, arithmetic = mixed, "
                      "source = \"query\"} : ?\n"
                      "%%a = attention %%q, %%x, %%x {index = 0, query_heads = 2, kv_heads = 2, head_dim = 4, mask = "
                      "none, "
                      "importance_rule = mean, %s, source = \"a\"} : ?\n"
                      "%%o = linear %%a {tensor = \"wo\", outputs = 8, arithmetic = mixed, source = \"output\"} : ?\n"
                      "%%r = add %%x, %%o : ?\n"
                      "%%u = linear %%r {tensor = \"wu\", bias_tensor = \"bu\", outputs = 12, arithmetic = mixed, "
                      "source = \"up\"} : ?\n"
                      "%%g = activation %%u {function = relu} : ?\n"
                      "%%d = linear %%g {tensor = \"wd\", outputs = 8, arithmetic = mixed, source = \"down\"} : ?\n"
                      "%%h = linear %%d {tensor = \"wq\", outputs = 8, arithmetic = int8, source = \"head\"} : ?\n"
                      "output %%h\n",
        machine, attention);
}

#endif
