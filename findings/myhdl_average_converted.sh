#!/usr/bin/env bash
# MyHDL 0.11.52: an intermediate result wider than its operands, simulated by MyHDL and converted to Verilog.
# Expected: the converted design computes what was simulated. MyHDL's documentation has intermediate results of any
# size, as Python's integers, and checks the range when a signal is assigned: (100 + 120) >> 1 of 8-bit numbers is 110.
# Seen: the Verilog is $signed((a + b) >>> 1), whose operands fix the width at 8 bits: -18. So a rounding shift after an
# adder, the step of each requantisation, loses its carry; the simulation raises no error, since 110 fits.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian iverilog=11.0-1.1+b1
venv myhdl==0.11.52
cat >design.py <<'PYTHON'
from myhdl import Signal, always_comb, block, delay, instance, intbv

@block
def average(a, b, result):
    @always_comb
    def logic():
        result.next = (a + b) >> 1
    return logic

signals = lambda: [Signal(intbv(1, min=-128, max=128)) for _ in range(3)]
average(*signals()).convert(hdl="Verilog", path=".")
a, b, *results = signals()

@block
def bench():
    design = average(a, b, *results)
    @instance
    def stimulus():
        a.next, b.next = 100, 120
        yield delay(1)
        print(*map(int, results))
    return design, stimulus

bench().run_sim(2, quiet=1)
PYTHON
simulated=$(python design.py)
cat >t.v <<'VERILOG'
module t;
  reg signed [7:0] a = 100, b = 120;
  wire signed [7:0] result;
  average d(a, b, result);
  initial #1 $display("%0d", result);
endmodule
VERILOG
converted=$(simulate t.v average.v)
echo "(100 + 120) >> 1: simulated by MyHDL 0.11.52 $simulated; its Verilog, $(grep assign average.v), gives $converted"
[[ $simulated == 110 && $converted == -18 ]]
