// Making elements. Text only ever goes in as text: words and names are whatever somebody's corpus held.

const content = JSON.parse(document.getElementById("content").textContent);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const byId = (id) => document.getElementById(id);

function show(id, ...children) {
  const section = byId(id);
  section.hidden = false;
  section.append(...children.filter((child) => child !== null));
}

// Plotly reads tags and entities in its texts.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const NOTHING = "–";

function formatted(value, options) {
  return value === null || value === undefined ? NOTHING : value.toLocaleString("en", options);
}

const whole = (value) => formatted(value, { maximumFractionDigits: 0 });
const short = (value) => formatted(value, { notation: "compact", maximumSignificantDigits: 3 });
const decimals = (value, digits) =>
  formatted(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value, digits = 1) =>
  formatted(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });

function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 60) return `${decimals(seconds, 1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${decimals(seconds / 60, 1)} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(size) {
  if (size === null || size === undefined) return NOTHING;
  const step = size < 1e3 ? 0 : Math.min(4, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** step;
  return `${formatted(value, { maximumSignificantDigits: 3 })} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}
