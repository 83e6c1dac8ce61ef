#!/bin/sh
# Makes a module of the engines from the sources in a directory, for a machine:
# build.sh DIRECTORY OUT.so INTERFACE ROWS COLS DRAIN ACCUMULATE_LANES TOPK_LANES TOPK_PASSES SOFTMAX_LANES
set -eu
cd "$1"
out=$2 interface=$3 rows=$4 cols=$5 drain=$6 votes=$7 choices=$8 passes=$9
shift 9
lanes=$1
root=$(verilator --getenv VERILATOR_ROOT)
translate() { # TOP PARAMETER... SOURCE...
    top=$1
    shift
    verilator --cc --Mdir "made/$top" --prefix "V$top" --top-module "$top" -O3 --x-assign unique --x-initial unique \
        -Wno-fatal -Wno-lint -Wno-style "$@"
}
# One unit a model: headers take longer than what is made for a small array. Verilator's own library needs no optimiser.
compile() { # LEVEL OBJECT SOURCE...
    level=$1 object=$2
    shift 2
    printf '#include "%s"\n' "$@" >"$object.cpp"
    "${CXX:-g++}" -std=c++17 "$level" -fPIC -w -DVL_USER_STOP -DRTL_ROWS="$rows" -DRTL_COLS="$cols" -DRTL_DRAIN="$drain" \
        -DRTL_VOTES="$votes" -DRTL_CHOICES="$choices" -DRTL_LANES="$lanes" "-DRTL_INTERFACE=\"$interface\"" -I. -Imade/systolic_array \
        -Imade/importance -Imade/softmax -Imade/topk -I"$root/include" -I"$root/include/vltstd" -c "$object.cpp" -o "$object.o"
}
mkdir made
# Of loops those that make lanes and PEs must be unrolled, those over the digits of a histogram must not.
translate importance --unroll-count 65536 -GLANES="$votes" importance.sv
translate softmax --unroll-count 1 -GLANES="$lanes" softmax_stage.sv softmax.sv
translate topk --unroll-count 1 -GLANES="$choices" -GPASSES="$passes" topk.sv
translate systolic_array --unroll-count 65536 -GROWS="$rows" -GCOLS="$cols" -GDRAIN="$drain" pe.sv array_control.sv systolic_array.sv
compile -O1 array made/systolic_array/*.cpp &
array=$!
compile -O1 engines driver.cpp made/importance/*.cpp made/softmax/*.cpp made/topk/*.cpp
compile -O0 library "$root/include/verilated.cpp"
compile -O0 threads "$root/include/verilated_threads.cpp"
wait "$array"
"${CXX:-g++}" -shared array.o engines.o library.o threads.o -pthread -o "$out"
