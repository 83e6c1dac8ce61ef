#!/usr/bin/env bash
# Verilator 5.006 of Debian 12: elements of `logic signed [3:0][3:0]`, a packed array of four 4-bit numbers.
# Expected: IEEE 1800: `signed` belongs to the array as one vector; its elements are unsigned, unless they are of a
# named type that is signed. So the element 4'b1000 is 8, and with `typedef logic signed [3:0] code;` and `code [3:0]`
# it is -8. slang has it so.
# Seen: -8 in both. What is simulated and what another tool synthesises are then two machines; the named type is the
# same for all.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian verilator=5.006-3
venv pyslang==12.1.0
cat >t.sv <<'VERILOG'
module t;
  typedef logic signed [3:0] code;
  logic signed [3:0][3:0] plain;
  code [3:0] named;
  int a, b;
  initial begin
    plain = 16'h8f71;
    named = 16'h8f71;
    a = plain[3];
    b = named[3];
    $display("%0d %0d", a, b);
    $finish;
  end
endmodule
VERILOG
seen=$(simulate_by_verilator t.sv)
right=$(python - <<'PYTHON'
from pyslang.ast import ScriptSession
session = ScriptSession()
for line in ("typedef logic signed [3:0] code;", "logic signed [3:0][3:0] plain = 16'h8f71;",
             "code [3:0] named = 16'h8f71;", "int a;"):
    session.eval(line)
print(session.eval("a = plain[3]"), session.eval("a = named[3]"))
PYTHON
)

echo "element of logic signed [3:0][3:0], of code [3:0]: Verilator 5.006 $seen; slang 12.1.0 $right"
[[ $seen == "-8 -8" && $right == "8 -8" ]]
