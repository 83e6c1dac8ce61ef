"use strict";
/* Charts of a search or a sweep, drawn from the JSON in the page (schemas dtqc-explore/1 and dtqc-sweep/1). */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const swept = data.rows !== undefined;
  if (swept) {
    data.trials = data.rows.map((row, i) => ({ ...row, trial: i, feasible: row.within }));
    data.best = data.trials.findIndex((t) => t.front);
    data.objectives = ["time_us", "energy_uj", "area_mm2"].map((key) => ({ key, high: false }));
    data.compared = [];
  }
  const trials = data.trials.filter((t) => t.error === null);
  const numbers = Object.keys(data.trials[0] || {}).filter((k) => trials.some((t) => typeof t[k] === "number") && k !== "trial");
  const objectives = data.objectives.map((o) => o.key).filter((k) => trials.some((t) => typeof t[k] === "number"));
  const NS = "http://www.w3.org/2000/svg";
  let chosen = data.best;

  const make = (parent, name, attributes, text) => {
    const e = document.createElementNS(NS, name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    if (text !== undefined) e.textContent = text;
    return parent.appendChild(e);
  };
  const show = (v) => v === null || v === undefined ? "-" : Math.abs(v) >= 1e5 ? v.toExponential(3) : String(+v.toPrecision(5));
  const ticks = (lo, hi) => {
    const raw = (hi - lo) / 5 || 1, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw);
    const list = [];
    for (let v = Math.ceil(lo / step) * step; v <= hi + step * 1e-9; v += step) list.push(+v.toPrecision(12));
    return list;
  };
  const extent = (values) => {
    const lo = Math.min(...values), hi = Math.max(...values), pad = (hi - lo || Math.abs(hi) || 1) * .06;
    return [lo - pad, hi + pad];
  };
  const kind = (t) => (t.trial === chosen ? "chosen " : "") + (t.front ? "front" : t.feasible ? "inside" : "outside");
  const describe = (t) => (swept ? `row ${t.trial}: ${t.model}, ${t.tokens} tokens\n` : `trial ${t.trial}\n`) +
    data.axes.map((a, i) => `${a.key}: ${a.values[t.point[i]]}\n`).join("") + objectives.map((k) => `${k} ${show(t[k])}`).join("\n") +
    (swept ? "" : `\nsamples ${t.samples}`);
  const dot = (svg, t, x, y) => {
    const c = make(svg, "circle", { cx: x, cy: y, r: t.trial === chosen ? 6 : t.front ? 4.5 : 3.5, class: kind(t), "data-trial": t.trial });
    make(c, "title", {}, describe(t));
    c.addEventListener("click", () => choose(t.trial));
  };

  const W = 560, H = 340, L = 64, R = 14, T = 12, B = 40;
  const frame = (svg, xs, ys, xName, yName) => {
    svg.replaceChildren();
    const x = (v) => L + (v - xs[0]) / (xs[1] - xs[0]) * (W - L - R), y = (v) => H - B - (v - ys[0]) / (ys[1] - ys[0]) * (H - T - B);
    for (const v of ticks(...xs)) {
      make(svg, "line", { x1: x(v), x2: x(v), y1: T, y2: H - B, class: "rule" });
      make(svg, "text", { x: x(v), y: H - B + 15, "text-anchor": "middle", class: "tick" }, show(v));
    }
    for (const v of ticks(...ys)) {
      make(svg, "line", { x1: L, x2: W - R, y1: y(v), y2: y(v), class: "rule" });
      make(svg, "text", { x: L - 6, y: y(v) + 4, "text-anchor": "end", class: "tick" }, show(v));
    }
    make(svg, "text", { x: (L + W - R) / 2, y: H - 6, "text-anchor": "middle" }, xName);
    make(svg, "text", { x: 12, y: (H - B) / 2, transform: `rotate(-90 12 ${(H - B) / 2})`, "text-anchor": "middle" }, yName);
    return [x, y];
  };

  const scatter = () => {
    const kx = document.getElementById("x").value, ky = document.getElementById("y").value;
    const list = trials.filter((t) => t[kx] !== null && t[ky] !== null);
    const others = data.compared.filter((t) => t[kx] !== null && t[ky] !== null), all = [...list, ...others];
    if (!all.length) return;
    const svg = document.getElementById("front-chart");
    const [x, y] = frame(svg, extent(all.map((t) => t[kx])), extent(all.map((t) => t[ky])), kx, ky);
    for (const t of others) {
      const r = make(svg, "rect", { x: x(t[kx]) - 4, y: y(t[ky]) - 4, width: 8, height: 8, class: "compared" });
      make(r, "title", {}, `${t.name}\n` + objectives.map((k) => `${k} ${show(t[k])}`).join("\n"));
    }
    for (const t of [...list].sort((a, b) => a.front - b.front)) dot(svg, t, x(t[kx]), y(t[ky]));
  };

  const overTime = () => {
    const o = data.objectives[0], list = trials.filter((t) => t[o.key] !== null), svg = document.getElementById("time-chart");
    if (!list.length || !svg) return;
    const [x, y] = frame(svg, [-.5, Math.max(data.trials.length - .5, .5)], extent(list.map((t) => t[o.key])), "trial", o.key);
    let best = null, path = "";
    for (const t of list) {
      if (t.feasible && (best === null || (o.high ? t[o.key] > best : t[o.key] < best))) best = t[o.key];
      if (best !== null) path += (path ? `H${x(t.trial)}V${y(best)}` : `M${x(t.trial)} ${y(best)}`);
    }
    make(svg, "path", { d: path, class: "best" });
    for (const t of list) dot(svg, t, x(t.trial), y(t[o.key]));
  };

  const isShares = (axis) => axis.values.every((v) => /^\{0: .*4: .*8: .*\}$/.test(v));
  const sharesOf = (text) => text.match(/[0-9.]+(?=[,}])/g).map(Number);

  const parallel = () => {
    const svg = document.getElementById("parallel-chart");
    svg.replaceChildren();
    const dims = [];
    data.axes.forEach((axis, i) => {
      if (axis.values.length < 2) return;
      if (isShares(axis)) {
        for (const [c, name] of [[0, "0"], [2, "8"]]) dims.push({ name: axis.key.replace(/\.(ratios|counts)$/, "") + ": " + name, of: (t) => sharesOf(axis.values[t.point[i]])[c] });
      } else {
        const numeric = axis.values.every((v) => !isNaN(v));
        dims.push({ name: axis.key, of: (t) => t.point[i], label: (v) => numeric ? show(+axis.values[v]) : axis.values[v].slice(0, 14), count: axis.values.length });
      }
    });
    for (const k of objectives) dims.push({ name: k, of: (t) => t[k] });
    const list = trials.filter((t) => dims.every((d) => d.of(t) !== null && d.of(t) !== undefined));
    const width = 1200, height = 320, top = 34, bottom = 22, left = 60;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    if (!list.length) return;
    const at = (i) => left + i * (width - 2 * left) / Math.max(dims.length - 1, 1);
    dims.forEach((d, i) => {
      const values = list.map(d.of);
      d.lo = d.count ? 0 : Math.min(...values);
      d.hi = d.count ? d.count - 1 : Math.max(...values);
      d.y = (v) => height - bottom - (d.hi > d.lo ? (v - d.lo) / (d.hi - d.lo) : .5) * (height - top - bottom);
      make(svg, "line", { x1: at(i), x2: at(i), y1: top, y2: height - bottom, class: "rule" });
      make(svg, "text", { x: at(i), y: i % 2 && dims.length > 8 ? 10 : 22, "text-anchor": "middle" }, d.name);
      make(svg, "text", { x: at(i), y: height - 6, "text-anchor": "middle", class: "tick" }, d.label ? d.label(d.lo) : show(d.lo));
      make(svg, "text", { x: at(i) + 4, y: top + 8, class: "tick" }, d.label ? d.label(d.hi) : show(d.hi));
    });
    const order = (t) => t.trial === chosen ? 2 : t.front ? 1 : 0;
    for (const t of [...list].sort((a, b) => order(a) - order(b))) {
      const p = make(svg, "path", { d: "M" + dims.map((d, i) => `${at(i)} ${d.y(d.of(t))}`).join("L"), class: "line " + kind(t) });
      make(p, "title", {}, describe(t));
      p.addEventListener("click", () => choose(t.trial));
    }
  };

  const layers = () => {
    const svg = document.getElementById("layers-chart"), t = data.trials[chosen];
    if (!svg) return;
    svg.replaceChildren();
    const rows = [];
    data.axes.forEach((axis, i) => {
      const m = /^layers\.(\d+|\*)(?:-(\d+))?\.(ratios|counts)$/.exec(axis.key.replace(/^policy\./, ""));
      if (!m || !isShares(axis) || !t) return;
      const parts = sharesOf(axis.values[t.point[i]]), whole = parts.reduce((a, b) => a + b, 0) || 1;
      const last = m[2] === undefined ? m[1] : m[2];
      for (let l = +m[1] || 0; l <= (+last || 0); l++) rows.push([m[1] === "*" ? "all" : l, parts.map((p) => p / whole)]);
    });
    const height = 24 * Math.max(rows.length, 1) + 40;
    const wide = 1200;
    svg.setAttribute("viewBox", `0 0 ${wide} ${height}`);
    rows.forEach(([l, parts], i) => {
      let x = L;
      make(svg, "text", { x: L - 6, y: 24 * i + 18, "text-anchor": "end" }, `layer ${l}`);
      parts.forEach((p, c) => {
        const w = p * (wide - L - R);
        if (w > 0) make(make(svg, "rect", { x, y: 24 * i + 4, width: w, height: 20, class: ["b0", "b4", "b8"][c] }), "title", {}, `${[0, 4, 8][c]} bits: ${show(100 * p)} %`);
        x += w;
      });
    });
    ["0 bits", "4 bits", "8 bits"].forEach((name, c) => {
      make(svg, "rect", { x: L + 90 * c, y: height - 22, width: 12, height: 12, class: ["b0", "b4", "b8"][c] });
      make(svg, "text", { x: L + 90 * c + 17, y: height - 12 }, name);
    });
    document.getElementById("layers-name").textContent = t ? `trial ${chosen}` : "no trial";
    document.getElementById("layers").hidden = rows.length === 0;
  };

  const draw = () => {
    scatter();
    overTime();
    parallel();
    layers();
    for (const row of document.querySelectorAll("tr[data-trial]")) row.classList.toggle("chosen", +row.dataset.trial === chosen);
    document.getElementById("trial").value = String(chosen);
  };
  const choose = (trial) => {
    chosen = trial;
    draw();
  };

  for (const id of ["front-chart", "time-chart"]) document.getElementById(id)?.setAttribute("viewBox", `0 0 ${W} ${H}`);
  for (const [id, wanted] of [["x", objectives[1] || "ops"], ["y", objectives[0] === "eq1" ? "loss" : objectives[0]]]) {
    const select = document.getElementById(id);
    for (const k of numbers) select.add(new Option(k, k, false, k === wanted));
    select.addEventListener("change", scatter);
  }
  const select = document.getElementById("trial");
  for (const t of trials) select.add(new Option(`${t.trial}${t.front ? " *" : ""}`, String(t.trial)));
  select.addEventListener("change", () => choose(+select.value));
  draw();
})();
