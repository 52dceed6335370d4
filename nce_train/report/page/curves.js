// Curves of training: one small chart for each measure, with all models, over tokens or over time.

const MEASURES = [
  ["loss", "NCE loss", { digits: 4 }],
  ["learning_rate", "Learning rate", { digits: 5, fromZero: true }],
  ["tokens_per_second", "Tokens per second", { compact: true, fromZero: true }],
];

const AXES = { tokens: "tokens", seconds: "seconds of training" };
let axis = "tokens";
const charts = []; // { element, curves, options }

function showCurves() {
  const trained = content.models.filter((model) => model.readings.step.length || model.evaluation_curves.length);
  if (!trained.length) return;
  byId("curves").hidden = false;
  if (isComparison()) byId("legend").append(...content.models.map(modelLabel));
  for (const [key, title, options] of MEASURES) {
    addChart(title, options, content.models.map(({ readings }) => ({ ...readings, value: readings[key] })));
  }
  const evaluated = new Map();
  for (const curve of content.models.flatMap((model) => model.evaluation_curves)) {
    evaluated.set(`${curve.measure} ${curve.name}`, curve);
  }
  for (const { measure, name } of evaluated.values()) {
    const title = { heldout: "Held-out loss", accuracy: `${name}: accuracy`, spearman: `${name}: Spearman` }[measure];
    addChart(title, { digits: measure === "heldout" ? 4 : 3, dots: true }, content.models.map((model) =>
      model.evaluation_curves.find((curve) => curve.measure === measure && curve.name === name)));
  }
  const thinned = content.models.filter((model) => model.drawn_every > 1)
    .map((model) => `${model.name}: one reading in ${model.drawn_every} is drawn`);
  byId("thinned").hidden = !thinned.length;
  byId("thinned").textContent = thinned.join("; ");
  for (const name of Object.keys(AXES)) byId(`over-${name}`).addEventListener("click", () => chooseAxis(name));
}

// Curves are in the order of the models, undefined for a model without one. A chart without any number is omitted.
function addChart(title, options, curves) {
  if (!curves.some((curve) => curve?.value.some((value) => value !== null))) return;
  const element = make("div", { role: "img", ariaLabel: title });
  byId("charts").append(make("div", { className: "chart" }, make("h3", {}, title), element));
  charts.push({ element, curves, options });
}

function chooseAxis(name) {
  axis = name;
  for (const other of Object.keys(AXES)) byId(`over-${other}`).setAttribute("aria-pressed", other === name);
  drawCurves();
}

function drawCurves() {
  return Promise.all(charts.map(({ element, curves, options }) => Plotly.react(
    element, curves.flatMap((curve, number) => (curve ? [trace(curve, number, options)] : [])), layout(options),
    { displayModeBar: false, responsive: true })));
}

function trace(curve, number, options) {
  const format = options.compact ? ".3s" : `.${options.digits}~f`;
  const isShort = curve.value.length < 3;
  const hasInterval = curve.interval?.some((interval) => interval !== null);
  return {
    type: "scatter",
    mode: options.dots || isShort ? "lines+markers" : "lines",
    x: curve[axis],
    y: curve.value,
    name: escapeForPlotly(content.models[number].name),
    line: { color: modelColour(number), width: 2, dash: modelDash(number) },
    marker: { size: 6, color: modelColour(number) },
    error_y: hasInterval ? {
      type: "data",
      symmetric: false,
      array: curve.interval.map((interval, i) => (interval ? interval[1] - curve.value[i] : 0)),
      arrayminus: curve.interval.map((interval, i) => (interval ? curve.value[i] - interval[0] : 0)),
      thickness: 1,
      width: 2,
    } : undefined,
    hovertemplate: `%{y:${format}}${isComparison() ? "" : "<extra></extra>"}`,
  };
}

function layout(options) {
  return {
    margin: { l: 52, r: 10, t: 6, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("quiet") },
    showlegend: false,
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
    dragmode: false,
    xaxis: axisStyle({ title: { text: AXES[axis], standoff: 6 }, rangemode: "tozero", exponentformat: "SI",
      hoverformat: axis === "tokens" ? ".4s" : ".4~f" }),
    yaxis: axisStyle({ rangemode: options.fromZero ? "tozero" : "normal", exponentformat: "SI", nticks: 6 }),
  };
}

function axisStyle(more) {
  return { gridcolor: colour("grid"), linecolor: colour("line"), zeroline: false, fixedrange: true, automargin: true,
    ...more };
}
