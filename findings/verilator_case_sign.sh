#!/usr/bin/env bash
# Verilator 5.006 of Debian 12: a case statement over a signed value whose items are signed and unsigned.
# Expected: IEEE 1800: all expressions of a case statement are taken to one width and, if one of them is unsigned, to
# unsigned. A signed 4-bit -3 beside the item 4'd13 is then 13 and takes that branch, whatever the item -3 says. slang
# and Icarus do so.
# Seen: each item is compared by itself: the branch of -3 is taken. A decoder of weight codes that mixes both notations
# is another decoder elsewhere.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian verilator=5.006-3 iverilog=11.0-1.1+b1
venv pyslang==12.1.0
cat >t.sv <<'VERILOG'
module t;
  logic signed [3:0] n;
  initial begin
    n = -3;
    case (n)
      -3: $display("item -3");
      4'd13: $display("item 4'd13");
      default: $display("default");
    endcase
    $finish;
  end
endmodule
VERILOG
seen=$(simulate_by_verilator t.sv)
icarus=$(simulate t.sv)
right=$(python - <<'PYTHON'
from pyslang.ast import ScriptSession
session = ScriptSession()
session.eval("function automatic int f(logic signed [3:0] n);"
             " case (n) -3: return -3; 4'd13: return 13; default: return 0; endcase endfunction")
print(session.eval("f(-3)"))
PYTHON
)

echo "Verilator 5.006: $seen; Icarus 11.0: $icarus; slang 12.1.0: item $right"
[[ $seen == "item -3" && $icarus == "item 4'd13" && $right == 13 ]]
