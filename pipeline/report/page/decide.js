"use strict";
// Decisions. A page that cannot save offers the command that can; the bar is the same either way.

const VERDICTS = [
  {
    verb: "approve",
    decision: "approved",
    word: "Approve",
    set: "Approved",
    many: "approved",
    sign: "check",
    key: "a",
  },
  {
    verb: "reject",
    decision: "rejected",
    word: "Reject",
    set: "Rejected",
    many: "rejected",
    sign: "cross",
    key: "r",
  },
  {
    verb: "redo",
    decision: "redo",
    word: "Redo",
    set: "Sent back",
    many: "sent back",
    sign: "redo",
    key: "d",
  },
];

// Withdraws a verdict: by its key, or by the button of the verdict that is set.
const UNDECIDE = {
  verb: "undecide",
  decision: "undecided",
  set: "Decision taken back",
  many: "decisions taken back",
};

/** The purchase that a decision is about: the one in the detail, or the chosen side of a comparison. @type {Purchase | undefined} */
let deciding;

/** @param {string} verb @param {Purchase[]} purchases */
function decide(verb, purchases) {
  if (!purchases.length) return;
  const verdict = VERDICTS.find((each) => each.verb === verb) ?? UNDECIDE;
  if (source.canDecide) {
    if (app.view.view === "browse") void decideAll(purchases, verdict);
    else for (const each of purchases.filter(canBeDecided)) void decideWithNote(each, verdict);
    return;
  }
  void copy(commandsFor(verb, purchases).join(" && "));
}

/** The commands that decide, one for each campaign. @param {string} verb @param {Purchase[]} purchases */
function commandsFor(verb, purchases) {
  return app.model.campaigns.flatMap((campaign) => {
    const own = purchases.filter((each) => each.campaign === campaign);
    return own.length ? commandOf(verb, campaign, ...own.map((each) => each.id)) : [];
  });
}

/**
 * What was decided last on the cards, with one key: it is taken back with one. `before` has the earlier verdict on each purchase.
 * @type {{ before: Map<string, string | undefined>, decision: string } | undefined}
 */
let decidedLast;

/** The purchases of which that decision has not been changed since. */
function stillAsDecided() {
  const { before = new Map(), decision } = decidedLast ?? {};
  const purchases = [...before.keys()].map((id) => app.model.purchases.get(id));
  // The page may not have heard of its own decision yet.
  return purchases
    .filter((each) => each !== undefined)
    .filter((each) => each.decision === before.get(each.id) || each.decision === decision);
}

/** Decide on what is selected: one message says how many; what could not be saved stays selected. @param {Purchase[]} purchases @param {typeof UNDECIDE} verdict */
async function decideAll(purchases, { decision, set, many }) {
  const can = purchases.filter((each) => canBeDecided(each));
  if (!can.length) return toast("Nothing of this can be decided.");
  const before = new Map(can.map((each) => [each.id, each.decision]));
  const done = await saveAll(can, () => decision, set, many);
  const isNew = decision !== UNDECIDE.decision && done.some(({ id }) => before.get(id) !== decision);
  decidedLast = isNew ? { before: new Map(done.map(({ id }) => [id, before.get(id)])), decision } : undefined;
  deselect(done);
}

/**
 * Save a decision on each of these, and say so in one message; those that are saved.
 * @param {Purchase[]} purchases @param {(purchase: Purchase) => string} decisionOn @param {string} one @param {string} many
 */
async function saveAll(purchases, decisionOn, one, many) {
  if (purchases.length === 1) {
    const isSaved = await save(purchases[0], { decision: decisionOn(purchases[0]) }, one);
    return isSaved ? purchases : [];
  }
  const answers = await Promise.allSettled(
    purchases.map((each) => sendReview(each, { decision: decisionOn(each) })),
  );
  const saved = purchases.filter((_, index) => answers[index].status === "fulfilled");
  const failed = answers.filter((each) => each.status === "rejected");
  const outlooks = answers.flatMap((each) => (each.status === "fulfilled" ? (each.value ?? []) : []));
  const isRehearsed = purchases.every(({ campaign }) => campaign.emulated);
  const said = saved.length ? `${number(saved.length)} ${many}${whatFollows(outlooks, isRehearsed)}. ` : "";
  toast(
    failed.length
      ? `${said}${number(failed.length)} not saved: ${problemIn(failed[0].reason)}`
      : said.trimEnd(),
  );
  return saved;
}

/** @param {unknown} error */
function problemIn(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Take back what was decided last on these: each has the verdict again that it had before. @param {Purchase[]} purchases */
async function takeBack(purchases) {
  const last = decidedLast;
  const before = last?.before ?? new Map();
  const verdictBefore = (/** @type {Purchase} */ { id }) =>
    VERDICTS.find((each) => each.decision === before.get(id)) ?? UNDECIDE;
  if (!source.canDecide) {
    const byVerb = Map.groupBy(purchases, (each) => verdictBefore(each).verb);
    return copy([...byVerb].flatMap(([verb, own]) => commandsFor(verb, own)).join(" && "));
  }
  decidedLast = undefined;
  const [first] = purchases.map(verdictBefore);
  const one = first === UNDECIDE ? UNDECIDE.set : `${first.set} again`;
  const done = await saveAll(purchases, (each) => verdictBefore(each).decision, one, UNDECIDE.many);
  const left = purchases.filter((each) => !done.includes(each)).map(({ id }) => id);
  // The same key takes back what could not be saved, unless something else was decided meanwhile.
  if (last && left.length)
    decidedLast ??= { ...last, before: new Map(left.map((id) => [id, before.get(id)])) };
}

/** A typed note is part of the decision; a decision that is taken back leaves it. @param {Purchase} purchase @param {{ decision: string, set: string }} verdict */
async function decideWithNote(purchase, { decision, set }) {
  decidedLast = undefined;
  const note = decision !== UNDECIDE.decision && noting?.of === purchase.id ? noting.take() : {};
  await save(purchase, { decision, ...note }, note.note ? `${set}, with the note` : set);
}

/** @param {Purchase} purchase */
function canBeDecided(purchase) {
  return !purchase.deleted && (purchase.status === "done" || purchase.status === "succeeded");
}

/** The purchases whose reviews are being saved. @type {Set<string>} */
const saving = new Set();

/**
 * Send a review; resolves once it is known to be on disk, to what follows from it: where the answer is lost, an event may tell.
 * @param {Purchase} purchase @param {Review} review
 */
async function sendReview(purchase, review) {
  const wasThere = isThere(purchase.id, review);
  saving.add(purchase.id);
  if (review.note) setSent(purchase.id, review);
  showDecideBar();
  try {
    const outlook = await source.decide(purchase, review);
    if (sent.get(purchase.id) === review) setSent(purchase.id);
    return outlook;
  } catch (error) {
    if (!wasThere && isThere(purchase.id, review)) return undefined;
    if (review.note && !drafts.has(purchase.id)) setDraft(purchase.id, review.note);
    throw error;
  } finally {
    saving.delete(purchase.id);
    showDecideBar();
  }
}

/** Whether the page was told all that is in a review of a purchase. @param {string} id @param {Review} review */
function isThere(id, { decision, rating, note, at }) {
  const known = app.model.purchases.get(id);
  return (
    (!decision || (known?.decision ?? UNDECIDE.decision) === decision) &&
    (!rating || known?.rating === rating) &&
    (!note || notesOf(known).some((each) => each.text === note && each.at === at))
  );
}

/** Save a review, and say so; a decision is shown only once it is on disk. Whether it is. @param {Purchase} purchase @param {Review} review @param {string} message */
async function save(purchase, review, message) {
  try {
    const outlook = await sendReview(purchase, review);
    // Saved only after the next take was opened, it must not seem to be about that one.
    const isHere = !deciding || deciding.id === purchase.id;
    const then = isHere && review.decision ? consequenceOf(purchase, review.decision, outlook) : "";
    toast(isHere ? `${message}${then}.` : `${message}: ${purchase.key}`, { local: isHere });
    return true;
  } catch (error) {
    toast(`Not saved: ${problemIn(error)}`);
    return false;
  }
}

/** Rate the purchase that the bar is about. @param {number} rating */
function rate(rating) {
  if (deciding && source.canDecide && canBeDecided(deciding))
    void save(deciding, { rating }, `${counted(rating, "star")} given`);
}

/** Decide on the selected jobs that are shown, else on the card that has the focus. @param {string} verb */
function decideSelected(verb) {
  const shown = app.selected.filter(isInGrid);
  const focused = app.model.byAddress.get(focusedCard()?.dataset.address ?? "")?.seen?.id;
  const ids = shown.length || !source.canDecide || !focused ? shown : [focused];
  if (!ids.length && app.selected.length) return toast("The filter hides all that is selected.");
  const chosen = ids.map((id) => app.model.purchases.get(id));
  decide(
    verb,
    chosen.filter((each) => each !== undefined),
  );
}

/**
 * Take back the verdict on what is selected or on the card that has the focus; if that has none, or got its own together with
 * others, the last one, on all that it was given to: their cards may have left the filter.
 */
function takeBackSelected() {
  const focused = app.model.byAddress.get(focusedCard()?.dataset.address ?? "")?.seen;
  const last = stillAsDecided();
  const isOfOther = focused?.decision && !last.includes(focused);
  // What had that verdict already was not changed by it.
  const changed = last.filter(({ id }) => decidedLast?.before.get(id) !== decidedLast?.decision);
  if (app.selected.some(isInGrid) || isOfOther || !changed.length) {
    if (focused?.decision || app.selected.length) decideSelected(UNDECIDE.verb);
  } else void takeBack(changed);
}

/** The bar below a video. @param {Purchase | undefined} purchase @param {Node} [sides] */
function decideBar(purchase, sides) {
  deciding = purchase;
  const can = purchase !== undefined && canBeDecided(purchase);
  const left = app.model.jobs.filter(isUndecided).length;
  return el(
    "div",
    {
      class: `decide ${source.canDecide ? "saves" : ""}`,
      role: "group",
      "aria-label": "Decide",
      "aria-busy": String(purchase !== undefined && saving.has(purchase.id)),
    },
    sides,
    ...VERDICTS.map((each) => verdictButton(each, purchase, can)),
    source.canDecide && can ? starButtons(purchase) : purchase?.rating ? starsOf(purchase.rating) : undefined,
    // A note that was typed before the server ended can still be read and copied.
    can && (source.canDecide || drafts.has(purchase.id)) && noteForm(purchase),
    !source.canDecide &&
      can &&
      el(
        "span",
        { class: "hint" },
        ...(isHandedOn() || purchase.campaign.results
          ? ["Each button copies a command for whoever runs the campaign."]
          : [
              "Each button copies a command. To save here: ",
              el("code", { text: commandOf("serve", purchase.campaign) }),
            ]),
      ),
    el(
      "span",
      { class: "end" },
      el("span", { class: "left", text: left ? `${number(left)} left to decide` : "" }),
      el("button", { class: "quiet", onclick: () => nextUndecided() }, "Next", el("kbd", { text: "n" })),
    ),
  );
}

/** @param {typeof VERDICTS[0]} verdict @param {Purchase | undefined} purchase @param {boolean} can */
function verdictButton(verdict, purchase, can) {
  const set = purchase?.decision === verdict.decision;
  const { verb } = set ? UNDECIDE : verdict;
  const button = el(
    "button",
    {
      class: `button ${set ? `set-${verdict.decision}` : ""}`,
      "aria-pressed": String(set),
      title: set ? "Take it back (u)" : undefined,
      // The second click of a double click would withdraw what the first one decided.
      onclick: (/** @type {MouseEvent} */ event) => purchase && event.detail < 2 && decide(verb, [purchase]),
    },
    icon(verdict.sign),
    set ? verdict.set : verdict.word,
    el("kbd", { text: verdict.key }),
  );
  button.toggleAttribute("disabled", !can);
  return button;
}

/** Redraw the bar; a note that is being written stays. @param {Purchase} [purchase] @param {Node} [sides] */
function showDecideBar(purchase = app.model.purchases.get(deciding?.id ?? ""), sides) {
  const bar = document.querySelector(".decide");
  if (!bar) return;
  const kept = sides ?? bar.querySelector(".segmented") ?? undefined;
  const typing = bar.contains(document.activeElement) && document.activeElement?.matches(".note input");
  const place = focusable(bar).indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const made = decideBar(purchase, kept);
  bar.replaceWith(made);
  if (typing) made.querySelector("input")?.focus({ preventScroll: true });
  else if (place >= 0) focusable(made)[place]?.focus({ preventScroll: true });
}

/** @param {Purchase} purchase */
function starButtons(purchase) {
  const stars = [1, 2, 3, 4, 5].map((star) => {
    const button = el(
      "button",
      {
        "aria-label": counted(star, "star"),
        "aria-pressed": String(purchase.rating === star),
        title: `${counted(star, "star")} (${star})`,
        onclick: () => rate(star),
      },
      starIcon(star, purchase.rating ?? 0),
    );
    return button;
  });
  return el("span", { class: "stars", role: "group", "aria-label": "Stars" }, ...stars);
}

/** Whether to come to a job for its decision: not while one is being saved. @param {Job} job */
function isToDecide(job) {
  return isUndecided(job) && !saving.has(job.serving?.id ?? "");
}

/** A star that is given is solid, another one an outline. @param {number} star @param {number} rating */
function starIcon(star, rating) {
  return star > rating ? icon("star-empty", "off") : icon("star");
}

/** @param {number} rating */
function starsOf(rating) {
  const stars = [1, 2, 3, 4, 5].map((star) => starIcon(star, rating));
  return el("span", { class: "stars", role: "img", "aria-label": `${rating} of 5 stars` }, ...stars);
}

/** Open the next undecided job after the open one, else the first. */
function nextUndecided() {
  const here = app.view.view === "job" ? jobsInTurn() : jobsShown();
  const list = here.some(isToDecide) ? here : sorted(app.model.jobs, app.view.sort);
  const at = list.findIndex((job) => job.address === app.view.job);
  const next = [...list.slice(at + 1), ...list.slice(0, at + 1)].find(
    (job) => isToDecide(job) && job.address !== app.view.job,
  );
  if (next) go({ view: "job", job: next.address });
  else if (app.model.jobs.some((job) => isUndecided(job) && !isToDecide(job)))
    toast("What is left to decide is being saved.");
  else toast(toFetchFirst().join(" ") || "Nothing is left to decide.");
}

/** How many videos have to be fetched before they can be decided on, then the command, if it is for whoever looks. @returns {string[]} */
function toFetchFirst() {
  const toDecide = (/** @type {Job[]} */ jobs) => `${number(jobs.length)} ${madeOf(jobs.length)} to decide`;
  const altered = app.model.jobs.filter((job) => job.state === "altered");
  const missing = app.model.jobs.filter((job) => job.state === "missing");
  const left = altered.length ? `${toDecide(altered)} ${isAltered(altered.length > 1)}.` : "";
  if (!missing.length) return left ? [left] : [];
  const many = missing.length > 1;
  const about = `${left} ${toDecide(missing)} ${isMissing(many)}.`.trimStart();
  if (isHandedOn()) return [about];
  const later = source.goesOn() ? "When this run has ended, fetch" : "Fetch";
  const toFetch = missing.filter((job) => !job.file?.pointer);
  const fetchCommands = app.model.campaigns.flatMap((campaign) => {
    const own = toFetch.filter((job) => job.campaign === campaign);
    return own.length ? fetchCommand(campaign, own) : [];
  });
  const commands = [...(toFetch.length < missing.length ? [LFS_PULL] : []), ...fetchCommands];
  return [`${about} ${later} ${many ? "them" : "it"} first:`, commands.join(" && ")];
}

/** The command that brings the files of jobs, or links to those in an object store. @param {Campaign} campaign @param {Job[]} missing */
function fetchCommand(campaign, missing) {
  return missing.every((job) => job.file?.stored)
    ? commandOf("report", campaign, "--sign 24h")
    : commandOf("collect", campaign);
}
