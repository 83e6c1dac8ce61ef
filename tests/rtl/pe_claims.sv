    // Claims that a solver proves of all inputs (tests/e2e/rtl_proof.sh puts them into the module).
    wire signed [8:0] w_value = w[WIDE] ? {w_signed & w[7], w[7:0]} : {{5{w_signed & w[3]}}, w[3:0]};
    wire signed [8:0] f_value = f[WIDE] ? {f_signed & f[7], f[7:0]} : {{5{f_signed & f[3]}}, f[3:0]};
    // A value is its nibbles'.
    wire signed [8:0] w_top = w[WIDE] ? {{5{w_signed & w[7]}}, w[7:4]} : 9'sd0;
    wire signed [8:0] f_top = f[WIDE] ? {{5{f_signed & f[7]}}, f[7:4]} : 9'sd0;
    wire signed [8:0] w_low = w[WIDE] ? {5'd0, w[3:0]} : w_value;
    wire signed [8:0] f_low = f[WIDE] ? {5'd0, f[3:0]} : f_value;
    // Of the phases that work, each pair of nibbles once: where W's and F's nibbles are high.
    wire w_is_high = w[WIDE] & phase[0], f_is_high = f[WIDE] & phase[w[WIDE]];
    wire signed [8:0] w_part = w_is_high ? w_top : w_low, f_part = f_is_high ? f_top : f_low;
    wire signed [17:0] part = w_part * f_part;
    always @* begin
        assert (w_value == w_top * 16 + w_low);
        assert (f_value == f_top * 16 + f_low);
        if (works) assert (shifted == part <<< (4 * w_is_high + 4 * f_is_high));
        if (active) assert (works == (phase < (4'd1 << ({1'b0, w[WIDE]} + {1'b0, f[WIDE]}))));
    end
