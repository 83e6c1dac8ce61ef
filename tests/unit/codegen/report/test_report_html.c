/* The HTML report: a closed document of balanced markup, nothing in it unescaped, with the numbers of the report. */
#include "codegen/report_util.h"

#include "codegen/report/html/html.h"
#include "ir/base/number.h"
#include "runtime/machine_members.h"

static char *print(const report *const *reports, size_t count) {
    memory_file f;
    ck_assert(report_html(reports, count, memory_open(&f)));
    return memory_close(&f);
}

static void expect(const char *text, const char *wanted) {
    ck_assert_msg(strstr(text, wanted), "no %s in the document", wanted);
}

/* ---- markup ------------------------------------------------------------------------------------------------------ */

static bool is_void(const char *name) {
    static const char *const names[] = {"!DOCTYPE", "meta", "br"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/** Fails unless every element is closed in its place. What is in script and style is not markup. */
static void check_markup(const char *s) {
    char open[64][16];
    size_t depth = 0;
    while ((s = strchr(s, '<'))) {
        bool end = *++s == '/';
        s += end;
        char name[16] = "";
        size_t n = strcspn(s, " >\n");
        ck_assert_msg(n > 0 && n < sizeof name, "no element: <%.20s", s);
        memcpy(name, s, n);
        const char *close = s + n;
        while (*close != '>') { /* quoted values may hold any character but quotes */
            ck_assert_msg(*close && *close != '<', "unescaped: <%.60s", s);
            close += *close == '"' ? 1 + strcspn(close + 1, "\"") + 1 : 1;
        }
        s = close + 1;
        if (end) {
            ck_assert_msg(depth > 0 && strcmp(open[depth - 1], name) == 0, "</%s> closes <%s>", name,
                          depth ? open[depth - 1] : "");
            depth--;
        } else if (!is_void(name)) {
            ck_assert_uint_lt(depth, 64);
            strcpy(open[depth++], name);
            if (strcmp(name, "script") == 0 || strcmp(name, "style") == 0)
                s = strstr(s, strcmp(name, "script") == 0 ? "</script>" : "</style>");
            ck_assert_ptr_nonnull(s);
        }
    }
    ck_assert_uint_eq(depth, 0);
}

/** Fails unless all data of drawings are JSON; returns how many there are. */
static size_t check_data(const char *text) {
    static const char begin[] = "class=\"data\">";
    size_t count = 0;
    for (const char *s = text; (s = strstr(s, begin)); count++) {
        s += strlen(begin);
        char *data = strndup(s, (size_t)(strstr(s, "</script>") - s));
        ck_assert_msg(json_valid(data), "not JSON: %.200s", data);
        free(data);
    }
    return count;
}

static char *check(const report *const *reports, size_t count, size_t data) {
    char *text = print(reports, count);
    check_markup(text);
    ck_assert_uint_eq(check_data(text), data);
    static const char *const outside[] = {"http:", "https:", "src=", "@import", "url(", "<link"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        ck_assert_msg(!strstr(text, outside[i]), "the document asks for something: %s", outside[i]);
    return text;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

/** The number of the summary with this name in JSON. */
static double fact(const char *text, const char *key) {
    char id[64];
    snprintf(id, sizeof id, "id=\"r0-total-%s\" class=\"number\" data-value=\"", key);
    const char *found = strstr(text, id);
    ck_assert_msg(found, "no number %s", key);
    return strtod(found + strlen(id), NULL);
}

static void has_value(const char *text, double value) {
    char number[NUMBER_MAX], attribute[64];
    number_shortest(value, number);
    snprintf(attribute, sizeof attribute, "data-value=\"%s\"", number);
    expect(text, attribute);
}

static void compare_with_json(const report *r) {
    static const char *const totals[] = {"cycles",       "bound_cycles",    "tile_bound_cycles", "utilisation",
                                         "time_us",      "dense_gop_per_s", "dram_bytes",        "energy_pj",
                                         "instructions", "mac_cycles",      "stall_cycles"};
    static const char *const of_matmul[] = {"iterations", "stalled_iterations", "stall_ratio_mean", "cycles",
                                            "bound_cycles"};
    static const char *const of_layer[] = {"share", "utilisation", "dram_bytes"};
    char *html = check(&r, 1, 2);
    memory_file f;
    ck_assert(report_print(r, REPORT_JSON, memory_open(&f)));
    char *json = memory_close(&f);
    const char *total = json_after(json, "total");
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        ck_assert_double_eq(fact(html, totals[i]), json_number(total, totals[i]));
    const char *table = strstr(html, "class=\"numbers sortable\"");
    ck_assert_ptr_nonnull(table);
    for (size_t i = 0; i < sizeof of_matmul / sizeof *of_matmul; i++) {
        has_value(table, json_number(json_after(json, "qk"), of_matmul[i]));
        has_value(table, json_number(json_after(json, "pv"), of_matmul[i]));
    }
    for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++)
        has_value(table, json_number(json_after(json, "pv"), of_layer[i]));
    free(json);
    free(html);
}

START_TEST(numbers_are_those_of_json) {
    arena *a = arena_new();
    for (int clustered = 0; clustered < 2; clustered++) {
        report *r = report_build(a, diag_new(a, NULL), fig5_module(a, clustered));
        ck_assert_ptr_nonnull(r);
        compare_with_json(r);
    }
    arena_free(a);
}
END_TEST

START_TEST(sections) {
    static const char *const ids[] = {"summary", "utilisation", "layers", "tiles", "timeline"};
    arena *a = arena_new();
    report *r = report_build(a, diag_new(a, NULL), fig5_module(a, true));
    const report *two[] = {r, r};
    char *text = check(two, 2, 4), id[64];
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(id, sizeof id, "<section id=\"r0-%s\"", ids[i]);
        expect(text, id);
        snprintf(id, sizeof id, "href=\"#r1-%s\"", ids[i]);
        expect(text, id);
    }
    expect(text, "<nav class=\"reports\"");
    ck_assert(!strstr(text, "-tokens\""));
    ck_assert(!strstr(text, "-remarks\""));
    expect(text, "Cycles cover attention;");
    expect(text, html_style);
    expect(text, html_script);
    free(text);
    arena_free(a);
}
END_TEST

/* Columns of linears are there where the arrays compute them, and the total row is as wide. */
START_TEST(linears_have_columns) {
    static const char heading[] = "<th colspan=\"6\" scope=\"colgroup\" class=\"group\">projections, FFN</th>";
    arena *a = arena_new();
    report *r = report_build(a, diag_new(a, NULL), fig5_module(a, true));
    const report *two[] = {r, r};
    char *text = check(two, 2, 4);
    ck_assert(!strstr(text, heading));
    expect(text, "<td colspan=\"10\"></td>");
    expect(text, "projections, FFN and norms run on the host");
    free(text);
    r->linears = true;
    r->layers[0].linear = (report_matmul){.iterations = 31, .cycles = 12345, .bound_cycles = 11111};
    r->layers[0].linear_cycles = 13579;
    text = check(two, 2, 4);
    expect(text, heading);
    expect(text, "<td colspan=\"16\"></td>");
    expect(text, "<td data-value=\"12345\">12,345</td>");
    expect(text, "<td data-value=\"13579\">13,579</td>");
    expect(text, "Cycles cover attention, projections and FFN");
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(strings_are_escaped) {
    arena *a = arena_new();
    ir_module *m = fig5_module(a, true);
    m->header.model = "<img onerror=\"x\">&'\xFF";
    strcpy(m->machine->name, "a<b");
    report *r = report_build(a, diag_new(a, NULL), m);
    const diag_entry remark = {.loc = {.file = "x<y.yaml", .line = 3}, .message = "\"</li><script>\x01"};
    const diag_entry *remarks[] = {&remark};
    r->remarks = remarks;
    r->remark_count = 1;
    const char *tokens[] = {"</span>", "&amp;", "\"", "'", "caf\xC3\xA9", "\xE2\x82", "<", "\n<s>\t", NULL};
    const uint8_t bits[] = {8, 4, 0, 8, 4, 4, 4, 4, 4};
    const report_input in = {.text = "<b>text</b>", .pair = "a & b", .tokens = tokens, .bits = bits};
    r->input = &in;
    const report *one = r;
    char *text = check(&one, 1, 2);
    expect(text, "&lt;img onerror=&quot;x&quot;&gt;&amp;&#39;\xEF\xBF\xBD");
    expect(text, "a&lt;b</h1>");
    expect(text, "x&lt;y.yaml:3");
    expect(text, "&quot;&lt;/li&gt;&lt;script&gt;\xEF\xBF\xBD");
    expect(text, "<span>&lt;/span&gt;</span>");
    expect(text, "<span>&amp;amp;</span>");
    expect(text, "<span>caf\xC3\xA9</span>");
    expect(text, "<span>\xEF\xBF\xBD\xEF\xBF\xBD</span>");
    expect(text, "&lt;b&gt;text&lt;/b&gt;<br>a &amp; b</blockquote>");
    expect(text, "<span>↵&lt;s&gt;⇥</span>");
    expect(text, "<span>8</span>"); /* a token without text has its number */
    expect(text, "<td class=\"b8\">8</td><td class=\"b4\">4</td><td class=\"b0\">·</td>");
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(long_inputs_are_cut_between_characters) {
    arena *a = arena_new();
    report *r = report_build(a, diag_new(a, NULL), fig5_module(a, true));
    char long_text[200] = "x";
    for (int i = 0; i < 60; i++)
        strcat(long_text, "\xC3\xA9");
    const report_input in = {.text = long_text};
    r->input = &in;
    const report *two[] = {r, r};
    char *text = check(two, 2, 4);
    ck_assert(!strstr(text, "\xEF\xBF\xBD"));
    expect(text, "\xC3\xA9…</a>");
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(without_module) { /* no tiles and no timeline, but all the rest */
    dtq_machine machine;
    dtq_machine_init(&machine);
    report_layer layer = {.tokens = 7, .cycles = 10, .limit = LIMIT_DMA, .expected = true};
    const report r = {
        .model = "", .target = "", .machine = &machine, .seq = 7, .layer_count = 1, .layers = &layer, .cycles = 10};
    const report *one = &r;
    char *text = check(&one, 1, 0);
    expect(text, "(unnamed model)");
    expect(text, "~10");
    ck_assert(!strstr(text, "r0-timeline"));
    free(text);
    const report none = {.model = "m", .target = "t", .machine = &machine};
    one = &none;
    free(check(&one, 1, 0));
    free(check(NULL, 0, 0));
}
END_TEST

/** Sums of all bars of the document: how many, instructions, busy cycles. */
static void sum_bars(const char *text, double *bars, double *instructions, double *busy) {
    *bars = *instructions = *busy = 0;
    for (const char *s = text; (s = strstr(s, "\"bars\":["));) {
        s += strlen("\"bars\":[");
        double field[9];
        for (int i = 0; *s != ']'; i++, s += *s == ',') {
            char *end;
            field[i % 9] = strtod(s, &end);
            s = end;
            if (i % 9 == 8) {
                *bars += 1;
                *instructions += field[8];
                *busy += field[2];
            }
        }
    }
}

START_TEST(long_timelines_are_thinned_out) {
    enum { HEADS = 9000 };
    arena *a = arena_new();
    ir_module *m = fig5_module(a, true);
    const report_test_layer l = {.slots = 9};
    int64_t at = 1000;
    for (int i = 0; i < HEADS; i++)
        at = add_head(m, &l, 0, at, 20, 30);
    report *r = report_build(a, diag_new(a, NULL), m);
    ck_assert_ptr_nonnull(r);
    const report *one = r;
    char *text = check(&one, 1, 2);
    double bars, instructions, busy;
    sum_bars(text, &bars, &instructions, &busy);
    ck_assert_double_le(bars, 24000);
    ck_assert_double_gt(bars, 3000);
    ck_assert_double_eq(instructions, 8.0 * (double)HEADS + 9);
    ck_assert_double_eq(busy, (6 * 10.0 + 20 + 30) * (double)HEADS + 6 * 10 + 144 + 120 + 3);
    free(text);
    arena_free(a);
}
END_TEST

START_TEST(events_replace_the_static_timeline) {
    arena *a = arena_new();
    report *r = report_build(a, diag_new(a, NULL), fig5_module(a, true));
    dtq_event events[16] = {{0}};
    for (uint64_t i = 0; i < r->instructions; i++)
        events[i] = (dtq_event){.start = 100 * i, .busy = 7, .done = 100 * i + 9};
    const report_input in = {.events = events};
    r->input = &in;
    const report *one = r;
    char *text = check(&one, 1, 2);
    double bars, instructions, busy;
    sum_bars(text, &bars, &instructions, &busy);
    ck_assert_double_eq(bars, 9);
    ck_assert_double_eq(busy, 63);
    expect(text, "as the simulator ran them");
    free(text);
    arena_free(a);
}
END_TEST

REPORT_MAIN("report_html", numbers_are_those_of_json, sections, linears_have_columns, strings_are_escaped,
            long_inputs_are_cut_between_characters, without_module, long_timelines_are_thinned_out,
            events_replace_the_static_timeline)
