// What an array does in each pipeline step: it walks the tiles of one matmul and asks for the operands of each step.
//
// Tiles go row-major, strip by strip (TIMING.md, "Tiles"). `turned` lays the matmul's rows along the array's columns. With
// `serpentine` every second strip of scores goes from its last tile to its first (`along_k` low), or every second tile of
// outputs takes its keys from the last to the first (`along_k` high). What a mask hides from a strip, [skip_from, skip_to), is tiles
// of scores or keys of outputs; whoever holds the instruction answers `strip` with both in the same cycle.
//
// A tile's k-th operands are asked for k steps after its first. The next tile begins
//   DRAIN 0, ideal        after `length` steps; all PEs get their operands at once
//   DRAIN 1, serial       after length + rows + columns - 2: when the last PE is through
//   DRAIN 2, overlapped   after max(length, rows): a column's results leave on one bus, a row a step; and if the next tile is
//                         shorter, so much later that its results come when those before them have left
// An empty strip takes a cycle to pass over, while the tile before is still running.
module array_control #(
    parameter ROWS = 18,
    parameter COLS = 11,
    parameter DRAIN = 2
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        start,      // for one cycle
    input  wire        step,
    input  wire        turned,
    input  wire        serpentine,
    input  wire        along_k,
    input  wire [31:0] rows,       // of the matmul
    input  wire [31:0] cols,
    input  wire [31:0] depth,
    input  wire [31:0] strips,     // rows / height and cols / width, rounded up
    input  wire [31:0] tile_cols,
    output wire [31:0] strip,      // of the next tile
    input  wire [31:0] skip_from,
    input  wire [31:0] skip_to,
    output reg         tile_start, // a tile has begun with this step
    output reg  [31:0] row_base,   // of the tile in the matmul
    output reg  [31:0] col_base,
    output reg  [31:0] west_count, // rows and columns of the array that it uses
    output reg  [31:0] north_count,
    output wire        issue,      // operands of reduction index k are wanted in this step
    output wire        first,
    output wire        last,
    output wire [31:0] k,
    output reg         active,     // a tile is being issued
    output wire        busy        // one is, or a strip is left
);
    wire [31:0] height = turned ? COLS : ROWS;
    wire [31:0] width = turned ? ROWS : COLS;

    // The next tile: number `index` of strip `strip`.
    reg  [31:0] next_strip, index;
    reg         parity;            // of the tiles so far
    reg         left;              // strips are left
    wire [31:0] hidden = skip_to - skip_from;
    wire [31:0] length = along_k ? depth - hidden : depth;
    wire [31:0] tiles = along_k ? (length == 0 ? 0 : tile_cols) : tile_cols - hidden;
    wire        empty = tiles == 0;
    wire        there = left & ~empty;
    wire [31:0] walked = serpentine & ~along_k & next_strip[0] ? tiles - 1 - index : index;
    wire [31:0] column = ~along_k && walked >= skip_from ? walked + hidden : walked;
    wire [31:0] next_row = next_strip * height;
    wire [31:0] next_col = column * width;
    wire [31:0] tile_rows = rows - next_row < height ? rows - next_row : height;
    wire [31:0] tile_width = cols - next_col < width ? cols - next_col : width;
    wire [31:0] next_west = turned ? tile_width : tile_rows;
    wire [31:0] next_north = turned ? tile_rows : tile_width;
    assign strip = next_strip;

    // The tile in issue.
    reg  [31:0] count, span, from, gap;
    reg         backward;
    wire [31:0] place = backward ? span - 1 - count : count;
    assign k = place >= from ? place + gap : place;
    assign issue = active & count < span;
    assign first = count == 0;
    assign last = count == span - 1;
    assign busy = active | left;

    // Steps from its first operand to the next tile's, whose reduction is known when there is one.
    wire [31:0] shorter = there & span > length ? span - length : 0;
    wire [31:0] leaves = west_count + shorter;
    wire [31:0] spacing = DRAIN == 0 ? span
                        : DRAIN == 1 ? span + west_count + north_count - 2
                        : span > leaves ? span : leaves;
    wire over = count + 1 >= spacing;
    wire takes = there & step & (~active | over);
    wire passes = takes ? index + 1 == tiles : left & empty;

    always @(posedge clk) begin
        tile_start <= takes;
        if (takes) begin
            active <= 1'b1;
            count <= 0;
            span <= length;
            from <= along_k ? skip_from : depth;
            gap <= along_k ? hidden : 0;
            backward <= serpentine & along_k & parity;
            row_base <= next_row;
            col_base <= next_col;
            west_count <= next_west;
            north_count <= next_north;
            parity <= ~parity;
            index <= index + 1;
        end else if (step & active) begin
            active <= ~over | (left & empty);
            count <= count + 1;
        end
        if (passes) begin
            next_strip <= next_strip + 1;
            index <= 0;
            left <= next_strip + 1 != strips;
        end
        if (start) begin
            next_strip <= 0;
            index <= 0;
            parity <= 1'b0;
            left <= 1'b1;
        end
        if (rst) begin
            active <= 1'b0;
            left <= 1'b0;
            tile_start <= 1'b0;
        end
    end
endmodule
