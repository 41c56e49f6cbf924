"use strict";
// Starts the page: reads the data, and shows the view that the address names.

const app = {
  /** @type {Model} */
  model: {
    data: { version: 0, tool: "", posters: false, videos: true, campaigns: [] },
    campaigns: [],
    jobs: [],
    byAddress: new Map(),
    byKey: [],
    purchases: new Map(),
  },
  /** @type {View} */
  view: { view: "browse", q: "", sort: "newest", job: "", file: 1, compare: [], mode: "wipe" },
  /** The purchases that are selected, in the order of their letters. @type {string[]} */
  selected: [],
  /** Whether a tap on a card selects it, on a screen without a pointer to show what would. */
  selecting: false,
  /** The addresses of jobs that have changed since the grid showed them. @type {Set<string>} */
  stale: new Set(),
};

/** The jobs that the search finds, in the order of the grid. */
function jobsShown() {
  return inHeldOrder(fitting(searchFor(app.view.q, app.model.jobs), sorted(app.model.jobs, app.view.sort)));
}

/** The places of the jobs in the grid while somebody looks at it; undefined: they follow the sorting. @type {Map<string, number> | undefined} */
let held;

/** The jobs in the order that is held; those that have come since are the last ones. @param {Job[]} found */
function inHeldOrder(found) {
  const places = held;
  if (!places) return found;
  const placeOf = (/** @type {Job} */ job) => places.get(job.address) ?? places.size;
  return found.toSorted((one, other) => placeOf(one) - placeOf(other));
}

/** Hold the order while a card may be under the pointer or has the focus, so that a change moves none away from there. */
function holdOrder() {
  const sheet = byId("grid");
  const isLookedAt =
    sheet.matches(":hover, :focus-within") || (!sheet.hidden && sheet.getBoundingClientRect().top < 0);
  held = isLookedAt ? new Map(grid.jobs.map((job, place) => [job.address, place])) : undefined;
}

/** Sort the grid again, and show it from its beginning. */
function sortAgain() {
  held = undefined;
  showBrowse();
  showSelection();
  document.querySelector(".results")?.scrollIntoView({ block: "start" });
}

/** The jobs that a job was opened among, in the order that they had then. @type {{ of: string, addresses: string[] } | undefined} */
let walk;

/**
 * The jobs before and after the open one. They keep their order while one goes from job to job, although a decision may move
 * the open one in the list or take it out; jobs that have come since are the last ones.
 */
function jobsInTurn() {
  const of = addressOf({});
  const now = jobsShown();
  if (walk?.of !== of || !walk.addresses.includes(app.view.job))
    walk = { of, addresses: now.map((job) => job.address) };
  const known = new Set(walk.addresses);
  walk.addresses.push(...now.map((job) => job.address).filter((address) => !known.has(address)));
  return walk.addresses.map((address) => app.model.byAddress.get(address)).filter((job) => job !== undefined);
}

/** The views besides the overview and that of a job; a live page has one more. @type {Record<string, () => Node[]>} */
const VIEWS = {
  failures: () => [failuresView()],
  compare: () => compareView(app.view.compare),
  ...source.views,
};

/** Show the view that the address names. */
function show() {
  app.view = viewOf();
  leaveOutUnknown();
  reel?.pause();
  reel = undefined;
  deciding = undefined;
  clearLocalToast();
  leaveNote();
  const job = app.model.byAddress.get(app.view.job);
  if (!job && app.view.view !== "compare") walk = undefined;
  const browsing = app.view.view === "browse";
  document.body.dataset.view =
    app.view.view === "compare" && app.view.compare.length < 2 ? "list" : app.view.view;
  byId("browse").hidden = !browsing;
  byId("view").hidden = browsing;
  byId("filters-button").hidden = !browsing;
  showTabs();
  document.title = shownPlain(titleOf(job));
  if (browsing) {
    byId("view").replaceChildren();
    held = undefined;
    showBrowse();
  } else {
    stopPreview();
    byId("sort-again").hidden = true;
    const { view, compare } = app.view;
    const isOfSearch = job !== undefined || compare.length > 1;
    /** @type {HTMLInputElement} */ (byId("search")).value = isOfSearch ? app.view.q : "";
    byId("view").replaceChildren(...(job ? detailView(job) : view === "job" ? [] : VIEWS[view]()));
    scrollTo(0, 0);
  }
  showSelection();
}

/** Report, and remove from the address, what this page does not have, such as a job outside its selection. */
function leaveOutUnknown() {
  const said = unknownJob() ?? unknownPurchases() ?? unknownWord();
  const place = byId("unknown");
  place.hidden = !said;
  if (!said) return;
  fill(place, ...said);
  history.replaceState(history.state, "", addressOf(app.view));
}

/** @returns {(Node | string)[] | undefined} */
function unknownJob() {
  const { view, job } = app.view;
  if (view === "job" && !app.model.byAddress.has(job)) {
    const alike = app.model.jobs.filter((each) => each.key === job);
    if (alike.length === 1) {
      app.view = { ...app.view, job: alike[0].address };
      history.replaceState(history.state, "", addressOf(app.view));
      return undefined;
    }
    app.view = { ...app.view, view: "browse", job: "" };
    return alike.length ? severalHave(job, alike) : ["This page has no job ", el("code", { text: job }), "."];
  }
  return !job && given().has("job") ? ["The address names no job."] : undefined;
}

/** @returns {string[] | undefined} */
function unknownPurchases() {
  const { view, compare } = app.view;
  if (view !== "compare" || !given().has("compare")) return undefined;
  const found = compare.filter((id) => app.model.purchases.has(id));
  if (found.length > 1 && found.length === compare.length) return undefined;
  app.view = { ...app.view, compare: found.length > 1 ? found : [] };
  if (!compare.length) return ["The address names no purchases to compare."];
  if (!found.length) return ["This page has none of the purchases to compare."];
  return found.length === compare.length
    ? ["A comparison needs at least two purchases."]
    : [`Of the ${number(compare.length)} purchases to compare, this page has only ${number(found.length)}.`];
}

/** A view or an order that does not exist. @returns {(Node | string)[] | undefined} */
function unknownWord() {
  const view = given().get("view");
  if (view && view !== "browse" && !Object.hasOwn(VIEWS, view))
    return ["This page has no view ", el("code", { text: view }), "."];
  const sort = given().get("sort");
  return sort && !Object.hasOwn(SORTS, sort)
    ? ["Jobs cannot be sorted by ", el("code", { text: sort }), "."]
    : undefined;
}

/** @param {string} key @param {Job[]} jobs @returns {(Node | string)[]} */
function severalHave(key, jobs) {
  const links = jobs.flatMap((job, index) => [
    index ? ", " : "",
    el("a", { class: "link", href: addressOf({ view: "job", job: job.address }), text: job.campaign.name }),
  ]);
  return ["Several campaigns have a job ", el("code", { text: key }), ": ", ...links, "."];
}

/** The title of a view that is not the overview. @type {Partial<Record<View["view"], string>>} */
const TITLES = { failures: "Failures", compare: "Compare", live: "Live" };

/** @param {Job | undefined} job */
function titleOf(job) {
  const names = app.model.campaigns.map((each) => each.name).join(", ");
  const view = job?.key ?? TITLES[app.view.view];
  return view ? `${view} · ${names}` : names;
}

function showTabs() {
  const failures = app.model.jobs.filter((job) => job.state === "failed").length;
  const tab = (/** @type {View["view"]} */ view, /** @type {string} */ name, /** @type {number} */ count) =>
    el(
      "a",
      {
        // From another view back to the filtered overview; from there to the whole one.
        href: view === "browse" && app.view.view === "browse" ? "#" : addressOf({ view }),
        "aria-current": app.view.view === view ? "page" : undefined,
      },
      name,
      count > 0 && el("span", { text: number(count) }),
    );
  byId("tabs").replaceChildren(
    ...(source.isLive ? [tab("live", "Live", 0)] : []),
    tab("browse", "Overview", 0),
    tab("failures", "Failures", failures),
    tab("compare", "Compare", 0),
  );
  const names = app.model.campaigns.map((each) => each.name);
  fill(byId("name"), names.length > 2 ? `${number(names.length)} campaigns` : names.join(", "));
  byId("name").title = shownPlain(names.join(", "));
}

/** Update only what has changed: a video keeps playing, and typing is not interrupted. @param {Changed} changed */
function refresh(changed) {
  const { jobs, byAddress } = app.model;
  const isChanged = (/** @type {Job} */ job) =>
    !changed ||
    changed.jobs.has(`${job.campaign.number} ${job.key}`) ||
    (job.shown !== undefined && changed.purchases.has(job.shown.id));
  for (const job of jobs) if (isChanged(job)) app.stale.add(job.address);
  const open = byAddress.get(app.view.job);
  keepingFocus(() => {
    showTabs();
    if (app.view.view === "browse") {
      holdOrder();
      showBrowse();
      showSelection();
    } else if (app.view.view === "job" && open) refreshDetail(open, takesOf(open).some(isChanged));
    else if (app.view.view === "job") show();
    else if (app.view.view === "compare" && app.view.compare.length > 1) refreshCompare();
    else byId("view").replaceChildren(...VIEWS[app.view.view]());
  });
}

/** Restore the focus if the element that had it is replaced. @param {() => void} change */
function keepingFocus(change) {
  const before = document.activeElement;
  const region = before?.closest("#overview, #view, #tabs, #selection, #no-match");
  const at = region ? focusable(region).indexOf(/** @type {HTMLElement} */ (before)) : -1;
  change();
  if (before && !before.isConnected && region && at >= 0)
    focusable(region)[at]?.focus({ preventScroll: true });
  // What ends a search that finds nothing is hidden again once it finds something.
  if (region?.id === "no-match" && byId("no-match").hidden) grid.focusAgain();
}

/** @param {Element} region @returns {HTMLElement[]} */
function focusable(region) {
  return [...region.querySelectorAll("a[href], button, input, select")].map(
    (each) => /** @type {HTMLElement} */ (each),
  );
}

/** What the overview was built for: its links hold the order of the jobs. @type {{ of: Model, address: string } | undefined} */
let overviewShown;

/** Show the overview where nothing is filtered, built anew only if something in it differs. */
function showOverview() {
  const place = byId("overview");
  place.hidden = Boolean(app.view.q);
  if (place.hidden) return;
  const address = addressOf({});
  if (overviewShown?.of === app.model && overviewShown.address === address) return;
  overviewShown = { of: app.model, address };
  place.replaceChildren(...overview());
}

function showBrowse() {
  const { jobs } = app.model;
  const search = searchFor(app.view.q, jobs);
  const fresh = fitting(search, sorted(jobs, app.view.sort));
  const found = inHeldOrder(fresh);
  byId("sort-again").hidden = found.every((job, place) => job === fresh[place]);
  const field = /** @type {HTMLInputElement} */ (byId("search"));
  if (field.value.trim() !== app.view.q) field.value = app.view.q;
  showOverview();
  document
    .querySelector(".count")
    ?.replaceChildren(el("b", { text: number(found.length) }), ` of ${number(jobs.length)}`);
  byId("clear").hidden = !app.view.q;
  /** @type {HTMLSelectElement} */ (byId("sort")).value = app.view.sort;
  showFacets(search, found);
  showNoMatch(found, search);
  grid.show(found, app.stale);
  app.stale = new Set();
}

/** @param {Job[]} found @param {Search} search */
function showNoMatch(found, search) {
  const place = byId("no-match");
  place.hidden = found.length > 0 || !app.model.jobs.length;
  if (place.hidden) return;
  const term = search.nothing;
  const clear = el(
    "button",
    { class: "button", onclick: () => go({ q: "" }) },
    "Clear the search",
    el("kbd", { text: "Esc" }),
  );
  const title = term
    ? el("h2", {}, "No job matches ", el("code", { text: `${term.source}.` }))
    : el("h2", { text: "No job matches all of that." });
  place.replaceChildren(el("div", { class: "no-match" }, title, el("p", {}, ...nearestHint(term)), clear));
}

/** The field that has another name in the search: a rule is `job`, an axis begins with `matrix.`. @param {string} field */
function meantBy(field) {
  if (field === "rule") return "job";
  const isAxis = app.model.jobs.some((job) => job.axes && Object.hasOwn(job.axes, field));
  return isAxis && !reader(field) ? `matrix.${field}` : undefined;
}

/** The fields that a term may begin with on this page. */
function knownFields() {
  const fields = [...Object.keys(FIELDS), ...axesOf(app.model).map((axis) => `matrix.${axis}`)];
  return `The fields are ${fields.slice(0, -1).join(", ")} and ${fields.at(-1)}.`;
}

/** A link to the search with `other` in place of a term. @param {Term} term @param {string} other */
function linkTo(term, other, text = other) {
  const href = addressOf({ q: app.view.q.replace(term.source, () => other) });
  return el("a", { class: "link", href, text });
}

/** @param {Term | undefined} term @returns {(Node | string)[]} */
function nearestHint(term) {
  if (!term) return ["Each part of the search fits some job, but no job fits them all."];
  const colon = term.source.indexOf(":");
  const field = term.source.slice(0, colon);
  const meant = meantBy(field);
  if (colon > 0 && meant)
    return [
      "No key and no prompt holds it. Or is it ",
      linkTo(term, `${meant}${term.source.slice(colon)}`),
      "?",
    ];
  if (colon < 0 || !reader(field))
    return ["No key and no prompt holds it.", /^\w+:[^/]/.test(term.source) ? ` ${knownFields()}` : ""];
  if (field === "action" && !app.model.jobs.some((job) => job.action))
    return ["What a run would do is known where the manifest can be read; pipeline plan tells it."];
  if (term.source === "decision:none") {
    const [about = "Nothing is left to decide.", command] = toFetchFirst();
    return command ? [`${about} `, el("code", { text: command })] : [about];
  }
  const near = nearest(field, term.source.slice(colon + 1), app.model.jobs);
  if (near === undefined) return [`No job has a value for ${field}.`];
  const wanted = termFor(field, near);
  const jobs = app.model.jobs.filter((job) => reader(field)?.(job) === near);
  return [
    `There is no ${field.replace("matrix.", "")} of that name. The nearest is `,
    linkTo(term, wanted, `${field}:${near}`),
    `, with ${counted(jobs.length, "job")}.`,
  ];
}

let typing = 0;

/** Typing is one step for the back button, until it pauses. */
function onType() {
  const q = /** @type {HTMLInputElement} */ (byId("search")).value.trim();
  const now = Date.now();
  const goesOn = now - typing < 1500;
  typing = now;
  if (q !== app.view.q || app.view.view !== "browse")
    go({ q }, { replace: goesOn && app.view.view === "browse" });
}

function showTheme() {
  const kept = readKept("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  else delete document.documentElement.dataset.theme;
}

function nextTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  keep("theme", next);
}

function listen() {
  const field = byId("search");
  field.addEventListener("input", onType);
  byId("clear").addEventListener("click", () => go({ q: "" }));
  const sort = /** @type {HTMLSelectElement} */ (byId("sort"));
  sort.append(...Object.entries(SORTS).map(([value, { name }]) => el("option", { value, text: name })));
  sort.addEventListener("change", () => go({ sort: sort.value }));
  byId("sort-again").addEventListener("click", sortAgain);
  byId("selecting").addEventListener("click", () => selectByTouch(!app.selecting));
  byId("skip").addEventListener("click", skip);
  byId("keys-button").addEventListener("click", showKeys);
  byId("theme-button").addEventListener("click", nextTheme);
  byId("filters-button").addEventListener("click", () => {
    const shown = byId("filters").classList.toggle("shown");
    byId("filters-button").setAttribute("aria-expanded", String(shown));
    if (shown) byId("filters").scrollIntoView({ block: "start" });
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", letGo);
  addEventListener("popstate", (event) => {
    const left = app.view;
    show();
    standAgain(left, scrolledTo(event.state) ?? scrollY);
    grid.layout();
  });
  // For a reload; later than this, the state of the history cannot be changed.
  addEventListener("beforeunload", () => history.replaceState({ ...history.state, scrolled: scrollY }, ""));
  // A link within the page: the browser makes the step, the page keeps the scroll position.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.defaultPrevented || event.button)
      return;
    event.preventDefault();
    if (link.hasAttribute("data-back")) return goBack();
    visit(link.getAttribute("href") ?? "#");
    if (app.view.view === "browse") scrollTo(0, 0);
    byId("main").focus({ preventScroll: true });
  });
  listenToGrid();
}

/** The scroll position of a step of the browser when it was left. @param {{ scrolled?: number } | null} state */
function scrolledTo(state) {
  return state?.scrolled;
}

async function begin() {
  history.scrollRestoration = "manual";
  showTheme();
  app.model = modelOf(await source.load());
  forgetSaved();
  listen();
  const stillsAside = byId("no-stills");
  stillsAside.hidden = app.model.data.posters;
  stillsAside.replaceChildren(
    "Stills are made by the extra report: ",
    el("code", { text: "pip install 'campaign-pipeline[report]'" }),
    ", then pipeline report again.",
  );
  source.onChange((data, changed) => {
    app.model = modelOf(data);
    forgetSaved();
    refresh(changed);
  });
  source.ready();
  show();
  scrollTo(0, scrolledTo(history.state) ?? 0);
  grid.layout();
}

void begin();
