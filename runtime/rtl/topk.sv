// Two top-k engines, one after the other: of n candidates the first finds the `keep` that stay, of these the second the
// `high` that get 8 bits. Pinned candidates come first, then larger values, then smaller ids.
//
// Candidates come LANES a cycle, ascending by id (slots ascend inside a cluster, so that this is a merge of clusters). An
// engine passes over its candidates PASSES times, whatever their values: O(n). All passes but the last narrow the
// threshold by a digit, which a histogram of that digit gives (radix select); the last one marks who reaches it. Of
// candidates that are equal to the threshold the first ones are taken, as many as are wanted: those of smaller ids.
//
// Values are below 2^60 (65536 rows of 4096 heads); with `half`, below 2^32 + 1 (the largest is 2^31), in half the passes.
module topk #(
    parameter LANES = 16,
    parameter PASSES = 8
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    input  wire                half,
    input  wire         [31:0] n,
    input  wire         [31:0] keep,
    input  wire         [31:0] high,
    input  wire         [31:0] pins,     // pinned candidates
    output reg                 second,   // which engine works
    output reg          [31:0] at,       // it wants its candidates from here on
    output wire                marks,    // last pass: `chosen` is the result
    input  wire [64*LANES-1:0] values,
    input  wire    [LANES-1:0] pinned,
    output reg     [LANES-1:0] chosen,
    output reg                 running,
    output reg          [63:0] cycles
);
    localparam HALF = (PASSES + 1) / 2;
    localparam DIGIT = (60 + PASSES - 2) / (PASSES - 1);
    localparam HALF_DIGIT = (32 + HALF - 2) / (HALF - 1);
    localparam MOST = DIGIT > HALF_DIGIT ? DIGIT : HALF_DIGIT;

    reg  [31:0] left, pass, tied;       // still wanted of those that match; and of the equal ones taken
    reg  [63:0] threshold;
    reg  [31:0] count [0:(1 << MOST)-1];
    wire [31:0] digit = half ? HALF_DIGIT : DIGIT;
    wire [31:0] passes = half ? HALF : PASSES;
    wire [31:0] shift = digit * (passes - 2 - pass);
    wire [31:0] candidates = second ? keep : n;
    wire [31:0] wanted = second ? high : keep;
    wire [31:0] pinned_here = second && pins > keep ? keep : pins;
    wire        among_pinned = wanted <= pinned_here;  // the threshold lies among the pinned ones
    wire        ends = at + LANES >= candidates;
    assign marks = pass + 1 == passes;

    // Marks: all above the threshold, and the first of those that are equal to it.
    integer l;
    reg [31:0] equal;
    reg        member;
    always @* begin
        equal = tied;
        chosen = {LANES{1'b0}};
        for (l = 0; l < LANES; l = l + 1) begin
            member = pinned[l] == among_pinned;
            if (at + l < candidates && wanted != 0) begin
                if (!member) chosen[l] = pinned[l];
                else if (values[64*l+:64] > threshold) chosen[l] = 1'b1;
                else if (values[64*l+:64] == threshold && equal < left) begin
                    chosen[l] = 1'b1;
                    equal = equal + 1;
                end
            end
        end
    end

    integer i, d;
    reg [31:0] above, found;
    reg        stop;
    always @(posedge clk) begin
        if (running) begin
            cycles <= cycles + 1;
            at <= ends ? 0 : at + LANES;
            if (marks) tied <= equal;
            else
                for (i = 0; i < LANES; i = i + 1)
                    if (at + i < candidates && pinned[i] == among_pinned
                        && values[64*i+:64] >> (shift + digit) == threshold >> (shift + digit))
                        count[(values[64*i+:64] >> shift) & ((1 << digit) - 1)]
                            = count[(values[64*i+:64] >> shift) & ((1 << digit) - 1)] + 1;
            if (ends & ~marks) begin
                // The largest digit that as many as are wanted reach.
                above = 0;
                found = 0;
                stop = 1'b0;
                for (d = (1 << MOST) - 1; d >= 0; d = d - 1) begin
                    if (!stop && above + count[d] >= left) begin
                        stop = 1'b1;
                        found = d;
                    end
                    if (!stop) above = above + count[d];
                    count[d] = 0;
                end
                left <= left - above;
                threshold <= threshold | {32'd0, found} << shift;
            end
            if (ends) pass <= pass + 1;
            if (ends & marks) begin
                running <= ~second & keep != 0;
                second <= 1'b1;
                pass <= 0;
                tied <= 0;
                threshold <= 0;
                left <= high <= (pins > keep ? keep : pins) ? high : high - (pins > keep ? keep : pins);
            end
        end
        if (rst | start) begin
            cycles <= 0;
            at <= 0;
            pass <= 0;
            tied <= 0;
            threshold <= 0;
            second <= 1'b0;
            running <= start & ~rst;
            left <= keep <= pins ? keep : keep - pins;
            for (d = 0; d < 1 << MOST; d = d + 1) count[d] = 0;
        end
    end

`ifndef SYNTHESIS
    integer j;
    always @(posedge clk)
        if (!rst && running && !half)
            for (j = 0; j < LANES; j = j + 1)
                if (at + j < candidates && |values[64*j+60+:4]) begin
                    $display("topk: an importance has more than 60 bits");
                    $stop;
                end
`endif
endmodule
