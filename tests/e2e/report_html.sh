#!/usr/bin/env bash
# The HTML report in a browser: no script fails, everything is drawn, keys and mouse do what they should, both themes.
set -euo pipefail
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -z "$browser" ]]; then
    echo "skipped: there is no Chromium to load the HTML report with"
    exit 77
fi
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
data=$ROOT/tests/cli/data

# chrome ARGUMENT...: one run on a profile of its own.
chrome() {
    timeout 300 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
        --user-data-dir="$TMP/profile" --window-size=1280,800 "$@" 2>"$TMP/browser.log"
}

# acted FILE: the document after a script used it as a reader would; what came of it is in #outcome.
acted() {
    cat "$1" - >"$TMP/acted.html" <<'END'
<pre id="outcome" hidden></pre>
<script>
const out = document.getElementById("outcome");
const say = (name, value) => out.append(name + "=" + value + "\n");
const press = (e, key) => e.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const painted = (c) => c.width > 0 && new Set(c.getContext("2d").getImageData(0, 0, c.width, c.height).data).size > 8;
for (const c of document.querySelectorAll("canvas")) {
  say("canvas", painted(c) && c.tabIndex === 0 && c.getAttribute("aria-label").length > 9);
}
const column = (i) => [...document.querySelectorAll(".sortable tbody tr")].map((r) => Number(r.cells[i].dataset.value));
const sorted = (v, sign) => v.every((x, i) => !i || sign * (x - v[i - 1]) >= 0);
const cycles = document.querySelectorAll(".sortable thead button")[8];
cycles.click();
say("ascending", sorted(column(8), 1) && cycles.parentElement.getAttribute("aria-sort"));
cycles.click();
say("descending", sorted(column(8), -1) && cycles.parentElement.getAttribute("aria-sort"));
const tiles = document.querySelector(".tiles"), grid = tiles.querySelector("canvas"), readout = tiles.querySelector(".readout");
grid.focus();
say("tile", readout.textContent);
press(grid, "ArrowRight");
press(grid, "ArrowDown");
say("moved", readout.textContent);
press(grid, "End");
press(grid, "ArrowRight");
say("last", readout.textContent);
say("spoken", document.getElementById("live").textContent === readout.textContent);
const group = tiles.querySelector("select");
say("chosen", group.selectedOptions[0].textContent);
group.selectedIndex = 0;
group.dispatchEvent(new Event("change"));
say("other", tiles.querySelector(".sums").textContent);
const box = document.querySelector(".timeline"), lanes = box.querySelector("canvas"), bar = box.querySelector(".readout");
lanes.focus();
const picture = () => lanes.toDataURL();
const all = picture();
press(lanes, ".");
say("first", bar.textContent);
press(lanes, "ArrowDown");
say("lane", bar.textContent.split(",")[0]);
press(lanes, "0");
for (const key of ["+", "ArrowRight", "]", "-", "End"]) {
  const before = picture();
  press(lanes, key);
  say("key" + key, picture() !== before);
}
box.querySelector("[data-do=fit]").click();
press(lanes, "ArrowUp");
say("fit", picture() === all);
lanes.dispatchEvent(new WheelEvent("wheel", { deltaY: -300, clientX: 600, clientY: 300, cancelable: true }));
say("wheel", picture() !== all);
const theme = document.documentElement.dataset.theme, button = document.getElementById("theme");
button.click();
say("theme", document.documentElement.dataset.theme !== theme && button.getAttribute("aria-pressed"));
say("width", document.documentElement.scrollWidth <= 1280);
</script>
END
    chrome --dump-dom "file://$TMP/acted.html"
}

# has TEXT...: the outcome has each of these lines.
has() {
    local line
    for line in "$@"; do
        if ! grep -qxF -e "$line" "$TMP/outcome"; then
            echo "no '$line' in the outcome:"
            cat "$TMP/outcome"
            exit 1
        fi
    done
}

# use FILE SECTION...: loads it; no script may fail, and these sections and as many canvases must be there.
use() {
    local file=$1 section
    shift
    acted "$file" >"$TMP/dom.html"
    if ! grep -q '<html[^>]*data-ready="yes"' "$TMP/dom.html" || grep -q '<html[^>]*data-error' "$TMP/dom.html"; then
        echo "a script failed: $(grep -o '<html[^>]*>' "$TMP/dom.html")"
        exit 1
    fi
    for section in "$@"; do
        grep -q "<section id=\"r0-$section\"" "$TMP/dom.html"
    done
    sed -n '/<pre id="outcome"[^>]*>/,/<\/pre>/p' "$TMP/dom.html" | sed 's/<pre id="outcome"[^>]*>//' >"$TMP/outcome"
    [[ $(grep -cx 'canvas=true' "$TMP/outcome") -eq 5 ]]
    has width=true ascending=ascending descending=descending spoken=true key+=true fit=true wheel=true
    grep -qE '^theme=(true|false)$' "$TMP/outcome"
}

"$DTQC" analyze "$data/fig5.yaml" --target "$data/array3x3.yaml" --policy "$data/fig5-policy.yaml" --report=html >"$TMP/fig5.html"
use "$TMP/fig5.html" summary utilisation layers tiles timeline
has 'tile=Q·Kᵀ, original order: queries 0–2 (1 of 3 at 8 bits), keys 0–2 (1 of 3 at 8 bits): 36 cycles (4 a step, 9 steps), stall ratio 55.6 %' \
    'moved=Q·Kᵀ, original order: queries 3–5 (1 of 3 at 8 bits), keys 3–5 (1 of 3 at 8 bits): 36 cycles (4 a step, 9 steps), stall ratio 55.6 %' \
    'last=Q·Kᵀ, original order: queries 3–5 (1 of 3 at 8 bits), keys 6–8 (0 of 3 at 8 bits): 18 cycles (2 a step, 9 steps), stall ratio 33.3 %' \
    'chosen=0' 'other=8 of 9 tiles stall' 'lane=Queue array0'

"$DTQC" analyze "$ROOT/examples/models/bert-base.yaml" --policy bert-average --compare-unclustered --report=html >"$TMP/bert.html"
use "$TMP/bert.html" summary utilisation layers tiles timeline
has 'chosen=1–11' 'other=0 of 96 tiles stall' 'key]=true' 'keyEnd=true' 'keyArrowRight=true' 'key-=true'

"$DTQC" run "$data/tiny.yaml" --policy "$data/half.yaml" --text 'the <cat> & the rest' --report=html >"$TMP/run.html" 2>"$TMP/words"
use "$TMP/run.html" summary utilisation layers tiles timeline tokens
[[ $(grep -o '<td class="b[048]">' "$TMP/run.html" | wc -l) -eq $(($(grep -c '<tr><th scope="row">[0-9]*</th><td class="b' "$TMP/run.html") * $(grep -o 'title="token [0-9]' "$TMP/run.html" | wc -l))) ]]

"$DTQC" analyze "$ROOT/examples/models/gpt2-medium.yaml" --policy gpt2-average --seq 1024 --report=html >"$TMP/large.html"
[[ $(stat -c %s "$TMP/large.html") -lt 3000000 ]]

# narrow WIDTH FILE: in a screen of that width nothing but what scrolls by itself is wider, every control is 24 pixels high,
# captions are outside what scrolls, and grids of tiles are no wider than the page.
narrow() {
    {
        printf '<!DOCTYPE html><meta charset="utf-8"><pre id="outcome"></pre><iframe style="border:0;width:%dpx;height:900px" srcdoc="' "$1"
        sed 's/&/\&amp;/g; s/"/\&quot;/g' "$2"
        cat <<'END'
"></iframe><script>
window.onload = () => {
  const frame = document.querySelector("iframe"), d = frame.contentDocument, seen = (e) => e.getClientRects().length > 0;
  const small = [...d.querySelectorAll("button, select, nav a")].filter((e) => seen(e) && e.getBoundingClientRect().height < 24);
  const wide = [...d.querySelectorAll("body *")].filter((e) => seen(e) && !e.closest(".scroll, .hidden") &&
    e.getBoundingClientRect().right > frame.clientWidth + 0.5);
  document.getElementById("outcome").textContent = ["", `wide=${wide.length}`, `small=${small.length}`,
    `scrolls=${d.documentElement.scrollWidth > frame.clientWidth}`, `captions=${d.querySelectorAll(".scroll caption, .scroll p").length}`,
    `columns=${getComputedStyle(d.querySelector("dl.summary")).gridTemplateColumns.split(" ").length}`, ""].join("\n");
};
</script>
END
    } >"$TMP/narrow.html"
    chrome --dump-dom "file://$TMP/narrow.html" | sed -n '/<pre id="outcome">/,/<\/pre>/p' | sed 's/<pre id="outcome">//' >"$TMP/outcome"
    has wide=0 small=0 scrolls=false captions=0 "columns=$3"
}
for file in bert run; do
    narrow 390 "$TMP/$file.html" 2
    narrow 800 "$TMP/$file.html" 3
done

for theme in light dark; do
    cat "$TMP/bert.html" - >"$TMP/$theme.html" <<END
<script>if (document.documentElement.dataset.theme !== "$theme") document.getElementById("theme").click();</script>
END
    chrome --screenshot="$TMP/$theme.png" "file://$TMP/$theme.html" >"$TMP/words"
    [[ $(stat -c %s "$TMP/$theme.png") -gt 20000 ]]
done
if cmp -s "$TMP/light.png" "$TMP/dark.png"; then
    echo "light and dark look the same"
    exit 1
fi
