#if DTQ_NATIVE != 0 && defined(__SSE2__)
#include <immintrin.h>
#define DTQ_X86 1
#elif DTQ_NATIVE != 0 && defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define DTQ_NEON 1
#endif
