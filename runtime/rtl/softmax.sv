// The softmax unit: three stages, each LANES keys a cycle, one row behind the other.
//
//   0  the largest logit of a row                      `maxes`
//   1  the largest weight fl(e * scale of V)           `weighs`: where scales of values are folded into probabilities
//   2  codes, their sum, and codes of the weights      `writes`
//
// A row's head {max, r, z} is in memory, where a stage finds what the stage before has left: so a pass over a block of keys
// is one stage alone. A stage begins a row when the one before is through with it. Rows without a key are not issued. Two
// rows do not share a cycle. Rows go through the first stage without a gap, which `cycles` counts; behind it the others take no
// longer than the longest row each (`tail`), as all of them have the same rows.
//
// Of stage s: bits s of `working`; words s of `row`, `at`, `keys` (that the row sees) and `row_scale`; lanes s * LANES + l.
module softmax #(
    parameter LANES = 64
) (
    input  wire                  clk,
    input  wire                  rst,
    input  wire                  start,
    input  wire                  maxes,
    input  wire                  weighs,
    input  wire                  writes,
    input  wire                  given,     // logits are in the place of scores
    input  wire           [31:0] rows,
    output wire            [2:0] working,
    output wire       [3*32-1:0] row,
    output wire       [3*32-1:0] at,
    input  wire       [3*32-1:0] keys,
    input  wire       [3*32-1:0] row_scale,
    input  wire [3*LANES*32-1:0] score,
    input  wire [3*LANES*32-1:0] k_scale,
    input  wire [3*LANES*32-1:0] v_scale,
    input  wire    [3*LANES-1:0] seen,      // not behind the causal mask
    input  wire       [3*32-1:0] max,       // heads of the rows
    input  wire       [3*32-1:0] r,
    input  wire           [31:0] z,
    input  wire                  wide,      // of stage 2's row: 255 levels
    output wire           [31:0] new_max,
    output wire           [31:0] new_r,
    output wire           [31:0] new_z,
    output wire    [LANES*8-1:0] codes,
    output wire    [LANES*8-1:0] weight_codes,
    output wire                  running,
    output reg            [63:0] cycles,
    output reg            [63:0] tail
);
    reg  [31:0] row_of [0:2], at_of [0:2];
    wire  [2:0] part = {writes, weighs, maxes};
    wire  [2:0] last;
    wire [31:0] through [0:2];              // rows that the stages before are through with
    assign through[0] = rows;
    assign through[1] = maxes ? row_of[0] : rows;
    assign through[2] = weighs ? row_of[1] : maxes ? row_of[0] : rows;
    wire first_works = maxes ? working[0] : weighs ? working[1] : working[2];
    reg  begun;
    assign running = begun & |(part & {row_of[2] != rows, row_of[1] != rows, row_of[0] != rows});

    genvar s;
    generate
        for (s = 0; s < 3; s = s + 1) begin : part_of
            assign working[s] = running & part[s] & row_of[s] < through[s];
            assign row[32*s+:32] = row_of[s];
            assign at[32*s+:32] = at_of[s];
            assign last[s] = at_of[s] + LANES >= keys[32*s+:32];
            // Lanes whose keys the row has.
            reg [LANES-1:0] there;
            integer l;
            always @* for (l = 0; l < LANES; l = l + 1) there[l] = at_of[s] + l < keys[32*s+:32];
            wire [31:0] kept;
            wire [LANES*8-1:0] code, weight_code;
            softmax_stage #(.STAGE(s), .LANES(LANES)) stage (
                .seen({LANES{working[s]}} & there & seen[s*LANES+:LANES]), .given(given),
                .score(score[s*LANES*32+:LANES*32]), .row_scale(row_scale[32*s+:32]),
                .k_scale(k_scale[s*LANES*32+:LANES*32]), .v_scale(v_scale[s*LANES*32+:LANES*32]), .max(max[32*s+:32]),
                .r(r[32*s+:32]), .wide(wide), .from(s == 0 ? max[31:0] : s == 1 ? r[63:32] : z), .kept(kept),
                .codes(code), .weight_codes(weight_code));
            always @(posedge clk) begin
                if (working[s]) begin
                    at_of[s] <= last[s] ? 0 : at_of[s] + LANES;
                    row_of[s] <= row_of[s] + {31'd0, last[s]};
                end
                if (rst | start) begin
                    at_of[s] <= 0;
                    row_of[s] <= 0;
                end
            end
        end
    endgenerate
    assign new_max = part_of[0].kept;
    assign new_r = part_of[1].kept;
    assign new_z = part_of[2].kept;
    assign codes = part_of[2].code;
    assign weight_codes = part_of[2].weight_code;

    always @(posedge clk) begin
        if (first_works) cycles <= cycles + 1;
        else if (running) tail <= tail + 1;
        if (rst | start) begin
            cycles <= 0;
            tail <= 0;
            begun <= start & ~rst;
        end
    end

`ifndef SYNTHESIS
    always @(posedge clk)
        if (!rst && !start && running && (working == 3'd0 || ^{new_max, new_r, new_z} === 1'bx)) begin
            $display("softmax: a row is unknown, or no stage works");
            $stop;
        end
`endif
endmodule
