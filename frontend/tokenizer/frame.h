/* What is put around a text's ids: [CLS] and [SEP], or the token that begins a text. Private to frontend/tokenizer/. */
#ifndef DTQ_TOKENIZER_FRAME_H
#define DTQ_TOKENIZER_FRAME_H

#include "frontend/tokenizer/id_list.h"
#include "frontend/tokenizer/tokenizers.h"

typedef enum { FRAME_ID, FRAME_FIRST, FRAME_SECOND } frame_kind;

typedef struct {
    frame_kind kind;
    uint32_t id; /* of FRAME_ID */
    uint32_t segment;
} frame_piece;

enum { FRAME_PIECES = 16 };

/** A template: the texts, each once, and ids around them. */
typedef struct {
    size_t count;
    frame_piece pieces[FRAME_PIECES];
} frame;

typedef struct {
    frame single, pair; /* pair is empty if the model has none */
    uint32_t pad;       /* id, or TOKEN_NONE */
} frames;

/** No id around a text; the second of a pair follows the first. */
frames frames_bare(void);

/** Puts a text's ids (and those of `second`, unless it is NULL) into their frame, truncated and padded as
 *  tokenizer_encode says. */
bool frame_join(const frames *f, arena *a, diag *d, const id_list *first, const id_list *second, size_t limit,
                size_t pad_to, token_list *out);

#endif
