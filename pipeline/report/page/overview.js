"use strict";
// The overview: a sentence, the cost, a strip with a mark for each job, what to do next, and credits against caps.

const STRIP_ORDER = /** @type {State[]} */ ([
  "approved",
  "undecided",
  "rejected",
  "missing",
  "altered",
  "underway",
  "redo",
  "pending",
  "failed",
  "attention",
]);
const MAX_MARKS = 200;
const MAX_ATTENTION = 3;
const RUN_GOES_ON = "A run goes on; what it makes is shown here.";

function overview() {
  const { jobs } = app.model;
  if (!jobs.some((job) => job.shown || job.status !== "pending")) return [nothingYet()];
  return [
    el("h1", { class: "sentence" }, ...sentence()),
    el("p", { class: "cost" }, ...costLine()),
    stripOf(jobs),
    el("div", { class: "legend" }, ...legend(jobs)),
    el("div", { class: "columns" }, whatToDo(), creditBars()),
  ];
}

/** The kind of media that the campaign makes, in one word. @param {number} count */
function madeOf(count) {
  const { jobs } = app.model;
  const kinds = new Set(jobs.map((job) => kindOf(job.file)).filter(Boolean));
  // What comes from a template that has made nothing yet is usually a video.
  const seen = new Set(jobs.filter((job) => job.file).map((job) => job.template));
  const isKnown = kinds.has("video") || jobs.every((job) => seen.has(job.template));
  const noun =
    kinds.size > 1 || (kinds.size && !isKnown)
      ? "file"
      : kinds.has("image")
        ? "image"
        : kinds.has("audio")
          ? "sound"
          : "video";
  return count === 1 ? noun : `${noun}s`;
}

/** Purchases that serve no job and whose outcome is unknown: they count like any other. */
function idleAttention() {
  const served = new Set(app.model.jobs.map((job) => job.purchase));
  return ownPurchases().filter((each) => each.status === "attention" && !served.has(each.id));
}

function sentence() {
  const { jobs } = app.model;
  const made = jobs.filter((job) => job.status === "done").length;
  const failed = jobs.filter((job) => job.state === "failed").length;
  const idle = idleAttention().length;
  const attention = jobs.filter((job) => job.state === "attention").length + idle;
  const all = made === jobs.length;
  // Where the manifest asks for jobs that the page does not show, only the planner knows how many are not made.
  const isEdited = app.model.campaigns.some((each) => each.unseen);
  const begin = isEdited
    ? `${counted(made, madeOf(1), madeOf(2))} ${made === 1 ? "is" : "are"} made; the next run makes ${number(allToCome().jobs)}.`
    : all && made > 1
      ? `All ${number(made)} ${madeOf(made)} are made.`
      : `${number(made)} of ${number(jobs.length)} ${madeOf(jobs.length)} ${made === 1 || jobs.length === 1 ? "is" : "are"} made.`;
  /** @type {(Node | string)[]} */
  const parts = [begin];
  if (failed)
    parts.push(
      " ",
      el("a", { class: "red", href: addressOf({ q: "status:failed" }), text: `${number(failed)} failed` }),
    );
  if (attention) {
    const where = idle ? addressOf({ view: "failures" }) : addressOf({ q: "status:attention" });
    parts.push(
      failed ? ", " : " ",
      el("a", {
        class: "amber",
        href: where,
        text: `${number(attention)} ${attention === 1 ? "needs" : "need"} you`,
      }),
    );
  }
  if (failed || attention) parts.push(".");
  return parts;
}

function costLine() {
  const { campaigns, jobs } = app.model;
  const rehearsed = isRehearsal();
  const underway = jobs.filter((job) => job.state === "underway").length;
  const last = ownPurchases()
    .filter(isCharged)
    .map((each) => each.bought)
    .sort()
    .at(-1);
  /** @type {(Node | string)[]} */
  const known = rehearsed ? ["Nothing was paid: this is a rehearsal on the emulator. "] : [];
  known.push(...priceLine());
  if (underway) known.push(`${number(underway)} under way. `);
  if (last && !rehearsed) known.push(`Last bought ${date(last, "full")}. `);
  const chosen = campaigns.filter((each) => each.selected_of !== undefined);
  if (chosen.length)
    known.push(
      `A selection: ${number(jobs.filter((job) => chosen.includes(job.campaign)).length)} of ${counted(
        chosen.reduce((sum, each) => sum + (each.selected_of ?? 0), 0),
        "job",
      )}.`,
    );
  return known;
}

/** Whether all of it was made on the emulator. */
function isRehearsal() {
  return app.model.campaigns.every((each) => each.emulated);
}

/** All purchases except those that only the results to compare with have. */
function ownPurchases() {
  const { campaigns, purchases } = app.model;
  const own = campaigns.flatMap((each) => each.purchases.map(({ id }) => purchases.get(id)));
  return own.filter((each) => each !== undefined);
}

/** The credits spent, without a period; empty in a rehearsal at unknown prices. @returns {(Node | string)[]} */
function spentLine() {
  const spent = app.model.campaigns.reduce((sum, each) => sum + each.spent, 0);
  const { count, unknown } = costOf(ownPurchases());
  if (count && unknown === count) return isRehearsal() ? [] : ["What was bought has no known price"];
  const credits = el("b", { text: `${number(spent)} credits` });
  return [
    ...(isRehearsal() ? ["It stands for ", credits] : [credits, " spent"]),
    unknown ? ` and ${number(unknown)} with no known price` : "",
  ];
}

/** The credits spent, and those still to come. */
function priceLine() {
  const { credits, unknown, count, jobs } = allToCome();
  const coming = `${atMost(app.model.campaigns)}${unknown === count ? counted(jobs, "job") : number(credits)}`;
  const parts = spentLine();
  if (!parts.length) {
    const again = app.model.jobs.filter((job) => job.state === "redo" && isNext(job)).length;
    const unit = unknown === count ? "" : credits === 1 ? " credit" : " credits";
    return count ? [`${capital(coming)}${unit} ${again === jobs ? "to make again" : "still to come"}. `] : [];
  }
  // Without a number of credits before it, a number does not tell what it counts.
  const unit = app.model.campaigns.some((each) => each.spent) || unknown === count ? "" : " credits";
  if (count) parts.push(`, ${coming}${unit} still to come`);
  if (count && unknown && unknown < count) parts.push(` and ${number(unknown)} with no known price`);
  parts.push(". ");
  return parts;
}

/** @param {Job[]} jobs */
function countsByState(jobs) {
  const counts = countsOf(jobs, (job) => job.state);
  return STRIP_ORDER.map((state) => ({ state, count: counts.get(state) ?? 0 })).filter((each) => each.count);
}

/** @param {Job[]} jobs */
function stripOf(jobs) {
  const counts = countsByState(jobs);
  const label = counts.map(({ state, count }) => `${number(count)} ${STATES[state].many}`).join(", ");
  const many = jobs.length > MAX_MARKS;
  const marks = counts.flatMap(({ state, count }) =>
    many
      ? [el("i", { class: `mark-${state}`, vars: { share: count } })]
      : Array.from({ length: count }, () => el("i", { class: `mark-${state}` })),
  );
  const tight = jobs.length > 80 && !many ? "tight" : "";
  return el(
    "div",
    { class: `strip ${many ? "many" : ""} ${tight}`, role: "img", "aria-label": label },
    ...marks,
  );
}

/** The states that follow from a decision, or from its lack. */
const DECIDED = new Set(["approved", "undecided", "rejected", "redo"]);

/** The states of what is made and undecided, without its file. */
const NOT_TO_BE_SEEN = new Set(["missing", "altered"]);

/**
 * A search for the jobs of a state: as `--select` takes it or as a filter ticks it, if such a search finds the same jobs.
 * @param {State} state @param {Job[]} jobs
 */
function searchOf(state, jobs) {
  const wanted = jobs.filter((job) => job.state === state);
  const statuses = [...countsOf(wanted, (job) => job.status).keys()].map((each) => `status:${each}`);
  const decisions = [...countsOf(wanted, decisionOf).keys()].map((each) => `decision:${each}`);
  const others = DECIDED.has(state)
    ? [decisions.join(" "), [...statuses, ...decisions].join(" ")]
    : NOT_TO_BE_SEEN.has(state)
      ? []
      : [statuses.join(" ")];
  const isSame = (/** @type {string} */ q) => {
    const found = fitting(searchFor(q, jobs), jobs);
    return found.length === wanted.length && found.every((job) => job.state === state);
  };
  return others.find(isSame) ?? `state:${state}`;
}

/** @param {Job[]} jobs */
function legend(jobs) {
  return countsByState(jobs).map(({ state, count }) => {
    const word = state === "attention" && count === 1 ? "needs you" : STATES[state].many;
    return el(
      "a",
      { href: addressOf({ q: searchOf(state, jobs) }) },
      el("i", { class: `mark-${state}` }),
      el("span", {}, el("b", { text: number(count) }), ` ${word}`),
    );
  });
}

/** Everything that somebody could do now, except what a current run does itself. */
function todoRows() {
  const { campaigns } = app.model;
  const rows = [...campaigns.flatMap(attentionRows), ...campaigns.flatMap(nextRows)];
  const review = reviewRow();
  return review ? [...rows, review] : rows;
}

function whatToDo() {
  const rows = todoRows();
  if (!rows.length) {
    // While a run goes on, it does what is open.
    const isAllMade = app.model.jobs.every((job) => job.status === "done");
    const isSettledAll = isAllMade || !source.goesOn();
    const about = isAllMade
      ? "Everything is made and decided."
      : isSettledAll
        ? "What is not made is not needed: another take of it is approved."
        : RUN_GOES_ON;
    rows.push(todoRow(isSettledAll ? "check" : "underway", "", "Nothing to do", about));
  }
  return el(
    "section",
    { "aria-labelledby": "todo-title" },
    el(
      "div",
      { class: "head" },
      el("h2", { id: "todo-title", text: "What to do next" }),
      isHandedOn() &&
        rows.some((row) => row.querySelector(".command")) &&
        el("small", { text: "The commands are for whoever runs the campaign." }),
    ),
    el("ul", { class: "todo" }, ...rows),
  );
}

/**
 * @param {string} sign @param {string} tone @param {string | Node} title @param {string | Node | (string | Node)[]} about
 * @param {Node} [action] @param {boolean} [wide]
 */
function todoRow(sign, tone, title, about, action, wide = false) {
  return el(
    "li",
    { class: about ? "" : "short" },
    icon(sign, tone),
    el("div", {}, el("h3", {}, title), about && el("p", {}, ...[about].flat())),
    action && el("div", { class: wide ? "wide" : "" }, action),
  );
}

/** Each purchase that needs attention, with the command that resolves it. @param {Campaign} campaign */
function attentionRows(campaign) {
  const waiting = attentionOf(campaign);
  const rows = waiting
    .slice(0, waiting.length > MAX_ATTENTION + 1 ? MAX_ATTENTION : MAX_ATTENTION + 1)
    .map((purchase, index) => {
      const title =
        waiting.length === 1
          ? "1 purchase with an unknown outcome"
          : `Unknown outcome, ${number(index + 1)} of ${number(waiting.length)}`;
      const named = `${campaignBefore(campaign)}${title}`;
      return todoRow("attention", "amber", named, attentionAbout(purchase), resolveCommands(purchase), true);
    });
  if (waiting.length > rows.length) {
    const left = waiting.slice(rows.length);
    const { credits, unknown } = costOf(left);
    const rest = unknown ? `, and ${number(unknown)} at no known price` : "";
    const cost =
      unknown === left.length
        ? "Their prices are not known."
        : `${counted(credits, "credit")} may be spent${rest}.`;
    const link = el("a", { class: "button", href: addressOf({ view: "failures" }), text: "See all" });
    rows.push(
      todoRow(
        "attention",
        "amber",
        `${campaignBefore(campaign)}${number(left.length)} more with an unknown outcome`,
        cost,
        link,
      ),
    );
  }
  return rows;
}

/** The purchase, its problem, the possible cost, and what to do. @param {Purchase} purchase */
function attentionAbout(purchase) {
  const { error, price } = purchase;
  const said = error ? begun(error).replace(/[.!…]$/, "") : "It was sent and no answer came";
  const cost = price === undefined ? "" : `; ${counted(price, "credit")} may be spent`;
  const later = source.goesOn(purchase.campaign) ? "When this run has ended, look" : "Look";
  return [
    keyLink(purchase),
    el("br"),
    `${said}${cost}. ${later} for it on the vendor’s site; ${purchase.campaign.results ? "it is resolved where the manifest is" : "its id goes in place of ID"}.`,
  ];
}

/** @param {Campaign} campaign */
function attentionOf(campaign) {
  const jobs = app.model.jobs.filter((job) => job.campaign === campaign && job.state === "attention");
  const serving = jobs.map((job) => job.serving).filter((each) => each !== undefined);
  return [...new Set([...serving, ...idleAttention().filter((each) => each.campaign === campaign)])];
}

/** @param {Purchase} purchase @param {string} [answer] */
function resolveCommand(purchase, answer = "--workflow-id ID") {
  return commandOf("resolve", purchase.campaign, purchase.id, answer);
}

/** The two answers to an unknown outcome, each with its command. @param {Purchase} purchase */
function resolveCommands(purchase) {
  if (purchase.campaign.results) return undefined;
  return el(
    "div",
    { class: "answers" },
    el("span", { text: "If it is there" }),
    commandBox(resolveCommand(purchase)),
    el("span", { text: "If it is not" }),
    commandBox(resolveCommand(purchase, "--not-bought")),
  );
}

/** @param {string} text */
function sentenceOf(text) {
  return `${begun(text)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

/** The text with a capital, unless it begins with a name from code or an address. @param {string} text */
function begun(text) {
  return /^(\w*_|[a-z][\w+.-]*:\/\/)/.test(text) ? text : capital(text);
}

/** A key as a link to its job, if it has one. @param {Purchase | Job} of */
function keyLink(of) {
  const job = app.model.byKey[of.campaign.number].get(of.key);
  const inner = keyLine(of);
  return job
    ? el(
        "a",
        { class: "key-link", title: of.key, href: addressOf({ view: "job", job: job.address }) },
        ...inner,
      )
    : el("span", { class: "key-link", title: of.key }, ...inner);
}

/** Files that are where they should be, but out of this page's reach. @param {Campaign} campaign @param {Job[]} stored */
function storedRow(campaign, stored) {
  const title =
    stored.length === 1
      ? "1 file is in the object store"
      : `${number(stored.length)} files are in the object store`;
  return todoRow(
    "missing",
    "",
    `${campaignBefore(campaign)}${title}`,
    `Paid for and made, but this page does not link to ${stored.length === 1 ? "it" : "them"}. To link for a day, or write --bundle to copy the videos into the page's folder:${decidedOf(stored)}`,
    commandBox(commandOf("report", campaign, "--sign 24h")),
  );
}

/** Files that somebody changed: nothing overwrites them. @param {Campaign} campaign @param {Job[]} altered */
function alteredRow(campaign, altered) {
  const many = altered.length > 1;
  const [them, they] = many ? ["them", "they were"] : ["it", "it was"];
  const toFetch = isHandedOn()
    ? ""
    : ` To have ${them} as ${they} made, move ${them} away and fetch ${them} again, which costs nothing.`;
  return todoRow(
    "missing",
    "",
    `${campaignBefore(campaign)}${counted(altered.length, "file")} ${isAltered(many)}`,
    `${many ? "They are" : "It is"} left alone.${toFetch}${decidedOf(altered)}`,
    toFetch && !source.goesOn(campaign) ? commandBox(commandOf("collect", campaign)) : undefined,
  );
}

/** @param {Campaign} campaign */
function nextRows(campaign) {
  const jobs = app.model.jobs.filter((job) => job.campaign === campaign);
  const by = (/** @type {(job: Job) => boolean} */ test) => jobs.filter(test);
  const rows = [];
  const failed = by((job) => job.state === "failed");
  if (failed.length) rows.push(failedRow(campaign, failed));
  const absent = by((job) => job.status === "done" && !job.file?.here && Boolean(job.file));
  const stored = absent.filter((job) => job.file?.stored);
  if (stored.length) rows.push(storedRow(campaign, stored));
  const altered = absent.filter((job) => job.file?.altered);
  if (altered.length) rows.push(alteredRow(campaign, altered));
  const missing = absent.filter((job) => !job.file?.stored && !job.file?.altered);
  if (missing.length) {
    rows.push(
      todoRow(
        "missing",
        "",
        `${campaignBefore(campaign)}${missing.length === 1 ? `1 file ${isMissing()}` : `${number(missing.length)} files ${isMissing(true)}`}`,
        `Paid for and made; ${fetching(campaign, missing.length)}${decidedOf(missing)}`,
        source.goesOn(campaign) ? undefined : commandBox(commandOf("collect", campaign)),
      ),
    );
  }
  if (source.goesOn(campaign)) return rows;
  const open = by((job) => job.state === "underway" || isNext(job));
  if (open.length || campaign.unseen) rows.push(openRow(campaign, open));
  return [...rows, ...waitingRows(campaign)];
}

/** How files that are missing are fetched. @param {Campaign} campaign @param {number} count */
function fetching(campaign, count) {
  if (source.goesOn(campaign))
    return "fetching costs nothing. When this run has ended, fetch what it leaves.";
  return isHandedOn()
    ? `fetching costs nothing. Whoever runs the campaign can fetch ${count === 1 ? "it" : "them"} and make the gallery again.`
    : "fetching costs nothing.";
}

/** A sentence on how many of these jobs are decided. @param {Job[]} jobs */
function decidedOf(jobs) {
  const decided = jobs.filter((job) => job.decision).length;
  if (!decided) return "";
  return decided === jobs.length
    ? " All are decided."
    : ` ${number(decided)} of them ${decided === 1 ? "is" : "are"} decided.`;
}

/** @param {Campaign} campaign @param {Job[]} failed */
function failedRow(campaign, failed) {
  const counts = [...countsOf(failed, (job) => job.reason ?? "")];
  const reasons = counts.sort(([, one], [, other]) => other - one);
  /** @type {Record<string, string>} */
  const said = { vendor: "by the vendor", rejected: "refused", lost: "lost", input: "for want of an image" };
  const about = `${reasons.map(([reason, count]) => `${number(count)} ${said[reason] ?? ""}`.trim()).join(", ")}. `;
  const title = `${campaignBefore(campaign)}${counted(failed.length, "job")} failed`;
  const href = addressOf({ view: "failures" });
  // While a run goes on, another run would only report that the state is in use.
  if (source.goesOn(campaign)) {
    const word = failed.length === 1 ? "See it" : "See all";
    const later = `${failed.length === 1 ? "It" : "They"} can be tried again when this run has ended.`;
    return todoRow("failed", "red", title, about + later, el("a", { class: "button", href, text: word }));
  }
  const reason = onlyReason(failed);
  const next = isToTryAgain(failed) ? costOfTryingAgain(failed) : REASONS[reason ?? ""].about;
  return todoRow(
    "failed",
    "red",
    title,
    [
      about,
      `${next} `.trimStart(),
      ...limitOfTryingAgain(campaign, failed),
      el("a", { class: "link", href, text: "All reasons" }),
    ],
    commandBox(afterFailure(reason, campaign)),
  );
}

/** What kinds of jobs a run makes, in words. @param {{ anew: number, again: number, retried: number }} counts */
function kindsOf({ anew, again, retried }) {
  return [
    anew && `${number(anew)} not made yet`,
    again && `${number(again)} sent back`,
    retried && `${number(retried)} failed before`,
  ].filter(Boolean);
}

/** What the next run would continue and buy. @param {Campaign} campaign @param {Job[]} jobs */
function openRow(campaign, jobs) {
  const counts = countsOf(jobs, (job) => job.state);
  const order = /** @type {State[]} */ (["underway", "redo", "pending"]);
  const coming = comingOf(campaign);
  const { credits, unknown, count } = coming;
  const unseen = campaign.unseen ?? 0;
  const underway = counts.get("underway") ?? 0;
  const again = counts.get("redo") ?? 0;
  const retried = counts.get("failed") ?? 0;
  const anew = (counts.get("pending") ?? 0) + unseen;
  const making = again + retried + anew;
  const most = atMost([campaign]);
  const title = !making
    ? `Go on with ${number(underway)}`
    : retried === making
      ? `Try ${number(making)} again`
      : `Make ${most}${number(making)}${again === making ? " again" : ""}`;
  const cost = count && !unknown ? `, ${counted(credits, "credit")}` : "";
  const first = order.find((state) => counts.has(state)) ?? "pending";
  /** @type {(Node | string)[]} */
  const about = [];
  if (again || (retried && retried < making))
    about.push(`${capital(kindsOf({ anew, again, retried }).join(", "))}.`);
  if (underway)
    about.push(
      making
        ? `${number(underway)} more ${underway === 1 ? "is" : "are"} under way and paid for.`
        : "What is under way is paid for.",
    );
  const settled = app.model.jobs.filter(
    (job) => job.campaign === campaign && job.state === "redo" && isSettled(job),
  );
  if (settled.length)
    about.push(
      `${number(settled.length)} sent back ${settled.length === 1 ? "is" : "are"} not, as another take is approved.`,
    );
  if (unseen) about.push(unseenText(unseen));
  // Nothing is paid in a rehearsal.
  if (unknown && !campaign.emulated)
    about.push(
      unknown === count
        ? "What is to be bought has no known price."
        : `${capital(most)}${counted(credits, "credit")} to pay, and ${number(unknown)} with no known price.`,
    );
  about.push(...overLimit(campaign, coming, campaign.next_run?.limit));
  return todoRow(
    STATES[first].icon,
    STATES[first].tone === "blue" ? "blue" : "",
    `${campaignBefore(campaign)}${title}${cost}`,
    about.length ? about.flatMap((each) => [each, " "]) : "",
    commandBox(commandOf("run", campaign)),
  );
}

/** What an edit of the manifest or other vars have changed. @param {number} count */
function unseenText(count) {
  return `${counted(count, "job is", "jobs are")} new or changed since the results were written.`;
}

/** Jobs that no run of the selection makes. @param {Job[]} jobs */
function waitingRow(jobs) {
  return todoRow("pending", "", `${counted(jobs.length, "job")} not made yet`, waitingText(jobs));
}

/** @param {Job[]} jobs */
function waitingText(jobs) {
  const toApprove = jobs.filter((job) => job.needs_approval).length;
  const yet = !toApprove ? "made" : toApprove === jobs.length ? "approved" : "made or approved";
  const waits = `${counted(jobs.length, "job waits", "jobs wait")} for what ${jobs.length === 1 ? "it is" : "they are"} made from`;
  return `${waits}, which is not selected and not ${yet} yet.`;
}

/**
 * What exceeds a limit, in words. @param {[limit: string, by: number][]} limits of which most are not exceeded
 * @param {boolean} isAtLeast some prices are not known @returns {string[]}
 */
function exceeded(limits, isAtLeast) {
  const least = isAtLeast ? "at least " : "";
  return limits.filter(([, by]) => by > 0).map(([limit, by]) => `${limit} by ${least}${number(by)}`);
}

/**
 * What a run would be refused for; a rehearsal too.
 * @param {Campaign} campaign @param {Coming} coming what it would buy @param {string} [limit] besides credits, as the planner says it
 */
function overLimit({ budget_left: left, max_credits: cap }, { credits, count, unknown }, limit) {
  const over = exceeded(
    [
      ["the limit of a run", credits - (cap ?? Infinity)],
      ["the budget", credits - (left ?? Infinity)],
    ],
    unknown > 0,
  );
  const raise = over.length === 1 ? "raise it" : "raise both";
  const texts = [
    limit && `It would be refused: ${limit}.`,
    count && over.length && `It would exceed ${over.join(" and ")}: ${raise}, or select fewer.`,
  ];
  return texts.filter(Boolean).map((text) => el("b", { class: "amber", text: String(text) }));
}

function reviewRow() {
  const open = app.model.jobs.filter(isUndecided);
  if (!open.length) return undefined;
  const approved = app.model.jobs.filter((job) => job.decision === "approved").length;
  const rejected = app.model.jobs.filter((job) => job.decision === "rejected").length;
  const decided = [
    approved && `${number(approved)} approved`,
    rejected && `${number(rejected)} rejected`,
  ].filter(Boolean);
  const so = decided.length ? `${decided.join(" and ")} so far.` : "None is decided yet.";
  const title = `${number(open.length)} ${madeOf(open.length)} to decide`;
  if (source.hasEnded) {
    const about = `${so} The server of this page has ended; a new one saves decisions.`;
    return todoRow("check", "", title, about, commandBox(serveCommand()));
  }
  const button = el(
    "button",
    { class: "button solid-button", onclick: () => nextUndecided() },
    `Review ${number(open.length)}`,
    el("kbd", { text: "n" }),
  );
  return todoRow("check", "", title, so, button, true);
}

function creditBars() {
  const rows = app.model.campaigns.flatMap((campaign) =>
    capBars(campaign, source.goesOn(campaign) ? () => barOfRun(campaign) : barOfNextRun(campaign)),
  );
  const templates = templateBars();
  if (!rows.length && !templates.length) return undefined;
  return el(
    "section",
    { "aria-labelledby": "credits-title" },
    el("div", { class: "head" }, el("h2", { id: "credits-title", text: "Credits" })),
    el("dl", { class: "bars" }, ...rows, ...templates),
  );
}

/** `limit` is that of the run, if the bar has it as its cap. @typedef {{ name: string, spent: number, cap: number, limit?: number, amount: string, coming?: number }} RunBar */

/**
 * The bars of a campaign: that of one run if it has a cap, and that of its budget; without either, the credits spent.
 * @param {Campaign} campaign @param {(coming: number) => RunBar | undefined} barOfRun
 */
function capBars(campaign, barOfRun) {
  const { spent, budget, budget_left: remaining, budget_unpriced: unpriced = 0 } = campaign;
  const used = (budget ?? 0) - (remaining ?? 0);
  const estimated = used > spent ? `, ${number(used - spent)} of them at today’s prices` : "";
  const { credits: coming, unknown } = comingOf(campaign);
  const several = campaignBefore(campaign);
  const isWhole = campaign.selected_of === undefined;
  const isUncapped = isWhole && campaign.max_credits === undefined;
  const bars = [];
  const run = barOfRun(coming);
  if (run) bars.push(capBar(`${several}${run.name}`, run.spent, run.coming ?? coming, run.cap, run.amount));
  if (budget !== undefined)
    bars.push(
      capBar(
        `${several}Budget, all runs`,
        used,
        coming,
        budget,
        `${unpriced ? "at least " : ""}${number(used)} of ${number(budget)}${estimated}`,
      ),
    );
  if (!bars.length && spent + coming > 0)
    bars.push(
      capBar(
        `${several}${isUncapped ? "Spent, no cap" : "Spent"}`,
        spent,
        coming,
        spent + coming,
        number(spent),
        false,
      ),
    );
  if (bars.length && coming && (budget !== undefined || run?.coming !== 0)) {
    const left = remaining === undefined ? undefined : remaining - coming;
    const over = exceeded(
      [
        ["the limit of a run", run?.limit ? run.spent + (run.coming ?? coming) - run.limit : 0],
        ["the budget", -(left ?? 0)],
      ],
      unknown + unpriced > 0,
    );
    const all = isWhole ? "all" : "this selection";
    bars.push(hatchedLine(over, left === undefined ? "" : underBudget(all, left, unknown + unpriced)));
  }
  return bars;
}

/** What stays under the budget: no more, where prices are not known. @param {string} all that is made @param {number} left @param {number} unknown */
function underBudget(all, left, unknown) {
  if (!unknown) return `If ${all} is made, ${number(left)} stay under the budget.`;
  const why = `${counted(unknown, "purchase has", "purchases have")} no known price`;
  return `If ${all} is made, at most ${number(left)} stay under the budget, as ${why}.`;
}

/** The legend of the hatching, and whether all of it fits. @param {string[]} over what it exceeds @param {string} fits what is left otherwise */
function hatchedLine(over, fits) {
  const about = over.length ? ` All of it would exceed ${over.join(" and ")}.` : fits && ` ${fits}`;
  return el(
    "div",
    { class: over.length ? "foot over" : "foot" },
    el("dt", { text: `Hatched: still to come.${about}` }),
  );
}

/** The credits that the last run spent of its cap. @param {Campaign} campaign @returns {RunBar | undefined} */
function barOfRun(campaign) {
  const { run } = campaign;
  const cap = run?.max_credits ?? undefined;
  if (!run || cap === undefined) return undefined;
  const goesOn = source.goesOn(campaign);
  const name = goesOn ? "This run" : "The last run";
  const amount = `${number(run.spent)} of at most ${number(cap)}`;
  // Once the run has ended, what is still to come is for another run.
  return { name, spent: run.spent, cap, limit: cap, amount, coming: goesOn ? run.coming : 0 };
}

/**
 * The next run, up to its limit; that of a selection up to what is left of the budget, if that is less: it has no bar of its own.
 * @param {Campaign} campaign @returns {(coming: number) => RunBar | undefined}
 */
function barOfNextRun({ max_credits: limit = Infinity, budget_left: left = Infinity, selected_of: of }) {
  const isByBudget = of !== undefined && left < limit;
  const cap = isByBudget ? Math.max(0, left) : limit;
  const most = isByBudget ? `the ${number(cap)} left of the budget` : `at most ${number(cap)}`;
  return (coming) =>
    cap === Infinity
      ? undefined
      : { name: "Next run", spent: 0, cap, limit, amount: `${number(coming)} of ${most}` };
}

/** @param {string} name @param {number} spent @param {number} coming @param {number} cap @param {string} amount @param {boolean} [capped] */
function capBar(name, spent, coming, cap, amount, capped = true) {
  // What exceeds a cap is drawn beyond it.
  const isOver = capped && spent + coming > cap;
  const whole = Math.max(cap, isOver ? spent + coming : 0, 1);
  const solid = Math.min(100, (spent / whole) * 100);
  const hatched = Math.min(100 - solid, (coming / whole) * 100);
  const about = `${amount}${coming ? `, ${number(coming)} still to come` : ""}`;
  return el(
    "div",
    { class: isOver ? "over" : "" },
    el("dt", {}, el("span", { text: name }), el("span", { text: amount })),
    el(
      "dd",
      { class: "bar", title: about },
      el("i", { vars: { part: solid } }),
      hatched > 0 && el("i", { class: "to-come", vars: { from: solid, part: hatched } }),
      capped && el("i", { class: "cap", vars: { at: (cap / whole) * 100 } }),
      el("span", { class: "unseen", text: about }),
    ),
  );
}

/** What was bought of each template, the most expensive first. */
function templateBars() {
  const bought = Map.groupBy(ownPurchases().filter(isCharged), (each) => each.template);
  const ranked = [...bought]
    .map(([template, purchases]) => ({ template, ...costOf(purchases) }))
    .sort((one, other) => other.credits - one.credits);
  if (ranked.every(({ credits, unknown }) => unknown && !credits)) return [];
  const most = Math.max(1, ranked[0]?.credits ?? 1);
  const bars = ranked
    .slice(0, 8)
    .map(({ template, count, credits, unknown }) =>
      templateBar(
        template,
        `${number(count)} bought, ${unknown && !credits ? "price unknown" : number(credits)}`,
        unknown && !credits ? undefined : credits / most,
      ),
    );
  if (ranked.length > 8)
    bars.push(
      el("div", { class: "foot" }, el("dt", { text: `${number(ranked.length - 8)} more templates` })),
    );
  return bars;
}

/** @param {string} template @param {string} amount @param {number | undefined} part of 1; undefined: unknown */
function templateBar(template, amount, part) {
  return el(
    "div",
    { class: "template" },
    el("dt", {}, el("span", { title: template, text: template }), el("span", { text: amount })),
    part !== undefined && el("dd", { class: "bar" }, el("i", { vars: { part: part * 100 } })),
  );
}

/** The cap that credits stay under, after what they pay for; empty if there is none. @param {Campaign} campaign @param {number} credits */
function withinCap({ budget, budget_left: left = Infinity, max_credits: limit = Infinity }, credits) {
  const cap = Math.min(left, limit);
  if (cap === Infinity || credits > cap) return "";
  return cap === limit || cap === budget
    ? `, under the cap of ${number(cap)}`
    : `, within the ${number(cap)} left of the budget`;
}

/** The page of a campaign that has bought nothing. */
function nothingYet() {
  const { campaigns } = app.model;
  const { credits, unknown, count, jobs } = allToCome();
  const price =
    unknown === count
      ? " at prices that are not known"
      : [
          " for ",
          el("b", { text: `${number(credits)} credits` }),
          unknown ? ` and ${number(unknown)} with no known price` : "",
        ];
  const within = campaigns.length === 1 && !unknown ? withinCap(campaigns[0], credits) : "";
  const isSelection = campaigns.some((each) => each.selected_of !== undefined);
  const title = !isSelection
    ? "Nothing has been bought yet."
    : app.model.jobs.length
      ? "Nothing of this selection has been bought yet."
      : "No job is selected.";
  const rows = campaigns.flatMap((campaign) => [
    source.goesOn(campaign)
      ? todoRow("underway", "", "Nothing to do", RUN_GOES_ON)
      : !comingOf(campaign).jobs
        ? undefined
        : todoRow(
            "play",
            "",
            `${campaignBefore(campaign)}Buy and make them`,
            [
              source.isLive ? "The page fills while it runs." : "The page fills when it is written again.",
              ...overLimit(campaign, comingOf(campaign), campaign.next_run?.limit),
            ].flatMap((each) => [each, " "]),
            commandBox(commandOf("run", campaign)),
          ),
    ...(source.goesOn(campaign) ? [] : waitingRows(campaign)),
    ...(campaign.emulated || source.goesOn(campaign) || !comingOf(campaign).count
      ? []
      : [
          todoRow(
            "search",
            "",
            `${campaignBefore(campaign)}Rehearse first`,
            "Real videos from the emulator, at no cost.",
            // A rehearsal has records of its own.
            commandBox(commandOf("run", { ...campaign, flags: "--emulate" })),
          ),
        ]),
  ]);
  return el(
    "div",
    { class: "empty" },
    el(
      "div",
      { class: "frames", "aria-hidden": "true" },
      ...[1.78, 1, 0.5625, 1.78, 0.5625].map((ratio) =>
        el("div", { class: "media tall frame", vars: { ratio } }),
      ),
    ),
    el("h1", { class: "sentence", text: title }),
    el(
      "p",
      { class: "cost" },
      ...(count ? [`${counted(jobs, "job is", "jobs are")} planned`, ...[price].flat(), `${within}. `] : []),
    ),
    el("ul", { class: "todo" }, ...rows),
  );
}
