// Draws the timeline of the engines, and moves about in it.
"use strict";
dtqc.timeline = function (element) {
  const LABEL = 64, TOP = 34, FIELDS = 9;
  const source = dtqc.data(element), canvas = element.querySelector("canvas"), readout = element.querySelector(".readout");
  const lanes = source.lanes.map(unpack), end = Math.max(source.cycles, 1);
  const height = lanes.length > 12 ? 17 : 22, text = { load: "load", qk: "Q·Kᵀ", pv: "P·V" };
  let from = 0, to = end, lane = 0, bar = -1, drag = null;

  // Bars of a lane: fields of the document, starts summed up.
  function unpack(l) {
    const bars = [];
    let start = 0;
    for (let i = 0; i < l.bars.length; i += FIELDS) {
      const [delta, span, busy, op, layer, head, row, rows, count] = l.bars.slice(i, i + FIELDS);
      start += delta;
      bars.push({ start, end: start + span, busy, op: source.ops[op] || "several", layer, head, row, rows, count });
    }
    return { name: l.name, bars };
  }

  // The first bar of the lane that ends after `cycle`.
  function firstAfter(bars, cycle) {
    let low = 0, high = bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bars[middle].end > cycle) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function width() {
    return canvas.parentElement.clientWidth - 2;
  }

  function x(cycle) {
    return LABEL + ((cycle - from) / (to - from)) * (width() - LABEL);
  }

  function cycleAt(px) {
    return from + ((px - LABEL) / (width() - LABEL)) * (to - from);
  }

  const colours = {}; // of instructions, read once a drawing
  function readColours() {
    for (const op of source.ops.concat("several")) colours[op] = dtqc.colour("op-" + op.replace(".", "-")) || dtqc.colour("op-other");
    colours.bg = dtqc.colour("bg");
  }

  function drawLayers(context, bottom) {
    let before = 0;
    source.layers.forEach(function (span, i) {
      const left = Math.max(x(before), LABEL), right = Math.min(x(span[1]), width());
      before = Math.max(before, span[1]);
      if (right <= left) return;
      if (i % 2) {
        context.fillStyle = dtqc.colour("panel");
        context.fillRect(left, 16, right - left, bottom - 16);
      }
      context.fillStyle = dtqc.colour("line");
      context.fillRect(left, 16, 1, bottom - 16);
      const name = right - left > 60 ? "layer " + i : String(i);
      if (context.measureText(name).width + 6 < right - left) {
        context.fillStyle = dtqc.colour("text");
        context.fillText(name, left + 4, 25);
      }
    });
  }

  function drawAxis(context) {
    const rough = (to - from) / 8, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = Math.max([1, 2, 5, 10].find((m) => m * power >= rough) * power, 1);
    context.fillStyle = dtqc.colour("muted");
    for (let c = Math.ceil(from / step) * step; c <= to; c += step) {
      const at = x(c), name = dtqc.count(c);
      context.fillRect(at, 12, 1, 4);
      if (at + context.measureText(name).width + 4 < width()) context.fillText(name, at + 3, 8);
    }
    context.fillText("cycle", 4, 8);
  }

  function hatch(context, left, top, w, h) {
    context.save();
    context.beginPath();
    context.rect(left, top, w, h);
    context.clip();
    context.strokeStyle = colours.bg;
    context.globalAlpha = 0.45;
    context.beginPath();
    for (let d = 0; d < w + h; d += 6) {
      context.moveTo(left + d, top);
      context.lineTo(left + d - h, top + h);
    }
    context.stroke();
    context.restore();
  }

  function drawBar(context, b, top, chosen) {
    const left = Math.max(x(b.start), LABEL), right = Math.min(Math.max(x(b.end), x(b.start) + 0.7), width());
    const w = right - left, h = height - 4, span = b.end - b.start;
    context.fillStyle = colours[b.op];
    if (b.count > 1 && b.busy < span) {
      const part = (h * b.busy) / span;
      context.globalAlpha = 0.35;
      context.fillRect(left, top, w, h - part);
      context.globalAlpha = 1;
      context.fillRect(left, top + h - part, w, part);
    } else {
      context.fillRect(left, top, w > 3 ? w - 0.5 : w, h);
    }
    if (b.op === "pv" && w > 3) hatch(context, left, top, w - 0.5, h);
    const name = (text[b.op] || b.op) + (b.head >= 0 && b.count === 1 ? " h" + b.head : "");
    if (w > 26 && context.measureText(name).width + 6 < w) {
      const wide = context.measureText(name).width + 4;
      context.fillStyle = colours[b.op];
      context.fillRect(left + 1, top + 1, wide, h - 2);
      context.fillStyle = colours.bg;
      context.fillText(name, left + 3, top + h / 2 + 0.5);
    }
    if (chosen) {
      dtqc.frame(context, left - 1, top - 1, Math.max(w, 2) + 1, h + 2);
    }
  }

  function draw() {
    const bottom = TOP + lanes.length * height + 3, context = dtqc.canvas(canvas, width(), bottom);
    context.textBaseline = "middle";
    readColours();
    drawLayers(context, bottom);
    drawAxis(context);
    lanes.forEach(function (l, i) {
      const top = TOP + i * height + 2;
      context.fillStyle = dtqc.colour("grid");
      context.fillRect(LABEL, top + height - 3, width() - LABEL, 1);
      for (let k = firstAfter(l.bars, from); k < l.bars.length && l.bars[k].start < to; k++) {
        drawBar(context, l.bars[k], top, i === lane && k === bar);
      }
      context.fillStyle = dtqc.colour(i === lane ? "accent" : "text");
      context.fillText((i === lane ? "▸ " : "") + l.name, 4, top + height / 2 - 2);
    });
    // tiny bars end up beside the labels' column
    context.fillStyle = dtqc.colour("line");
    context.fillRect(LABEL - 1, 16, 1, bottom - 16);
  }

  function describe() {
    const l = lanes[lane], b = l.bars[bar];
    if (!b) return `Queue ${l.name}, ${l.bars.length} bars; cycles ${dtqc.count(from)} to ${dtqc.count(to)}`;
    const us = (b.end - b.start) / (source.clock_ghz * 1000);
    const what = b.count > 1 ? `${b.count} instructions (${b.op}), layer ${b.layer}`
      : `${b.op}, layer ${b.layer}` + (b.head >= 0 ? `, head ${b.head}` : "") +
        (b.rows > 0 ? `, slots ${b.row}–${b.row + b.rows - 1}` : "");
    return `${l.name}: ${what}: cycles ${dtqc.count(b.start)} to ${dtqc.count(b.end)}, busy ${dtqc.count(b.busy)} ` +
      `(${us.toPrecision(3)} µs)`;
  }

  function setView(left, right) {
    const span = Math.min(Math.max(right - left, 20), end);
    from = Math.min(Math.max(left, 0), end - span);
    to = from + span;
    draw();
  }

  function zoom(factor, middle) {
    setView(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  function pan(share) {
    setView(from + share * (to - from), to + share * (to - from));
  }

  function choose(newLane, newBar, spoken) {
    lane = Math.min(Math.max(newLane, 0), lanes.length - 1);
    bar = Math.min(Math.max(newBar, -1), lanes[lane].bars.length - 1);
    const b = lanes[lane].bars[bar];
    if (b && spoken && (b.end < from || b.start > to || b.end - b.start < (to - from) / 2000)) {
      const span = Math.min(to - from, Math.max(40 * (b.end - b.start), 20));
      setView((b.start + b.end - span) / 2, (b.start + b.end + span) / 2);
    } else {
      draw();
    }
    dtqc.tell(readout, describe(), spoken);
  }

  // Shows the layer after or before the one in the middle of what is seen.
  function layer(step) {
    const starts = source.layers.map((s, i) => (i ? source.layers[i - 1][1] : 0));
    const middle = (from + to) / 2;
    let now = starts.length - 1;
    while (now > 0 && starts[now] > middle) now--;
    const whole = to - from > 1.9 * (source.layers[now][1] - starts[now]);
    const next = Math.min(Math.max(whole ? (step > 0 ? 0 : starts.length - 1) : now + step, 0), starts.length - 1);
    const margin = 0.04 * (source.layers[next][1] - starts[next]);
    setView(starts[next] - margin, source.layers[next][1] + margin);
    dtqc.tell(readout, `Layer ${next}: cycles ${dtqc.count(starts[next])} to ${dtqc.count(source.layers[next][1])}`, true);
  }

  const actions = {
    in: () => zoom(0.5, (from + to) / 2),
    out: () => zoom(2, (from + to) / 2),
    fit: () => setView(0, end),
    before: () => layer(-1),
    after: () => layer(1),
  };
  const keys = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "+": actions.in, "=": actions.in, "-": actions.out,
    "0": actions.fit, Home: () => setView(0, to - from), End: () => setView(end - (to - from), end),
    "[": actions.before, "]": actions.after,
    ArrowUp: () => choose(lane - 1, -1, true), ArrowDown: () => choose(lane + 1, -1, true),
    ",": () => choose(lane, Math.max((bar < 0 ? firstAfter(lanes[lane].bars, from) : bar) - 1, 0), true),
    ".": () => choose(lane, bar < 0 ? firstAfter(lanes[lane].bars, from) : bar + 1, true),
  };

  element.querySelectorAll("button").forEach(function (b) {
    b.addEventListener("click", actions[b.dataset.do]);
  });
  canvas.addEventListener("keydown", function (e) {
    const action = keys[e.key];
    if (!action || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault();
    action();
  });
  canvas.addEventListener("wheel", function (e) {
    if (!e.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
    e.preventDefault();
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) pan(e.deltaX / width());
    else zoom(Math.pow(1.0015, e.deltaY), cycleAt(e.clientX - canvas.getBoundingClientRect().left));
  }, { passive: false });
  canvas.addEventListener("pointerdown", function (e) {
    drag = { at: e.clientX, from, to };
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointerup", function () {
    drag = null;
  });
  canvas.addEventListener("pointermove", function (e) {
    if (drag) {
      const moved = ((drag.at - e.clientX) / (width() - LABEL)) * (drag.to - drag.from);
      setView(drag.from + moved, drag.to + moved);
      return;
    }
    const box = canvas.getBoundingClientRect(), under = Math.floor((e.clientY - box.top - TOP) / height);
    if (under < 0 || under >= lanes.length) return;
    const cycle = cycleAt(e.clientX - box.left), slack = (2 / width()) * (to - from), bars = lanes[under].bars;
    const found = firstAfter(bars, cycle - slack);
    const hit = found < bars.length && bars[found].start <= cycle + slack ? found : -1;
    if (under !== lane || hit !== bar) choose(under, hit, false);
  });

  const used = new Set(lanes.flatMap((l) => l.bars.map((b) => b.op))), legend = element.querySelector(".legend");
  for (const op of source.ops.concat("several")) {
    if (!used.has(op)) continue;
    const item = document.createElement("span"), box = document.createElement("i");
    box.style.background = `var(--op-${op.replace(".", "-")}, var(--op-other))`;
    if (op === "pv") box.style.backgroundImage = "repeating-linear-gradient(135deg, transparent 0 3px, var(--bg) 3px 4px)";
    item.append(box, text[op] || op);
    legend.append(item);
  }
  dtqc.redraws.push(draw);
};
dtqc.start(dtqc.tiles, dtqc.timeline);
