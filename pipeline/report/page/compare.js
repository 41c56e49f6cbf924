"use strict";
// Compares two to four purchases side by side, or two with a wipe: played, paused and sought as one.

const LETTERS = ["A", "B", "C", "D"];
// The most jobs listed of those added, removed or remade.
const MAX_LISTED = 200;
// The most jobs that are named of those that share a purchase.
const MAX_SHARING = 4;

/** Which side the decision bar acts on, and is heard. */
let side = 0;

/**
 * What is kept when the same purchases are shown in another way: the moment, whether they play and with sound, which one the
 * decision bar is about.
 * @type {{ time: number, plays: boolean, loops: boolean, sound: boolean, decides: string } | undefined}
 */
let looked;

/** The purchases of the last wipe, and where its grip was, in percent. */
let wiped = { of: "", at: 50 };

/** Show the purchases that are compared in another way, at the same moment. @param {Partial<View>} changes */
function compareAs(changes) {
  const now = { view: /** @type {const} */ ("compare"), compare: app.view.compare, ...changes };
  if (addressOf(now) === addressOf(app.view)) return;
  looked = reel && {
    time: reel.time,
    plays: reel.playing,
    loops: reel.loop,
    sound: reel.sound,
    decides: app.view.compare[side],
  };
  const stood = scrollY;
  keepingFocus(() => go(now, { replace: true }));
  scrollTo(0, stood);
  if (reel && looked) void lookOn(reel, looked);
  looked = undefined;
}

/** @param {Reel} of @param {{ time: number, plays: boolean }} before */
async function lookOn(of, { time, plays }) {
  await of.align(time);
  if (plays && reel === of) await of.play();
}

/** @param {string[]} ids */
function compareView(ids) {
  const purchases = ids.map((id) => app.model.purchases.get(id)).filter((each) => each !== undefined);
  if (purchases.length < 2) return compareList();
  const decided = purchases.findIndex((each) => each.id === looked?.decides);
  side = decided < 0 ? purchases.length - 1 : decided;
  const wipe = app.view.mode === "wipe" && canBeWiped(purchases);
  const panes = purchases.map((each, index) => paneOf(each, index, wipe && index === 1));
  const videos = panes.map((pane) => pane.querySelector("video")).filter((video) => video !== null);
  const rates = purchases.map((each) => each.files[0]?.frame_rate ?? USUAL_RATE);
  reel = videos.length ? new Reel(videos, Math.max(...rates)) : undefined;
  if (reel) {
    reel.loop = looked?.loops ?? false;
    reel.hear(looked?.sound ?? true, ofSide(reel));
  }
  const stage = wipe ? wipeStage(panes, purchases) : sideStage(panes);
  const pins = purchases.flatMap((each, index) => pinsOf(each, LETTERS[index], index > 0));
  return [
    el("h1", { class: "unseen", text: "Compare" }),
    compareBar(purchases, wipe),
    el(
      "div",
      { class: "compare" },
      sidesHead(purchases),
      stage,
      reel && transportOf(reel, pins, () => stage),
      el("div", { class: "two-columns" }, differenceBlock(purchases), notesOfAll(purchases)),
    ),
    decideBar(purchases[side], sideSwitch(purchases)),
  ];
}

/** Whether a wipe shows anything: between two, of which none is sound without a picture. @param {Purchase[]} purchases */
function canBeWiped(purchases) {
  return purchases.length === 2 && !purchases.some((each) => isSound(each.files[0]));
}

/** The video of the chosen side; undefined if it has none. @param {Reel} of */
function ofSide(of) {
  return of.videos.find((video) => video.dataset.letter === LETTERS[side]);
}

/** Update the decisions on the compared purchases; the videos keep playing. */
function refreshCompare() {
  const purchases = app.view.compare
    .map((id) => app.model.purchases.get(id))
    .filter((each) => each !== undefined);
  const view = byId("view");
  if (purchases.length < 2) return;
  view.querySelector(".sides-head")?.replaceWith(sidesHead(purchases));
  view
    .querySelector(".two-columns")
    ?.replaceWith(el("div", { class: "two-columns" }, differenceBlock(purchases), notesOfAll(purchases)));
  showDecideBar(purchases[side], sideSwitch(purchases));
}

/** @param {Purchase[]} purchases @param {boolean} wipe */
function compareBar(purchases, wipe) {
  const [head, tail] = keyParts(purchases[0].key);
  const alike = purchases.every((each) => each.key.split("#")[0] === purchases[0].key.split("#")[0]);
  const crumb = alike
    ? el(
        "span",
        { class: "crumb" },
        el("span", { text: `${head.split("/").filter(Boolean).join(" / ")} / ` }),
        el("b", { text: tail.split("/").join(" / ") }),
      )
    : el("span", { class: "crumb" }, el("b", { text: counted(purchases.length, "purchase") }));
  const button = (
    /** @type {"wipe" | "side"} */ mode,
    /** @type {string} */ word,
    /** @type {string} */ key,
  ) =>
    el(
      "button",
      {
        "aria-pressed": String(wipe === (mode === "wipe")),
        onclick: () => compareAs({ mode }),
      },
      word,
      el("kbd", { text: key }),
    );
  return el(
    "div",
    { class: "sub" },
    backLink(),
    crumb,
    el(
      "span",
      { class: "end" },
      canBeWiped(purchases) &&
        el(
          "span",
          { class: "segmented", role: "group", "aria-label": "How to compare" },
          button("wipe", "Wipe", "w"),
          button("side", "Side by side", "s"),
        ),
      purchases.length < 4 &&
        el("button", { class: "quiet optional", onclick: addPurchase, text: "Add a purchase" }),
    ),
  );
}

function addPurchase() {
  app.selected = app.view.compare;
  go({});
  selectByTouch(isTouched());
  toast(isTouched() ? "Select another, then Compare." : "Select another with x, then compare with c.");
}

/**
 * The video or picture of a purchase, in a box of its ratio.
 * @param {Purchase} purchase @param {number} index @param {boolean} atEnd where its letter is shown
 */
function paneOf(purchase, index, atEnd) {
  const file = purchase.files[0];
  const href = file && source.href(file);
  const ratio = file?.width && file.height ? file.width / file.height : 16 / 9;
  const label = `${LETTERS[index]}: ${purchase.key}`;
  const tag = el("span", {
    class: `tag ${atEnd ? "b" : "a"}`,
    "aria-hidden": "true",
    text: LETTERS[index],
  });
  if (!href || !file) return el("div", { class: "media", vars: { ratio } }, purchaseBox(purchase), tag);
  if (kindOf(file) === "image")
    return el("div", { class: "media", vars: { ratio } }, el("img", { src: href, alt: label }), tag);
  const video = videoOf(href, label, file);
  video.dataset.audio = String(file.audio ?? true);
  video.dataset.letter = LETTERS[index];
  return el("div", { class: "media", vars: { ratio } }, soundMark(file), video, tag);
}

/** @param {HTMLElement[]} panes */
function sideStage(panes) {
  const ratio =
    panes.length * Math.min(...panes.map((pane) => Number(pane.style.getPropertyValue("--ratio"))));
  return el(
    "div",
    { class: "stage side", vars: { sides: panes.length, ratio } },
    ...panes.map((pane) => el("div", { class: "pane" }, pane)),
  );
}

/**
 * Both in one box, in which the wider one fills the width: A is visible left of the grip and B right of it, even where the other
 * one is empty; each letter is part of its side, and covered with it. @param {HTMLElement[]} panes @param {Purchase[]} purchases */
function wipeStage(panes, purchases) {
  const ratio = Math.max(...panes.map((pane) => Number(pane.style.getPropertyValue("--ratio"))));
  const [below, above] = panes.map((pane) => [...pane.children]);
  const box = el(
    "div",
    { class: "media wiping", vars: { ratio, wipe: 50 } },
    el("div", { class: "half a" }, ...below),
    el("div", { class: "half b" }, ...above),
  );
  const of = purchases
    .map((each) => each.id)
    .toSorted()
    .join();
  if (wiped.of !== of) wiped = { of, at: 50 };
  box.append(gripOf(box, purchases));
  return el("div", { class: "stage", vars: { ratio } }, box);
}

/** @param {HTMLElement} box @param {Purchase[]} purchases */
function gripOf(box, purchases) {
  const grip = el(
    "div",
    {
      class: "grip",
      role: "slider",
      tabindex: 0,
      "aria-label": "Wipe between A and B",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": 50,
    },
    el("span", {}, icon("grip")),
  );
  const set = (/** @type {number} */ value) => {
    const wipe = Math.max(0, Math.min(100, value));
    setVars(box, { wipe });
    wiped.at = wipe;
    grip.setAttribute("aria-valuenow", String(Math.round(wipe)));
    grip.setAttribute(
      "aria-valuetext",
      `${Math.round(wipe)} % of ${purchases[0].id === purchases[1].id ? "both" : "A"}`,
    );
  };
  const drag = (/** @type {PointerEvent} */ event) => {
    const { left, width } = box.getBoundingClientRect();
    set(((event.clientX - left) / width) * 100);
  };
  grip.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    grip.focus({ preventScroll: true });
    grip.addEventListener("pointermove", drag);
  });
  grip.addEventListener("pointerup", () => grip.removeEventListener("pointermove", drag));
  grip.addEventListener("pointercancel", () => grip.removeEventListener("pointermove", drag));
  grip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -2, ArrowRight: 2, ArrowDown: -2, ArrowUp: 2, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(Number(grip.getAttribute("aria-valuenow")) + by);
  });
  set(wiped.at);
  return grip;
}

/** @param {Purchase[]} purchases */
function sidesHead(purchases) {
  const heads = purchases.map((each, index) =>
    el(
      "div",
      { class: "side-name" },
      el("span", { class: index ? "letter full" : "letter", text: LETTERS[index] }),
      el(
        "div",
        {},
        el("b", {}, ...breakable(roleOf(each, purchases))),
        " ",
        el("span", { text: stateOfPurchase(each) }),
        el("br"),
        el("span", { text: date(each.bought, "short") }),
        ...(each.price === undefined
          ? []
          : [
              el("span", { class: "optional", text: "," }),
              " ",
              el("span", { class: "optional", text: counted(each.cost, "credit") }),
            ]),
      ),
    ),
  );
  if (purchases.length !== 2) return el("div", { class: "sides-head" }, ...heads);
  const swap = () => compareAs({ compare: [...app.view.compare].reverse() });
  return el(
    "div",
    { class: "sides-head two" },
    heads[0],
    el("button", { class: "tool", "aria-label": "Swap A and B", title: "Swap", onclick: swap }, icon("swap")),
    heads[1],
  );
}

/** The role of a purchase in the comparison. @param {Purchase} purchase @param {Purchase[]} purchases */
function roleOf(purchase, purchases) {
  const job = app.model.jobs.find((each) => each.seen === purchase);
  const alike = purchases.every((each) => each.key.split("#")[0] === purchase.key.split("#")[0]);
  if (!alike) return shortNames(purchases.map((each) => each.key))(purchase.key);
  if (!job) return "Earlier";
  return takesOf(job).length > 1 ? `Take ${job.take ?? 1}` : "Now";
}

/** @param {Purchase} purchase */
function stateOfPurchase(purchase) {
  const job = app.model.jobs.find((each) => each.purchase === purchase.id);
  return (
    decisionWord(purchase) ||
    (job ? STATES[job.state].word : purchase.status === "done" ? "Replaced" : STATUS_WORDS[purchase.status])
  );
}

/** The differences between the first and each of the others. @param {Purchase[]} purchases */
function differenceBlock(purchases) {
  const [first, ...others] = purchases;
  const blocks = others.flatMap((other, index) => {
    const same = (first.text ?? "") === (other.text ?? "");
    const lang = app.model.jobs.find((job) => job.key === other.key)?.lang;
    const letter = LETTERS[index + 1];
    const about = isSameRequest(first, other)
      ? `A and ${letter}: the same request`
      : `What differs, A to ${letter}`;
    const title = el("div", { class: "head" }, el("h2", { text: about }));
    const text = same
      ? el("p", { class: "text", dir: "auto", lang, text: first.text ?? "" })
      : changedText(first.text ?? "", other.text ?? "", lang);
    return [title, text, changedOptions(first.request, other.request, `The same in A and ${letter}`)];
  });
  return el("section", {}, .../** @type {HTMLElement[]} */ (blocks.filter(Boolean)));
}

/** @param {Purchase[]} purchases */
function notesOfAll(purchases) {
  const all = purchases.flatMap((each, index) =>
    notesOf(each).map((note) => ({ note, letter: LETTERS[index] })),
  );
  const block = notesBlock(
    all.map((each) => each.note),
    (_note, index) => el("span", { class: "pin pin-mark", text: all[index].letter }),
  );
  block?.classList.remove("block");
  return block;
}

/** @param {Purchase[]} purchases */
function sideSwitch(purchases) {
  const choose = (/** @type {number} */ index) => {
    side = index;
    reel?.hear(reel.sound, ofSide(reel));
    showDecideBar(purchases[index], sideSwitch(purchases));
  };
  const keys = ["[", "]"];
  return el(
    "span",
    { class: "segmented sides", role: "group", "aria-label": "Which side to decide on and hear" },
    ...purchases.map((_each, index) =>
      el(
        "button",
        { "aria-pressed": String(index === side), onclick: () => choose(index) },
        LETTERS[index],
        purchases.length === 2 && el("kbd", { text: keys[index] }),
      ),
    ),
  );
}

/** Choose the side before or after the one that the decision bar is about. @param {number} by */
function chooseSide(by) {
  const buttons = document.querySelectorAll(".sides button");
  const next = /** @type {HTMLElement | undefined} */ (
    buttons[Math.max(0, Math.min(buttons.length - 1, side + by))]
  );
  next?.click();
}

// Without a choice: everything that can be compared.

function compareList() {
  const befores = app.model.campaigns.filter((campaign) => campaign.before);
  const blocks = befores.length ? befores.flatMap(againstBefore) : replacedHere();
  const toCompare = blocks.length ? "To compare anything else," : "To compare,";
  return [
    el(
      "div",
      { class: "page" },
      el("h1", { text: befores.length ? compareTitle(befores) : "Compare" }),
      el("p", {
        class: "cost",
        text: isTouched()
          ? `${toCompare} tap Select above the jobs of the overview, then two to four of them, then Compare.`
          : `${toCompare} select two to four cards (x), then Compare (c).`,
      }),
      ...blocks,
    ),
  ];
}

/** @param {Campaign[]} befores */
function compareTitle(befores) {
  const changes = befores.map(changesOf);
  const count = (/** @type {"first" | "came" | "went" | "moved" | "anew" | "again"} */ kind) =>
    changes.reduce((sum, each) => sum + each[kind].length, 0);
  const differences = [
    count("anew") && `${number(count("anew"))} re-created`,
    count("again") && `${number(count("again"))} to re-create`,
    count("first") && `${number(count("first"))} made`,
    count("moved") && `${number(count("moved"))} renamed`,
    count("came") && `${number(count("came"))} new`,
    count("went") && `${number(count("went"))} gone`,
  ];
  return `${capital(differences.filter(Boolean).join(", ") || "nothing differs")}.`;
}

/**
 * Jobs and purchases that were added, removed, made or remade since the other results, also if they have been sent back again, and
 * jobs that were made there and are to be made again here: sent back, with a changed request, or since what was bought failed. A
 * job whose take was bought as another job there has only been renamed, unless it was remade too.
 * @param {Campaign} campaign
 */
function changesOf(campaign) {
  const old = new Map((campaign.before?.jobs ?? []).map((job) => [job.key, job]));
  const jobs = app.model.jobs.filter((job) => job.campaign === campaign);
  const keys = new Set(jobs.map((job) => job.key));
  const was = movedFrom(jobs, old);
  const left = new Set(was.values());
  const thenOf = (/** @type {Job} */ job) => old.get(was.get(job) ?? job.key);
  const made = jobs.flatMap((job) => {
    const then = thenOf(job);
    const before = takeOf(then);
    const now = before && isMadeSince(job, before) ? takeOf(job)?.id : undefined;
    const again = before?.id === then?.purchase && !isServed(job);
    return before && (now || again) ? [{ job, was: was.get(job), before: before.id, now }] : [];
  });
  const remade = new Set(made.map(({ job }) => job));
  return {
    moved: [...was].filter(([job]) => !remade.has(job)).map(([job, before]) => ({ job, before })),
    first: jobs.filter((job) => takeOf(job) && thenOf(job) && !takeOf(thenOf(job))),
    came: jobs.filter((job) => !thenOf(job)),
    went: [...old.values()].filter((job) => !keys.has(job.key) && !left.has(job.key)),
    anew: pairsOf(made.filter(({ now }) => now)),
    again: pairsOf(made.filter(({ now }) => !now)),
  };
}

/** The statuses of what was made. */
const MADE = new Set(["done", "succeeded"]);

/** Whether a purchase is a take: made, with files. @param {Purchase} purchase */
function isTake(purchase) {
  return MADE.has(purchase.status) && purchase.files.length > 0;
}

/**
 * The last take of a job, here or in the other results: it may have been sent back, its request changed, or what was bought after
 * it failed. What was under way in the other results may be made by now, so the status of the job there counts.
 * @param {JobData | undefined} job
 */
function takeOf(job) {
  const last = app.model.purchases.get(job?.purchase ?? job?.last ?? "");
  if (!job || !last) return undefined;
  if (isTake(last) && (!job.purchase || MADE.has(job.status))) return last;
  const replaced = replacedBy(last);
  return [...app.model.purchases.values()]
    .filter((each) => each.campaign === last.campaign && each.bought < last.bought && isTake(each))
    .filter((each) => each.key === job.key || replaced.has(each.id) || isEarlierOfSame(each, last))
    .sort((one, other) => Number(one.bought > other.bought) - Number(one.bought < other.bought))
    .at(-1);
}

/** Whether a take serves a job now. @param {Job} job */
function isServed(job) {
  return job.serving !== undefined && job.serving === takeOf(job);
}

/** Whether a job has another take now. One that serves it no more does not count if it is the older one. @param {Job} job @param {Purchase} before */
function isMadeSince(job, before) {
  if (isServed(job)) return job.serving !== before;
  return (takeOf(job)?.bought ?? "") > before.bought;
}

/** @typedef {{ before: string, now?: string }} Pair the ids of two purchases; without `now`, it is not made again yet */
/** @typedef {{ job: Job, was?: string }} Made a job, with the key it had in the other results if that was another one */

/** Old and new purchases, each pair once with all the jobs that share it. @param {(Pair & Made)[]} made */
function pairsOf(made) {
  const pairs = Map.groupBy(made, ({ before, now }) => `${before} ${now ?? ""}`);
  return [...pairs.values()].map((same) => ({ ...same[0], jobs: same }));
}

/**
 * The jobs whose take, or one that it has replaced, was that of a job of another key in the other results, each with that key.
 * @param {Job[]} jobs @param {Map<string, JobData>} old
 * @returns {Map<Job, string>}
 */
function movedFrom(jobs, old) {
  const takes = new Map(jobs.map((job) => [job.key, takesUpTo(takeOf(job))]));
  /** @type {Map<string, string[]>} */
  const free = new Map();
  /** @type {Set<string>} */
  const stayed = new Set();
  for (const job of old.values()) {
    const take = takeOf(job)?.id;
    if (!take) continue;
    if (takes.get(job.key)?.includes(take)) stayed.add(job.key);
    else free.set(take, [...(free.get(take) ?? []), job.key]);
  }
  /** @type {Map<Job, string>} */
  const found = new Map();
  for (const job of jobs) {
    if (stayed.has(job.key)) continue;
    const take = takes.get(job.key)?.find((each) => free.get(each)?.length);
    const key = take && free.get(take)?.shift();
    if (key) found.set(job, key);
  }
  return found;
}

/** The ids of a take and of what it has replaced. @param {Purchase | undefined} take */
function takesUpTo(take) {
  return take ? [take.id, ...replacedBy(take)] : [];
}

/** @param {Campaign} campaign */
function againstBefore(campaign) {
  const { first, came, went, moved, anew, again } = changesOf(campaign);
  const name = campaign.before?.name ?? "";
  const shortName = shortNames(
    app.model.jobs.filter((job) => job.campaign === campaign).map((job) => job.key),
  );
  const shortNameBefore = shortNames((campaign.before?.jobs ?? []).map((job) => job.key));
  return [
    ...listBlock("Re-created", `against ${name}`, "pairs-list", pairBoxes(anew)),
    ...listBlock("To re-create", `made in ${name}`, "pairs-list", pairBoxes(again)),
    ...listBlock(
      "Renamed",
      `bought as other jobs of ${name}`,
      "thumbs",
      moved.map(
        ({ job, before }) =>
          () =>
            namedThumb(job, shortName, before),
      ),
    ),
    ...listBlock(
      "Made",
      `not made yet in ${name}`,
      "thumbs",
      first.map((job) => () => namedThumb(job, shortName)),
    ),
    ...listBlock(
      "New",
      `not in ${name}`,
      "thumbs",
      came.map((job) => () => namedThumb(job, shortName)),
    ),
    ...listBlock(
      "Gone",
      `only in ${name}`,
      "thumbs",
      went.map((job) => () => goneThumb(job, shortNameBefore)),
    ),
  ];
}

/** Every job that was made again here, old beside new; also if it has been sent back once more. */
function replacedHere() {
  const made = app.model.jobs.flatMap((job) => {
    const now = job.seen && takeOf(job);
    const before = now && earlierOf(job).find((each) => each.id !== now.id && isTake(each) && !each.deleted);
    return before ? [{ job, before: before.id, now: now.id }] : [];
  });
  const them = made.length === 1 ? "it" : "them";
  return listBlock(
    "Re-created",
    `${counted(made.length, "job")}, with what served ${them} before`,
    "pairs-list",
    pairBoxes(pairsOf(made)),
  );
}

/**
 * A heading with its content; nothing if there is no content.
 * @param {string} title @param {string} about @param {string} form @param {(() => Node)[]} entries
 */
function listBlock(title, about, form, entries) {
  if (!entries.length) return [];
  const more = entries.length - MAX_LISTED;
  return [
    el(
      "section",
      { class: "block" },
      el("div", { class: "head" }, el("h2", { text: title }), el("small", { text: about })),
      el("div", { class: form }, ...entries.slice(0, MAX_LISTED).map((make) => make())),
      more > 0 && el("p", { class: "rest", text: `and ${number(more)} more` }),
    ),
  ];
}

/** @param {(Pair & { jobs: Made[] })[]} pairs */
function pairBoxes(pairs) {
  const { purchases } = app.model;
  return pairs.map(
    ({ jobs, before, now }) =>
      () =>
        pairOf(jobs, purchases.get(before), purchases.get(now ?? "")),
  );
}

/** What is said of a job beside its last take: the state of one that is made, or to be made with a changed request, is not. */
const UNSERVED = new Set(["redo", "failed", "attention", "underway"]);

/**
 * Jobs that share a purchase, with the one that served them before: a link to their comparison; to the first job, if it is to be
 * made again. @param {Made[]} jobs @param {Purchase | undefined} before @param {Purchase | undefined} now
 */
function pairOf(jobs, before, now) {
  const [{ job }] = jobs;
  const then = date(before?.bought ?? "", "short");
  const state = STATES[job.state].word.toLowerCase();
  const href = now
    ? addressOf({ view: "compare", compare: [before?.id ?? "", now.id] })
    : addressOf({ view: "job", job: job.address });
  return el(
    "a",
    { class: "pair", href },
    el(
      "div",
      { class: "two" },
      el("div", { class: "mat old" }, before ? purchaseBox(before) : ""),
      el("div", { class: "mat" }, now ? takeBox(job) : frameOf(job)),
    ),
    ...jobs
      .slice(0, MAX_SHARING)
      .flatMap(({ job: each, was }) => [
        el("h3", { class: "key", title: each.key, "aria-label": each.key }, ...keyLine(each)),
        was && el("p", { class: "was", text: `was ${was}` }),
      ]),
    jobs.length > MAX_SHARING && el("p", { text: `and ${number(jobs.length - MAX_SHARING)} more` }),
    el("p", {
      text: now
        ? `${then} → ${date(now.bought, "short")}${UNSERVED.has(job.state) ? `, ${state}` : ""}`
        : `${then} → ${state}`,
    }),
  );
}

/** What was made for a job last, also if it is to be made again. @param {Job} job */
function takeBox(job) {
  const take = takeOf(job);
  return take && take !== job.seen ? purchaseBox(take) : mediaBox(job);
}

/** A job with its name, and with the key it had before. @param {Job} job @param {(key: string) => string} shortName @param {string} [before] */
function namedThumb(job, shortName, before) {
  return el(
    "a",
    { class: "thumb", href: addressOf({ view: "job", job: job.address }) },
    el("div", { class: "mat" }, takeBox(job)),
    el("div", { class: "line" }, el("b", { class: "tail", title: job.key }, ...tailLine(shortName(job.key)))),
    before && el("p", { class: "was", text: `was ${before}` }),
  );
}

/** An entry that only the other results have, with its video if that is here. @param {JobData} job @param {(key: string) => string} shortName */
function goneThumb(job, shortName) {
  const purchase = takeOf(job);
  const href = purchase?.files[0] && source.href(purchase.files[0]);
  const inner = [
    el("div", { class: "mat" }, purchase ? purchaseBox(purchase) : unmade()),
    el("div", { class: "line" }, el("b", { class: "tail", title: job.key }, ...tailLine(shortName(job.key)))),
  ];
  return href
    ? el("a", { class: "thumb earlier", href, target: "_blank", rel: "noopener" }, ...inner)
    : el("div", { class: "thumb earlier" }, ...inner);
}

function unmade() {
  return el(
    "div",
    { class: "media frame", vars: { ratio: 16 / 9 } },
    el("div", { class: "message" }, el("span", { text: "not made yet" })),
  );
}
