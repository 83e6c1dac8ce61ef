/* Which rules hold for a BERT vocabulary, where several files have their say. Private to the frontend. */
#ifndef DTQ_TOKENIZER_BERT_RULES_H
#define DTQ_TOKENIZER_BERT_RULES_H

#include "frontend/tokenizer/added.h"
#include "frontend/tokenizer/token_table.h"
#include "frontend/tokenizer/vocabulary.h"

/** A token that is found in a text as it stands; `place` of its description is still to be set. */
typedef struct {
    listed_token token;
    added_token how;
} found_token;

typedef struct {
    bool json_holds; /* tokenizer.json has all rules of its own; else those below hold for it, too */
    bool lower_case, strip_accents, split_ideographs;
    bool accents_said; /* else they go with the case */
    const char *names[SPECIALS];
    size_t added_count;
    found_token *added; /* of tokenizer_config.json and added_tokens.json */
} bert_rules;

/** What the files beside a vocabulary (vocab.txt or tokenizer.json) say, as transformers 5 has it: a class of its own
 * for BERT goes by tokenizer_config.json and its defaults, whatever the normaliser of tokenizer.json;
 * PreTrainedTokenizerFast and TokenizersBackend, or a tokenizer.json alone, by tokenizer.json. False after an error. */
bool bert_rules_read(arena *a, diag *d, const char *path, bert_rules *out);

#endif
