"use strict";
// One job: its video, its takes and steps, its changes, its decisions and its request.

/** @param {Job} job */
function detailView(job) {
  const list = jobsInTurn();
  const at = list.indexOf(job);
  return [
    el("h1", { class: "unseen", text: job.key }),
    subBar(job, list, at),
    el(
      "div",
      { class: "detail" },
      el("div", { class: "watch" }, ...stageOf(job), videosElsewhere(job)),
      sideColumn(job),
      moreOf(job),
    ),
    decideBar(job.seen),
  ];
}

/** @param {Job} job */
function moreOf(job) {
  return el("div", { class: "more" }, takesBlock(job), outputsBlock(job), stepsBlock(job));
}

/** The file on the stage: the one that the address names, else the first. @param {Job} job */
function fileOnStage(job) {
  const files = job.seen?.files ?? [];
  return files[app.view.file - 1] ?? files[0];
}

/** Show another file of the open job. @param {number} file */
function showFile(file) {
  const stood = scrollY;
  keepingFocus(() => go({ view: "job", job: app.view.job, file }, { replace: true }));
  scrollTo(0, stood);
}

/** Update the open job; its video keeps playing. @param {Job} job @param {boolean} changed */
function refreshDetail(job, changed) {
  const view = byId("view");
  const list = jobsInTurn();
  view.querySelector(".sub")?.replaceWith(subBar(job, list, list.indexOf(job)));
  const purchase = job.seen;
  const watch = view.querySelector(".watch");
  if (changed && watch) {
    view.querySelector(".side-column")?.replaceWith(sideColumn(job));
    view.querySelector(".more")?.replaceWith(moreOf(job));
    const video = reel?.videos[0];
    const file = fileOnStage(job);
    const href = file && source.href(file);
    const stage = watch.querySelector(".stage");
    if (reel && video && href && video.getAttribute("src") === href)
      watch
        .querySelector(".transport")
        ?.replaceWith(transportOf(reel, pinsOf(purchase), () => watch.querySelector(".stage")));
    else if (!(stage?.querySelector("img") && href && kindOf(file) === "image"))
      watch.replaceChildren(...[...stageOf(job), videosElsewhere(job)].filter((each) => each !== undefined));
  }
  showDecideBar(purchase);
}

/** @param {Job} job @param {Job[]} list @param {number} at */
function subBar(job, list, at) {
  const to = (/** @type {number} */ by) => {
    const next = list[at + by];
    return next ? addressOf({ view: "job", job: next.address }) : undefined;
  };
  const arrow = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ sign) => {
    const href = at < 0 ? undefined : to(by);
    return href
      ? el("a", { class: "tool", href, "aria-label": label, title: label }, icon(sign))
      : el("button", { class: "tool", disabled: true, "aria-label": label }, icon(sign));
  };
  return el(
    "div",
    { class: "sub" },
    backLink(),
    el("span", { class: "crumb", text: job.campaign.name }),
    el(
      "span",
      { class: "end" },
      at >= 0 && el("span", { text: `${number(at + 1)} of ${number(list.length)}` }),
      arrow(-1, "Job before (k)", "back"),
      arrow(1, "Job after (j)", "on"),
    ),
  );
}

/** The video with its transport, or the picture, or why there is neither. @param {Job} job */
function stageOf(job) {
  const chosen = fileOnStage(job);
  const href = chosen && source.href(chosen);
  const ratio =
    chosen?.width && chosen.height ? chosen.width / chosen.height : job.ratio || usualOf(job).ratio;
  const kind = kindOf(chosen);
  reel = undefined;
  if (!href || !chosen || job.state === "failed" || job.state === "attention")
    return [el("div", { class: "stage", vars: { ratio } }, stillOrFrame(job, chosen, ratio))];
  if (kind === "image") {
    return [
      el(
        "div",
        { class: "stage", vars: { ratio } },
        el("div", { class: "media", vars: { ratio } }, el("img", { src: href, alt: job.prose || job.key })),
      ),
    ];
  }
  const video = videoOf(href, job.key, chosen);
  video.dataset.audio = String(chosen.audio ?? true);
  reel = new Reel([video], chosen.frame_rate ?? USUAL_RATE);
  reel.hear(true);
  const stage = el(
    "div",
    { class: "stage", vars: { ratio } },
    el("div", { class: "media" }, soundMark(chosen), video),
  );
  video.addEventListener(
    "loadedmetadata",
    () => video.videoWidth && setVars(stage, { ratio: video.videoWidth / video.videoHeight }),
  );
  return [stage, transportOf(reel, pinsOf(job.seen), () => stage)];
}

/** Where the videos are, on a page in one file, which contains none. @param {Job} job */
function videosElsewhere(job) {
  if (app.model.data.videos || !job.file?.here) return undefined;
  return el("p", {
    class: "changes elsewhere",
    text: "This single file has no videos; a gallery in a folder shows them.",
  });
}

/** @param {Job} job @param {MediaFile | undefined} file @param {number} ratio */
function stillOrFrame(job, file, ratio) {
  const still = file && source.still(file);
  if (!still || job.state === "failed" || job.state === "attention") return frameOf(job);
  return el("div", { class: "media", vars: { ratio } }, el("img", { src: still, alt: job.prose || job.key }));
}

/** The notes on a purchase, including the one without a moment. @param {Purchase | undefined} purchase @returns {NoteData[]} */
function notesOf(purchase) {
  const notes = [...(purchase?.notes ?? [])];
  if (purchase?.note) notes.unshift({ text: purchase.note, by: purchase.by });
  return notes.sort((one, other) => (one.at ?? -1) - (other.at ?? -1));
}

/** @param {Purchase | undefined} purchase @param {string} [name] @param {boolean} [below] */
function pinsOf(purchase, name, below = false) {
  return notesOf(purchase)
    .map((note, index) => ({ at: note.at, name: name ?? String(index + 1), text: note.text, below }))
    .filter((pin) => pin.at !== undefined)
    .map((pin) => ({ ...pin, at: pin.at ?? 0 }));
}

/** @param {Job} job */
function takesBlock(job) {
  const takes = takesOf(job);
  // A take that was sent back is on the stage already.
  const earlier = earlierOf(job).filter((each) => each !== job.seen);
  if (takes.length < 2 && !earlier.length) return undefined;
  const parts = [
    takes.length > 1 && `${number(takes.length)} of this job`,
    earlier.length && counted(earlier.length, "earlier purchase"),
  ];
  const others = [...takes.filter((each) => each !== job).map((each) => each.serving), ...earlier].filter(
    (each) => each !== job.shown,
  );
  const against = others.find((each) => each?.files[0]?.here) ?? others.find((each) => each !== undefined);
  const compare =
    job.shown &&
    against &&
    el(
      "a",
      {
        class: "quiet",
        id: "compare-takes",
        href: addressOf({ view: "compare", compare: comparedWith(job, against) }),
      },
      icon("compare"),
      "Compare",
      el("kbd", { text: "c" }),
    );
  return el(
    "section",
    { class: "block" },
    el(
      "div",
      { class: "head" },
      el("h2", { text: takes.length > 1 ? "Takes" : "Purchases" }),
      el("small", { text: parts.filter(Boolean).join(", ") }),
      compare,
    ),
    el(
      "div",
      { class: "thumbs" },
      ...takes.map((take) => takeThumb(take, take === job)),
      ...earlier.map((each) => earlierThumb(job, each)),
    ),
  );
}

/** The older side first: A is before, B is now. @param {Job} job @param {Purchase} other */
function comparedWith(job, other) {
  const id = job.shown?.id ?? "";
  return earlierOf(job).includes(other) ? [other.id, id] : [id, other.id];
}

/** @param {Job} take @param {boolean} current */
function takeThumb(take, current) {
  const name = takesOf(take).length > 1 ? `Take ${take.take ?? 1}` : "Now";
  const state = STATES[take.state];
  return el(
    "a",
    {
      class: "thumb",
      href: addressOf({ view: "job", job: take.address }),
      "aria-current": current ? "true" : undefined,
    },
    el("div", { class: "mat" }, mediaBox(take)),
    el(
      "div",
      { class: "line" },
      el("b", { text: name }),
      el("span", { class: state.tone, text: state.word }),
    ),
  );
}

/** @param {Job} job @param {Purchase} purchase */
function earlierThumb(job, purchase) {
  const siblings = [...earlierOf(job), job.shown].filter((each) => each && each !== purchase);
  const isAlone = siblings.every((each) => date(each?.bought, "day") !== date(purchase.bought, "day"));
  const word = purchase.deleted
    ? "Deleted"
    : purchase.status === "failed"
      ? "Failed"
      : purchase.status === "attention"
        ? "Needs you"
        : decisionWord(purchase) || "Replaced";
  const file = purchase.files[0];
  const href = file && source.href(file);
  // The last purchase of a job that nothing serves has none to be compared with; its file is opened.
  const link =
    purchase !== job.shown
      ? {
          href: addressOf({ view: "compare", compare: comparedWith(job, purchase) }),
          title: job.serving ? "Compare with what serves now" : "Compare with the last purchase",
        }
      : { href, target: href && "_blank", rel: href && "noopener" };
  return el(
    link.href ? "a" : "div",
    { class: "thumb earlier", ...link },
    el("div", { class: "mat" }, purchaseBox(purchase)),
    el(
      "div",
      { class: "line" },
      // The time is never cut: it distinguishes this purchase from the others.
      el(
        "b",
        {},
        el("span", { class: "unseen", text: "Earlier, " }),
        date(purchase.bought, isAlone ? "day" : "short"),
      ),
      el("span", { text: word }),
    ),
  );
}

/** @param {Purchase} purchase */
function decisionWord(purchase) {
  return VERDICTS.find((each) => each.decision === purchase.decision)?.set ?? "";
}

/** The still of a purchase, whatever it serves. @param {Purchase} purchase @param {MediaFile} [file] */
function purchaseBox(purchase, file = purchase.files[0]) {
  const ratio = file?.width && file.height ? file.width / file.height : 16 / 9;
  const still = file && source.still(file);
  if (still) return stillBox(file, ratio, still, purchase.decision === "rejected" ? "rejected" : "");
  const message = !file
    ? "No file"
    : !file.here
      ? missingFile(file)[0]
      : isSound(file)
        ? "Sound"
        : "No still";
  return el(
    "div",
    { class: `media frame ${ratio < 4 / 3 ? "tall" : ""}`, vars: { ratio } },
    el("div", { class: "message" }, el("span", { text: message })),
  );
}

/** Every file of a job that has more than one. @param {Job} job */
function outputsBlock(job) {
  const files = job.seen?.files ?? [];
  if (files.length < 2) return undefined;
  const thumbs = files.map((file, index) => {
    return el(
      "button",
      {
        class: "thumb",
        "aria-label": `File ${index + 1}`,
        "aria-pressed": String(file === fileOnStage(job)),
        "aria-current": file === fileOnStage(job) ? "true" : undefined,
        onclick: () => showFile(index + 1),
      },
      el("div", { class: "mat" }, purchaseBox(/** @type {Purchase} */ (job.seen), file)),
      el("div", { class: "line" }, el("b", { text: `File ${index + 1}` }), el("span", { text: file.type })),
    );
  });
  return el(
    "section",
    { class: "block" },
    el(
      "div",
      { class: "head" },
      el("h2", { text: "Files" }),
      el("small", { text: counted(files.length, "file") }),
    ),
    el("div", { class: "thumbs" }, ...thumbs),
  );
}

/** @param {Job} job */
function stepsBlock(job) {
  const steps = job.shown?.steps ?? [];
  if (!steps.length) return undefined;
  const kept = steps.some((step) => step.files.length);
  const thumbs = steps.map((step) => {
    const file = step.files[0];
    const href = file && source.href(file);
    const inner = [
      kept && el("div", { class: "mat" }, purchaseBox(/** @type {Purchase} */ (job.shown), file)),
      el("div", { class: "line" }, el("b", { title: step.flow, text: step.flow })),
    ];
    return href
      ? el("a", { class: "thumb", href, target: "_blank", rel: "noopener" }, ...inner)
      : el("div", { class: "thumb" }, ...inner);
  });
  // While a job is under way, it is not known yet which media are kept.
  const where =
    kept || job.state === "underway"
      ? `${steps.length}`
      : `${steps.length}, whose media were not kept (output.steps keeps them)`;
  return el(
    "section",
    { class: "block" },
    el("div", { class: "head" }, el("h2", { text: "Steps" }), el("small", { text: where })),
    kept
      ? el("div", { class: "thumbs" }, ...thumbs)
      : el("p", { class: "changes", text: steps.map((step) => step.flow).join(" → ") }),
  );
}

/** @param {Job} job */
function sideColumn(job) {
  const [head, tail] = keyParts(job.key);
  return el(
    "aside",
    { class: "side-column", "aria-label": "About this job" },
    el("p", { class: "path", text: head.split("/").filter(Boolean).join(" / ") }),
    el("h1", { text: tail.split("/").join(" / "), "aria-hidden": "true" }),
    factsLine(job),
    trouble(job),
    changeBlock(job),
    notesBlock(notesOf(job.seen), (note, index) =>
      el("span", { class: "pin pin-mark", text: note.at === undefined ? "–" : String(index + 1) }),
    ),
    requestBlock(job),
  );
}

/** @param {Job} job */
function factsLine(job) {
  const state = STATES[job.state];
  const price = job.cost ?? priceOf(job);
  const file = fileOnStage(job);
  const ratio = file?.width && file.height ? ratioName(file.width / file.height) : "";
  const by = job.shown?.by ? ` by ${job.shown.by}` : "";
  const when = job.shown?.at ? `, ${date(job.shown.at, "short")}` : "";
  return el(
    "p",
    { class: "facts" },
    el("span", {
      class: state.tone === "muted" ? "" : state.tone,
      text: `${state.word}${job.decision ? by + when : ""}`,
    }),
    price !== undefined &&
      !isSettled(job) &&
      el("span", {
        text:
          job.cost !== undefined
            ? counted(price, "credit")
            : `${counted(price, "credit")} ${isWaiting(job) ? "when it is made" : "to come"}`,
      }),
    ratio && el("span", { text: ratio }),
    file?.duration ? el("span", { text: lengthOf(file.duration) }) : undefined,
    job.rating > 0 && ratingOf(job.rating),
  );
}

/** The failure, or what is missing, with the command that helps. @param {Job} job */
function trouble(job) {
  const goesOn = source.goesOn(job.campaign);
  const [said, isMade] = isOpen(job) ? outlookOf(job) : ["", false];
  /** @type {[string, string]} */
  const outlook = [said, isMade && !goesOn ? commandOf("run", aloneOf(job)) : ""];
  /** @type {Record<string, [string, string]>} */
  const known = {
    attention: [
      `It is unknown whether this was bought, so it is never sent again automatically. Look on the vendor's site, then resolve it${job.campaign.results ? " where the manifest is." : ":"}`,
      "",
    ],
    failed: [
      job.shown?.error ? sentenceOf(job.shown.error) : "It failed.",
      afterFailure(job.reason ?? "vendor", aloneOf(job)),
    ],
    stored: [
      "It is paid for and made; its file is in the object store, and this page does not link to it. To link to it for a day:",
      commandOf("report", job.campaign, "--sign 24h"),
    ],
    missing: [
      `It is paid for and made; its file ${isMissing()}.${isHandedOn() ? " Whoever runs the campaign can fetch it:" : ""}`,
      commandOf("collect", job.campaign),
    ],
    pointer: [
      `It is paid for and made; its file ${isMissing()}, and a Git LFS pointer is in its place. ${isHandedOn() ? "Whoever runs the campaign can download it:" : "To download it:"}`,
      LFS_PULL,
    ],
    altered: [
      `It is paid for and made; its file ${isAltered()} and is left alone.${isHandedOn() ? "" : " To have it as it was made, move the altered file away, then:"}`,
      isHandedOn() ? "" : commandOf("collect", job.campaign),
    ],
    underway: goesOn
      ? ["It is paid for; the run goes on with it.", ""]
      : [
          "It is paid for; the next run goes on with it. To have it without buying anything:",
          commandOf("collect", job.campaign),
        ],
    pending: outlook,
    redo: outlook,
  };
  const missing =
    /** @type {const} */ (["stored", "altered", "pointer"]).find((each) => job.file?.[each]) ?? "missing";
  const state =
    job.status === "done" && job.file && !job.file.here && job.state !== "redo" ? missing : job.state;
  if (!Object.hasOwn(known, state)) return undefined;
  const [about, command] = known[state];
  return el(
    "div",
    { class: "block" },
    el("p", { class: "changes", dir: "auto", text: about }),
    command && el("p", {}, commandBox(command)),
    state === "attention" && job.shown && resolveCommands(job.shown),
    isOpen(job) && isWaiting(job) && unblockLink(job),
  );
}

/** @param {Job} job */
function changeBlock(job) {
  const now = job.serving;
  const before = now ? earlierOf(job).find((each) => each.bought < now.bought) : job.shown;
  const after =
    now ??
    (job.status === "pending" && job.text !== undefined
      ? { text: job.text, request: job.request }
      : undefined);
  if (!before || !after || before === after) return job.prose ? promptBlock(job) : undefined;
  const title = titleOfChange(before, now);
  const same = (before.text ?? "") === (after.text ?? "");
  return el(
    "section",
    { class: "block" },
    el("div", { class: "head" }, el("h2", { text: title })),
    same
      ? el("p", { class: "text", dir: "auto", lang: job.lang, text: after.text ?? "" })
      : changedText(before.text ?? "", after.text ?? "", job.lang),
    changedOptions(before.request, after.request, "As before"),
  );
}

/** @param {Purchase} before @param {Purchase | undefined} now */
function titleOfChange(before, now) {
  if (!now) return "What is asked for now";
  const when = dateBeside(before.bought, now.bought);
  return isSameRequest(before, now) ? `The same request as ${when}` : `Changed since ${when}`;
}

/** @param {Job} job */
function promptBlock(job) {
  return el(
    "section",
    { class: "block" },
    el("div", { class: "head" }, el("h2", { text: "Prompt" })),
    el("p", { class: "text", dir: "auto", lang: job.lang, text: job.prose }),
  );
}

/** @param {NoteData[]} notes @param {(note: NoteData, index: number) => Node} mark */
function notesBlock(notes, mark) {
  if (!notes.length) return undefined;
  const rows = notes.map((note, index) =>
    el(
      "li",
      {},
      mark(note, index),
      el("div", {}, el("span", { dir: "auto", text: note.text }), note.by && el("small", { text: note.by })),
      note.at !== undefined &&
        el("button", {
          class: "quiet",
          text: moment(note.at),
          "aria-label": `Go to ${moment(note.at)}`,
          onclick: () => void reel?.seek(note.at ?? 0),
        }),
    ),
  );
  return el(
    "section",
    { class: "block" },
    el("div", { class: "head" }, el("h2", { text: "Notes" })),
    el("ul", { class: "notes" }, ...rows),
  );
}

/** @param {Job} job */
function requestBlock(job) {
  const purchase = job.shown;
  const request = purchase?.request ?? job.request;
  const file = fileOnStage(job);
  const made = (timeOf(purchase?.updated) - timeOf(purchase?.created)) / 1000;
  /** @type {[string, string | undefined, boolean?][]} */
  const rows = [
    // By its name in the manifest, as in the filters, also before it is made; then with what it was made from.
    [
      "Template",
      purchase && purchase.template !== job.template
        ? `${job.template} (${purchase.template})`
        : job.template,
    ],
    ...(request?.images ?? []).map(
      (each) =>
        /** @type {[string, string | undefined]} */ ([
          "Image",
          [each.source, each.of].filter(Boolean).join(" "),
        ]),
    ),
    ...Object.entries(request?.options ?? {}).map(
      ([name, value]) => /** @type {[string, string | undefined]} */ ([optionName(name), optionText(value)]),
    ),
    ["Event", request?.event],
    ["Bought", purchase && date(purchase.bought, "full")],
    ["Made in", purchase?.status === "done" && made > 0 ? tookText(made) : undefined],
    [
      "File",
      file?.bytes
        ? `${sizeOf(file.bytes)}${file.width ? `, ${file.width} × ${file.height}` : ""}${file.frame_rate ? `, ${file.frame_rate} fps` : ""}`
        : undefined,
    ],
    ["Made from", job.upstream],
    ["Purchase", purchase?.id, true],
    ["Workflow", purchase?.workflow, true],
  ];
  const shown = rows.filter(([, value]) => value);
  const cells = shown.flatMap(([name, value, code]) => [
    el("dt", { text: name }),
    el(
      "dd",
      { dir: code ? undefined : "auto" },
      code
        ? el(
            "button",
            { title: "Copy", "aria-label": `Copy ${value}`, onclick: () => copy(value ?? "") },
            el("code", { text: value }),
          )
        : el("span", {}, ...breakable(value ?? "")),
    ),
  ]);
  return el(
    "section",
    { class: "block" },
    el("div", { class: "head" }, el("h2", { text: "Request" })),
    el("dl", { class: "pairs" }, ...cells),
  );
}

/** The name of an option such as `background_urls`, in words. @param {string} name */
function optionName(name) {
  return capital(name.replaceAll("_", " "));
}
