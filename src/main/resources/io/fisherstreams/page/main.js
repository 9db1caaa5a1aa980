// The page of one pool. It only reads: the API tells what is there and what changes.

import { h, keyed, setText } from "./dom.js";
import { startMatrices } from "./matrices.js";
import { startModels } from "./models.js";
import { startOperation } from "./operation.js";
import { connect, connectionText, newestComplete, onAnnouncement, onChange, pool } from "./pool.js";
import { startProcess } from "./process.js";
import { startReleases } from "./releases.js";
import { ago, count, number, tick } from "./text.js";

const TICK_MILLIS = 5000;
const ANNOUNCE_MILLIS = 1500;

// ---- tiles

function tile({ name }) {
  const value = h("dd");
  const note = h("dd", { class: "note" });
  return {
    element: h("div", {}, h("dt", {}, name), value, note),
    update(item) {
      setText(value, item.value);
      value.className = "value " + (item.style ?? "");
      setText(note, item.note ?? "");
    },
  };
}

function renderTiles() {
  const { summary } = pool;
  const models = [...pool.models.values()].filter((model) => model.role !== "BASE");
  const ready = models.filter((model) => model.state === "READY").length;
  const rejected = models.filter((model) => model.state === "REJECTED").length;
  const leftOut = models.filter((model) => model.state === "LEFT_OUT").length;
  const waits = models.length - ready - rejected - leftOut;
  const states = [waits > 0 ? `… ${number(waits)} waiting` : null, leftOut > 0 ? `✕ ${number(leftOut)} left out` : null, rejected > 0 ? `✕ ${number(rejected)} rejected` : null];
  const newest = newestComplete();
  const lags = (summary?.stages ?? []).map((stage) => stage.lag_records).filter((lag) => lag !== null);
  const lag = lags.reduce((sum, value) => sum + value, 0);
  const absent = (summary?.stages ?? []).filter((stage) => stage.instances?.length === 0).map((stage) => stage.stage);
  const rate = (summary?.topics ?? []).reduce((sum, topic) => sum + topic.records_per_second, 0);
  const tiles = [
    { name: "models ready", value: `${number(ready)} of ${number(models.length)}`, note: states.filter(Boolean).join(", "), style: rejected + leftOut > 0 ? "bad" : waits > 0 ? "wait" : "" },
    { name: "newest release", value: newest ? String(newest.id) : "none", note: newest ? `${ago(Date.parse(newest.at))}: ${newest.plan.cause}` : "" },
    { name: "records behind", value: lags.length === 0 ? "–" : number(lag), note: absent.length > 0 ? `✕ no instance of ${absent.join(", ")}` : "all stages together", style: absent.length > 0 ? "bad" : "" },
    { name: "records a second", value: summary === null ? "–" : number(Math.round(rate)), note: "written, all topics" },
    { name: "dead letters", value: number(pool.deadLetterCount), note: pool.deadLetterCount > 0 ? "✕ see the reasons below" : "", style: pool.deadLetterCount > 0 ? "bad" : "" },
  ];
  keyed(document.getElementById("tiles"), tiles, (item) => item.name, tile);
}

function renderHead() {
  const { summary } = pool;
  if (summary !== null) {
    setText(document.getElementById("pool-name"), summary.name);
    const base = summary.base === null ? "no base model" : `base model ${summary.base.model}`;
    setText(document.getElementById("pool-line"), `FisherStreams ${summary.build} · ${base} · ${count(summary.partitions, "partition", "partitions")}`);
    const newest = newestComplete();
    document.title = `${summary.name}${newest ? ": release " + newest.id : ""} – FisherStreams`;
  }
}

function renderConnection() {
  const element = document.getElementById("connection");
  element.dataset.state = pool.connection.state;
  setText(element, connectionText());
  document.body.classList.toggle("stale", pool.connection.state === "lost");
}

function renderProblem() {
  const element = document.getElementById("problem");
  element.hidden = pool.problem === null;
  setText(element, pool.problem === null ? "" : `The pool cannot be read: ${pool.problem}`);
}

// ---- what screen readers speak: a burst becomes one text

let texts = [];
let speaking = null;

function announce(text) {
  texts.push(text);
  speaking ??= setTimeout(() => {
    speaking = null;
    const spoken = texts.length > 3 ? [...texts.slice(0, 3), `and ${texts.length - 3} more changes`] : texts;
    texts = [];
    document.getElementById("announcer").textContent = spoken.join(". ");
  }, ANNOUNCE_MILLIS);
}

onAnnouncement(announce);
onChange(["summary", "models", "releases", "dead letters"], renderTiles);
onChange(["summary", "releases"], renderHead);
onChange(["connection"], renderConnection);
onChange(["problem"], renderProblem);
startModels();
startReleases();
startMatrices();
startOperation();
startProcess();
renderTiles();
setInterval(() => {
  tick();
  renderTiles();
}, TICK_MILLIS);
connect();
