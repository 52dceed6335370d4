// The map: points to pan and zoom, labels where there is room for them, and the neighbours of the word that is chosen.

const LABEL_HEIGHT = 18;
const LABEL_MARGINS = [9, 7]; // beside and above: labels spread over the whole view instead of where frequent words are
const LONGEST_LABEL = 30;
const FOUND = 8;

const map = content.map;
const x = unpacked(map.x, Float32Array);
const y = unpacked(map.y, Float32Array);
const neighbours = unpacked(map.neighbours, Uint32Array);
const similarities = unpacked(map.similarities, Int16Array);
const mapped = map.words.slice(0, map.mapped);
const lowered = mapped.map((word) => word.toLowerCase());

const chart = byId("map-chart");
let chosen = null; // place of a word among map.words
let view = null; // { x: [left, right], y: [bottom, top] }

function unpacked(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

function neighboursOf(place) {
  const first = place * map.neighbours_each;
  return Array.from({ length: map.neighbours_each }, (_, k) => [neighbours[first + k],
    similarities[first + k] / map.similarity_scale]);
}

const rankOf = (place) => (place < map.mapped ? place : map.ranks_beyond[place - map.mapped]) + 1;

async function showMap() {
  const way = map.layout === "umap" ? "UMAP" : "the first two principal components";
  byId("map-note").textContent = `${compared() ? `${content.runs[0].name}: the` : "The"} ` +
    `${whole(map.mapped)} most frequent of ${whole(content.runs[0].vocabulary)} words, placed by ${way}. ` +
    "Drag to move, scroll to zoom; a click on a word shows its nearest neighbours among all words.";
  view = wholeView();
  await drawMap();
  chart.on("plotly_click", (event) => choose(event.points[0].customdata));
  for (const moving of ["plotly_relayouting", "plotly_relayout"]) chart.on(moving, onMoved);
  byId("zoom-in").addEventListener("click", () => zoom(0.6));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 0.6));
  byId("zoom-reset").addEventListener("click", () => look(wholeView()));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => { if (event.key === "Enter") chooseFirst(); });
  new ResizeObserver(() => Plotly.Plots.resize(chart).then(showLabels)).observe(chart);
}

// Both axes with the same scale, and a margin for the labels at the sides.
function wholeView() {
  const span = (values) => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
  const [left, right] = span(x);
  const [bottom, top] = span(y);
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
  look(around(middle(view.x), middle(view.y), size(view.x), size(view.y)));
}

function look(at) {
  view = at;
  return Plotly.relayout(chart, { "xaxis.range": [...at.x], "yaxis.range": [...at.y] });
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

const kind = hasWebGL() ? "scattergl" : "scatter";
const sizes = mapped.map((_, place) => 4 + 5 * (1 - Math.log(place + 1) / Math.log(map.mapped + 1)));
const places = mapped.map((_, place) => place);
const hovers = mapped.map(plain);

function marked() {
  if (chosen === null) return [];
  return [chosen, ...neighboursOf(chosen).map(([place]) => place)].filter((place) => place < map.mapped);
}

async function drawMap() {
  const neighbourhood = marked().filter((place) => place !== chosen);
  const smaller = Math.min(1, Math.max(0.6, chart.clientWidth / 700)); // on a phone
  await Plotly.react(chart, [
    points(places, { color: colour("accent"), size: sizes.map((size) => size * smaller),
      opacity: chosen === null ? 0.5 : 0.28, line: { width: 0 } }),
    points(neighbourhood, { color: colour("mark"), size: 9 }),
    points(marked().slice(0, 1), { color: colour("ink"), size: 13 }),
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

function points(some, marker) {
  return { type: kind, mode: "markers", x: some.map((place) => x[place]), y: some.map((place) => y[place]), marker,
    customdata: some, text: some.map((place) => hovers[place]), hovertemplate: "%{text}<extra></extra>" };
}

// Frequent words first, those that matter now before them: each gets its label unless it would cover another.
function showLabels() {
  const { width, height } = chart.getBoundingClientRect();
  const first = marked();
  const taken = [];
  const labels = [];
  for (const place of new Set([...first, ...places])) {
    const left = ((x[place] - view.x[0]) / (view.x[1] - view.x[0])) * width;
    const top = (1 - (y[place] - view.y[0]) / (view.y[1] - view.y[0])) * height;
    if (left < 0 || left > width || top < 0 || top > height) continue;
    const text = map.words[place].slice(0, LONGEST_LABEL);
    const isMarked = first.includes(place);
    const [beside, above] = isMarked ? [2, 0] : LABEL_MARGINS;
    const half = 3.6 * text.length + beside;
    const spot = [top - LABEL_HEIGHT - 4, top + 4].find((start) => taken.every(([l, r, t, b]) =>
      left + half < l || left - half > r || start + LABEL_HEIGHT + above < t || start - above > b));
    if (spot === undefined) continue;
    taken.push([left - half, left + half, spot - above, spot + LABEL_HEIGHT + above]);
    const label = make("span", { className: place === chosen ? "chosen" : isMarked ? "near" : "" }, text);
    label.style.transform = `translate(${left}px, ${spot}px) translateX(-50%)`;
    labels.push(label);
  }
  byId("labels").replaceChildren(...labels);
}

function choose(place) {
  chosen = place;
  const inside = x[place] > view.x[0] && x[place] < view.x[1] && y[place] > view.y[0] && y[place] < view.y[1];
  if (place < map.mapped && !inside) {
    view = around(x[place], y[place], view.x[1] - view.x[0], view.y[1] - view.y[0]);
  }
  showWord(place);
  return drawMap();
}

function showWord(place) {
  const count = map.counts === null ? "" : `${whole(map.counts[place])} times, `;
  const items = neighboursOf(place).map(([other, similarity]) => {
    const length = make("i");
    length.style.width = `${100 * Math.min(1, Math.max(0, similarity))}%`;
    const parts = [make("b", {}, map.words[other]), make("span", { className: "value" }, decimals(similarity, 3)),
      make("span", { className: "length", ariaHidden: "true" }, length)];
    if (other >= map.mapped) {
      const title = `number ${whole(rankOf(other))} by frequency, not on the map`;
      return make("li", {}, make("span", { className: "neighbour beyond", title }, ...parts));
    }
    const button = make("button", { type: "button", className: "neighbour" }, ...parts);
    button.addEventListener("click", () => choose(other));
    return make("li", {}, button);
  });
  byId("word").replaceChildren(
    make("h3", {}, map.words[place]),
    make("div", { className: "quiet" }, `${count}number ${whole(rankOf(place))} by frequency`),
    items.length ? make("ol", { ariaLabel: "Nearest neighbours and their similarities" }, ...items)
      : make("p", { className: "quiet" }, "There is no other word."));
}

// The word itself, then words that begin so, then words that hold it, each by frequency.
function matches() {
  const asked = byId("search").value.trim().toLowerCase();
  if (!asked) return [];
  const same = places.filter((place) => lowered[place] === asked);
  const begin = places.filter((place) => lowered[place] !== asked && lowered[place].startsWith(asked));
  const hold = places.filter((place) => lowered[place].indexOf(asked) > 0);
  return [...same, ...begin, ...hold].slice(0, FOUND);
}

function search() {
  const found = matches();
  byId("found").replaceChildren(...found.map((place) => {
    const button = make("button", { type: "button" }, make("b", {}, map.words[place]),
      make("span", { className: "quiet" }, map.counts === null ? "" : short(map.counts[place])));
    button.addEventListener("click", () => take(place));
    return make("li", {}, button);
  }));
  byId("found").hidden = !found.length;
  const asked = byId("search").value.trim();
  byId("not-found").hidden = !asked || found.length > 0;
  byId("not-found").textContent = `Not among the ${whole(map.mapped)} words of the map.`;
}

function chooseFirst() {
  const [first] = matches();
  if (first !== undefined) take(first);
}

function take(place) {
  byId("search").value = map.words[place];
  byId("found").hidden = true;
  byId("not-found").hidden = true;
  choose(place);
}
