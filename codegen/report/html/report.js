// What all parts of the report share: theme, colours, canvases, the words of screen readers, sorting tables.
"use strict";
const dtqc = (function () {
  const root = document.documentElement;
  const redraws = []; // functions that draw again after theme, width or print change

  window.addEventListener("error", function (e) {
    root.dataset.error = e.message;
  });

  function colour(name) {
    return getComputedStyle(root).getPropertyValue("--" + name).trim();
  }

  // Gives a canvas `width` by `height` CSS pixels, sharp on any screen; returns its context, cleared.
  function canvas(element, width, height) {
    const ratio = Math.max(window.devicePixelRatio || 1, 1);
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    element.style.width = width + "px";
    element.style.height = height + "px";
    const context = element.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px " + getComputedStyle(document.body).fontFamily;
    return context;
  }

  function count(value) {
    const text = value < 1e5 && value !== Math.round(value) ? value.toFixed(1) : String(Math.round(value));
    return text.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  }

  function percent(fraction) {
    return (100 * fraction).toFixed(1) + " %";
  }

  function data(element) {
    return JSON.parse(element.querySelector("script.data").textContent);
  }

  // Shows `text` beside a drawing and, if it came by keyboard, tells it to screen readers.
  function tell(readout, text, spoken) {
    readout.textContent = text;
    if (spoken) document.getElementById("live").textContent = text;
  }

  // A frame round what is chosen, which shows on any colour: the cursor's, in a rim of the background's.
  function frame(context, x, y, width, height) {
    for (const [name, thick] of [["bg", 5], ["cursor", 2.5]]) {
      context.strokeStyle = colour(name);
      context.lineWidth = thick;
      context.strokeRect(x, y, width, height);
    }
    context.lineWidth = 1;
  }

  // What scrolls can be reached by Tab, what does not need not.
  function reachable(region) {
    if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }

  function redraw() {
    for (const draw of redraws) draw();
    document.querySelectorAll(".scroll").forEach(reachable);
  }

  function setTheme(name) {
    const button = document.getElementById("theme");
    root.dataset.theme = name;
    button.setAttribute("aria-pressed", String(name === "dark"));
    redraw();
  }

  function theme() {
    const wanted = window.matchMedia("(prefers-color-scheme: dark)");
    setTheme(root.dataset.theme); // the head has chosen, so that nothing flashes
    wanted.addEventListener("change", function (e) {
      setTheme(e.matches ? "dark" : "light");
    });
    document.getElementById("theme").addEventListener("click", function () {
      setTheme(root.dataset.theme === "dark" ? "light" : "dark");
    });
    let before; // paper is white
    window.addEventListener("beforeprint", function () {
      before = root.dataset.theme;
      setTheme("light");
    });
    window.addEventListener("afterprint", function () {
      setTheme(before);
    });
  }

  function compare(a, b) {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  }

  function sortable(table) {
    const body = table.tBodies[0], headings = Array.from(table.tHead.rows[1].cells);
    headings.forEach(function (heading, column) {
      heading.querySelector("button").addEventListener("click", function () {
        const down = heading.getAttribute("aria-sort") === "ascending";
        for (const h of headings) h.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = Array.from(body.rows);
        rows.sort(function (a, b) {
          return (down ? -1 : 1) * compare(a.cells[column].dataset.value, b.cells[column].dataset.value);
        });
        for (const row of rows) body.append(row);
      });
    });
  }

  function start(tiles, timeline) {
    document.querySelectorAll("table.sortable").forEach(sortable);
    document.querySelectorAll("div.tiles").forEach(tiles);
    document.querySelectorAll("div.timeline").forEach(timeline);
    theme();
    let width = window.innerWidth;
    window.addEventListener("resize", function () {
      if (window.innerWidth !== width) redraw();
      width = window.innerWidth;
    });
    if (!root.dataset.error) root.dataset.ready = "yes";
  }

  return { canvas, colour, count, data, frame, percent, redraws, start, tell };
})();
