/* The assembler's state and vocabulary; private to runtime/isa/asm*.c. */
#ifndef DTQRT_ISA_ASM_H
#define DTQRT_ISA_ASM_H

#include "runtime/base/suggest.h"
#include "runtime/isa/lexer.h"
#include "runtime/isa/names.h"
#include "runtime/isa/program_memory.h"
#include "runtime/program.h"

typedef struct {
    const char *name;
    dtq_lexer lexer;
    dtq_token token; /* the next one */
    dtq_pool *pool;
    dtq_program *program;
    dtq_stream *stream; /* the one being read, or NULL */
    dtq_layer *layer;   /* the one that .bits, .ids and .pinned belong to, or NULL */
    dtq_token layer_at;
    dtq_names strings, tensors;
    bool versioned, described; /* .version and .program were there */
    dtq_error *error;
} assembler;

/* All that follow return false on an error, which they have reported. */

/** Reports an error at a token. */
bool dtq_asm_fail(assembler *a, const dtq_token *t, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool dtq_asm_no_memory(assembler *a);
/** Reports that the next token is not `what`. */
bool dtq_asm_expected(assembler *a, const char *what);
bool dtq_asm_unknown(assembler *a, const dtq_token *t, const char *what, const dtq_suggest *s);
/** How many bytes of a token a message shows. */
int dtq_asm_shown(const dtq_token *t);

void dtq_asm_advance(assembler *a);
bool dtq_asm_is_mark(const assembler *a, char mark);
bool dtq_asm_expect_mark(assembler *a, char mark);
bool dtq_asm_expect_line_end(assembler *a);

/** A whole number, decimal or 0x, of at most `most`. */
bool dtq_asm_whole(assembler *a, const char *what, uint64_t most, uint64_t *value);
/** A finite decimal number, correctly rounded to binary32 if `single`. */
bool dtq_asm_real(assembler *a, const char *what, bool single, double *value);
/** The index of a word among "a|b|c" (up to a closing brace). Words may look like numbers. */
bool dtq_asm_word(assembler *a, const char *what, const char *words, uint64_t *index);
/** A string, as a copy of the pool; `length` may be NULL. */
bool dtq_asm_string(assembler *a, const char *what, const char **text, size_t *length);

/** Room for one more behind the `count` elements of the array that the pointer at `array` points to. */
bool dtq_asm_grow(assembler *a, void *array, size_t count, size_t size);
/** Appends to the program's strings. */
bool dtq_asm_add_string(assembler *a, const char *text, size_t length);

/** One directive with its line end. */
bool dtq_asm_directive(assembler *a);
/** Ends the layer being read, if there is one: its tables can no longer change. */
bool dtq_asm_close_layer(assembler *a);

#endif
