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
    clustered: "As the array sees them, slots clustered by precision.",
  };
  const bases = new Map(); // of canvases: what has been drawn
  let cursor = { canvas: null, row: 0, col: 0 };

  function current(canvas) {
    const group = groups[Number(select.value)], order = group.orders[Number(canvas.dataset.order)];
    return { group, order, grid: order[canvas.dataset.matmul], matmul: canvas.dataset.matmul };
  }

  // First slots of the tiles of one side, and the end.
  function edges(side) {
    const at = [0];
    for (const c of side.tiles) at.push(at[at.length - 1] + side.classes[c][0]);
    return at;
  }

  // Where a tile's numbers stand in the lists of the grid.
  function place(grid, row, col) {
    return grid.rows.tiles[row] * grid.cols.classes.length + grid.cols.tiles[col];
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
    const { group, order, grid, matmul } = current(canvas);
    const rows = edges(grid.rows), cols = edges(grid.cols);
    const bits = order.bits, rowBits = matmul === "qk" ? bits.q : bits.p || bits.q;
    return {
      group, grid, matmul, rows, cols, rowBits,
      colBits: matmul === "qk" ? bits.k || bits.q : null,
      sx: WIDTH[matmul] / cols[cols.length - 1], sy: HEIGHT / rows[rows.length - 1], origin: STRIP + GAP,
    };
  }

  // All but the cursor, on a canvas of its own, so that moving is quick in grids of many tiles.
  function drawTiles(l, width, height) {
    const base = document.createElement("canvas"), context = dtqc.canvas(base, width, height), labels = [];
    const fills = l.grid.step_cycles.map(fill), inks = l.grid.step_cycles.map(ink), waiting = new Map();
    for (let r = 0; r + 1 < l.rows.length; r++) {
      for (let c = 0; c + 1 < l.cols.length; c++) {
        const at = place(l.grid, r, c), x = l.origin + l.cols[c] * l.sx, y = l.origin + l.rows[r] * l.sy;
        const w = (l.cols[c + 1] - l.cols[c]) * l.sx, h = (l.rows[r + 1] - l.rows[r]) * l.sy;
        const line = w > 5 && h > 5 ? 1 : 0;
        context.fillStyle = fills[at];
        context.fillRect(x, y, w - line, h - line);
        if (l.grid.stall[at] > 0) {
          if (!waiting.has(inks[at])) waiting.set(inks[at], new Path2D());
          waiting.get(inks[at]).rect(x, y, w - line, h - line);
        }
        if (w > 22 && h > 12) labels.push([x + w / 2, y + h / 2, at]);
      }
    }
    for (const [colour, path] of waiting) hatch(context, path, Math.max(width, height), colour);
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [x, y, at] of labels) {
      const step = l.grid.step_cycles[at], text = Number.isInteger(step) ? String(step) : step.toFixed(1);
      const wide = context.measureText(text).width + 4;
      context.fillStyle = fills[at];
      context.fillRect(x - wide / 2, y - 6, wide, 12);
      context.fillStyle = inks[at];
      context.fillText(text, x, y + 0.5);
    }
    strip(context, l.rowBits, true, l.sy);
    if (l.colBits) strip(context, l.colBits, false, l.sx);
    return base;
  }

  function draw(canvas) {
    const l = layout(canvas), width = WIDTH[l.matmul] + l.origin + 2, height = HEIGHT + l.origin + 2;
    if (!bases.has(canvas)) bases.set(canvas, drawTiles(l, width, height));
    const context = dtqc.canvas(canvas, width, height);
    context.drawImage(bases.get(canvas), 0, 0, width, height);
    if (cursor.canvas === canvas) {
      const { row, col } = cursor;
      dtqc.frame(context, l.origin + l.cols[col] * l.sx, l.origin + l.rows[row] * l.sy,
        Math.max((l.cols[col + 1] - l.cols[col]) * l.sx - 1, 3), Math.max((l.rows[row + 1] - l.rows[row]) * l.sy - 1, 3));
    }
  }

  function describe(canvas) {
    const l = layout(canvas), { row, col } = cursor, at = place(l.grid, row, col);
    const step = l.grid.step_cycles[at], stall = l.grid.stall[at];
    const [height, rowHigh] = l.grid.rows.classes[l.grid.rows.tiles[row]];
    const [width, colHigh] = l.grid.cols.classes[l.grid.cols.tiles[col]];
    const across = l.matmul === "qk" ? `keys ${l.cols[col]}–${l.cols[col + 1] - 1} (${colHigh} of ${width} at 8 bits)`
      : `channels ${l.cols[col]}–${l.cols[col + 1] - 1}`;
    return `${l.matmul === "qk" ? "Q·Kᵀ" : "P·V"}, ${canvas.dataset.order === "0" ? "original order" : "clustered"}: ` +
      `queries ${l.rows[row]}–${l.rows[row + 1] - 1} (${rowHigh} of ${height} at 8 bits), ${across}: ` +
      `${dtqc.count(step * l.grid.steps)} cycles (${Number(step.toFixed(3))} a step, ${l.grid.steps} steps), ` +
      `stall ratio ${dtqc.percent(stall)}`;
  }

  function move(canvas, row, col, spoken) {
    const { grid } = current(canvas), before = cursor.canvas;
    cursor = {
      canvas,
      row: Math.min(Math.max(row, 0), grid.rows.tiles.length - 1),
      col: Math.min(Math.max(col, 0), grid.cols.tiles.length - 1),
    };
    if (before && before !== canvas) draw(before);
    draw(canvas);
    dtqc.tell(readout, describe(canvas), spoken);
  }

  function tileAt(edge, position) {
    let i = 0;
    while (i + 2 < edge.length && edge[i + 1] <= position) i++;
    return i;
  }

  function listen(canvas) {
    canvas.addEventListener("pointermove", function (e) {
      const l = layout(canvas), box = canvas.getBoundingClientRect();
      const row = tileAt(l.rows, (e.clientY - box.top - l.origin) / l.sy);
      const col = tileAt(l.cols, (e.clientX - box.left - l.origin) / l.sx);
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
      move(canvas, cursor.row + step[0], cursor.col + step[1], true);
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
