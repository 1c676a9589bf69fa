// The atlas: every measured design by score and cost, and what each option changes.
const { make } = window.unetViewer;
const root = element.querySelector(".atlas");
const EDGE = { left: 50, right: 16, top: 26, bottom: 36 };
const NEAR = 22;
const FEWEST = 20;
const FENCE = 3;
const HUES = ["skip", "attention", "direct", "ink"];
const FAMILIES = [["halving", "halving"], ["full", "full"], ["all", "overall"]];

const turned = (points, by) =>
  points.map(([x, y]) => [x * Math.cos(by) - y * Math.sin(by), x * Math.sin(by) + y * Math.cos(by)]);
const regular = (corners, inner = 1) =>
  Array.from({ length: corners }, (_, n) => [0, n % 2 ? -inner : -1].map((v) => 1.12 * v))
    .map((point, n) => turned([point], (2 * Math.PI * n) / corners)[0]);
const quarter = [[-0.36, -1.05], [0.36, -1.05], [0.36, -0.36]];
const plus = [0, 1, 2, 3].flatMap((n) => turned(quarter, (n * Math.PI) / 2));
const SHAPES = [
  regular(24), turned(regular(4), Math.PI / 4), regular(3), regular(4), turned(regular(3), Math.PI), plus,
  turned(plus, Math.PI / 4), regular(10, 0.45), regular(6), [[-1.3, -0.4], [1.3, -0.4], [1.3, 0.4], [-1.3, 0.4]],
];

const chosen = {};
const known = new Map();
let value, spots, looked, tapped, whole, width;

const fill = (template, parts) => template.replace(/\{(\w+)\}/g, (_, name) => parts[name]);
const button = (attributes, ...children) => make("button", { type: "button", ...attributes }, ...children);
const metric = () => value.metrics.find((one) => one.id === chosen.metric);
const cost = () => value.costs.find((one) => one.id === chosen.cost);
const slot = () => value.slots.find((one) => one.id === (chosen.slot ?? value.first.slot));
const scores = () => value.designs.scores[metric().id];
const costs = () => value.designs.costs[cost().id];
const front = () => value.fronts[metric().id][cost().id];
const letterOf = (at) => Object.keys(value.marks).find((letter) => value.marks[letter].includes(at));
const keyOf = (id) => [value.task, id, ...(value.designs.scores[id] ?? [])].join("/");
const key = () => keyOf(chosen.metric);

function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, given] of Object.entries(attributes)) {
    if (given !== null && given !== undefined) node.setAttribute(name, given);
  }
  node.append(...children);
  return node;
}

function outline(shape, x, y, size) {
  const corner = ([dx, dy]) => `${(x + size * dx).toFixed(1)} ${(y + size * dy).toFixed(1)}`;
  return `M${SHAPES[shape].map(corner).join("L")}Z`;
}

/** What the classic holds is a quiet circle, every other option has a shape of its own. */
function look(options, at) {
  if (options[at].reference) return { shape: 0, hue: "ink-3" };
  const rank = options.slice(0, at).filter((one) => !one.reference).length;
  return { shape: 1 + (rank % (SHAPES.length - 1)), hue: HUES[rank % HUES.length] };
}

function priced(number, { unit }) {
  if (unit === "×") return `${number.toFixed(2)}×`;
  const [size, prefix] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([one]) => number >= one) ?? [1, ""];
  return `${Number((number / size).toPrecision(3))} ${prefix}${unit}`;
}

function scored(number, { digits, unit }) {
  return number === null ? value.words.unknown : `${number.toFixed(digits)}${unit}`;
}

function signed(number, digits) {
  const size = Math.abs(number).toFixed(digits);
  return `${Number(size) ? (number < 0 ? "-" : "+") : "±"}${size}`;
}

function take() {
  const before = value?.task;
  value = props.value && JSON.parse(JSON.stringify(props.value));
  if (!value?.metrics) return;
  if (!metric()) chosen.metric = value.first.metric;
  chosen.cost ??= value.first.cost;
  if (value.task !== before) chosen.option = null;
  if (value.effects) known.set(keyOf(value.effects.metric), value.effects);
  looked = tapped = null;
  ask();
  render();
}

/** Effects take a moment to compute: they are asked for when they are looked at for the first time. */
function ask() {
  if (metric() && !known.has(key())) trigger("select", { metric: chosen.metric });
}

function choose(changes) {
  Object.assign(chosen, changes);
  looked = tapped = null;
  if (changes.metric) ask();
  render();
}

function open(at) {
  trigger("input", { link: value.designs.link[at] });
}

function render() {
  const held = root.contains(document.activeElement) && document.activeElement.closest("[data-key]")?.dataset.key;
  const lines = value.lines.map((line) => make("p", { class: "line" }, line));
  if (!metric()) return root.replaceChildren(...lines);
  const stage = make("div", { class: "stage" });
  const chart = make("div", { class: "chart" }, controls(), legend(), stage, notes(), best());
  root.replaceChildren(make("div", { class: "halves" }, make("div", {}, ...lines, chart, pairs()), effects()));
  plot(stage);
  if (held) root.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

function controls() {
  const { words } = value;
  const select = (name, title, choices, now) => {
    const onchange = ({ target }) => choose({ [name]: target.value, ...(name === "slot" && { option: null }) });
    const entries = choices.map((one) => make("option", { value: one.id, selected: one.id === now }, one.title));
    return make("label", {}, title, make("select", { "data-key": `select/${name}`, onchange }, ...entries));
  };
  return make("div", { class: "controls" },
    select("metric", words.score, value.metrics, chosen.metric),
    select("cost", words.cost, value.costs, chosen.cost),
    select("slot", words.slot, value.slots, slot().id));
}

/** What pressing an option does wherever it stands: only the designs that hold it stay strong, or all again. */
function pressing(id, option) {
  const pressed = slot().id === id && chosen.option === option.id;
  const onclick = () => choose({ slot: id, option: pressed ? null : option.id });
  return { "aria-pressed": String(pressed), onclick };
}

/** The options of the chosen slot; pressing one leaves the designs with it. */
function legend() {
  const { id, title, options } = slot();
  const keys = options.map((option, at) => {
    const { shape, hue } = look(options, at);
    const icon = draw("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" },
      draw("path", { d: outline(shape, 7, 7, 5), style: `fill:var(--${hue})` }));
    const attributes = { class: "choice", "data-key": `choice/${id}/${option.id}`, ...pressing(id, option) };
    return button(attributes, icon, option.title);
  });
  return make("div", { class: "legend", role: "group", "aria-label": title }, ...keys);
}

function notes() {
  const { words, editing } = value;
  return make("div", { class: "notes" },
    ...[words.shared, words.solo, words.frontLine].map((text) => make("span", {}, text)),
    make("p", {}, fill(words.hint, { letter: editing })));
}

/** The range that is shown: where most designs lie, and the present ones. */
function range(numbers) {
  const sorted = numbers.filter((one) => one !== null).sort((a, b) => a - b);
  const share = (part) => sorted[Math.round(part * (sorted.length - 1))];
  const reach = whole || sorted.length < FEWEST ? Infinity : FENCE * (share(0.75) - share(0.25));
  const present = Object.values(value.marks).flat().map((at) => numbers[at]).filter((one) => one !== null);
  const low = Math.min(Math.max(share(0.25) - reach, share(0)), ...present);
  const high = Math.max(Math.min(share(0.75) + reach, share(1)), ...present);
  const margin = 0.05 * (high - low) || 0.01;
  return [low - margin, high + margin];
}

function scales(height) {
  const [low, high] = range(scores());
  const logs = costs().map(Math.log10);
  const [near, far] = [Math.min(...logs), Math.max(...logs)], margin = 0.04 * (far - near) || 0.1;
  const across = width - EDGE.left - EDGE.right, down = height - EDGE.top - EDGE.bottom;
  return {
    low, high, ends: [10 ** (near - margin), 10 ** (far + margin)],
    x: (number) => EDGE.left + (across * (Math.log10(number) - near + margin)) / (far - near + 2 * margin),
    y: (number) => EDGE.top + (down * (high - number)) / (high - low),
  };
}

function plot(stage) {
  width = stage.clientWidth;
  if (!width) return;
  const height = Math.round(Math.min(440, Math.max(280, 0.56 * width)));
  const at = scales(height);
  const inside = (number) => number !== null && number >= at.low && number <= at.high;
  spots = scores().map((number, n) => inside(number) && { n, x: at.x(costs()[n]), y: at.y(number) }).filter(Boolean);
  spots.sort((a, b) => a.x - b.x || b.y - a.y);
  const cross = draw("path", { class: "cross" });
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height },
    axes(at, height), cross, line(height), dots(), numbers(), marks());
  const card = make("div", { class: "card", hidden: true, "aria-hidden": "true" });
  stage.replaceChildren(picture, card, beyond());
  follow(picture);
}

function axes(at, height) {
  const group = draw("g", { class: "axes", "aria-hidden": "true" });
  const step = [1, 2, 5, 10].map((one) => one * 10 ** Math.floor(Math.log10((at.high - at.low) / 5)))
    .find((one) => (at.high - at.low) / one <= 6);
  for (let n = Math.ceil(at.low / step); n * step <= at.high; n++) {
    const y = at.y(n * step);
    group.append(draw("path", { d: `M${EDGE.left} ${y}H${width - EDGE.right}` }));
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    group.append(draw("text", { x: EDGE.left - 6, y: y + 3.5, "text-anchor": "end" }, (n * step).toFixed(digits)));
  }
  const foot = height - EDGE.bottom;
  const parts = at.ends[1] / at.ends[0] < 30 ? [1, 1.5, 2, 3, 4, 5, 7] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(at.ends[0])); power <= Math.log10(at.ends[1]); power++) {
    for (const number of parts.map((one) => one * 10 ** power)) {
      if (number < at.ends[0] || number > at.ends[1]) continue;
      const x = at.x(number);
      group.append(draw("path", { d: `M${x} ${EDGE.top}V${foot}` }));
      const label = cost().unit === "×" ? `${number}×` : priced(number, cost());
      group.append(draw("text", { x, y: foot + 14, "text-anchor": "middle" }, label));
    }
  }
  const better = `${metric().higher ? "↑" : "↓"} ${value.words.better}`;
  group.append(
    draw("text", { class: "title", x: 0, y: 12 }, `${metric().title}, ${better}`),
    draw("text", { class: "title end", x: width - EDGE.right, y: height - 6 }, `${cost().title} →`));
  return group;
}

/** The front as steps: what the best design so far scores until a dearer one scores better. */
function line(height) {
  const places = front().map((n) => spots.find((spot) => spot.n === n));
  const seen = places.filter(Boolean);
  const from = metric().higher ? height - EDGE.bottom : EDGE.top;
  const start = places[0] || !seen.length ? "" : `M${seen[0].x} ${from}V${seen[0].y}`;
  const steps = seen.map(({ x, y }, n) => (n ? `H${x}V${y}` : `M${x} ${y}`)).join("");
  return draw("path", { class: "front", d: start + steps });
}

function dots() {
  const { words, designs } = value, { id, options } = slot();
  const group = draw("g", { class: "dots", role: "group", "aria-label": words.designs });
  // What the classic holds is drawn first, below what is compared with it; focus goes by cost all the same.
  const quiet = (spot) => (options[designs.held[id][spot.n]].reference ? 0 : 1);
  for (const spot of [...spots].sort((a, b) => quiet(a) - quiet(b))) {
    const option = options[designs.held[id][spot.n]], { shape, hue } = look(options, designs.held[id][spot.n]);
    const dim = chosen.option != null && chosen.option !== option.id;
    const solo = designs.seed[spot.n] !== null;
    spot.dot = draw("path", {
      class: ["dot", solo && "solo", dim && "dim"].filter(Boolean).join(" "), d: outline(shape, spot.x, spot.y, 4.6),
      style: `--hue:var(--${hue})`, role: "button", tabindex: spot === spots[0] ? 0 : -1,
      "data-key": `dot/${designs.link[spot.n]}/${designs.seed[spot.n]}`, "aria-label": told(spot.n).flat().join(", "),
    });
    group.append(spot.dot);
  }
  return group;
}

function numbers() {
  const group = draw("g", { class: "numbers", "aria-hidden": "true" });
  let before = { x: -99, y: -99 };
  front().forEach((n, rank) => {
    const spot = spots.find((one) => one.n === n);
    if (!spot) return;
    const crowded = Math.abs(spot.x - before.x) < 13 && Math.abs(spot.y - 9 - before.y) < 12;
    const place = { x: spot.x, y: crowded ? spot.y + 17 : spot.y - 9 };
    group.append(draw("text", { ...place, "text-anchor": "middle" }, String(rank + 1)));
    before = place;
  });
  return group;
}

function marks() {
  const group = draw("g", { "aria-hidden": "true" });
  for (const [letter, members] of Object.entries(value.marks)) {
    const side = letter === "A" ? -1 : 1;
    for (const { x, y } of spots.filter((spot) => members.includes(spot.n))) {
      group.append(draw("g", { class: `present ${letter.toLowerCase()}` },
        draw("circle", { cx: x, cy: y, r: 9 }),
        draw("rect", { x: x + 17 * side - 7.5, y: y + 5, width: 15, height: 15, rx: 4 }),
        draw("text", { x: x + 17 * side, y: y + 16, "text-anchor": "middle" }, letter)));
    }
  }
  return group;
}

/** What lies outside of the range is never drawn at its edge; a button brings it in. */
function beyond() {
  const count = scores().filter((one) => one !== null).length - spots.length;
  if (!count && !whole) return "";
  const text = whole ? value.words.most : fill(value.words.all, { count });
  const turn = () => { whole = !whole; render(); };
  return button({ class: "beyond", "data-key": "beyond", onclick: turn }, text);
}

/** A design in words: its name, then pairs of title and number, then what else there is to say. */
function told(at) {
  const { words, designs } = value, error = designs.error[at], letter = letterOf(at);
  const beside = metric().id === value.first.metric && error !== null;
  const score = scored(scores()[at], metric()) + (beside ? ` ± ${error.toFixed(3)}` : "");
  const more = [designs.seed[at] === null ? words.byShared : fill(words.bySolo, { seed: designs.seed[at] })];
  if (front().includes(at)) more.push(words.onFront);
  if (letter) more.push(fill(words.present, { letter }));
  return [designs.said[at], [metric().title, score], [cost().title, priced(costs()[at], cost())], more];
}

/** Show a design's card; null takes it away. */
function show(at) {
  looked = at;
  const stage = root.querySelector(".stage"), card = stage?.querySelector(".card");
  if (!card) return;
  const spot = spots.find((one) => one.n === at);
  card.hidden = !spot;
  stage.querySelector(".cross").setAttribute("d", spot ? outline(0, spot.x, spot.y, 6.5) : "");
  for (const one of root.querySelectorAll(".listed")) one.classList.toggle("seen", one.dataset.at === String(at));
  if (!spot) return;
  const [said, score, price, more] = told(at);
  const pair = ([title, number]) => [make("dt", {}, title), make("dd", {}, number)];
  const hint = tapped === at ? make("p", { class: "hint" }, fill(value.words.tap, { letter: value.editing })) : null;
  const numbers = make("dl", {}, ...pair(score), ...pair(price));
  card.replaceChildren(make("b", {}, said), numbers, make("p", {}, more.join(" · ")), hint ?? "");
  const left = spot.x + 14 + card.offsetWidth < width ? spot.x + 14 : Math.max(0, spot.x - 14 - card.offsetWidth);
  const top = spot.y > stage.clientHeight / 2 ? spot.y - card.offsetHeight - 12 : spot.y + 14;
  Object.assign(card.style, { left: `${left}px`, top: `${Math.max(0, top)}px` });
}

/** Pointer and keys: the nearest design answers, so that a finger need not hit a dot. */
function follow(picture) {
  const nearest = ({ clientX, clientY }) => {
    const box = picture.getBoundingClientRect();
    const away = (spot) => Math.hypot(spot.x - clientX + box.left, spot.y - clientY + box.top);
    const best = spots.reduce((one, other) => (!one || away(other) < away(one) ? other : one), null);
    return best && away(best) < NEAR ? best.n : null;
  };
  picture.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(nearest(event)));
  picture.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null));
  picture.addEventListener("click", (event) => {
    const at = nearest(event);
    if (at === null || (event.pointerType === "touch" && tapped !== at)) {
      tapped = at;
      show(at);
    } else open(at);
  });
  picture.addEventListener("focusin", ({ target }) => {
    const spot = spots.find((one) => one.dot === target);
    for (const one of spots) one.dot.setAttribute("tabindex", one === spot ? 0 : -1);
    show(spot.n);
  });
  picture.addEventListener("focusout", () => show(null));
  picture.addEventListener("keydown", onKey);
  const point = (at) => {
    picture.classList.toggle("near", at !== null);
    if (at !== looked) show(at);
  };
}

function onKey(event) {
  const here = spots.findIndex((one) => one.dot === event.target);
  const best = spots.filter((one) => front().includes(one.n));
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const places = { Home: spots[0], End: spots.at(-1) };
  if (step) places[event.key] = spots[(here + step + spots.length) % spots.length];
  places.ArrowUp = best.find((one) => spots.indexOf(one) > here) ?? best[0];
  places.ArrowDown = best.findLast((one) => spots.indexOf(one) < here) ?? best.at(-1);
  if (places[event.key]) places[event.key].dot.focus();
  else if (["Enter", " "].includes(event.key)) open(spots[here].n);
  else if (event.key === "Escape" && looked !== null) show(null);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** The present designs and the front once more as a list: names beside numbers. */
function best() {
  const { designs, marks, words } = value;
  const here = (at) => ({ onclick: () => open(at), onfocus: () => show(at), onpointerenter: () => show(at) });
  const away = { onblur: () => show(null), onpointerleave: () => show(null) };
  const entry = (badge, at, name) => {
    const alone = designs.seed[at] === null ? "" : ` (${fill(words.bySolo, { seed: designs.seed[at] })})`;
    return button(
      { class: "listed", "data-at": at, "data-key": `list/${name}/${at}`, ...here(at), ...away },
      badge, make("span", { class: "said" }, designs.said[at] + alone),
      make("span", { class: "number" }, scored(scores()[at], metric())),
      make("span", { class: "number" }, priced(costs()[at], cost())));
  };
  const letters = Object.entries(marks).flatMap(([letter, members]) =>
    members.map((at) => entry(make("i", { class: `letter ${letter.toLowerCase()}` }, letter), at, letter)));
  const numbered = front().map((at, rank) => entry(make("i", {}, String(rank + 1)), at, "front"));
  return make("div", { class: "best" }, ...letters, make("h3", {}, words.front), ...numbered);
}

function effects() {
  const { words } = value, found = known.get(key());
  const line = (text) => make("p", { class: "line" }, text);
  const told = found?.rows.length ? [...added(found), line(words.caution)] : [line(found ? found.few : words.working)];
  return make("div", { class: "effects" }, make("h3", {}, words.effects), ...told);
}

function pairs() {
  const told = known.get(key())?.pairs ?? [];
  if (!told.length) return "";
  const list = make("ul", {}, ...told.map((text) => make("li", {}, text)));
  return make("div", { class: "pairs" }, make("h3", {}, value.words.together), list);
}

/** A line for every option: dots with intervals, one for each family of designs, on one axis with zero. */
function added({ rows }) {
  const { words } = value, at = axis(rows), there = new Set(rows.map((one) => one.family));
  const families = FAMILIES.filter(([family]) => there.has(family));
  const keys = families.map(([family, word]) => make("span", {}, make("i", { class: `point ${family}` }), words[word]));
  const sides = metric().higher ? [words.worse, words.better] : [words.better, words.worse];
  const [low, high] = at.ends.map((one) => signed(one, metric().digits));
  const reach = [`${low} ${sides[0]}`, `${sides[1]} ${high}`].map((text) => make("span", {}, text));
  const scale = make("div", { class: "term scale", "aria-hidden": "true" },
    make("span"), make("span", { class: "lane" }, ...reach), make("span"));
  const groups = value.slots.filter((one) => rows.some((row) => row.slot === one.id)).map((one) =>
    make("section", {}, make("h4", {}, one.title), ...one.options
      .map((option) => [option, rows.filter((row) => row.slot === one.id && row.option === option.id)])
      .filter(([, own]) => own.length).map(([option, own]) => effect(one, option, own, at))));
  const against = make("p", { class: "line" }, fill(words.against, { metric: metric().title }));
  return [against, make("div", { class: "families" }, ...keys), scale, ...groups];
}

function effect(group, option, own, at) {
  const { words } = value, { digits } = metric();
  const spoken = own.map((one) => fill(words.effect, {
    ...one, family: words[FAMILIES.find(([family]) => family === one.family)[1]],
    difference: signed(one.difference, digits), low: signed(one.low, digits), high: signed(one.high, digits),
  }));
  const glyph = make("span", { class: "glyph", "aria-hidden": "true" });
  glyph.innerHTML = option.glyph;
  const points = own.flatMap((one) => {
    const [low, middle, high] = [one.low, one.difference, one.high].map(at);
    const arrow = at.outside(one.difference), kind = arrow ? "arrow" : "point";
    return [make("i", { class: `reach ${one.family}`, style: `left:${low}%;width:${high - low}%` }),
      make("i", { class: `${kind} ${one.family}`, style: `left:${middle}%` }, arrow)];
  });
  const zero = make("i", { class: "zero", style: `left:${at(0)}%` });
  const numbers = own.map((one) => make("span", { class: one.family }, signed(one.difference, digits)));
  const attributes = { class: "term", "data-key": `effect/${group.id}/${option.id}`, title: words.mark };
  return button({ ...attributes, ...pressing(group.id, option) },
    make("span", { class: "name" }, glyph, option.title), make("span", { class: "spoken" }, spoken.join("; ")),
    make("span", { class: "lane", "aria-hidden": "true" }, zero, ...points),
    make("span", { class: "number", "aria-hidden": "true" }, ...numbers));
}

/** From an effect to its place on the lane in percent; a few large effects do not press the others together. */
function axis(rows) {
  const ends = rows.map((one) => Math.max(...[one.difference, one.low, one.high].map(Math.abs))).sort((a, b) => a - b);
  const typical = ends[Math.round(0.85 * (ends.length - 1))], largest = ends.at(-1);
  const limit = largest <= 2.5 * typical ? largest : 1.3 * typical;
  const low = Math.max(-limit, Math.min(0, ...rows.map((one) => one.low)));
  const high = Math.min(limit, Math.max(0, ...rows.map((one) => one.high)));
  const place = (number) => 3 + (94 * (Math.min(high, Math.max(low, number)) - low)) / (high - low || 1);
  place.ends = [low, high];
  place.outside = (number) => (number < low ? "◂" : number > high ? "▸" : "");
  return place;
}

new ResizeObserver(() => {
  const stage = root.querySelector(".stage");
  if (stage?.clientWidth && stage.clientWidth !== width) plot(stage);
}).observe(root);
watch("value", take);
take();
