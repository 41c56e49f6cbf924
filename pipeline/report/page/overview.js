"use strict";
// The overview: a sentence, the cost, a strip with a mark for each job and its legend.

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
  const need = (/** @type {number} */ count) => (count === 1 ? "needs you" : STATES.attention.many);
  const entries = countsByState(jobs).map(({ state, count }) => {
    const word = state === "attention" ? need(count) : STATES[state].many;
    return legendEntry(state, count, word, addressOf({ q: searchOf(state, jobs) }));
  });
  // They have no mark of their own, as each mark is a job; the sentence counts them.
  const idle = idleAttention().length;
  if (idle)
    entries.push(legendEntry("attention", idle, `${need(idle)}, of no job`, addressOf({ view: "failures" })));
  return entries;
}

/** @param {State} state @param {number} count @param {string} word @param {string} href */
function legendEntry(state, count, word, href) {
  return el(
    "a",
    { href },
    el("i", { class: `mark-${state}` }),
    el("span", {}, el("b", { text: number(count) }), ` ${word}`),
  );
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
