// The page: charts are drawn when they come near the screen, follow its width, and are all drawn in light colours for
// paper. A live page replaces its parts and gives the charts new data.

let page = JSON.parse(document.getElementById("model").textContent);
const plots = new Map(); // by the chart's id
const paper = (figure) => figure.closest(".charts") ? 220 : 690; // width of a chart on A4, in CSS pixels

const charts = () => { const out = new Map(); for (const c of page.timeline || []) out.set(c.id, c); for (const f of page.faults || []) for (const c of f.charts || []) out.set(c.id, c); return out; };
let models = charts();

function widthOf(figure) { return Math.max(figure.querySelector(".plot").clientWidth, 120); }

function ensure(figure, width) {
  const c = models.get(figure.dataset.chart);
  if (!c || c.empty || !c.x || c.x.length === 0) return null;
  let u = plots.get(c.id);
  if (!u) plots.set(c.id, u = draw(figure, c, width || widthOf(figure)));
  return u;
}

const near = new IntersectionObserver((entries) => {
  for (const e of entries) if (e.isIntersecting) { near.unobserve(e.target); ensure(e.target); }
}, { rootMargin: "400px" });

const resized = new ResizeObserver((entries) => {
  if (printing) return;
  for (const e of entries) {
    const figure = e.target.closest("figure"), u = plots.get(figure.dataset.chart), w = widthOf(figure);
    if (u && u.width !== w) u.setSize({ width: w, height: plotHeight(figure) });
  }
  const t = plots.get("clients");
  if (t) placeLanes(t.scales.x.min, t.scales.x.max);
});

function adopt() {
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    near.observe(figure);
    resized.observe(figure.querySelector(".plot"));
  }
}

// placeLanes puts the labels of the faults over the part [lo, hi] of the time axis.
function placeLanes(lo, hi) {
  const box = document.getElementById("lanes"), width = box.clientWidth;
  let rows = 0;
  for (const el of box.children) {
    const from = Number(el.dataset.from), to = Number(el.dataset.to);
    const a = Math.min(Math.max((from - lo) / (hi - lo), 0), 1), b = Math.min(Math.max((to - lo) / (hi - lo), 0), 1);
    el.hidden = from > hi || to < lo;
    el.style.left = 100 * a + "%";
    el.style.width = 100 * (b - a) + "%";
    el.style.top = 21 * Number(el.dataset.row) + "px";
    el.classList.toggle("flip", a * width + el.firstElementChild.scrollWidth > width);
    rows = Math.max(rows, Number(el.dataset.row) + 1);
  }
  box.style.height = 21 * rows + "px";
}

function recolor() {
  palette = null;
  for (const u of plots.values()) {
    for (let i = 1; i < u.series.length; i++) {
      const m = u.root.closest("figure")?.querySelectorAll(".u-marker")[i];
      if (m) m.style.background = u.series[i].stroke(u, i);
    }
    u.redraw(true, true);
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolor);

let printing = false;
addEventListener("beforeprint", () => {
  printing = true;
  document.documentElement.dataset.light = "";
  recolor(); // before new charts are made: a redraw takes back the range that a new one is about to get
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const u = ensure(figure, paper(figure));
    if (u && u.width !== paper(figure)) u.setSize({ width: paper(figure), height: plotHeight(figure) });
  }
  const t = plots.get("clients");
  if (t) placeLanes(t.scales.x.min, t.scales.x.max);
});
addEventListener("afterprint", () => {
  printing = false;
  delete document.documentElement.dataset.light;
  for (const figure of document.querySelectorAll("figure[data-chart]")) plots.get(figure.dataset.chart)?.setSize({ width: widthOf(figure), height: plotHeight(figure) });
  recolor();
});

const shape = (c) => c.x_axis + c.y_axis + c.stack + c.series.map((s) => s.name + s.style + s.color).join();

// show takes over a newer model: parts of the page as HTML, written by the same template, and the data of the charts.
const shown = {};
function show(update) {
  page = update.page;
  models = charts();
  const focus = document.activeElement?.closest("figure")?.dataset.chart;
  for (const [id, html] of Object.entries(update.parts)) {
    if (shown[id] === html) continue;
    shown[id] = html;
    const el = document.getElementById(id);
    for (const figure of el.querySelectorAll("figure[data-chart]")) plots.get(figure.dataset.chart)?.root.remove();
    el.innerHTML = html;
  }
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const id = figure.dataset.chart, c = models.get(id), u = plots.get(id), plot = figure.querySelector(".plot");
    if (c) plot.setAttribute("aria-label", c.about);
    if (!u) continue;
    if (!c || shape(c) !== shape(u.chart)) { u.destroy(); plots.delete(id); ensure(figure); continue; }
    Object.assign(u.chart, { ...c, series: u.chart.series });
    c.series.forEach((s, i) => { u.chart.series[i].y = s.y; });
    if (u.root.parentNode !== plot) { // the part that held it was replaced
      plot.replaceChildren(u.root);
      plot.onkeydown = (e) => keys(u, e);
      const legend = figure.querySelector(".legend");
      if (u.legendEl) legend.replaceChildren(u.legendEl);
    }
    const whole = u.scales.x.max === u.full[1];
    u.full = [u.full[0], c.x_max];
    u.setData(columns(u.chart).data, false);
    u.setScale("x", whole ? { min: u.full[0], max: u.full[1] } : { min: u.scales.x.min, max: u.scales.x.max });
  }
  if (page.timeline) for (const c of page.timeline) if (!document.querySelector(`figure[data-chart="${c.id}"]`)) addTimeline(c);
  adopt();
  const t = plots.get("clients");
  placeLanes(t ? t.scales.x.min : 0, t ? t.scales.x.max : page.span);
  if (focus) document.querySelector(`figure[data-chart="${CSS.escape(focus)}"] .plot`)?.focus({ preventScroll: true });
}

// addTimeline makes the figure of a chart that was not there when the page was opened.
function addTimeline(c) {
  const figure = document.querySelector("#timeline figure").cloneNode(true);
  figure.dataset.chart = c.id;
  figure.classList.toggle("tall", c.tall);
  figure.querySelector(".title").textContent = c.title;
  figure.querySelector(".hint").textContent = c.hint;
  figure.querySelector(".legend").replaceChildren();
  const plot = figure.querySelector(".plot");
  plot.replaceChildren();
  plot.setAttribute("aria-label", c.about);
  document.getElementById("timeline").append(figure);
}

function follow(url) {
  const status = document.getElementById("live");
  const say = (state, text) => { if (status.dataset.state !== state) { status.dataset.state = state; status.firstElementChild.textContent = text; } };
  const events = new EventSource(url);
  events.addEventListener("update", (e) => { say("live", "live"); show(JSON.parse(e.data)); });
  events.addEventListener("final", (e) => { events.close(); show(JSON.parse(e.data)); say("finished", "finished"); });
  events.onerror = () => say("lost", "connection lost");
}

adopt();
placeLanes(0, page.span);
if (document.body.dataset.events) follow(document.body.dataset.events);
