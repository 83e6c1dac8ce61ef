// The memory around the engines: gives each the operands that it asks for, cycle by cycle, and takes its results.
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "Vimportance.h"
#include "Vsoftmax.h"
#include "Vsystolic_array.h"
#include "Vtopk.h"
#include "rtl.h"
#include "verilated.h"

// An assertion of the hardware ends the instruction, not the process.
void vl_stop(const char *file, int line, const char *) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": an assertion of the hardware fails");
}

namespace {

// Bits of ports, which Verilator declares as whole numbers or as arrays of words.
template <typename T> uint32_t *words(T &port) {
    return reinterpret_cast<uint32_t *>(&port);
}
template <typename T> void put_byte(T &port, size_t at, uint8_t value) {
    reinterpret_cast<uint8_t *>(&port)[at] = value;
}
template <typename T> void put_bit(T &port, size_t at, bool value) {
    uint8_t &byte = reinterpret_cast<uint8_t *>(&port)[at / 8];
    byte = static_cast<uint8_t>((byte & ~(1u << at % 8)) | (value ? 1u << at % 8 : 0u));
}
template <typename T> bool bit(const T &port, size_t at) {
    return reinterpret_cast<const uint8_t *>(&port)[at / 8] >> at % 8 & 1;
}
template <typename T> int32_t sum(const T &port, size_t at) {
    int32_t value;
    std::memcpy(&value, reinterpret_cast<const uint8_t *>(&port) + 4 * at, sizeof value);
    return value;
}

// An engine in its clock: inputs are set while it is low, and outputs read.
template <typename Top> struct clocked {
    Top top;
    explicit clocked(VerilatedContext *context) : top(context) {
        top.rst = 1;
        top.start = 0;
        top.clk = 0;
        top.eval();
        tick();
        tick();
        top.rst = 0;
        top.eval();
    }
    void tick() {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
    }
};

struct tile {
    uint32_t row, col, west, north;
};

struct hardware {
    VerilatedContext context;
    std::unique_ptr<clocked<Vsystolic_array>> array;
    std::unique_ptr<clocked<Vimportance>> importance;
    std::unique_ptr<clocked<Vsoftmax>> softmax;
    std::unique_ptr<clocked<Vtopk>> topk;
    std::string why;
};

// Results leave each bus in the order of tiles and, of a column's bus, of rows.
class results {
  public:
    explicit results(const dtq_rtl_matmul &matmul) : m(matmul), at(PORTS) {}
    void begin(const tile &t) {
        tiles.push_back(t);
    }
    void take(size_t port, int32_t low, int32_t high) {
        cursor &c = at[port];
        const uint32_t column = static_cast<uint32_t>(port % RTL_COLS);
        const bool single = RTL_DRAIN == 0;
        const uint32_t row = single ? static_cast<uint32_t>(port / RTL_COLS) : c.row;
        while (c.tile < tiles.size() && !(column < tiles[c.tile].north && row < tiles[c.tile].west)) {
            c.tile++;
        }
        if (c.tile == tiles.size()) {
            throw std::runtime_error("a result leaves the array that no tile has");
        }
        const tile &t = tiles[c.tile];
        const size_t i = t.row + (m.turned ? column : row), j = t.col + (m.turned ? row : column);
        m.low[i * m.cols + j] = low;
        if (m.by_class) {
            m.high[i * m.cols + j] = high;
        }
        count++;
        if (single || ++c.row == t.west) {
            c = {c.tile + 1, 0};
        }
    }
    bool complete() const {
        size_t all = 0;
        for (const tile &t : tiles) {
            all += static_cast<size_t>(t.west) * t.north;
        }
        return count == all;
    }

  private:
    enum { PORTS = RTL_DRAIN == 0 ? RTL_ROWS * RTL_COLS : RTL_COLS };
    struct cursor {
        size_t tile = 0;
        uint32_t row = 0;
    };
    const dtq_rtl_matmul &m;
    std::vector<cursor> at;
    std::vector<tile> tiles;
    size_t count = 0;
};

// Operands of reduction index k for all rows and columns of the array.
void put_operands(Vsystolic_array &top, const dtq_rtl_matmul &m) {
    const uint32_t k = top.k;
    for (uint32_t n = 0; n < 2; n++) { // the left operand, then the right one
        const bool west = (n == 0) != m.turned;
        const uint32_t base = n == 0 ? top.row_base : top.col_base, count = west ? top.west_count : top.north_count;
        for (uint32_t i = 0; i < count; i++) {
            const size_t at = base + i;
            const int16_t code = n == 0 ? m.left[at * m.left_stride + k] : m.right[at * m.right_stride + k];
            const bool wide = (n == 0 ? m.left_bits[at] : m.right_bits[m.along_k ? k : at]) == 8;
            if (west) {
                put_byte(top.west, i, static_cast<uint8_t>(code));
                put_bit(top.west_wide, i, wide);
            } else {
                put_byte(top.north, i, static_cast<uint8_t>(code));
                put_bit(top.north_wide, i, wide);
            }
        }
    }
}

void run_matmul(clocked<Vsystolic_array> &array, const dtq_rtl_matmul &m, uint64_t *cycles) {
    Vsystolic_array &top = array.top;
    const uint32_t height = m.turned ? RTL_COLS : RTL_ROWS, width = m.turned ? RTL_ROWS : RTL_COLS;
    top.turned = m.turned;
    top.serpentine = m.serpentine;
    top.along_k = m.along_k;
    top.w_signed = m.turned || m.left_signed;
    top.f_signed = !m.turned || m.left_signed;
    top.by_class = m.by_class;
    top.rows = m.rows;
    top.cols = m.cols;
    top.depth = m.depth;
    top.strips = (m.rows + height - 1) / height;
    top.tile_cols = (m.cols + width - 1) / width;
    top.skip_from = top.skip_to = 0;
    top.start = 1;
    array.tick();
    top.start = 0;
    results out(m);
    const uint64_t steps = m.depth + 2 * (RTL_ROWS + RTL_COLS) + 4;
    const uint64_t patience = 4 * steps * (static_cast<uint64_t>(top.strips) * top.tile_cols + 2) + top.strips;
    for (uint64_t n = 0;; n++) {
        if (m.skip_from && top.strip < top.strips) {
            top.skip_from = m.skip_from[top.strip];
            top.skip_to = m.skip_to[top.strip];
            top.eval();
        }
        if (top.tile_start) {
            out.begin({top.row_base, top.col_base, top.west_count, top.north_count});
        }
        if (top.step) {
            if (top.issue) {
                put_operands(top, m);
                top.eval();
            }
            for (size_t port = 0; port < (RTL_DRAIN == 0 ? RTL_ROWS * RTL_COLS : RTL_COLS); port++) {
                if (bit(top.out_valid, port)) {
                    out.take(port, sum(top.out_low, port), sum(top.out_high, port));
                }
            }
        }
        if (top.finished) {
            break;
        }
        if (n > patience) {
            throw std::runtime_error("the array does not finish");
        }
        array.tick();
    }
    if (!out.complete()) {
        throw std::runtime_error("results of some tile have not left the array");
    }
    *cycles = top.cycles;
}

template <typename T> void put_word(T &port, size_t at, uint64_t value) {
    std::memcpy(reinterpret_cast<uint8_t *>(&port) + 8 * at, &value, sizeof value);
}
template <typename T> uint64_t word(const T &port, size_t at) {
    uint64_t value;
    std::memcpy(&value, reinterpret_cast<const uint8_t *>(&port) + 8 * at, sizeof value);
    return value;
}

void run_importance(clocked<Vimportance> &engine, const dtq_rtl_votes &v, uint64_t *cycles) {
    Vimportance &top = engine.top;
    top.largest = v.largest;
    top.rows = v.rows;
    top.keys = v.keys;
    top.start = 1;
    engine.tick();
    top.start = 0;
    while (top.running) {
        const uint32_t row = top.row, from = v.skip_from ? v.skip_from[row] : 0, to = v.skip_to ? v.skip_to[row] : 0;
        const uint32_t seen = v.keys - (to - from);
        size_t key[RTL_VOTES];
        top.skip_from = from;
        top.skip_to = to;
        top.z = v.z[row];
        for (uint32_t l = 0; l < RTL_VOTES && top.at + l < seen; l++) {
            key[l] = top.at + l < from ? top.at + l : top.at + l + (to - from);
            put_byte(top.codes, l, v.codes[row * static_cast<size_t>(v.keys) + key[l]]);
            put_word(top.sums, l, v.sums[key[l]]);
        }
        top.eval();
        for (uint32_t l = 0; l < RTL_VOTES; l++) {
            if (bit(top.valid, l)) {
                v.sums[key[l]] = word(top.new_sums, l);
            }
        }
        engine.tick();
    }
    *cycles = top.cycles;
}

template <typename T> void put_32(T &port, size_t at, const void *value) {
    std::memcpy(reinterpret_cast<uint8_t *>(&port) + 4 * at, value, 4);
}
template <typename T> uint32_t get_32(const T &port, size_t at) {
    uint32_t value;
    std::memcpy(&value, reinterpret_cast<const uint8_t *>(&port) + 4 * at, 4);
    return value;
}

// Rows that see a key are issued, one after the other.
void run_softmax(clocked<Vsoftmax> &engine, const dtq_rtl_softmax &s, uint64_t *cycles) {
    enum { STAGES = 3, WRITES = 2 };
    Vsoftmax &top = engine.top;
    std::vector<uint32_t> issued;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < s.rows; i++) {
        const uint32_t keys = s.cols - (s.skip_to[i] - s.skip_from[i]);
        if (keys > 0) {
            issued.push_back(i);
        }
        longest = keys > longest ? keys : longest;
    }
    top.maxes = s.maxes;
    top.weighs = s.weighs;
    top.writes = s.writes;
    top.given = s.given;
    top.rows = static_cast<uint32_t>(issued.size());
    top.start = 1;
    engine.tick();
    top.start = 0;
    while (top.running) {
        uint32_t row[STAGES] = {0};
        size_t place[RTL_LANES] = {0};
        uint32_t count = 0;
        for (uint32_t stage = 0; stage < STAGES; stage++) {
            if (!(top.working >> stage & 1)) {
                continue;
            }
            const uint32_t i = row[stage] = issued[get_32(top.row, stage)], at = get_32(top.at, stage);
            const uint32_t from = s.skip_from[i], gap = s.skip_to[i] - from, keys = s.cols - gap;
            put_32(top.keys, stage, &keys);
            put_32(top.max, stage, &s.max[i]);
            put_32(top.r, stage, &s.r[i]);
            if (!s.given) {
                put_32(top.row_scale, stage, &s.row_scale[i]);
            }
            count = 0;
            for (; count < RTL_LANES && at + count < keys; count++) {
                const uint32_t j = at + count < from ? at + count : at + count + gap;
                const size_t lane = stage * RTL_LANES + count;
                place[count] = i * static_cast<size_t>(s.cols) + j;
                put_32(top.score, lane, static_cast<const uint8_t *>(s.scores) + 4 * place[count]);
                if (!s.given) {
                    put_32(top.k_scale, lane, &s.k_scale[j]);
                }
                if (s.v_scale) {
                    put_32(top.v_scale, lane, &s.v_scale[j]);
                }
                put_bit(top.seen, lane, s.seen[place[count]] != 0);
            }
            if (stage == WRITES) {
                top.z = s.z[i];
                top.wide = s.wide[i];
            }
        }
        top.eval();
        if (top.working & 1) {
            const uint32_t max = top.new_max;
            std::memcpy(&s.max[row[0]], &max, sizeof max);
        }
        if (top.working & 2) {
            const uint32_t r = top.new_r;
            std::memcpy(&s.r[row[1]], &r, sizeof r);
        }
        if (top.working & 4) { // the last stage was the last to find its lanes' places
            s.z[row[WRITES]] = top.new_z;
            for (uint32_t l = 0; l < count; l++) {
                s.codes[place[l]] = reinterpret_cast<const uint8_t *>(&top.codes)[l];
                if (s.weight_codes) {
                    s.weight_codes[place[l]] = reinterpret_cast<const uint8_t *>(&top.weight_codes)[l];
                }
            }
        }
        engine.tick();
    }
    const uint64_t stages = static_cast<uint64_t>(s.maxes) + s.weighs + s.writes;
    if (top.tail > (stages - 1) * ((longest + RTL_LANES - 1) / RTL_LANES)) {
        throw std::runtime_error("rows stay in the softmax unit");
    }
    *cycles = top.cycles;
}

void run_topk(clocked<Vtopk> &engine, const dtq_rtl_choice &c, uint64_t *cycles) {
    Vtopk &top = engine.top;
    std::vector<uint32_t> kept;
    top.half = c.half;
    top.n = c.n;
    top.keep = c.keep;
    top.high = c.high;
    top.pins = 0;
    for (uint32_t i = 0; i < c.n; i++) {
        top.pins += c.pinned[i] != 0;
    }
    top.start = 1;
    engine.tick();
    top.start = 0;
    while (top.running) {
        const bool second = top.second;
        const uint32_t candidates = second ? c.keep : c.n;
        if (second && kept.size() != c.keep) {
            throw std::runtime_error("the first top-k engine keeps another number than it is to");
        }
        uint32_t index[RTL_CHOICES], count = 0;
        for (; count < RTL_CHOICES && top.at + count < candidates; count++) {
            index[count] = second ? kept[top.at + count] : top.at + count;
            put_word(top.values, count, c.values[index[count]]);
            put_bit(top.pinned, count, c.pinned[index[count]] != 0);
        }
        top.eval();
        for (uint32_t l = 0; top.marks && l < count; l++) {
            if (bit(top.chosen, l)) {
                c.chosen[index[l]] = second ? 2 : 1;
                if (!second) {
                    kept.push_back(index[l]);
                }
            }
        }
        engine.tick();
    }
    *cycles = top.cycles;
}

template <typename Work> bool guarded(void *state, const char **why, Work work) {
    hardware *h = static_cast<hardware *>(state);
    try {
        work(*h);
        return true;
    } catch (const std::exception &e) {
        h->why = e.what();
        *why = h->why.c_str();
        return false;
    }
}

bool matmul(void *state, const dtq_rtl_matmul *m, uint64_t *cycles, const char **why) {
    return guarded(state, why, [&](hardware &h) { run_matmul(*h.array, *m, cycles); });
}

bool importance(void *state, const dtq_rtl_votes *v, uint64_t *cycles, const char **why) {
    return guarded(state, why, [&](hardware &h) { run_importance(*h.importance, *v, cycles); });
}

bool softmax(void *state, const dtq_rtl_softmax *s, uint64_t *cycles, const char **why) {
    return guarded(state, why, [&](hardware &h) { run_softmax(*h.softmax, *s, cycles); });
}

bool topk(void *state, const dtq_rtl_choice *c, uint64_t *cycles, const char **why) {
    return guarded(state, why, [&](hardware &h) { run_topk(*h.topk, *c, cycles); });
}

void close_hardware(void *state) {
    delete static_cast<hardware *>(state);
}

} // namespace

extern "C" {
extern const char dtq_interface[];
const char dtq_interface[] = RTL_INTERFACE;

bool dtq_rtl_open(uint64_t seed, const char *waves, dtq_rtl *out) {
    (void)waves;
    std::unique_ptr<hardware> h(new hardware);
    h->context.randReset(2);
    h->context.randSeed(static_cast<int>(seed & 0x7fffffff) | 1);
    h->array.reset(new clocked<Vsystolic_array>(&h->context));
    h->importance.reset(new clocked<Vimportance>(&h->context));
    h->softmax.reset(new clocked<Vsoftmax>(&h->context));
    h->topk.reset(new clocked<Vtopk>(&h->context));
    *out = {h.release(), matmul, importance, softmax, topk, close_hardware};
    return true;
}
}
