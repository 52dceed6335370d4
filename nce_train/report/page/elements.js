// Content, elements and numbers: what all other scripts use. Words and names come from the corpus and may contain
// anything, so they are inserted as text only.

const content = JSON.parse(document.getElementById("content").textContent);
const isComparison = () => content.models.length > 1;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const byId = (id) => document.getElementById(id);

function showSection(id, ...children) {
  const section = byId(id);
  section.hidden = false;
  section.append(...children.filter((child) => child !== null));
}

// Plotly interprets tags and entities in its texts.
const escapeForPlotly = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const NO_VALUE = "–";

function formatNumber(value, options) {
  return value === null || value === undefined ? NO_VALUE : value.toLocaleString("en", options);
}

const integer = (value) => formatNumber(value, { maximumFractionDigits: 0 });
const compact = (value) => formatNumber(value, { notation: "compact", maximumSignificantDigits: 3 });
const decimal = (value, digits) =>
  formatNumber(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value) =>
  formatNumber(value, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

function duration(seconds) {
  if (seconds === null || seconds === undefined) return NO_VALUE;
  if (seconds < 60) return `${decimal(seconds, 1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${decimal(seconds / 60, 1)} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(size) {
  if (size === null || size === undefined) return NO_VALUE;
  const step = size < 1e3 ? 0 : Math.min(4, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** step;
  return `${formatNumber(value, { maximumSignificantDigits: 3 })} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}
