#!/bin/sh
# Makes a module of the engines from the sources in a directory: build.sh DIRECTORY OUT.so ROWS COLS DRAIN INTERFACE
set -eu
cd "$1"
out=$2 rows=$3 cols=$4 drain=$5 interface=$6
root=$(verilator --getenv VERILATOR_ROOT)
verilator --cc --Mdir array --prefix Vsystolic_array --top-module systolic_array -O3 --x-assign unique --x-initial unique \
    --output-split 8000 -Wno-fatal -Wno-lint -Wno-style -GROWS="$rows" -GCOLS="$cols" -GDRAIN="$drain" \
    pe.sv array_control.sv systolic_array.sv

# What runs once, and Verilator's own library, need no optimiser.
compile() {
    level=-O1
    case $1 in *Slow.cpp | *Syms.cpp | */verilated*.cpp) level=-O0 ;; esac
    "${CXX:-g++}" -std=c++17 "$level" -fPIC -w -DVL_USER_STOP -DRTL_ROWS="$rows" -DRTL_COLS="$cols" -DRTL_DRAIN="$drain" \
        "-DRTL_INTERFACE=\"$interface\"" -I. -Iarray -I"$root/include" -I"$root/include/vltstd" -c "$1" \
        -o "objects/$(basename "$1" .cpp).o"
}
mkdir objects
(for source in driver.cpp array/*.cpp; do compile "$source"; done) &
(for source in "$root"/include/verilated.cpp "$root"/include/verilated_threads.cpp; do compile "$source"; done)
wait $!
"${CXX:-g++}" -shared objects/*.o -pthread -o "$out"
