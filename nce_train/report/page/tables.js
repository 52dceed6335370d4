// Tables and lists: summary, evaluation, settings, provenance.

const lastLoss = (model) => model.readings.loss.findLast((loss) => loss !== null) ?? null;

// heads: [text, class] for each column; the first column names the row.
function table(title, note, heads, rows) {
  const head = make("tr", {}, ...heads.map(([text, className]) => make("th", { scope: "col", className }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, column) => (column === 0
    ? make("th", { scope: "row" }, cell) : make("td", { className: heads[column][1] }, cell)))));
  return make("div", { className: "card" },
    title ? make("h3", {}, title, " ", make("small", {}, note)) : null,
    make("div", { className: "scroll" },
      make("table", { ariaLabel: title || null }, make("thead", {}, head), make("tbody", {}, ...body))));
}

function showSummary() {
  const facts = (model) => {
    const manifest = model.manifest ?? {};
    return [
      ["words", integer(model.vocabulary)],
      ["dim", integer(model.dim)],
      ["tokens trained", compact(manifest.tokens_trained)],
      ["training", duration(manifest.timings?.train)],
      ["tokens per second", compact(manifest.tokens_per_second)],
      ["loss at the end", decimal(lastLoss(model), 4)],
      ["peak memory", bytes(manifest.peak_memory_bytes)],
    ];
  };
  if (isComparison()) {
    const heads = [["model", ""], ...facts(content.models[0]).map(([name]) => [name, "number"])];
    const rows = content.models.map((model, number) =>
      [modelLabel(model, number), ...facts(model).map(([, value]) => value)]);
    showSection("summary", table("", "", heads, rows));
    return;
  }
  const tiles = facts(content.models[0])
    .filter(([, value]) => value !== NO_VALUE)
    .map(([name, value]) => make("div", { className: "tile" }, make("dt", {}, name), make("dd", {}, value)));
  showSection("summary", make("dl", { className: "tiles" }, ...tiles));
}

// A value and its interval, if there is one, on a scale from 0 to 1; empty for a negative value.
function scaleWithValue(value, interval, number) {
  if (value === null || value === undefined || value < 0) return "";
  const at = (position) => `${100 * Math.min(1, Math.max(0, position))}%`;
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
  for (const part of scale.children) part.style.background = `var(--model-${number % MODEL_COLOURS})`;
  return scale;
}

function showEvaluation() {
  const names = (kind) => [...new Set(content.models.flatMap((model) => Object.keys(model.evaluation[kind] ?? {})))];
  for (const name of names("analogies")) byId("evaluation").append(...analogyTables(name));
  const similarities = names("similarity");
  if (similarities.length) byId("evaluation").append(similarityTable(similarities));
}

// [model, number, result] for each model that has a result on this set.
function resultsOf(kind, name) {
  return content.models
    .map((model, number) => [model, number, model.evaluation[kind]?.[name]])
    .filter(([, , result]) => result !== undefined);
}

function intervalText(interval, format) {
  return interval ? `${format(interval[0])} – ${format(interval[1])}` : NO_VALUE;
}

function analogyTables(name) {
  const results = resultsOf("analogies", name);
  const hasInterval = results.some(([, , result]) => result.interval);
  const heads = [["model", ""], ["accuracy", "number"], ...(hasInterval ? [["95 % interval", "number"]] : []),
    ["", "scale"], ["correct", "number"], ["asked", "number"], ["of", "number"], ["coverage", "number"]];
  const words = [...new Set(results.map(([, , result]) => integer(result.words)))].join(" or ");
  const overall = table(name, `analogies among ${words} words`, heads, results.map(([model, number, result]) => [
    modelLabel(model, number), percent(result.accuracy),
    ...(hasInterval ? [intervalText(result.interval, percent)] : []),
    scaleWithValue(result.accuracy, result.interval, number), integer(result.correct), integer(result.asked),
    integer(result.questions), percent(result.coverage)]));

  const sections = [...new Set(results.flatMap(([, , result]) => Object.keys(result.sections)))];
  if (sections.length < 2) return [overall];
  const sectionHeads = [["section", ""], ...results.flatMap(([model]) =>
    [[isComparison() ? model.name : "accuracy", "number"], ["asked", "number"]])];
  const rows = sections.map((section) => [section || "(no section)", ...results.flatMap(([, , result]) => {
    const counts = result.sections[section];
    return [percent(counts?.accuracy), integer(counts?.asked)];
  })]);
  return [overall, make("details", {}, make("summary", {}, `${name}: ${sections.length} sections`),
    table("", "", sectionHeads, rows))];
}

function similarityTable(names) {
  const all = names.flatMap((name) => resultsOf("similarity", name).map((result) => [name, ...result]));
  const hasInterval = all.some(([, , , result]) => result.interval);
  const heads = [["set", ""], ...(isComparison() ? [["model", "text"]] : []), ["Spearman", "number"],
    ...(hasInterval ? [["95 % interval", "number"]] : []), ["", "scale"], ["pairs", "number"], ["of", "number"],
    ["coverage", "number"]];
  const format = (value) => decimal(value, 3);
  return table("Similarity", "rank correlation with people's scores", heads,
    all.map(([name, model, number, result]) => [
      name, ...(isComparison() ? [modelLabel(model, number)] : []), format(result.spearman),
      ...(hasInterval ? [intervalText(result.interval, format)] : []),
      scaleWithValue(result.spearman, result.interval, number), integer(result.pairs), integer(result.of),
      percent(result.coverage)]));
}

const settingText = (value) => (Array.isArray(value) ? value.join(", ") : String(value ?? "")) || NO_VALUE;

function showSettings() {
  const models = content.models.filter((model) => model.manifest && Object.keys(model.manifest.config).length);
  if (!models.length) return;
  const configs = models.map((model) => model.manifest.config);
  const names = [...new Set(configs.flatMap(Object.keys))];
  const values = (name) => configs.map((config) => (name in config ? settingText(config[name]) : ""));
  if (models.length === 1) {
    showSection("settings", pairs(names.map((name) => [name, values(name)[0]])));
    return;
  }
  const differing = names.filter((name) => new Set(values(name)).size > 1);
  const heads = [["setting", ""], ...models.map((model) => [model.name, "text"])];
  const rows = (settings) => settings.map((name) => [name, ...values(name)]);
  showSection("settings",
    differing.length ? table("Where the runs differ", "", heads, rows(differing))
      : make("p", { className: "quiet" }, "The runs have the same settings."),
    make("details", {}, make("summary", {}, `All ${names.length} settings`), table("", "", heads, rows(names))));
}

function pairs(entries) {
  return make("dl", { className: "pairs" }, ...entries.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function showProvenance() {
  const models = content.models.filter((model) => model.manifest);
  if (!models.length) return;
  const facts = models.map(({ manifest }) => provenanceOf(manifest));
  const names = [...new Set(facts.flatMap((values) => [...values.keys()]))];
  showSection("provenance", models.length === 1 ? pairs([...facts[0]])
    : table("", "", [["", ""], ...models.map((model) => [model.name, "text"])],
      names.map((name) => [name, ...facts.map((values) => values.get(name) ?? NO_VALUE)])));
  for (const { name, manifest: { corpus, files } } of models) {
    const rows = [
      ...corpus.map((file) => [`text: ${file.name}`, bytes(file.bytes), digest(file.sha256)]),
      ...Object.entries(files).map(([file, sha256]) => [file, "", digest(sha256)]),
    ];
    const title = isComparison() ? `${name}: text and files with their SHA-256` : "Text and files with their SHA-256";
    showSection("provenance", make("details", {}, make("summary", {}, title),
      table("", "", [["file", ""], ["size", "number"], ["SHA-256", "text"]], rows)));
  }
}

function provenanceOf({ packages, machine, timings, tokens, pairs }) {
  return new Map([
    ...Object.entries({ ...packages, ...machine }).map(([name, value]) => [name, settingText(value)]),
    ["tokens of an epoch", integer(tokens)],
    ["pairs trained", integer(pairs)],
    ...Object.entries(timings).map(([name, seconds]) => [`time: ${name}`, duration(seconds)]),
  ]);
}

const digest = (sha256) => (sha256 ? make("code", {}, sha256) : NO_VALUE);
