// Draws the grids of tiles: place is slots, colour and number are what the slowest PE takes in a step, hatching says that
// other PEs wait for it. The strips along the edges are the precisions of rows and columns.
"use strict";
dtqc.tiles = function (element) {
  const HEIGHT = 310, WIDTH = { qk: 310, pv: 200 }, STRIP = 9, GAP = 2;
  const groups = dtqc.data(element).groups;
  const select = element.querySelector("select"), readout = element.querySelector(".readout");
  const canvases = Array.from(element.querySelectorAll("canvas"));
  const origins = {
    known: "The order of the tokens in the input.",
    run: "The tokens of this input, in its order, at the precision this run chose for them.",
    example: "One placement of the 8-bit tokens, drawn at random: only data decide. Numbers with ~ above are the mean over all.",
    clustered: "As compiled: slots clustered by precision, tiles upright or turned, whatever takes the least cycles.",
  };
  const bases = new Map(); // of canvases: what has been drawn
  let cursor = { canvas: null, row: 0, col: 0 };

  // Of a grid in pixels: as wide as it would like to be, or as there is room for.
  function wide(matmul) {
    return Math.max(Math.min(WIDTH[matmul], element.clientWidth - STRIP - GAP - 2), 40);
  }

  function current(canvas) {
    const group = groups[Number(select.value)], order = group.orders[Number(canvas.dataset.order)];
    return { group, order, grid: order[canvas.dataset.matmul], matmul: canvas.dataset.matmul };
  }

  // First slots of the tiles of one side, and the end.
  function edges(side, first) {
    const at = [first];
    for (const c of side.tiles) at.push(at[at.length - 1] + side.classes[c][0]);
    return at;
  }

  // Rows of tiles from top to bottom: their slots, the band they belong to, and the slots of its columns.
  function rowsOf(grid) {
    if (!grid.list) {
      grid.list = grid.bands.flatMap(function (band) {
        const rows = edges(band.rows, band.first), cols = edges(band.cols, 0);
        return band.rows.tiles.map((c, i) => ({ band, cols, class: c, low: rows[i], high: rows[i + 1] }));
      });
    }
    return grid.list;
  }

  // Where a tile's numbers stand in the lists of its band.
  function place(row, col) {
    return row.class * row.band.cols.classes.length + row.band.cols.tiles[col];
  }

  function mix(a, b, t) {
    const parse = (c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16));
    const x = parse(a), y = parse(b);
    return "rgb(" + x.map((v, i) => Math.round(v + (y[i] - v) * t)).join(",") + ")";
  }

  // 1, 2 and 4 cycles a step are the three colours; means of P.V lie between.
  function fill(step) {
    const t = Math.log2(Math.min(Math.max(step, 1), 4));
    const low = dtqc.colour("cost-low"), mid = dtqc.colour("cost-mid"), high = dtqc.colour("cost-high");
    return t < 1 ? mix(low, mid, t) : mix(mid, high, t - 1);
  }

  function ink(step) {
    return dtqc.colour(step >= 2.6 ? "cost-light-text" : "cost-dark-text");
  }

  // Diagonals over all of `path`, from edge to edge of the grid.
  function hatch(context, path, size, colour) {
    context.save();
    context.clip(path);
    context.strokeStyle = colour;
    context.globalAlpha = 0.45;
    context.lineWidth = 1;
    context.beginPath();
    for (let d = 0; d < 2 * size; d += 6) {
      context.moveTo(d, 0);
      context.lineTo(d - size, size);
    }
    context.stroke();
    context.restore();
  }

  function strip(context, bits, vertical, scale) {
    for (const value of ["4", "8"]) {
      context.fillStyle = dtqc.colour("b" + value);
      for (let i = 0; i < bits.length; i++) {
        if (bits[i] !== value) continue;
        const at = STRIP + GAP + i * scale, size = Math.max(scale - (scale > 3 ? 0.5 : 0), 0.5);
        if (vertical) context.fillRect(0, at, STRIP, size);
        else context.fillRect(at, 0, size, STRIP);
      }
    }
  }

  function layout(canvas) {
    const { order, grid, matmul } = current(canvas), rows = rowsOf(grid), last = rows[rows.length - 1];
    const bits = order.bits;
    return {
      grid, matmul, rows, rowBits: matmul === "qk" ? bits.q : bits.p || bits.q,
      colBits: matmul === "qk" ? bits.k || bits.q : null,
      sx: wide(matmul) / last.cols[last.cols.length - 1], sy: HEIGHT / last.high, origin: STRIP + GAP,
    };
  }

  // Place and size of a tile in pixels.
  function box(l, row, col) {
    const { low, high, cols } = l.rows[row]; // whole pixels, or small tiles leave stripes
    const x = Math.round(l.origin + cols[col] * l.sx), y = Math.round(l.origin + low * l.sy);
    return {
      x, y, w: Math.round(l.origin + cols[col + 1] * l.sx) - x, h: Math.round(l.origin + high * l.sy) - y,
    };
  }

  // All but the cursor, on a canvas of its own, so that moving is quick in grids of many tiles.
  function drawTiles(l, width, height) {
    const base = document.createElement("canvas"), context = dtqc.canvas(base, width, height), labels = [];
    const colours = new Map(), waiting = new Map();
    for (const { step_cycles } of l.grid.bands) {
      for (const step of step_cycles) if (!colours.has(step)) colours.set(step, { fill: fill(step), ink: ink(step) });
    }
    l.rows.forEach(function (row, r) {
      for (let c = 0; c + 1 < row.cols.length; c++) {
        const at = place(row, c), step = row.band.step_cycles[at], colour = colours.get(step), { x, y, w, h } = box(l, r, c);
        const line = w > 5 && h > 5 ? 1 : 0;
        context.fillStyle = colour.fill;
        context.fillRect(x, y, w - line, h - line);
        if (row.band.stall[at] > 0) {
          if (!waiting.has(colour.ink)) waiting.set(colour.ink, new Path2D());
          waiting.get(colour.ink).rect(x, y, w - line, h - line);
        }
        if (w > 22 && h > 12) labels.push([x + w / 2, y + h / 2, step]);
      }
    });
    for (const [colour, path] of waiting) hatch(context, path, Math.max(width, height), colour);
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [x, y, step] of labels) {
      const text = Number.isInteger(step) ? String(step) : step.toFixed(1), wide = context.measureText(text).width + 4;
      context.fillStyle = colours.get(step).fill;
      context.fillRect(x - wide / 2, y - 6, wide, 12);
      context.fillStyle = colours.get(step).ink;
      context.fillText(text, x, y + 0.5);
    }
    strip(context, l.rowBits, true, l.sy);
    if (l.colBits) strip(context, l.colBits, false, l.sx);
    return base;
  }

  function draw(canvas) {
    const l = layout(canvas), width = wide(l.matmul) + l.origin + 2, height = HEIGHT + l.origin + 2;
    if (!bases.has(canvas)) bases.set(canvas, drawTiles(l, width, height));
    const context = dtqc.canvas(canvas, width, height);
    context.drawImage(bases.get(canvas), 0, 0, width, height);
    if (cursor.canvas === canvas) {
      const { x, y, w, h } = box(l, cursor.row, cursor.col);
      dtqc.frame(context, x, y, Math.max(w - 1, 3), Math.max(h - 1, 3));
    }
  }

  function describe(canvas) {
    const l = layout(canvas), row = l.rows[cursor.row], { band, cols } = row, { col } = cursor, at = place(row, col);
    const step = band.step_cycles[at], stall = band.stall[at];
    const [height, rowHigh] = band.rows.classes[row.class], [width, colHigh] = band.cols.classes[band.cols.tiles[col]];
    const across = l.matmul === "qk" ? `keys ${cols[col]}–${cols[col + 1] - 1} (${colHigh} of ${width} at 8 bits)`
      : `channels ${cols[col]}–${cols[col + 1] - 1}`;
    return `${l.matmul === "qk" ? "Q·Kᵀ" : "P·V"}, ${canvas.dataset.order === "0" ? "original order" : "clustered"}: ` +
      `queries ${row.low}–${row.high - 1} (${rowHigh} of ${height} at 8 bits), ${across}${band.turned ? ", turned" : ""}: ` +
      `${dtqc.count(step * l.grid.steps)} cycles (${Number(step.toFixed(3))} a step, ${l.grid.steps} steps), ` +
      `stall ratio ${dtqc.percent(stall)}`;
  }

  function move(canvas, row, col, spoken) {
    const rows = rowsOf(current(canvas).grid), before = cursor.canvas;
    row = Math.min(Math.max(row, 0), rows.length - 1);
    cursor = { canvas, row, col: Math.min(Math.max(col, 0), rows[row].cols.length - 2) };
    if (before && before !== canvas) draw(before);
    draw(canvas);
    dtqc.tell(readout, describe(canvas), spoken);
  }

  // The tile of the list of edges that `position` is in.
  function tileAt(edge, position) {
    let i = 0;
    while (i + 2 < edge.length && edge[i + 1] <= position) i++;
    return i;
  }

  // Rows up or down; where tiles lie the other way, to the column at the same place.
  function moveRows(canvas, by) {
    const rows = rowsOf(current(canvas).grid), from = rows[cursor.row].cols;
    const row = Math.min(Math.max(cursor.row + by, 0), rows.length - 1);
    const col = rows[row].band === rows[cursor.row].band ? cursor.col
      : tileAt(rows[row].cols, (from[cursor.col] + from[cursor.col + 1] - 1) / 2);
    move(canvas, row, col, true);
  }

  function listen(canvas) {
    canvas.addEventListener("pointermove", function (e) {
      const l = layout(canvas), around = canvas.getBoundingClientRect();
      const edge = l.rows.map((r) => r.low).concat(l.rows[l.rows.length - 1].high);
      const row = tileAt(edge, (e.clientY - around.top - l.origin) / l.sy);
      const col = tileAt(l.rows[row].cols, (e.clientX - around.left - l.origin) / l.sx);
      if (cursor.canvas !== canvas || cursor.row !== row || cursor.col !== col) move(canvas, row, col, false);
    });
    canvas.addEventListener("focus", function () {
      const here = cursor.canvas === canvas;
      move(canvas, here ? cursor.row : 0, here ? cursor.col : 0, true);
    });
    canvas.addEventListener("keydown", function (e) {
      const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
        Home: [0, -1e9], End: [0, 1e9], PageUp: [-1e9, 0], PageDown: [1e9, 0] };
      const step = steps[e.key];
      if (!step || e.ctrlKey || e.altKey || e.metaKey) return;
      e.preventDefault();
      if (step[0]) moveRows(canvas, step[0]);
      else move(canvas, cursor.row, cursor.col + step[1], true);
    });
  }

  function show() {
    bases.clear();
    element.querySelectorAll(".origin").forEach(function (p, i) {
      p.textContent = origins[groups[Number(select.value)].orders[i].name];
    });
    for (const canvas of canvases) {
      const { grid } = current(canvas);
      canvas.parentElement.querySelector(".sums").textContent =
        `${dtqc.count(grid.stalled)} of ${dtqc.count(grid.tiles)} tiles stall`;
      canvas.parentElement.querySelector(".ratio").textContent =
        `ratio ${dtqc.percent(grid.sums[0])}, ${dtqc.count(grid.sums[1])} step cycles`;
      draw(canvas);
    }
  }

  function ramp() {
    const legend = element.querySelector(".ramp");
    for (const [name, text] of [["cost-low", "1"], ["cost-mid", "2"], ["cost-high", "4 cycles a step"], ["hatch", "PEs wait"],
      ["b4", "4-bit"], ["b8", "8-bit slot"]]) {
      const item = document.createElement("span"), box = document.createElement("i");
      box.style.background = name === "hatch"
        ? "repeating-linear-gradient(135deg, transparent 0 3px, var(--muted) 3px 4px)" : `var(--${name})`;
      item.append(box, text);
      legend.append(item);
    }
  }

  canvases.forEach(listen);
  select.addEventListener("change", function () {
    cursor = { canvas: null, row: 0, col: 0 };
    show();
  });
  ramp();
  dtqc.redraws.push(show);
};
