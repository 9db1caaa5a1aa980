// The pool as the API shows it: read once after each connection, then changed by events.

import { clock } from "./text.js";

const RELEASES = 30;
const DEAD_LETTERS = 50;
const ACTIVITY = 12;
const SAMPLES = 60;
// The server sends something at least every 15 seconds.
const SILENCE_MILLIS = 45_000;
const MAX_WAIT_MILLIS = 15_000;

export const pool = {
  connection: { state: "connecting", since: Date.now() },
  problem: null,
  loaded: false,
  summary: null,
  models: new Map(),
  releases: new Map(),
  hasOlder: false,
  aliases: new Map(),
  deadLetters: [],
  deadLetterCount: 0,
  shares: null,
  sharesProblem: null,
  similarity: null,
  activity: [],
  rates: new Map(),
  process: null,
};

const listeners = [];
const announcers = [];
const changed = new Set();
let timer = null;

/** Calls `render` after a change of one of these parts of the pool. */
export function onChange(parts, render) {
  listeners.push({ parts, render });
}

/** Calls `announce` with each text that screen readers should speak. */
export function onAnnouncement(announce) {
  announcers.push(announce);
}

export function touch(...parts) {
  parts.forEach((part) => changed.add(part));
  timer ??= setTimeout(() => {
    timer = null;
    const parts = new Set(changed);
    changed.clear();
    for (const listener of listeners) {
      if (listener.parts.some((part) => parts.has(part))) {
        listener.render();
      }
    }
  }, 60);
}

/** The newest complete release, or undefined. */
export function newestComplete() {
  let newest;
  for (const release of pool.releases.values()) {
    if (release.status === "COMPLETE" && (newest === undefined || release.id > newest.id)) {
      newest = release;
    }
  }
  return newest;
}

const keyOf = (model) => model.name + "@" + model.version;

/** Reads a route; throws the server's message. */
export async function read(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    throw new Error(problem?.detail ?? `${path} answered ${response.status}`);
  }
  return { status: response.status, body: await response.json(), retryAfter: response.headers.get("Retry-After") };
}

// ---- reading

let loading = null;
let waiting = [];

async function load() {
  waiting = [];
  const mine = (loading = {});
  try {
    const [summary, models, releases, aliases, letters] = await Promise.all([
      read("v1/pool"),
      read("v1/models"),
      read("v1/releases?limit=" + RELEASES),
      read("v1/aliases"),
      read("v1/dead-letters?limit=" + DEAD_LETTERS),
    ]);
    if (loading !== mine) {
      return;
    }
    setSummary(summary.body);
    setModels(models.body.models);
    pool.releases = new Map(releases.body.releases.map((release) => [release.id, release]));
    pool.hasOlder = releases.body.releases.length === RELEASES;
    pool.aliases = new Map(aliases.body.aliases.map((alias) => [alias.name, alias]));
    pool.deadLetters = letters.body.dead_letters;
    pool.deadLetterCount = letters.body.total;
    pool.problem = null;
    pool.loaded = true;
    touch("problem", "releases", "aliases", "dead letters");
    loadShares();
    readProcess();
  } catch (error) {
    if (loading === mine) {
      pool.problem = error.message;
      touch("problem");
      setTimeout(() => loading === null && pool.connection.state === "live" && load(), 3000);
    }
  } finally {
    if (loading === mine) {
      loading = null;
      waiting.splice(0).forEach(take);
    }
  }
}

function setModels(models) {
  pool.models = new Map(models.map((model) => [keyOf(model), model]));
  touch("models");
}

function setSummary(summary) {
  pool.summary = summary;
  pool.deadLetterCount = summary.dead_letters;
  for (const topic of summary.topics) {
    const rates = pool.rates.get(topic.topic) ?? [];
    rates.push(topic.records_per_second);
    pool.rates.set(topic.topic, rates.slice(-SAMPLES));
  }
  touch("summary", "dead letters");
}

/** The models' shares change with a release, and a replaced version leaves the list. */
async function reloadModels() {
  try {
    setModels((await read("v1/models")).body.models);
  } catch {
    // The next event or connection brings them.
  }
}

/** Reads how the process is that serves this page. */
export async function readProcess() {
  try {
    pool.process = (await read("v1/process")).body;
    touch("process");
  } catch {
    // The connection says so, or the next time brings it.
  }
}

async function loadShares() {
  const newest = newestComplete();
  if (newest === undefined || pool.shares?.release === newest.id) {
    return;
  }
  try {
    const shares = (await read(`v1/releases/${newest.id}/shares`)).body;
    if (pool.shares === null || pool.shares.release < shares.release) {
      pool.shares = shares;
    }
    pool.sharesProblem = null;
  } catch (error) {
    pool.sharesProblem = error.message;
  }
  touch("shares");
}

/** Reads the releases before those that are there. */
export async function loadOlder() {
  const first = Math.min(...pool.releases.keys());
  const older = (await read(`v1/releases?limit=${RELEASES}&before=${first}`)).body.releases;
  older.forEach((release) => pool.releases.set(release.id, release));
  pool.hasOlder = older.length === RELEASES;
  touch("releases");
}

/** Compares the Fishers of a release; the server reads them all for it. */
export async function compare(release) {
  pool.similarity = { release, done: 0 };
  touch("similarity");
  try {
    for (;;) {
      const answer = await read(`v1/releases/${release}/similarity`);
      if (pool.similarity.release !== release) {
        return;
      }
      if (answer.status === 200) {
        pool.similarity = { release, result: answer.body };
        break;
      }
      pool.similarity = { release, done: answer.body.done };
      touch("similarity");
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.retryAfter ?? 1)));
    }
    announce(`The Fishers of release ${release} are compared.`);
  } catch (error) {
    pool.similarity = { release, problem: error.message };
  }
  touch("similarity");
}

// ---- events

const TAKES = {
  "pool.changed": (data) => setSummary(data.summary),
  "model.changed": ({ model }) => {
    const old = pool.models.get(keyOf(model));
    pool.models.set(keyOf(model), model);
    if (old === undefined) {
      happened("arrive", "+", `${model.name} arrived`);
    } else if (old.state !== model.state && (model.state === "READY" || model.state === "REJECTED")) {
      const ready = model.state === "READY";
      happened(ready ? "good" : "bad", ready ? "✓" : "✕", `${model.name} is ${ready ? "ready" : "rejected: " + model.reason}`);
    }
    touch("models");
  },
  "model.withdrawn": ({ name }) => {
    for (const [key, model] of pool.models) {
      if (model.name === name) {
        pool.models.delete(key);
      }
    }
    happened("wait", "−", `${name} was withdrawn`);
    touch("models");
  },
  "release.complete": ({ release }) => {
    setRelease(release);
    happened("good", "✓", `Release ${release.id} is complete: ${release.plan.cause}`);
    reloadModels();
    loadShares();
  },
  "release.judged": ({ release }) => {
    setRelease(release);
    happened("good", "✓", `Release ${release.id} passed the gate`);
  },
  "release.rejected": ({ release }) => {
    setRelease(release);
    happened("bad", "✕", `Release ${release.id} is rejected: ${release.reason}`);
    reloadModels();
  },
  "release.abandoned": ({ release }) => setRelease(release),
  "alias.moved": ({ alias }) => setAlias(alias, `${alias.name} now points to release ${alias.release}`),
  "alias.held": ({ alias }) => setAlias(alias, `${alias.name} is held at release ${alias.release}`),
  "alias.unheld": ({ alias }) => setAlias(alias, `${alias.name} is no longer held`),
  "alias.removed": ({ alias }) => {
    pool.aliases.delete(alias.name);
    happened("wait", "−", `Alias ${alias.name} was removed`);
    touch("aliases", "releases");
  },
  "dead_letter.added": ({ dead_letter: letter }) => {
    if (!pool.deadLetters.some((known) => known.offset === letter.offset)) {
      pool.deadLetters = [letter, ...pool.deadLetters].slice(0, DEAD_LETTERS);
      pool.deadLetterCount++;
      happened("bad", "!", `A record was rejected: ${letter.reason}`);
      touch("dead letters", "summary");
    }
  },
};

function setRelease(release) {
  pool.releases.set(release.id, { ...pool.releases.get(release.id), ...release });
  touch("releases");
}

function setAlias(alias, text) {
  pool.aliases.set(alias.name, alias);
  happened("arrive", "→", text);
  touch("aliases", "releases");
}

function happened(style, sign, text) {
  pool.activity = [{ id: crypto.getRandomValues(new Uint32Array(1))[0], at: new Date().toISOString(), style, sign, text }, ...pool.activity].slice(0, ACTIVITY);
  touch("activity");
  announce(text);
}

function announce(text) {
  announcers.forEach((announcer) => announcer(text));
}

function take(event) {
  TAKES[event.type]?.(event.data);
}

// ---- connection

let source = null;
let heard = 0;
let wait = 1000;

/** Opens the stream of events, and opens it again whenever it ends. */
export function connect() {
  source?.close();
  heard = Date.now();
  source = new EventSource("v1/events");
  source.addEventListener("open", () => {
    heard = Date.now();
    wait = 1000;
    setConnection("live");
    load();
  });
  source.addEventListener("error", () => {
    setConnection("lost");
    // The browser tries again by itself, unless the server answered with an error.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, MAX_WAIT_MILLIS);
    }
  });
  for (const type of Object.keys(TAKES)) {
    source.addEventListener(type, (message) => {
      heard = Date.now();
      const event = JSON.parse(message.data);
      if (loading === null) {
        take(event);
      } else {
        waiting.push(event);
      }
    });
  }
}

function setConnection(state) {
  if (pool.connection.state !== state) {
    pool.connection = { state, since: Date.now() };
    touch("connection");
  }
}

/** What the page says about the connection. */
export function connectionText() {
  const { state, since } = pool.connection;
  if (state === "live") {
    return "● Live";
  }
  return state === "lost" ? `○ Connection lost at ${clock(since)}; trying again. The page shows what was known then.` : "Connecting …";
}

// A connection that a sleeping machine or a proxy lost does not always end.
setInterval(() => {
  if (pool.connection.state === "live" && Date.now() - heard > SILENCE_MILLIS) {
    setConnection("lost");
    connect();
  }
}, 5000);
