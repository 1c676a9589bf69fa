// The left column: designs A and B, six slots with their options, depth and width.

const LETTERS = ["A", "B"];
const SPARE = "design";
const ANSWER_LIMIT = 4000;
const PAUSE = 220;
const HEARD = ["click", "change", "input", "keydown", "focus", "blur", "pointerenter", "pointerleave"];
const LISTENERS = HEARD.map((name) => `on${name}`);
const PEN = 'fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"';
const stroke = (...body) => `<svg viewBox="0 0 24 24" ${PEN} aria-hidden="true">${body.join("")}</svg>`;
const path = (d) => `<path d="${d}"/>`;
const ring = (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}"/>`;
const dot = (x, y, r) => `<circle cx="${x}" cy="${y}" r="${r}" fill="currentColor" stroke="none"/>`;
const PIPS = [[8, 8], [16, 8], [12, 12], [8, 16], [16, 16]].map(([x, y]) => dot(x, y, 1.6));
const ICONS = {
  dice: stroke('<rect x="3" y="3" width="18" height="18" rx="4"/>', ...PIPS),
  undo: stroke(path("M8.5 4.5L4 9l4.5 4.5M4 9h10a5.5 5.5 0 0 1 0 11H9")),
  knobs: stroke(path("M3 7.5h9M18 7.5h3M3 16.5h3M12 16.5h9"), ring(15, 7.5, 2.75), ring(9, 16.5, 2.75)),
  design: stroke(path("M3 6h18M3 12h18M3 18h18"), dot(8, 6, 2.75), dot(16, 12, 2.75), dot(10, 18, 2.75)),
};

const open = { knobs: new Set(), lesson: null, tab: "skip" };
const past = [];
let awaited = [];
let value, held, looked, refused, tooMuch, settling, waiting;

const fill = (template, parts) => template.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
const partOf = (slot, id) => slot.options.find((option) => option.id === id);
const edited = () => value.editing;
const against = () => LETTERS.find((letter) => letter !== edited());

/** An element; attributes that are null or false are left out, `html` is a drawing of our own. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, given] of Object.entries(attributes)) {
    if (given === null || given === undefined || given === false) continue;
    if (name === "html") made.innerHTML = given;
    else if (name.startsWith("on")) made[name] = given;
    else made.setAttribute(name, given === true ? "" : given);
  }
  made.append(...children.flat(Infinity).filter(Boolean));
  return made;
}

/** What unfolds keeps its place while it is folded, so that the elements after it stay themselves. */
const fold = (shown, attributes, children) => make("div", { ...attributes, hidden: !shown }, shown ? children() : []);

/** Make a tree equal to another one and keep its elements, and with them focus, scrolling and a drag under way. */
function morph(old, made) {
  if (old.nodeName !== made.nodeName) return old.replaceWith(made);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value: text } of [...made.attributes]) {
    if (old.getAttribute(name) !== text) old.setAttribute(name, text);
  }
  for (const name of LISTENERS) old[name] = made[name];
  morphChildren(old, made);
  const held = old === document.activeElement && (settling || old.type === "number");
  if ("value" in made && old.value !== made.value && !held) old.value = made.value;
  if ("checked" in made) old.checked = made.checked;
}

function morphChildren(old, made) {
  const before = [...old.childNodes], after = [...made.childNodes];
  after.forEach((child, at) => (before[at] ? morph(before[at], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

/** What undoing brings back: both designs, whoever changed them, and which one is edited. */
const bench = () => ({ a: value.a.link, b: value.b?.link ?? null, edit: value.editing });
const designsOf = ({ a, b }) => JSON.stringify([a, b]);

/** Take over what Python says; designs that changed can be had back. */
function take() {
  clearTimeout(waiting);
  value = JSON.parse(JSON.stringify(props.value));
  const now = bench(), designs = designsOf(now);
  // What changed before anybody touched the page is what its address named.
  const touched = navigator.userActivation?.hasBeenActive !== false;
  if (awaited.includes(designs)) awaited = awaited.slice(awaited.indexOf(designs) + 1);
  else if (held && designs !== designsOf(held) && touched) past.push(held);
  held = now;
  refused = tooMuch = null;
  render();
}

/** Tell Python; where it changes nothing, no answer comes, and what was marked ahead of it is taken back. */
function send(event) {
  trigger("input", event);
  clearTimeout(waiting);
  waiting = setTimeout(takeBack, ANSWER_LIMIT);
}

function takeBack() {
  awaited = [];
  take();
}

function undo() {
  const before = past.pop();
  if (!before) return;
  awaited.push(designsOf(before));
  send({ bench: before });
  render();
}

function press(slot, option) {
  open.tab = slot.id;
  refused = option.legal ? null : { slot: slot.id, id: option.id };
  if (option.legal && option.chosen) toggle(slot.id);
  else if (option.legal) choose(slot, option);
  else render();
}

/** Mark at once what was pressed; what follows from it comes with the answer. */
function choose(slot, option) {
  for (const one of slot.options) one.chosen = one === option;
  Object.assign(slot.choice, { title: option.title, summary: option.summary });
  slot.knobs = [];
  send({ slot: slot.id, id: option.id });
  render();
}

function toggle(id) {
  if (!open.knobs.delete(id)) open.knobs.add(id);
  render();
}

function look(slot, id) {
  looked = id && { slot, id };
  render();
}

/** Arrow keys move the focus within a group; Space and Enter press. */
function rove(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const group = [...event.currentTarget.children];
  const at = group.indexOf(event.target);
  const next = step ? (at + step + group.length) % group.length : { Home: 0, End: group.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  group[next].focus();
}

const letter = (name) => make("i", { class: `letter ${name.toLowerCase()}` }, name);
const icon = (html) => make("span", { class: "icon", html });
const button = (attributes, ...children) => make("button", { type: "button", ...attributes }, ...children);
const said = (text) => ({ "aria-label": text, title: text });
const entry = ([id, title, selected]) => make("option", { value: id, selected }, title);
const select = (attributes, choices) => make("select", attributes, choices.map(entry));

function card(name) {
  const design = value[name.toLowerCase()];
  const label = fill(value.words.edit, { letter: name, ...design });
  const attributes = { class: `card ${name.toLowerCase()}`, "aria-pressed": String(edited() === name), ...said(label) };
  const texts = [make("span", { class: "name" }, design.name), make("small", {}, design.note)];
  return button({ ...attributes, onclick: () => send({ edit: name }) }, letter(name), texts);
}

function tools() {
  const { words, presets, preset, compare } = value;
  const choices = presets.map((one) => [one.id, one.title, one.id === preset]);
  if (!preset) choices.unshift(["", words.own, true]);
  const start = (event) => event.target.value && send({ preset: event.target.value });
  const empty = !past.length;
  const undone = { ...said(empty ? words.nothing : words.undo), "aria-disabled": empty && "true", onclick: undo };
  const compared = { "aria-pressed": String(compare), onclick: () => send({ compare: !compare }) };
  return make(
    "div", { class: "tools" },
    select({ "aria-label": words.preset, onchange: start }, choices),
    button({ class: "tool", ...said(words.surprise), onclick: () => send({ surprise: true }) }, icon(ICONS.dice)),
    button({ class: "tool", ...undone }, icon(ICONS.undo)),
    button({ class: "tool compare", ...compared }, words.compare),
  );
}

function optionButton(slot, option, tabbable) {
  const { words } = value;
  const marked = slot.other !== null && option.other;
  const named = marked ? fill(words.chosen_in, { option: option.title, letter: against() }) : option.title;
  const here = () => look(slot.id, option.id), away = () => look();
  const attributes = {
    class: "option",
    role: "radio",
    "data-id": option.id,
    tabindex: tabbable ? 0 : -1,
    "aria-checked": String(option.chosen),
    "aria-disabled": !option.legal && "true",
    "aria-label": option.legal ? named : fill(words.impossible, { option: named, why: option.why }),
    onclick: () => press(slot, option),
    onfocus: here,
    onblur: away,
    onpointerenter: here,
    onpointerleave: away,
  };
  return button(attributes, icon(option.glyph), marked && letter(against()));
}

/** Title and sentence of a slot: of the option that is looked at, of the one just refused, or of the one chosen. */
function told(slot) {
  const seen = [looked, refused].find((one) => one?.slot === slot.id);
  const option = seen && partOf(slot, seen.id);
  if (!option) return { title: slot.choice.title, line: slot.why || slot.choice.summary, reason: Boolean(slot.why) };
  const line = option.legal ? option.summary : option.why;
  return { title: option.title, line, reason: !option.legal, passing: !option.chosen };
}

const unfolds = (slot) => slot.knobs.length > 0 || slot.levels?.length > 1;

function slotHead(slot, title, passing) {
  const names = { slot: slot.title, choice: slot.choice.title };
  const small = (template, hidden, expanded, onclick, content) =>
    button(
      { class: "small", hidden, "aria-expanded": String(expanded), ...said(fill(template, names)), onclick },
      content,
    );
  const { words } = value, opened = open.knobs.has(slot.id), explained = open.lesson === slot.id;
  return make(
    "header", {},
    make("h2", {}, slot.title),
    make("b", { class: passing ? "choice passing" : "choice", title }, title),
    slot.other && make("span", { class: "against" }, letter(against()), make("span", { title: slot.other }, slot.other)),
    make("span", { class: "grow" }),
    small(words.options, !unfolds(slot), opened, () => toggle(slot.id), icon(ICONS.knobs)),
    small(words.lesson, !slot.choice.lesson, explained, () => explain(slot.id), "?"),
  );
}

function explain(id) {
  open.lesson = open.lesson === id ? null : id;
  render();
}

function slotRow(slot) {
  const { title, line, reason, passing } = told(slot);
  const entry = slot.options.find((option) => option.chosen) ?? slot.options[0];
  const buttons = slot.options.map((option) => optionButton(slot, option, option === entry));
  const rows = () => [slot.knobs.map((knob) => knobRow(slot, knob)), levelRows(slot)];
  return make(
    "section", { class: "slot", "data-slot": slot.id, "data-open": open.tab === slot.id && "true" },
    slotHead(slot, title, passing),
    make("div", { class: "options", role: "radiogroup", "aria-label": slot.title, onkeydown: rove }, buttons),
    make("p", { class: reason ? "line reason" : "line" }, line),
    fold(open.knobs.has(slot.id) && unfolds(slot), { class: "knobs" }, rows),
    fold(open.lesson === slot.id && slot.choice.lesson, { class: "lesson" }, () => lesson(slot.choice)),
  );
}

function lesson({ lesson, formula, paper }) {
  const code = (piece, at) => (at % 2 ? make("code", {}, piece) : piece);
  const runs = formula.map(([text, shift]) => (shift ? make(shift, {}, text) : text));
  return [
    lesson.split("\n\n").map((text) => make("p", {}, text.split("`").map(code))),
    runs.length > 0 && make("p", { class: "formula" }, runs),
    paper && make("cite", {}, paper),
  ];
}

function knobRow(slot, knob) {
  return make("label", { class: "knob" }, make("span", {}, knob.title), knobControl(slot, knob));
}

/** A switch, a list or a number, whichever the option is. */
function knobControl(slot, knob) {
  const turn = (given) => send({ slot: slot.id, knob: knob.id, value: given });
  if (typeof knob.value === "boolean") {
    return make("input", { type: "checkbox", checked: knob.value, onchange: (event) => turn(event.target.checked) });
  }
  if (knob.choices.length) {
    const choices = knob.choices.map((choice, at) => [at, String(choice), choice === knob.value]);
    return select({ onchange: (event) => turn(knob.choices[event.target.value]) }, choices);
  }
  const number = ({ target }) => (target.checkValidity() ? turn(target.valueAsNumber) : target.reportValidity());
  const limits = { min: knob.low, max: knob.high, step: knob.odd ? 2 : 1 };
  return make("input", { type: "number", ...limits, value: knob.value, onchange: number });
}

/** A choice for every level, finest first; nothing where there is one level only. */
function levelRows(slot) {
  if (!(slot.levels?.length > 1)) return [];
  const rows = slot.levels.map((held, level) => {
    const choose = (event) => send({ slot: slot.id, levels: slot.levels.with(level, event.target.value) });
    const choices = slot.options.map((option) => [option.id, option.title, option.id === held]);
    const title = make("span", {}, fill(value.words.level, { number: level }));
    const drawing = icon(partOf(slot, held).glyph);
    return make("label", { class: "level" }, title, drawing, select({ onchange: choose }, choices));
  });
  return [make("p", { class: "caption" }, value.words.finest), rows];
}

function numberRow(number) {
  const slide = (event) => {
    number.wanted = event.target.valueAsNumber;
    tooMuch = number.why[number.wanted];
    clearTimeout(settling);
    settling = setTimeout(() => settle(number), PAUSE);
    render();
  };
  const shown = number.wanted ?? number.value;
  const range = { min: number.low, max: number.high, step: 1, value: shown };
  const slider = make("input", { type: "range", ...range, oninput: slide });
  return make("label", { class: "number" }, make("span", {}, number.title), slider, make("output", {}, String(shown)));
}

/** A slider came to rest: what is possible is sent, what is not goes back and leaves its reason. */
function settle(number) {
  settling = null;
  if (number.why[number.wanted]) number.wanted = undefined;
  else send({ number: number.id, value: number.wanted });
  render();
}

function numbers() {
  const reason = make("p", { class: "line reason", role: "status", hidden: !tooMuch }, tooMuch ?? "");
  return make("div", { class: "numbers" }, value.numbers.map(numberRow), reason);
}

/** On a narrow screen one slot at a time is shown; these buttons choose which. */
function tabs() {
  const tab = (id, title, drawing) => {
    const attributes = { class: "tab", "data-tab": id, "aria-pressed": String(open.tab === id) };
    return button({ ...attributes, onclick: () => turnTo(id) }, icon(drawing), make("span", {}, title));
  };
  const drawing = (slot) => (slot.options.find((option) => option.chosen) ?? slot.options[0]).glyph;
  const slots = value.slots.map((slot) => tab(slot.id, slot.title, drawing(slot)));
  const spare = tab(SPARE, value.words.design, ICONS.design);
  return make("nav", { class: "tabs", "aria-label": value.words.slots }, slots, spare);
}

function turnTo(id) {
  open.tab = id;
  render();
}

function render() {
  const root = element.firstElementChild;
  root.classList.add("designer");
  root.lang = value.language;
  root.dataset.tab = open.tab;
  const cards = LETTERS.filter((name) => value[name.toLowerCase()]).map(card);
  const slots = make("div", { class: "slots" }, value.slots.map(slotRow));
  morphChildren(root, make("div", {}, make("div", { class: "cards" }, cards), tools(), slots, numbers(), tabs()));
}

/** Single keys: 1 to 6 go to a slot, A and B edit a design, C compares, U undoes. */
function onKey(event) {
  if (!element.isConnected) return document.removeEventListener("keydown", onKey);
  const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys === "off") return;
  const key = event.key.toUpperCase();
  const slot = value.slots[Number(key) - 1];
  if (slot) goTo(slot);
  else if (LETTERS.includes(key) && value.compare) send({ edit: key });
  else if (key === "C") send({ compare: !value.compare });
  else if (key === "U") undo();
}

function goTo(slot) {
  turnTo(slot.id);
  element.querySelector(`[data-slot="${slot.id}"] [role=radio][tabindex="0"]`).focus();
}

document.addEventListener("keydown", onKey);
document.addEventListener("unanswered", takeBack);
watch("value", take);
take();
