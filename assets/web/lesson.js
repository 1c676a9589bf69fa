// The strip at the foot of the page: a list of lessons, or one step of the open one.

const { make } = window.unetViewer;
const root = element.querySelector(".lesson");
const MARKS = { right: "✓", wrong: "✗" };
const fill = (template, parts) => template.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
const asks = (open) => open.clicks || open.options.length > 0;
const send = (event) => trigger("input", event);

/** A lesson sets up what stands at the top of the page; on a phone the pictures come first. */
function start(id) {
  const narrow = matchMedia("(max-width: 640px)").matches;
  (narrow ? document.getElementById("pictures") : document.body).scrollIntoView();
  send({ lesson: id });
}

function list({ words, lessons }) {
  const buttons = lessons.map((one, at) =>
    make("li", {}, make("button", { type: "button", "data-key": one.id, onclick: () => start(one.id) },
      make("span", { class: "number", "aria-hidden": "true" }, String(at + 1)),
      make("span", {}, make("b", {}, one.title), make("small", {}, one.summary)))));
  return [
    make("header", {}, make("h2", {}, words.lessons), make("p", {}, words.invite)),
    make("ol", { class: "list" }, ...buttons),
  ];
}

function about({ words, lessons, open }) {
  const bar = lessons.map((_, at) => make("i", { class: at < open.number ? "past" : at === open.number ? "now" : "" }));
  return make("div", { class: "about" },
    make("small", {}, fill(words.place, { number: open.number + 1, count: lessons.length })),
    make("h2", {}, lessons[open.number].title),
    make("span", { class: "bar", "aria-hidden": "true" }, ...bar),
    make("p", {}, lessons[open.number].summary));
}

function trail({ words, open }) {
  const steps = open.steps.map((one, at) => {
    const named = fill(words.step, { number: at + 1, count: open.steps.length, kind: one });
    const current = at === open.step ? "step" : null;
    return make("li", {}, make("button", { type: "button", "data-key": `step-${at}`, "aria-label": named, "aria-current": current, onclick: () => current || send({ step: at }) }, one));
  });
  return make("ol", { class: "trail", "aria-label": words.steps }, ...steps);
}

/** One button for each answer; once there is one, the marks say which was given and which was measured. */
function answers({ words, open }) {
  const done = open.answer !== null;
  const buttons = open.options.map((title, at) => {
    const mark = !done ? null : at === open.right ? "right" : at === open.answer ? "wrong" : null;
    let label = title;
    if (at === open.answer) label = fill(words.chosen, { option: label });
    if (mark === "right") label = fill(words.correct, { option: label });
    return make("button", {
      type: "button", class: mark ?? "", "data-key": `answer-${at}`, "data-at": String(at), "aria-label": label,
      "aria-pressed": String(at === open.answer), "aria-disabled": done ? "true" : null,
      tabindex: at === (open.answer ?? 0) ? "0" : "-1", onclick: () => done || send({ answer: at }),
    }, mark ? make("span", { class: "sign", "aria-hidden": "true" }, MARKS[mark]) : null, title);
  });
  return make("div", { class: "answers", role: "group", "aria-label": words.answers, onkeydown: rove }, ...buttons);
}

function rove(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const buttons = [...root.querySelectorAll(".answers button")];
  const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
  for (const one of buttons) one.tabIndex = one === next ? 0 : -1;
  next.focus();
}

function moves({ words, lessons, open }) {
  const last = open.step === open.steps.length - 1, following = lessons[open.number + 1];
  const title = !last ? open.steps[open.step + 1] : following ? words.next : words.end;
  const go = () => (!last ? send({ step: open.step + 1 }) : following ? start(following.id) : send({ close: true }));
  const reason = make("span", { class: "reason", id: "lesson-reason" }, open.waits ? (open.clicks ? words.click : words.first) : "");
  return make("div", { class: "moves" },
    make("button", { type: "button", class: "next", "data-key": "next", "aria-disabled": open.waits ? "true" : null, "aria-describedby": "lesson-reason", onclick: () => open.waits || go() }, title),
    make("button", { type: "button", "data-key": "back", disabled: open.step === 0, onclick: () => send({ step: open.step - 1 }) }, words.back),
    make("button", { type: "button", class: "close", "data-key": "close", "aria-label": words.close, onclick: () => send({ close: true }) }, "×"),
    reason);
}

/** What is said of a step: its verdict and numbers, or what it tells, or why there are none. */
function said({ open }) {
  const told = asks(open) ? open.told : open.text;
  const parts = [open.verdict && make("b", {}, open.verdict), told, open.problem, open.score && make("b", {}, open.score)];
  return make("p", {}, ...parts.filter(Boolean).flatMap((one) => [one, " "]));
}

// The region that is read aloud stays the same element, so that only what is new is spoken.
const live = make("div", { class: "told", "aria-live": "polite" });
const body = make("div", { class: "body" });
let last = null;

function show(value) {
  const { open } = value, told = said(value);
  const question = asks(open) ? make("p", { class: "text" }, open.text) : null;
  const above = [trail(value), question, open.options.length ? answers(value) : null].filter(Boolean);
  for (const old of [...body.children]) if (old !== live) old.remove();
  if (live.parentNode !== body) body.append(live);
  live.before(...above);
  if (live.textContent !== told.textContent) live.replaceChildren(told);
  for (const old of [...root.children]) if (old !== body) old.remove();
  if (body.parentNode !== root) root.append(body);
  body.before(about(value));
  body.after(moves(value));
}

function render() {
  const value = props.value;
  if (!value) return root.replaceChildren();
  const held = root.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  root.classList.toggle("open", Boolean(value.open));
  if (value.open) show(value);
  else root.replaceChildren(...list(value));
  if (held !== undefined) refocus(held);
  last = value.open?.id ?? last;
}

/** Focus stays on the button that was pressed; where that is gone, it goes to what is to be pressed next. */
function refocus(held) {
  const named = (key) => root.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`);
  (named(held) ?? root.querySelector(".answers [tabindex='0'], .next") ?? named(last ?? "") ?? root.querySelector("button"))?.focus({ preventScroll: true });
}

watch("value", render);
render();
