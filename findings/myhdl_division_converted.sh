#!/usr/bin/env bash
# MyHDL 0.11.52: // and % of signed numbers, simulated by MyHDL and converted to Verilog.
# Expected: the converted design computes what was simulated; that is what conversion is for. MyHDL's numbers are
# Python's: -7 // 2 is -4 and -7 % 2 is 1.
# Seen: // and % become / and % of Verilog, which cut towards zero: -3 and -1. Nothing warns. A shift to the right is
# the same in both.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian iverilog=11.0-1.1+b1
venv myhdl==0.11.52
cat >design.py <<'PYTHON'
from myhdl import Signal, always_comb, block, delay, instance, intbv

@block
def divide(a, b, quotient, remainder, shifted):
    @always_comb
    def logic():
        quotient.next = a // b
        remainder.next = a % b
        shifted.next = a >> 1
    return logic

signals = lambda: [Signal(intbv(1, min=-128, max=128)) for _ in range(5)]
divide(*signals()).convert(hdl="Verilog", path=".")
a, b, *results = signals()

@block
def bench():
    design = divide(a, b, *results)
    @instance
    def stimulus():
        a.next, b.next = -7, 2
        yield delay(1)
        print(*map(int, results))
    return design, stimulus

bench().run_sim(2, quiet=1)
PYTHON
simulated=$(python design.py)
cat >t.v <<'VERILOG'
module t;
  reg signed [7:0] a = -7, b = 2;
  wire signed [7:0] quotient, remainder, shifted;
  divide d(a, b, quotient, remainder, shifted);
  initial #1 $display("%0d %0d %0d", quotient, remainder, shifted);
endmodule
VERILOG
converted=$(simulate t.v divide.v)
echo "-7 // 2, -7 % 2, -7 >> 1: simulated by MyHDL 0.11.52 $simulated; its Verilog gives $converted"
[[ $simulated == "-4 1 -4" && $converted == "-3 -1 -4" ]]
