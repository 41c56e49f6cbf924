"use strict";
// Purchases with an unknown outcome: what happened, and the commands that resolve them.

const MAX_ATTENTION = 3;

/** Purchases that serve no job and whose outcome is unknown: they count like any other. */
function idleAttention() {
  const served = new Set(app.model.jobs.map((job) => job.purchase));
  return ownPurchases().filter((each) => each.status === "attention" && !served.has(each.id));
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
