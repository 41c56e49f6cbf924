"use strict";
// Plays one video, or up to four as one: a reel keeps them in sync, a transport is the bar below it.

const USUAL_RATE = 24;

/** Videos that are played, paused and sought as one. The longest leads; a shorter one stays at its end. */
class Reel extends EventTarget {
  /** @param {HTMLVideoElement[]} videos @param {number} rate frames a second */
  constructor(videos, rate) {
    super();
    this.videos = videos;
    this.frame = 1 / (rate > 0 ? rate : USUAL_RATE);
    this.loop = false;
    this.playing = false;
    this.sound = true;
    /** The video that is to be heard. @type {HTMLVideoElement | undefined} */
    this.chosen = undefined;
    this.seeking = Promise.resolve();
    /** @type {number | undefined} */
    this.target = undefined;
    for (const video of videos) {
      video.addEventListener("loadedmetadata", () => this.tell());
      video.addEventListener("ended", () => this.ended());
      video.addEventListener("error", () => this.failed());
    }
  }

  /** The videos that the browser can play; one that it cannot, or no longer, holds up none of the others. */
  get playable() {
    return this.videos.filter((video) => !video.error);
  }

  get leader() {
    const videos = this.playable.length ? this.playable : this.videos;
    return videos.reduce(
      (one, other) => ((other.duration || 0) > (one.duration || 0) ? other : one),
      videos[0],
    );
  }

  get duration() {
    return Number.isFinite(this.leader?.duration) ? this.leader.duration : 0;
  }

  get time() {
    return this.target ?? this.leader?.currentTime ?? 0;
  }

  /** The only video that is heard while there is sound: the chosen one, or the first if that one is silent. */
  get heard() {
    const audible = this.videos.filter((video) => video.dataset.audio === "true");
    return audible.find((video) => video === this.chosen) ?? audible[0];
  }

  /** Switch the sound on or off, or to another video. @param {boolean} sound @param {HTMLVideoElement} [chosen] */
  hear(sound, chosen = this.chosen) {
    this.sound = sound;
    this.chosen = chosen;
    for (const video of this.videos) video.muted = !sound || video !== this.heard;
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }

  async play() {
    if (this.playing || !this.videos.length) return;
    this.playing = true;
    this.tell();
    const from = this.time >= this.duration - this.frame / 2 ? 0 : this.time;
    await this.align(from);
    await this.start();
  }

  /** Start all videos together, once each is ready to play. */
  async start() {
    if (!this.playing) return;
    const going = this.playable.filter(
      (video) => video === this.leader || video.currentTime < video.duration - this.frame,
    );
    const started = await Promise.allSettled(going.map((video) => video.play()));
    if (!this.playable.length || started.some((each, at) => each.status === "rejected" && !going[at].error)) {
      this.pause();
      return;
    }
    requestAnimationFrame(() => this.keepStep());
  }

  pause() {
    this.playing = false;
    for (const video of this.videos) video.pause();
    this.tell();
    if (this.videos.length > 1) void this.align(this.leader.currentTime);
  }

  /** @param {number} time */
  async seek(time) {
    const wanted = Math.max(0, Math.min(time, this.duration));
    this.target = wanted;
    this.tell();
    const was = this.playing;
    for (const video of this.videos) video.pause();
    await this.align(wanted);
    if (was && this.playing && this.target === undefined) await this.start();
  }

  /** Step forward or back; the target is the middle of a frame, so that rounding cannot show another one. @param {number} frames */
  step(frames) {
    this.playing = false;
    const at = Math.floor(this.time / this.frame + 0.01) + frames;
    return this.seek((Math.max(0, at) + 0.5) * this.frame);
  }

  /** Seek all videos to one moment, and wait until they are there. Of several requests, the last one counts. @param {number} time */
  async align(time) {
    this.target = time;
    const before = this.seeking;
    this.seeking = (async () => {
      await before;
      if (this.target === time)
        await Promise.all(this.playable.map((video) => standAt(video, time, this.frame)));
    })();
    await this.seeking;
    if (this.target === time) this.target = undefined;
    for (const video of this.videos) video.playbackRate = 1;
    this.tell();
  }

  /** Keep playing videos in sync: a small drift is corrected by the playback rate, a larger one by a seek. */
  keepStep() {
    if (!this.playing) return;
    const { leader } = this;
    for (const video of this.playable) {
      if (
        video === leader ||
        video.ended ||
        video.seeking ||
        video.currentTime >= video.duration - this.frame
      )
        continue;
      const drift = video.currentTime - leader.currentTime;
      if (Math.abs(drift) > this.frame * 0.9) {
        void this.seek(leader.currentTime);
        return;
      }
      video.playbackRate =
        Math.abs(drift) < this.frame * 0.1 ? 1 : Math.min(1.15, Math.max(0.85, 1 - drift * 3));
    }
    this.tell();
    requestAnimationFrame(() => this.keepStep());
  }

  /** A video cannot be played, or no further: the others go on, unless they have ended already. */
  failed() {
    this.tell();
    if (this.playing && (!this.playable.length || this.leader.ended)) this.pause();
  }

  ended() {
    if (!this.playing || this.leader.currentTime < this.duration - this.frame) return;
    if (this.loop) void this.align(0).then(() => this.start());
    else this.pause();
  }
}

/** @param {HTMLVideoElement} video @param {number} time @param {number} frame */
async function standAt(video, time, frame) {
  video.pause();
  if (video.readyState < HTMLMediaElement.HAVE_METADATA) await happened(video, "loadedmetadata");
  const wanted = Math.max(0, Math.min(time, (video.duration || 0) - frame / 2));
  if (Math.abs(video.currentTime - wanted) > 0.0005) {
    const sought = happened(video, "seeked");
    video.currentTime = wanted;
    await sought;
  }
  if (video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && wanted < video.duration - 2 * frame)
    await happened(video, "canplay");
}

/** Wait for an event, or until the video turns out to be unplayable. @param {HTMLMediaElement} video @param {string} event */
function happened(video, event) {
  return new Promise((resolve) => {
    video.addEventListener(event, resolve, { once: true });
    video.addEventListener("error", resolve, { once: true });
    video.addEventListener("emptied", resolve, { once: true });
    if (video.error) resolve(undefined);
  });
}

/** The reel that the keys act on. @type {Reel | undefined} */
let reel;

/** @param {string} href @param {string} label @param {MediaFile} file */
function videoOf(href, label, file) {
  const poster = source.still(file);
  const video = /** @type {HTMLVideoElement} */ (
    el("video", { src: href, poster, preload: "auto", playsinline: true, "aria-label": label })
  );
  video.addEventListener("click", () => toggleReel());
  video.addEventListener("error", () => tellUnplayable(video, href, file));
  // Of some formats, a browser plays the sound and shows no picture.
  video.addEventListener(
    "loadedmetadata",
    () => !video.videoWidth && file.width && tellUnplayable(video, href, file),
  );
  return video;
}

/** Say why a file is not played: the browser cannot, with the link that opens it, or its server is gone. @param {HTMLVideoElement} video @param {string} href @param {MediaFile} file */
function tellUnplayable(video, href, file) {
  // Only a video with an error is loaded again: another one has sound, and may be playing.
  if (video.error) unplayed.set(video, () => tellUnplayable(video, href, file));
  if (video.nextElementSibling?.matches(".unplayable")) video.nextElementSibling.remove();
  const why =
    source.isConnected || !video.error
      ? [
          ...whyUnplayed(video, href, file),
          " ",
          el("a", { href, target: "_blank", rel: "noopener", text: "Open the file" }),
        ]
      : ["The server of this page does not answer: this file is played when it is back."];
  video.after(el("p", { class: "unplayable" }, ...why));
}

/**
 * A browser does not tell a file that is gone from one that it cannot play: a page from disk may have been moved or sent on
 * without its videos. @param {HTMLVideoElement} video @param {string} href @param {MediaFile} file
 */
function whyUnplayed(video, href, file) {
  const cannot = `his browser cannot play this file (${file.type})`;
  if (source.isLive || video.error?.code !== MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) return [`T${cannot}.`];
  if (/^https?:/.test(href)) return [`The link to this file has expired, or t${cannot}.`];
  const hint = app.model.data.bundle ? "" : " A page to send on has its videos with it: report --bundle.";
  return [`The file is no longer where this page looks for it, or t${cannot}.${hint}`];
}

/** The videos that are not played, with what says why. @type {Map<HTMLVideoElement, () => void>} */
const unplayed = new Map();

/** After the connection to the server was lost or is back: load what was not played, or say anew why it is not. */
function retryUnplayed() {
  for (const [video, tell] of unplayed) {
    unplayed.delete(video);
    if (!video.isConnected) continue;
    if (!source.isConnected) {
      tell();
      continue;
    }
    video.nextElementSibling?.remove();
    video.load();
  }
}

/** What stands in the place of a picture while sound is played. @param {MediaFile} file */
function soundMark(file) {
  return isSound(file) && el("div", { class: "message sound" }, icon("sound"), el("b", { text: "Sound" }));
}

function toggleReel() {
  if (!reel) return;
  if (reel.playing) reel.pause();
  else void reel.play();
}

/**
 * The bar below the video. `pins` are notes at their moments.
 * @param {Reel} of @param {{ at: number, name: string, text: string, below?: boolean }[]} pins @param {() => Element | null} stage
 */
function transportOf(of, pins, stage) {
  const play = el("button", { class: "tool", onclick: toggleReel });
  const time = el("span", { class: "time" });
  const line = /** @type {HTMLInputElement} */ (
    el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.001,
      value: 0,
      "aria-label": "Moment",
      oninput: () => void of.seek(Number(line.value)),
    })
  );
  const timeline = el("div", { class: "timeline" }, line, ...pins.map((pin) => pinButton(of, pin)));
  const loop = el(
    "button",
    {
      class: "tool optional",
      "aria-pressed": String(of.loop),
      "aria-label": "Loop",
      title: "Loop",
      onclick: () => loop.setAttribute("aria-pressed", String((of.loop = !of.loop))),
    },
    icon("loop"),
  );
  const mute = el("button", { class: "tool", onclick: () => of.hear(!of.sound) });
  mute.toggleAttribute("disabled", !of.heard);
  const update = () => {
    line.max = String(of.duration || 1);
    line.value = String(of.time);
    line.setAttribute("aria-valuetext", moment(of.time));
    setVars(line, { played: of.duration ? (of.time / of.duration) * 100 : 0 });
    time.replaceChildren(
      el("b", { text: moment(of.time) }),
      el("span", { text: ` / ${moment(of.duration)}` }),
    );
    setButton(play, of.playing ? "pause" : "play", of.playing ? "Pause" : "Play");
    const { heard } = of;
    const isHeard = of.sound && heard !== undefined;
    const letter = isHeard && heard.dataset.letter ? `: ${heard.dataset.letter} is heard` : "";
    setButton(
      mute,
      isHeard ? "sound" : "muted",
      heard ? (isHeard ? `Sound off${letter}` : "Sound on") : "No sound",
    );
    for (const pin of timeline.querySelectorAll(".pin"))
      placePin(/** @type {HTMLElement} */ (pin), of.duration);
  };
  of.addEventListener("change", update);
  update();
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : stage()?.requestFullscreen());
  return el(
    "div",
    { class: "transport" },
    el(
      "button",
      { class: "tool", "aria-label": "Frame back", title: "Frame back (,)", onclick: () => void of.step(-1) },
      icon("frame-back"),
    ),
    play,
    el(
      "button",
      { class: "tool", "aria-label": "Frame on", title: "Frame on (.)", onclick: () => void of.step(1) },
      icon("frame-on"),
    ),
    time,
    timeline,
    el("span", { class: "fill" }),
    loop,
    mute,
    el(
      "button",
      { class: "tool", "aria-label": "Full screen", title: "Full screen", onclick: () => void full() },
      icon("full"),
    ),
  );
}

/** @param {HTMLElement} button @param {string} sign @param {string} label */
function setButton(button, sign, label) {
  if (button.getAttribute("aria-label") === label) return;
  button.setAttribute("aria-label", label);
  button.title = label;
  button.replaceChildren(icon(sign));
}

/** @param {Reel} of @param {{ at: number, name: string, text: string, below?: boolean }} pin */
function pinButton(of, pin) {
  return el("button", {
    class: pin.below ? "pin below" : "pin",
    "data-at": pin.at,
    title: pin.text,
    "aria-label": `Note ${pin.name} at ${moment(pin.at)}`,
    text: pin.name,
    onclick: () => void of.seek(pin.at),
  });
}

/** @param {HTMLElement} pin @param {number} duration */
function placePin(pin, duration) {
  setVars(pin, { at: duration ? Math.min(100, (Number(pin.dataset.at) / duration) * 100) : 0 });
}
