"use strict";
// Failures: one table, grouped by reason, unknown outcomes first; a command for each group and one for each row.

/** The commands to run after a failure, by its reason. @type {Record<string, string[]>} */
const AFTER_FAILURE = {
  vendor: ["run", "--retry-failed"],
  rejected: ["plan"],
  lost: ["collect"],
  input: ["validate"],
};

function failuresView() {
  const failed = app.model.jobs.filter((job) => job.state === "failed");
  const { campaigns } = app.model;
  const waiting = campaigns.flatMap(attentionOf);
  // A command applies to one campaign, so each group does too.
  const groups = [
    ...campaigns.map((campaign) => attentionGroup(attentionOf(campaign))),
    ...Object.keys(AFTER_FAILURE).flatMap((reason) =>
      campaigns.map((campaign) =>
        failedGroup(
          reason,
          failed.filter((job) => job.campaign === campaign),
        ),
      ),
    ),
  ];
  const lost = costOf(ownPurchases().filter((each) => each.status === "failed")).credits;
  const inRows = costOf(purchasesOf(failed)).credits;
  const refused = failed.some((job) => job.reason === "rejected");
  const title = failed.length
    ? `${counted(failed.length, "job")} failed. ${costOfTryingAgain(failed)}`.trim()
    : waiting.length || lost
      ? "No job failed."
      : "Nothing failed.";
  return el(
    "div",
    { class: "page" },
    el("h1", { text: title }),
    el("p", { class: "cost" }, ...lossLine(failed.length, lost, lost - inRows, refused, waiting.length)),
    groups.some(Boolean) &&
      el(
        "div",
        { class: "table-wrap" },
        el("table", {}, tableHead(), .../** @type {HTMLElement[]} */ (groups.filter(Boolean))),
      ),
  );
}

/** The command after a failure, without its campaign. @param {string} [reason] */
function stepsAfter(reason = "vendor") {
  return AFTER_FAILURE[reason] ?? AFTER_FAILURE.vendor;
}

/** The reason that all of these have in common; undefined if they have several. @param {Job[]} failed */
function onlyReason(failed) {
  const [first, ...others] = new Set(failed.map((job) => job.reason ?? "vendor"));
  return others.length ? undefined : first;
}

/** Whether to try again is what to do next: not where all failed for a reason that remains. @param {Job[]} failed */
function isToTryAgain(failed) {
  return stepsAfter(onlyReason(failed)).includes("--retry-failed");
}

/** A sentence on what it costs to try these jobs again; empty if that is unknown, or not what to do. @param {Job[]} failed */
function costOfTryingAgain(failed) {
  const planned = plansOfTryingAgain(failed);
  if (planned && isToTryAgain(failed)) {
    const { jobs, credits, unknown, count } = totalOf(planned.map(inCounts));
    if (!count) return "";
    const cost = unknown === count ? "at prices that are not known" : `for ${counted(credits, "credit")}`;
    const rest = unknown && unknown < count ? ` and ${number(unknown)} at no known price` : "";
    const isMore = failed.some(({ campaign }) => campaign.retry_run && campaign.next_run?.jobs);
    const also = isMore ? ", including what the next run makes" : "";
    return `Trying again makes ${counted(jobs, "job")} ${cost}${rest}${also}.`;
  }
  const { credits, unknown } = costToMake(failed.filter((job) => job.reason !== "input"));
  if (!credits || !isToTryAgain(failed)) return "";
  const rest = unknown ? `, and ${number(unknown)} at no known price` : "";
  return `Trying again costs at most ${counted(credits, "credit")}${rest}.`;
}

/** What `run --retry-failed` makes in each campaign of these jobs; undefined if that is not planned. @param {Job[]} failed */
function plansOfTryingAgain(failed) {
  const campaigns = new Set(failed.map((job) => job.campaign));
  const planned = [...campaigns].map(({ retry_run: retry, next_run: next }) => retry ?? next ?? undefined);
  return planned.every((each) => each !== undefined) ? planned : undefined;
}

/** What trying again would be refused for. @param {Campaign} campaign @param {Job[]} failed */
function limitOfTryingAgain(campaign, failed) {
  const [planned] = plansOfTryingAgain(failed) ?? [];
  if (!planned || !isToTryAgain(failed)) return [];
  return overLimit(campaign, inCounts(planned), planned.limit).flatMap((each) => [each, " "]);
}

/**
 * @param {number} failed @param {number} lost the credits of all failed purchases @param {number} before those of them that
 * no row has @param {boolean} refused @param {number} waiting
 */
function lossLine(failed, lost, before, refused, waiting) {
  /** @type {(Node | string)[]} */
  const parts = [];
  if (lost) {
    const into = failed ? "failures" : "failed attempts";
    const earlier = failed && before > 0 ? `, ${number(before)} of them into earlier attempts` : "";
    parts.push(el("b", { text: counted(lost, "credit") }), ` went into ${into}${earlier}. `);
  }
  if (refused) parts.push("What was refused cost nothing. ");
  if (waiting) parts.push(`${counted(waiting, "purchase")} with an unknown outcome.`);
  if (!parts.length && !failed) parts.push("No purchase has an unknown outcome.");
  if (source.goesOn() && (failed || waiting))
    parts.push(" A run is going on: these commands are for when it has ended.");
  return parts;
}

function tableHead() {
  const heads = ["Job", "What was said", "When", "Credits"].map((name) =>
    el("th", { scope: "col", class: name === "Credits" ? "number" : "", text: name }),
  );
  return el("thead", {}, el("tr", {}, ...heads, el("td", {})));
}

/** @param {string} sign @param {string} tone @param {string} name @param {string} about @param {string | undefined} command @param {HTMLElement[]} rows */
function group(sign, tone, name, about, command, rows) {
  return el(
    "tbody",
    { class: "rows" },
    el(
      "tr",
      { class: "group" },
      el(
        "th",
        { colspan: 5, scope: "rowgroup" },
        el(
          "div",
          {},
          icon(sign, tone),
          el("span", {}, el("b", { text: name }), el("small", { text: about })),
          command && commandBox(command),
        ),
      ),
    ),
    ...rows,
  );
}

/** @param {Purchase[]} waiting */
function attentionGroup(waiting) {
  if (!waiting.length) return undefined;
  const rows = waiting.map((purchase) => failureRow(purchase, purchase));
  const of = ofCampaign(waiting[0].campaign);
  const about = `${counted(waiting.length, "purchase")}${of}. Not failures yet: look for each on the vendor’s site.`;
  // Each has its own answer, so no command applies to all of them.
  return group("attention", "amber", "Outcome unknown", about, undefined, rows);
}

/** @param {string} reason @param {Job[]} failed */
function failedGroup(reason, failed) {
  const jobs = failed.filter((job) => (job.reason ?? "vendor") === reason);
  if (!jobs.length) return undefined;
  const rows = jobs.map((job) => {
    const first = jobs.find((each) => each.shown && each.shown === job.shown) ?? job;
    return failureRow(job, job.shown, showCommand(job), first === job ? undefined : first);
  });
  const { name, about } = REASONS[reason];
  return group(
    "failed",
    "red",
    name,
    `${counted(jobs.length, "job")}${ofCampaign(jobs[0].campaign)}. ${about}`,
    afterFailure(reason, jobs[0].campaign),
    rows,
  );
}

/** The name of the campaign, if there are several. @param {Campaign} campaign */
function ofCampaign(campaign) {
  return app.model.campaigns.length > 1 ? ` of ${campaign.name}` : "";
}

/** The command to continue after a failure. @param {string | undefined} reason @param {Campaign} campaign */
function afterFailure(reason, campaign) {
  const [verb, ...flags] = stepsAfter(reason);
  return commandOf(verb, campaign, ...flags);
}

/** @param {Job} job */
function showCommand(job) {
  return commandOf(
    "show",
    job.campaign,
    job.shown?.id ?? (canBePasted(job.key) ? shellWord(job.key) : "KEY"),
  );
}

/**
 * @param {Job | Purchase} of @param {Purchase | undefined} purchase @param {string} [command]
 * @param {Job} [first] the job that shares its purchase and whose row has the amount
 */
function failureRow(of, purchase, command, first) {
  const cost = first ? undefined : purchase && (purchase.reason === "rejected" ? 0 : purchase.price);
  return el(
    "tr",
    {},
    el("td", {}, keyLink(of)),
    el(
      "td",
      {},
      el("div", {
        dir: "auto",
        text: begun(purchase?.error ?? (purchase ? "no answer came" : "an image is not what was planned")),
      }),
      first && el("div", { class: "shared" }, "Shared with ", keyLink(first)),
      purchase?.status === "attention" && resolveCommands(purchase),
    ),
    el("td", { class: "when", text: purchase ? date(purchase.updated ?? purchase.bought, "short") : "" }),
    el("td", { class: "number", text: cost === undefined ? "" : number(cost) }),
    el(
      "td",
      { class: "copy" },
      command &&
        el(
          "button",
          { class: "tool", title: command, "aria-label": `Copy: ${command}`, onclick: () => copy(command) },
          icon("copy"),
        ),
    ),
  );
}
