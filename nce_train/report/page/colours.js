// Colours come from the style sheet, so that Plotly's pictures follow light and dark as the page does.

const RUN_COLOURS = 8;
const DASHES = ["solid", "dash", "dot"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const runColour = (number) => colour(`run-${number % RUN_COLOURS}`);
const runDash = (number) => DASHES[Math.floor(number / RUN_COLOURS) % DASHES.length];

function runLabel(run, number) {
  const line = make("i", { className: ["", "dashed", "dotted"][DASHES.indexOf(runDash(number))] });
  line.style.borderTopColor = `var(--run-${number % RUN_COLOURS})`;
  return make("span", { className: "run" }, line, run.name);
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
