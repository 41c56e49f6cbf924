"use strict";
// What the next run makes, and what waits. Where the manifest was read, the planner has said so, and its numbers are shown as
// they are; with the results and decisions alone, they are estimated from the rows.

/** The planner's actions that make a job. */
const MAKING = new Set(["create", "replace", "retry", "share"]);

/** @param {Job} job */
function isOpen(job) {
  return job.state === "pending" || job.state === "redo";
}

/** Whether the next run makes a job. @param {Job} job */
function isNext(job) {
  if (job.campaign.next_run === undefined) return isOpen(job) && !isWaiting(job) && !isSettled(job);
  return (isOpen(job) || job.state === "failed") && MAKING.has(job.action ?? "");
}

/** Whether a job is not made, as another take of it is approved. @param {Job} job */
function isSettled(job) {
  if (!isOpen(job)) return false;
  return job.campaign.next_run === undefined
    ? takesOf(job).some((each) => each.decision === "approved")
    : job.action === "pinned";
}

/** Whether a job can only be made after something else that the next run does not do. @param {Job} job @returns {boolean} */
function isWaiting(job) {
  if (!isOpen(job)) return false;
  if (job.campaign.next_run !== undefined) return job.action === "wait";
  const from = upstreamOf(job);
  return from !== undefined && (from.state === "failed" || from.state === "attention" || isWaiting(from));
}

/** The job that a job is made from, if it is on the page. @param {Job} job */
function upstreamOf({ campaign, upstream }) {
  return upstream === undefined ? undefined : app.model.byKey[campaign.number].get(upstream);
}

/** @typedef {{ jobs: number, count: number, credits: number, unknown: number }} Coming */

/** What the next run of a campaign buys: `count` purchases for `jobs`, `unknown` of them at no known price. @param {Campaign} campaign @returns {Coming} */
function comingOf(campaign) {
  if (campaign.next_run) return inCounts(campaign.next_run);
  const jobs = app.model.jobs.filter((job) => job.campaign === campaign && isNext(job));
  return { ...costToMake(jobs), jobs: jobs.length };
}

/** @param {Forecast} planned @returns {Coming} */
function inCounts({ jobs, purchases, credits, unknown }) {
  return { jobs, count: purchases, credits, unknown };
}

/** @param {Coming[]} all @returns {Coming} */
function totalOf(all) {
  const sum = (/** @type {keyof Coming} */ name) => all.reduce((total, each) => total + each[name], 0);
  return { jobs: sum("jobs"), count: sum("count"), credits: sum("credits"), unknown: sum("unknown") };
}

/** Before a number of what is to come: results alone do not show what an open job has to wait for. @param {Campaign[]} campaigns */
function atMost(campaigns) {
  return campaigns.some((each) => each.next_run === undefined) ? "at most " : "";
}

/** What the next run of each campaign buys, in all. */
function allToCome() {
  return totalOf(app.model.campaigns.map(comingOf));
}

/** @typedef {"approval" | "later" | "failed" | "attention" | "others" | "waiting" | "nothing"} Cause */

/** What a waiting job waits for, and the takes that it is about. @param {Job} job @returns {{ cause: Cause, takes: Job[] }} */
function whatItWaitsFor(job) {
  let last = job;
  let from = upstreamOf(job);
  while (from && isWaiting(from)) [last, from] = [from, upstreamOf(from)];
  if (!from) {
    const isSelection = job.campaign.selected_of !== undefined;
    return { cause: !isSelection ? "nothing" : last === job ? "others" : "waiting", takes: [] };
  }
  const takes = last.needs_approval ? takesOf(from) : [from];
  const open = takes.filter((each) => isUndecided(each) || NOT_TO_BE_SEEN.has(each.state));
  if (open.length && last.needs_approval) return { cause: "approval", takes: open };
  const made = takes.filter((each) => each.status === "done");
  const failed = takes.filter((each) => each.state === "failed");
  const unknown = takes.filter((each) => each.state === "attention");
  if (unknown.length) return { cause: "attention", takes: unknown };
  if (takes.some((each) => each.state === "underway" || isNext(each))) return { cause: "later", takes: [] };
  if (failed.length) return { cause: "failed", takes: failed };
  return made.length ? { cause: "approval", takes: made } : { cause: "nothing", takes: [] };
}

/** What is to be done before jobs that wait can be made, by what they wait for. @type {Record<Cause, string>} */
const BEFORE_WAITING = {
  approval: "They are made once a take of what they are made from is approved.",
  later: "What they are made from is made first, and then approved.",
  failed: "They are made once what they are made from, which failed, was tried again.",
  attention: "They are made once the unknown outcome of what they are made from is resolved.",
  others: "",
  waiting: "They are made after what they are made from, which itself waits.",
  nothing: "They are made from what no run makes now.",
};

/** A row for each thing that jobs of a campaign wait for. @param {Campaign} campaign */
function waitingRows(campaign) {
  const waiting = app.model.jobs.filter((job) => job.campaign === campaign && isWaiting(job));
  const causes = waiting.map((job) => ({ job, ...whatItWaitsFor(job) }));
  return [...Map.groupBy(causes, ({ cause }) => cause)].map(([cause, all]) => {
    const jobs = all.map(({ job }) => job);
    if (cause === "others") return waitingRow(jobs);
    const title = `${campaignBefore(campaign)}${counted(jobs.length, "job waits", "jobs wait")}`;
    const link = linkToUnblock(cause, [...new Set(all.flatMap(({ takes }) => takes))]);
    return todoRow("pending", "", title, inNumber(BEFORE_WAITING[cause], jobs.length), link);
  });
}

/** The sentence for one, of one for several. @param {string} text @param {number} count */
function inNumber(text, count) {
  return count === 1 ? text.replace(/\bThey are\b/, "It is").replaceAll("they are", "it is") : text;
}

/** A link to what is to be done first. @param {Cause} cause @param {Job[]} takes */
function linkToUnblock(cause, takes) {
  if (!takes.length) return undefined;
  const [first] = takes;
  if (cause !== "approval")
    return el("a", { class: "button", href: addressOf({ view: "failures" }), text: "See why" });
  const isUndecidedOf = takes.every(isUndecided);
  const rules = [...new Set(takes.map((each) => `job:${each.rule}`))].join(" ");
  const href =
    takes.length === 1
      ? addressOf({ view: "job", job: first.address })
      : addressOf({ q: isUndecidedOf ? `${rules} decision:none` : rules });
  return el("a", {
    class: "button",
    href,
    text: takes.length === 1 ? "See it" : `See ${number(takes.length)}`,
  });
}

/** A link to what a job waits for. @param {Job} job */
function unblockLink(job) {
  const { cause, takes } = whatItWaitsFor(job);
  const link = linkToUnblock(cause, takes);
  return link && el("p", {}, link);
}

/** What happens with a job that is not made, in words, and whether the next run makes it. @param {Job} job @returns {[string, boolean]} */
function outlookOf(job) {
  const again = job.state === "redo" ? " again" : "";
  if (isSettled(job)) return [`Another take of it is approved, so it is not made${again}.`, false];
  if (isWaiting(job)) {
    const { cause } = whatItWaitsFor(job);
    return [cause === "others" ? waitingText([job]) : inNumber(BEFORE_WAITING[cause], 1), false];
  }
  if (!isNext(job)) return ["No run makes it now.", false];
  return [
    again ? "The next run makes it again." : "Nothing serves this job yet; the next run makes it.",
    true,
  ];
}

/**
 * What a verdict on a purchase leads to, after the word for it; empty: nothing more than it says.
 * @param {Purchase} purchase @param {string} decision @param {Outlook} [outlook]
 */
function consequenceOf({ id, campaign }, decision, outlook) {
  const jobs = app.model.jobs.filter((job) => job.shown?.id === id);
  const isRehearsed = Boolean(campaign.emulated);
  if (decision === "redo") {
    const own = jobs.filter(isNext).length;
    if (own) {
      const others = (outlook?.buys.jobs ?? 0) - own;
      const also = others > 0 ? ` and ${counted(others, "more job")}` : "";
      const cost = outlook ? costOfMaking(inCounts(outlook.buys), isRehearsed) : "";
      return `: the next run makes it again${also}${cost}${noLongerMade(outlook ? [outlook] : [])}`;
    }
    if (jobs.some(isSettled)) return "; it is not made again, as another take is approved";
    if (jobs.some(isWaiting)) return "; it is made again once what it waits for is there";
  }
  const isForAnother = (/** @type {Job} */ take) => take.state === "redo" && isSettled(take);
  if (decision === "approved" && jobs.some((job) => takesOf(job).some(isForAnother)))
    return `${moreToMake(outlook ? [outlook] : [], isRehearsed)}; the take that was sent back is not made again`;
  return whatFollows(outlook ? [outlook] : [], isRehearsed);
}

/** What the next run makes because of decisions, and what it makes no longer; empty: nothing. @param {Outlook[]} outlooks @param {boolean} isRehearsed */
function whatFollows(outlooks, isRehearsed) {
  return moreToMake(outlooks, isRehearsed) + noLongerMade(outlooks);
}

/** What the next run makes no longer because of decisions; empty: nothing. @param {Outlook[]} outlooks */
function noLongerMade(outlooks) {
  const { jobs } = totalOf(outlooks.map((each) => inCounts(each.spares)));
  return jobs ? `; the next run no longer makes ${counted(jobs, "job")}` : "";
}

/** What the next run makes because of decisions; empty: nothing. @param {Outlook[]} outlooks @param {boolean} isRehearsed */
function moreToMake(outlooks, isRehearsed) {
  const buys = totalOf(outlooks.map((each) => inCounts(each.buys)));
  if (!buys.jobs) return "";
  return `: the next run makes ${counted(buys.jobs, "more job")}${costOfMaking(buys, isRehearsed)}`;
}

/** What jobs cost that the next run makes, after their number; nothing is paid in a rehearsal. @param {Coming} coming @param {boolean} isRehearsed */
function costOfMaking({ credits, unknown, count }, isRehearsed) {
  if (!count || isRehearsed) return "";
  if (unknown === count)
    return count === 1 ? " at a price that is not known" : " at prices that are not known";
  return `, for ${counted(credits, "credit")}${unknown ? ` and ${number(unknown)} at no known price` : ""}`;
}
