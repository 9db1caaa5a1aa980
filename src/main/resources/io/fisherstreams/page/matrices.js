// The heat map layer × model of shares, and the similarity matrix.

import { empty, h, replaceWhen, row, scroll, table } from "./dom.js";
import { compare, newestComplete, onChange, pool } from "./pool.js";
import { shade } from "./releases.js";
import { number, percent } from "./text.js";

// More cells than that are no picture any more; the command writes them all.
const MAX_MODELS = 24;
const MAX_LAYERS = 60;

const shares = document.getElementById("shares-body");
const similarity = document.getElementById("similarity-body");

function key(from, to) {
  return h("p", { class: "key", "aria-hidden": "true" }, from, h("i"), to);
}

function renderShares() {
  const { release, models, whole, layers } = pool.shares ?? {};
  replaceWhen(shares, pool.shares === null ? `none ${pool.sharesProblem}` : String(release), () => {
    if (pool.shares === null) {
      return empty(pool.sharesProblem ?? "The shares appear with the first release.");
    }
    // The models that decide most, when there are too many for a table.
    const order = models.map((_, i) => i).sort((a, b) => whole.share[b] - whole.share[a]).slice(0, MAX_MODELS);
    const columns = [{ text: "Layer" }, ...order.map((i) => ({ text: models[i].model }))];
    const largest = Math.max(...whole.share, ...layers.slice(0, MAX_LAYERS).flatMap((layer) => layer.share));
    const caption = `Share of each model in each layer of release ${release}`;
    const heat = table(caption, columns, "heat");
    const line = (name, entries, share, strong) => {
      const texts = order.map((i) => (strong ? h("b", {}, percent(share[i], 0)) : percent(share[i], 0)));
      heat.body.append(row(columns, [h("span", { title: `${name}: ${number(entries)} entries` }, name), ...texts]));
      shade(heat.body.lastElementChild, order.map((i) => share[i] / largest));
    };
    line("all layers", whole.entries, whole.share, true);
    layers.slice(0, MAX_LAYERS).forEach((layer) => line(layer.layer, layer.entries, layer.share, false));
    const cut = models.length > MAX_MODELS || layers.length > MAX_LAYERS
      ? h("p", { class: "muted" }, `Shown: ${order.length} of ${models.length} models, ${Math.min(layers.length, MAX_LAYERS)} of ${layers.length} layers. The command similarity --csv writes all.`) : null;
    return [h("p", { class: "muted" }, `Release ${release}`), scroll(caption, heat.element), key("0 %", percent(largest, 0)), cut].filter(Boolean);
  });
}

function button(release, text) {
  return h("p", {}, h("button", { type: "button", onclick: () => compare(release) }, text));
}

function matrix({ release, models, whole }) {
  const columns = [{ text: "Model" }, ...models.slice(0, MAX_MODELS).map((model) => ({ text: model.model }))];
  const caption = `Cosine of the Fishers of every two models of release ${release}`;
  const heat = table(caption, columns, "heat");
  models.slice(0, MAX_MODELS).forEach((model, i) => {
    const cosines = whole.cosine[i].slice(0, MAX_MODELS);
    heat.body.append(row(columns, [h("span", { title: model.model }, model.model), ...cosines.map((cosine) => (cosine === null ? "–" : cosine.toFixed(2)))]));
    shade(heat.body.lastElementChild, cosines);
  });
  const cut = models.length > MAX_MODELS ? h("p", { class: "muted" }, `Shown: ${MAX_MODELS} of ${models.length} models. The command similarity --csv writes all.`) : null;
  return [h("p", { class: "muted" }, `Release ${release}`), scroll(caption, heat.element), key("0", "1"), cut].filter(Boolean);
}

function renderSimilarity() {
  const newest = newestComplete()?.id;
  const { release, done, result, problem } = pool.similarity ?? {};
  replaceWhen(similarity, JSON.stringify([newest, release, done, problem, Boolean(result)]), () => {
    if (newest === undefined) {
      return empty("The first release can be compared.");
    }
    const again = release === newest ? [] : [button(newest, `Compare the Fishers of release ${newest}`)];
    if (release === undefined) {
      return [h("p", {}, "The comparison reads every Fisher of the release once."), ...again];
    }
    if (problem !== undefined) {
      return [h("p", { class: "notice bad" }, `Release ${release}: ${problem}`), button(newest, `Compare the Fishers of release ${newest}`)];
    }
    if (result === undefined) {
      return [h("p", { role: "status" }, `Reading the Fishers of release ${release}: ${percent(done, 0)} `, h("progress", { max: 1, value: done, "aria-label": "Fishers read" }))];
    }
    return [...matrix(result), ...again];
  });
}

export function startMatrices() {
  onChange(["shares", "releases"], renderShares);
  onChange(["similarity", "releases", "problem"], renderSimilarity);
  renderShares();
}
