/* An ONNX file as a graph: nodes, attributes and tensors point into the mapped file. Private to frontend/onnx. */
#ifndef DTQ_FRONTEND_ONNX_GRAPH_H
#define DTQ_FRONTEND_ONNX_GRAPH_H

#include "frontend/onnx/wire.h"
#include "ir/ir.h"

enum { ONNX_MAX_RANK = 8, ONNX_MAX_INTS = 1 << 16 };

/** Element types, by ONNX's numbers. */
typedef enum {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_BFLOAT16 = 16,
} onnx_type;

/** What the codes of a quantised constant stand for: (code - zero) * scale. */
typedef struct onnx_codes {
    double scale, zero;                       /* of all codes, unless below is one of each row or column */
    const struct onnx_tensor *scales, *zeros; /* NULL: `scale`, `zero` */
    bool by_rows;                             /* scales and zeros are of rows, not of columns */
    bool scaled;                              /* a scale was given */
} onnx_codes;

/** A constant. Its elements lie at `offset` of `file`; `data` shows them too unless they are in a file of their own. */
typedef struct onnx_tensor {
    const char *name;
    int64_t type; /* onnx_type, or another that cannot be used */
    uint32_t rank;
    uint64_t dims[ONNX_MAX_RANK], elements;
    uint64_t stride;         /* of a matrix: elements from one row to the next; 0: as many as a row has */
    const onnx_codes *codes; /* elements are codes; NULL: they are themselves */
    const char *file;
    const uint8_t *data;
    uint64_t offset, bytes, file_bytes;
    const int64_t *ints; /* [elements] of the few that came as varints */
} onnx_tensor;

typedef struct {
    const char *name;
    bool has_int, has_float;
    int64_t i;
    float f;
    const char *s; /* NULL if it has none */
    const int64_t *ints;
    size_t int_count;
    const onnx_tensor *tensor;
} onnx_attr;

typedef struct {
    const char *name, *op, *domain; /* never NULL; the name of its first output serves if it has none */
    const char **inputs, **outputs; /* "" for one that is left out */
    size_t input_count, output_count;
    const onnx_attr *attrs;
    size_t attr_count;
} onnx_node;

/** An input or output of the graph. */
typedef struct {
    const char *name;
    int64_t type;
    bool shaped; /* dims are known; a dynamic one is 0 */
    uint32_t rank;
    uint64_t dims[ONNX_MAX_RANK];
} onnx_value;

typedef struct {
    const char *path;
    const onnx_node *nodes;
    const onnx_tensor *tensors;
    const onnx_value *inputs, *outputs;
    size_t node_count, tensor_count, input_count, output_count;
    int64_t opset; /* of the standard operators */
} onnx_graph;

/** Reads a model whose bytes outlive the graph. `path` stands in messages, and files of weights lie beside it. NULL
 * after an error. */
onnx_graph *onnx_parse(arena *a, diag *d, const char *path, const uint8_t *data, uint64_t bytes);
/** The attribute, or NULL. */
const onnx_attr *onnx_attribute(const onnx_node *n, const char *name);
/** Bytes of an element; 0 of a type that has no use here. */
unsigned onnx_type_bytes(int64_t type);
/** Floating point numbers. */
static inline bool onnx_type_is_real(int64_t type) {
    return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 || type == ONNX_BFLOAT16;
}
/** What graphs compute sizes and positions with. */
static inline bool onnx_type_is_whole(int64_t type) {
    return type == ONNX_INT32 || type == ONNX_INT64 || type == ONNX_BOOL;
}

#endif
