// The living diagram: a network as its drawing model says, a V that unfolds into a row where no resolution is given up.
const SVG = 'http://www.w3.org/2000/svg';
const MATH = 'http://www.w3.org/1998/Math/MathML';
const WEIGHTS = ['macs', 'gradient', 'dependence'];
const JOIN = 6;
let weight = 'macs';
let drawn = null;
let touched = null;
let focus = null;
let hiding = 0;
let pointer = null;

const range = (n) => [...Array(n).keys()];
const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

function make(space, name, attributes = {}, ...children) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, one] of Object.entries(attributes)) if (one !== undefined && one !== null) made.setAttribute(key, one);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const svg = (name, attributes, ...children) => make(SVG, name, attributes, ...children);
const html = (name, attributes, ...children) => make(null, name, attributes, ...children);

function short(number) {
  const step = number >= 1e9 ? [1e9, ' G'] : number >= 1e6 ? [1e6, ' M'] : number >= 1e3 ? [1e3, ' K'] : [1, ''];
  const value = number / step[0];
  return (step[0] === 1 ? value : value.toPrecision(value < 100 ? 3 : 4).replace(/\.?0+$/, '')) + step[1];
}

// ---------- formulas: the part of TeX that the catalogue uses, as MathML

const SYMBOLS = {
  sigma: 'σ', alpha: 'α', psi: 'ψ', Delta: 'Δ', sum: '∑', max: 'max', log: 'log', ldots: '…', cdot: '·', in: '∈', '{': '{', '}': '}',
  lfloor: '⌊', rfloor: '⌋', ',': '\u2009', ' ': '\u2009', quad: '\u2003', to: '→', times: '×',
};

// Pieces between which a line may break: behind a comma, a sign or a wide space outside braces.
function formula(text) {
  const tokens = text.replaceAll('$', '').match(/\\[a-zA-Z]+|\\.|[a-zA-Z]|\d+(?:\.\d+)?|\S/g) ?? [];
  const pieces = [[]];
  let depth = 0;
  for (const token of tokens) {
    depth += { '{': 1, '\\left': 1, '}': -1, '\\right': -1 }[token] ?? 0;
    pieces.at(-1).push(token);
    if (depth === 0 && [',', '+', '=', '\\cdot', '\\quad'].includes(token)) pieces.push([]);
  }
  return html('div', { class: 'formula' }, ...pieces.filter((piece) => piece.length).map(piecewise));
}

function piecewise(tokens) {
  const row = (until) => {
    const parts = [];
    while (tokens.length && tokens[0] !== until) parts.push(scripted());
    tokens.shift();
    return make(MATH, 'mrow', {}, ...parts);
  };
  const atom = () => {
    const token = tokens.shift() ?? '';
    if (token === '{') return row('}');
    if (token === '\\left' || token === '\\right') return make(MATH, 'mo', { stretchy: 'true' }, tokens.shift() ?? '');
    if (token === '\\mathrm') {
      let name = '';
      for (tokens.shift(); tokens.length && tokens[0] !== '}';) name += tokens.shift();
      tokens.shift();
      return make(MATH, 'mi', { mathvariant: 'normal' }, name);
    }
    if (token === '\\frac') return make(MATH, 'mfrac', {}, atom(), atom());
    const shown = token.startsWith('\\') ? SYMBOLS[token.slice(1)] ?? token.slice(1) : token;
    if (/^\d/.test(shown)) return make(MATH, 'mn', {}, shown);
    if (/^[\p{L}]+$/u.test(shown)) return make(MATH, 'mi', shown.length > 1 ? { mathvariant: 'normal' } : {}, shown);
    return make(MATH, /^\s*$/.test(shown) ? 'mtext' : 'mo', { stretchy: 'false' }, shown);
  };
  const scripted = () => {
    const base = atom();
    const scripts = {};
    while (tokens[0] === '_' || tokens[0] === '^') scripts[tokens.shift()] = atom();
    if (scripts._ && scripts['^']) return make(MATH, 'msubsup', {}, base, scripts._, scripts['^']);
    return scripts._ ? make(MATH, 'msub', {}, base, scripts._) : scripts['^'] ? make(MATH, 'msup', {}, base, scripts['^']) : base;
  };
  return make(MATH, 'math', {}, row(null));
}

// ---------- layout: where everything stands, in pixels

const breadth = (text) => [...text].reduce((sum, letter) => sum + (letter > 'ÿ' ? 10.5 : 6.35), 0);
const isStage = (node) => ['encoder', 'bottleneck', 'decoder'].includes(node.kind);

function layout(value, width) {
  const narrow = width < 480;
  const plan = {
    value, width, narrow, r: narrow ? 10 : 11, spots: new Map(), chips: new Map(), entries: [], labels: [], boxes: [],
    byId: new Map(value.nodes.map((node) => [node.id, node])), ops: new Map(value.chips.map((chip) => [chip.id, chip])),
    crossed: new Set(value.lines.filter((line) => line.skip !== null && line.target.startsWith('decoder.')).map((line) => line.skip)),
  };
  plan.stacks = range(value.depth).map((k) => plan.crossed.has(k)
    ? ['attention.fused', 'attention.skip', 'gate'].map((name) => `${name}.${k}`).filter((id) => plan.ops.has(id)) : []);
  (value.halves ? placeV : placeRow)(plan);
  for (const [id, spot] of plan.spots) box(plan, spot.x, spot.y, spot.half + spot.sheets);
  for (const [, chip] of plan.chips) box(plan, chip.x, chip.y, plan.r + 2);
  for (const one of plan.labels) {
    const left = { start: 0, middle: 0.5, end: 1 }[one.anchor] * breadth(one.text);
    plan.boxes.push([one.x - left, one.y - 10, one.x - left + breadth(one.text), one.y + 3]);
  }
  return plan;
}

function box(plan, x, y, half) {
  plan.boxes.push([x - half, y - half, x + half, y + half]);
}

function sheetsOf(node) {
  return Math.max(0, Math.min(6, Math.round(Math.log2(node.channels)) - 3));
}

function stageId(value, side, level) {
  return level === value.depth ? 'bottleneck' : `${side}.${level}`;
}

function label(plan, text, x, y, anchor, kind) {
  plan.labels.push({ text, x, y, anchor, kind });
}

function placeV(plan) {
  const { value, width, narrow, r } = plan;
  const depth = value.depth;
  const largest = Math.min(depth > 4 ? 44 : 54, Math.max(36, width * 0.088));
  const sizes = range(depth + 1).map((k) => Math.max(22, largest * 0.85 ** k));
  const beside = Math.max(...value.nodes.filter(isStage).flatMap((node) => node.label.map(breadth)));
  const room = width / 2 - sizes[0] / 2 - beside - (narrow ? 12 : 22);
  const rows = range(depth).map((k) => value.nodes.filter((node) => !isStage(node) && node.level === k));
  const last = depth - 1;
  const chips = Math.max(1, plan.stacks[last].length) * (2 * r + 7);
  const need = sizes[last] / 2 + Math.max(34, rows[last].length ? chips + 40 : (chips + 44) / 2);
  const step = Math.min(room / depth, depth === 1 ? 150 : 76);
  const first = Math.max(step, need);
  const halves = range(depth).map((k) => first + (last - k) * (last ? Math.min(step, (Math.max(room, need) - first) / last) : 0));
  const tight = range(depth).map((k) => (sizes[k] + sizes[k + 1]) / 2 + 2 * r + 6 + sheetsOf(plan.byId.get(stageId(value, 'decoder', k + 1))));
  const spare = Math.max(0, (narrow ? 240 : 350) - tight.reduce((sum, one) => sum + one, 0)) / depth;
  const levels = tight.reduce((ys, one) => [...ys, ys.at(-1) + Math.min(110, one + spare)], [42 + sizes[0] / 2]);
  const middle = width / 2;
  plan.height = levels[depth] + sizes[depth] / 2 + 40;
  for (const k of range(depth + 1)) {
    for (const side of k === depth ? [''] : ['encoder', 'decoder']) {
      const id = stageId(value, side, k);
      const x = middle + (side ? halves[k] * (side === 'encoder' ? -1 : 1) : 0);
      const spot = { x, y: levels[k], half: sizes[k] / 2, sheets: sheetsOf(plan.byId.get(id)) * 1.5 };
      plan.spots.set(id, spot);
      const out = spot.half + 7 + (side === 'encoder' ? 0 : spot.sheets);
      plan.byId.get(id).label.forEach((text, at) => side
        ? label(plan, text, x + (side === 'encoder' ? -out : out), spot.y - 2 + 13 * at, side === 'encoder' ? 'end' : 'start', at)
        : label(plan, text, x, spot.y + spot.half + 15 + 13 * at, 'middle', at));
    }
  }
  for (const k of range(depth)) {
    const [here, low] = [plan.spots.get(`decoder.${k}`), plan.spots.get(stageId(value, 'decoder', k + 1))];
    const left = plan.spots.get(`encoder.${k}`);
    let x = here.x - here.half - 3;
    for (const id of plan.stacks[k]) {
      const port = id.startsWith('attention.fused') ? 0 : 2 * JOIN;
      if (id === plan.stacks[k][0]) x -= port + 1;
      plan.chips.set(id, { x: x - r - 2, y: here.y });
      x -= 2 * r + 7;
    }
    if (!plan.stacks[k].length) x -= 2 * JOIN;
    plan.entries[k] = { x, y: here.y, joinX: here.x - here.half - 3 - JOIN, joinY: here.y };
    rows[k].forEach((node, at) => {
      const share = (at + 1) / (rows[k].length + 1);
      const a = left.x + left.half / 2;
      const at0 = node.kind === 'joint' ? middle : a + (x - a) * share;
      plan.spots.set(node.id, { x: at0, y: here.y, half: inner(plan, (x - a) / (rows[k].length + 1)), sheets: 0 });
    });
    const between = (a, b, id) => {
      const y = (a.y + a.half + b.y - b.half - b.sheets) / 2;
      if (plan.ops.has(id)) plan.chips.set(id, { x: a.x + ((b.x - a.x) * (y - a.y)) / (b.y - a.y), y });
      return y;
    };
    between(left, plan.spots.get(stageId(value, 'encoder', k + 1)), `down.${k + 1}`);
    const y = between(here, low, `up.${k}`);
    const up = plan.chips.get(`up.${k}`) ?? { x: (here.x + low.x) / 2 };
    for (const id of [`attention.decoder.${k}`, `attention.fused.${k}`]) {
      if (plan.ops.has(id) && !plan.chips.has(id)) plan.chips.set(id, { x: up.x + 2 * r + 4, y });
    }
  }
  const deep = plan.spots.get('bottleneck');
  plan.chips.set(`attention.bottleneck.${depth}`, { x: deep.x + deep.half + deep.sheets + r + 8, y: deep.y });
  for (const [end, id] of [['image', 'encoder.0'], ['logits', 'decoder.0']]) {
    const spot = plan.spots.get(id);
    label(plan, `${value.words[end]} ${value.ends[end]}`, spot.x, 14, 'middle', 'end');
    plan[end] = [spot.x, 21, spot.x, spot.y - spot.half - (id === 'decoder.0' ? spot.sheets : 0) - 4];
  }
}

function inner(plan, spacing) {
  return Math.max(6, Math.min(12, spacing / 2 - 4));
}

function placeRow(plan) {
  const { value, width, narrow, r } = plan;
  const depth = value.depth;
  const margin = narrow ? 30 : 44;
  const spacing = Math.min(120, (width - 2 * margin) / (2 * depth));
  const size = Math.max(18, Math.min(44, spacing - 8));
  const rise = Math.max(26, Math.min(46, 230 / depth));
  const stack = Math.max(0, ...plan.stacks.map((ids) => ids.length));
  plan.rise = (dx) => 34 + stack * (2 * r + 7) + Math.max(0, Math.abs(dx) / (2 * spacing) - 0.5) * rise;
  const y = plan.rise(2 * depth * spacing) + size / 2 + 34;
  const begin = width / 2 - depth * spacing;
  const order = [...range(depth + 1).map((k) => stageId(value, 'encoder', k)), ...range(depth).map((k) => `decoder.${depth - 1 - k}`)];
  const below = plan.ops.size > plan.stacks.flat().length ? 2 * r + 8 : 0;
  const roomy = spacing > 10 + Math.max(...value.nodes.flatMap((node) => node.label.map(breadth)));
  order.forEach((id, at) => {
    const node = plan.byId.get(id);
    const x = begin + at * spacing;
    plan.spots.set(id, { x, y, half: size / 2, sheets: Math.min(4, sheetsOf(node) * 1.5) });
    if (roomy || at === depth) node.label.forEach((text, line) => label(plan, text, x, y + size / 2 + 15 + below + 13 * line, 'middle', line));
  });
  for (const k of range(depth)) {
    const here = plan.spots.get(`decoder.${k}`);
    const left = plan.spots.get(`encoder.${k}`);
    let edge = y - size / 2 - here.sheets - 2;
    plan.stacks[k].forEach((id, at) => {
      if (at === 0 && !id.startsWith('attention.fused')) edge -= 2 * JOIN + 1;
      plan.chips.set(id, { x: here.x, y: edge - r - 2 });
      edge -= 2 * r + 7;
    });
    if (!plan.stacks[k].length) edge -= 2 * JOIN;
    plan.entries[k] = { x: here.x, y: edge, joinX: here.x, joinY: y - size / 2 - here.sheets - 2 - JOIN };
    const row = value.nodes.filter((node) => !isStage(node) && node.level === k);
    row.forEach((node, at) => plan.spots.set(node.id, {
      x: left.x + ((here.x - left.x) * (at + 1)) / (row.length + 1), y: y - size / 2 - plan.rise(here.x - left.x),
      half: inner(plan, Math.min(rise, (here.x - left.x) / (row.length + 1))), sheets: 0,
    }));
    for (const id of [`attention.decoder.${k}`, `attention.fused.${k}`]) {
      if (plan.ops.has(id) && !plan.chips.has(id)) plan.chips.set(id, { x: here.x, y: y + size / 2 + r + 6 });
    }
  }
  plan.chips.set(`attention.bottleneck.${depth}`, { x: plan.spots.get('bottleneck').x, y: y + size / 2 + r + 6 });
  const foot = y + size / 2 + below + (roomy ? 46 : 44);
  for (const [end, anchor] of [['image', 'start'], ['logits', 'end']]) {
    const first = end === 'image';
    label(plan, `${value.words[end]} ${value.ends[end]}`, first ? 4 : width - 4, foot + (narrow ? 14 : 0), anchor, 'end');
    const [from, to] = [begin - size / 2 - 20, begin - size / 2 - 3];
    plan[end] = first ? [from, y, to, y] : [width - to + 3, y, width - from, y];
  }
  plan.height = foot + (narrow ? 24 : 14);
}

// ---------- lines

const cubic = (a, b, c, d) => `M${a.map(round)}C${[b, c, d].map((point) => point.map(round)).join(' ')}`;
const straight = (a, b) => `M${a.map(round)}L${b.map(round)}`;
const round = (number) => Math.round(number * 10) / 10;

function clipped(a, b) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = Math.hypot(dx, dy) || 1;
  return straight([a.x + (dx / length) * a.half, a.y + (dy / length) * a.half], [b.x - (dx / length) * b.half, b.y - (dy / length) * b.half]);
}

function place(plan, id) {
  const node = plan.byId.get(id);
  const [count, flat] = [plan.value.nodes.filter((one) => one.kind === 'inner' && one.level === node.level).length, !plan.value.halves];
  const order = { encoder: 0, bottleneck: 0, inner: node.order, joint: 1, decoder: (plan.value.nodes.some((one) => one.kind === 'joint') ? 1 : count) + 1 }[node.kind];
  return { ...plan.spots.get(id), node, order, flat };
}

function path(plan, line) {
  if (line.source === 'image' || (line.target === 'logits' && line.kind === 'trunk')) {
    const [a, b, c, d] = plan[line.source === 'image' ? 'image' : 'logits'];
    return plan.value.halves && line.target === 'logits' ? straight([c, d + 2], [a, b + 3]) : straight([a, b], [c, d]);
  }
  const from = place(plan, line.source);
  if (line.target === 'logits') {
    const [x, y] = [plan.logits[0] - 3, plan.value.halves ? 28 : plan.logits[1] - 3];
    return cubic([from.x, from.y - from.half], [from.x, y], [from.x, y], [x, y]);
  }
  const to = place(plan, line.target);
  if (line.kind === 'trunk') return straight([from.x, from.y], [to.x, to.y]);
  if (line.kind === 'gate') return steering(plan, line, from);
  if (!isStage(to.node) && from.node.level > to.node.level) return clipped(from, to);
  return plan.value.halves ? across(plan, from, to) : arc(plan, from, to);
}

function steering(plan, line, from) {
  const gate = plan.chips.get(`gate.${line.skip}`) ?? plan.entries[line.skip];
  const size = plan.r + 1;
  if (from.flat) {
    const [x, y] = [from.x + from.half, from.y - from.half + 5];
    const middle = (x + gate.x - size) / 2;
    return cubic([x - 2, y], [middle + 4, y], [middle - 4, gate.y], [gate.x - size, gate.y]);
  }
  const start = [from.x - (from.node.kind === 'decoder' ? from.half / 2 : 0), from.y - from.half - (from.node.kind === 'decoder' ? 0 : from.sheets)];
  const half = (start[1] - gate.y - size) / 2;
  return cubic(start, [start[0], start[1] - half], [gate.x, gate.y + size + half], [gate.x, gate.y + size]);
}

function across(plan, from, to) {
  const end = isStage(to.node) ? plan.entries[to.node.level] : { x: to.x - to.half, y: to.y };
  const same = from.node.level === to.node.level;
  if (same && to.order - from.order > 1) {
    const up = from.order ? from.half : from.half * 0.9;
    const high = from.half + 4 + Math.min(18, 4 * (to.order - from.order));
    const start = from.order ? [from.x, from.y - up] : [from.x + from.half * 0.8, from.y - up];
    const stop = isStage(to.node) ? [end.x - 1, end.y - 1] : [to.x, to.y - to.half];
    return cubic(start, [start[0] + (stop[0] - start[0]) * 0.15, from.y - high * 1.25], [stop[0] - (stop[0] - start[0]) * 0.15, from.y - high * 1.25], stop);
  }
  if (same) return straight([from.x + from.half, from.y], [end.x, end.y]);
  if (from.node.kind === 'encoder') {
    const start = [from.x + from.half, from.y];
    const [dx, dy] = [end.x - start[0], end.y - start[1]];
    return cubic(start, [start[0] + Math.max(28, dx * 0.6), start[1]], [end.x - 14 - dx * 0.12, end.y - dy * 0.3], [end.x, end.y]);
  }
  const start = [from.x - (from.node.kind === 'decoder' ? from.half * 0.5 : 0), from.y - from.half - (from.node.kind === 'decoder' ? 0 : from.sheets)];
  const dy = start[1] - end.y;
  const back = 16 + 0.16 * dy;
  return cubic(start, [Math.min(start[0], end.x) - back * 0.4, start[1] - dy * 0.55], [end.x - back, end.y + dy * 0.05], [end.x, end.y]);
}

function arc(plan, from, to) {
  const stage = isStage(from.node);
  const start = stage ? [from.x, from.y - from.half] : [from.x + from.half, from.y];
  if (isStage(to.node)) {
    const end = plan.entries[to.node.level];
    if (!stage && to.order - from.order > 1) return cubic([from.x, from.y - from.half], [from.x, from.y - 40], [end.x, from.y - 40], [end.x, end.y]);
    if (!stage) return cubic(start, [start[0] + (end.x - start[0]) * 0.6, start[1]], [end.x, start[1] + (end.y - start[1]) * 0.1], [end.x, end.y]);
    const many = to.order - from.order > 1 && from.node.level === to.node.level ? 18 : 0;
    const high = from.y - from.half - (plan.rise(end.x - from.x) + many - (from.y - from.half - end.y) / 2) / 0.75 - (from.y - from.half - end.y) / 2;
    return cubic(start, [start[0], high], [end.x, high], [end.x, end.y]);
  }
  if (stage && to.order === 1) return cubic(start, [start[0], start[1] + (to.y - start[1]) * 0.9], [to.x - to.half - (to.x - start[0]) * 0.6, to.y], [to.x - to.half, to.y]);
  if (to.order - from.order === 1) return straight(start, [to.x - to.half, to.y]);
  const top = to.y - to.half - 5 - 5 * (to.order - from.order);
  return cubic(stage ? start : [from.x, from.y - from.half], [from.x, top], [to.x - 8, top], [to.x, to.y - to.half]);
}

// ---------- drawing

const opens = new WeakMap();
let pressed = null;

const head = html('header', { class: 'head' });
const stage = html('div', { class: 'stage' });
const notes = html('div', { class: 'notes' });
const card = html('div', { class: 'card', role: 'tooltip', id: 'diagram-card', hidden: '' });
const root = element.querySelector('.diagram') ?? element.appendChild(html('div', { class: 'diagram' }));
root.replaceChildren(head, stage, notes);

function signatures(value) {
  return new Map([
    ...value.nodes.map((node) => [node.id, `${node.part} ${node.channels}`]),
    ...value.lines.map((line) => [line.id, `${line.kind} ${line.part}`]),
    ...value.chips.map((chip) => [chip.id, chip.part]),
  ]);
}

function thickness(value, line) {
  const top = Math.max(...value.lines.map((one) => one.macs), 1);
  const share = weight === 'macs' ? line.macs / top : value.weights[weight]?.[line.id] ?? 0;
  return 1.1 + 3.9 * Math.min(1, Math.sqrt(24 / value.lines.length)) * Math.sqrt(Math.max(0, Math.min(1, share)));
}

function button(value, id, name, classes, event, facts, ...children) {
  const changed = value.changed.includes(id) ? `, ${value.words.changed}` : '';
  const group = svg('g', { class: classes, role: 'button', tabindex: '-1', 'data-id': id, 'aria-label': name + changed }, ...children);
  opens.set(group, event);
  group.addEventListener('keydown', (pressed) => {
    if (pressed.key !== 'Enter' && pressed.key !== ' ') return;
    pressed.preventDefault();
    trigger('input', event);
  });
  const show = () => unfold(value, group, facts);
  group.addEventListener('pointerenter', show);
  group.addEventListener('focus', () => {
    settle(group);
    show();
  });
  group.addEventListener('pointerleave', fold);
  group.addEventListener('blur', fold);
  return group;
}

function drawLine(plan, line, fresh) {
  const { value } = plan;
  const d = path(plan, line);
  const width = round(thickness(value, line));
  const seen = svg('path', { d, class: 'seen', 'stroke-width': line.kind === 'gate' ? 1.4 : width, pathLength: fresh && line.kind !== 'gate' ? 1 : null });
  const end = line.source === 'image' || line.target === 'logits';
  const far = !end && line.kind !== 'trunk' && !(line.source.startsWith('encoder') && place(plan, line.source).node.level === place(plan, line.target).node.level);
  const classes = `line ${line.kind}${fresh ? ' fresh' : ''}${end ? ' end' : ''}${far ? ' far' : ''}`;
  if (line.skip === null) return svg('g', { class: classes }, seen);
  const [from, to] = [line.source, line.target].map((id) => plan.byId.get(id));
  const part = value.parts[line.part];
  const facts = { title: `${from.title} → ${to.title}`, part, rows: [['channels', line.channels], ['work', short(line.macs)]] };
  return button(value, line.id, `${part.title}: ${facts.title}`, classes, { skip: line.skip }, facts, svg('path', { d, class: 'touch' }), seen);
}

function drawNode(plan, node, fresh) {
  const { value } = plan;
  const { x, y, half, sheets } = plan.spots.get(node.id);
  const part = value.parts[node.part];
  const shape = [];
  const picture = value.pictures[node.id];
  const touch = svg('rect', { class: 'touch', x: -Math.max(12, half), y: -Math.max(12, half), width: 2 * Math.max(12, half), height: 2 * Math.max(12, half) });
  if (isStage(node)) {
    const corner = Math.min(5, half / 4);
    const square = (offset, kind) => svg('rect', { class: kind, x: -half + offset, y: -half - offset, width: 2 * half, height: 2 * half, rx: corner });
    for (let offset = sheets; offset > 0.5; offset -= 1.5) shape.push(square(offset, 'sheet'));
    shape.push(square(0, 'face'));
    if (picture) shape.push(svg('image', { href: picture, x: -half + 2, y: -half + 2, width: 2 * half - 4, height: 2 * half - 4, preserveAspectRatio: 'xMidYMid slice' }));
    else if (half > 9) shape.push(glyph(part.glyph, Math.min(half * 1.15, 26)));
  } else if (node.kind === 'joint') {
    const arm = half * 0.45;
    shape.push(svg('rect', { class: 'face', x: -half * 0.85, y: -half * 0.85, width: half * 1.7, height: half * 1.7, rx: 4 }));
    shape.push(svg('path', { class: 'sign', d: `M${-arm} 0H${arm}M0 ${-arm}V${arm}` }));
  } else {
    shape.push(svg('circle', { class: 'face', r: half }));
    if (half > 11) shape.push(svg('text', { class: 'tiny', y: 3.5, 'text-anchor': 'middle' }, `${node.level},${node.order}`));
  }
  if (value.changed.includes(node.id)) {
    const ring = half + 3;
    shape.push(isStage(node) ? svg('rect', { class: 'ring', x: -ring, y: -ring, width: 2 * ring, height: 2 * ring, rx: 7 }) : svg('circle', { class: 'ring', r: ring }));
  }
  const rows = [['channels', node.label.join(' · ')], ['parameters', short(node.parameters)], ['work', short(node.macs)], ['memory', `${short(node.bytes)}B`],
    ['field', node.whole ? `${node.field}; ${value.words.whole}` : node.field]];
  const classes = `node ${node.kind}${fresh ? ' fresh' : ''}`;
  const group = button(value, node.id, `${node.title}: ${node.label.join(', ')}; ${part.title}`, classes, { place: node.place }, { title: node.title, part, rows }, touch, svg('g', { class: 'body' }, ...shape));
  group.setAttribute('transform', `translate(${round(x)} ${round(y)})`);
  return group;
}

function drawChip(plan, chip, fresh) {
  const { value, r } = plan;
  const spot = plan.chips.get(chip.id);
  const part = value.parts[chip.part];
  const changed = value.changed.includes(chip.id);
  const shapes = {
    gate: () => svg('path', { class: 'face', d: `M0 ${-r - 1}L${r + 1} 0L0 ${r + 1}L${-r - 1} 0Z` }),
    attention: () => svg('rect', { class: 'face', x: -r, y: -r, width: 2 * r, height: 2 * r, rx: 6 }),
  };
  const rings = {
    gate: () => svg('path', { class: 'ring', d: `M0 ${-r - 4}L${r + 4} 0L0 ${r + 4}L${-r - 4} 0Z` }),
    attention: () => svg('rect', { class: 'ring', x: -r - 2, y: -r - 2, width: 2 * r + 4, height: 2 * r + 4, rx: 8 }),
    operator: () => svg('circle', { class: 'ring', r: r + 2 }),
  };
  const face = shapes[chip.kind]?.() ?? svg('circle', { class: 'face', r });
  const inside = chip.kind === 'gate' ? svg('text', { class: 'tiny', y: 3.5, 'text-anchor': 'middle' }, 'α') : glyph(part.glyph, r * 1.45);
  const ring = changed ? (rings[chip.kind] ?? rings.operator)() : null;
  const where = chip.site ? value.parts[Object.keys(value.parts).find((key) => value.parts[key].slot === 'site')] : null;
  const facts = { title: where ? `${part.kind}: ${where.title}` : part.kind, part, rows: [['parameters', short(chip.parameters)]] };
  const touch = svg('rect', { class: 'touch', x: -12, y: -12, width: 24, height: 24 });
  const classes = `chip ${chip.kind}${fresh ? ' fresh' : ''}`;
  const group = button(value, chip.id, `${facts.title}: ${part.title}, ${chip.level}`, classes, { operator: chip.id }, facts, touch, svg('g', { class: 'body' }, face, inside, ring));
  group.setAttribute('transform', `translate(${round(spot.x)} ${round(spot.y)})`);
  return group;
}

function glyph(markup, size) {
  const inside = new DOMParser().parseFromString(markup, 'image/svg+xml').documentElement;
  const copy = document.importNode(inside, true);
  for (const [key, one] of Object.entries({ class: 'glyph', x: -size / 2, y: -size / 2, width: size, height: size })) copy.setAttribute(key, one);
  return copy;
}

function drawJoin(plan, level) {
  const entry = plan.entries[level];
  const { value } = plan;
  const changed = value.lines.some((line) => line.skip === level && line.target === `decoder.${level}` && value.changed.includes(line.id));
  const ids = plan.stacks[level];
  const shapes = [];
  const to = ids[0]?.startsWith('attention.fused') ? plan.chips.get(ids[0]) : { x: entry.joinX, y: entry.joinY };
  const own = value.lines.filter((line) => line.target === `decoder.${level}` && line.kind === 'skip');
  shapes.push(svg('path', { class: 'seen', d: straight([entry.x, entry.y], [to.x, to.y]), 'stroke-width': round(Math.max(...own.map((line) => thickness(value, line)), 1.1)) }));
  if (to.x === entry.joinX && to.y === entry.joinY) {
    shapes.push(svg('circle', { class: 'face', cx: to.x, cy: to.y, r: JOIN }));
    const sign = value.beside[level] ? 'M-1.7 -3v6M1.7 -3v6' : 'M-3 0h6M0 -3v6';
    shapes.push(svg('path', { class: 'sign', d: sign, transform: `translate(${round(to.x)} ${round(to.y)})` }));
    if (changed) shapes.push(svg('circle', { class: 'ring', cx: to.x, cy: to.y, r: JOIN + 2 }));
  }
  return svg('g', { class: 'line skip join' }, ...shapes);
}

function drawEnds(plan) {
  const tip = svg('marker', { id: 'diagram-tip', viewBox: '0 0 8 8', refX: 6, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: 'userSpaceOnUse', orient: 'auto' }, svg('path', { d: 'M0 0L8 4L0 8Z' }));
  const texts = plan.labels.map((one) => svg('text', { x: round(one.x), y: round(one.y), 'text-anchor': one.anchor, class: one.kind === 0 ? 'strong' : 'faint' }, one.text));
  return [svg('defs', {}, tip), ...texts];
}

function draw(value, old) {
  const width = Math.max(300, stage.clientWidth || 600);
  const plan = layout(value, width);
  const before = old && signatures(old);
  const now = signatures(value);
  const fresh = (id) => Boolean(before) && before.get(id) !== now.get(id);
  const order = { trunk: 1, direct: 2, skip: 3, gate: 4 };
  const lines = [...value.lines].sort((a, b) => order[a.kind] - order[b.kind]);
  const picture = svg('svg', { viewBox: `0 0 ${width} ${round(plan.height)}`, height: round(plan.height), role: 'group', 'aria-label': value.words.network },
    ...drawEnds(plan), ...lines.map((line) => drawLine(plan, line, fresh(line.id))), ...[...plan.crossed].map((level) => drawJoin(plan, level)),
    ...value.nodes.map((node) => drawNode(plan, node, fresh(node.id))), ...value.chips.map((chip) => drawChip(plan, chip, fresh(chip.id))));
  picture.addEventListener('keydown', walk);
  const held = stage.contains(document.activeElement);
  stage.replaceChildren(picture, card);
  card.hidden = true;
  settle(picture.querySelector(`[data-id="${CSS.escape(focus ?? 'encoder.0')}"]`) ?? picture.querySelector('[data-id]'));
  if (held) picture.querySelector('[tabindex="0"]').focus();
  if (old && (old.halves !== value.halves || old.depth !== value.depth) && !still()) rearrange(plan);
  drawn = plan;
  describe(value, plan);
}

// Nodes glide to their new places when the V unfolds or grows.
function rearrange(plan) {
  for (const [id, spot] of plan.spots) {
    const was = drawn?.spots.get(id);
    const moved = was && drawn.width === plan.width && Math.hypot(was.x - spot.x, was.y - spot.y) > 1;
    if (!moved) continue;
    const body = stage.querySelector(`[data-id="${CSS.escape(id)}"] .body`);
    body.animate([{ transform: `translate(${was.x - spot.x}px, ${was.y - spot.y}px)` }, { transform: 'none' }], { duration: 420, easing: 'cubic-bezier(.3,.7,.2,1)' });
  }
}

// ---------- keyboard

function settle(group) {
  for (const one of stage.querySelectorAll('[tabindex="0"]')) one.setAttribute('tabindex', '-1');
  group.setAttribute('tabindex', '0');
  focus = group.dataset.id;
}

function centre(group) {
  const id = group.dataset.id;
  const spot = drawn.spots.get(id) ?? drawn.chips.get(id);
  if (spot) return [spot.x, spot.y];
  const line = group.querySelector('.seen');
  const middle = line.getPointAtLength(line.getTotalLength() / 2);
  return [middle.x, middle.y];
}

function walk(pressed) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[pressed.key];
  if (pressed.key === 'Escape') card.hidden = true;
  if (!way) return;
  pressed.preventDefault();
  const [x, y] = centre(pressed.target);
  let best = null;
  for (const group of stage.querySelectorAll('[data-id]')) {
    const [dx, dy] = centre(group).map((at, axis) => at - [x, y][axis]);
    const along = dx * way[0] + dy * way[1];
    const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    if (group === pressed.target || along < 2 || aside > 3 * along) continue;
    const far = along + 2 * aside;
    if (!best || far < best.far) best = { far, group };
  }
  best?.group.focus();
}

// ---------- card, note, legend, line weight

function facts(value, rows) {
  return html('dl', {}, ...rows.flatMap(([key, text]) => [html('dt', {}, value.words[key]), html('dd', {}, String(text))]));
}

function partTitle(part) {
  return part.options ? `${part.title} (${part.options})` : part.title;
}

function unfold(value, group, said) {
  clearTimeout(hiding);
  const { part } = said;
  card.replaceChildren(
    html('h3', {}, said.title), html('p', { class: 'part' }, partTitle(part)), html('p', {}, part.summary),
    ...(part.formula ? [formula(part.formula)] : []), facts(value, said.rows),
    ...(part.paper ? [html('p', { class: 'paper' }, part.paper)] : []), html('p', { class: 'open' }, value.words.open));
  card.hidden = false;
  group.setAttribute('aria-describedby', card.id);
  const [x, y] = centre(group);
  const [width, height] = [card.offsetWidth, card.offsetHeight];
  const right = x + 34 + width < stage.clientWidth;
  const left = right ? x + 34 : x - 34 - width;
  const aside = left >= 0;
  card.style.left = `${aside ? left : Math.max(0, Math.min(stage.clientWidth - width, x - width / 2))}px`;
  card.style.top = `${aside ? Math.max(0, Math.min(drawn.height - height, y - height / 2)) : y + 30}px`;
}

// The card lets the pointer through to what lies beneath, and stays while the pointer is over it.
function fold() {
  clearTimeout(hiding);
  hiding = setTimeout(() => {
    const box = card.getBoundingClientRect();
    const over = pointer && pointer[0] > box.left && pointer[0] < box.right && pointer[1] > box.top && pointer[1] < box.bottom;
    if (!over && !stage.querySelector('[data-id]:focus-visible')) card.hidden = true;
  }, 120);
}
// The drawing may be made again between pressing and letting go, so a click is what is under the pointer both times.
stage.addEventListener('pointerdown', (down) => {
  pressed = down.target.closest('[data-id]')?.dataset.id;
});
stage.addEventListener('click', (click) => {
  const at = click.target.closest('[data-id]') ?? document.elementFromPoint(click.clientX, click.clientY)?.closest('[data-id]');
  if (at && (!click.detail || at.dataset.id === pressed)) trigger('input', opens.get(at));
});
stage.addEventListener('pointermove', (moved) => {
  pointer = [moved.clientX, moved.clientY];
  if (!card.hidden && !moved.target.closest('[data-id]')) fold();
});
stage.addEventListener('pointerleave', () => {
  pointer = null;
  fold();
});

function lastTouched(value, old) {
  const moved = (slot, keys) => keys.find((key, at) => old?.slots[slot]?.[at] !== key);
  const [slot, keys] = Object.entries(value.slots).find(([slot, keys]) => moved(slot, keys)) ?? [];
  if (!old || !slot) return touched && value.parts[touched.key] ? touched : { key: value.slots.skip[0] };
  const delta = ['macs', 'parameters'].map((key) => [key, value.totals[key] / old.totals[key] - 1]);
  return { key: moved(slot, keys), delta: old.ends.image === value.ends.image ? delta : null };
}

function describe(value, plan) {
  const part = value.parts[touched.key];
  const icon = html('span', { class: 'icon' });
  icon.append(glyph(part.glyph, 18));
  const signed = (share) => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0)}%`;
  const note = html('section', { class: `note ${part.slot}` }, html('h3', {}, icon, `${part.kind}: ${partTitle(part)}`), html('p', {}, part.summary),
    ...(part.formula ? [formula(part.formula)] : []),
    ...(touched.delta ? [html('p', { class: 'delta' }, touched.delta.map(([key, share]) => `${value.words[key]} ${signed(share)}`).join(' · '))] : []));
  const kinds = new Set(value.lines.map((line) => line.kind));
  if (value.chips.some((chip) => chip.kind === 'attention' || chip.kind === 'gate')) kinds.add('gate');
  const legend = html('ul', { class: 'legend' });
  for (const kind of ['trunk', 'skip', 'direct', 'gate', ...(value.changed.length ? ['changed'] : [])]) {
    if (kind !== 'changed' && !kinds.has(kind)) continue;
    const mark = { changed: () => svg('circle', { class: 'ring', cx: 13, cy: 5, r: 4 }), gate: () => svg('rect', { class: 'face', x: 8, y: 0.5, width: 9, height: 9, rx: 2.5 }) }[kind];
    legend.append(html('li', { class: kind }, svg('svg', { width: 26, height: 10, 'aria-hidden': 'true' }, mark?.() ?? svg('path', { class: 'seen', d: 'M1 5H25', 'stroke-width': 2.2 })), value.words[kind]));
  }
  notes.replaceChildren(legend, note);
  fit(plan, [legend, note]);
}

// In the lower corners where nothing is drawn there, at need without the formula, else below the drawing.
function fit(plan, corners) {
  notes.style.setProperty('--free', `${round(Math.max(180, Math.min(260, plan.width / 2 - 62)))}px`);
  const free = () => plan.width >= 480 && corners.every((one) => {
    const [left, top] = [one.offsetLeft, plan.height - one.offsetHeight];
    const right = left + one.offsetWidth;
    return plan.boxes.every(([x0, y0, x1, y1]) => x1 + 8 < left || x0 - 8 > right || y1 + 4 < top || y0 > plan.height);
  });
  notes.className = 'notes corners';
  if (free()) return;
  notes.className = 'notes corners brief';
  if (!free()) notes.className = 'notes';
}

function heads(value) {
  const group = html('div', { class: 'weights', role: 'radiogroup', 'aria-label': value.words.weight });
  const why = html('span', { class: 'why', role: 'status' });
  const ready = (kind) => kind === 'macs' || Boolean(value.weights[kind] && Object.keys(value.weights[kind]).length);
  if (!ready(weight)) weight = 'macs';
  for (const kind of WEIGHTS) {
    const chosen = kind === weight;
    const one = html('button', { type: 'button', role: 'radio', 'aria-checked': String(chosen), 'aria-disabled': ready(kind) ? null : 'true', title: ready(kind) ? null : value.words.waiting, tabindex: chosen ? '0' : '-1' }, value.words[kind]);
    one.addEventListener('click', () => {
      why.textContent = ready(kind) ? '' : value.words.waiting;
      if (!ready(kind)) return;
      weight = kind;
      heads(value);
      draw(value, null);
      head.querySelector('[aria-checked="true"]').focus();
    });
    one.addEventListener('keydown', (pressed) => {
      const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[pressed.key];
      if (!turn) return;
      pressed.preventDefault();
      const all = [...group.children];
      all[(all.indexOf(one) + turn + all.length) % all.length].focus();
    });
    group.append(one);
  }
  head.replaceChildren(html('h2', {}, value.words.title), html('span', { class: 'subtitle' }, value.words.subtitle), html('span', { class: 'by' }, value.words.weight), group, why);
}

let value = null;
function show() {
  const next = props.value;
  if (!next?.nodes) return;
  touched = lastTouched(next, value);
  heads(next);
  draw(next, value);
  value = next;
}
watch('value', show);
new ResizeObserver(() => {
  if (value && drawn && Math.abs(stage.clientWidth - drawn.width) > 1) draw(value, null);
}).observe(stage);
show();
