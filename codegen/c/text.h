/* The C of codegen/c/text/, as strings that embed.cmake makes at build time. Printed as it is. */
#ifndef DTQ_CODEGEN_C_TEXT_H
#define DTQ_CODEGEN_C_TEXT_H

extern const char c_text_start[], c_text_vectors[], c_text_intrinsics[], c_text_dot4[], c_text_roundeven[],
    c_text_square_root[], c_text_bits[], c_text_count[], c_text_swap[], c_text_mask_bits[], c_text_masked[],
    c_text_shuffles[], c_text_prefetch[];

#endif
