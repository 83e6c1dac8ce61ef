/* The Chrome trace: tracks, slices, times. */
#include "codegen/report_util.h"

static const char *strings[] = {"", "layer.0.attention \"x\""};

static char *trace(const dtq_program *p, const dtq_stream *s, const dtq_event *events) {
    memory_file f;
    ck_assert(report_trace(p, s, events, memory_open(&f)));
    char *text = memory_close(&f);
    ck_assert_msg(json_valid(text), "not JSON:\n%s", text);
    return text;
}

static const char *expect(const char *text, const char *wanted) {
    const char *found = strstr(text, wanted);
    ck_assert_msg(found != NULL, "no %s in\n%s", wanted, text);
    return found;
}

START_TEST(slices_and_tracks) {
    dtq_instr instrs[] = {{.op = DTQ_OP_LOAD, .queue = DTQ_LOAD},       {.op = DTQ_OP_SIGNAL, .queue = DTQ_LOAD},
                          {.op = DTQ_OP_WAIT, .queue = DTQ_ARRAY0 + 1}, {.op = DTQ_OP_QK, .queue = DTQ_ARRAY0 + 1},
                          {.op = DTQ_OP_TOPK, .queue = DTQ_TOPK},       {.op = DTQ_OP_POOL, .queue = DTQ_HOST}};
    dtq_source sources[] = {
        {.op = 1, .layer = 0, .head = 2, .row = 0, .rows = 18},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.op = 1, .layer = 0, .head = 2, .row = 18, .rows = 18, .tile_col = 11, .tile_cols = 22},
        {.op = 1, .layer = 0, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
    };
    const dtq_event events[] = {{0, 30, 130},   {130, 0, 130}, {130, 0, 130},
                                {130, 64, 212}, {300, 5, 313}, {313, 0, 313}};
    dtq_stream s = {.seq = 36, .count = 6, .instrs = instrs, .sources = sources};
    dtq_program p = {.model = "tiny", .string_count = 2, .strings = strings};
    dtq_machine_init(&p.machine);
    p.machine.top_clock_ghz = 2;
    char *text = trace(&p, &s, events);

    expect(text, "\"displayTimeUnit\": \"ns\"");
    expect(text, "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": 0, \"args\": {\"name\": \"tiny, 36 "
                 "tokens, on default\"}}");
    const char *load = expect(text, "\"args\": {\"name\": \"load\"}"),
               *array = expect(text, "\"args\": {\"name\": \"array1\"}");
    const char *topk = expect(text, "\"args\": {\"name\": \"topk\"}"),
               *host = expect(text, "\"args\": {\"name\": \"host\"}");
    /* data flow from the top down: in, arrays, top-k; the host last */
    ck_assert_double_lt(json_number(load, "sort_index"), json_number(array, "sort_index"));
    ck_assert_double_lt(json_number(array, "sort_index"), json_number(topk, "sort_index"));
    ck_assert_double_lt(json_number(topk, "sort_index"), json_number(host, "sort_index"));
    ck_assert_ptr_null(strstr(text, "\"store\"")); /* no track without work */

    expect(text, "{\"name\": \"load h2 [0,18)\", \"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"cat\": \"load\", \"ts\": 0, "
                 "\"dur\": 0.015, \"args\": {\"instruction\": 0, \"layer\": 0, \"head\": 2, \"row\": 0, \"rows\": 18, "
                 "\"start_cycle\": 0, \"busy_cycles\": 30, \"done_cycle\": 130, "
                 "\"source\": \"layer.0.attention \\\"x\\\"\"}}");
    expect(text, "{\"name\": \"qk h2 [18,36)\", \"ph\": \"X\", \"pid\": 1, \"tid\": 6, \"cat\": \"qk\", \"ts\": 0.065, "
                 "\"dur\": 0.032, \"args\": {\"instruction\": 3, \"layer\": 0, \"head\": 2, \"row\": 18, \"rows\": 18, "
                 "\"col\": 11, \"cols\": 22,");
    expect(text, "{\"name\": \"topk\", \"ph\": \"X\"");
    expect(text, "{\"name\": \"host.pool\", \"ph\": \"X\", \"pid\": 1, \"tid\": 0, \"cat\": \"host.pool\", \"ts\": "
                 "0.1565, \"dur\": 0, "
                 "\"args\": {\"instruction\": 5, \"start_cycle\": 313, \"busy_cycles\": 0, \"done_cycle\": 313}}");
    ck_assert_ptr_null(strstr(text, "wait"));
    ck_assert_ptr_null(strstr(text, "signal"));
    free(text);
}
END_TEST

START_TEST(empty) {
    dtq_program p = {.model = NULL};
    dtq_machine_init(&p.machine);
    char *text = trace(&p, &(dtq_stream){.seq = 1}, NULL);
    expect(text, "\"traceEvents\": [");
    free(text);
}
END_TEST

START_TEST(a_full_disk_is_noticed) {
    dtq_program p = {.model = "x"};
    dtq_machine_init(&p.machine);
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    ck_assert(!report_trace(&p, &(dtq_stream){.seq = 1}, NULL, full));
    fclose(full);
}
END_TEST

REPORT_MAIN("report_trace", slices_and_tracks, empty, a_full_disk_is_noticed)
