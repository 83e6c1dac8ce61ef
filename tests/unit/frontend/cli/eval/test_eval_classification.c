/* Tables of labelled text, and the greatest logit. */
#include "frontend_util.h"

#include <math.h>

#include "frontend/cli/eval/task.h"

static eval_line take(eval_reader *r, const char *line, eval_sample *out) {
    r->loc.line++;
    return eval_task_classification.read(r, arena_strdup(A, line), out);
}

START_TEST(a_header_names_columns) {
    eval_reader r = {.diag = D, .loc = {"x.tsv", 0, 1}};
    eval_sample s = {0};
    ck_assert_int_eq(take(&r, "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", &s), EVAL_LINE_EMPTY);
    ck_assert_int_eq(take(&r, "", &s), EVAL_LINE_EMPTY);
    ck_assert_int_eq(take(&r, "1\tx\ty\tA cat.\tA \"dog\".", &s), EVAL_LINE_SAMPLE);
    ck_assert_str_eq(s.texts[0], "A cat.");
    ck_assert_str_eq(s.texts[1], "A \"dog\".");
    ck_assert_double_eq(s.label, 1);
    eval_reader single = {.diag = D};
    ck_assert_int_eq(take(&single, "label\tsentence", &s), EVAL_LINE_EMPTY);
    ck_assert_int_eq(take(&single, "0\tcat", &s), EVAL_LINE_SAMPLE);
    ck_assert_str_eq(s.texts[0], "cat");
    ck_assert_ptr_null(s.texts[1]);
    eval_reader qnli = {.diag = D};
    ck_assert_int_eq(take(&qnli, "index\tquestion\tsentence\tlabel", &s), EVAL_LINE_EMPTY);
    ck_assert_int_eq(take(&qnli, "9\twho\tshe\t2", &s), EVAL_LINE_SAMPLE);
    ck_assert_str_eq(s.texts[0], "who");
    ck_assert_str_eq(s.texts[1], "she");
}
END_TEST

START_TEST(given_names_of_columns) {
    columns c;
    ck_assert(columns_name(D, (src_loc){0}, arena_strdup(A, "source,label,star,sentence"), ',', &c));
    eval_reader r = {.diag = D, .columns = c};
    eval_sample s = {0};
    ck_assert_int_eq(take(&r, "gj04\t0\t*\tcat cat", &s), EVAL_LINE_SAMPLE);
    ck_assert_str_eq(s.texts[0], "cat cat");
    ck_assert_double_eq(s.label, 0);
}
END_TEST

START_TEST(bad_tables) {
    static const struct {
        const char *header, *line, *wanted;
    } cases[] = {
        {"sentence\tscore", NULL, "no column is called 'label'"},
        {"label", NULL, "no column is called 'sentence'"},
        {"sentence\ttext\tlabel", NULL, "'text' is the second column of its kind"},
        {"sentence\tlabel", "cat", "has 1 field for 2 columns"},
        {"sentence\tlabel", "cat\t1\t2", "has 3 fields for 2 columns"},
        {"sentence\tlabel", "cat\tgood", "the label 'good' is not a class"},
        {"sentence\tlabel", "cat\t-1", "the label '-1' is not a class"},
        {"sentence\tlabel", "cat\t1x", "the label '1x' is not a class"},
        {"sentence\tlabel", "cat\t", "the label '' is not a class"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eval_reader r = {.diag = D, .loc = {"x.tsv", 0, 1}};
        eval_sample s = {0};
        eval_line last = take(&r, cases[i].header, &s);
        if (cases[i].line)
            last = take(&r, cases[i].line, &s);
        ck_assert_int_eq(last, EVAL_LINE_BAD);
        EXPECT_ERROR(cases[i].wanted);
    }
}
END_TEST

START_TEST(greatest_logits) {
    float rows[4][2] = {{1, 2}, {3, -1}, {0, 0}, {-2, -1}};
    eval_vector outputs[4];
    for (size_t i = 0; i < 4; i++)
        outputs[i] = (eval_vector){rows[i], 2};
    eval_results r = {.diag = D, .samples = 4, .labels = (const double[]){1, 0, 1, 1}, .outputs = outputs};
    double values[EVAL_METRICS_MOST];
    ck_assert(eval_task_classification.score(A, &r, values));
    ck_assert_double_eq_tol(values[0], 0.75, 1e-15); /* the third is a draw, which the lower class has */
    ck_assert_double_eq_tol(values[1], 0.8, 1e-15);
    ck_assert_double_eq_tol(values[2], 1 / sqrt(3), 1e-12);
    r.labels = (const double[]){1, 0, 2, 1};
    ck_assert(!eval_task_classification.score(A, &r, values));
    EXPECT_ERROR("has 2 classes; the data have the label 2");
}
END_TEST

TEST_MAIN("eval classification", a_header_names_columns, given_names_of_columns, bad_tables, greatest_logits)
