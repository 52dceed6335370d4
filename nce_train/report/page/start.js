// Fills the page, and draws the charts again when the colour scheme changes.

function showHeader() {
  const [first, ...others] = content.models.map((model) => model.name);
  document.title = `${first}: nce-train report`;
  byId("title").textContent = first;
  byId("subtitle").textContent = others.length ? `compared with ${others.join(", ")}` : "nce-train report";
  for (const section of document.querySelectorAll("main section:not([hidden])")) {
    const heading = section.querySelector("h2");
    if (heading) byId("contents").append(make("a", { href: `#${section.id}` }, heading.textContent));
  }
}

async function start() {
  showSummary();
  showCurves();
  showEvaluation();
  showSettings();
  showProvenance();
  showHeader();
  await drawCurves();
  await showMap();
  darkScheme.addEventListener("change", () => { drawCurves(); drawMap(); });
  document.documentElement.dataset.drawn = Math.round(performance.now()); // in milliseconds: marks the page as complete
}

start();
