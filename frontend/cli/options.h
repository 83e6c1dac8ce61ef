/* The parsed command line. The table of sub-commands and options is options.def. */
#ifndef DTQ_CLI_OPTIONS_H
#define DTQ_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/base/arena.h"

/* The value of a macro as text, for options.def. */
#define QUOTED_(x) #x
#define QUOTED(x)  QUOTED_(x)

/** The sub-commands; CMD_COUNT stands for dtqc itself. What is behind it has options, but is none of them. */
typedef enum {
#define COMMAND(id, name, operands, least, most, doc, details, example) CMD_##id,
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)
#include "frontend/cli/options.def"
    CMD_COUNT,
#define COMMAND(id, name, operands, least, most, doc, details, example)
#define EXECUTABLE(id, name, operands, least, most, doc, details, example) CMD_##id,
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example)
#include "frontend/cli/options.def"
    CMD_ALL
} command_id;

typedef enum {
#define COMMAND(id, name, operands, least, most, doc, details, example)
#define OPTION(id, commands, name, letter, kind, words, missing, doc, example) OPT_##id,
#include "frontend/cli/options.def"
    OPT_COUNT
} option_id;

typedef struct {
    const char *name, *operands, *doc, *details, *example;
    size_t least, most; /* operands */
} command_info;

typedef enum {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_LIST,
    OPTION_INT,
    OPTION_WORD,
    OPTION_MAYBE_WORD,
    OPTION_MAYBE_INT,
    OPTION_LENGTHS
} option_kind;

typedef struct {
    unsigned commands; /* bit 1 << command_id */
    const char *name;
    char letter;
    option_kind kind;
    const char *words, *missing, *doc, *example;
} option_info;

extern const command_info command_table[CMD_ALL];
extern const option_info option_table[OPT_COUNT];

/** What was given for one option. */
typedef struct {
    bool given;
    bool has_value;     /* MAYBE_INT: a number was given */
    const char *text;   /* TEXT, and the spelling of any other value */
    int word;           /* WORD, MAYBE_WORD: index; of a WORD the default's if it was not given */
    int64_t number;     /* INT, MAYBE_INT */
    uint32_t *lengths;  /* LENGTHS: ascending, each once [count] */
    const char **texts; /* LIST [count] */
    int *positions;     /* LIST: where each stood among the arguments */
    size_t count;
} option_value;

typedef struct {
    command_id command;
    option_value values[OPT_COUNT];
    const char **operands;
    size_t operand_count;
} options;

/** Parses the arguments after the sub-command's name. On failure returns false and what is wrong in *error, one line
 *  without a line break. With --help the number of operands is not checked. */
bool options_parse(arena *a, command_id command, int argc, char **argv, options *out, const char **error);

/** The sub-command called `name`, or CMD_COUNT with the nearest name, or NULL, in *nearest. */
command_id command_find(const char *name, const char **nearest);

/** Spelling of an option for messages and help: "--seq", and with its value "--seq=N". Owned by the arena. */
const char *option_spelling(arena *a, option_id id);

/** Help for `dtqc` (CMD_COUNT) or one sub-command, called as `program` ("dtqc run"); and the man page. */
void help_print(command_id command, const char *program, FILE *out);
void man_page_print(const char *version, FILE *out);

#endif
