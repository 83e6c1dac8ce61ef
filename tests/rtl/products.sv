// Every product of every mode on one PE, in a simulator that knows unknown values: each pair of codes is a reduction of one
// step, whose result leaves in D a step later. One operand or both are signed.
`timescale 1ns / 1ns
module products;
    reg clk = 0, rst = 1, step = 0, w_signed = 0, f_signed = 0;
    reg [1:0] phase = 0;
    reg [11:0] w_in = 0, f_in = 0;
    wire [11:0] w, f;
    wire active, done;
    wire [1:0] cost;
    wire [31:0] low, high;
    pe pe (.clk(clk), .rst(rst), .step(step), .phase(phase), .w_signed(w_signed), .f_signed(f_signed), .by_class(1'b0),
           .w_class(1'b0), .w_in(w_in), .f_in(f_in), .w(w), .f(f), .active(active), .cost(cost), .done(done), .low(low),
           .high(high));

    integer signs, wide, i, j, n, count, length;
    integer a, b, earlier;
    task tick;
        begin
            #1 clk = 1;
            #1 clk = 0;
        end
    endtask
    // One step of so many cycles.
    task go(input integer cycles);
        for (n = 0; n < cycles; n = n + 1) begin
            phase = n;
            step = n == cycles - 1;
            tick;
        end
    endtask
    function integer value(input integer code, input integer bits, input is_signed);
        value = is_signed && code >= 1 << (bits - 1) ? code - (1 << bits) : code;
    endfunction

    initial begin
        count = 0;
        tick;
        tick;
        rst = 0;
        for (signs = 1; signs < 4; signs = signs + 1)
            for (wide = 0; wide < 4; wide = wide + 1) begin
                {w_signed, f_signed} = signs;
                length = wide == 3 ? 4 : wide == 0 ? 1 : 2;
                w_in = 0;
                f_in = 0;
                go(4);
                earlier = 0;
                for (i = 0; i < (wide & 2 ? 256 : 16); i = i + 1)
                    for (j = 0; j < (wide & 1 ? 256 : 16); j = j + 1) begin
                        // The pair enters with the step in which the one before it is multiplied.
                        w_in = {1'b1, wide[1], 2'b11, 8'd0} | i;
                        f_in = {1'b1, wide[0], 2'b11, 8'd0} | j;
                        go(length);
                        if (earlier) check;
                        a = value(i, wide & 2 ? 8 : 4, w_signed);
                        b = value(j, wide & 1 ? 8 : 4, f_signed);
                        earlier = 1;
                    end
                w_in = 0;
                f_in = 0;
                go(length);
                check;
            end
        $display("%0d products", count);
        $finish;
    end
    task check;
        begin
            count = count + 1;
            if (done !== 1'b1 || low !== a * b) begin
                $display("failed: %0d * %0d is %0d, wide %b, signed %b%b", a, b, $signed(low), wide[1:0], w_signed, f_signed);
                $finish;
            end
        end
    endtask
endmodule
