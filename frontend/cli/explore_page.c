/* dtqc explore: the HTML document. */
#include "frontend/cli/explore.h"

void explore_page(const exploration *e, FILE *out) {
    (void)e, (void)out;
}
