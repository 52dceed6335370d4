// The map of words: points to pan and zoom, labels where there is room, search, and the neighbours of a selected word.
// A place is the index of a word in map.words; the first map.mapped of them are on the map, by frequency.

const LABEL_HEIGHT = 18;
const LABEL_MARGINS = [9, 7]; // free space beside and above a label: spreads the labels over the whole view
const MAX_LABEL_LENGTH = 30;
const MAX_MATCHES = 8;

const map = content.map;
const x = fromBase64(map.x, Float32Array);
const y = fromBase64(map.y, Float32Array);
const neighbours = fromBase64(map.neighbours, Uint32Array);
const similarities = fromBase64(map.similarities, Int16Array);
const mapped = map.words.slice(0, map.mapped);
const lowerCase = mapped.map((word) => word.toLowerCase());

const chart = byId("map-chart");
let selected = null; // a place
let view = null; // { x: [left, right], y: [bottom, top] }

function fromBase64(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

function neighboursOf(place) {
  const first = place * map.neighbours_each;
  return Array.from({ length: map.neighbours_each }, (_, k) => [neighbours[first + k],
    similarities[first + k] / map.similarity_scale]);
}

const rankOf = (place) => (place < map.mapped ? place : map.ranks_beyond[place - map.mapped]) + 1;

async function showMap() {
  const method = map.layout === "umap" ? "UMAP" : "the first two principal components";
  byId("map-note").textContent = `${isComparison() ? `${content.models[0].name}: the` : "The"} ` +
    `${integer(map.mapped)} most frequent of ${integer(content.models[0].vocabulary)} words, placed by ${method}. ` +
    "Drag to move, scroll to zoom; a click on a word shows its nearest neighbours among all words.";
  view = wholeView();
  await drawMap();
  chart.on("plotly_click", (event) => selectWord(event.points[0].customdata));
  for (const event of ["plotly_relayouting", "plotly_relayout"]) chart.on(event, onMoved);
  byId("zoom-in").addEventListener("click", () => zoom(0.6));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 0.6));
  byId("zoom-reset").addEventListener("click", () => setView(wholeView()));
  byId("search").addEventListener("input", showMatches);
  byId("search").addEventListener("keydown", (event) => { if (event.key === "Enter") takeFirstMatch(); });
  new ResizeObserver(() => Plotly.Plots.resize(chart).then(showLabels)).observe(chart);
}

// The view of all points: the same scale on both axes, and a margin for the labels at the sides.
function wholeView() {
  const range = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
  const [left, right] = range(x);
  const [bottom, top] = range(y);
  const { width, height } = chart.getBoundingClientRect();
  const scale = 1.1 * Math.max((right - left) / width, (top - bottom) / height) || 1;
  return around((left + right) / 2, (bottom + top) / 2, scale * width, scale * height);
}

function around(centreX, centreY, width, height) {
  return { x: [centreX - width / 2, centreX + width / 2], y: [centreY - height / 2, centreY + height / 2] };
}

function zoom(factor) {
  const middle = ([low, high]) => (low + high) / 2;
  const size = ([low, high]) => (high - low) * factor;
  setView(around(middle(view.x), middle(view.y), size(view.x), size(view.y)));
}

function setView(newView) {
  view = newView;
  return Plotly.relayout(chart, { "xaxis.range": [...view.x], "yaxis.range": [...view.y] });
}

function onMoved() {
  view = { x: [...chart.layout.xaxis.range], y: [...chart.layout.yaxis.range] };
  showLabels();
}

function hasWebGL() {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

const traceType = hasWebGL() ? "scattergl" : "scatter";
const sizes = mapped.map((_, place) => 4 + 5 * (1 - Math.log(place + 1) / Math.log(map.mapped + 1)));
const places = mapped.map((_, place) => place);
const hoverTexts = mapped.map(escapeForPlotly);

// The selected word and its neighbours, as far as they are on the map.
function highlighted() {
  if (selected === null) return [];
  return [selected, ...neighboursOf(selected).map(([place]) => place)].filter((place) => place < map.mapped);
}

async function drawMap() {
  const nearby = highlighted().filter((place) => place !== selected);
  const scale = Math.min(1, Math.max(0.6, chart.clientWidth / 700)); // smaller points on a phone
  await Plotly.react(chart, [
    points(places, { color: colour("accent"), size: sizes.map((size) => size * scale),
      opacity: selected === null ? 0.5 : 0.28, line: { width: 0 } }),
    points(nearby, { color: colour("mark"), size: 9 }),
    points(highlighted().slice(0, 1), { color: colour("ink"), size: 13 }),
  ], {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily },
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink"), size: 14 } },
    dragmode: "pan",
    xaxis: { visible: false, range: [...view.x] },
    yaxis: { visible: false, range: [...view.y] },
  }, { displayModeBar: false, scrollZoom: true, doubleClick: false });
  showLabels();
}

function points(shown, marker) {
  return { type: traceType, mode: "markers", marker, customdata: shown, x: shown.map((place) => x[place]),
    y: shown.map((place) => y[place]), text: shown.map((place) => hoverTexts[place]),
    hovertemplate: "%{text}<extra></extra>" };
}

// Label the highlighted words, then all others by frequency, unless a label would cover an earlier one.
function showLabels() {
  const { width, height } = chart.getBoundingClientRect();
  const first = highlighted();
  const taken = [];
  const labels = [];
  for (const place of new Set([...first, ...places])) {
    const left = ((x[place] - view.x[0]) / (view.x[1] - view.x[0])) * width;
    const top = (1 - (y[place] - view.y[0]) / (view.y[1] - view.y[0])) * height;
    if (left < 0 || left > width || top < 0 || top > height) continue;
    const text = map.words[place].slice(0, MAX_LABEL_LENGTH);
    const isHighlighted = first.includes(place);
    const [beside, above] = isHighlighted ? [2, 0] : LABEL_MARGINS;
    const half = 3.6 * text.length + beside;
    const labelTop = [top - LABEL_HEIGHT - 4, top + 4].find((start) => taken.every(([l, r, t, b]) =>
      left + half < l || left - half > r || start + LABEL_HEIGHT + above < t || start - above > b));
    if (labelTop === undefined) continue;
    taken.push([left - half, left + half, labelTop - above, labelTop + LABEL_HEIGHT + above]);
    const label = make("span", { className: place === selected ? "selected" : isHighlighted ? "near" : "" }, text);
    label.style.transform = `translate(${left}px, ${labelTop}px) translateX(-50%)`;
    labels.push(label);
  }
  byId("labels").replaceChildren(...labels);
}

function selectWord(place) {
  selected = place;
  const isVisible = x[place] > view.x[0] && x[place] < view.x[1] && y[place] > view.y[0] && y[place] < view.y[1];
  if (place < map.mapped && !isVisible) {
    view = around(x[place], y[place], view.x[1] - view.x[0], view.y[1] - view.y[0]);
  }
  showWord(place);
  return drawMap();
}

function showWord(place) {
  const count = map.counts === null ? "" : `${integer(map.counts[place])} times, `;
  const items = neighboursOf(place).map(([other, similarity]) => {
    const bar = make("i");
    bar.style.width = `${100 * Math.min(1, Math.max(0, similarity))}%`;
    const parts = [make("b", {}, map.words[other]), make("span", { className: "value" }, decimal(similarity, 3)),
      make("span", { className: "length", ariaHidden: "true" }, bar)];
    if (other >= map.mapped) {
      const title = `number ${integer(rankOf(other))} by frequency, not on the map`;
      return make("li", {}, make("span", { className: "neighbour beyond", title }, ...parts));
    }
    const button = make("button", { type: "button", className: "neighbour" }, ...parts);
    button.addEventListener("click", () => selectWord(other));
    return make("li", {}, button);
  });
  byId("word").replaceChildren(
    make("h3", {}, map.words[place]),
    make("div", { className: "quiet" }, `${count}number ${integer(rankOf(place))} by frequency`),
    items.length ? make("ol", { ariaLabel: "Nearest neighbours and their similarities" }, ...items)
      : make("p", { className: "quiet" }, "There is no other word."));
}

// Words that are equal to the query, then words that begin with it, then words that contain it, each by frequency.
function findMatches() {
  const query = byId("search").value.trim().toLowerCase();
  if (!query) return [];
  const equal = places.filter((place) => lowerCase[place] === query);
  const beginning = places.filter((place) => lowerCase[place] !== query && lowerCase[place].startsWith(query));
  const containing = places.filter((place) => lowerCase[place].indexOf(query) > 0);
  return [...equal, ...beginning, ...containing].slice(0, MAX_MATCHES);
}

function showMatches() {
  const matches = findMatches();
  byId("matches").replaceChildren(...matches.map((place) => {
    const button = make("button", { type: "button" }, make("b", {}, map.words[place]),
      make("span", { className: "quiet" }, map.counts === null ? "" : compact(map.counts[place])));
    button.addEventListener("click", () => takeMatch(place));
    return make("li", {}, button);
  }));
  byId("matches").hidden = !matches.length;
  byId("not-found").hidden = !byId("search").value.trim() || matches.length > 0;
  byId("not-found").textContent = `Not among the ${integer(map.mapped)} words of the map.`;
}

function takeFirstMatch() {
  const [first] = findMatches();
  if (first !== undefined) takeMatch(first);
}

function takeMatch(place) {
  byId("search").value = map.words[place];
  byId("matches").hidden = true;
  byId("not-found").hidden = true;
  selectWord(place);
}
