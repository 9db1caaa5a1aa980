import { empty, h, keyed, replaceWhen, row, scroll, setText, table } from "./dom.js";
import { duration, inGroups, number, percent, setTime, short, timeAgo } from "./text.js";
import { loadOlder, onChange, pool } from "./pool.js";

const STATUS = {
  COMPLETE: { sign: "✓", text: "complete", style: "good" },
  REJECTED: { sign: "✕", text: "rejected", style: "bad" },
  ABANDONED: { sign: "–", text: "abandoned", style: "plain" },
};
const SHOWN = 8;
const COLUMNS_OF_MEMBERS = 12;
// More models than that are no table to read; the command and the API have all.
const MAX_MODELS = 50;
const DETAILS = [{ text: "Model" }, { text: "Coefficient", style: "number" }, { text: "Norm", style: "number" }, { text: "Share", style: "number" }];

const timeline = h("ol", { class: "timeline" });
const more = h("button", { type: "button", onclick: showMore }, "Show older releases");
const nothing = h("div");
let shown = SHOWN;

async function showMore() {
  shown += SHOWN;
  if (shown > pool.releases.size && pool.hasOlder) {
    await loadOlder();
  }
  render();
}

const names = (models) => models.map((model) => model.model).join(", ");

function verdictText(verdict) {
  const reference = verdict.reference_release > 0 && verdict.reference_accuracy !== null
    ? `, release ${verdict.reference_release} had ${percent(verdict.reference_accuracy)}` : "";
  const suspects = verdict.suspects.length > 0 ? `. It would pass without ${verdict.suspects.join(", ")}` : "";
  const leftOut = verdict.leave_out.length > 0 ? `. Left out from now on: ${names(verdict.leave_out)}` : "";
  return `Gate: ${verdict.passed ? "passed" : "failed"}. Accuracy ${percent(verdict.accuracy)}${reference}${verdict.held ? "; the alias was held" : ""}${suspects}${leftOut}`;
}

/** How a plan merges; settings that have no effect are left out. */
function methodFacts(method) {
  const facts = [["Method", method.name]];
  if (method.name === "fisher") {
    const isRelative = method.relative_fisher_weight !== null;
    facts.push(isRelative ? ["relative_fisher_weight", String(method.relative_fisher_weight)] : ["ε", String(method.minimal_fisher_weight)]);
    if (!isRelative) {
      facts.push(["Normalised", method.normalize_fisher_weight ? "yes" : "no"]);
    }
    if (method.fisher_exponent !== 1) {
      facts.push(["Exponent of the Fisher", String(method.fisher_exponent)]);
    }
  }
  if (method.prior !== null) {
    facts.push(["Prior", String(method.prior)]);
  }
  if (method.scale !== 1) {
    facts.push(["Scale", String(method.scale)]);
  }
  if (method.groups.length > 0) {
    facts.push(["Groups of parameters", method.groups.map(({ name, pattern }) => `${name}: ${pattern}`).join(", ")]);
  }
  return facts;
}

/** Seconds from the newest manifest to the release; null when the pool no longer has all versions in it. */
function arrivalSeconds(release) {
  const announced = release.plan.models.map(({ model, version }) => pool.models.get(`${model}@${version}`)?.announced_at);
  if (release.status !== "COMPLETE" || announced.length === 0 || announced.includes(undefined)) {
    return null;
  }
  const seconds = (Date.parse(release.at) - announced.reduce((last, at) => Math.max(last, Date.parse(at)), 0)) / 1000;
  return seconds < 0 ? null : seconds;
}

function arrival(release) {
  const seconds = arrivalSeconds(release);
  return seconds === null ? [] : [["From the newest manifest to release", duration(seconds)]];
}

/** Says that a table is cut, if it is. */
function cut(all) {
  return all > MAX_MODELS ? h("p", { class: "muted" }, `Shown: the ${MAX_MODELS} models with the largest shares, of ${number(all)}. The command releases --json has all.`) : null;
}

function details(release) {
  const models = table(`Models of release ${release.id}`, DETAILS, "stack");
  for (const model of [...release.plan.models].sort((a, b) => b.share - a.share).slice(0, MAX_MODELS)) {
    models.body.append(
      row(DETAILS, [
        [h("span", { class: "wrap" }, model.model), h("small", {}, `version ${model.version}, epoch ${model.epoch}`)],
        short(model.coefficient) + inGroups(model.group_coefficients),
        short(model.fisher_norm),
        percent(model.share),
      ]),
    );
  }
  const facts = [
    ["Base", `${release.plan.base.model}, version ${release.plan.base.version}`],
    ...methodFacts(release.plan.method),
    ...arrival(release),
    ["Constant's part of the weights", percent(release.plan.epsilon_share)],
    ["From plan to release", duration((Date.parse(release.at) - Date.parse(release.plan.created_at)) / 1000)],
    ["Shards", number(release.shards)],
    ["Checksum", release.checksum || "none"],
  ];
  const file = release.status === "COMPLETE" ? h("p", {}, h("a", { href: `v1/releases/${release.id}/safetensors`, download: `release-${release.id}.safetensors` }, "Download as safetensors")) : null;
  return h("div", {}, models.element, cut(release.plan.models.length), h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])), file);
}

function item() {
  const title = h("h3");
  const status = h("span", { class: "chip" });
  const aliases = h("span");
  const time = timeAgo(new Date(0).toISOString());
  const cause = h("p");
  const verdict = h("p");
  const reason = h("p", { class: "muted" });
  const warnings = h("div");
  const summary = h("summary");
  const content = h("div");
  const box = h("details", { ontoggle: () => box.open && fill() }, summary, content);
  const element = h("li", {}, h("div", { class: "head" }, title, status, aliases, time), cause, warnings, verdict, reason, box);
  let release;
  function fill() {
    replaceWhen(content, `${release.id} ${release.status} ${release.at}`, () => details(release));
  }
  return {
    element,
    update(value) {
      release = value;
      const look = STATUS[release.status] ?? { sign: "?", text: release.status.toLowerCase(), style: "plain" };
      element.dataset.release = release.id;
      element.dataset.status = release.status;
      element.classList.remove("complete", "rejected", "abandoned");
      element.classList.add(look.text);
      setText(title, `Release ${release.id}`);
      setText(status, `${look.sign} ${look.text}`);
      status.className = "chip " + look.style;
      const aliased = [...pool.aliases.values()].filter((alias) => alias.release === release.id).map((alias) => alias.name).sort();
      replaceWhen(aliases, JSON.stringify(aliased), () => aliased.map((name) => h("span", { class: "chip alias wrap" }, "→ " + name)));
      setTime(time, release.at);
      setText(cause, release.plan.cause);
      const notes = release.plan.warnings.map((warning) => "⚠ " + warning);
      release.plan.left_out.forEach(({ model, reason }) => notes.push(`⚠ without ${model}: ${reason}`));
      replaceWhen(warnings, JSON.stringify(notes), () => notes.map((text) => h("p", { class: "wait" }, text)));
      setText(verdict, release.verdict ? `${release.verdict.passed ? "✓" : "✕"} ${verdictText(release.verdict)}` : "");
      verdict.className = release.verdict ? (release.verdict.passed ? "good" : "bad") : "";
      setText(reason, release.reason);
      const models = release.plan.models.length;
      setText(summary, `${models} ${models === 1 ? "model" : "models"}, and how it was merged`);
      summary.setAttribute("aria-label", `Release ${release.id}: ${models} ${models === 1 ? "model" : "models"}, and how it was merged`);
      if (box.open) {
        fill();
      }
    },
  };
}

const newestFirst = () => [...pool.releases.values()].sort((a, b) => b.id - a.id);

function render() {
  const all = newestFirst();
  keyed(timeline, all.slice(0, shown), (release) => release.id, item);
  timeline.hidden = all.length === 0;
  more.hidden = all.length <= shown && !pool.hasOlder;
  replaceWhen(nothing, String(all.length > 0 || !pool.loaded), () =>
    all.length > 0 || !pool.loaded ? [] : empty("No release yet. The first follows when the base model and a fine-tuned model with its Fisher are complete. This command shows what is missing:", "bin/fisher-streams status"),
  );
  renderMembers(all);
  renderGate(all);
}

// ---- who is in which release

const members = document.getElementById("members-body");

function renderMembers(all) {
  const releases = all.filter((release) => release.status !== "ABANDONED" && release.plan.models.length > 0).slice(0, COLUMNS_OF_MEMBERS);
  replaceWhen(members, JSON.stringify(releases.map((release) => [release.id, release.status])), () => {
    if (releases.length === 0) {
      return empty("The first release fills this table.");
    }
    const shares = releases.map((release) => new Map(release.plan.models.map((model) => [model.model, model.share])));
    const largest = new Map();
    shares.forEach((map) => map.forEach((share, name) => largest.set(name, Math.max(share, largest.get(name) ?? 0))));
    const names = [...largest.keys()].sort((a, b) => largest.get(b) - largest.get(a)).slice(0, MAX_MODELS).sort();
    const columns = [{ text: "Model" }, ...releases.map((release) => ({ text: `Release ${release.id}${release.status === "REJECTED" ? " ✕" : ""}`, title: release.plan.cause }))];
    const heat = table("Share of each model in the newest releases", columns, "heat");
    for (const name of names) {
      const parts = shares.map((map) => map.get(name) ?? null);
      heat.body.append(row(columns, [h("span", { title: name }, name), ...parts.map((part) => (part === null ? "–" : percent(part)))]));
      shade(heat.body.lastElementChild, parts);
    }
    return [scroll("Share of each model in the newest releases", heat.element), cut(largest.size)].filter(Boolean);
  });
}

/** Colours the cells of a row by their values from 0 to 1; null has no colour. */
export function shade(element, parts) {
  parts.forEach((part, i) => {
    const cell = element.children[i + 1];
    if (part === null) {
      cell.classList.add("none");
    } else {
      cell.style.setProperty("--part", String(part));
    }
  });
}

// ---- release x task

const gate = document.getElementById("gate-body");

function renderGate(all) {
  const judged = all.filter((release) => release.verdict);
  replaceWhen(gate, judged.length === 0 ? "none" : JSON.stringify(judged.map((release) => [release.id, release.status, release.verdict.accuracy])), () => {
    if (judged.length === 0) {
      return empty(
        "No release was judged. A gate measures each release on labelled examples and moves an alias only to a release that is good enough. Write gate into the configuration (docs/releases.md), and start the pool with it, or the stage alone on a cluster:",
        "bin/fisher-streams serve --config pool.yaml",
        "bin/fisher-streams run --stages gate --config pool.yaml",
      );
    }
    const tasks = [...new Set(judged.flatMap((release) => release.verdict.tasks.map((task) => task.task)))].sort();
    const columns = [{ text: "Release" }, { text: "Verdict" }, { text: "Mean" }, ...tasks.map((task) => ({ text: task }))];
    const heat = table("Accuracy by release and task", columns, "heat");
    for (const release of judged) {
      const of = (task) => release.verdict.tasks.find((result) => result.task === task)?.accuracy ?? null;
      const parts = [null, release.verdict.accuracy, ...tasks.map(of)];
      heat.body.append(row(columns, [`Release ${release.id}`, release.verdict.passed ? "✓ passed" : "✕ failed", ...parts.slice(1).map((part) => (part === null ? "–" : percent(part)))]));
      shade(heat.body.lastElementChild, parts);
    }
    return scroll("Accuracy by release and task", heat.element);
  });
}

export function startReleases() {
  document.getElementById("releases-body").append(nothing, timeline, more);
  onChange(["releases", "aliases", "problem"], render);
}
