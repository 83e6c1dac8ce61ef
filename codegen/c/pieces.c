/* Pieces of the prelude that only some files need: what processors have instructions for, and how it is done without.
 * The C is in codegen/c/text/. */
#include "codegen/c/state.h"
#include "codegen/c/text.h"

/* In the order of printing: a piece may use those before it. */
static const struct {
    int piece;
    bool intrinsics; /* of the compiler, for x86 or Arm */
    const char *text;
} pieces[] = {
    {C_PIECE_BITS, false, c_text_bits},        {C_PIECE_COUNT, false, c_text_count},
    {C_PIECE_SWAP, false, c_text_swap},        {C_PIECE_PREFETCH, false, c_text_prefetch},
    {C_PIECE_SHUFFLE, false, c_text_shuffles}, {C_PIECE_ROUNDEVEN, true, c_text_roundeven},
    {C_PIECE_SQRT, true, c_text_square_root},  {C_PIECE_MASK_BITS, true, c_text_mask_bits},
    {C_PIECE_MASKED, true, c_text_masked},     {C_PIECE_DOT4, true, c_text_dot4},
};
enum { PIECES = sizeof pieces / sizeof *pieces };

static bool is_needed(const c_printer *p, int piece) {
    if (piece == C_PIECE_BITS && p->pieces[C_PIECE_ROUNDEVEN])
        return true;
    return p->pieces[piece];
}

void c_print_intrinsics_header(const c_printer *p, FILE *out) {
    for (int i = 0; i < PIECES; i++)
        if (pieces[i].intrinsics && is_needed(p, pieces[i].piece)) {
            fputs(c_text_intrinsics, out);
            return;
        }
}

void c_print_pieces(const c_printer *p, FILE *out) {
    for (int i = 0; i < PIECES; i++)
        if (is_needed(p, pieces[i].piece)) {
            fputc('\n', out);
            fputs(pieces[i].text, out);
        }
}
