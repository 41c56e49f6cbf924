"use strict";
// The model: jobs with the purchases that serve them, the state that a card shows, and the words for it.

/** @type {Record<State, { word: string, many: string, icon: string, tone: string }>} */
const STATES = {
  approved: { word: "Approved", many: "approved", icon: "check", tone: "green" },
  undecided: { word: "To decide", many: "to decide", icon: "", tone: "muted" },
  rejected: { word: "Rejected", many: "rejected", icon: "cross", tone: "red" },
  missing: { word: "Not here", many: "to decide, not here", icon: "missing", tone: "" },
  altered: { word: "Altered", many: "to decide, altered", icon: "missing", tone: "" },
  underway: { word: "Under way", many: "under way", icon: "underway", tone: "blue" },
  pending: { word: "Not made yet", many: "not made yet", icon: "pending", tone: "muted" },
  redo: { word: "Sent back", many: "sent back", icon: "redo", tone: "" },
  failed: { word: "Failed", many: "failed", icon: "failed", tone: "red" },
  attention: { word: "Needs you", many: "need you", icon: "attention", tone: "amber" },
};

/** @type {Record<string, { name: string, about: string }>} */
const REASONS = {
  vendor: { name: "Vendor", about: "The vendor gave up." },
  rejected: { name: "Refused", about: "Refused again until the request changes; refusals cost nothing." },
  lost: { name: "Lost", about: "No longer known to the vendor, or given up." },
  input: { name: "Input", about: "An image is gone or has changed; nothing was bought." },
};

/** @type {Record<string, string>} */
const STATUS_WORDS = {
  done: "made",
  attention: "needs you",
  failed: "failed",
  submitting: "being sent",
  submitted: "under way",
  succeeded: "to download",
  pending: "not made yet",
};

/** @type {Record<string, string>} */
const DECISION_WORDS = { none: "to decide", approved: "approved", rejected: "rejected", redo: "sent back" };

/** @param {GalleryData} data @returns {Model} */
function modelOf(data) {
  /** @type {Model} */
  const model = {
    data,
    campaigns: data.campaigns.map((each, index) => ({ ...each, number: index })),
    jobs: [],
    byAddress: new Map(),
    byKey: [],
    purchases: new Map(),
  };
  for (const campaign of model.campaigns) {
    for (const each of [...(campaign.before?.purchases ?? []), ...campaign.purchases]) {
      model.purchases.set(each.id, purchaseOf(each, campaign));
    }
    const byKey = new Map();
    for (const each of campaign.jobs) {
      const job = jobOf(each, campaign, model);
      byKey.set(job.key, job);
      model.jobs.push(job);
      model.byAddress.set(job.address, job);
    }
    model.byKey.push(byKey);
  }
  return model;
}

/** @param {PurchaseData} written @param {Campaign} campaign @returns {Purchase} */
function purchaseOf(written, campaign) {
  const listed = (/** @type {number[]} */ numbers = []) => numbers.map((each) => campaign.files[each]);
  return {
    ...written,
    campaign,
    files: listed(written.files),
    steps: (written.steps ?? []).map((step) =>
      typeof step === "string" ? { flow: step, files: [] } : { flow: step.flow, files: listed(step.files) },
    ),
    cost: isCharged(written) ? (written.price ?? 0) : 0,
  };
}

/** @param {JobData} written @param {Campaign} campaign @param {Model} model @returns {Job} */
function jobOf(written, campaign, model) {
  const serving = written.purchase ? model.purchases.get(written.purchase) : undefined;
  const shown = serving ?? (written.last ? model.purchases.get(written.last) : undefined);
  const seen = serving ?? (written.decision === "redo" ? shown : undefined);
  const file = seen?.files[0];
  const prose = (written.status === "pending" && written.text) || shown?.text || written.text || "";
  const several = model.campaigns.length > 1;
  const ratio = file?.width && file.height ? file.width / file.height : 0;
  return {
    ...written,
    campaign,
    address: several ? `${campaign.name} ${written.key}` : written.key,
    serving,
    shown,
    seen,
    file,
    state: stateOf(written, file),
    rating: seen?.rating ?? 0,
    cost: serving
      ? serving.price === undefined && serving.cost === 0
        ? undefined
        : serving.cost
      : undefined,
    length: file?.duration ?? 0,
    ratio,
    ratioName: ratio ? ratioName(ratio) : "",
    newest: seen?.bought ?? "",
    prose,
    // A key is found as it is written and as a card shows it.
    haystack: composed(`${written.key}\n${keyParts(written.key).join("")}\n${prose}`).toLowerCase(),
    lang: languageOf(written),
  };
}

/** @param {JobData} job @param {MediaFile | undefined} file @returns {State} */
function stateOf(job, file) {
  if (job.status === "attention") return "attention";
  if (job.status === "failed") return "failed";
  if (job.decision === "redo") return "redo";
  if (job.status === "pending") return "pending";
  if (job.status !== "done") return "underway";
  if (job.decision === "approved" || job.decision === "rejected") return job.decision;
  return file?.here ? "undecided" : file?.altered ? "altered" : "missing";
}

/** Whether whoever opens the page may have nothing else of the campaign: a bundle, or a page in one file. */
function isHandedOn() {
  const { bundle, videos } = app.model.data;
  return bundle || !videos;
}

/** Where a file is not, in words that are true wherever the page is opened. @param {boolean} [many] whether it is several files */
function isMissing(many = false) {
  const { bundle, videos } = app.model.data;
  if (!videos) return `${many ? "were" : "was"} missing when this page was made`;
  return `${many ? "are" : "is"} not ${bundle ? "in this gallery" : "on this machine"}`;
}

/** The command that brings files of which Git LFS left a pointer. */
const LFS_PULL = "git lfs pull";

/** What was done to files that somebody changed, in words that are true wherever the page is opened. @param {boolean} [many] whether it is several files */
function isAltered(many = false) {
  return `${many ? "were" : "was"} altered ${isHandedOn() ? "where this page was made" : "on this machine"}`;
}

/** The value of the facet and the field `decision`; undefined if there is nothing to decide on. @param {Job} job */
function decisionOf(job) {
  return job.decision ?? (isUndecided(job) ? "none" : undefined);
}

/** Whether a decision is missing; not so for a video that has to be fetched first. @param {Job} job */
function isUndecided(job) {
  return job.state === "undecided";
}

const RATIOS = [
  "1:1",
  "16:9",
  "9:16",
  "4:3",
  "3:4",
  "4:5",
  "5:4",
  "3:2",
  "2:3",
  "21:9",
  "9:21",
  "2:1",
  "1:2",
];

/** @param {number} ratio */
function ratioName(ratio) {
  for (const name of RATIOS) {
    const [across, down] = name.split(":").map(Number);
    if (Math.abs(ratio / (across / down) - 1) < 0.02) return name;
  }
  const rounded = (/** @type {number} */ value) => String(Number(value.toFixed(2)));
  return ratio >= 1 ? `${rounded(ratio)}:1` : `1:${rounded(1 / ratio)}`;
}

/** The language of a prompt, if an axis names one: fonts and hyphenation depend on it. @param {JobData} job */
function languageOf(job) {
  const locale = job.axes?.locale ?? job.axes?.lang ?? job.axes?.language;
  return locale && /^[a-z]{2,3}([_-][A-Za-z0-9]{2,8})*$/.test(locale)
    ? locale.replaceAll("_", "-")
    : undefined;
}

/**
 * The purchases bought for a job's key, those that the one that serves it has replaced, and those of the same request before it,
 * in whichever job's name they were bought; newest first, without the one that serves it. @param {Job} job
 */
function earlierOf(job) {
  const replaced = replacedBy(job.shown);
  const isOfJob = (/** @type {PurchaseData} */ each) =>
    each.key === job.key ||
    each.id === job.last ||
    replaced.has(each.id) ||
    (job.shown && isEarlierOfSame(each, job.shown));
  const found = job.campaign.purchases.filter((each) => isOfJob(each) && each.id !== job.purchase);
  const known = found.map((each) => app.model.purchases.get(each.id)).filter((each) => each !== undefined);
  return known
    .filter((each) => each.status !== "void")
    .reverse()
    .sort((one, other) => Number(one.bought < other.bought) - Number(one.bought > other.bought));
}

/** The ids of what a purchase has replaced, and of what that had replaced before. @param {Purchase | undefined} purchase */
function replacedBy(purchase) {
  const found = new Set(purchase?.replaces);
  // A set goes on with what is added to it meanwhile.
  for (const id of found) for (const before of app.model.purchases.get(id)?.replaces ?? []) found.add(before);
  return found;
}

/**
 * Whether a purchase is of the same request as another one, and was bought before.
 * @param {Pick<PurchaseData, "fingerprint" | "inputs" | "bought">} purchase @param {Purchase} than
 */
function isEarlierOfSame({ fingerprint, inputs, bought }, than) {
  return (
    fingerprint !== undefined &&
    fingerprint === than.fingerprint &&
    bought < than.bought &&
    String(inputs) === String(than.inputs)
  );
}

/** All takes of a job, an approved one first. @param {Job} job */
function takesOf(job) {
  if (takesByStem?.of !== app.model)
    takesByStem = { of: app.model, found: Map.groupBy(app.model.jobs, stemOf) };
  const takes = takesByStem.found.get(stemOf(job)) ?? [];
  return takes.toSorted(
    (one, other) => Number(other.decision === "approved") - Number(one.decision === "approved"),
  );
}

/** @type {{ of: Model, found: Map<string, Job[]> } | undefined} */
let takesByStem;

/** What all takes of a job have in common. @param {Job} job */
function stemOf({ campaign, key }) {
  return `${campaign.number} ${key.split("#")[0]}`;
}

/** @typedef {{ ratio: number, price: number | undefined }} Usual */

/** Properties of similar jobs, for a job that is not made yet: of the same rule and template, else of the template. @param {Job} job */
function usualOf(job) {
  const found = usualByTemplate();
  const own = found.get(`${job.campaign.number} ${job.template} ${job.rule}`);
  const any = found.get(`${job.campaign.number} ${job.template}`);
  return {
    ratio: own?.ratio || any?.ratio || 16 / 9,
    price: own?.price ?? any?.price,
  };
}

/** @type {{ of: Model, found: Map<string, Usual> } | undefined} */
let usual;

/** By template, and by template and rule, the first known properties. */
function usualByTemplate() {
  if (usual?.of === app.model) return usual.found;
  /** @type {Map<string, Usual>} */
  const found = new Map();
  for (const job of app.model.jobs) {
    const template = `${job.campaign.number} ${job.template}`;
    for (const name of [template, `${template} ${job.rule}`]) {
      const known = found.get(name) ?? { ratio: 0, price: undefined };
      found.set(name, {
        ratio: known.ratio || job.ratio,
        price: known.price ?? job.shown?.price,
      });
    }
  }
  usual = { of: app.model, found };
  return found;
}

/** The price of making a job; undefined if unknown. @param {Job} job */
function priceOf(job) {
  return job.price ?? job.shown?.price ?? usualOf(job).price;
}

// Money belongs to purchases, and one purchase may serve several jobs: these are the only sums of credits on the page.

/** The purchases that serve these jobs, or did last, each once. @param {Job[]} jobs */
function purchasesOf(jobs) {
  return [...new Set(jobs.map((job) => job.shown).filter((each) => each !== undefined))];
}

/** Whether the vendor charges for a purchase, whether or not its price is known. @param {{ status: string, reason?: string }} purchase */
function isCharged(purchase) {
  return purchase.status !== "void" && purchase.reason !== "rejected";
}

/** What purchases cost: `count` of them are charged, `unknown` of these at no known price. @param {Purchase[]} purchases */
function costOf(purchases) {
  return sumOf(purchases.filter(isCharged).map((each) => each.price));
}

/** What it costs to make jobs, with one purchase for all jobs that shared one. @param {Job[]} jobs */
function costToMake(jobs) {
  // Where it is known what a run would do, jobs that are sent back say themselves which of them are bought.
  // Elsewhere, jobs of the same request share one; of what is made from other jobs, the request is the same for every image.
  const requested = (/** @type {Job} */ { campaign, fingerprint, image }) =>
    fingerprint && `${campaign.number} ${fingerprint} ${image ?? ""}`;
  const boughtAs = (/** @type {Job} */ job) =>
    job.serving ?? (job.action ? job : (job.seen ?? requested(job) ?? job));
  const each = new Map(jobs.map((job) => [boughtAs(job), job]));
  return sumOf([...each.values()].map(priceOf));
}

/** @param {(number | undefined)[]} prices */
function sumOf(prices) {
  const known = prices.filter((price) => price !== undefined);
  return {
    count: prices.length,
    credits: known.reduce((sum, price) => sum + price, 0),
    unknown: prices.length - known.length,
  };
}

/** @param {MediaFile | undefined} file */
function kindOf(file) {
  return file?.type.split("/")[0] ?? "";
}

/** Whether a file is known to have sound and no picture, also in a container of videos. @param {MediaFile | undefined} file */
function isSound(file) {
  return kindOf(file) === "audio" || Boolean(file?.audio && file.duration && !file.width);
}

/** The name of a campaign before what belongs to it, if there are several. @param {Campaign} campaign */
function campaignBefore(campaign) {
  return app.model.campaigns.length > 1 ? `${campaign.name}: ` : "";
}

// The commands that apply to all jobs unless some are selected.
const SELECTING = new Set(["run", "plan", "collect", "report"]);

/** What these commands need is in the results. */
const TAKING_RESULTS = new Set(["collect", "report"]);
/** Commands that whoever looks may pass on to whoever has the manifest. */
const DECIDING = new Set(["approve", "reject", "redo", "undecide"]);

/**
 * A command for one campaign, and maybe for some of its purchases. On a page of a selection, it has that selection; on that of
 * a shard, `run` has the shard. It is empty if the command needs the manifest, and that is not there.
 * @param {string} verb @param {Campaign} campaign @param {...string} words
 */
function commandOf(verb, campaign, ...words) {
  const select = SELECTING.has(verb) ? campaign.select : undefined;
  const shard = verb === "run" ? campaign.shard : undefined;
  if (campaign.results && !DECIDING.has(verb)) {
    if (!TAKING_RESULTS.has(verb)) return "";
    return [`pipeline ${verb}`, campaign.results, ...words, select].filter(Boolean).join(" ");
  }
  return [
    `pipeline ${verb}`,
    campaign.command,
    ...words,
    campaign.flags,
    ...(campaign.vars ?? []),
    select,
    shard,
  ]
    .filter(Boolean)
    .join(" ");
}

/**
 * The campaign with commands for one job alone, and for what it is made from if that is not made: what a run of everything buys
 * is not what is said beside it. @param {Job} job @returns {Campaign}
 */
function aloneOf(job) {
  // A comma in an expression means "and".
  const key = canBePasted(job.key) ? job.key.replaceAll(",", "?") : "KEY";
  const from = upstreamOf(job);
  const select = `--select ${shellWord(from && from.status !== "done" ? `+${key}` : key)}`;
  // A key selects the further takes too.
  const hasTakes = takesOf(job).some((each) => each.key.startsWith(`${job.key}#`));
  const exclude = hasTakes ? ` --exclude ${shellWord(`${key}#*`)}` : "";
  return { ...job.campaign, select: `${select}${exclude}` };
}

/** The command that serves this page, with all its campaigns. */
function serveCommand() {
  const { campaigns } = app.model;
  const vars = new Set(campaigns.flatMap((each) => each.vars ?? []));
  return ["pipeline serve", ...campaigns.map((each) => each.command), campaigns[0]?.flags, ...vars]
    .filter(Boolean)
    .join(" ");
}
