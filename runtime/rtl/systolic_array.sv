// ROWS x COLS PEs, output stationary, in lockstep, with their control.
//
// Operands of reduction index k enter from the left (W) and from the top (F) in the step that the control asks for them.
// Delays of r steps before row r and of c steps before column c skew them, so that PE(r,c) works on index k at step
// k + r + c of its tile. A step lasts as long as the costliest product in it: 1, 2 or 4 cycles. With DRAIN 0 (ideal)
// nothing is skewed, each PE has its operands from the edge.
//
// Results: PE(r,c) is through with its tile in the step behind its last product, one row of a column a step. They leave
// on a bus for each column (`out_valid` bit c), in the order of tiles and rows. With DRAIN 0 all PEs are through at
// once, and each has its own bus (bit r * COLS + c).
//
// `cycles` counts from the first operand in PE(0,0) to the last product of the last PE.
module systolic_array #(
    parameter ROWS = 18,
    parameter COLS = 11,
    parameter DRAIN = 2,
    parameter ACC = 32,
    parameter OUTS = DRAIN == 0 ? ROWS * COLS : COLS
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    input  wire                turned,
    input  wire                serpentine,
    input  wire                along_k,
    input  wire                w_signed,
    input  wire                f_signed,
    input  wire                by_class,
    input  wire         [31:0] rows,
    input  wire         [31:0] cols,
    input  wire         [31:0] depth,
    input  wire         [31:0] strips,
    input  wire         [31:0] tile_cols,
    output wire         [31:0] strip,
    input  wire         [31:0] skip_from,
    input  wire         [31:0] skip_to,
    output wire                tile_start,
    output wire         [31:0] row_base,
    output wire         [31:0] col_base,
    output wire         [31:0] west_count,
    output wire         [31:0] north_count,
    output wire                issue,
    output wire         [31:0] k,
    input  wire [8*ROWS-1:0]   west,       // values; rows from west_count on are not used
    input  wire   [ROWS-1:0]   west_wide,  // 8 bits
    input  wire [8*COLS-1:0]   north,
    input  wire   [COLS-1:0]   north_wide,
    output wire                step,       // last cycle of a step
    output wire   [OUTS-1:0]   out_valid,
    output wire [OUTS*ACC-1:0] out_low,
    output wire [OUTS*ACC-1:0] out_high,
    output reg          [63:0] cycles,
    output wire                finished
);
    wire first, last, issuing, busy;
    array_control #(.ROWS(ROWS), .COLS(COLS), .DRAIN(DRAIN)) control (
        .clk(clk), .rst(rst), .start(start), .step(step), .turned(turned), .serpentine(serpentine), .along_k(along_k),
        .rows(rows), .cols(cols), .depth(depth), .strips(strips), .tile_cols(tile_cols), .strip(strip),
        .skip_from(skip_from), .skip_to(skip_to), .tile_start(tile_start), .row_base(row_base), .col_base(col_base),
        .west_count(west_count), .north_count(north_count), .issue(issue), .first(first), .last(last), .k(k),
        .active(issuing), .busy(busy));

    // Operands at the edge, and their skew.
    genvar r, c, d;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : west_edge
            wire [11:0] entering = {issue & west_count > r, west_wide[r], first, last, west[8*r+:8]};
            for (d = 0; d < (DRAIN == 0 ? 0 : r); d = d + 1) begin : delay
                wire [11:0] ahead;
                reg  [11:0] held;
                if (d == 0) assign ahead = entering;
                else assign ahead = delay[d-1].held;
                always @(posedge clk)
                    if (rst) held <= 12'd0;
                    else if (step) held <= ahead;
            end
            wire [11:0] operand;
            if (DRAIN == 0 || r == 0) assign operand = entering;
            else assign operand = delay[r-1].held;
        end
        for (c = 0; c < COLS; c = c + 1) begin : north_edge
            wire [11:0] entering = {issue & north_count > c, north_wide[c], first, last, north[8*c+:8]};
            for (d = 0; d < (DRAIN == 0 ? 0 : c); d = d + 1) begin : delay
                wire [11:0] ahead;
                reg  [11:0] held;
                if (d == 0) assign ahead = entering;
                else assign ahead = delay[d-1].held;
                always @(posedge clk)
                    if (rst) held <= 12'd0;
                    else if (step) held <= ahead;
            end
            wire [11:0] operand;
            if (DRAIN == 0 || c == 0) assign operand = entering;
            else assign operand = delay[c-1].held;
        end
    endgenerate

    // The PEs, and a bus down each column: of the PEs of a column one at most is through in a step.
    reg [1:0] phase;
    wire [ROWS*COLS-1:0] active, twice, fourfold;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            for (c = 0; c < COLS; c = c + 1) begin : col
                wire [11:0] w_in, f_in, w, f;
                wire done;
                wire [1:0] cost;
                wire [ACC-1:0] low, high;
                if (DRAIN == 0 || c == 0) assign w_in = west_edge[r].operand;
                else assign w_in = row[r].col[c-1].w;
                if (DRAIN == 0 || r == 0) assign f_in = north_edge[c].operand;
                else assign f_in = row[r-1].col[c].f;
                pe #(.ACC(ACC)) pe (
                    .clk(clk), .rst(rst), .step(step), .phase(phase), .w_signed(w_signed), .f_signed(f_signed),
                    .by_class(by_class), .w_class(turned), .w_in(w_in), .f_in(f_in), .w(w), .f(f),
                    .active(active[r*COLS+c]), .cost(cost), .done(done), .low(low), .high(high));
                assign twice[r*COLS+c] = cost[0];
                assign fourfold[r*COLS+c] = cost[1];
                wire bus_valid;
                wire [ACC-1:0] bus_low, bus_high;
                if (DRAIN == 0 || r == 0) begin : top
                    assign bus_valid = done;
                    assign bus_low = {ACC{done}} & low;
                    assign bus_high = {ACC{done}} & high;
                end else begin : below
                    assign bus_valid = done | row[r-1].col[c].bus_valid;
                    assign bus_low = {ACC{done}} & low | row[r-1].col[c].bus_low;
                    assign bus_high = {ACC{done}} & high | row[r-1].col[c].bus_high;
`ifndef SYNTHESIS
                    always @(posedge clk)
                        if (!rst && done && row[r-1].col[c].bus_valid) begin
                            $display("systolic_array: two results on the bus of a column");
                            $stop;
                        end
`endif
                end
                if (DRAIN == 0 || r == ROWS - 1) begin : out
                    assign out_valid[(DRAIN == 0 ? r*COLS : 0)+c] = bus_valid;
                    assign out_low[((DRAIN == 0 ? r*COLS : 0)+c)*ACC+:ACC] = bus_low;
                    assign out_high[((DRAIN == 0 ? r*COLS : 0)+c)*ACC+:ACC] = bus_high;
                end
            end
        end
    endgenerate

    // Lockstep. After clustering a program knows each step's length ahead; the maximum costs the array two gates a PE
    // and serves both.
    wire [1:0] longest = |fourfold ? 2'd3 : |twice ? 2'd1 : 2'd0;
    assign step = phase == longest;

    reg started;
    reg [31:0] pause;
    wire running = |active | (started & issuing);
    assign finished = ~busy & ~|active & ~|out_valid;
    always @(posedge clk) begin
        phase <= rst | step ? 2'd0 : phase + 2'd1;
        started <= ~rst & ~start & (started | |active);
        // A pause counts once something follows it: there is none behind the last product.
        pause <= rst | start | running ? 32'd0 : pause + {31'd0, started};
        cycles <= rst | start ? 64'd0 : running ? cycles + 1 + {32'd0, pause} : cycles;
    end
endmodule
