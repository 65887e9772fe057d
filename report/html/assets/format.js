"use strict";
// Numbers as the report prints them: three significant digits with a fitting unit.

function digits(v, n) {
  if (v === 0) return "0";
  const e = Number(v.toExponential(n - 1).split("e")[1]);
  return v.toFixed(Math.min(Math.max(n - 1 - e, 0), 9));
}

const group = (v) => Math.round(v) === v ? String(Math.abs(v)).replace(/\B(?=(\d{3})+$)/g, ",").replace(/^/, v < 0 ? "-" : "") : digits(v, 4);

function seconds(s) {
  const a = Math.abs(s);
  if (a === 0) return "0 s";
  if (a < 0.995e-4) return digits(s * 1e6, 2) + " µs";
  if (a < 0.995e-3) return digits(s * 1e3, 2) + " ms";
  if (a < 0.9995) return digits(s * 1e3, 3) + " ms";
  if (a < 119.95) return digits(s, 3) + " s";
  if (a < 7199.5) { const t = Math.round(s); return Math.floor(t / 60) + " m " + String(t % 60).padStart(2, "0") + " s"; }
  const t = Math.round(s / 60);
  return Math.floor(t / 60) + " h " + String(t % 60).padStart(2, "0") + " m";
}

function bytes(v) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (v >= 1023.5 && i < units.length - 1) { v /= 1024; i++; }
  return digits(v, 3) + " " + units[i];
}

const plainly = (s) => s.replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "");

// formats: how a value of an axis is written in a legend, and on the axis itself.
const formats = {
  time: { value: clock, tick: clock },
  offset: { value: (v) => "+" + seconds(v), tick: (v) => plainly(seconds(v)) },
  nines: { value: share, tick: share },
  latency: { value: seconds, tick: (v) => plainly(seconds(v)) },
  loglat: { value: seconds, tick: (v) => plainly(seconds(v)) },
  number: { value: group, tick: (v) => v >= 1e6 ? plainly(digits(v / 1e6, 3)) + " M" : group(v) },
  bytes: { value: bytes, tick: (v) => plainly(bytes(v)) },
  cores: { value: (v) => digits(v, 3) + " cores", tick: (v) => plainly(digits(v, 3)) },
};

// clock is a moment of the run: 12 s, 2:05, 1:02:05.
function clock(s) {
  if (s < 0) return "";
  const whole = Math.floor(s + 1e-6), part = s - whole;
  const rest = part > 0.005 ? "." + String(Math.round(part * 100)).padStart(2, "0").replace(/0+$/, "") : "";
  if (s < 120) return whole + rest + " s";
  const m = Math.floor(whole / 60), sec = String(whole % 60).padStart(2, "0") + rest;
  return m < 60 ? m + ":" + sec : Math.floor(m / 60) + ":" + String(m % 60).padStart(2, "0") + ":" + sec;
}

// share is 1/(1-p) as a percentile: 10 is p90, 1000 is p99.9.
function share(x) {
  if (x <= 1) return "p0";
  const p = 100 * (1 - 1 / x);
  return "p" + plainly(p.toFixed(Math.max(Math.ceil(Math.log10(x) - 1e-9) - 1, 1)));
}
