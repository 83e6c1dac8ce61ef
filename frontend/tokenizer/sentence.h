/* What sentence-transformers says of texts: files beside a vocabulary. Private to the frontend. */
#ifndef DTQ_TOKENIZER_SENTENCE_H
#define DTQ_TOKENIZER_SENTENCE_H

#include "ir/base/diag.h"

typedef struct {
    uint32_t max_length;   /* ids of a text, the frame's included; 0: as many as the model has positions */
    bool lower_case;       /* texts are lower-cased before their tokeniser sees them */
    const char *prompt;    /* put before every text; "": none */
    uint32_t truncate_dim; /* channels of the embedding that are kept; 0: all */
} sentence_settings;

/** Files that sentence_read looks for beside a vocabulary, NULL at the end. */
extern const char *const sentence_files[];
/** Reads them from the directory of `path` if it has a modules.json, without which nobody does. `out` is all nothing
 * where they say nothing. False after an error. */
bool sentence_read(arena *a, diag *d, const char *path, sentence_settings *out);

#endif
