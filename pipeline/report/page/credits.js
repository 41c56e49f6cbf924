"use strict";
// Credits against their limits: the bars of a run, of the budget and of the templates, and what would exceed a limit.

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
function barOfNextRun(campaign) {
  const { max_credits: limit = Infinity, budget_left: left = Infinity, selected_of: of } = campaign;
  // The limits are for all jobs: beside a few of which none is bought, they would say nothing.
  if (of !== undefined && !comingOf(campaign).count) return () => undefined;
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
  return [
    limit && amberText("It would be refused:", `${limit}.`),
    count && over.length && amberText("It would exceed", `${over.join(" and ")}: ${raise}, or select fewer.`),
  ].filter((each) => each instanceof Node);
}

/** @param {string} begin in bold @param {string} rest */
function amberText(begin, rest) {
  return el("span", { class: "amber" }, el("b", { text: begin }), ` ${rest}`);
}

/** The cap that credits stay under, after what they pay for; empty if there is none. @param {Campaign} campaign @param {number} credits */
function withinCap({ budget, budget_left: left = Infinity, max_credits: limit = Infinity }, credits) {
  const cap = Math.min(left, limit);
  if (cap === Infinity || credits > cap) return "";
  return cap === limit || cap === budget
    ? `, under the cap of ${number(cap)}`
    : `, within the ${number(cap)} left of the budget`;
}
