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
    list origins;              /* of src_loc, by line: what is written behind an op's `@` */
    const char *last_source;   /* what `source = ^` means */
    uint64_t time, times;      /* inside a repeat: which time round, of how many; else 0 of 0 */
    uint64_t pass, passes;     /* the same of a block */
    uint64_t written;          /* bytes of the block, written out */
    bool arrays_counted;       /* a queue has been counted up, past the machine's last array maybe */
} parser;

/* before*first..end*behind: evenly from first up to end, which is of the time after the last; each number `behind`
 * times in a row, and all of it `before` times over. */
typedef struct {
    uint64_t before, behind;
} parse_counting;

enum { REPEATS_MAX = 4096 };

/** Room for one more element of `size` bytes. */
void *parse_list_next(arena *scratch, list *l, size_t size);

/* All of these return false after they reported an error. */

/** How often: 1 to REPEATS_MAX. */
bool parse_times(scanner *s, uint64_t *times);
/** The number of this time round of what counts from `first` up to `end`, written at `loc`. */
bool parse_count(parser *p, src_loc loc, const parse_counting *c, int64_t first, int64_t end, int64_t *value);
/** "+2" behind what is 2 more in each pass of a block: adds what it is in this one, if it is there. */
bool parse_step(parser *p, int64_t *value);
/** 7; of ops that are repeated also 0..12, 0..8*2, 8*0..2; in a block also 5+1 */
bool parse_counted(parser *p, int64_t *value);
/** The word of attr->key, which the op may have. */
bool parse_word_value(parser *p, ir_opcode code, ir_attr *attr);
/** {key = value, …}, if it is there, of op `op`. */
bool parse_attrs(parser *p, ir_opcode code, size_t op);

/** `key = value` of the header; the key, `length` bytes of the text at hand, has been taken. */
bool parse_header_setting(parser *p, const char *key, size_t length);
/** What follows the words `machine`, `tensor`, `weights` and `passes`, which stand at `loc`. */
bool parse_machine(parser *p, src_loc loc);
bool parse_tensor(parser *p, src_loc loc);
bool parse_weights(parser *p, src_loc loc);
bool parse_passes(parser *p, src_loc loc);

/** `@ "file":line:col`, if it is there; else `*origin` stays. */
bool parse_origin(parser *p, src_loc *origin);
/** Nothing more on the line but a comment. */
bool parse_line_end(parser *p);

#endif
