/* What the files of the parser share; private to ir/. */
#ifndef DTQ_IR_PARSE_H
#define DTQ_IR_PARSE_H

#include "ir/ir.h"
#include "ir/scan.h"

/* A list that is read before its length is known; used again for the next one. */
typedef struct {
    void *items;
    size_t count, capacity;
} list;

typedef struct {
    scanner scan;
    ir_module *m;
    names values;         /* what %name stands for */
    uint32_t header_seen; /* bit of each header member given */
    bool machine_seen, passes_seen;
    list operands, ints, runs; /* of ir_value, int64_t, ir_run */
    src_loc last_location;     /* written last: what `@ ^` means */
} parser;

/* All of these return false after they reported an error. */

/** `key = value` of the header; the key, `length` bytes of the text at hand, has been taken. */
bool parse_header_setting(parser *p, const char *key, size_t length);
/** What follows the words `machine`, `tensor` and `passes`, which stand at `loc`. */
bool parse_machine(parser *p, src_loc loc);
bool parse_tensor(parser *p, src_loc loc);
bool parse_passes(parser *p, src_loc loc);

/** `@ "file":line:col`, if it is there. */
bool parse_location(parser *p, src_loc *loc);
/** Nothing more on the line but a comment. */
bool parse_line_end(parser *p);

#endif
