/* Which keys of a model's files are known (settings.def), and the refusal of all others. Private to the frontend. */
#ifndef DTQ_FRONTEND_SETTINGS_H
#define DTQ_FRONTEND_SETTINGS_H

#include "frontend/files/document.h"

/** Files whose keys are in the table. */
typedef enum {
    SETTINGS_CONFIG,         /* config.json */
    SETTINGS_GENERATION,     /* generation_config.json */
    SETTINGS_TOKENIZER,      /* tokenizer_config.json of a vocabulary of BERT's */
    SETTINGS_MODULE,         /* an entry of modules.json */
    SETTINGS_POOLING,        /* a module's config.json */
    SETTINGS_NORMALIZE,      /* the same */
    SETTINGS_SENTENCE,       /* sentence_bert_config.json */
    SETTINGS_SENTENCE_MODEL, /* config_sentence_transformers.json */
    SETTINGS_GGUF,           /* metadata */
    SETTINGS_GGUF_MODEL,     /* the same behind the name of the architecture */
    SETTINGS_FILES
} settings_file;

/** Models whose config.json have keys of their own; bits. */
enum {
    MODELS_BERT = 1,
    MODELS_GPT2 = 2,
    MODELS_ROTARY = 4,
    MODELS_ROBERTA = 8,
    MODELS_DISTILBERT = 16,
    MODELS_ANY = 31
};

/** A row of the table. */
typedef struct {
    settings_file file;
    unsigned models;
    const char *allowed; /* NULL: it is read; "": any value; else the words that it must be one of */
    const char *keys, *why;
} settings_row;
extern const settings_row settings_rows[];
extern const size_t settings_row_count;
/** What a file is called in messages and in MODELS.md. */
const char *settings_file_name(settings_file f);

/** True if the table knows every key of `mapping`, a file of a model of `models`, and allows its value; else
 * diag_unknown has been told of each that it does not. */
bool settings_check(diag *d, const doc_node *mapping, settings_file file, unsigned models);

/** The row that knows a key, or NULL. */
const settings_row *settings_find(settings_file file, unsigned models, const char *key);

#endif
