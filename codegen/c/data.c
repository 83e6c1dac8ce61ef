/* Variables: their C types follow the layout of the module, their initialisers its constants. A struct's padding is
 * C's; that both agree is asserted in the printed file. */
#include <string.h>

#include "codegen/c/state.h"

typedef struct {
    c_printer *p;
    FILE *out;
    c_map *states; /* of variables: &begun or &done */
    bool as_bits;  /* floats of the variable are stored as integers: some are not finite */
} data_printer;

static char begun, done;

static bool is_hidden(LLVMValueRef v) {
    LLVMLinkage l = LLVMGetLinkage(v);
    return l == LLVMInternalLinkage || l == LLVMPrivateLinkage;
}

/* ---- types ------------------------------------------------------------------------------------------------------ */

static void print_indent(FILE *out, unsigned depth) {
    for (unsigned i = 0; i < depth; i++)
        fputs("    ", out);
}

static const char *item_type(data_printer *d, LLVMTypeRef t) {
    switch (LLVMGetTypeKind(t)) {
    case LLVMPointerTypeKind:
        return "void *";
    case LLVMFloatTypeKind:
        return d->as_bits ? "uint32_t " : "float ";
    case LLVMDoubleTypeKind:
        return d->as_bits ? "uint64_t " : "double ";
    case LLVMIntegerTypeKind:
        return LLVMGetIntTypeWidth(t) == 1 ? "uint8_t "
                                           : c_text(d->p, "%s ", c_int_type(d->p, LLVMGetIntTypeWidth(t), false));
    default:
        (void)c_scalar_type(d->p, t); /* says what is wrong */
        return "char ";
    }
}

static bool is_empty(data_printer *d, LLVMTypeRef t) {
    return LLVMABISizeOfType(d->p->layout, t) == 0;
}

/* What the arrays around it are made of, and the dimensions as C writes them. Vectors are arrays, too. */
static LLVMTypeRef innermost(data_printer *d, LLVMTypeRef t, const char **dimensions) {
    *dimensions = "";
    while (LLVMGetTypeKind(t) == LLVMArrayTypeKind || LLVMGetTypeKind(t) == LLVMVectorTypeKind) {
        bool array = LLVMGetTypeKind(t) == LLVMArrayTypeKind;
        uint64_t count = array ? LLVMGetArrayLength2(t) : LLVMGetVectorSize(t);
        if (c_is_mask(t) || (!array && c_held_lanes((c_shape){(unsigned)count, 8, 'u'}) != count))
            c_cannot(d->p, "a variable with a vector whose lanes are not bytes or not a power of two");
        *dimensions = c_text(d->p, "%s[%llu]", *dimensions, (unsigned long long)count);
        t = LLVMGetElementType(t);
    }
    return t;
}

static void print_fields(data_printer *d, LLVMTypeRef t, unsigned depth);

static void print_declared(data_printer *d, LLVMTypeRef t, const char *name, unsigned depth) {
    const char *dimensions;
    bool vector = c_is_vector(t);
    if (vector && depth)
        fprintf(d->out, "_Alignas(%u) ", LLVMABIAlignmentOfType(d->p->layout, t));
    LLVMTypeRef item = innermost(d, t, &dimensions);
    if (LLVMGetTypeKind(item) == LLVMStructTypeKind) {
        fputs("struct {\n", d->out);
        print_fields(d, item, depth + 1);
        print_indent(d->out, depth);
        fprintf(d->out, "} %s%s", name, dimensions);
        return;
    }
    fprintf(d->out, "%s%s%s", item_type(d, item), name, dimensions);
}

static void print_fields(data_printer *d, LLVMTypeRef t, unsigned depth) {
    unsigned count = LLVMCountStructElementTypes(t);
    for (unsigned f = 0; f < count; f++) {
        LLVMTypeRef field = LLVMStructGetTypeAtIndex(t, f);
        if (is_empty(d, field))
            continue;
        print_indent(d->out, depth);
        print_declared(d, field, c_text(d->p, "f%u", f), depth);
        fputs(";\n", d->out);
    }
}

/* Structs are packed all alike or not at all: C cannot nest them otherwise. */
static bool has_struct(LLVMTypeRef t, bool packed) {
    LLVMTypeKind kind = LLVMGetTypeKind(t);
    if (kind == LLVMArrayTypeKind)
        return has_struct(LLVMGetElementType(t), packed);
    if (kind != LLVMStructTypeKind)
        return false;
    bool has = (LLVMIsPackedStruct(t) != 0) == packed;
    for (unsigned f = 0; !has && f < LLVMCountStructElementTypes(t); f++)
        has = has_struct(LLVMStructGetTypeAtIndex(t, f), packed);
    return has;
}

/* ---- initialisers ----------------------------------------------------------------------------------------------- */

static bool has_not_finite(LLVMValueRef v, LLVMTypeRef t) {
    LLVMTypeKind kind = LLVMGetTypeKind(t);
    if (LLVMIsNull(v) || LLVMIsUndef(v))
        return false;
    if (kind != LLVMStructTypeKind && kind != LLVMArrayTypeKind && kind != LLVMVectorTypeKind)
        return c_not_finite(v);
    if (kind != LLVMStructTypeKind && LLVMIsConstantString(v))
        return false;
    uint64_t count = kind == LLVMStructTypeKind  ? LLVMCountStructElementTypes(t)
                     : kind == LLVMArrayTypeKind ? LLVMGetArrayLength2(t)
                                                 : LLVMGetVectorSize(t);
    if (kind != LLVMStructTypeKind && LLVMGetTypeKind(LLVMGetElementType(t)) == LLVMIntegerTypeKind)
        return false;
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef item = LLVMGetAggregateElement(v, i);
        if (item && has_not_finite(item, LLVMTypeOf(item)))
            return true;
    }
    return false;
}

/* Bytes as string literals, which compilers read fast. */
static void print_string(data_printer *d, LLVMValueRef v) {
    enum { LINE = 96 };
    size_t length;
    const char *bytes = LLVMGetAsString(v, &length);
    unsigned column = 0;
    fputc('"', d->out);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool plain = c >= ' ' && c < 127 && c != '"' && c != '\\' && c != '?'; /* ? may begin a trigraph */
        if (column >= LINE) {
            fputs("\"\n    \"", d->out);
            column = 0;
        }
        column += (unsigned)fprintf(d->out, plain ? "%c" : "\\%03o", c);
    }
    fputc('"', d->out);
}

static void print_item(data_printer *d, LLVMValueRef v) {
    LLVMTypeRef t = LLVMTypeOf(v);
    LLVMTypeKind kind = LLVMGetTypeKind(t);
    if (kind == LLVMPointerTypeKind && (LLVMIsNull(v) || LLVMIsUndef(v)))
        fputs("0", d->out);
    else if (kind == LLVMIntegerTypeKind && LLVMIsAConstantInt(v) && LLVMGetIntTypeWidth(t) == 1)
        fputs(c_constant_bits(v) ? "1" : "0", d->out);
    else if (kind == LLVMPointerTypeKind)
        fprintf(d->out, "(void *)%s", c_constant(d->p, v));
    else if (kind != LLVMIntegerTypeKind && d->as_bits)
        fprintf(d->out, "0x%llx", (unsigned long long)c_constant_bits(v));
    else
        fputs(c_constant(d->p, v), d->out);
}

static void print_initialiser(data_printer *d, LLVMValueRef v, unsigned depth) {
    enum { ITEMS_A_LINE = 12 };
    LLVMTypeRef t = LLVMTypeOf(v);
    LLVMTypeKind kind = LLVMGetTypeKind(t);
    bool array = kind == LLVMArrayTypeKind || kind == LLVMVectorTypeKind;
    if (kind != LLVMStructTypeKind && !array) {
        print_item(d, v);
        return;
    }
    if (LLVMIsNull(v) || LLVMIsUndef(v)) {
        fputs("{0}", d->out);
        return;
    }
    if (array && LLVMIsConstantString(v)) {
        print_string(d, v);
        return;
    }
    uint64_t count = kind == LLVMStructTypeKind  ? LLVMCountStructElementTypes(t)
                     : kind == LLVMArrayTypeKind ? LLVMGetArrayLength2(t)
                                                 : LLVMGetVectorSize(t);
    LLVMTypeKind inner = array ? LLVMGetTypeKind(LLVMGetElementType(t)) : LLVMStructTypeKind;
    bool lines = inner == LLVMStructTypeKind || inner == LLVMArrayTypeKind;
    fputs("{", d->out);
    for (unsigned i = 0; i < count; i++) {
        LLVMValueRef item = LLVMGetAggregateElement(v, i);
        if (!item) {
            c_cannot(d->p, "an initialiser that has no elements");
            break;
        }
        if (is_empty(d, LLVMTypeOf(item)))
            continue;
        if (lines || (count > ITEMS_A_LINE && i % ITEMS_A_LINE == 0)) {
            fputc('\n', d->out);
            print_indent(d->out, depth + 1);
        }
        print_initialiser(d, item, depth + 1);
        fputs(i + 1 < count ? (lines ? "," : ", ") : "", d->out);
    }
    fputs("}", d->out);
}

/* ---- variables -------------------------------------------------------------------------------------------------- */

/* "static const float " … "name[16]": the struct, if there is one, has a tag and is printed before. */
static void print_head(data_printer *d, LLVMValueRef g, bool external) {
    const char *dimensions, *name = c_global_name(d->p, g);
    LLVMTypeRef t = LLVMGlobalGetValueType(g), item = innermost(d, t, &dimensions);
    LLVMLinkage linkage = LLVMGetLinkage(g);
    unsigned align = LLVMGetAlignment(g), natural = LLVMABIAlignmentOfType(d->p->layout, t);
    if (external)
        fputs("extern ", d->out);
    else if (is_hidden(g))
        fputs("static ", d->out);
    else if (linkage != LLVMExternalLinkage)
        fputs("DTQ_WEAK ", d->out);
    if (LLVMIsThreadLocal(g))
        fputs("_Thread_local ", d->out);
    if ((align > natural ? align : natural) > 1 && !external)
        fprintf(d->out, "_Alignas(%u) ", align > natural ? align : natural);
    if (LLVMIsGlobalConstant(g))
        fputs("const ", d->out);
    if (LLVMABISizeOfType(d->p->layout, t) == 0)
        fprintf(d->out, "char %s[1]", name);
    else if (LLVMGetTypeKind(item) == LLVMStructTypeKind)
        fprintf(d->out, "struct of_%s %s%s", name, name, dimensions);
    else if (LLVMGetTypeKind(item) == LLVMPointerTypeKind && LLVMIsGlobalConstant(g))
        fprintf(d->out, "void *const %s%s", name, dimensions);
    else
        fprintf(d->out, "%s%s%s", item_type(d, item), name, dimensions);
}

static void print_struct(data_printer *d, LLVMValueRef g) {
    const char *dimensions, *name = c_global_name(d->p, g);
    LLVMTypeRef item = innermost(d, LLVMGlobalGetValueType(g), &dimensions);
    if (LLVMGetTypeKind(item) != LLVMStructTypeKind || is_empty(d, item))
        return;
    bool packed = has_struct(item, true);
    if (packed && has_struct(item, false))
        c_cannot(d->p, "packed structs and others in one variable, '%s'", name);
    fprintf(d->out, "%sstruct of_%s {\n", packed ? "#pragma pack(push, 1)\n" : "", name);
    print_fields(d, item, 1);
    fprintf(d->out, "};\n%s_Static_assert(sizeof(struct of_%s) == %llu, \"layout\");\n",
            packed ? "#pragma pack(pop)\n" : "", name, LLVMABISizeOfType(d->p->layout, item));
}

static void print_variable(data_printer *d, LLVMValueRef g);

/* What the initialiser refers to comes first; in a circle, a declaration does. */
static void print_referred(data_printer *d, LLVMValueRef v) {
    if (LLVMIsAGlobalVariable(v)) {
        if (c_map_get(d->states, v) == &begun) {
            print_head(d, v, false);
            fputs(";\n", d->out);
        } else {
            print_variable(d, v);
        }
        return;
    }
    if (!LLVMIsAConstantExpr(v) && !LLVMIsAConstantStruct(v) && !LLVMIsAConstantArray(v) && !LLVMIsAConstantVector(v))
        return;
    for (int o = 0; o < LLVMGetNumOperands(v); o++)
        print_referred(d, LLVMGetOperand(v, (unsigned)o));
}

static void print_variable(data_printer *d, LLVMValueRef g) {
    void **state = c_map_at(d->states, g);
    if (*state)
        return;
    *state = &begun;
    LLVMValueRef init = LLVMGetInitializer(g);
    bool outer = d->as_bits;
    bool bits = init && has_not_finite(init, LLVMGlobalGetValueType(g));
    d->as_bits = bits;
    print_struct(d, g);
    if (init)
        print_referred(d, init);
    d->as_bits = bits;
    print_head(d, g, !init);
    if (init && !is_empty(d, LLVMGlobalGetValueType(g))) {
        fputs(" = ", d->out);
        print_initialiser(d, init, 0);
    }
    fputs(";\n", d->out);
    *c_map_at(d->states, g) = &done;
    d->as_bits = outer;
}

void c_print_data(c_printer *p, FILE *out) {
    data_printer d = {p, out, c_map_new(p->mem), false};
    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g; g = LLVMGetNextGlobal(g))
        if (c_map_get(p->reached, g))
            print_variable(&d, g);
}
