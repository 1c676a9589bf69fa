// The linked pictures: one image, one zoom, one crosshair, one probe. Every pane is a component of its own that mounts
// here, so that a result can arrive without the others being sent again.
window.unetViewer ??= (() => {
  const ASK_MS = 5000;
  const panes = new Map();
  const settings = { mode: "fill", opacity: 0.45, hidden: new Set(), gate: 0, shown: "prediction" };
  const view = { zoom: 1, row: 0, column: 0 };
  const shared = { image: null, value: null, probe: null, hover: null };
  const tables = {};
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children.filter((one) => one != null));
    return node;
  };

  // Puts new children into a box; the control that had the focus has it again.
  function refill(box, ...children) {
    const controls = () => [...box.querySelectorAll("button, select, input, summary")];
    const held = controls().indexOf(document.activeElement);
    box.replaceChildren(...children);
    if (held >= 0) controls()[held]?.focus({ preventScroll: true });
  }

  async function decode(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return { data, width, height, bitmap: canvas };
  }

  const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

  // Colours of a table of 256 entries, "rrggbb" one after the other.
  function table(name) {
    tables[name] ??= Array.from({ length: 256 }, (_, at) => rgb("#" + shared.value.maps[name].slice(6 * at, 6 * at + 6)));
    return tables[name];
  }

  function painted(width, height, color) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    for (let at = 0; at < width * height; at++) {
      const value = color(at);
      if (value) pixels.data.set(value, 4 * at);
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  // Whether a pixel of a mask has a neighbour of another class.
  function edges(mask) {
    const { data, width, height } = mask;
    return (at) => {
      const own = data[4 * at], column = at % width, row = (at / width) | 0;
      return (
        (column > 0 && data[4 * (at - 1)] !== own) || (column < width - 1 && data[4 * (at + 1)] !== own) ||
        (row > 0 && data[4 * (at - width)] !== own) || (row < height - 1 && data[4 * (at + width)] !== own)
      );
    };
  }

  const shown = (label) => label > 0 && !settings.hidden.has(label);
  const alpha = () => Math.round(255 * settings.opacity);

  const PAINT = {
    prediction(layer, parts) {
      const { mask, other, truth } = parts, { width, height } = mask, colors = shared.value.labels.map((one) => rgb(one.color));
      const own = (at) => mask.data[4 * at], edge = edges(mask);
      if (settings.mode === "truth" && truth) {
        const outline = edges(truth);
        return painted(width, height, (at) => {
          const label = truth.data[4 * at];
          return shown(label) && [...colors[label], outline(at) ? 255 : alpha()];
        });
      }
      if (settings.mode === "errors" && truth) {
        const errors = shared.value.errors;
        return painted(width, height, (at) => {
          const said = own(at), right = truth.data[4 * at];
          if (said === right) return shown(said) && [...colors[said], 60];
          const striped = (at % width) + ((at / width) | 0);
          return right > 0 ? [...rgb(errors.missed), 255] : [...rgb(errors.extra), striped % 4 < 2 ? 255 : 110];
        });
      }
      if (other) {
        const rim = edges(other), { a, b } = shared.value.designs;
        return painted(width, height, (at) => {
          const one = own(at), two = other.data[4 * at];
          if (one === two) return shown(one) && (edge(at) || rim(at)) && [255, 255, 255, 255];
          if (!shown(one) && !shown(two)) return null;
          const striped = (at % width) + ((at / width) | 0);
          return one > 0 && (two === 0 || striped % 2) ? [...rgb(a), 235] : [...rgb(b), striped % 4 < 2 ? 255 : 190];
        });
      }
      const fill = settings.mode === "fill";
      return painted(width, height, (at) => {
        const label = own(at);
        if (!shown(label)) return null;
        return edge(at) ? [...colors[label], 255] : fill && [...colors[label], alpha()];
      });
    },
    attention(layer, parts) {
      const map = parts.map;
      if (!map) return null;
      const colors = table(layer.maps[parts.gate].colors);
      return painted(map.width, map.height, (at) => [...colors[map.data[4 * at]], 255]);
    },
    field(layer, parts) {
      const { data, width, height } = parts.map, colors = table("sizes");
      return painted(width, height, (at) => [...colors[data[4 * at]], Math.min(255, 2 * data[4 * at])]);
    },
    attribution(layer, parts) {
      const { data, width, height } = parts.map, colors = table("signed");
      return painted(width, height, (at) => [...colors[data[4 * at]], 255]);
    },
  };

  // Which PNGs of a layer have to be decoded before it can be painted.
  async function parts(kind, layer) {
    if (kind === "prediction") {
      const [mask, other, truth, probability] = await Promise.all(
        [layer.mask, layer.other, layer.truth, layer.probability].map((url) => url && decode(url)),
      );
      return { mask, other, truth, probability };
    }
    if (kind === "attention") {
      const gate = Math.min(settings.gate, layer.maps.length - 1), url = layer.maps[gate].image;
      return { gate, map: url && (await decode(url)) };
    }
    return { map: await decode(layer.image) };
  }

  class Pane {
    constructor(element, props, trigger, watch, kind) {
      Object.assign(this, { element, props, trigger, kind });
      this.title = make("h2");
      this.aside = make("span", { class: "aside" });
      this.base = make("canvas", { class: "base", "aria-hidden": "true" });
      this.over = make("canvas", { class: "over", tabindex: "0", role: "img" });
      this.tag = make("span", { class: "tag" });
      this.value = make("output", { class: "value" });
      this.refused = make("p", { class: "refused" });
      this.plate = make("div", { class: "plate" }, this.base, this.over, this.tag, this.value, this.refused);
      this.range = make("div", { class: "range" });
      this.line = make("p", { class: "line" });
      this.words = make("p", { class: "line" });
      this.folded = make("summary");
      this.more = make("details", {}, this.folded, this.words);
      element.replaceChildren(
        make("header", {}, this.title, this.aside), this.plate, this.range, this.line, this.more,
      );
      element.classList.add("pane");
      this.listen();
      new ResizeObserver(() => this.draw()).observe(this.plate);
      watch("value", () => this.receive());
      panes.get(kind)?.element.isConnected || panes.set(kind, this);
      this.receive();
    }

    async receive() {
      const given = this.props.value;
      if (!given) return;
      this.given = given;
      this.title.textContent = given.title;
      this.element.setAttribute("aria-label", given.title);
      if (!given.layer) this.element.dataset.state = given.state;
      this.tag.textContent = given.tag ?? "";
      this.line.textContent = given.line ?? "";
      this.line.title = given.line ?? "";
      this.words.textContent = [given.line, given.facts].filter(Boolean).join(" ");
      this.folded.textContent = given.words?.more ?? "";
      this.plate.dataset.busy = given.words?.busy ?? "";
      this.more.hidden = !given.facts;
      this.refused.textContent = given.state === "refused" ? given.line : "";
      this.over.setAttribute("aria-label", [given.title, given.line, given.facts].filter(Boolean).join(". "));
      this.chooser();
      await this.prepare();
      if (this.given !== given) return;
      this.element.dataset.state = given.state;
      // What was taken away when a choice was made is back; the other pictures are marked busy by their own values.
      if (this.kind === "prediction") document.body.classList.remove("stale");
    }

    async prepare() {
      const { layer } = this.given;
      const mine = (this.turn = (this.turn ?? 0) + 1);
      const found = layer ? await parts(this.kind, layer) : null;
      if (mine !== this.turn) return;
      this.layer = layer;
      this.parts = found;
      this.paint();
      this.legend();
    }

    // What is shown belongs to another image.
    clear() {
      this.turn = (this.turn ?? 0) + 1;
      this.layer = this.parts = this.painting = null;
      this.draw();
      this.legend();
    }

    paint() {
      this.painting = this.layer && shared.value ? PAINT[this.kind](this.layer, this.parts) : null;
      this.draw();
    }

    // What stands beside the title: which gate, which method.
    chooser() {
      const { options, chosen, asks } = this.given;
      const maps = this.kind === "attention" && this.given.layer?.maps;
      const offered = maps && maps.length > 1 ? maps.map((one, at) => ({ id: at, title: one.title })) : options;
      this.aside.title = offered ? "" : maps ? maps[0].title : (this.given.aside ?? "");
      const kept = this.aside.querySelector("select"), ids = offered?.map((one) => `${one.id} ${one.title}`).join();
      const current = maps ? Math.min(settings.gate, maps.length - 1) : chosen;
      if (kept && kept.dataset.ids === ids) return void (kept.value = current);
      if (!offered) return this.aside.replaceChildren(this.aside.title);
      const select = make("select", { "aria-label": this.given.choose, "data-ids": ids });
      for (const one of offered) select.append(make("option", { value: one.id }, one.title));
      select.value = current;
      select.addEventListener("change", () => {
        if (!maps) return this.trigger("input", { [asks]: select.value });
        settings.gate = Number(select.value);
        this.prepare();
      });
      refill(this.aside, select);
    }

    legend() {
      const { layer } = this;
      if (!layer) return this.range.replaceChildren();
      if (this.kind === "prediction") return refill(this.range, ...this.keys());
      const own = this.kind === "attention" ? layer.maps[this.parts.gate] : layer;
      if (this.kind === "attention") this.line.textContent = [own.check, this.given.line].filter(Boolean).join(" · ");
      if (own.bars) return this.range.replaceChildren(own.range);
      const bar = make("canvas", { class: "bar", width: 256, height: 1, "aria-hidden": "true" });
      const colors = table(own.colors), context = bar.getContext("2d");
      colors.forEach((color, at) => {
        context.fillStyle = `rgb(${color})`;
        context.fillRect(at, 0, 1, 1);
      });
      this.range.replaceChildren(make("span", {}, own.low), bar, make("span", {}, own.high), make("span", { class: "unit", title: own.unit }, own.unit));
    }

    keys() {
      const { words, errors, designs, labels } = shared.value, { other, truth } = this.layer;
      const key = (color, text, kind = "") => make("span", { class: "key" }, make("i", { style: `background:${color}`, class: kind }), text);
      if (settings.mode === "errors" && truth) return [key(errors.missed, words.missed), key(errors.extra, words.extra, "striped")];
      if (settings.mode !== "truth" && other) {
        return [key("#ffffff", words.agree), key(designs.a, words.onlyA), key(designs.b, words.onlyB, "striped")];
      }
      return labels.map((label, at) => [label, at]).slice(1).map(([label, at]) =>
        make("button", {
          type: "button", class: "key", "aria-pressed": String(!settings.hidden.has(at)),
          onclick: () => { settings.hidden.has(at) ? settings.hidden.delete(at) : settings.hidden.add(at); repaint("prediction"); },
        }, make("i", { style: `background:${label.color}` }, labels.length > 2 ? String(at) : ""), label.title));
    }

    draw() {
      const box = this.plate.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
      if (!box.width || !shared.image) {
        for (const canvas of [this.base, this.over]) canvas.width = canvas.width;
        return;
      }
      for (const canvas of [this.base, this.over]) {
        canvas.width = Math.round(box.width * ratio);
        canvas.height = Math.round(box.height * ratio);
      }
      const own = this.kind === "attention" && this.layer && this.layer.maps[this.parts.gate];
      if (own?.bars) return this.bars(this.over.getContext("2d"), own.bars, own.top);
      const { width, height } = shared.image;
      const scale = Math.min(this.base.width / width, this.base.height / height) * view.zoom;
      this.place = { scale, left: this.base.width / 2 - view.column * scale, top: this.base.height / 2 - view.row * scale };
      const base = this.base.getContext("2d"), over = this.over.getContext("2d");
      const crisp = scale >= 2;
      for (const context of [base, over]) context.imageSmoothingEnabled = !crisp;
      this.lay(base, shared.image.bitmap, 1);
      if (this.painting) this.lay(over, this.painting, own ? own.scale : 1);
      if (this.kind === "field" && this.layer) {
        this.circles(over, ratio);
        this.inset(over, ratio);
      }
      this.cross(over, ratio);
    }

    lay(context, bitmap, pixels) {
      const { scale, left, top } = this.place;
      context.drawImage(bitmap, left, top, bitmap.width * scale * pixels, bitmap.height * scale * pixels);
    }

    // Channels have no place in the image: nothing points at one here.
    bars(context, values, top) {
      this.place = null;
      const { width, height } = context.canvas, style = getComputedStyle(this.element);
      context.fillStyle = style.getPropertyValue("--card");
      context.fillRect(0, 0, width, height);
      context.fillStyle = style.getPropertyValue("--attention");
      const edge = 0.06 * width, each = (width - 2 * edge) / values.length;
      values.forEach((value, at) => {
        const tall = (height - 2 * edge) * (value / top);
        context.fillRect(edge + at * each, height - edge - tall, Math.max(each * 0.86, 1), tall);
      });
      context.fillStyle = style.getPropertyValue("--ink-3");
      context.fillRect(edge, height - edge, width - 2 * edge, 1);
    }

    circles(context, ratio) {
      const { scale, left, top } = this.place, { point, radii, box } = this.layer;
      const x = left + (point[1] + 0.5) * scale, y = top + (point[0] + 0.5) * scale;
      const stroke = (draw, dash = []) => {
        for (const [color, width] of [["rgba(0,0,0,.7)", 3], ["#ffffff", 1.4]]) {
          context.strokeStyle = color;
          context.lineWidth = width * ratio;
          context.setLineDash(dash.map((one) => one * ratio));
          context.beginPath();
          draw();
          context.stroke();
        }
        context.setLineDash([]);
      };
      stroke(() => context.rect(left + box[1] * scale, top + box[0] * scale, (box[3] - box[1] + 1) * scale, (box[2] - box[0] + 1) * scale));
      stroke(() => context.arc(x, y, Math.max(radii[0], 0.5) * scale, 0, 7));
      stroke(() => context.arc(x, y, Math.max(radii[1], 0.5) * scale, 0, 7), [4, 3]);
    }

    // A field too small to see is magnified in the corner away from it.
    inset(context, ratio) {
      const { point, radii } = this.layer, { width, height } = shared.image;
      const reach = 2 * radii[1] + 4, side = 0.4 * context.canvas.width;
      if (view.zoom > 1 || radii[1] > Math.min(width, height) / 8) return;
      const left = point[1] > width / 2 ? 4 * ratio : context.canvas.width - side - 4 * ratio;
      const top = point[0] > height / 2 ? 4 * ratio : context.canvas.height - side - 4 * ratio;
      const kept = this.place, scale = side / (2 * reach);
      context.save();
      context.beginPath();
      context.rect(left, top, side, side);
      context.clip();
      context.fillStyle = "#000";
      context.fillRect(left, top, side, side);
      this.place = { scale, left: left + side / 2 - (point[1] + 0.5) * scale, top: top + side / 2 - (point[0] + 0.5) * scale };
      context.imageSmoothingEnabled = false;
      this.lay(context, shared.image.bitmap, 1);
      this.lay(context, this.painting, 1);
      this.circles(context, ratio);
      context.restore();
      this.place = kept;
      context.strokeStyle = "#ffffff";
      context.lineWidth = ratio;
      context.strokeRect(left, top, side, side);
    }

    cross(context, ratio) {
      const { scale, left, top } = this.place;
      const at = (place, color, open) => {
        if (!place) return;
        const x = left + (place[1] + 0.5) * scale, y = top + (place[0] + 0.5) * scale;
        const { width, height } = context.canvas, gap = open ? 6 * ratio : 0;
        for (const [tone, thick] of [["rgba(0,0,0,.55)", 2.4], [color, 1]]) {
          context.strokeStyle = tone;
          context.lineWidth = thick * ratio;
          context.beginPath();
          for (const [ax, ay, bx, by] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) {
            context.moveTo(ax, ay);
            context.lineTo(bx, by);
          }
          if (open) context.rect(x - gap, y - gap, 2 * gap, 2 * gap);
          context.stroke();
        }
      };
      at(shared.hover, "rgba(255,255,255,.55)", false);
      at(shared.probe, "#ffffff", true);
    }

    // The image's pixel under the pointer, or null beside the image.
    pixel(event) {
      if (!shared.image || !this.place) return null;
      const box = this.over.getBoundingClientRect(), ratio = this.over.width / box.width;
      const column = Math.floor(((event.clientX - box.left) * ratio - this.place.left) / this.place.scale);
      const row = Math.floor(((event.clientY - box.top) * ratio - this.place.top) / this.place.scale);
      return row >= 0 && column >= 0 && row < shared.image.height && column < shared.image.width ? [row, column] : null;
    }

    read(place) {
      if (!place || !this.layer || this.given.state === "refused") return "";
      const [row, column] = place, where = `(${row}, ${column}) `;
      const at = (map, step = 1) => map.data[4 * (Math.min((row / step) | 0, map.height - 1) * map.width + Math.min((column / step) | 0, map.width - 1))];
      if (this.kind === "prediction") {
        const { mask, other, truth } = this.parts, labels = shared.value.labels;
        const named = (map) => labels[at(map)].title;
        const index = 4 * (row * mask.width + column);
        const sure = at(mask) ? this.parts.probability.data[index + Math.min(at(mask), 3) - 1] / 255 : null;
        const own = named(mask) + (sure == null ? "" : ` ${sure.toFixed(2)}`);
        return where + (other ? `A ${named(mask)} · B ${named(other)}` : own) + (truth ? ` · ${shared.value.words.truth}: ${named(truth)}` : "");
      }
      const own = this.kind === "attention" ? this.layer.maps[this.parts.gate] : this.layer;
      if (!this.parts.map) return "";
      const value = at(this.parts.map, own.scale ?? 1) / 255;
      return where + (own.bottom + value * (own.top - own.bottom)).toPrecision(3);
    }

    listen() {
      let held = null;
      this.over.addEventListener("pointerdown", (event) => {
        held = { x: event.clientX, y: event.clientY, row: view.row, column: view.column, moved: false };
        this.over.setPointerCapture(event.pointerId);
      });
      this.over.addEventListener("pointermove", (event) => {
        if (held && Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4 && view.zoom > 1) held.moved = true;
        if (held?.moved && this.place) {
          const ratio = this.over.width / this.over.getBoundingClientRect().width / this.place.scale;
          move(held.row - (event.clientY - held.y) * ratio, held.column - (event.clientX - held.x) * ratio);
        }
        hover(this.pixel(event));
      });
      this.over.addEventListener("pointerleave", () => hover(null));
      this.over.addEventListener("pointerup", (event) => {
        const place = this.pixel(event);
        if (held && !held.moved && place) this.ask(place);
        held = null;
      });
      this.over.addEventListener("dblclick", () => zoom(0));
      this.over.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && document.activeElement !== this.over) return;
        event.preventDefault();
        zoom(event.deltaY < 0 ? 1.25 : 0.8, this.pixel(event));
      }, { passive: false });
      this.over.addEventListener("keydown", (event) => this.key(event));
    }

    key(event) {
      if (!shared.image || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey ? 8 : 1;
      const moves = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] };
      const from = shared.hover ?? shared.probe ?? [shared.image.height >> 1, shared.image.width >> 1];
      if (moves[event.key]) {
        const [row, column] = moves[event.key];
        hover([clamp(from[0] + row, 0, shared.image.height - 1), clamp(from[1] + column, 0, shared.image.width - 1)]);
      } else if (event.key === "Enter" || event.key === " ") this.ask(from);
      else if (event.key === "+" || event.key === "=") zoom(1.25, from);
      else if (event.key === "-") zoom(0.8, from);
      else if (event.key === "0") zoom(0);
      else return;
      event.preventDefault();
    }

    ask(place) {
      shared.probe = place;
      redraw();
      this.trigger("input", { point: place });
    }
  }

  class Toolbar {
    constructor(element, props, trigger, watch) {
      Object.assign(this, { element, props, trigger });
      element.classList.add("viewbar");
      shared.toolbar = this;
      watch("value", () => this.receive());
      this.receive();
    }

    async receive() {
      const given = this.props.value;
      if (!given) return;
      const fresh = given.image?.id !== shared.value?.image?.id;
      shared.value = given;
      shared.probe = given.point ?? null;
      if (fresh) {
        shared.image = null;
        for (const pane of panes.values()) pane.clear();
        const image = given.image && (await decode(given.image.url));
        if (shared.value !== given && shared.value.image?.id !== given.image?.id) return;
        shared.image = image;
        settings.hidden.clear();
        zoom(0);
      }
      this.build();
      for (const pane of panes.values()) pane.paint(), pane.legend();
      document.dispatchEvent(new CustomEvent("unet:image"));
    }

    build() {
      const { words, truth, label, labels } = shared.value;
      document.querySelector("#upload")?.setAttribute("title", words.kinds);
      if (!truth && (settings.mode === "errors" || settings.mode === "truth")) settings.mode = "fill";
      const press = (mode) => make("button", {
        type: "button", "aria-pressed": String(settings.mode === mode), disabled: !truth && (mode === "errors" || mode === "truth"),
        title: !truth && (mode === "errors" || mode === "truth") ? words.noTruth : null,
        onclick: () => setMode(mode),
      }, words[mode]);
      const modes = make("div", { class: "modes", role: "group", "aria-label": words.shown }, ...["contour", "fill", "errors", "truth"].map(press));
      const opacity = make("input", { type: "range", min: 0, max: 100, value: Math.round(100 * settings.opacity), "aria-label": words.opacity });
      opacity.addEventListener("input", () => { settings.opacity = opacity.value / 100; repaint("prediction"); });
      const zooms = make("div", { class: "zooms", role: "group", "aria-label": words.zoom },
        ...[["−", 0.8, words.out], ["+", 1.25, words.in], ["1:1", 0, words.whole]].map(([sign, times, name]) =>
          make("button", { type: "button", "aria-label": name, title: name, onclick: () => zoom(times) }, sign)));
      // On a narrow screen one picture at a time is shown; these buttons choose which.
      const tabs = make("div", { class: "tabs", role: "group", "aria-label": words.title }, ...[...panes].map(([kind, pane]) =>
        make("button", {
          type: "button", "aria-pressed": String(settings.shown === kind),
          onclick: () => { settings.shown = kind; this.build(); redraw(); },
        }, pane.given?.title ?? kind)));
      const whole = make("button", { type: "button", class: "whole", onclick: () => { shared.probe = null; redraw(); this.trigger("input", { whole: true }); } }, words.ask);
      const select = make("select", { "aria-label": words.asked });
      labels.slice(1).forEach((one, at) => select.append(make("option", { value: at + 1 }, one.title)));
      select.value = label;
      select.addEventListener("change", () => this.trigger("input", { label: Number(select.value) }));
      for (const [kind, pane] of panes) pane.element.classList.toggle("shown", settings.shown === kind);
      refill(this.element, ...[
        make("h2", {}, words.title), tabs, modes, make("label", { class: "opacity" }, words.opacity, opacity), zooms, labels.length > 2 ? select : null, whole,
      ].filter(Boolean));
    }
  }

  const redraw = () => panes.forEach((pane) => pane.draw());
  const repaint = (kind) => { panes.get(kind)?.paint(); panes.get(kind)?.legend(); };

  function setMode(mode) {
    settings.mode = mode;
    shared.toolbar?.build();
    repaint("prediction");
  }

  function hover(place) {
    shared.hover = place;
    for (const pane of panes.values()) {
      pane.draw();
      pane.value.textContent = pane.read(place);
    }
  }

  function move(row, column) {
    const { width, height } = shared.image, half = 0.5 / view.zoom;
    view.row = clamp(row, height * half, height * (1 - half));
    view.column = clamp(column, width * half, width * (1 - half));
    redraw();
  }

  function zoom(times, around) {
    if (!shared.image) return;
    const { width, height } = shared.image;
    if (!times) {
      Object.assign(view, { zoom: 1, row: height / 2, column: width / 2 });
      return redraw();
    }
    const before = view.zoom;
    view.zoom = clamp(view.zoom * times, 1, 32);
    const [row, column] = around ?? shared.probe ?? [view.row, view.column];
    move(row + (view.row - row) * (before / view.zoom), column + (view.column - column) * (before / view.zoom));
  }

  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys === "off") return;
    const key = event.key.toLowerCase();
    if (key === "m") setMode({ contour: "fill", fill: shared.value?.truth ? "errors" : "contour", errors: "truth", truth: "contour" }[settings.mode]);
    if (key === "t" && shared.value?.truth) setMode(settings.mode === "truth" ? "fill" : "truth");
  });

  // While the app does not answer, choices wait and what they would replace stays.
  setInterval(async () => {
    if (document.hidden) return;
    const offline = await fetch("gradio_api/app_id", { cache: "no-store" }).then(() => false, () => true);
    document.body.classList.toggle("offline", offline);
    if (offline) document.body.classList.remove("stale");
  }, ASK_MS);

  return {
    mount: (kind, element, props, trigger, watch) =>
      kind === "tools" ? new Toolbar(element, props, trigger, watch) : new Pane(element, props, trigger, watch, kind),
    decode, make, refill, rgb, edges,
    get image() { return shared.image; },
    get value() { return shared.value; },
    get zoom() { return view.zoom; },
  };
})();
