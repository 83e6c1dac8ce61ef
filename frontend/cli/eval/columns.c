/* Headers and rows of tables. */
#include "frontend/cli/eval/columns.h"

#include <string.h>

static const struct {
    column_role role;
    const char *name;
} known[] = {
#define COLUMN(role, name) {COLUMN_##role, name},
#include "frontend/cli/eval/columns.def"
};

/* QNLI's question comes with a sentence, which is then the second text. */
static int role_of(const char *name, bool after_question) {
    if (after_question && strcmp(name, "sentence") == 0)
        return COLUMN_SECOND;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return (int)known[i].role;
    return -1;
}

static char *cut(char *at, char separator) {
    char *end = strchr(at, separator);
    if (end)
        *end++ = 0;
    return end;
}

bool columns_name(diag *d, src_loc loc, char *line, char separator, columns *out) {
    *out = (columns){.at = {-1, -1, -1}};
    bool question = false;
    for (char *at = line, *next; at; at = next) {
        next = cut(at, separator);
        if (out->count == COLUMNS_MOST)
            return diag_error(d, loc, "has more than %d columns", COLUMNS_MOST);
        int role = role_of(at, question);
        question = question || strcmp(at, "question") == 0;
        if (role >= 0 && out->at[role] >= 0)
            return diag_error(d, loc, "'%.40s' is the second column of its kind", at);
        if (role >= 0)
            out->at[role] = (int)out->count;
        out->count++;
    }
    if (out->at[COLUMN_FIRST] < 0 || out->at[COLUMN_LABEL] < 0)
        return diag_error(
            d, loc,
            "no column is called '%s'; the first line of a table names its columns, among them sentence "
            "(or sentence1 and sentence2) and label; --columns names those of a table without such a line",
            out->at[COLUMN_FIRST] < 0 ? "sentence" : "label");
    return out->known = true;
}

bool columns_cut(diag *d, src_loc loc, char *line, const columns *c, char *fields[COLUMN_ROLES]) {
    size_t count = 0;
    for (int role = 0; role < COLUMN_ROLES; role++)
        fields[role] = NULL;
    for (char *at = line, *next; at; at = next, count++) {
        next = cut(at, '\t');
        for (int role = 0; role < COLUMN_ROLES; role++)
            if (c->at[role] == (int)count)
                fields[role] = at;
    }
    return count == c->count || diag_error(d, loc, "has %zu field%s for %zu columns, with a tab between each two",
                                           count, count == 1 ? "" : "s", c->count);
}
