// A volume in three linked planes and in space, the masks over it, and what a hand corrects in them. NiiVue draws; masks
// are its drawing, so that what is shown, corrected and sent back is one array of class numbers.
const root = element.querySelector(".volume");
const { make, refill, rgb } = window.unetViewer, shapes = window.unetShapes;
const words = props.value.words;
const LIBRARY = "vendor/niivue/niivue.umd.js";
const HEAT = [[87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const UNDOS = 16;
const HOLD = 600_000; // milliseconds between two words that somebody is still drawing
const VIEWS = { all: 3, axial: 0, coronal: 1, sagittal: 2, render: 4 };
const DRAGS = { look: 8, distance: 2, ellipse: 5, outline: 5 }, SHAPES = ["ellipse", "outline"];
const PENS = ["brush", "fill", "erase"];
const AXES = [2, 1, 0]; // the axis across which NiiVue's axial, coronal and sagittal planes are cut
const PLANES = [[0, 1], [0, 2], [1, 2]]; // and the two within them
const DIFFERENCE = [["agree", "#ffffff"], ["onlyA", "#7db1ff"], ["onlyB", "#e8821e"], ["other", "#ee6fd0"]];

const state = {
  volume: null, masks: {}, doubts: {}, layer: null, hidden: new Set(),
  // Of each design that a hand has corrected since it was measured, the last drawing; drawings that are under way.
  run: null, corrected: new Map(), sent: new Set(), drawings: 0, refused: false,
  view: "all", tool: "look", pen: 1, strokes: 0, plane: 0, opacity: 0.35, contour: 1,
};
let viewer = null, library = null, image = null, shape = null;

const canvas = make("canvas", { tabindex: 0, role: "img", "aria-label": words.picture });
const pointed = make("p", { class: "pointed", "aria-live": "off" });
const measured = make("p", { class: "measured", role: "status" });
const notes = make("p", { class: "notes line" });
const fault = make("p", { class: "fault", role: "alert" });
const pending = make("p", { class: "pending", role: "status" });
const stage = make("div", { class: "stage" }, canvas, pointed, fault);
canvas.insertAdjacentHTML("afterend", "<svg aria-hidden='true'><polygon /></svg>");
const drawn = stage.querySelector("polygon");

// One button of several, of which one is pressed.
const choices = (label, ids, chosen, choose) => {
  const buttons = ids.map(([id, title]) => make("button", { type: "button", "data-id": id, onclick: () => choose(id) }, title));
  const group = make("div", { class: "choices", role: "group", "aria-label": label }, ...buttons);
  group.show = () => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.id === chosen())));
  return group;
};
const number = (title, change) => {
  const input = make("input", { type: "number", step: 1, onchange: change });
  return { input, label: make("label", {}, title, input) };
};
const slider = (title, name) => {
  const moved = (event) => { state[name] = Number(event.target.value); paint(); };
  return make("label", {}, title, make("input", { type: "range", min: 0, max: 1, step: 0.05, value: state[name], oninput: moved }));
};

const views = choices(words.view, Object.keys(VIEWS).map((id) => [id, words[id]]), () => state.view, look);
const slices = make("input", { type: "range", min: 1, step: 1, oninput: () => leaf(Number(slices.value)) });
const counted = make("span");
const paging = make("label", { class: "slices" }, words.slice, slices, counted);
const convention = make("input", { type: "checkbox", checked: true, onchange: () => viewer?.setRadiologicalConvention(convention.checked) });
const presets = make("select", { "aria-label": words.window, onchange: () => preset(presets.selectedIndex) });
const width = number(words.width, () => frame(Number(width.input.value), Number(centre.input.value)));
const centre = number(words.centre, () => frame(Number(width.input.value), Number(centre.input.value)));
const layers = make("div", { class: "choices", role: "group", "aria-label": words.mask });
const keys = make("div", { class: "keys" });
const tools = choices(words.tool, [...Object.keys(DRAGS), ...PENS].map((id) => [id, words[id]]), () => state.tool, take);
const pens = make("select", { "aria-label": words.pen, onchange: () => { state.pen = Number(pens.value); take(state.tool); } });
const size = make("input", { type: "number", min: 1, max: 40, value: 3, onchange: () => take(state.tool) });
const undo = make("button", { type: "button", onclick: back }, words.undo);
const clear = make("button", { type: "button", onclick: forget }, words.clear);
const send = make("button", { type: "button", class: "send", onclick: () => hand() }, words.send);
const bars = {
  view: make("div", { class: "bar" }, views, paging, make("label", { class: "convention" }, convention, words.radiological)),
  window: make("div", { class: "bar" }, make("label", {}, words.window, presets), width.label, centre.label),
  mask: make("div", { class: "bar masks" }, layers, keys, slider(words.opacity, "opacity"), slider(words.contour, "contour")),
  tool: make("div", { class: "bar" }, tools, make("span", { class: "pens" }, pens, make("label", {}, words.size, size)), undo, send, clear),
};
const help = make("details", {}, make("summary", {}, words.help), make("p", { class: "line" }, words.keyboard));
root.append(make("div", { class: "bars" }, ...Object.values(bars)), notes, pending, stage, measured, help);

function loaded() {
  return (library ??= new Promise((done, failed) => {
    const missed = () => {
      library = null;
      script.remove();
      failed(new Error(words.network));
    };
    const script = make("script", { src: LIBRARY, onload: () => done(window.niivue), onerror: missed });
    document.head.append(script);
  }));
}

async function started() {
  const { Niivue } = await loaded();
  if (viewer) return;
  if (!make("canvas").getContext("webgl2")) throw new Error(words.webgl);
  const made = new Niivue({
    logLevel: "error", dragAndDropEnabled: false, isRadiologicalConvention: convention.checked, showAllOrientationMarkers: true,
    multiplanarShowRender: 1, multiplanarPadPixels: 12, maxDrawUndoBitmaps: UNDOS, dragMode: 4, backColor: [0, 0, 0, 1], fontColor: [1, 0.85, 0.3, 1],
    crosshairColor: [0.31, 0.82, 0.77, 0.8], measureLineColor: [1, 0.85, 0.3, 1], measureTextColor: [1, 0.85, 0.3, 1],
    crosshairWidth: 0.2, crosshairWidthUnit: "percent", viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
  });
  await made.attachToCanvas(canvas);
  made.onIntensityChange = (changed) => told(changed.cal_max - changed.cal_min, (changed.cal_max + changed.cal_min) / 2);
  made.onDrawingChanged = (action) => {
    if (action !== "draw") return;
    state.strokes = Math.min(state.strokes + 1, UNDOS - 1);
    touch();
  };
  // NiiVue measures in a box without the tilt of the gantry; lengths, like areas, are those in the patient.
  const place = made.frac2mm.bind(made), line = made.drawMeasurementTool.bind(made), real = (frac) => place(frac, 0, true);
  made.drawMeasurementTool = (...ends) => {
    made.frac2mm = real;
    line(...ends);
    made.frac2mm = place;
  };
  made.onMeasurementCompleted = ({ startMM, endMM }) => {
    const [from, to] = [startMM, endMM].map((one) => real(made.mm2frac(one)));
    measured.textContent = `${words.distance}: ${shapes.distance(from, to).toFixed(1)} ${unit()}`;
  };
  const scene = made.drawScene.bind(made);
  made.drawScene = () => { scene(); trace(); page(); };
  viewer = root.niivue = made;
}

// A new volume takes the place of the one before.
async function open(volume) {
  root.dataset.state = "loading";
  fault.textContent = "";
  try {
    await started();
    const answer = await fetch(volume.url, { cache: "no-store" });
    if (!answer.ok) throw new Error(words.gone);
    const made = await window.niivue.NVImage.loadFromUrl({ url: await answer.arrayBuffer(), name: "volume.nii.gz" });
    if (props.value.volume?.id !== volume.id) return;
    for (const one of [...viewer.volumes]) viewer.removeVolume(one);
    if (viewer.drawBitmap) viewer.closeDrawing();
    image = made;
    forget();
    viewer.addVolume(made);
    arrange();
    viewer.createEmptyDrawing();
    Object.assign(viewer.opts, { isOrientationTextVisible: volume.oriented, showMeasureUnits: volume.spaced });
    presets.replaceChildren(...volume.presets.map((one) => make("option", {}, one.title)), make("option", { hidden: true }, words.own));
    Object.assign(state, { masks: {}, layer: null, strokes: 0, corrected: new Map(), sent: new Set(), refused: false });
    preset(0);
    look(state.view);
    root.dataset.state = "shown";
    lay();
  } catch (error) {
    root.dataset.state = "fault";
    fault.textContent = error instanceof Error ? error.message : words.gone;
  }
}

const through = async (bytes, stream) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
const unpacked = async (text) => through(await (await fetch(`data:;base64,${text}`)).arrayBuffer(), new DecompressionStream("gzip"));
async function packed(bytes) {
  const data = await through(bytes, new CompressionStream("gzip"));
  const parts = [];
  for (let at = 0; at < data.length; at += 32768) parts.push(String.fromCharCode(...data.subarray(at, at + 32768)));
  return btoa(parts.join(""));
}

// The masks that the app computed; those that the visitor corrected meanwhile are of another run and go.
async function lay() {
  const { masks, doubts, run } = props.value;
  state.run = run;
  const data = {}, unsure = {};
  for (const name of Object.keys(masks)) {
    data[name] = await unpacked(masks[name]);
    unsure[`doubt${name}`] = await unpacked(doubts[name]);
  }
  if (props.value.run !== run || root.dataset.state !== "shown") return;
  Object.assign(state, { masks: data, doubts: unsure, strokes: 0, corrected: new Map(), sent: new Set(), refused: false });
  state.layer = Object.keys(data).includes(state.layer) ? state.layer : Object.keys(data)[0] ?? null;
  pens.replaceChildren(...props.value.labels.map((one, at) => make("option", { value: at + 1 }, one.title)));
  layer(state.layer);
}

const unsure = () => state.layer in state.doubts;
const legend = () => unsure() ? [] : state.layer === "difference" ? DIFFERENCE.map(([id, color]) => ({ title: words[id], color })) : props.value.labels;
const unit = () => state.volume.spaced ? "mm" : "px";

function differing({ A, B }) {
  return A.map((a, at) => (a === B[at] ? (a ? 1 : 0) : !B[at] ? 2 : !a ? 3 : 4));
}

function layer(name) {
  if (state.corrected.has(state.layer)) state.masks[state.layer] = viewer.drawBitmap.slice();
  Object.assign(state, { layer: name, strokes: 0, hidden: new Set() });
  if (PENS.includes(state.tool) && !(name in state.masks)) state.tool = "look";
  viewer.drawBitmap = name === "difference" ? differing(state.masks) : ((state.masks[name] ?? state.doubts[name])?.slice() ?? new Uint8Array(image.img.length));
  viewer.drawClearAllUndoBitmaps();
  viewer.drawAddUndoBitmap();
  viewer.refreshDrawing(false);
  colour();
  take(state.tool);
}

// Colours of the steps of doubt, dark to light.
function heat() {
  const steps = props.value.levels;
  return Array.from({ length: steps }, (_, at) => {
    const place = (at / (steps - 1)) * (HEAT.length - 1), low = Math.min(Math.floor(place), HEAT.length - 2);
    return HEAT[low].map((one, channel) => Math.round(one + (HEAT[low + 1][channel] - one) * (place - low)));
  });
}

// Each class in its colour; hidden ones have none.
function colour() {
  const colors = [[0, 0, 0], ...(unsure() ? heat() : legend().map((one) => rgb(one.color)))];
  const [R, G, B] = [0, 1, 2].map((at) => colors.map((one) => one[at]));
  viewer.setDrawColormap({ R, G, B, A: colors.map((_, at) => (at && !state.hidden.has(at) ? 255 : 0)), labels: colors.map((_, at) => String(at)) });
  paint();
}

function paint() {
  if (!viewer) return;
  viewer.drawOpacity = Math.max(state.opacity, state.contour ? 0.004 : 0);
  viewer.drawRimOpacity = unsure() ? -1 : state.contour || -1;
  viewer.drawScene();
}

function look(id) {
  state.view = id;
  viewer?.setSliceType(VIEWS[id]);
  page();
  refresh();
}

// Of a single plane, which of its slices is shown; a finger has no wheel.
const across = () => AXES[VIEWS[state.view]];
const shown = () => viewer.frac2vox(viewer.scene.crosshairPos)[across()] + 1;

function page() {
  paging.hidden = !image || across() === undefined;
  if (paging.hidden) return;
  slices.max = image.dimsRAS[across() + 1];
  slices.value = shown();
  counted.textContent = `${slices.value} / ${slices.max}`;
}

function leaf(to) {
  const along = [0, 0, 0];
  along[across()] = to - shown();
  viewer.moveCrosshairInVox(...along);
}

// NiiVue's own choice of a layout leaves the room for the view in space out of account: planes became small.
function arrange() {
  if (!image) return;
  const [x, y, z] = [1, 2, 3].map((axis) => image.dimsRAS[axis] * image.pixDimsRAS[axis]), longest = Math.max(x, y, z);
  const sizes = { 1: [longest, y + 2 * z + longest], 2: [x + y, y + z], 3: [2 * x + y + longest, Math.max(y, z)] };
  const scale = (id) => Math.min(canvas.clientWidth / sizes[id][0], canvas.clientHeight / sizes[id][1]);
  viewer.opts.multiplanarLayout = Number(Object.keys(sizes).reduce((best, id) => (scale(id) > scale(best) ? id : best), 2));
}

function preset(at) {
  const chosen = state.volume?.presets[at];
  if (chosen) frame(chosen.width, chosen.centre, at);
}

function frame(wide, middle, at = -1) {
  if (!image || !(wide > 0) || !Number.isFinite(middle)) return;
  Object.assign(image, { cal_min: middle - wide / 2, cal_max: middle + wide / 2 });
  viewer.updateGLVolume();
  told(wide, middle, at);
}

function told(wide, middle, at = -1) {
  width.input.value = Number(wide.toPrecision(5));
  centre.input.value = Number(middle.toPrecision(5));
  presets.selectedIndex = at < 0 ? presets.options.length - 1 : at;
}

function take(id) {
  state.tool = id;
  if (viewer && image) {
    viewer.opts.dragModePrimary = DRAGS[id] ?? DRAGS.look;
    viewer.setDrawingEnabled(PENS.includes(id));
    viewer.setPenValue(id === "erase" ? 0 : state.pen, id === "fill");
    viewer.opts.penSize = Math.max(1, Math.min(40, Number(size.value) || 1));
  }
  refresh();
}

function back() {
  if (!state.strokes) return;
  viewer.drawUndo();
  state.strokes -= 1;
  touch();
}

// The mask that is shown differs from the one that was measured last.
function touch() {
  state.corrected.set(state.layer, `${state.layer} ${(state.drawings += 1)}`);
  state.refused = false;
  refresh();
}

function forget() {
  shape = null;
  if (image) trace();
  viewer?.clearAllMeasurements();
  measured.textContent = "";
}

const unsent = () => [...state.corrected].filter(([, drawing]) => !state.sent.has(drawing)).map(([design]) => design);

// Without a network it waits: Gradio would give the page up and load it anew.
async function hand(design = state.layer) {
  const { volume, run } = state;
  if (!navigator.onLine) await new Promise((back) => window.addEventListener("online", back, { once: true }));
  if (volume !== state.volume) return;
  if (design === state.layer) state.masks[design] = viewer.drawBitmap.slice();
  const drawing = state.corrected.get(design);
  state.sent.add(drawing);
  state.refused = false;
  refresh();
  trigger("input", { volume: volume.id, run, design, drawing, mask: await packed(state.masks[design]) });
}

// A drawing is measured; none, where it was refused. What was drawn after it is in no number yet in either case.
function settle(measured) {
  for (const [design, drawing] of state.corrected) if (drawing === measured) state.corrected.delete(design);
  if (!measured) {
    state.sent.clear();
    state.refused = true;
  }
  refresh();
}

// Value, place and class under the pointer.
function point(event) {
  const at = pointedAt(event);
  if (!at) return void (pointed.textContent = "");
  const { plane, frac } = at;
  state.plane = plane;
  const voxel = viewer.frac2vox(frac), [, nx, ny] = image.dimsRAS;
  const value = image.getValue(...voxel), number = viewer.drawBitmap?.[voxel[0] + nx * (voxel[1] + ny * voxel[2])];
  const said = [state.volume.oriented && state.volume.spaced ? directed(viewer.frac2mm(frac, 0, true)) : `${words.voxel} ${[...voxel].join(", ")}`];
  said.push(`${Number(value.toFixed(2))} ${state.volume.units ?? words.unitless}`);
  if (number) said.push(unsure() ? `${words.doubt} ${(number / props.value.levels).toFixed(2)}` : legend()[number - 1]?.title ?? String(number));
  pointed.textContent = said.join(" · ");
}

const directed = (mm) => ["RL", "AP", "SI"].map((pair, at) => `${pair[mm[at] < 0 ? 1 : 0]} ${Math.abs(mm[at]).toFixed(1)}`).join("  ") + " mm";

// Where a pointer is: the plane, and the place in the volume as shares of its sides; nothing beside the planes.
function pointedAt(event) {
  if (!image) return null;
  const box = canvas.getBoundingClientRect(), ratio = viewer.uiData.dpr;
  const place = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  const plane = viewer.screenSlices[viewer.tileIndex(...place)]?.axCorSag, frac = viewer.canvasPos2frac(place);
  return plane <= 2 && frac[0] >= 0 ? { plane, frac: [...frac] } : null;
}

// A shape begins where the pointer goes down: an outline follows it, an ellipse fills the box that it spans.
function begin(event) {
  const at = SHAPES.includes(state.tool) && event.button === 0 && pointedAt(event);
  if (!at) return;
  forget();
  shape = { ...at, kind: state.tool, points: [at.frac], drawing: true };
}

function extend(event) {
  const at = shape?.drawing && pointedAt(event);
  if (!at || at.plane !== shape.plane) return;
  if (shape.kind === "outline") shape.points.push(at.frac);
  else shape.points = shapes.ellipse(shape.frac, at.frac, PLANES[shape.plane]);
  trace();
}

// The area of the shape in its plane, and the values of voxels whose centres lie in it.
function finish() {
  if (!shape?.drawing) return;
  shape.drawing = false;
  const { points, kind, plane } = shape;
  if (points.length < 3) return forget();
  const area = shapes.area(points.map((one) => [...viewer.frac2mm(one, 0, true)]));
  const { mean, spread, count } = shapes.inside(points, PLANES[plane], image.dimsRAS.slice(1), (...voxel) => image.getValue(...voxel));
  const told = `${words[kind]}: ${area.toFixed(1)} ${unit()}²`;
  const values = `${words.mean} ${mean.toFixed(1)} ± ${spread.toFixed(1)} ${state.volume.units ?? words.unitless}`;
  measured.textContent = count ? `${told} · ${values} · ${words.voxels}: ${count}` : told;
}

// The shape over the picture, for as long as its slice is shown.
function trace() {
  const tile = shape && viewer.screenSlices.find((one) => one.axCorSag === shape.plane), axis = AXES[shape?.plane];
  const here = tile && Math.abs(viewer.scene.crosshairPos[axis] - shape.frac[axis]) * image.dimsRAS[axis + 1] < 0.5;
  if (!here) return drawn.setAttribute("points", "");
  const [left, top, wide, high] = tile.leftTopWidthHeight.map((one) => one / viewer.uiData.dpr), [across, up] = PLANES[shape.plane];
  drawn.setAttribute("points", shape.points.map((one) => {
    const mm = viewer.frac2mm(one);
    return [left + ((mm[across] - tile.leftTopMM[0]) / tile.fovMM[0]) * wide, top + (1 - (mm[up] - tile.leftTopMM[1]) / tile.fovMM[1]) * high];
  }).join(" "));
}

// Arrows move through slices of the plane that was pointed at last, and across it.
function press(event) {
  if (event.key === "Tab" || event.key === "Escape") return;
  event.stopPropagation();
  const along = [0, 0, 0], turned = convention.checked ? -1 : 1;
  if (event.key === "ArrowUp" || event.key === "ArrowDown") along[AXES[state.plane]] = event.key === "ArrowUp" ? 1 : -1;
  else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const right = event.key === "ArrowRight" ? 1 : -1;
    if (state.plane === 2) along[1] = right;
    else along[0] = right * turned;
  } else if (event.key.toLowerCase() === "v") return look(Object.keys(VIEWS)[(Object.keys(VIEWS).indexOf(state.view) + 1) % 5]);
  else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); return back(); }
  else return;
  event.preventDefault();
  if (image) viewer.moveCrosshairInVox(...along);
}

// The controls as things stand.
function refresh() {
  const { volume } = state, correct = state.layer in state.masks && volume?.editable;
  views.show();
  for (const one of tools.children) if (PENS.includes(one.dataset.id)) one.disabled = !correct;
  tools.show();
  for (const bar of Object.values(bars)) bar.hidden = !volume;
  stage.hidden = !volume;
  help.hidden = !volume;
  bars.mask.hidden = !state.layer;
  bars.tool.querySelector(".pens").hidden = !PENS.includes(state.tool);
  undo.hidden = send.hidden = !PENS.includes(state.tool) && !state.corrected.size;
  undo.disabled = !state.strokes;
  send.disabled = !state.corrected.has(state.layer);
  const waiting = state.corrected.size > 0;
  pending.textContent = waiting ? words.pending : "";
  const held = ".files, .number, .controls > :not(.halt)";
  for (const one of root.closest(".volume-room")?.querySelectorAll(held) ?? []) one.inert = waiting && !state.refused;
  notes.textContent = volume?.notes ?? "";
  const names = Object.keys(state.masks), alone = names.length < 2;
  const offered = [
    ...names.map((one) => [one, alone ? words.mask : `${words.design} ${one}`]), ...(alone ? [] : [["difference", words.difference]]),
    ...names.map((one) => [`doubt${one}`, alone ? words.doubt : `${words.doubt} ${one}`]),
  ];
  refill(layers, ...offered.map(([id, title]) =>
    make("button", { type: "button", "data-id": id, "aria-pressed": String(id === state.layer), onclick: () => layer(id) }, title)));
  const scale = `linear-gradient(90deg, ${HEAT.map((one) => `rgb(${one})`).join()})`;
  refill(keys, ...(unsure() ? [make("i", { class: "scale", style: `background:${scale}` }), words.entropy] : legend().map(key)));
}

// A class in the legend; pressed, it is shown.
function key(one, at) {
  const flip = () => { if (!state.hidden.delete(at + 1)) state.hidden.add(at + 1); colour(); refresh(); };
  const swatch = make("i", { style: `background:${one.color}` });
  return make("button", { type: "button", class: "key", "aria-pressed": String(!state.hidden.has(at + 1)), onclick: flip }, swatch, one.title);
}

function update() {
  const { volume, run } = props.value;
  if (volume?.id !== state.volume?.id) {
    state.volume = volume;
    refresh();
    if (volume) open(volume);
  } else if (run !== state.run && root.dataset.state === "shown") {
    // What a hand has drawn meanwhile is not lost to a run that was begun before: it is handed over, and stays.
    if (unsent().length) unsent().forEach((design) => hand(design));
    else lay();
  }
}

canvas.addEventListener("pointermove", point);
canvas.addEventListener("pointerdown", begin);
canvas.addEventListener("pointermove", extend);
for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, finish);
new ResizeObserver(() => { if (viewer) { arrange(); viewer.drawScene(); } }).observe(canvas);
canvas.addEventListener("pointerleave", () => { pointed.textContent = ""; });
stage.addEventListener("keydown", press, true);
stage.addEventListener("keyup", (event) => event.stopPropagation(), true);
document.addEventListener("measured", (event) => settle(event.detail));
setInterval(() => { if (state.corrected.size) trigger("tick"); }, HOLD);
window.addEventListener("beforeunload", (event) => { if (state.corrected.size) event.preventDefault(); });
watch("value", update);
refresh();
update();
