"use strict";
// A card of the contact sheet: its video in its own ratio, its key, its prompt and one line of facts.

// The number of cards made so far, which gives each card's heading a unique id.
let cardsMade = 0;

/** A card; `linkCard` gives it its link. @param {Job} job @returns {HTMLElement} */
function cardOf(job) {
  const letters = selectedOf(job);
  const heading = `card-${++cardsMade}`;
  return el(
    "article",
    {
      class: letters ? "card selected" : "card",
      "data-key": job.key,
      "data-status": job.status,
      "data-decision": job.decision,
      "data-address": job.address,
      "aria-labelledby": heading,
    },
    el(
      "a",
      { class: "open" },
      el("div", { class: "mat" }, mediaBox(job)),
      el("h3", { class: "key", id: heading, title: job.address, "aria-label": job.address }, ...keyLine(job)),
    ),
    el("p", { class: "prompt", dir: "auto", lang: job.lang, title: job.prose, text: job.prose }),
    metaLine(job),
    job.shown && selectButton(job, letters),
  );
}

/** Let the link of a card hold the filter and the order of now: a card is kept while they change. @param {HTMLElement} card */
function linkCard(card) {
  const href = addressOf({ view: "job", job: card.dataset.address });
  card.querySelector(".open")?.setAttribute("href", href);
}

/** @param {Job} job @param {string} letters */
function selectButton(job, letters) {
  return el("button", {
    class: "select",
    "aria-pressed": String(letters !== ""),
    "aria-label": `Select ${job.address}`,
    text: letters,
  });
}

/** The letters of a job's selected purchases: the one shown, and earlier ones from a comparison. @param {Job} job */
function selectedOf(job) {
  return app.selected.map((id, index) => (isOfJob(id, job) ? LETTERS[index] : "")).join("");
}

/** @param {string} id @param {Job} job */
function isOfJob(id, job) {
  const purchase = app.model.purchases.get(id);
  return id === job.shown?.id || (purchase?.key === job.key && purchase.campaign === job.campaign);
}

/** The content of the mat: the video, or crop marks where it will be. @param {Job} job */
function mediaBox(job) {
  if (
    job.state === "failed" ||
    job.state === "attention" ||
    job.state === "pending" ||
    // Some of its files may be here before the others.
    (job.state === "underway" && !job.file?.here)
  ) {
    return frameOf(job);
  }
  const still = job.file && source.still(job.file);
  if (!job.file?.here && !still) return frameOf(job);
  const mark = job.decision === "approved" ? "check" : job.state === "redo" ? "redo" : "";
  return stillBox(job.file, job.ratio || usualOf(job).ratio, still, job.state, mark);
}

/**
 * @param {MediaFile | undefined} file @param {number} ratio @param {string | undefined} still
 * @param {string} [state] @param {string} [mark] the icon in its corner
 */
function stillBox(file, ratio, still, state = "", mark = "") {
  const box = el("div", {
    class: `media ${state === "rejected" ? "rejected" : ""} ${ratio < 4 / 3 ? "tall" : ""}`,
    vars: { ratio },
  });
  if (still) {
    const image = /** @type {HTMLImageElement} */ (
      el("img", { alt: "", loading: "lazy", decoding: "async", src: still })
    );
    const asFrame = () => {
      image.replaceWith(...frameMarks());
      box.querySelector(".diagonal")?.remove();
    };
    image.addEventListener("error", asFrame, { once: true });
    if (!file?.width)
      image.addEventListener("load", () => asWideAs(box, image.naturalWidth / image.naturalHeight));
    box.append(image);
  } else {
    box.classList.add("frame");
    box.append(el("div", { class: "message" }, el("b", { text: isSound(file) ? "Sound" : "No still" })));
  }
  // Without a still, the line would cross the words.
  if (state === "rejected" && still) box.append(diagonal());
  if (mark) box.append(el("span", { class: `corner ${mark}` }, icon(mark)));
  return box;
}

/** @param {HTMLElement} box @param {number} ratio */
function asWideAs(box, ratio) {
  if (!Number.isFinite(ratio) || ratio <= 0) return;
  box.classList.toggle("tall", ratio < 4 / 3);
  setVars(box, { ratio });
}

function diagonal() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "diagonal");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const line = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1: "0", y1: "100", x2: "100", y2: "0" }))
    line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function frameMarks() {
  return [el("div", { class: "message" }, el("b", { text: "No still" }))];
}

/** Crop marks in the expected ratio, and why there is no video. @param {Job} job */
function frameOf(job) {
  const ratio = job.ratio || usualOf(job).ratio;
  const tone = ["failed", "attention", "underway"].includes(job.state) ? job.state : "";
  const [title, about] = whyNoVideo(job);
  const age = job.status === "submitted" ? source.age(job) : undefined;
  return el(
    "div",
    { class: `media frame ${tone} ${ratio < 4 / 3 ? "tall" : ""}`, vars: { ratio } },
    el(
      "div",
      { class: "message" },
      title && el("b", { text: title }),
      age ?? (about && el("span", { dir: "auto", text: about })),
    ),
  );
}

/** @param {Job} job */
function sinceWhen(job) {
  return `since ${date(job.shown?.bought ?? "", "short")} UTC`;
}

/** The words for a job under way, by its status. @type {Record<string, string>} */
const UNDER_WAY = { submitting: "being sent", succeeded: "made, not downloaded yet" };

const PARTLY_HERE = "made, not all downloaded yet";

/** @param {Job} job @returns {[string, string]} */
function whyNoVideo(job) {
  const error = job.shown?.error ?? "";
  switch (job.state) {
    case "failed":
      return [REASONS[job.reason ?? ""]?.name ?? "Failed", error || (REASONS[job.reason ?? ""]?.about ?? "")];
    case "attention":
      return ["Outcome unknown", "May be bought; never sent again by itself"];
    case "underway":
      return [
        "",
        job.seen?.files.some((file) => file.here) ? PARTLY_HERE : (UNDER_WAY[job.status] ?? sinceWhen(job)),
      ];
    case "redo":
      return ["Sent back", whySentBack(job)];
    case "pending":
      return [
        "",
        isWaiting(job)
          ? "waits for what it is made from"
          : isSettled(job)
            ? "another take is approved"
            : "not made yet",
      ];
    default:
      if (job.file?.stored) return ["File in the object store", "report --sign links to it"];
      return missingFile(job.file);
  }
}

/** A file that is not there, in the words of a card. @param {MediaFile | undefined} file @returns {[string, string]} */
function missingFile(file) {
  if (file?.altered) return ["File altered", isHandedOn() ? "where this page was made" : "it is left alone"];
  if (!app.model.data.videos) return ["File missing", "when this page was made"];
  return isHandedOn()
    ? ["File not in this gallery", ""]
    : ["File not on this machine", `${file?.pointer ? LFS_PULL : "collect"} brings it`];
}

/** @param {Job} job */
function whySentBack(job) {
  const note = job.shown?.note ?? job.shown?.notes?.at(-1)?.text;
  return note ? `“${note}”` : "";
}

/** @param {Job} job */
function metaLine(job) {
  const price = job.cost ?? (job.state === "pending" || job.state === "redo" ? priceOf(job) : undefined);
  const toCome = (job.state === "pending" || job.state === "redo") && price !== undefined;
  return el(
    "p",
    { class: "meta" },
    stateWord(job),
    job.rating > 0 && ratingOf(job.rating),
    el(
      "span",
      { class: "numbers" },
      job.ratioName && el("span", { class: "ratio", text: job.ratioName }),
      job.length > 0 && el("span", { class: "length", text: lengthOf(job.length) }),
      price !== undefined &&
        el("span", { text: toCome ? `${number(price)} to come` : `${number(price)} cr` }),
    ),
  );
}

/** @param {Job} job */
function stateWord(job) {
  const state = STATES[job.state];
  const title = (job.state === "redo" && whySentBack(job)) || undefined;
  return el("span", { class: `word ${state.tone}`, title }, state.icon && icon(state.icon), state.word);
}

/** @param {number} stars */
function ratingOf(stars) {
  return el(
    "span",
    { class: "rating" },
    icon("star"),
    String(stars),
    el("span", { class: "unseen", text: stars === 1 ? "star" : "stars" }),
  );
}

// A card's video plays while the pointer or the focus is on it.

/** @type {{ card: HTMLElement, video: HTMLVideoElement } | undefined} */
let preview;

/** @param {HTMLElement} card */
function startPreview(card) {
  if (preview?.card === card) return;
  stopPreview();
  const job = app.model.byAddress.get(card.dataset.address ?? "");
  const box = card.querySelector(".media");
  const href = job?.file && kindOf(job.file) === "video" ? source.href(job.file) : undefined;
  if (!href || !box || box.classList.contains("frame")) return;
  const video = /** @type {HTMLVideoElement} */ (
    el("video", {
      src: href,
      loop: true,
      playsinline: true,
      preload: "auto",
      "aria-hidden": "true",
      tabindex: -1,
    })
  );
  video.muted = true;
  const progress = el("span", { class: "progress" });
  video.addEventListener("timeupdate", () =>
    setVars(progress, { played: video.currentTime / (video.duration || 1) }),
  );
  video.addEventListener("error", () => stopPreview());
  box.append(video, progress);
  preview = { card, video };
  video.play().catch(() => undefined);
}

function stopPreview() {
  if (!preview) return;
  const { card, video } = preview;
  preview = undefined;
  video.removeAttribute("src");
  video.load();
  card.querySelectorAll("video, .progress").forEach((each) => each.remove());
}
