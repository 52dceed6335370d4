// Put everything on the page; draw again when light turns to dark.

function showHead() {
  const [first, ...others] = content.runs.map((run) => run.name);
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
  showHead();
  await drawCurves();
  await showMap();
  darkness.addEventListener("change", () => { drawCurves(); drawMap(); });
  document.documentElement.dataset.drawn = Math.round(performance.now()); // milliseconds, for whoever measures
}

start();
