// One stage of the softmax unit: LANES lanes of float32 as NUMERICS.md has it, rounded to nearest, ties to even, with subnormal
// numbers.
//
//   x = fl(float(score) * fl(row_scale * k_scale)), t = fl(x - max), e = 2^t, 0 if t <= -9
//   code = rne(fl(e * levels)), w = fl(e * v_scale), weight_code = rne(fl(fl(w / r) * levels))
//
// Stage 0 keeps the largest x, 1 the largest w, 2 the sum of codes. Every result is rounded by one function, which takes a whole
// number and its exponent; a bit that is lost before is kept as the number's lowest. All is combinational: registers for a
// clock are a matter of the process, and add latency. Lanes are a loop, which a simulator need not unroll.
module softmax_stage #(
    parameter STAGE = 2,
    parameter LANES = 64
) (
    input  wire    [LANES-1:0] seen,
    input  wire                given,       // x is `score` itself, a float
    input  wire [LANES*32-1:0] score,
    input  wire         [31:0] row_scale,   // fl(scale of Q's row * c)
    input  wire [LANES*32-1:0] k_scale,
    input  wire [LANES*32-1:0] v_scale,
    input  wire         [31:0] max,
    input  wire         [31:0] r,
    input  wire                wide,        // 255 levels, else 15
    input  wire         [31:0] from,        // what the row keeps, before these keys
    output reg          [31:0] kept,
    output reg   [LANES*8-1:0] codes,
    output reg   [LANES*8-1:0] weight_codes
);
    localparam [31:0] MINUS_INFINITY = 32'hff800000, ONE = 32'h3f800000;
    localparam [31:0] C1 = 32'h3f317215, C2 = 32'h3e75fcde, C3 = 32'h3d635ba9, C4 = 32'h3c1e7544, C5 = 32'h3aaddd0a;

    // Zeros before the highest one of m.
    function automatic [5:0] zeros(input [63:0] m);
        /* verilator no_inline_task */
        reg [63:0] s;
        begin
            s = m;
            zeros = 6'd0;
            if (s[63:32] == 0) begin zeros = zeros + 6'd32; s = s << 32; end
            if (s[63:48] == 0) begin zeros = zeros + 6'd16; s = s << 16; end
            if (s[63:56] == 0) begin zeros = zeros + 6'd8; s = s << 8; end
            if (s[63:60] == 0) begin zeros = zeros + 6'd4; s = s << 4; end
            if (s[63:62] == 0) begin zeros = zeros + 6'd2; s = s << 2; end
            if (s[63] == 0) zeros = zeros + 6'd1;
        end
    endfunction

    // m * 2^(exponent - 1023) as a float, m not above 2^63; too small by far is 0.
    function automatic [31:0] rounded(input sign, input [63:0] m, input [11:0] exponent);
        /* verilator no_inline_task */
        reg [5:0]  shift;
        reg [63:0] s;
        reg [11:0] at;      // of the highest one, biased
        reg [11:0] missing; // binary places below a normal number
        reg        lost;
        reg [31:0] magnitude;
        begin
            shift = zeros(m);
            s = m << shift;
            at = exponent + 12'd63 - {6'd0, shift};
            missing = at < 12'd897 ? 12'd897 - at : 12'd0; // 2^-126
            lost = 1'b0;
            if (missing != 0) begin
                lost = missing > 12'd63 ? s != 0 : (s & ((64'd1 << missing[5:0]) - 64'd1)) != 0;
                s = missing > 12'd63 ? 64'd0 : s >> missing[5:0];
            end
            magnitude = {8'd0, s[63:40]} + (missing != 0 ? 32'd0 : {at[8:0] - 9'd385, 23'd0}); // 897 mod 512
            if (s[39] & (s[40] | lost | s[38:0] != 0)) magnitude = magnitude + 32'd1;
            rounded = m == 0 ? {sign, 31'd0} : {sign, magnitude[30:0]};
        end
    endfunction

    function automatic [23:0] mantissa(input [31:0] a);
        mantissa = {a[30:23] != 0, a[22:0]};
    endfunction
    // The float is mantissa * 2^(exponent - 150).
    function automatic [11:0] exponent(input [31:0] a);
        exponent = a[30:23] == 0 ? 12'd1 : {4'd0, a[30:23]};
    endfunction

    function automatic [31:0] product(input [31:0] a, input [31:0] b);
        /* verilator no_inline_task */
        reg [47:0] m;
        begin
            m = mantissa(a) * mantissa(b);
            product = rounded(a[31] ^ b[31], {16'd0, m}, exponent(a) + exponent(b) + 12'd723); // 1023 - 300
        end
    endfunction

    function automatic [31:0] sum(input [31:0] a, input [31:0] b);
        /* verilator no_inline_task */
        reg [31:0] more, less;
        reg [11:0] apart;
        reg [63:0] m, n;
        begin
            more = a[30:0] < b[30:0] ? b : a;
            less = a[30:0] < b[30:0] ? a : b;
            apart = exponent(more) - exponent(less);
            m = {2'd0, mantissa(more), 38'd0};
            n = {2'd0, mantissa(less), 38'd0};
            if (apart > 12'd62) n = {63'd0, n != 0};
            else n = n >> apart[5:0] | {63'd0, (n & ((64'd1 << apart[5:0]) - 64'd1)) != 0};
            m = more[31] == less[31] ? m + n : m - n;
            sum = rounded(m != 0 ? more[31] : more[31] & less[31], m, exponent(more) + 12'd835); // 1023 - 188
        end
    endfunction

    // a / b of a >= 0 and b > 0: 27 bits at least, and whether something remains.
    function automatic [31:0] quotient(input [31:0] a, input [31:0] b);
        /* verilator no_inline_task */
        reg [5:0]  left, right;
        reg [63:0] m, n, q;
        begin
            left = zeros({mantissa(a), 40'd0});
            right = zeros({mantissa(b), 40'd0});
            m = {1'd0, mantissa(a), 39'd0} << left;
            n = {40'd0, mantissa(b)} << right;
            q = n == 0 ? 64'd0 : m / n;
            q = {q[62:0], n != 0 && m % n != 0};
            quotient = rounded(1'b0, q, exponent(a) - {6'd0, left} + {6'd0, right} - exponent(b) + 12'd983); // 1023 - 40
        end
    endfunction

    // rne(|a|) below 2^8.
    function automatic [7:0] whole(input [31:0] a);
        /* verilator no_inline_task */
        reg [63:0] m;
        reg [11:0] shift;
        begin
            shift = 12'd150 - exponent(a);
            m = {8'd0, mantissa(a), 32'd0};
            m = shift > 12'd31 ? {63'd0, m != 0} : m >> shift[4:0]; // a whole number of 2^32
            whole = m[39:32] + {7'd0, m[31] & (m[32] | m[30:0] != 0)};
        end
    endfunction

    function automatic [31:0] from_integer(input [31:0] a);
        from_integer = rounded(a[31], {32'd0, a[31] ? ~a + 32'd1 : a}, 12'd1023);
    endfunction

    // 2^t of t <= 0; t = f - n.
    function automatic [31:0] power(input [31:0] t);
        /* verilator no_inline_task */
        reg  [7:0] n;
        reg [31:0] f, p;
        begin
            n = whole(t);
            f = sum(t, from_integer({24'd0, n}));
            p = sum(product(C5, f), C4);
            p = sum(product(p, f), C3);
            p = sum(product(p, f), C2);
            p = sum(product(p, f), C1);
            p = sum(product(p, f), ONE);
            power = t[30:0] == 0 ? ONE : t[30:0] >= 31'h41100000 ? 32'd0 : {p[31:23] - {1'b0, n}, p[22:0]}; // -9
        end
    endfunction

    // Floats order as whole numbers do, once those below 0 are turned over.
    function automatic [31:0] order(input [31:0] a);
        order = a ^ {1'b1, {31{a[31]}}};
    endfunction

    wire [31:0] levels = wide ? 32'h437f0000 : 32'h41700000;
    wire [31:0] divisor = r[30:0] == 0 ? ONE : r;
    integer l;
    reg [31:0] x, e, w;
    reg  [7:0] code;
    always @* begin
        kept = from;
        codes = {LANES{8'd0}};
        weight_codes = {LANES{8'd0}};
        for (l = 0; l < LANES; l = l + 1) begin
            x = MINUS_INFINITY;
            e = 32'd0;
            w = 32'd0;
            code = 8'd0;
            if (seen[l]) begin
                x = given ? score[32*l+:32]
                          : product(from_integer(score[32*l+:32]), product(row_scale, k_scale[32*l+:32]));
                if (STAGE > 0) begin
                    e = power(sum(x, {~max[31], max[30:0]}));
                    w = product(e, v_scale[32*l+:32]);
                end
                if (STAGE > 1) begin
                    code = whole(product(e, levels));
                    codes[8*l+:8] = code;
                    weight_codes[8*l+:8] = whole(product(quotient(w, divisor), levels));
                end
            end
            if (STAGE == 0) kept = order(x) > order(kept) ? x : kept;
            else if (STAGE == 1) kept = w > kept ? w : kept;
            else kept = kept + {24'd0, code};
        end
    end
endmodule
