"use strict";
// What only the live page has: the view of a run under way, its clock, and the state of the connection.

const MAX_UNDER_WAY = 16;
const MAX_JUST_MADE = 6;
const RATE_MINUTES = 20;
// The most templates that are named where the time left is not known.
const MAX_NAMED = 2;
// The position, in percent, of the usual time of a template on the bar of a job: a full bar would look finished.
const USUAL_AT = 80;
// The least time left of a job, as a fraction of its age.
const OVERDUE = 0.1;
// The usual time of a template counts as this many jobs under way, so that one straggler changes little.
const USUAL_WEIGHT = 3;
// If it cannot be seen whether a run goes on: without changes for this long, none seems to.
const QUIET_MS = 3 * 60_000;

// Whether the address with which the page was opened names a view.
const namesView = location.href.includes("#");

source.views.live = () => [liveView()];

/** `closed`: the server has ended; `ended`: another server has replaced it. @type {"live" | "lost" | "closed" | "ended"} */
let connected = "live";
let lostAt = 0;
/** The campaigns of which a run was going on a second ago. */
let wentOn = "";

source.goesOn = (campaign) => isGoingOn(campaign);

source.age = (job) => {
  const age = el("div", { class: "age-of", "data-age-of": job.address }, ...ageParts(job));
  showAge(age);
  return age;
};

source.connection = (state) => {
  // A server that announced its end is not lost.
  if (state === connected || (state === "lost" && connected === "closed")) return;
  if (connected === "live") lostAt = Date.now();
  connected = state;
  source.isConnected = state === "live";
  showConnection();
  retryUnplayed();
  const { hasEnded, data } = source;
  source.hasEnded = state === "closed" || state === "ended";
  // The page offers other actions now.
  if (data && hasEnded !== source.hasEnded) source.onData(data, { jobs: new Set(), purchases: new Set() });
};

source.ready = () => {
  const place = el("p", { class: "connection", id: "connection" });
  byId("keys-button").before(place);
  byId("main").before(el("p", { class: "notice lost", id: "lost", "aria-live": "polite", hidden: true }));
  showConnection();
  // Another view may have been asked for while the data came.
  if (!namesView && !location.hash && app.model.jobs.some((job) => job.state === "underway"))
    history.replaceState(null, "", addressOf({ view: "live" }));
  noteGoingOn();
  setInterval(tick, 1000);
};

function showConnection() {
  const place = byId("connection");
  place.className = `connection ${connected}`;
  place.replaceChildren(
    el("i"),
    connected === "live" ? "Live" : connected === "closed" ? "Ended" : "Not connected",
    ...(connected === "live" ? [el("span", { class: "last-change", text: lastChange() })] : []),
  );
  const notice = byId("lost");
  notice.hidden = connected === "live" && !troubles().length;
  notice.classList.toggle("closed", connected === "closed");
  fill(notice, ...(connected === "live" ? troubles() : connected === "closed" ? closedLine() : lostLine()));
}

/** The time since the last seen change: by a run, or a decision. */
function lastChange() {
  const { campaigns } = app.model;
  const decided = campaigns.flatMap(({ purchases }) => purchases.map((each) => each.at ?? ""));
  const last = decided.reduce((latest, each) => (each > latest ? each : latest), "");
  const changed = Math.max(timeOf(last) || 0, ...campaigns.map((each) => timeOf(each.changed) || 0));
  return changed > 0 ? `last change ${ago(source.now() - changed)}` : "";
}

/** The line on a lost connection. A screen reader reads it once, without the age, which changes every second. */
function lostLine() {
  if (connected === "ended") return ["The server was restarted: open the address that it printed."];
  return [
    "No connection to the server",
    el("span", { class: "since", "aria-hidden": "true", text: lostFor() }),
    ". What is shown is from then; it goes on by itself when the server is back.",
  ];
}

function lostFor() {
  return ` for ${span((Date.now() - lostAt) / 1000)}`;
}

/** The line after the end of a run, which ends its page too: the results are shown by a command. */
function closedLine() {
  return [
    "The server has ended; this is how it left things. To look on and decide: ",
    el("code", { text: serveCommand() }),
  ];
}

/** What is lost in a line; the takes and what to do about them, which can fill a phone, are folded. @param {Campaign} campaign */
function lostApprovals(campaign) {
  const about = `${campaign.name} lacks approvals that its results show: a run could buy these takes again.`;
  return el("details", {}, el("summary", { text: about }), el("p", { text: campaign.lost_approvals ?? "" }));
}

function troubles() {
  const { campaigns } = app.model;
  const unread = campaigns
    .filter((each) => each.trouble)
    .map((each) => `${each.name} cannot be read now, and is shown as it was: ${each.trouble} `);
  return [...unread, ...campaigns.filter((each) => each.lost_approvals).map(lostApprovals)];
}

/** Update the ages each second, and the rate each minute; nothing else is redrawn. Cards have ages too. */
function tick() {
  document.querySelector("#lost .since")?.replaceChildren(lostFor());
  noteGoingOn();
  if (connected === "live" && byId("lost").textContent !== el("p", {}, ...troubles()).textContent)
    showConnection();
  else document.querySelector(".last-change")?.replaceChildren(lastChange());
  for (const each of document.querySelectorAll("[data-age-of]")) showAge(each);
  if (app.view.view !== "live") return;
  const now = source.now();
  for (const each of document.querySelectorAll("#view [data-ago]"))
    each.textContent = ago(now - Number(each.getAttribute("data-ago")));
  for (const each of document.querySelectorAll("#view [data-minute]"))
    if (each.getAttribute("data-minute") !== String(minuteNow())) each.replaceWith(rateBlock() ?? "");
  byId("live-sentence").replaceChildren(...liveSentence());
}

function liveView() {
  const underway = underWay();
  return el(
    "div",
    { class: "page live" },
    el("h1", { class: "sentence", id: "live-sentence" }, ...liveSentence()),
    el("p", { class: "cost" }, ...liveCost(underway)),
    stripOf(app.model.jobs),
    el("div", { class: "legend" }, ...legend(app.model.jobs)),
    el(
      "div",
      { class: "columns" },
      el("div", { class: "stack" }, needsYou(), underWayBlock(underway), justMade()),
      el("div", { class: "stack" }, liveCredits(), rateBlock()),
    ),
  );
}

/** The jobs under way, the oldest first. */
function underWay() {
  return app.model.jobs
    .filter((job) => job.state === "underway" && job.shown)
    .sort((one, other) => startOf(one) - startOf(other));
}

/** @param {Job} job */
function startOf(job) {
  return timeOf(job.shown?.bought);
}

function liveSentence() {
  const { jobs } = app.model;
  const made = jobs.filter((job) => job.status === "done").length;
  // Without a connection, the time left is unknown.
  const left = connected === "live" ? timeLeft() : undefined;
  const parts = sentence();
  const begin =
    made === jobs.length ? `All ${number(made)} are made` : `${number(made)} of ${number(jobs.length)} made`;
  parts[0] = `${begin}${left === undefined ? "" : `, ${leftText(left)}`}.`;
  return parts;
}

/** Whether a run of a campaign, or of any, goes on. @param {Campaign} [campaign] */
function isGoingOn(campaign) {
  const asked = campaign ? [campaign] : app.model.campaigns;
  return asked.some((each) => each.goes_on ?? seemsToGoOn(each));
}

/** Whether jobs of a campaign are under way, and something has changed recently. @param {Campaign} campaign */
function seemsToGoOn(campaign) {
  const isOwn = underWay().some((job) => job.campaign === campaign);
  return isOwn && source.now() - (timeOf(campaign.changed) || 0) < QUIET_MS;
}

/** Redraw the page if a run seems to have begun or ended, which may show only by the time without changes. */
function noteGoingOn() {
  const before = wentOn;
  wentOn = app.model.campaigns.map((each) => isGoingOn(each)).join();
  if (source.data && before && before !== wentOn)
    source.onData(source.data, { jobs: new Set(), purchases: new Set() });
}

/** @param {number} seconds */
function leftText(seconds) {
  if (seconds < 45) return "less than a minute left";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${Math.max(1, minutes)} min left`;
  return `about ${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min left`;
}

/** The seconds left, as a run shows them on a terminal; of several campaigns, the longest. */
function timeLeft() {
  const going = app.model.campaigns.filter((each) => isGoingOn(each));
  const known = going.map(timeLeftOf).filter((each) => each !== undefined);
  return known.length ? Math.max(...known) : undefined;
}

/**
 * The seconds that a campaign has left, by the usual time of each template and the ages of those under way: the rest for these,
 * all of it for waiting jobs, as many in parallel as the run may have in flight and each after what it is made from. Undefined if the usual time of a template is
 * unknown: guessed from other templates, it could be far off.
 * @param {Campaign} campaign
 */
function timeLeftOf(campaign) {
  const underway = purchasesOf(underWay().filter((job) => job.campaign === campaign));
  if (!underway.length) return undefined;
  const now = source.now();
  const running = Map.groupBy(underway, (each) => each.template);
  const waiting = waitingTemplates(campaign).map(([name, count]) => ({
    id: campaign.template_ids?.[name] ?? name,
    count,
  }));
  const byTemplate = new Map(
    [...new Set([...running.keys(), ...waiting.map(({ id }) => id)])].map((id) => {
      const ages = (running.get(id) ?? []).map(({ bought }) => (now - timeOf(bought)) / 1000);
      const count = waiting.reduce((sum, each) => sum + (each.id === id ? each.count : 0), 0);
      return [id, secondsLeft(secondsOf(campaign, id) ?? NaN, ages, count)];
    }),
  );
  const all = [...byTemplate.values()].flatMap(({ rests, anew }) => [...rests, ...anew]);
  const atOnce = campaign.run?.in_flight ?? underway.length;
  const inTurn = secondsInTurn(campaign, byTemplate);
  const left = Math.max(...all, ...inTurn, all.reduce((sum, each) => sum + each, 0) / atOnce);
  return Number.isNaN(left) ? undefined : left;
}

/** @typedef {{ rests: number[], anew: number[] }} SecondsLeft of what is under way, and of what waits */

/** The seconds of what is made one after another, for each such chain. @param {Campaign} campaign @param {Map<string, SecondsLeft>} byTemplate */
function secondsInTurn(campaign, byTemplate) {
  const secondsOfName = (/** @type {string} */ name) =>
    byTemplate.get(campaign.template_ids?.[name] ?? name) ?? { rests: [], anew: [] };
  return (campaign.run?.chains ?? []).map(({ under_way: begun, waiting }) => {
    const rest = begun === null ? 0 : Math.max(0, ...secondsOfName(begun).rests);
    return waiting.reduce((sum, name) => sum + (secondsOfName(name).anew[0] ?? 0), rest);
  });
}

/**
 * The seconds left of each purchase of a template, as a run estimates them: those under way know first that the vendor is slower
 * than usual, and one that has been late for so long is likely to be late for as long again.
 * @param {number} usual NaN: unknown @param {number[]} ages @param {number} count of those waiting @returns {SecondsLeft}
 */
function secondsLeft(usual, ages, count) {
  const late = ages.map((age) => Math.max(0, age - usual));
  const anew = usual + (2 * late.reduce((sum, each) => sum + each, 0)) / (USUAL_WEIGHT + ages.length);
  const rests = ages.map((age, index) => Math.max(anew - age, late[index], age * OVERDUE));
  return { rests, anew: Array(count).fill(anew) };
}

/** How many purchases from each template the run of a campaign still has to make. @param {Campaign} campaign @returns {[string, number][]} */
function waitingTemplates(campaign) {
  const isWaiting = (/** @type {Job} */ job) =>
    job.campaign === campaign && isNext(job) && job.action !== "share";
  return campaign.run?.waiting
    ? Object.entries(campaign.run.waiting)
    : [...countsOf(app.model.jobs.filter(isWaiting), (job) => job.template)];
}

/** When a time left that is not known will be, in words; empty if it is known, or no run goes on. */
function whenTimeIsKnown() {
  if (connected !== "live" || timeLeft() !== undefined) return "";
  const going = app.model.campaigns.filter((each) => isGoingOn(each));
  const unseen = [...new Set(going.flatMap(unseenTemplates))];
  if (!unseen.length) return "";
  const some =
    unseen.length > MAX_NAMED
      ? `one of each of ${number(unseen.length)} templates is`
      : `${unseen.map((name) => `one ${name}`).join(" and ")} ${unseen.length === 1 ? "is" : "are"}`;
  return `The time left is known once ${some} made. `;
}

/** The templates of which a campaign still has jobs to make, and none that tells how long they take. @param {Campaign} campaign @returns {string[]} */
function unseenTemplates(campaign) {
  const underway = underWay().filter((job) => job.campaign === campaign && usualSeconds(job) === undefined);
  const waiting = waitingTemplates(campaign).filter(
    ([template, count]) => count && !secondsOf(campaign, campaign.template_ids?.[template]),
  );
  return [...underway.map((job) => job.template), ...waiting.map(([template]) => template)];
}

/** The usual seconds of a job's template. @param {Job} job */
function usualSeconds(job) {
  return secondsOf(job.campaign, job.shown?.template ?? job.campaign.template_ids?.[job.template]);
}

/** @param {Campaign} campaign @param {string | undefined} id of a template */
function secondsOf(campaign, id) {
  const seconds = id === undefined ? undefined : campaign.usual?.[id];
  return seconds && seconds > 0 ? seconds : undefined;
}

/** @param {Job[]} underway */
function liveCost(underway) {
  const started = app.model.campaigns
    .map((each) => each.run?.started)
    .filter((each) => each !== undefined)
    .sort()
    .at(-1);
  const parts = livePrice(underway);
  if (started)
    parts.push(
      isGoingOn() ? "Started " : "The last run began ",
      `${source.now() - timeOf(started) < 12 * 3_600_000 ? CLOCK.format(timeOf(started)) : date(started, "short")} UTC, `,
      el("span", { "data-ago": timeOf(started), text: ago(source.now() - timeOf(started)) }),
      ". ",
    );
  if (underway.length && !isGoingOn())
    parts.push(
      app.model.campaigns.every((each) => each.goes_on === false)
        ? "No run goes on now"
        : "No run seems to go on",
      "; the next one goes on with what is under way. ",
    );
  parts.push(whenTimeIsKnown());
  return parts;
}

/** The credits spent, and the part of them for jobs under way. @param {Job[]} underway */
function livePrice(underway) {
  const reserved = costOf(purchasesOf(underway)).credits;
  /** @type {(Node | string)[]} */
  const parts = isRehearsal() ? ["Nothing is paid: this is a rehearsal on the emulator. "] : [];
  const spent = spentLine();
  if (!spent.length) return parts;
  parts.push(...spent);
  const those = `${number(underway.length)} under way`;
  if (underway.length) parts.push(reserved ? `, ${number(reserved)} of them for ${those}` : `, ${those}`);
  parts.push(". ");
  return parts;
}

/** @param {number} ms */
function ago(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}

function needsYou() {
  const rows = todoRows();
  if (!rows.length) return undefined;
  return block("What to do next", "", el("ul", { class: "todo" }, ...rows));
}

/** @param {string} title @param {string} about @param {...(Node | undefined)} inner */
function block(title, about, ...inner) {
  return el(
    "section",
    {},
    el("div", { class: "head" }, el("h2", { text: title }), about && el("small", { text: about })),
    ...inner,
  );
}

/** @param {Job[]} jobs */
function underWayBlock(jobs) {
  if (!jobs.length) return undefined;
  const rows = jobs.slice(0, MAX_UNDER_WAY).map((job) => {
    const [bar, age] = ageParts(job);
    const row = el(
      "li",
      { "data-age-of": job.address },
      keyLink(job),
      bar,
      el("span", { class: "doing", text: job.status === "submitted" ? "" : STATUS_WORDS[job.status] }),
      age,
    );
    showAge(row);
    return row;
  });
  const more = jobs.length - rows.length;
  return block(
    "Under way",
    underWayCount(jobs),
    el("ul", { class: "under-way" }, ...rows),
    more > 0
      ? el(
          "p",
          { class: "rest" },
          el("a", {
            class: "link",
            href: addressOf({ q: searchOf("underway", app.model.jobs) }),
            text: `${number(more)} more`,
          }),
        )
      : undefined,
  );
}

/** The number of jobs; for a current run of one campaign, also the workflows at the vendor, which jobs may share, and their limit. @param {Job[]} jobs */
function underWayCount(jobs) {
  const { campaigns } = app.model;
  const most = campaigns.map((each) => each.run?.in_flight ?? undefined);
  if (campaigns.length > 1 || most[0] === undefined || !isGoingOn()) return number(jobs.length);
  const toDownload = jobs.filter((job) => job.status === "succeeded").length;
  const atVendor = new Set(jobs.filter((job) => job.status !== "succeeded").map((job) => job.purchase));
  const count = `${number(atVendor.size)} of at most ${counted(most[0], "workflow")} at the vendor`;
  return [
    ...(atVendor.size + toDownload < jobs.length ? [counted(jobs.length, "job")] : []),
    count,
    ...(toDownload ? [`${number(toDownload)} to download`] : []),
  ].join(", ");
}

/** The bar and the words of a job's age, which `showAge` fills. @param {Job} job */
function ageParts(job) {
  return [
    el("span", { class: "age-bar", "aria-hidden": "true" }, el("i"), el("b")),
    el("span", { class: "age", title: sinceWhen(job) }),
  ];
}

/** Show the age of a job beside the usual time of its template, if that is known. @param {Element} place */
function showAge(place) {
  const job = app.model.byAddress.get(place.getAttribute("data-age-of") ?? "");
  if (!job) return;
  // Without a server, nobody knows whether it is still under way.
  const until = connected === "live" ? source.now() : lostAt + source.ahead;
  const age = Math.max(0, (until - startOf(job)) / 1000);
  const usual = usualSeconds(job) ?? 0;
  const late = usual > 0 && age > usual * 1.15;
  const shown = place.querySelector(".age");
  if (shown) shown.textContent = usual ? `${span(age)} of usually ${tookText(usual)}` : `${span(age)} so far`;
  shown?.classList.toggle("amber", late);
  const bar = /** @type {HTMLElement | null} */ (place.querySelector(".age-bar"));
  bar?.classList.toggle("unknown", !usual);
  bar?.classList.toggle("late", late);
  if (bar) setVars(bar, { part: usual ? Math.min(100, (age / usual) * USUAL_AT) : 0, usual: USUAL_AT });
}

function justMade() {
  const made = app.model.jobs
    .filter((job) => job.status === "done" && job.file)
    .map((job) => ({ job, at: madeAt(job) }))
    .sort((one, other) => other.at - one.at)
    .slice(0, MAX_JUST_MADE);
  if (!made.length) return undefined;
  const shortNameOf = app.model.byKey.map((jobs) => shortNames([...jobs.keys()]));
  const thumbs = made.map(({ job, at }) =>
    el(
      "a",
      { class: "thumb", href: addressOf({ view: "job", job: job.address }), title: job.address },
      el("div", { class: "mat" }, mediaBox(job)),
      el("b", { class: "name-line tail" }, ...tailLine(shortNameOf[job.campaign.number](job.key))),
      app.model.campaigns.length > 1 && el("span", { class: "when", text: `${job.campaign.name}, ` }),
      el("span", { class: "when", "data-ago": at, text: ago(source.now() - at) }),
    ),
  );
  return block("Just made", "", el("div", { class: "just-made" }, ...thumbs));
}

/** When a job was made: when this page saw it, else by the times in the records. @param {Job} job */
function madeAt(job) {
  return (
    source.arrived.get(`${job.campaign.number} ${job.key}`) ??
    (timeOf(job.serving?.updated) || timeOf(job.serving?.bought) || 0)
  );
}

function liveCredits() {
  const bars = app.model.campaigns.flatMap((campaign) => capBars(campaign, () => barOfRun(campaign)));
  const title = bars.length ? "Credits" : "Templates";
  return block(title, "", el("dl", { class: "bars" }, ...bars, ...timeBars()));
}

/** The time that each template takes, and the number of jobs made. */
function timeBars() {
  const jobs = app.model.jobs.filter((job) => job.shown);
  const groups = Map.groupBy(jobs, (job) => job.shown?.template ?? "");
  return [...groups]
    .sort((one, other) => other[1].length - one[1].length)
    .slice(0, 6)
    .map(([template, those]) => {
      const made = those.filter((job) => job.status === "done").length;
      const usual = usualSeconds(those[0]);
      const amount = [usual && `${tookText(usual)} a job`, `${number(made)} made`].filter(Boolean).join(", ");
      return templateBar(template, amount, made / those.length);
    });
}

/** The rate by minutes of the clock, as calls are counted, so that the bars and the numbers below are of the same minutes. */
function rateBlock() {
  const now = minuteNow();
  const bought = ownPurchases().filter((each) => each.status !== "void");
  const minutes = new Map();
  for (const each of bought) {
    const minute = Math.floor(timeOf(each.bought) / 60_000);
    if (minute > now - RATE_MINUTES && each.price !== undefined)
      minutes.set(minute, (minutes.get(minute) ?? 0) + each.cost);
  }
  const calls = callsNow();
  const held = heldBack();
  if (!minutes.size && calls === undefined) return undefined;
  const count = RATE_MINUTES;
  const values = Array.from({ length: count }, (_, index) => minutes.get(now - count + 1 + index) ?? 0);
  const most = Math.max(...values, 1);
  const bars = values.map((value, index) =>
    el("i", { class: index === count - 1 ? "now" : "", vars: { part: (value / most) * 100 } }),
  );
  const made = block(
    "Rate",
    minutes.size ? `credits a minute; most in a minute: ${number(most)}` : "",
    minutes.size
      ? el(
          "div",
          {
            class: "rate",
            role: "img",
            "aria-label": `Credits in each of the last ${counted(count, "minute")}: ${values.map(number).join(", ")}`,
          },
          ...bars,
        )
      : undefined,
    minutes.size
      ? el(
          "p",
          { class: "rate-ends" },
          el("span", { text: CLOCK.format((now - count + 1) * 60_000) }),
          el("span", { text: "now" }),
        )
      : undefined,
    el(
      "dl",
      { class: "pairs" },
      ...(calls === undefined
        ? []
        : [
            el("dt", { text: "Calls" }),
            el("dd", {
              text: `${ofMinutes(calls.now, calls.before)}${held?.count === 0 ? "; none held back" : ""}`,
            }),
          ]),
      ...(minutes.size
        ? [el("dt", { text: "Credits" }), el("dd", { text: ofMinutes(values[count - 1], values[count - 2]) })]
        : []),
      ...(held?.count
        ? [
            el("dt", { text: "Held back" }),
            el("dd", {
              text: `${counted(held.count, "create")}, last at ${CLOCK.format(timeOf(`${held.last}:00Z`))}: the vendor asked to slow down`,
            }),
          ]
        : []),
    ),
  );
  made.setAttribute("data-minute", String(now));
  return made;
}

/** The minute of the clock, counted from 1970. */
function minuteNow() {
  return Math.floor(source.now() / 60_000);
}

/** @param {number} now @param {number} before */
function ofMinutes(now, before) {
  return `${number(now)} this minute, ${number(before)} in the one before`;
}

/**
 * The number of creates that the vendor deferred in the visible minutes, and the last of these minutes: they explain why the
 * rate dips. Undefined if they are not counted.
 */
function heldBack() {
  const known = app.model.campaigns.flatMap((each) => (each.deferred ? [each.deferred] : []));
  if (!known.length) return undefined;
  const from = minuteBefore(RATE_MINUTES - 1);
  const found = known.flatMap(Object.entries).filter(([minute]) => minute >= from);
  const last = found.map(([minute]) => minute).sort();
  return { count: found.reduce((sum, [, each]) => sum + each, 0), last: last.at(-1) ?? "" };
}

/** The minute `minutes` before now, as the counts write it. @param {number} minutes */
function minuteBefore(minutes) {
  return new Date(source.now() - minutes * 60_000).toISOString().slice(0, 16);
}

/** The calls to the vendor in this minute and in the one before; undefined: not counted, or long ago. */
function callsNow() {
  /** @type {Map<string, number>} */
  const minutes = new Map();
  for (const { calls } of app.model.campaigns)
    for (const [minute, count] of Object.entries(calls ?? {}))
      minutes.set(minute, (minutes.get(minute) ?? 0) + count);
  const last = [...minutes.keys()].sort().at(-1);
  if (last === undefined || last <= minuteBefore(RATE_MINUTES)) return undefined;
  return { now: minutes.get(minuteBefore(0)) ?? 0, before: minutes.get(minuteBefore(1)) ?? 0 };
}
