#if defined(__GNUC__)
#define DTQ_PREFETCH(p, write, locality) __builtin_prefetch(p, write, locality)
#else
#define DTQ_PREFETCH(p, write, locality) ((void)(p))
#endif
