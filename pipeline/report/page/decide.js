"use strict";
// Decisions. A page that cannot save gives the command that does; the bar is the same either way.

const VERDICTS = [
  { verb: "approve", decision: "approved", word: "Approve", set: "Approved", sign: "check", key: "a" },
  { verb: "reject", decision: "rejected", word: "Reject", set: "Rejected", sign: "cross", key: "r" },
  { verb: "redo", decision: "redo", word: "Redo", set: "Sent back", sign: "redo", key: "d" },
];

/** What a decision is about now: the purchase in the detail, or the chosen side of a compare. @type {Purchase | undefined} */
let deciding;

/** @param {string} verb @param {Purchase[]} purchases */
function decide(verb, purchases) {
  if (!purchases.length) return;
  const verdict = VERDICTS.find((each) => each.verb === verb);
  if (source.canDecide && verdict) {
    for (const each of purchases) void source.decide(each, verdict.decision);
    return;
  }
  const commands = app.model.campaigns.map((campaign) => {
    const own = purchases.filter((each) => each.campaign === campaign);
    return own.length ? commandOf(verb, campaign, ...own.map((each) => each.id)) : "";
  });
  void copy(commands.filter(Boolean).join(" && "));
}

/** @param {string} verb */
function decideSelected(verb) {
  const chosen = app.selected.map((id) => app.model.purchases.get(id));
  decide(
    verb,
    chosen.filter((each) => each !== undefined),
  );
}

/** The bar below a film. @param {Purchase | undefined} purchase @param {Node} [sides] */
function decideBar(purchase, sides) {
  deciding = purchase;
  const can = purchase !== undefined && purchase.status !== "failed" && purchase.status !== "attention";
  const left = app.model.jobs.filter(isUndecided).length;
  return el(
    "div",
    { class: "decide", role: "group", "aria-label": "Decide" },
    sides,
    ...VERDICTS.map((each) => verdictButton(each, purchase, can)),
    purchase?.rating ? starsOf(purchase.rating) : undefined,
    !source.canDecide &&
      can &&
      el("span", { class: "hint", text: "This page cannot save: a button copies the command that does." }),
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
  const button = el(
    "button",
    {
      class: `button ${set ? `set-${verdict.decision}` : ""}`,
      "aria-pressed": String(set),
      onclick: () => purchase && decide(verdict.verb, [purchase]),
    },
    icon(verdict.sign),
    set ? verdict.set : verdict.word,
    el("kbd", { text: verdict.key }),
  );
  button.toggleAttribute("disabled", !can);
  return button;
}

/** @param {number} rating */
function starsOf(rating) {
  const stars = [1, 2, 3, 4, 5].map((star) => icon("star", star > rating ? "off" : ""));
  return el("span", { class: "stars", role: "img", "aria-label": `${rating} of 5 stars` }, ...stars);
}

/** Open the next job that nobody decided on: behind the one that is open, else the first. */
function nextUndecided() {
  const here = jobsShown();
  const list = here.some(isUndecided) ? here : sorted(app.model.jobs, app.view.sort);
  const at = list.findIndex((job) => job.address === app.view.job);
  const next = [...list.slice(at + 1), ...list.slice(0, at + 1)].find(
    (job) => isUndecided(job) && job.address !== app.view.job,
  );
  if (next) go({ view: "job", job: next.address });
  else toast("Nothing is left to decide.");
}
