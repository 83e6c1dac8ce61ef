#!/usr/bin/env bash
# Verilator 5.006 of Debian 12: $random with a seed, for a test bench whose data is the same everywhere.
# Expected: the numbers of Icarus and other simulators: IEEE 1800 prints the generator for the seeded functions, and
# $dist_uniform of the same seed gives the same number in both.
# Seen: $random(seed) is a generator of Verilator's own; it leaves another number, and another seed. Golden outputs of
# seeded stimuli do not carry over; those of $dist_uniform do.
# shellcheck source=/dev/null
. "$(dirname "$0")/debian"

debian verilator=5.006-3 iverilog=11.0-1.1+b1
cat >t.sv <<'VERILOG'
module t;
  int seed, r;
  initial begin
    seed = 1;
    r = $random(seed);
    $display("%0d", r);
    seed = 1;
    r = $dist_uniform(seed, -1000, 1000);
    $display("%0d", r);
    $finish;
  end
endmodule
VERILOG
mapfile -t seen < <(simulate_by_verilator t.sv)
mapfile -t icarus < <(simulate t.sv)
echo "\$random(1), \$dist_uniform(1, -1000, 1000): Verilator 5.006 ${seen[*]}; Icarus 11.0 ${icarus[*]}"
[[ ${icarus[0]} == -2147414528 && -n ${seen[0]} && ${seen[0]} != "${icarus[0]}" && ${seen[1]} == "${icarus[1]}" ]]
