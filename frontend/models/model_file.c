/* The file that a model comes from: which format it has, and the state that its tensors were read in. */
#include "frontend/models/model.h"

#include <string.h>

#include "runtime/base/words.h"

bool model_is_onnx(const char *path) {
    return dtq_ends_with(path, ".onnx");
}

void model_stamp(model *m, uint64_t stamp) {
    for (size_t i = 0; i < m->tensor_count; i++)
        if (m->tensors[i].file && strcmp(m->tensors[i].file, m->path) == 0)
            m->tensors[i].file_stamp = stamp;
}
