/* The Chrome trace: tracks, slices, times. */
#include <math.h>

#include "codegen/report_util.h"

#include "runtime/machine_members.h"

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
    ck_assert_msg(found, "no %s in\n%s", wanted, text);
    return found;
}

START_TEST(slices_and_tracks) {
    dtq_instr instrs[] = {{.op = DTQ_OP_LOAD, .queue = DTQ_LOAD},       {.op = DTQ_OP_SIGNAL, .queue = DTQ_LOAD},
                          {.op = DTQ_OP_WAIT, .queue = DTQ_ARRAY0 + 1}, {.op = DTQ_OP_QK, .queue = DTQ_ARRAY0 + 1},
                          {.op = DTQ_OP_TOPK, .queue = DTQ_TOPK},       {.op = DTQ_OP_POOL, .queue = DTQ_HOST},
                          {.op = DTQ_OP_POOL, .queue = DTQ_HOST},       {.op = DTQ_OP_POOL, .queue = DTQ_HOST}};
    dtq_source sources[] = {
        {.op = 1, .layer = 0, .head = 2, .row = 0, .rows = 18},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.op = 1, .layer = 0, .head = 2, .row = 18, .rows = 18, .tile_col = 11, .tile_cols = 22},
        {.op = 1, .layer = 0, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
        {.layer = UINT32_MAX, .head = UINT32_MAX},
    };
    const dtq_event events[] = {{0, 30, 130},  {130, 0, 130}, {130, 0, 130}, {130, 64, 212},
                                {300, 5, 313}, {313, 0, 313}, {313, 0, 313}, {315, 0, 315}};
    dtq_stream s = {.seq = 36, .count = 8, .instrs = instrs, .sources = sources};
    dtq_machine machine;
    dtq_program p = {.model = "tiny", .string_count = 2, .strings = strings, .machine = &machine};
    dtq_machine_init(&machine);
    machine.top_clock_ghz = 2;
    char *text = trace(&p, &s, events);

    expect(text, "\"displayTimeUnit\": \"ns\"");
    expect(text, "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": 2, \"args\": {\"name\": \"tiny, 36 "
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

    expect(text, "{\"name\": \"load h2 [0,18)\", \"ph\": \"X\", \"pid\": 1, \"tid\": 3, \"cat\": \"load\", \"ts\": 0, "
                 "\"dur\": 0.015, \"args\": {\"instruction\": 0, \"layer\": 0, \"head\": 2, \"row\": 0, \"rows\": 18, "
                 "\"start_cycle\": 0, \"busy_cycles\": 30, \"done_cycle\": 130, "
                 "\"source\": \"layer.0.attention \\\"x\\\"\"}}");
    expect(text, "{\"name\": \"qk h2 [18,36)\", \"ph\": \"X\", \"pid\": 1, \"tid\": 8, \"cat\": \"qk\", \"ts\": 0.065, "
                 "\"dur\": 0.032, \"args\": {\"instruction\": 3, \"layer\": 0, \"head\": 2, \"row\": 18, \"rows\": 18, "
                 "\"col\": 11, \"cols\": 22,");
    expect(text, "{\"name\": \"topk\", \"ph\": \"X\"");
    /* what takes no time is an instant, one for all that happen at once */
    expect(text, "{\"name\": \"2 instructions\", \"ph\": \"i\", \"pid\": 1, \"tid\": 2, \"s\": \"t\", \"ts\": 0.157, "
                 "\"args\": {\"instruction\": 5, \"instructions\": 2, \"start_cycle\": 313}}");
    expect(text, "{\"name\": \"host.pool\", \"ph\": \"i\", \"pid\": 1, \"tid\": 2, \"s\": \"t\", \"ts\": 0.158, "
                 "\"args\": {\"instruction\": 7, \"instructions\": 1, \"start_cycle\": 315}}");
    ck_assert_ptr_null(strstr(text, "wait"));
    ck_assert_ptr_null(strstr(text, "signal"));
    free(text);
}
END_TEST

/* ---- the rules of the format, which Perfetto reads in whole nanoseconds -------------------------------------------
 */

enum { QUEUES = 4, EVENTS = 400 };

static uint64_t random_state;
static uint32_t draw(uint32_t below) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/** Microseconds that are a whole number of the trace's units. */
static int64_t units(const char *event, const char *key) {
    const double value = 1000 * json_number(event, key);
    ck_assert_msg(fabs(value - round(value)) < 1e-4, "%s of %.300s is not whole", key, event);
    return llround(value);
}

/** Slices in the order of their queues: whole, not empty, none over the one before. Returns how many instructions the
 *  trace has. */
static size_t check_slices(const char *text) {
    int64_t last_end[QUEUES] = {0}, last_instant[QUEUES];
    size_t count = 0;
    memset(last_instant, -1, sizeof last_instant);
    for (const char *line = strstr(text, "\"cat\""); line; line = strstr(line + 1, "\"cat\"")) {
        while (*line != '{')
            line--;
        const int tid = (int)json_number(line, "tid");
        ck_assert_int_ge(tid, 2);
        const int64_t start = units(line, "ts"), end = start + units(line, "dur");
        ck_assert_msg(start >= last_end[tid - 2] && end > start, "%.300s begins before %lld or has no length", line,
                      (long long)last_end[tid - 2]);
        last_end[tid - 2] = end;
        count++;
        line = strstr(line, "\"cat\"");
    }
    for (const char *line = strstr(text, "\"ph\": \"i\""); line; line = strstr(line + 1, "\"ph\": \"i\"")) {
        const int tid = (int)json_number(line, "tid");
        const int64_t at = units(line, "ts");
        ck_assert_msg(at > last_instant[tid - 2], "two instants at %lld", (long long)at);
        last_instant[tid - 2] = at;
        count += (size_t)json_number(line, "instructions");
    }
    return count;
}

START_TEST(slices_never_cross) {
    static const double clocks[] = {1, 1.7, 3, 20};
    for (uint64_t seed = 1; seed <= 6; seed++) {
        random_state = seed;
        dtq_instr instrs[EVENTS] = {{0}};
        dtq_source sources[EVENTS];
        dtq_event events[EVENTS];
        uint64_t free_at[QUEUES] = {0};
        const uint32_t longest = 1 + draw(seed % 2 ? 3 : 400);
        for (size_t i = 0; i < EVENTS; i++) {
            const unsigned queue = draw(QUEUES);
            instrs[i].op = queue == DTQ_HOST ? DTQ_OP_POOL : DTQ_OP_LOAD;
            instrs[i].queue = (uint8_t)queue;
            sources[i] = (dtq_source){.layer = UINT32_MAX, .head = UINT32_MAX};
            const uint64_t start = free_at[queue] + (draw(3) ? 0 : draw(5)), busy = queue ? 1 + draw(longest) : 0;
            events[i] = (dtq_event){.start = start, .busy = busy, .done = start + busy};
            free_at[queue] = start + busy;
        }
        dtq_stream s = {.seq = 36, .count = EVENTS, .instrs = instrs, .sources = sources};
        dtq_machine machine;
        dtq_program p = {.model = "tiny", .string_count = 2, .strings = strings, .machine = &machine};
        dtq_machine_init(&machine);
        for (size_t c = 0; c < sizeof clocks / sizeof *clocks; c++) {
            machine.top_clock_ghz = clocks[c];
            char *text = trace(&p, &s, events);
            const size_t count = check_slices(text);
            ck_assert_msg(count == EVENTS, "seed %llu, %g GHz: %zu of %d instructions", (unsigned long long)seed,
                          clocks[c], count, EVENTS);
            free(text);
        }
    }
}
END_TEST

START_TEST(empty) {
    dtq_machine machine;
    dtq_program p = {.model = NULL, .machine = &machine};
    dtq_machine_init(&machine);
    char *text = trace(&p, &(dtq_stream){.seq = 1}, NULL);
    expect(text, "\"traceEvents\": [");
    free(text);
}
END_TEST

START_TEST(a_full_disk_is_noticed) {
    dtq_machine machine;
    dtq_program p = {.model = "x", .machine = &machine};
    dtq_machine_init(&machine);
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    ck_assert(!report_trace(&p, &(dtq_stream){.seq = 1}, NULL, full));
    fclose(full);
}
END_TEST

REPORT_MAIN("report_trace", slices_and_tracks, slices_never_cross, empty, a_full_disk_is_noticed)
