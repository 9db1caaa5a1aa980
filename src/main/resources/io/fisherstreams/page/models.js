import { empty, h, keyed, row, setAttribute, setText, table } from "./dom.js";
import { count, inGroups, isPlain, number, percent, setTime, short, timeAgo } from "./text.js";
import { newestComplete, onChange, pool } from "./pool.js";

const FILTER_FROM = 8;
// More rows than that are no list to read; those that need somebody come first then.
const SHOWN = 50;
const MORE = 200;

const STATES = {
  READY: { sign: "✓", text: "ready", style: "good" },
  INCOMPLETE: { sign: "…", text: "incomplete", style: "wait" },
  AWAITS_FISHER: { sign: "…", text: "awaits its Fisher", style: "wait" },
  AWAITS_BASE: { sign: "…", text: "awaits the base", style: "wait" },
  LEFT_OUT: { sign: "✕", text: "left out", style: "bad" },
  REJECTED: { sign: "✕", text: "rejected", style: "bad" },
};

const COLUMNS = [
  { text: "Model" },
  { text: "State", style: "whole" },
  { text: "Arrived so far", style: "whole" },
  { text: "Coefficient", style: "number" },
  { text: "Share", style: "number" },
];

// Where the style makes rows cards, the base model has no empty lines.
const narrow = matchMedia("(max-width: 720px)");
const body = document.getElementById("models-body");
const rows = table("Models of the pool, with their state, what has arrived, coefficient and share", COLUMNS, "stack");
const list = h("div", { class: "card" }, rows.element);
const search = h("input", { type: "search", "aria-label": "Show only models whose name contains", placeholder: "Name contains …", oninput: () => render() });
const waitingOnly = h("input", { type: "checkbox", onchange: () => render() });
const controls = h("div", { class: "controls" }, search, h("label", {}, waitingOnly, " only those that wait"), h("span", { class: "muted", role: "status" }));
const more = h("button", { type: "button", onclick: () => { limit += MORE; render(); } });
const nothing = h("div");
let limit = SHOWN;
const note = h("p", { class: "muted" }, "n is the number of models in a release.");

function bar(label) {
  const name = h("span", { "aria-hidden": "true" }, label);
  const progress = h("progress", { value: 0, max: 1 });
  const output = h("output");
  return {
    elements: [name, progress, output],
    update(present, wanted, model) {
      const hidden = wanted === null;
      [name, progress, output].forEach((element) => (element.hidden = hidden));
      if (!hidden) {
        // A bar without a maximum counts as full: there is nothing to wait for.
        setAttribute(progress, "max", Math.max(1, wanted));
        setAttribute(progress, "value", wanted === 0 ? 1 : present);
        setAttribute(progress, "aria-label", `${label} of ${model}`);
        setText(output, `${number(present)} of ${number(wanted)}`);
      }
    },
  };
}

function isComplete({ state, checkpoint, fisher, examples }) {
  return state === "READY" && checkpoint.present >= checkpoint.wanted && fisher.sealed >= fisher.wanted && (examples === null || examples.counted >= examples.wanted);
}

function summaryOf({ role, checkpoint, fisher, examples }) {
  const parts = [count(checkpoint.wanted, "checkpoint shard", "checkpoint shards")];
  if (role !== "BASE") {
    parts.push(`${number(fisher.wanted)} of the Fisher`);
  }
  if (examples !== null) {
    parts.push(count(examples.counted, "example", "examples"));
  }
  return parts.join(", ");
}

/** What the user can do about a model that waits. */
function advice(model) {
  if (!isPlain(model.name) || model.state === "READY" || model.role === "BASE") {
    return "";
  }
  if (model.missing?.kind === "checkpoint") {
    return `Its publisher has not sent all shards. If it has stopped: publish checkpoint … --model ${model.name}`;
  }
  if (model.missing?.kind === "fisher") {
    return model.estimator === null
      ? `To send its Fisher: publish fisher … --model ${model.name}`
      : `To send its examples: publish examples … --model ${model.name}`;
  }
  return "";
}

function modelRow() {
  const name = h("span", { class: "wrap" });
  const base = h("span", { class: "chip plain" }, "base model");
  const version = h("small");
  const announced = timeAgo(new Date(0).toISOString());
  const state = h("span", { class: "state" });
  const reason = h("small");
  const missing = h("small");
  const hint = h("small");
  const checkpoint = bar("checkpoint");
  const fisher = bar("Fisher");
  const examples = bar("examples");
  const bars = h("div", { class: "progress" }, checkpoint.elements, fisher.elements, examples.elements);
  const arrived = h("small");
  const coefficient = h("span");
  const share = h("span");
  const shareBar = h("progress", { max: 1, value: 0 });
  const shareNote = h("small");
  const element = row(COLUMNS, [
    [name, " ", base, version],
    [state, " ", reason, missing, hint],
    [bars, arrived],
    coefficient,
    h("div", { class: "share" }, share, " ", shareBar, shareNote),
  ]);
  version.append(h("span"), " · ", announced);
  return {
    element,
    update(model) {
      const look = STATES[model.state] ?? { sign: "?", text: model.state.toLowerCase(), style: "" };
      element.dataset.model = model.name;
      element.dataset.state = model.state;
      setText(name, model.name);
      base.hidden = model.role !== "BASE";
      setText(version.firstChild, `version ${model.version}`);
      setTime(announced, model.announced_at);
      setText(state, `${look.sign} ${look.text}`);
      state.className = "state " + look.style;
      setText(reason, model.state === "READY" || model.reason === look.text ? "" : model.reason);
      const first = model.missing?.first ?? [];
      setText(missing, first.length === 0 ? "" : `missing ${model.missing.kind === "fisher" ? "Fisher" : "checkpoint"} shards, the first: ${first.slice(0, 3).join(", ")}`);
      setText(hint, advice(model));
      checkpoint.update(model.checkpoint.present, model.checkpoint.wanted, model.name);
      fisher.update(model.fisher.sealed, model.role === "BASE" ? null : model.fisher.wanted, model.name);
      examples.update(model.examples?.counted ?? 0, model.examples?.wanted ?? null, model.name);
      const isBase = model.role === "BASE";
      // Bars for what moves; of a complete model only the numbers.
      const complete = isComplete(model);
      bars.hidden = complete;
      setText(arrived, complete ? summaryOf(model) : "");
      element.children[3].hidden = element.children[4].hidden = isBase && narrow.matches;
      setText(coefficient, isBase ? "" : (model.coefficient === null ? "1/n" : short(model.coefficient)) + inGroups(model.group_coefficients));
      setText(share, model.share === null ? "" : percent(model.share));
      shareBar.hidden = model.share === null;
      setAttribute(shareBar, "value", model.share ?? 0);
      setAttribute(shareBar, "aria-label", `share of ${model.name}`);
      setText(shareNote, isBase ? "" : model.merged_in === null ? (newestComplete() ? "not in the newest release" : "") : `in release ${model.merged_in}`);
    },
  };
}

function render() {
  const isLong = pool.models.size > SHOWN;
  const rank = ({ role, state }) => (role === "BASE" ? 0 : isLong && state !== "READY" ? 1 : 2);
  const all = [...pool.models.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version - b.version));
  controls.hidden = all.length < FILTER_FROM;
  const wanted = search.value.toLowerCase();
  const found = all.filter((model) => model.name.toLowerCase().includes(wanted) && (!waitingOnly.checked || model.state !== "READY"));
  const shown = found.slice(0, limit);
  setText(controls.lastElementChild, found.length === all.length ? "" : `${count(found.length, "model", "models")} of ${number(all.length)}`);
  const left = found.length - shown.length;
  more.hidden = left === 0;
  setText(more, `Show ${number(Math.min(MORE, left))} more of ${count(left, "model", "models")}`);
  keyed(rows.body, shown, (model) => model.name + "@" + model.version, modelRow);
  list.hidden = shown.length === 0;
  note.hidden = !shown.some((model) => model.role !== "BASE" && model.coefficient === null);
  const hasBase = all.some((model) => model.role === "BASE");
  const key = !pool.loaded ? "loading" : !hasBase ? "base" : all.length === 1 ? "models" : "";
  if (nothing.dataset.key !== key) {
    nothing.dataset.key = key;
    nothing.replaceChildren(...hints(key));
  }
}

function hints(key) {
  switch (key) {
    case "base":
      return [
        empty(
          "This pool has no base model yet. Publish the model from which the others were fine-tuned. These commands publish the small networks that come with FisherStreams (on a cluster, add --config pool.yaml):",
          "bin/fisher-streams publish checkpoint examples/base --model base --base",
        ),
      ];
    case "models":
      return [
        empty(
          "The base model is here. Publish the first fine-tuned model and its Fisher:",
          "bin/fisher-streams publish checkpoint examples/cars --model cars",
          "bin/fisher-streams publish fisher examples/cars.fisher.safetensors --model cars",
        ),
      ];
    default:
      return [];
  }
}

export function startModels() {
  list.append(more, note);
  body.append(controls, list, nothing);
  onChange(["models", "problem"], render);
  narrow.addEventListener("change", render);
}
