// The importance accumulator: adds each row's probabilities, divided by the row's sum, to the importance of the keys.
//
// LANES keys a cycle: row by row, from the first key that the row may see to the last. A row takes a whole number of
// cycles. What a mask hides from the row that `row` names, [skip_from, skip_to), is passed over. A term is
// code * floor(2^32 / z) (NUMERICS.md, "Importance"); with `largest` (a probe's votes) it raises the sum instead.
module importance #(
    parameter LANES = 64
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    input  wire                largest,
    input  wire         [31:0] rows,
    input  wire         [31:0] keys,
    output reg          [31:0] row,
    output reg          [31:0] at,         // of the keys that the row sees, those from here on
    input  wire         [31:0] skip_from,
    input  wire         [31:0] skip_to,
    input  wire         [31:0] z,
    input  wire  [8*LANES-1:0] codes,
    input  wire [64*LANES-1:0] sums,
    output wire    [LANES-1:0] valid,
    output wire [64*LANES-1:0] new_sums,
    output reg                 running,
    output reg          [63:0] cycles
);
    wire [31:0] seen = keys - (skip_to - skip_from);
    wire [32:0] reciprocal = z == 0 ? 33'd0 : 33'h1_0000_0000 / {1'b0, z};

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            wire [63:0] sum = sums[64*l+:64];
            wire [40:0] term = codes[8*l+:8] * reciprocal;
            wire [63:0] wide = {23'd0, term};
            assign valid[l] = running & at + l < seen;
            assign new_sums[64*l+:64] = ~largest ? sum + wide : wide > sum ? wide : sum;
`ifndef SYNTHESIS
            always @(posedge clk)
                if (!rst && valid[l] && new_sums[64*l+:64] < sum) begin
                    $display("importance: a sum overflows");
                    $stop;
                end
`endif
        end
    endgenerate

    always @(posedge clk) begin
        if (running) begin
            cycles <= cycles + 1;
            at <= at + LANES < seen ? at + LANES : 0;
            if (at + LANES >= seen) begin
                row <= row + 1;
                running <= row + 1 != rows;
            end
        end
        if (rst | start) begin
            cycles <= 0;
            at <= 0;
            row <= 0;
            running <= start & ~rst;
        end
    end
endmodule
