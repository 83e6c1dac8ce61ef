/* For libFuzzer: text is changed as a text every other time. */
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t room, unsigned seed) {
    if (seed % 2 != 0 && bytes != 0)
        return fuzz_mutate_text((char *)data, bytes, room, seed);
    return LLVMFuzzerMutate(data, bytes, room);
}
