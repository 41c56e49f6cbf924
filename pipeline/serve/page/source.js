"use strict";
// The source of a live page's data: all of it once, then changes by server-sent events. After a lost connection, the browser
// continues from the last event that it received.

const MAX_KEPT = 400;
// The delay after a server has announced its end, before the page looks for another server at its address.
const AGAIN_MS = 3000;
// A review is on disk within a moment. Without this limit, one would wait in silence where the browser has no connection left.
const ANSWER_MS = 20_000;
// A browser opens six connections to a server. At most this many of its windows keep a stream open; the others look at an interval.
const MOST_STREAMS = 4;
const LOOK_MS = 1000;

/** @typedef {{ number: number, jobs?: JobData[], purchases?: PurchaseData[], gone?: string[], files?: Record<string, MediaFile> } & Partial<CampaignData>} CampaignChange */

const source = {
  isLive: true,
  /** Whether the server has announced its end, or another server has replaced it. */
  hasEnded: false,
  isConnected: true,
  /** @type {Record<string, () => Node[]>} */
  views: {},
  ready: () => undefined,
  /** @type {(campaign?: Campaign) => boolean} */
  goesOn: () => false,
  /** @type {(job: Job) => HTMLElement | undefined} */
  age: () => undefined,
  /** @type {GalleryData | undefined} */
  data: undefined,
  /** @type {(data: GalleryData, changed: Changed) => void} */
  onData: () => undefined,
  /** The state of the connection, as the page shows it. @type {(state: "live" | "lost" | "closed" | "ended") => void} */
  connection: () => undefined,
  /** Milliseconds that the server's clock is ahead of this browser's. */
  ahead: 0,
  /** The id of the last event that was applied. */
  seen: "",
  /** When jobs were seen to be made, by "number key". @type {Map<string, number>} */
  arrived: new Map(),

  get canDecide() {
    return !this.hasEnded && Boolean(this.data?.live?.can_decide);
  },

  /** @returns {Promise<GalleryData>} */
  async load() {
    withoutToken();
    shareConnections();
    const data = await fetched();
    this.data = data;
    listenTo(data.live?.event ?? "");
    if (document.hidden) release();
    return data;
  },

  /** @param {MediaFile} file */
  still(file) {
    return file.poster && file.id ? `posters/${file.id}.webp` : undefined;
  },

  /** @param {MediaFile} file */
  href(file) {
    return file.href;
  },

  /**
   * Send a review; resolves once it is on disk, to what follows from it.
   * @param {Purchase} purchase @param {Review} review @returns {Promise<Outlook | undefined>}
   */
  async decide(purchase, review) {
    const body = JSON.stringify({ campaign: purchase.campaign.number, purchase: purchase.id, ...review });
    const { answer, said } = await posted(body);
    if (!answer.ok) throw new Error(problemOf(said));
    // Events that arrived meanwhile may be newer: those of another reviewer.
    const { event, changes, outlook } = JSON.parse(said);
    if (isAfter(event, source.seen)) apply(changes);
    return outlook ?? undefined;
  },

  /** @param {(data: GalleryData, changed: Changed) => void} onData */
  onChange(onData) {
    this.onData = onData;
  },

  /** The server's time in milliseconds. */
  now() {
    return Date.now() + this.ahead;
  },
};

/** @param {string} body @returns {Promise<{ answer: Response, said: string }>} */
async function posted(body) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ANSWER_MS);
  try {
    const headers = { "content-type": "application/json" };
    const answer = await fetch("decisions", { method: "POST", headers, body, signal: limit.signal });
    return { answer, said: await answer.text() };
  } catch {
    if (!limit.signal.aborted) throw new Error("the server does not answer.");
    const hint = "If this page is open in many tabs or windows, close some; then decide again.";
    throw new Error(`no answer within ${ANSWER_MS / 1000} s. ${hint}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an event is of the same server as another, and not older. @param {string} event @param {string} other */
function isAfter(event, other) {
  const [name, number] = event.split("-");
  const [otherName, otherNumber] = other.split("-");
  return name === otherName && Number(number) >= Number(otherNumber);
}

/** @param {string} said */
function problemOf(said) {
  try {
    return String(JSON.parse(said).problem);
  } catch {
    return said.trim();
  }
}

/** Remove the token from the address, which may be passed on; the cookie has it now. */
function withoutToken() {
  if (location.search) history.replaceState(history.state, "", location.pathname + location.hash);
}

/** @returns {Promise<GalleryData>} */
async function fetched() {
  const answer = await fetch("data");
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

/** @type {EventSource | undefined} */
let stream;
/** Whether this page has let go of its stream until somebody looks at it. */
let isReleased = false;
/** Gives back this page's place among those that keep a stream open; undefined: it has none. @type {(() => void) | undefined} */
let leavePlace;
/** All tabs and windows of this browser that show a page of this server. */
const tabs = new BroadcastChannel("pipeline");
/** The timer of the next look of a page without a place. */
let nextLook = 0;

/**
 * A browser opens six connections to a server for all its tabs, and a stream takes one: a hidden tab lets go of it when another
 * one is opened or looked at. The only tab keeps it, so that it has everything when a run ends, and its server with it.
 */
function shareConnections() {
  tabs.addEventListener("message", ({ data }) => {
    // Without a stream, this page has not been told.
    if (data === "ended" && stream?.readyState !== EventSource.OPEN) source.connection("closed");
    if (data === "shown" && document.hidden) release();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    tabs.postMessage("shown");
    if (isReleased) listenTo(source.seen);
  });
  tabs.postMessage("shown");
}

/** Let go of the stream, but not while a lost server is looked for. */
function release() {
  if (!stream || !source.isConnected) return;
  stream.close();
  stream = undefined;
  isReleased = true;
  clearTimeout(nextLook);
  leavePlace?.();
  leavePlace = undefined;
}

/** Whether this page has a place, or gets one that is free. In an insecure context there are no locks, and each page streams. */
async function hasPlace() {
  if (!("locks" in navigator)) return true;
  for (let place = 1; place <= MOST_STREAMS && !leavePlace; place++) await tryPlace(`stream ${place}`);
  return leavePlace !== undefined;
}

/** Take a place if it is free. @param {string} name @returns {Promise<void>} */
function tryPlace(name) {
  return new Promise((tried) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      tried();
      // The lock is held until this promise is resolved.
      if (lock && !leavePlace && !isReleased)
        return new Promise((leave) => (leavePlace = () => leave(undefined)));
    });
  });
}

/** @param {string} after */
function listenTo(after) {
  stream?.close();
  isReleased = false;
  clearTimeout(nextLook);
  const opened = new EventSource(`events?after=${encodeURIComponent(after)}`);
  stream = opened;
  source.seen = after;
  opened.addEventListener("message", (event) => {
    source.seen = event.lastEventId;
    apply(JSON.parse(event.data).campaigns);
  });
  opened.addEventListener("reset", () => void beginAnew());
  opened.addEventListener("beat", (event) => {
    source.ahead = Date.parse(event.data) - Date.now();
    source.connection("live");
    void keepOrLeave(opened);
  });
  opened.addEventListener("end", () => void onEnd(opened));
  opened.addEventListener("error", () => void onLost(opened));
}

/** Keep a stream that has sent everything so far if there is a place for it; else look again later. @param {EventSource} opened */
async function keepOrLeave(opened) {
  if ((await hasPlace()) || opened !== stream) return;
  opened.close();
  nextLook = setTimeout(() => listenTo(source.seen), LOOK_MS);
}

/**
 * Fetch what is missing before leaving (the server waits for this), then look for another server at the same address.
 * @param {EventSource} ended
 */
async function onEnd(ended) {
  source.connection("closed");
  tabs.postMessage("ended");
  await keepStills();
  if (ended !== stream || ended.readyState !== EventSource.OPEN) return;
  ended.close();
  setTimeout(() => ended === stream && listenTo(source.seen), AGAIN_MS);
}

/** The stills that are kept when the server has ended. @type {HTMLImageElement[]} */
let kept = [];

/** Fetch the stills of the latest files, at most `MAX_KEPT` for each campaign. */
async function keepStills() {
  const files = (source.data?.campaigns ?? []).flatMap((each) => each.files.slice(-MAX_KEPT));
  const stills = files.map((each) => source.still(each)).filter((each) => each !== undefined);
  kept = stills.map((still) => Object.assign(new Image(), { src: still }));
  await Promise.all(kept.map((image) => image.decode().catch(() => undefined)));
}

/** Note a lost connection. The browser retries by itself, unless it was refused; then this does. @param {EventSource} lost */
async function onLost(lost) {
  if (lost !== stream) return;
  source.connection("lost");
  if (lost.readyState !== EventSource.CLOSED) return;
  const answer = await fetch("data").catch(() => undefined);
  if (answer?.status === 403) source.connection("ended");
  else setTimeout(() => lost === stream && void beginAnew(), 1000);
}

/** Read everything again: the server no longer has the events since. */
async function beginAnew() {
  try {
    const data = await fetched();
    source.data = data;
    listenTo(data.live?.event ?? "");
    source.onData(data, undefined);
  } catch {
    setTimeout(() => void beginAnew(), 1000);
  }
}

/** @param {CampaignChange[]} changes */
function apply(changes) {
  const { data } = source;
  if (!data) return;
  /** @type {{ jobs: Set<string>, purchases: Set<string> }} */
  const changed = { jobs: new Set(), purchases: new Set() };
  for (const change of changes) applyTo(data.campaigns[change.number], change, changed);
  source.onData(data, changed);
}

/** @param {CampaignData} campaign @param {CampaignChange} change @param {{ jobs: Set<string>, purchases: Set<string> }} changed */
function applyTo(campaign, change, changed) {
  const { number, jobs, purchases, gone, files, ...heading } = change;
  for (const [name, value] of Object.entries(heading))
    // A page that is opened now is not told what there is none of.
    if (value === null) Reflect.deleteProperty(campaign, name);
    else Reflect.set(campaign, name, value);
  for (const [place, file] of Object.entries(files ?? {})) campaign.files[Number(place)] = file;
  for (const row of jobs ?? []) {
    const at = campaign.jobs.findIndex((each) => each.key === row.key);
    const name = `${number} ${row.key}`;
    if (row.status === "done" && campaign.jobs[at]?.status !== "done") source.arrived.set(name, source.now());
    if (at < 0) campaign.jobs.push(row);
    else campaign.jobs[at] = row;
    changed.jobs.add(name);
  }
  for (const row of purchases ?? []) {
    const at = campaign.purchases.findIndex((each) => each.id === row.id);
    if (at < 0) campaign.purchases.push(row);
    else campaign.purchases[at] = row;
    changed.purchases.add(row.id);
  }
  if (gone?.length) campaign.jobs = campaign.jobs.filter((each) => !gone.includes(each.key));
  if (!Object.keys(files ?? {}).length) return;
  const numbers = new Set(Object.keys(files ?? {}).map(Number));
  for (const each of campaign.purchases)
    if (each.files?.some((at) => numbers.has(at))) changed.purchases.add(each.id);
}
