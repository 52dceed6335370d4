// Colours and lines of models. They come from the style sheet, so that Plotly's charts follow light and dark as the
// page does.

const MODEL_COLOURS = 8;
const DASHES = ["solid", "dash", "dot"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const modelColour = (number) => colour(`model-${number % MODEL_COLOURS}`);
const modelDash = (number) => DASHES[Math.floor(number / MODEL_COLOURS) % DASHES.length];

// The name of a model behind a sample of its line.
function modelLabel(model, number) {
  const line = make("i", { className: ["", "dashed", "dotted"][DASHES.indexOf(modelDash(number))] });
  line.style.borderTopColor = `var(--model-${number % MODEL_COLOURS})`;
  return make("span", { className: "model" }, line, model.name);
}

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
