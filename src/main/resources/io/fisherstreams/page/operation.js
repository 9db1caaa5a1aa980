// Stages, traffic, dead letters, aliases and what happened.

import { command, empty, h, keyed, replaceWhen, row, setText, svg, table } from "./dom.js";
import { bytes, count, number, setTime, timeAgo } from "./text.js";
import { newestComplete, onChange, pool } from "./pool.js";

// ---- stages

const STAGES = [{ text: "Stage" }, { text: "Instances", style: "whole" }, { text: "Records behind", style: "number" }];
const stages = table("Stages with their instances and lag", STAGES, "stack");

function stageRow() {
  const name = h("span", { class: "wrap" });
  const instances = h("div");
  const lag = h("span");
  return {
    element: row(STAGES, [name, instances, lag]),
    update(stage) {
      setText(name, stage.stage);
      setText(lag, stage.lag_records === null ? "not known" : number(stage.lag_records));
      replaceWhen(instances, JSON.stringify(stage.instances), () => describe(stage.instances));
    },
  };
}

/** The part of our own client ids that differs between processes; another client id as it is. */
const shortClient = (client) => /-([0-9a-f]{8})-[0-9a-f-]{27}-build-/.exec(client)?.[1] ?? client;

function describe(instances) {
  if (instances === null) {
    return "This server may not read them.";
  }
  if (instances.length === 0) {
    return h("span", { class: "bad state" }, "✕ no instance is running");
  }
  return instances.map((instance) =>
    h(
      "div",
      { class: "wrap" },
      `✓ ${instance.host}, ${count(instance.partitions, "partition", "partitions")}`,
      h("small", { title: instance.client }, [instance.build ? `version ${instance.build}` : null, shortClient(instance.client)].filter(Boolean).join(" · ")),
    ),
  );
}

// ---- traffic

const TRAFFIC = [{ text: "Topic" }, { text: "Records", style: "number" }, { text: "Records a second", style: "number" }, { text: "Bytes", style: "number" }];
const traffic = table("Records and bytes by topic", TRAFFIC, "stack");

function topicRow() {
  const name = h("span", { class: "wrap" });
  const records = h("span");
  const rate = h("span", { class: "rate" });
  const picture = h("span", { "aria-hidden": "true" });
  const size = h("span");
  return {
    element: row(TRAFFIC, [name, records, h("div", {}, picture, " ", rate), size]),
    update(topic) {
      setText(name, topic.topic);
      setText(records, number(topic.records));
      setText(rate, topic.records_per_second.toFixed(1));
      setText(size, topic.bytes === null ? "not known" : bytes(topic.bytes));
      picture.replaceChildren(sparkline(pool.rates.get(topic.topic) ?? []));
    },
  };
}

function sparkline(values) {
  const largest = Math.max(1, ...values);
  const points = values.map((value, i) => `${((90 * (i + 60 - values.length)) / 59).toFixed(1)},${(18 - (16 * value) / largest).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: "0 0 90 20", preserveAspectRatio: "none" }, svg("line", { x1: 0, x2: 90, y1: 19, y2: 19 }), svg("polyline", { points: points.join(" ") }));
}

function renderSummary() {
  if (pool.summary !== null) {
    keyed(stages.body, pool.summary.stages, (stage) => stage.stage, stageRow);
    keyed(traffic.body, pool.summary.topics, (topic) => topic.topic, topicRow);
  }
}

// ---- dead letters

const LETTERS = [{ text: "Reason" }, { text: "Came from" }, { text: "Rejected by" }, { text: "When" }];
const letters = table("The newest dead letters", LETTERS, "stack");
const letterCard = h("div", { class: "card" }, letters.element);
const kinds = h("div");
const noLetters = h("div");
const letterHelp = h("div");

function letterRow() {
  const reason = h("span", { class: "wrap" });
  const origin = h("span", { class: "wrap" });
  const key = h("small");
  const stage = h("span");
  const time = timeAgo(new Date(0).toISOString());
  const number = h("small");
  const element = row(LETTERS, [reason, h("div", {}, origin, key), h("div", {}, stage, number), time]);
  return {
    element,
    update(letter) {
      setText(reason, letter.reason);
      setText(origin, `${letter.origin.topic}, partition ${letter.origin.partition}, offset ${letter.origin.offset}`);
      setText(key, `key ${letter.origin.key}`);
      setText(stage, letter.stage);
      setText(number, `dead letter ${letter.offset}`);
      setTime(time, letter.time);
    },
  };
}

function renderKinds() {
  const counts = new Map();
  pool.deadLetters.forEach(({ kind }) => counts.set(kind, (counts.get(kind) ?? 0) + 1));
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  replaceWhen(kinds, JSON.stringify(sorted), () =>
    sorted.length === 0 ? [] : [h("p", {}, `The newest ${count(pool.deadLetters.length, "dead letter", "dead letters")} by kind: ${sorted.map(([kind, n]) => `${kind.replaceAll("_", " ")} ${number(n)}`).join(", ")}.`)],
  );
}

function renderLetters() {
  keyed(letters.body, pool.deadLetters, (letter) => letter.offset, letterRow);
  letterCard.hidden = pool.deadLetters.length === 0;
  renderKinds();
  replaceWhen(noLetters, String(pool.loaded && pool.deadLetters.length === 0), () => (pool.loaded && pool.deadLetters.length === 0 ? empty("No record was rejected.") : []));
  const newest = pool.deadLetters[0]?.offset;
  replaceWhen(letterHelp, String(newest), () =>
    newest === undefined
      ? []
      : [h("p", { class: "muted" }, "Fix a record at its publisher and send it again. These commands list all of them, and show the newest with its content:"), command("bin/fisher-streams dead-letters list"), command(`bin/fisher-streams dead-letters show ${newest}`)],
  );
}

// ---- aliases

const ALIASES = [{ text: "Alias" }, { text: "Release" }, { text: "Moved" }];
const aliases = table("Aliases and the releases that they point to", ALIASES, "stack");
const aliasCard = h("div", { class: "card" }, aliases.element);
const noAliases = h("div");

function aliasRow() {
  const name = h("span", { class: "wrap" });
  const release = h("span");
  const notes = h("small");
  const time = timeAgo(new Date(0).toISOString());
  const by = h("small");
  return {
    element: row(ALIASES, [name, h("div", {}, release, notes), h("div", {}, time, by)]),
    update(alias) {
      setText(name, alias.name);
      setText(release, `release ${alias.release}`);
      const facts = [
        alias.held ? "held: no gate moves it" : null,
        alias.baseline > 0 ? `compared with release ${alias.baseline}` : null,
        alias.earlier.length > 0 ? `before: ${alias.earlier.slice(0, 3).join(", ")}` : null,
      ];
      setText(notes, facts.filter(Boolean).join("; "));
      setTime(time, alias.at);
      setText(by, alias.by ? `by ${alias.by}` : "");
    },
  };
}

function renderAliases() {
  const all = [...pool.aliases.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  keyed(aliases.body, all, (alias) => alias.name, aliasRow);
  aliasCard.hidden = all.length === 0;
  const newest = newestComplete()?.id;
  replaceWhen(noAliases, String(pool.loaded && all.length === 0 && newest), () => {
    if (!pool.loaded || all.length > 0) {
      return [];
    }
    const text = "No alias yet. An alias is a name for a release that your services use, such as production";
    return newest === undefined ? empty(text + ".") : empty(text + ":", `bin/fisher-streams alias set production ${newest}`);
  });
}

// ---- what happened

const feed = h("ol", { class: "feed" });
const quiet = h("p", { class: "muted" }, "Changes appear here while the page is open.");

function feedItem(event) {
  return {
    element: h("li", {}, h("i", { class: event.style, "aria-hidden": "true" }, event.sign), h("span", {}, event.text), timeAgo(event.at)),
    update() {},
  };
}

function renderActivity() {
  keyed(feed, pool.activity, (event) => event.id, feedItem);
  feed.hidden = pool.activity.length === 0;
  quiet.hidden = pool.activity.length > 0;
}

export function startOperation() {
  document.getElementById("stages-body").append(h("div", { class: "card" }, stages.element));
  document.getElementById("traffic-body").append(h("div", { class: "card" }, traffic.element));
  document.getElementById("dead-letters-body").append(noLetters, kinds, letterCard, letterHelp);
  document.getElementById("aliases-body").append(aliasCard, noAliases);
  document.getElementById("activity-body").append(quiet, feed);
  aliasCard.hidden = letterCard.hidden = feed.hidden = true;
  onChange(["summary"], renderSummary);
  onChange(["dead letters", "problem"], renderLetters);
  onChange(["aliases", "releases", "problem"], renderAliases);
  onChange(["activity"], renderActivity);
}
