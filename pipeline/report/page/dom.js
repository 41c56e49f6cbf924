"use strict";
// Makes elements, and formats numbers, times and words. Text is only ever set as text, so none of it can run as code.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with its properties and children: `class`, `text`, `on…` listeners, `vars` (custom properties of CSS);
 * anything else is an attribute, left out if it is undefined, null or false.
 * @param {string} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = String(value);
    else if (name === "text") made.append(...shown(String(value)));
    else if (name.startsWith("on"))
      made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "vars") setVars(made, /** @type {Record<string, unknown>} */ (value));
    else if (READ_OUT.has(name)) made.setAttribute(name, shownPlain(String(value)));
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flatMap(shownChild));
  return made;
}

/** Replace what an element holds, as `el` fills one. @param {Element} element @param {...Child} children */
function fill(element, ...children) {
  element.replaceChildren(...children.flatMap(shownChild));
}

/** @param {Child} child @returns {(Node | string)[]} */
function shownChild(child) {
  return typeof child === "string" ? shown(child) : child ? [child] : [];
}

/** The attributes that a browser shows, or reads out. */
const READ_OUT = new Set(["title", "aria-label", "alt"]);

// The characters that set the direction of the text after them (Unicode, annex 9).
const DIRECTS = /[\u202a-\u202e\u2066-\u2069]/;
const OVERRIDES = new Set(["\u202d", "\u202e"]);
const EMBEDDINGS = new Set(["\u202a", "\u202b", ...OVERRIDES]);
const ISOLATES = new Set(["\u2066", "\u2067", "\u2068"]);
const POP_EMBEDDING = "\u202c";
const POP_ISOLATE = "\u2069";

/**
 * A text with a visible mark in place of each character that could show it in another order than it is written: an override, or
 * one that is never closed or closes nothing. Text in Arabic or Hebrew needs none of them, and what is closed stays as it is.
 * @param {string} text @returns {(Node | string)[]}
 */
function shown(text) {
  if (!DIRECTS.test(text)) return [text];
  const found = reordering(text);
  const parts = /** @type {(Node | string)[]} */ ([]);
  let from = 0;
  for (const at of found) {
    // `bdi`, as the letters of the mark must not decide in which direction `dir=auto` shows the text around it.
    parts.push(text.slice(from, at), el("bdi", { class: "code-point", dir: "ltr" }, codePoint(text[at])));
    from = at + 1;
  }
  return [...parts, text.slice(from)].filter(Boolean);
}

/** As `shown`, where there can be no elements. @param {string} text */
function shownPlain(text) {
  if (!DIRECTS.test(text)) return text;
  const found = new Set(reordering(text));
  const parts = text.split("").map((each, at) => (found.has(at) ? `[${codePoint(each)}]` : each));
  return parts.join("");
}

/** @param {string} character */
function codePoint(character) {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Where the characters are that could show a text in another order than it is written. @param {string} text */
function reordering(text) {
  /** @type {Set<number>} */
  const found = new Set();
  /** The positions of those that are open, the innermost last. @type {number[]} */
  let open = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (OVERRIDES.has(character)) found.add(at);
    if (EMBEDDINGS.has(character) || ISOLATES.has(character)) open.push(at);
    if (character === POP_EMBEDDING) {
      const last = EMBEDDINGS.has(text[open.at(-1) ?? -1]) ? open.pop() : undefined;
      if (last === undefined || found.has(last)) found.add(at);
    }
    if (character === POP_ISOLATE) {
      const of = open.findLastIndex((each) => ISOLATES.has(text[each]));
      const unclosed = of < 0 ? [at] : open.slice(of + 1);
      for (const each of unclosed) found.add(each);
      if (of >= 0) open = open.slice(0, of);
    }
  }
  return [...new Set([...found, ...open])].toSorted((one, other) => one - other);
}

/** @param {HTMLElement} element @param {Record<string, unknown>} values */
function setVars(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(`--${name}`, String(value));
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {string} name @param {string} [more] */
function icon(name, more = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${more}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A command to copy; if there is no room, its middle is shortened and its last option stays. @param {string} command */
function commandBox(command) {
  if (!command) return undefined;
  const last = command.lastIndexOf(" --");
  const from = last > 0 && command.length - last < 28 ? last : command.length;
  return el(
    "button",
    { class: "command", title: command, "aria-label": `Copy: ${command}`, onclick: () => copy(command) },
    el(
      "code",
      { vars: { end: command.length - from } },
      el("span", { text: command.slice(0, from) }),
      command.slice(from),
    ),
    el("span", { class: "verb", "aria-hidden": "true", text: "Copy" }),
    icon("copy"),
  );
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
  toast(`Copied: ${text}`);
}

/** For pages that may not use the clipboard, such as pages from disk in some browsers. @param {string} text */
function copyBySelection(text) {
  const field = /** @type {HTMLTextAreaElement} */ (el("textarea", { class: "unseen", readonly: true }));
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

const TOAST_MS = 4000;
// To read one letter takes so long: a command is to be read, too.
const READING_MS = 60;

let toastTimer = 0;
/** Whether the toast is about what is on screen, and goes with it. */
let toastIsLocal = false;

/** @param {string} text */
function toast(text, { local = false } = {}) {
  fill(byId("toast"), text);
  toastIsLocal = local;
  clearTimeout(toastTimer);
  const ms = Math.max(TOAST_MS, text.length * READING_MS);
  toastTimer = window.setTimeout(() => (byId("toast").textContent = ""), ms);
}

/** Remove a toast that is about the view that is being left. */
function clearLocalToast() {
  if (toastIsLocal) byId("toast").textContent = "";
}

// What the browser keeps of a page. One from disk may have no storage; then it is lost when the page is opened again.
const KEPT = "gallery.";

/** @param {string} name */
function readKept(name) {
  try {
    return localStorage.getItem(KEPT + name);
  } catch {
    return null;
  }
}

/** Everything kept whose name begins so, by the rest of its name. @param {string} prefix @returns {Map<string, string>} */
function readAllKept(prefix) {
  try {
    const begin = KEPT + prefix;
    const all = Object.entries({ ...localStorage }).filter(([name]) => name.startsWith(begin));
    return new Map(all.map(([name, value]) => [name.slice(begin.length), String(value)]));
  } catch {
    return new Map();
  }
}

/** @param {string} name @param {string} value of which nothing is kept if it is empty */
function keep(name, value) {
  try {
    if (value) localStorage.setItem(KEPT + name, value);
    else localStorage.removeItem(KEPT + name);
  } catch {
    return;
  }
}

/** The word, quoted for a shell. @param {string} word */
function shellWord(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Whether a text has no characters that could act when it is pasted into a terminal. @param {string} text */
function canBePasted(text) {
  return !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
}

const NUMBERS = new Intl.NumberFormat("en-US");

/** @param {number} value */
function number(value) {
  return NUMBERS.format(value);
}

/** @param {number} count @param {string} one @param {string} [many] */
function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A moment in a video, to the hundredth: `0:01.25`. @param {number} seconds */
function moment(seconds) {
  const hundredths = Math.max(0, Math.round(seconds * 100));
  const minutes = Math.floor(hundredths / 6000);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${minutes}:${rest}`;
}

/** A duration: `1:42`, `2 h 05 min`. @param {number} seconds */
function span(seconds) {
  const whole = Math.round(seconds);
  if (whole >= 3600)
    return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** How long something took, or usually takes. @param {number} seconds */
function tookText(seconds) {
  return seconds < 1 ? "under 1 s" : span(seconds);
}

/** The length of a video on a card: `2.5 s`, `1:04`. @param {number} seconds */
function lengthOf(seconds) {
  return seconds >= 60 ? span(seconds) : `${Math.round(seconds * 10) / 10} s`;
}

/** Milliseconds since 1970 of a time, as the vendor or the records write it. @param {string | undefined} text */
function timeOf(text) {
  if (!text) return NaN;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  return Date.parse(zoned.replace(" ", "T"));
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const YEAR = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });

/** @param {string | undefined} text @param {"day" | "short" | "full"} form */
function date(text, form) {
  const time = timeOf(text);
  if (Number.isNaN(time)) return text ?? "";
  if (form === "day") return DAY.format(time);
  if (form === "short") return `${DAY.format(time)} ${CLOCK.format(time)}`;
  return `${YEAR.format(time)}, ${CLOCK.format(time)} UTC`;
}

/** The day of a time; with its minute, if `other` is on the same day. @param {string} text @param {string | undefined} other */
function dateBeside(text, other) {
  return date(text, date(text, "day") === date(other, "day") ? "short" : "day");
}

/** The size of a file: `30 KB`, `1.2 MB`. @param {number} bytes */
function sizeOf(bytes) {
  if (bytes < 1000) return counted(bytes, "byte");
  const [size, unit] = bytes < 999_500 ? [bytes / 1000, "KB"] : [bytes / 1_000_000, "MB"];
  return `${number(size < 10 ? Math.round(size * 10) / 10 : Math.round(size))} ${unit}`;
}

/** A path or an address that may be broken after each slash. @param {string} text */
function breakable(text) {
  return text.split(/(?<=\/)/).flatMap((part, index) => (index ? [el("wbr"), part] : [part]));
}

/** A key as it is shown: if there is no room, its head is shortened, never its tail. @param {Job | Purchase} of */
function keyLine(of) {
  const [head, tail] = keyParts(of.key);
  return [
    el("span", { class: "before", text: `${campaignBefore(of.campaign)}${head}` }),
    el("span", { class: "tail" }, ...tailLine(tail)),
  ];
}

// A longer part of a key is shortened in its middle: both its beginning and its end distinguish it from others.
const SHORT_PART = 8;
const KEPT_END = 4;

/** A tail that may be longer than its line. @param {string} tail */
function tailLine(tail) {
  return tail.split(/(?<=\/)/).flatMap((part) => {
    const letters = lettersOf(part);
    if (letters.length <= SHORT_PART) return [el("span", { text: part })];
    const begin = letters.slice(0, -KEPT_END);
    const pieces = [
      // Of several parts, the longest is shortened first.
      el("span", { class: "gives", vars: { length: begin.length }, text: begin.join("") }),
      el("span", { text: letters.slice(-KEPT_END).join("") }),
    ];
    if (!RIGHT_TO_LEFT.test(part)) return pieces;
    return [el("span", { class: "part", dir: "rtl", vars: { length: begin.length } }, ...pieces)];
  });
}

/** A text whose first letter is Hebrew, Arabic or of another script that runs from right to left. */
const RIGHT_TO_LEFT = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/** The letters of a text as a reader counts them, each with its combining marks. @param {string} text */
function lettersOf(text) {
  if (text.length <= SHORT_PART || !("Segmenter" in Intl)) return [...text];
  return [...new Intl.Segmenter().segment(text)].map((each) => each.segment);
}

/**
 * Head and tail of a key. The tail distinguishes similar keys: the prompt and its axes, two or three parts. An
 * axis whose value is a word or a ratio is shown without its name.
 * @param {string} key
 * @returns {[string, string]}
 */
function keyParts(key) {
  const parts = key.split("/").map(readable);
  const short = parts.map((part) => part.replace(/^[^=]+=(?=\D|\d+:\d)(?!true|false|null)/, ""));
  const last = parts.findLastIndex((part) => !part.includes("="));
  const from = Math.max(1, Math.min(Math.max(last, parts.length - 3), parts.length - 2));
  if (parts.length < 2) return ["", key];
  return [`${short.slice(0, from).join("/")}/`, short.slice(from).join("/")];
}

/**
 * How to name each key in a list of stills: by its tail, and before it, if others have the same tail, by the parts of its head
 * that differ from theirs, such as the image.
 * @param {string[]} keys @returns {(key: string) => string}
 */
function shortNames(keys) {
  /** @type {Map<string, { first: string[], differs: Set<number> }>} */
  const known = new Map();
  for (const key of keys) {
    const [head, tail] = keyParts(key);
    const parts = head.split("/");
    const alike = known.get(tail);
    if (!alike) known.set(tail, { first: parts, differs: new Set() });
    else parts.forEach((part, at) => part !== alike.first[at] && alike.differs.add(at));
  }
  return (key) => {
    const [head, tail] = keyParts(key);
    const parts = head.split("/").filter((part, at) => part && known.get(tail)?.differs.has(at));
    return [...parts, tail].join("/");
  };
}

/** A part of a key with its percent signs decoded, if the result is safe to show. @param {string} part */
function readable(part) {
  try {
    const plain = decodeURIComponent(part);
    return canBePasted(plain) ? plain : part;
  } catch {
    return part;
  }
}

/** @param {string} text */
function sentenceOf(text) {
  return `${begun(text)}${/[.!?…]$/.test(text) ? "" : "."}`;
}

/** The text with a capital, unless it begins with a name from code or an address. @param {string} text */
function begun(text) {
  return /^(\w*_|[a-z][\w+.-]*:\/\/)/.test(text) ? text : capital(text);
}
