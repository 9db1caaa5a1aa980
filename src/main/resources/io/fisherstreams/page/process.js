// The process that serves this page: what an operator looks at first when something is slow.

import { h, keyed, replaceWhen, row, setText, table } from "./dom.js";
import { bytes, count, duration, number } from "./text.js";
import { onChange, pool, readProcess } from "./pool.js";

const EVERY_MILLIS = 5000;
const POLL_LIMIT_MILLIS = 300_000;
const NEAR = 0.9;

const STAGES = [{ text: "Stage" }, { text: "State", style: "whole" }, { text: "To restore", style: "number" }, { text: "Replaced threads", style: "number" }, { text: "Rejected records", style: "number" }];
const stages = table("Stages of this process", STAGES, "stack");
const facts = h("dl", { class: "facts" });
const body = document.getElementById("process-body");

function stageRow() {
  const name = h("span", { class: "wrap" });
  const state = h("span", { class: "state" });
  const counts = [h("span"), h("span"), h("span")];
  return {
    element: row(STAGES, [name, state, ...counts]),
    update(stage) {
      setText(name, stage.stage);
      const [sign, text, style] = stage.ended ? ["✕", "has ended", "bad"] : stage.ready ? ["✓", "ready", "good"] : ["…", "waits for its work", "wait"];
      setText(state, `${sign} ${text}`);
      state.className = "state " + style;
      [stage.restore_remaining_records, stage.replaced_threads, stage.rejected_records].forEach((value, i) => setText(counts[i], value === null ? "–" : number(value)));
    },
  };
}

const known = (value, text) => (value === null ? "not known" : text(value));

/** A fact: its name, its text, and whether somebody should look at it. */
function factsOf({ servers, memory, disk, files, kafka, webhooks }) {
  const used = (have, all, text) => (have === null || all === null || all <= 0 ? known(have, text) : `${text(have)} of ${text(all)}`);
  return [
    ...servers.map(({ server, answers }) => [server === "kafka" ? "Kafka" : "Schema registry", answers ? "✓ answers" : "✕ does not answer", !answers]),
    ["Heap", used(memory.heap_bytes, memory.heap_max_bytes, bytes), memory.heap_bytes > NEAR * memory.heap_max_bytes],
    ["Direct buffers", known(memory.direct_bytes, bytes), false],
    ["Stores (RocksDB)", known(memory.stores_bytes, bytes), false],
    ["Memory in RAM", known(memory.resident_bytes, bytes), false],
    ["Free disk", used(disk.free_bytes, disk.total_bytes, bytes), disk.free_bytes !== null && disk.free_bytes < (1 - NEAR) * disk.total_bytes],
    ["Open files", used(files.open, files.max, number), files.open > NEAR * files.max],
    ["Rebalances", known(kafka.rebalances, number), false],
    ["Kafka's errors", known(kafka.record_errors, (value) => count(value, "record", "records")), kafka.record_errors > 0],
    ["Longest time between polls", known(kafka.longest_poll_gap_millis, (value) => `${duration(value / 1000)} of ${duration(POLL_LIMIT_MILLIS / 1000)}`), kafka.longest_poll_gap_millis > POLL_LIMIT_MILLIS / 2],
    ...webhooks.map((hook) => [
      `Webhook ${hook.webhook}`,
      `${known(hook.accepted, number)} accepted, ${known(hook.failed, (value) => count(value, "failed attempt", "failed attempts"))}${hook.waiting_seconds > 0 ? `; an event waits for ${duration(hook.waiting_seconds)}` : ""}`,
      hook.waiting_seconds > 60,
    ]),
  ];
}

function render() {
  if (pool.process === null) {
    return;
  }
  keyed(stages.body, pool.process.stages, (stage) => stage.stage, stageRow);
  const all = factsOf(pool.process);
  replaceWhen(facts, JSON.stringify(all), () => all.map(([name, text, alarm]) => h("div", {}, h("dt", {}, name), h("dd", { class: alarm ? "bad" : null }, alarm && !text.startsWith("✕") ? "✕ " + text : text))));
}

export function startProcess() {
  body.append(h("div", { class: "card" }, stages.element, facts));
  onChange(["process"], render);
  setInterval(() => document.visibilityState === "visible" && pool.connection.state === "live" && readProcess(), EVERY_MILLIS);
}
