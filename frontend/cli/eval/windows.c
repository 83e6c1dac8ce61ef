/* Strided windows. */
#include "frontend/cli/eval/windows.h"

window *windows_cut(arena *a, size_t tokens, const window_rule *rule, size_t *count) {
    size_t length = rule->length < tokens ? rule->length : tokens;
    size_t most = (tokens - length) / rule->stride + 2, first = rule->led ? 0 : 1;
    size_t seen = first; /* tokens that count already, or cannot */
    window *list = ARENA_ARRAY(a, window, most);
    *count = 0;
    if (rule->last && length < rule->length)
        return list;
    for (size_t from = 0; seen < tokens; from += rule->stride) {
        if (from + length > tokens)
            from = tokens - length;
        size_t scored = seen > from + first ? seen : from + first, end = from + length;
        if (rule->last && scored + rule->last < end)
            scored = end - rule->last;
        if (scored < end)
            list[(*count)++] = (window){from, (uint32_t)length, (uint32_t)(scored - from)};
        seen = end;
    }
    return list;
}
