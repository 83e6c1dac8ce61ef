/* The file or directory that a model comes from: its format, its name, and the state that tensors were read in. */
#include "frontend/models/model.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/path.h"
#include "runtime/base/words.h"

bool model_is_onnx(const char *path) {
    return dtq_ends_with(path, ".onnx");
}

const char *model_directory_graph(arena *a, const char *path) {
    const char *graph = path_join(a, path, "onnx/model.onnx");
    return path_is_file(path_join(a, path, "config.json")) && path_is_file(graph) &&
                   !path_is_file(path_join(a, path, "model.safetensors")) &&
                   !path_is_file(path_join(a, path, "model.safetensors.index.json"))
               ? graph
               : NULL;
}

const char *model_directory_name(arena *a, const char *path) {
    char *real = realpath(path, NULL);
    const char *name = path_stem(a, real ? real : path);
    free(real);
    return name;
}

void model_stamp(model *m, uint64_t stamp) {
    for (size_t i = 0; i < m->tensor_count; i++)
        if (m->tensors[i].file && strcmp(m->tensors[i].file, m->path) == 0)
            m->tensors[i].file_stamp = stamp;
}
