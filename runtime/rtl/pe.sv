// A processing element, as Fig. 1(b) of DTQAtten draws it: registers W and F hold the operands, P the partial sum, and
// one multiplier of nibbles works for as many cycles as the operands have pairs of nibbles.
//
//   phase        0       1       2       3
//   4 x 4       L.L
//   8 x 4       L.L     H.L                        the wide operand may be on either side
//   8 x 8       L.L     H.L     L.H     H.H        W's nibble first
//
// `step` is high in the last cycle of a pipeline step: operands then move on, to the right and downwards. A PE whose
// pairs are done before waits. Of an 8-bit operand the low nibble is unsigned, the high one has the operand's sign; a
// 4-bit operand is its low nibble. P has two halves, since the sums of 4-bit and of 8-bit values of V have
// different scales (NUMERICS.md, "Output, no causal mask"); other matmuls use the first alone. With the last operands of
// a tile the sums move to D, from where they leave the array while P begins the next tile.
//
// An operand is {valid, wide, first, last, value}: first and last of the tile's reduction.
module pe #(
    parameter ACC = 32
) (
    input  wire           clk,
    input  wire           rst,
    input  wire           step,
    input  wire     [1:0] phase,
    input  wire           w_signed,
    input  wire           f_signed,
    input  wire           by_class,  // sums by the precision of V
    input  wire           w_class,   // V is W (a turned matmul), else F
    input  wire    [11:0] w_in,
    input  wire    [11:0] f_in,
    output reg     [11:0] w,
    output reg     [11:0] f,
    output wire           active,    // works in this step
    output wire     [1:0] cost,      // as log2 of cycles: what this step takes at least
    output reg            done,      // D has results, for one step
    output reg  [ACC-1:0] low,       // D
    output reg  [ACC-1:0] high
);
    /* verilator no_inline_module */
    localparam VALID = 11, WIDE = 10, FIRST = 9, LAST = 8;

    assign active = w[VALID] & f[VALID];
    assign cost = active ? {1'b0, w[WIDE]} + {1'b0, f[WIDE]} : 2'd0;

    // The nibbles of this phase. W's alternate first; if W has one, F's do.
    wire w_high = w[WIDE] & phase[0];
    wire f_high = f[WIDE] & (w[WIDE] ? phase[1] : phase[0]);
    wire [3:0] w_nibble = w_high ? w[7:4] : w[3:0];
    wire [3:0] f_nibble = f_high ? f[7:4] : f[3:0];
    wire w_sign = w_signed & (w_high | ~w[WIDE]) & w_nibble[3];
    wire f_sign = f_signed & (f_high | ~f[WIDE]) & f_nibble[3];
    wire signed [4:0] w_factor = {w_sign, w_nibble};
    wire signed [4:0] f_factor = {f_sign, f_nibble};
    wire signed [9:0] product = w_factor * f_factor;
    wire signed [17:0] product_wide = {{8{product[9]}}, product};
    wire signed [17:0] shifted = (w_high & f_high) ? product_wide <<< 8
                               : (w_high | f_high) ? product_wide <<< 4 : product_wide;

    wire works = active & (phase == 2'd0 | (phase == 2'd1 & cost != 2'd0) | (phase[1] & cost == 2'd2));
    wire into_high = by_class & (w_class ? w[WIDE] : f[WIDE]);
    wire clears = w[FIRST] & phase == 2'd0;

    reg  [ACC-1:0] p_low, p_high;
    wire [ACC-1:0] from_low = clears ? {ACC{1'b0}} : p_low;
    wire [ACC-1:0] from_high = clears ? {ACC{1'b0}} : p_high;
    wire [ACC-1:0] from = into_high ? from_high : from_low;
    wire [ACC-1:0] sum = from + {{(ACC - 18) {shifted[17]}}, shifted};
    wire [ACC-1:0] to_low = works & ~into_high ? sum : from_low;
    wire [ACC-1:0] to_high = works & into_high ? sum : from_high;

    always @(posedge clk) begin
        if (active) begin
            p_low  <= to_low;
            p_high <= to_high;
        end
        if (step) begin
            w <= w_in;
            f <= f_in;
            done <= active & w[LAST];
            if (active & w[LAST]) begin
                low  <= to_low;
                high <= to_high;
            end
        end
        if (rst) begin
            w <= 12'd0;
            f <= 12'd0;
            done <= 1'b0;
        end
    end

`ifndef SYNTHESIS
    // The sum has not left its range, and is known.
    always @(posedge clk)
        if (!rst && works) begin
            if (from[ACC-1] == shifted[17] && sum[ACC-1] != from[ACC-1]) begin
                $display("pe: the accumulator overflows");
                $stop;
            end
            if (^sum === 1'bx) begin
                $display("pe: the sum is unknown");
                $stop;
            end
        end
`endif
endmodule
