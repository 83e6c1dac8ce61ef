#!/usr/bin/env bash
# An installed dtqc: everything that it takes is found from where it lies. Installs into a prefix, moves that, and runs with
# the source tree out of reach.
set -euo pipefail
: "${ROOT:?}" "${DTQC:?}"
build=$(dirname "$(realpath "$DTQC")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DTQC_CACHE=$work/cache
unset DTQC_DATA

stop() { echo "install.sh: $*" >&2; exit 1; }
# holds TEXT PATTERN: some line of a text matches
holds() { grep -qE -- "$2" <<<"$1" || { printf '%s\n' "$1" >&2; stop "nothing like '$2' above"; }; }

# By DESTDIR the same files come to lie under the prefix that was configured.
cmake --install "$build" --prefix "$work/first" >"$work/log"
DESTDIR=$work/stage cmake --install "$build" >"$work/log"
staged=$(dirname "$(dirname "$(find "$work/stage" -name dtqc -path '*/bin/*')")")
diff <(cd "$work/first" && find . -type f | sort) <(cd "$staged" && find . -type f | sort)
for file in bin/dtqc lib/dtqc/libdtq_llvm.so lib/pkgconfig/dtq.pc share/man/man1/dtqc.1 share/zsh/site-functions/_dtqc \
    share/fish/vendor_completions.d/dtqc.fish share/bash-completion/completions/dtqc share/dtqc/targets/dtqatten.yaml; do
    [[ -s "$work/first/$file" ]] || stop "$file was not installed"
done
diff <(cd "$ROOT/examples" && find models targets policies -type f | sort) <(cd "$work/first/share/dtqc" && find . -type f -printf '%P\n' | sort)
mkdir "$work/moved away"
mv "$work/first" "$work/moved away/prefix"
prefix="$work/moved away/prefix"
cp "$ROOT/examples/embed/CMakeLists.txt" "$ROOT/examples/embed/"*.c "$work"

# What runs where the source tree cannot be seen: in a name space of its own with nothing at $ROOT, if the system allows that.
cat >"$work/inside" <<'END'
set -euo pipefail
root=$1 prefix=$2 work=$3
if [[ "$4" == hidden ]]; then
    mount -t tmpfs none "$root"
    [[ ! -e "$root/README.md" ]]
fi
cd "$work"
export PATH="$prefix/bin:$PATH"
dtqc doctor
dtqc target list
dtqc analyze bert-base --policy bert-average --seq 8 --compare=eyeriss
printf 'extends: dtqatten\nname: mine\nvssa: {rows: 6}\n' >mine.yaml
dtqc analyze fig5 --target mine.yaml
dtqc compile minilm --policy bert-average --emit=obj --output as_object.o
dtqc compile minilm --policy bert-average --seq 5 --emit=obj --attention=device --output on_device.o
dtqc compile minilm --policy bert-average --emit=c --output as_c.c
dtqc compile minilm --policy bert-average --emit=exe --output encoder
./encoder --help
END
hide=seen
mounted=(bash)
if unshare --mount --map-root-user true 2>/dev/null; then
    hide=hidden
    mounted=(unshare --mount --map-root-user bash)
fi
case "$work" in "$ROOT"/*) hide=seen ;; esac
said=$("${mounted[@]}" "$work/inside" "$ROOT" "$prefix" "$work" "$hide" 2>&1) || { printf '%s\n' "$said" >&2; stop "a command failed ($hide)"; }
holds "$said" "^targets +13 in $prefix/share/dtqc/targets"
holds "$said" "^host code +$prefix/lib/dtqc/libdtq_llvm.so \(LLVM 19"
holds "$said" '^dtqatten +vssa'
! grep -qF "$ROOT" <<<"$said" || { printf '%s\n' "$said" >&2; stop "the source tree is named"; }

# The library, by CMake's package and by pkg-config's.
cmake -G Ninja -S "$work" -B "$work/embed" -DMODELS="$work" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log"
grep -qF "$prefix/lib/cmake/dtq" "$work/embed/CMakeCache.txt" || stop "another package was found"
cmake --build "$work/embed" >"$work/log" || { cat "$work/log" >&2; exit 1; }
"$work/embed/embed" 5 "$work/numbers"
[[ $(stat -c %s "$work/numbers") -eq $((384 * 4)) ]]
"$work/embed/device" 5 >"$work/log"
holds "$(cat "$work/log")" "^5 tokens: the first number .* cycles"
printf '#include "runtime/dtqrt.h"\nint main(void) { dtq_machine m; dtq_machine_init(&m); return m.vssa_rows != 18; }\n' >"$work/one.c"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
eval "cc -o '$work/one' '$work/one.c' $(pkg-config --cflags --libs dtq)"
"$work/one"
[[ $("$prefix/bin/dtqc" --version) == "dtqc $(pkg-config --modversion dtq) (commit "*", LLVM 19."*")" ]] || stop "--version"

# A module of another build is refused before anything of it runs.
python3 - "$prefix/lib/dtqc/libdtq_llvm.so" "$build/interface.c" <<'END'
import re, sys
module, source = sys.argv[1:]
interface = re.search(r'"([0-9a-f]{64})"', open(source).read())[1].encode()
data = open(module, "rb").read()
assert data.count(interface) == 1
open(module, "wb").write(data.replace(interface, interface[::-1]))
END
said=$("$prefix/bin/dtqc" compile fig5 --emit=llvm 2>&1) && stop "a module of another build was taken"
holds "$said" "^$prefix/lib/dtqc/libdtq_llvm.so: error: is of another build than this dtqc"
said=$("$prefix/bin/dtqc" doctor 2>&1) && stop "doctor finds nothing wrong"
holds "$said" '^host code +MISSING: .* is of another build than this dtqc'
rm "$prefix/lib/libdtqrt.a"
said=$("$prefix/bin/dtqc" doctor 2>&1) || true
holds "$said" '^library +MISSING: .*libdtqrt.a is not there; compile --emit=exe needs it'
holds "$said" '2 parts are missing$'
echo "installed, moved ($hide source tree), embedded, refused"
