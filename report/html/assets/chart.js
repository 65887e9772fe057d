// One chart of the model becomes one uPlot. Colours are read from the style sheet when they are drawn, so that a change
// of the theme, and printing, only draw again.

let palette = null;
function color(name) {
  if (!palette) palette = getComputedStyle(document.documentElement);
  return palette.getPropertyValue("--" + name).trim();
}

const LEFT = 58, RIGHT = 20;

// columns are what uPlot draws: stacked series as sums from the first upwards, drawn from the top down.
function columns(c) {
  const stacked = c.series.filter((s) => c.stack && !s.over), other = c.series.filter((s) => !c.stack || s.over);
  let sum = c.x.map(() => 0);
  const sums = stacked.map((s) => (sum = sum.map((v, i) => v + (s.y[i] || 0))));
  const list = stacked.map((s, i) => ({ s, y: sums[i] })).reverse().concat(other.map((s) => ({ s, y: s.y })));
  return { list, data: [c.x].concat(list.map((e) => e.y)) };
}

function spread(c) {
  let lo = Infinity, hi = -Infinity;
  for (const y of columns(c).data.slice(1)) for (const v of y) if (v !== null) { if (v < lo) lo = v; if (v > hi) hi = v; }
  for (const b of c.bands || []) hi = Math.max(hi, b.hi);
  return [lo, hi];
}

function yRange(c) {
  return () => {
    const [lo, hi] = spread(c);
    if (c.y_axis === "loglat") {
      if (!(hi > 0)) return [1e-4, 1];
      return [10 ** Math.floor(Math.log10(lo) + 1e-9), 10 ** Math.ceil(Math.log10(hi * 1.05))];
    }
    if (c.y_max > 0) return [0, c.y_max];
    return [0, hi > 0 ? hi * 1.06 : 1];
  };
}

const decades = (lo, hi) => { const out = []; for (let v = 10 ** Math.ceil(Math.log10(lo) - 1e-9); v <= hi * 1.0001; v *= 10) out.push(Number(v.toPrecision(1))); return out; };

// nines are the percentiles that an axis of 1/(1-p) names: the median, and each nine.
const nines = (u, i, lo, hi) => [2].concat(decades(10, hi)).filter((v) => v >= lo && v <= hi);

// clockSteps keep the ticks of a time axis on seconds and minutes that people count in.
const clockSteps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];

function axes(c) {
  const stroke = () => color("muted"), line = (name) => ({ stroke: () => color(name), width: 1, size: 4 });
  const x = { stroke, size: 26, gap: 4, font: "11.5px system-ui, sans-serif", grid: line("grid"), ticks: line("line"), space: 64,
    values: (u, splits) => splits.map((v) => v === null ? "" : formats[c.x_axis].tick(v)) };
  if (c.x_axis === "nines") { x.splits = nines; x.filter = (u, s) => s; x.space = 30; } else x.incrs = clockSteps;
  const y = { stroke, size: LEFT, gap: 6, font: "11.5px system-ui, sans-serif", grid: line("grid"), ticks: { show: false }, space: 28,
    values: (u, splits) => splits.map((v) => v === null ? "" : formats[c.y_axis].tick(v)) };
  if (c.y_axis === "number") y.incrs = uPlot.incrs10 || [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6];
  if (c.y_axis === "bytes") y.splits = (u, i, lo, hi) => { const s = 2 ** Math.ceil(Math.log2((hi - lo) / 4 || 1)); const out = []; for (let v = 0; v <= hi; v += s) out.push(v); return out; };
  if (c.y_axis === "loglat") { y.splits = (u, i, lo, hi) => decades(lo, hi); y.filter = (u, s) => s; }
  return [x, y];
}

function seriesOf(c, e) {
  const s = e.s, out = { label: s.name, width: 1.5, stroke: () => color(s.color), spanGaps: c.x_axis === "nines", points: { show: false } };
  out.value = (u, v, si, i) => {
    const raw = i === null || i === undefined ? null : s.y[i];
    if (raw === null || raw === undefined) return "–";
    return formats[c.y_axis].value(raw);
  };
  if (s.style === "area") { out.fill = () => color(s.color); out.width = 0; out.paths = uPlot.paths.stepped({ align: -1 }); }
  if (s.style === "bars") { out.fill = () => color(s.color); out.width = 1; out.paths = uPlot.paths.stepped({ align: 1 }); }
  if (s.style === "step") out.paths = uPlot.paths.stepped({ align: 1 });
  if (c.x_axis !== "nines" && c.x.length < 3) out.points = { show: true, size: 5, fill: () => color(s.color) };
  return out;
}

// behind draws the bounds under the series.
function behind(c) {
  return (u) => {
    const g = u.ctx, { left, top, width, height } = u.bbox;
    g.save();
    g.beginPath(); g.rect(left, top, width, height); g.clip();
    for (const b of c.bands || []) {
      const y1 = u.valToPos(b.hi, "y", true), y0 = u.valToPos(b.lo, "y", true);
      g.fillStyle = color("band"); g.fillRect(left, y1, width, y0 - y1);
      g.strokeStyle = color("band-line"); g.lineWidth = uPlot.pxRatio; g.setLineDash([4 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
      g.beginPath(); g.moveTo(left, y1); g.lineTo(left + width, y1); g.moveTo(left, y0); g.lineTo(left + width, y0); g.stroke();
      g.fillStyle = color("band-line"); g.font = 11 * uPlot.pxRatio + "px system-ui, sans-serif"; g.textBaseline = "bottom"; g.textAlign = "right";
      g.fillText(b.name, left + width - 4 * uPlot.pxRatio, y0 - 3 * uPlot.pxRatio);
    }
    g.restore();
  };
}

// before draws the faults and the marks over the series.
function before(c) {
  return (u) => {
    const g = u.ctx, { left, top, width, height } = u.bbox, px = uPlot.pxRatio;
    g.save();
    g.beginPath(); g.rect(left, top, width, height); g.clip();
    if (c.x_axis === "time") {
      for (const l of page.lanes) {
        const x0 = Math.round(u.valToPos(l.from, "x", true)), x1 = Math.round(u.valToPos(l.to, "x", true));
        if (!l.planned) { g.fillStyle = color("lane-fill"); g.fillRect(x0, top, x1 - x0, height); }
        g.strokeStyle = color("lane"); g.lineWidth = px; g.setLineDash(l.planned ? [3 * px, 3 * px] : []);
        g.beginPath(); g.moveTo(x0 + 0.5, top); g.lineTo(x0 + 0.5, top + height); g.stroke();
      }
    }
    g.setLineDash([3 * px, 3 * px]);
    for (const m of c.marks || []) {
      const x = Math.round(u.valToPos(m.at, "x", true)) + 0.5;
      g.strokeStyle = color("lane"); g.lineWidth = px;
      g.beginPath(); g.moveTo(x, top); g.lineTo(x, top + height); g.stroke();
      g.fillStyle = color("lane-text"); g.font = 11 * px + "px system-ui, sans-serif"; g.textBaseline = "top";
      const right = x + g.measureText(m.name).width + 8 * px > left + width;
      g.textAlign = right ? "right" : "left";
      g.fillText(m.name, x + (right ? -4 : 4) * px, top + 2 * px);
    }
    g.restore();
  };
}

function xValue(c) {
  return (u, v, si, i) => {
    if (v === null || v === undefined) return "";
    let text = (c.x_axis === "time" ? "at " : "") + formats[c.x_axis].value(v);
    if (c.x_axis === "time" && c.every > 1) text += " – " + formats.time.value(v + c.every);
    if (c.x_axis === "nines") text += ", slower: " + (c.counts || []).map((n) => group(Math.max(n - Math.max(Math.ceil((1 - 1 / v) * n - 1e-9), 1), 0)) + " of " + group(n)).join(", ");
    return text;
  };
}

// draw makes the uPlot of chart c in its figure.
function draw(figure, c, width) {
  const plot = figure.querySelector(".plot"), { list, data } = columns(c);
  const timed = c.x_axis === "time";
  const opts = {
    width, height: plotHeight(figure), padding: [8, RIGHT, 0, 0], pxAlign: 1,
    scales: { x: { time: false, auto: false, distr: c.x_axis === "nines" ? 3 : 1, log: 10, range: (u, lo, hi) => [lo, hi] },
      y: { distr: c.y_axis === "loglat" ? 3 : 1, log: 10, range: yRange(c) } },
    axes: axes(c),
    series: [{ label: "", value: xValue(c) }].concat(list.map((e) => seriesOf(c, e))),
    cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: true }, sync: timed ? { key: "time", scales: ["x", null] } : undefined },
    legend: { live: true, mount: (u, el) => { u.legendEl = el; figure.querySelector(".legend").replaceChildren(el); }, markers: { width: 0, fill: (u, i) => i ? color(list[i - 1].s.color) : "transparent" } },
    hooks: { drawClear: [behind(c)], draw: [before(c)], setScale: [(u, key) => key === "x" && zoomed(u, c)] },
  };
  const u = new uPlot(opts, data, plot);
  u.chart = c;
  u.full = [c.x_axis === "nines" ? 1 : 0, c.x_max];
  u.setScale("x", { min: u.full[0], max: u.full[1] });
  plot.onkeydown = (e) => keys(u, e);
  u.over.ondblclick = () => setZoom(u, u.full[0], u.full[1]);
  return u;
}

const plotHeight = (figure) => figure.closest(".charts") ? 200 : figure.classList.contains("tall") ? 210 : 118;

// setZoom shows [lo, hi] of the x axis, of all charts of the timeline when u is one of them.
let zooming = false;
function setZoom(u, lo, hi) { u.setScale("x", { min: lo, max: hi }); }

function zoomed(u, c) {
  if (c.x_axis !== "time" || zooming) return;
  zooming = true;
  const { min, max } = u.scales.x;
  for (const o of plots.values()) if (o !== u && o.chart.x_axis === "time") o.setScale("x", { min, max });
  zooming = false;
  placeLanes(min, max);
}

// keys move the cursor from value to value and zoom about it.
function keys(u, e) {
  const x = u.data[0], n = x.length;
  let i = u.cursor.idx ?? -1;
  if (e.key === "ArrowRight" || e.key === "ArrowLeft") {
    const by = (e.shiftKey ? 10 : 1) * (e.key === "ArrowRight" ? 1 : -1);
    i = i < 0 ? 0 : Math.min(Math.max(i + by, 0), n - 1);
  } else if (e.key === "Home") i = 0;
  else if (e.key === "End") i = n - 1;
  else if (e.key === "+" || e.key === "=" || e.key === "-") {
    const { min, max } = u.scales.x, at = i < 0 ? (min + max) / 2 : x[i], k = e.key === "-" ? 2 : 0.5;
    setZoom(u, Math.max(at - (at - min) * k, u.full[0]), Math.min(at + (max - at) * k, u.full[1]));
  } else if (e.key === "Escape" || e.key === "0") setZoom(u, u.full[0], u.full[1]);
  else return;
  e.preventDefault();
  if (i >= 0) u.setCursor({ left: u.valToPos(x[i], "x"), top: 1 }, true, true);
}
