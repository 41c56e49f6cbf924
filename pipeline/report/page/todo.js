"use strict";
// What to do next: a row for each, with the command or the button that does it.

const RUN_GOES_ON = "A run goes on; what it makes is shown here.";

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

/** Files of which Git LFS left a pointer, which it replaces at any time. @param {Campaign} campaign @param {Job[]} pointers */
function pointersRow(campaign, pointers) {
  const many = pointers.length > 1;
  const them = many ? "them" : "it";
  const byWhom = isHandedOn()
    ? ` Whoever runs the campaign can download ${them} and make the gallery again.`
    : "";
  return todoRow(
    "missing",
    "",
    `${campaignBefore(campaign)}${counted(pointers.length, "file")} ${isMissing(many)}`,
    `Paid for and made; a Git LFS pointer is in ${many ? "the place of each" : "its place"}.${byWhom}${decidedOf(pointers)}`,
    commandBox(LFS_PULL),
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
  const pointers = absent.filter((job) => job.file?.pointer);
  if (pointers.length) rows.push(pointersRow(campaign, pointers));
  const missing = absent.filter((job) => !job.file?.stored && !job.file?.altered && !job.file?.pointer);
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
