/* Any lines as a command line: parsed or refused in words. */
#include <string.h>

#include "frontend/cli/options.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS_MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    arena *a = arena_new();
    char *text = arena_strndup(a, (const char *)data, bytes), *words[WORDS_MOST + 1] = {0};
    int count = 0;
    for (char *word = text; word && count < WORDS_MOST; count++) {
        words[count] = word;
        word = strchr(word, '\n');
        if (word)
            *word++ = '\0';
    }
    const char *nearest = NULL, *error = NULL;
    command_id command = command_find(count ? words[0] : "", &nearest);
    options *o = ARENA_NEW(a, options);
    if (command != CMD_COUNT && !options_parse(a, command, count - 1, words + 1, o, &error) && (!error || !*error))
        fuzz_fail("a command line is refused without a reason");
    arena_free(a);
    return 0;
}
