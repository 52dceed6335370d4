// What is told in figures: summary, evaluation, settings, provenance.

const compared = () => content.runs.length > 1;
const lastLoss = (run) => run.readings.loss.findLast((loss) => loss !== null) ?? null;

// heads: [text, kind] for each column; the first column names the row.
function table(title, note, heads, rows) {
  const head = make("tr", {}, ...heads.map(([text, kind]) => make("th", { scope: "col", className: kind }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, column) => (column === 0
    ? make("th", { scope: "row" }, cell) : make("td", { className: heads[column][1] }, cell)))));
  return make("div", { className: "card" },
    title ? make("h3", {}, title, " ", make("small", {}, note)) : null,
    make("div", { className: "scroll" },
      make("table", { ariaLabel: title || null }, make("thead", {}, head), make("tbody", {}, ...body))));
}

function showSummary() {
  const facts = (run) => {
    const manifest = run.manifest ?? {};
    return [
      ["words", whole(run.vocabulary)],
      ["dim", whole(run.dim)],
      ["tokens trained", short(manifest.tokens_trained)],
      ["training", duration(manifest.timings?.train)],
      ["tokens per second", short(manifest.tokens_per_second)],
      ["loss at the end", decimals(lastLoss(run), 4)],
      ["peak memory", bytes(manifest.peak_memory_bytes)],
    ];
  };
  if (compared()) {
    const heads = [["model", ""], ...facts(content.runs[0]).map(([name]) => [name, "number"])];
    const rows = content.runs.map((run, number) => [runLabel(run, number), ...facts(run).map(([, value]) => value)]);
    show("summary", table("", "", heads, rows));
    return;
  }
  const tiles = facts(content.runs[0])
    .filter(([, value]) => value !== NOTHING)
    .map(([name, value]) => make("div", { className: "tile" }, make("dt", {}, name), make("dd", {}, value)));
  show("summary", make("dl", { className: "tiles" }, ...tiles));
}

// A value on a scale from 0 to 1, with its interval where there is one; no picture of anything below.
function range(value, interval, number) {
  if (value === null || value === undefined || value < 0) return "";
  const at = (number) => `${100 * Math.min(1, Math.max(0, number))}%`;
  const scale = make("span", { className: "range", ariaHidden: "true" });
  if (interval) {
    const bar = make("span", { className: "interval" });
    bar.style.left = at(interval[0]);
    bar.style.right = `calc(100% - ${at(interval[1])})`;
    scale.append(bar);
  }
  const dot = make("span", { className: "value" });
  dot.style.left = at(value);
  scale.append(dot);
  for (const part of scale.children) part.style.background = `var(--run-${number % RUN_COLOURS})`;
  return scale;
}

function showEvaluation() {
  const names = (kind) => [...new Set(content.runs.flatMap((run) => Object.keys(run.evaluation[kind] ?? {})))];
  for (const name of names("analogies")) byId("evaluation").append(...analogyTables(name));
  const similarities = names("similarity");
  if (similarities.length) byId("evaluation").append(similarityTable(similarities));
}

function resultsOf(kind, name) {
  return content.runs
    .map((run, number) => [run, number, run.evaluation[kind]?.[name]])
    .filter(([, , result]) => result !== undefined);
}

function intervalText(interval, write) {
  return interval ? `${write(interval[0])} – ${write(interval[1])}` : NOTHING;
}

function analogyTables(name) {
  const results = resultsOf("analogies", name);
  const hasInterval = results.some(([, , result]) => result.interval);
  const heads = [["model", ""], ["accuracy", "number"], ...(hasInterval ? [["95 % interval", "number"]] : []),
    ["", "scale"], ["correct", "number"], ["asked", "number"], ["of", "number"], ["coverage", "number"]];
  const words = [...new Set(results.map(([, , result]) => whole(result.words)))].join(" or ");
  const overall = table(name, `analogies among ${words} words`, heads, results.map(([run, number, result]) => [
    runLabel(run, number), percent(result.accuracy),
    ...(hasInterval ? [intervalText(result.interval, percent)] : []),
    range(result.accuracy, result.interval, number), whole(result.correct), whole(result.asked),
    whole(result.questions), percent(result.coverage)]));

  const sections = [...new Set(results.flatMap(([, , result]) => Object.keys(result.sections)))];
  if (sections.length < 2) return [overall];
  const sectionHeads = [["section", ""], ...results.flatMap(([run]) =>
    [[compared() ? run.name : "accuracy", "number"], ["asked", "number"]])];
  const rows = sections.map((section) => [section || "(no section)", ...results.flatMap(([, , result]) => {
    const counts = result.sections[section];
    return [percent(counts?.accuracy), whole(counts?.asked)];
  })]);
  return [overall, make("details", {}, make("summary", {}, `${name}: ${sections.length} sections`),
    table("", "", sectionHeads, rows))];
}

function similarityTable(names) {
  const all = names.flatMap((name) => resultsOf("similarity", name).map((found) => [name, ...found]));
  const hasInterval = all.some(([, , , result]) => result.interval);
  const heads = [["set", ""], ...(compared() ? [["model", "text"]] : []), ["Spearman", "number"],
    ...(hasInterval ? [["95 % interval", "number"]] : []), ["", "scale"], ["pairs", "number"], ["of", "number"],
    ["coverage", "number"]];
  const write = (value) => decimals(value, 3);
  return table("Similarity", "rank correlation with people's scores", heads,
    all.map(([name, run, number, result]) => [
      name, ...(compared() ? [runLabel(run, number)] : []), write(result.spearman),
      ...(hasInterval ? [intervalText(result.interval, write)] : []),
      range(result.spearman, result.interval, number), whole(result.pairs), whole(result.of),
      percent(result.coverage)]));
}

const written = (value) => (Array.isArray(value) ? value.join(", ") : String(value ?? "")) || NOTHING;

function showSettings() {
  const runs = content.runs.filter((run) => run.manifest && Object.keys(run.manifest.config).length);
  if (!runs.length) return;
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.manifest.config)))];
  const values = (name) => runs.map((run) => name in run.manifest.config ? written(run.manifest.config[name]) : "");
  if (runs.length === 1) {
    show("settings", pairs(names.map((name) => [name, values(name)[0]])));
    return;
  }
  const differing = names.filter((name) => new Set(values(name)).size > 1);
  const heads = [["setting", ""], ...runs.map((run) => [run.name, "text"])];
  const rows = (chosen) => chosen.map((name) => [name, ...values(name)]);
  show("settings",
    differing.length ? table("Where the runs differ", "", heads, rows(differing))
      : make("p", { className: "quiet" }, "The runs have the same settings."),
    make("details", {}, make("summary", {}, `All ${names.length} settings`), table("", "", heads, rows(names))));
}

function pairs(entries) {
  return make("dl", { className: "pairs" }, ...entries.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function showProvenance() {
  const runs = content.runs.filter((run) => run.manifest);
  if (!runs.length) return;
  const facts = runs.map(factsOf);
  const names = [...new Set(facts.flatMap((some) => [...some.keys()]))];
  show("provenance", runs.length === 1 ? pairs([...facts[0]])
    : table("", "", [["", ""], ...runs.map((run) => [run.name, "text"])],
      names.map((name) => [name, ...facts.map((some) => some.get(name) ?? NOTHING)])));
  for (const run of runs) {
    const { corpus, files } = run.manifest;
    const rows = [
      ...corpus.map((file) => [`text: ${file.name}`, bytes(file.bytes), digest(file.sha256)]),
      ...Object.entries(files).map(([name, sha256]) => [name, "", digest(sha256)]),
    ];
    const title = compared() ? `${run.name}: text and files with their SHA-256` : "Text and files with their SHA-256";
    show("provenance", make("details", {}, make("summary", {}, title),
      table("", "", [["file", ""], ["size", "number"], ["SHA-256", "text"]], rows)));
  }
}

function factsOf(run) {
  const { packages, machine, timings, tokens, pairs } = run.manifest;
  return new Map([
    ...Object.entries({ ...packages, ...machine }).map(([name, value]) => [name, written(value)]),
    ["tokens of an epoch", whole(tokens)],
    ["pairs trained", whole(pairs)],
    ...Object.entries(timings).map(([name, seconds]) => [`time: ${name}`, duration(seconds)]),
  ]);
}

const digest = (sha256) => (sha256 ? make("code", {}, sha256) : NOTHING);
