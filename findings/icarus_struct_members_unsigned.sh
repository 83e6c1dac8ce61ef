#!/usr/bin/env bash
# Icarus Verilog 11.0 of Debian 12: signed members of a packed struct, such as the two 4-bit codes of a byte.
# Expected: IEEE 1800: each member has the type it is declared with, so a `logic signed [3:0]` member that is 4'b1001 is
# -7. slang, which evaluates constant expressions by the standard, and Verilator have it so.
# Seen: members are read as unsigned, without a warning: 9; the product of -7 and -4 is 9 * 12 = 108. The same nibbles
# in variables of their own are signed.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian iverilog=11.0-1.1+b1
venv pyslang==12.1.0
cat >t.sv <<'VERILOG'
module t;
  typedef struct packed { logic signed [3:0] hi; logic signed [3:0] lo; } pair;
  pair p;
  logic signed [3:0] hi, lo;
  logic signed [7:0] member, product, variable, right;
  initial begin
    p = 8'h9c;
    {hi, lo} = 8'h9c;
    member = p.hi;
    product = p.hi * p.lo;
    variable = hi;
    right = hi * lo;
    $display("%0d %0d %0d %0d", member, product, variable, right);
  end
endmodule
VERILOG
seen=$(simulate t.sv)
right=$(python - <<'PYTHON'
from pyslang.ast import ScriptSession
session = ScriptSession()
session.eval("typedef struct packed { logic signed [3:0] hi; logic signed [3:0] lo; } pair;")
session.eval("pair p = 8'h9c;")
session.eval("int product;")
print(session.eval("int'(p.hi)"), session.eval("product = p.hi * p.lo"))
PYTHON
)

echo "member, product, variable, product of variables: Icarus 11.0 $seen; slang 12.1.0 $right"
[[ $seen == "9 108 -7 28" && $right == "-7 28" ]]
