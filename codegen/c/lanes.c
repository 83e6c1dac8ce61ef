/* Vectors in C: their types, and operations lane by lane. Each is an inline function that a macro of the prelude
 * defines as one GNU vector, as two halves, or as a struct and a loop; a function on halves is made before the one on
 * the whole.
 */
#include <string.h>

#include "codegen/c/state.h"

static unsigned held_bytes(c_shape s) {
    return c_held_lanes(s) * s.bits / 8;
}

static unsigned larger(unsigned a, unsigned b) {
    return a > b ? a : b;
}

static c_shape half_of(c_shape s) {
    s.lanes = c_held_lanes(s) / 2;
    return s;
}

static c_shape unsigned_like(c_shape s) {
    s.kind = 'u';
    return s;
}

/* Whether `name` is to be written now: true once. */
static bool first_time(c_printer *p, const char *name) {
    void **seen = c_map_at_string(p->emitted, name);
    bool first = !*seen;
    *seen = p;
    return first;
}

/* ---- types ------------------------------------------------------------------------------------------------------ */

unsigned c_held_lanes(c_shape s) {
    unsigned held = 1;
    while (held < s.lanes)
        held *= 2;
    return held;
}

const char *c_lane_type(c_printer *p, c_shape s) {
    if (s.kind == 'f')
        return s.bits == 32 ? "float" : "double";
    return c_text(p, "%sint%u_t", s.kind == 's' ? "" : "u", s.bits);
}

const char *c_vector_type(c_printer *p, c_shape s) {
    unsigned lanes = c_held_lanes(s);
    const char *name = c_text(p, "v%u%c%u", lanes, s.kind, s.bits);
    if (!first_time(p, name))
        return name;
    const char *lane = c_lane_type(p, s);
    const char *like = s.kind == 'f' ? c_vector_type(p, unsigned_like(s)) : name;
    const char *half = lanes >= 2 ? c_vector_type(p, half_of(s)) : name;
    p->has_lanes = true;
    fprintf(p->lanes, "DTQ_VECTOR(%u, %u, %s, %s, %s, %s)\n", held_bytes(s), lanes, name, half, lane, like);
    if (lanes >= 2)
        fprintf(p->lanes, "DTQ_HALVES(%u, %u, %s, %s)\n", held_bytes(s), lanes / 2, name, half);
    return name;
}

/* The type of signed lanes: only GNU vectors have it, for casts. */
static const char *signed_type(c_printer *p, c_shape s) {
    s.kind = 's';
    unsigned lanes = c_held_lanes(s);
    const char *name = c_text(p, "v%us%u", lanes, s.bits);
    if (first_time(p, name))
        fprintf(p->lanes, "DTQ_SIGNED(%u, %u, %s, %s)\n", held_bytes(s), lanes, name, c_lane_type(p, s));
    return name;
}

/* ---- templates -------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *x[3], *X[3]; /* operands; the same signed */
    const char *r, *t, *u;
    unsigned bits, held, bytes; /* of the operands' lanes; of the C type; of the widest vector */
} meanings;

/* The text of `$key`. */
static const char *meaning(c_printer *p, const meanings *m, char key) {
    bool wide = m->held == 64;
    switch (key) {
    case 'x':
    case 'y':
    case 'z':
        return m->x[key - 'x'];
    case 'X':
    case 'Y':
    case 'Z':
        return m->X[key - 'X'];
    case 'r':
        return m->r;
    case 't':
        return m->t;
    case 'u':
        return m->u;
    case 'w':
        return wide ? "uint64_t" : "uint32_t";
    case 'm':
        return c_text(p, "%u", m->held - 1);
    case 'b':
        return c_text(p, "%u", m->bits);
    case 'B':
        return c_text(p, "%u", m->bytes);
    case 'k':
        return wide ? "0x8000000000000000u" : "0x80000000u";
    case 'K':
        return wide ? "0x7fffffffffffffffu" : "0x7fffffffu";
    default:
        return wide ? "" : "f"; /* F: what names of functions of <math.h> end with */
    }
}

static const char *expand(c_printer *p, const char *template, const meanings *m) {
    size_t length = 0;
    char *text = NULL;
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (const char *c = template; *c; c++) {
            char letter[2] = {*c, 0};
            const char *piece = *c == '$' ? meaning(p, m, *++c) : letter;
            size_t n = strlen(piece);
            if (text)
                memcpy(text + at, piece, n);
            at += n;
        }
        length = at;
        if (!text)
            text = arena_alloc(p->mem, length + 1);
    }
    return text;
}

static void need_piece(c_printer *p, int piece) {
    if (piece != C_PIECE_NONE)
        p->pieces[piece] = true;
}

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

static bool is_int(LLVMTypeRef t) {
    return LLVMGetTypeKind(t) == LLVMIntegerTypeKind;
}

/* A number of `bits` as a signed one, all of whose C type's bits are right. */
static const char *signed_scalar(c_printer *p, LLVMTypeRef t, const char *x) {
    if (!is_int(t))
        return x;
    unsigned bits = LLVMGetIntTypeWidth(t), held = c_int_bits(bits);
    if (bits == 1)
        return c_text(p, "-(int8_t)%s", x);
    const char *type = c_int_type(p, bits, true);
    if (bits == held)
        return c_text(p, "(%s)%s", type, x);
    return c_text(p, "((%s)((%s)%s << %u) >> %u)", type, c_int_type(p, bits, false), x, held - bits, held - bits);
}

const char *c_scalar_op(c_printer *p, const c_op *op, LLVMTypeRef to, LLVMTypeRef from, const char *const *operands) {
    unsigned bits = is_int(to) ? LLVMGetIntTypeWidth(to) : 0;
    meanings m = {.r = bits == 1 ? "uint8_t" : c_scalar_type(p, to), .u = "", .bytes = 0}; /* bool is no cast */
    m.bits = is_int(from) ? LLVMGetIntTypeWidth(from) : LLVMGetTypeKind(from) == LLVMFloatTypeKind ? 32 : 64;
    m.held = c_int_bits(m.bits);
    m.t = is_int(to) ? c_int_type(p, larger(LLVMGetIntTypeWidth(to), 2), true) : m.r;
    for (unsigned i = 0; i < op->arity; i++) {
        m.x[i] = operands[i];
        m.X[i] = signed_scalar(p, from, operands[i]);
    }
    need_piece(p, op->piece);
    const char *text = expand(p, op->lane ? op->lane : op->whole, &m);
    unsigned held = c_int_bits(bits);
    if (bits == 0 || op->flags & C_COMPARES)
        return text;
    if (bits == 1)
        return c_text(p, "(%s) & 1", text);
    if (bits != held)
        return c_text(p, "(%s)((%s) & 0x%llxu)", m.r, text, (1ull << bits) - 1);
    return bits < 32 ? c_text(p, "(%s)(%s)", m.r, text) : text;
}

/* ---- vectors ---------------------------------------------------------------------------------------------------- */

/* Makes the function of the operation, after those on halves, and returns its name. */
static const char *vector_function(c_printer *p, const c_op *op, c_shape to, c_shape from) {
    const char *r = c_vector_type(p, to), *a = c_vector_type(p, from);
    bool converts = strcmp(r, a) != 0 && !(op->flags & C_COMPARES);
    const char *name = converts ? c_text(p, "%s_%s_%s", a, op->name, r) : c_text(p, "%s_%s", a, op->name);
    if (!first_time(p, name))
        return name;
    need_piece(p, op->piece);
    unsigned bytes = larger(held_bytes(to), held_bytes(from)), lanes = c_held_lanes(from);
    const char *half = name;
    if (bytes > 16)
        half = vector_function(p, op, half_of(to), half_of(from));
    const char *whole = op->whole, *lane = op->lane ? op->lane : op->whole;
    bool casts = whole && (strstr(whole, "$X") || strstr(whole, "$t"));
    bool casts_operand = casts && from.kind == 'u', casts_result = casts && to.kind == 'u';
    meanings m = {{"x", "y", "z"}, {"x", "y", "z"}, r,    r, c_vector_type(p, unsigned_like(from)),
                  from.bits,       from.bits,       bytes};
    if (casts_result)
        m.t = signed_type(p, to);
    if (casts_operand)
        for (unsigned i = 0; i < op->arity; i++)
            m.X[i] = c_text(p, "(%s)%s", signed_type(p, from), m.x[i]);
    c_shape to_signed = to, from_signed = from;
    to_signed.kind = to.kind == 'u' ? 's' : 'f';
    from_signed.kind = 's';
    meanings s = {.r = c_lane_type(p, to),
                  .t = c_lane_type(p, to_signed),
                  .u = "",
                  .bits = from.bits,
                  .held = from.bits,
                  .bytes = bytes};
    const char *parts[2];
    static const char *const accesses[2] = {"%c[i]", "%c.l[i]"};
    for (int part = 0; part < 2; part++) {
        for (unsigned i = 0; i < op->arity; i++) {
            s.x[i] = c_text(p, part ? accesses[1] : accesses[0], (char)('x' + (int)i));
            s.X[i] = from.kind == 'u' ? c_text(p, "(%s)%s", c_lane_type(p, from_signed), s.x[i]) : s.x[i];
        }
        parts[part] = expand(p, lane, &s);
        if (op->flags & C_COMPARES)
            parts[part] = c_text(p, "(%s)0 - (%s)", s.r, parts[part]);
    }
    fprintf(p->lanes, "DTQ_%s%u(%u, %s, %s, %u, %s, %s, %s, %s)\n", whole ? "MAP" : "EACH", op->arity, bytes, name,
            half, lanes, r, a, whole ? expand(p, whole, &m) : parts[0], parts[1]);
    return name;
}

const char *c_vector_op(c_printer *p, const c_op *op, c_shape to, c_shape from, const char *const *operands) {
    const char *name = vector_function(p, op, op->flags & C_COMPARES ? unsigned_like(from) : to, from);
    switch (op->arity) {
    case 1:
        return c_text(p, "%s(%s)", name, operands[0]);
    case 2:
        return c_text(p, "%s(%s, %s)", name, operands[0], operands[1]);
    default:
        return c_text(p, "%s(%s, %s, %s)", name, operands[0], operands[1], operands[2]);
    }
}

/* ---- all lanes to one ------------------------------------------------------------------------------------------- */

static const char *reduction(c_printer *p, const c_op *op, c_shape s) {
    const char *v = c_vector_type(p, s), *name = c_text(p, "%s_reduce_%s", v, op->name);
    if (!first_time(p, name))
        return name;
    const char *t = c_lane_type(p, s);
    if (held_bytes(s) > 16) {
        c_shape h = half_of(s);
        const char *half = reduction(p, op, h), *combine = vector_function(p, op, h, h);
        fprintf(p->lanes, "DTQ_FOLD(%s, %s, %s, %s, %s)\n", name, t, v, half, combine);
        return name;
    }
    c_shape as_signed = s;
    as_signed.kind = s.kind == 'u' ? 's' : 'f';
    const char *st = c_lane_type(p, as_signed);
    meanings m = {{"x", "y", ""}, {c_text(p, "(%s)x", st), c_text(p, "(%s)y", st), ""}, t, st, "", s.bits, s.bits, 0};
    need_piece(p, op->piece);
    fprintf(p->lanes, "DTQ_FOLD_LANES(%u, %s, %u, %s, %s, %s)\n", held_bytes(s), name, c_held_lanes(s), t, v,
            expand(p, op->lane ? op->lane : op->whole, &m));
    return name;
}

const char *c_reduce(c_printer *p, const c_op *op, c_shape s, const char *x) {
    if (c_held_lanes(s) != s.lanes)
        c_cannot(p, "a reduction of %u lanes", s.lanes);
    return c_text(p, "%s(%s)", reduction(p, op, s), x);
}

/* ---- other views ------------------------------------------------------------------------------------------------ */

static const char *view(c_printer *p, c_shape to, c_shape from) {
    const char *r = c_vector_type(p, to), *a = c_vector_type(p, from), *name = c_text(p, "%s_as_%s", a, r);
    if (!first_time(p, name))
        return name;
    const char *half = name;
    if (held_bytes(to) > 16)
        half = view(p, half_of(to), half_of(from));
    fprintf(p->lanes, "DTQ_VIEW(%u, %s, %s, %s, %s)\n", held_bytes(to), name, half, r, a);
    return name;
}

const char *c_reinterpret(c_printer *p, c_shape to, c_shape from, const char *x) {
    if (held_bytes(to) != held_bytes(from) || (to.lanes * to.bits != from.lanes * from.bits))
        c_cannot(p, "a bit cast between vectors of %u and %u lanes", from.lanes, to.lanes);
    if (to.kind == from.kind && to.bits == from.bits)
        return x;
    return c_text(p, "%s(%s)", view(p, to, from), x);
}

static const char *bits_function(c_printer *p, c_shape s, bool to_bits) {
    const char *v = c_vector_type(p, s), *name = c_text(p, to_bits ? "%s_bits" : "%s_of_bits", v);
    if (!first_time(p, name))
        return name;
    p->pieces[C_PIECE_MASK_BITS] = true;
    const char *half = name;
    if (held_bytes(s) > 16)
        half = bits_function(p, half_of(s), to_bits);
    unsigned lanes = c_held_lanes(s);
    bool special = to_bits && (s.bits == 8 || s.bits == 32);
    fprintf(p->lanes, "%s%s(%u, %s, %s, %u, %s, %s, %s)\n", to_bits ? "DTQ_MASK_BITS" : "DTQ_BITS_MASK",
            special ? (s.bits == 8 ? "_8" : "_32") : "", held_bytes(s), name, half, lanes,
            c_int_type(p, lanes < 8 ? 8 : lanes, false), v, c_lane_type(p, s));
    return name;
}

const char *c_mask_to_bits(c_printer *p, c_shape s, const char *x) {
    const char *call = c_text(p, "%s(%s)", bits_function(p, s, true), x);
    return c_held_lanes(s) == s.lanes ? call : c_text(p, "(%s & 0x%llxu)", call, (1ull << s.lanes) - 1);
}

const char *c_bits_to_mask(c_printer *p, c_shape s, const char *x) {
    return c_text(p, "%s(%s)", bits_function(p, s, false), x);
}

const char *c_masked(c_printer *p, c_shape s, bool stores) {
    const char *v = c_vector_type(p, s), *name = c_text(p, stores ? "%s_masked_store" : "%s_masked_load", v);
    if (!first_time(p, name))
        return name;
    p->pieces[C_PIECE_MASKED] = true;
    const char *half = name;
    if (held_bytes(s) > 16)
        half = c_masked(p, half_of(s), stores);
    fprintf(p->lanes, "DTQ_MASKED_%s%s(%u, %s, %s, %u, %s, %s, %s)\n", stores ? "STORE" : "LOAD",
            s.bits == 32 ? "_32" : "", held_bytes(s), name, half, c_held_lanes(s), v, c_lane_type(p, s),
            c_vector_type(p, unsigned_like(s)));
    return name;
}
