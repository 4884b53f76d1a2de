"use strict";
// Times are seconds from the first sample of the recording; epochs are counted from 0 here and from 1 where shown.
(() => {
  const $ = (id) => document.getElementById(id);
  const night = JSON.parse($("data-night").textContent);
  const { n, epochS, firstS, stages, colours, topDown } = night;
  night.given = night.stage.slice(); // what was staged; a person may correct night.stage
  const END = firstS + n * epochS;
  const LEFT = 72, RIGHT = 62; // margins of all pictures; the style sheet has them too
  const LEAST_SPAN = Math.min(4 * epochS, END - firstS);
  const INK = "#1c2733", SOFT = "#56636f", LINE = "#e4e8ec", RED = "#c62839", AMBER = "#d98200", HEAT = "213,94,0";
  const FONT = getComputedStyle(document.body).fontFamily;
  const VIRIDIS = [
    [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99],
    [170, 220, 50], [253, 231, 37],
  ];
  const low = new Set(night.review), differs = new Set(night.differs);

  const state = { epoch: 0, from: firstS, to: END, half: night.signal.halves.indexOf(night.signal.half) };
  let samples = null, power = null, shares = null, reasons = null; // typed arrays, once unpacked
  let colourTable = null, printing = false;

  // Words and numbers.

  const two = (value) => String(value).padStart(2, "0");
  const count = (value) => value.toLocaleString("en-US");
  const percent = (share) => (share === null ? "–" : `${(100 * share).toFixed(1)} %`);
  // An epoch just below the threshold must not look as if it had reached it.
  const sureness = (epoch) => {
    const value = night.confidence[epoch];
    return low.has(epoch) && percent(value) === percent(night.below) ? `${(100 * value).toFixed(3)} %` : percent(value);
  };
  const known = (code) => code !== null && code < stages.length;
  const onset = (epoch) => firstS + epoch * epochS;
  const within = (value, least, most) => Math.max(least, Math.min(most, value));
  const epochAt = (time) => within(Math.floor((time - firstS) / epochS + 1e-9), 0, n - 1);

  function hms(seconds, withSeconds = true) {
    const whole = Math.round(Math.abs(seconds));
    const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}`;
    return (seconds < 0 && whole ? "−" : "") + text + (withSeconds ? `:${two(whole % 60)}` : "");
  }
  function clock(seconds, withSeconds = true) {
    const day = 86400;
    const whole = (((Math.floor(night.startS + seconds + 1e-6) % day) + day) % day);
    return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}` + (withSeconds ? `:${two(whole % 60)}` : "");
  }
  const when = (seconds, withSeconds = true) =>
    night.startS === null ? `${hms(seconds, withSeconds)} h` : clock(seconds, withSeconds);
  function lasting(seconds) {
    if (seconds < 600) return `${+(seconds / 60).toFixed(1)} min`;
    return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${hms(seconds, false)} h`;
  }
  const shown = (code) => (known(code) ? stages[code] : code === night.movement ? "movement" : "unscored");
  const whyNot = (epoch) => night.unusable[epoch] || "unusable";

  // Pictures of the night.

  function prepare(id) {
    const canvas = $(id), ratio = Math.max(window.devicePixelRatio || 1, printing ? 3 : 1);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    const pixels = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    const c = canvas.getContext("2d");
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = `12px ${FONT}`;
    c.textBaseline = "middle";
    c.lineJoin = "round";
    return { c, width, height, ratio, right: width - RIGHT };
  }
  const xOf = (p, time) => LEFT + ((time - state.from) / (state.to - state.from)) * (p.right - LEFT);

  function text(p, words, x, y, { colour = SOFT, align = "left", size = 12, bold = false } = {}) {
    p.c.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
    p.c.fillStyle = colour;
    p.c.textAlign = align;
    p.c.fillText(words, x, y);
  }
  function title(p, words, top, bottom) {
    p.c.save();
    p.c.translate(12, (top + bottom) / 2);
    p.c.rotate(-Math.PI / 2);
    text(p, words, 0, 0, { align: "center", size: 11.5 });
    p.c.restore();
  }
  function frame(p, top, bottom) {
    p.c.strokeStyle = "#cbd3da";
    p.c.lineWidth = 1;
    p.c.strokeRect(LEFT - 0.5, top - 0.5, p.right - LEFT + 1, bottom - top + 1);
  }
  function clipped(p, top, bottom, draw) {
    p.c.save();
    p.c.beginPath();
    p.c.rect(LEFT, top, p.right - LEFT, bottom - top);
    p.c.clip();
    draw();
    p.c.restore();
  }

  const hatchings = new Map();
  function hatching(p) {
    if (!hatchings.has(p.ratio)) {
      const side = Math.round(8 * p.ratio), tile = document.createElement("canvas");
      tile.width = tile.height = side;
      const c = tile.getContext("2d");
      c.fillStyle = "#eef1f3";
      c.fillRect(0, 0, side, side);
      c.strokeStyle = "#b9c2ca";
      c.lineWidth = p.ratio;
      for (const shift of [-side, 0, side]) {
        c.beginPath();
        c.moveTo(shift - 1, side + 1);
        c.lineTo(shift + side + 1, -1);
        c.stroke();
      }
      hatchings.set(p.ratio, tile);
    }
    const pattern = p.c.createPattern(hatchings.get(p.ratio), "repeat");
    pattern.setTransform(new DOMMatrix([1 / p.ratio, 0, 0, 1 / p.ratio, 0, 0]));
    return pattern;
  }
  function hatch(p, x, width, top, bottom, reason) {
    p.c.fillStyle = hatching(p);
    p.c.fillRect(x, top, Math.max(1, width), bottom - top);
    if (!reason) return;
    const left = Math.max(x, LEFT), right = Math.min(x + width, p.right);
    p.c.font = `11.5px ${FONT}`;
    const needed = p.c.measureText(reason).width + 10;
    if (right - left < needed) return;
    p.c.fillStyle = "rgba(255,255,255,.88)";
    p.c.fillRect((left + right - needed) / 2, (top + bottom) / 2 - 9, needed, 18);
    text(p, reason, (left + right) / 2, (top + bottom) / 2, { align: "center", size: 11.5, colour: INK });
  }

  // Calls draw(left, right, first, afterLast) for each column of dots, or for each epoch where it is wider than a dot.
  function columns(p, draw) {
    const left = Math.round(LEFT * p.ratio), right = Math.round(p.right * p.ratio);
    const perDot = (state.to - state.from) / (right - left);
    const place = (time) => left + (time - state.from) / perDot;
    if (perDot <= epochS) {
      for (let epoch = epochAt(state.from); epoch <= epochAt(state.to - 1e-6); epoch += 1) {
        const a = Math.max(left, Math.round(place(onset(epoch)))), b = Math.min(right, Math.round(place(onset(epoch + 1))));
        if (b > a) draw(a, b, epoch, epoch + 1);
      }
      return;
    }
    for (let dot = left; dot < right; dot += 1) {
      const time = state.from + (dot - left) * perDot;
      const first = epochAt(time);
      draw(dot, dot + 1, first, Math.max(first + 1, Math.min(n, Math.floor((time + perDot - firstS) / epochS + 1e-9))));
    }
  }

  // Runs of equal codes in view: [code, first, afterLast, reason].
  function runs(codes, reasonOf) {
    const found = [];
    const last = epochAt(state.to - 1e-6);
    for (let epoch = Math.max(0, epochAt(state.from) - 1); epoch <= Math.min(n - 1, last + 1); epoch += 1) {
      const code = codes[epoch], reason = known(code) ? "" : reasonOf(epoch), before = found[found.length - 1];
      if (before && before[0] === code && before[3] === reason) before[2] = epoch + 1;
      else found.push([code, epoch, epoch + 1, reason]);
    }
    return found;
  }

  function ticks() {
    const wanted = (state.to - state.from) / Math.max(2, ($("axis").clientWidth - LEFT - RIGHT) / 90);
    const step = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600].find((one) => one >= wanted) || 43200;
    const along = (zero) => {
      const found = [];
      for (let k = Math.ceil((state.from + zero) / step - 1e-9); k * step - zero <= state.to + 1e-6; k += 1) found.push(k * step - zero);
      return found;
    };
    return { step, clock: night.startS === null ? [] : along(night.startS), elapsed: along(0) };
  }
  function grid(p, top, bottom) {
    const { clock: byClock, elapsed } = ticks();
    p.c.fillStyle = LINE;
    for (const time of night.startS === null ? elapsed : byClock) p.c.fillRect(Math.round(xOf(p, time)), top, 1, bottom - top);
  }
  // Outside of lights off to lights on is greyed where that spoils no colours; the lines are everywhere.
  function lights(p, top, bottom, grey = true) {
    clipped(p, top, bottom, () => {
      const [off, on] = night.lights;
      for (const [time, left, right] of [[off, firstS, off], [on, on, END]]) {
        if (time === null) continue;
        if (grey && right > left) {
          p.c.fillStyle = "rgba(70,84,98,.10)";
          p.c.fillRect(xOf(p, left), top, xOf(p, right) - xOf(p, left), bottom - top);
        }
        p.c.strokeStyle = grey ? "#6b5a1e" : "rgba(255,255,255,.9)";
        p.c.lineWidth = 1;
        p.c.setLineDash([4, 3]);
        p.c.beginPath();
        p.c.moveTo(Math.round(xOf(p, time)) + 0.5, top);
        p.c.lineTo(Math.round(xOf(p, time)) + 0.5, bottom);
        p.c.stroke();
        p.c.setLineDash([]);
      }
    });
  }

  function drawMarks() {
    const p = prepare("marks");
    text(p, "", 0, 0);
    let free = LEFT;
    for (const [name, time, sign] of [["lights off", night.lights[0], "◐"], ["lights on", night.lights[1], "○"]]) {
      if (time === null) continue;
      const words = `${sign} ${name} ${when(time, false)}`;
      const width = p.c.measureText(words).width;
      let x = xOf(p, time);
      if (time < state.from - 1e-6 || time > state.to + 1e-6) continue;
      x = within(x - 4, free, p.right - width);
      text(p, words, x, 9, { colour: "#6b5a1e" });
      free = x + width + 12;
    }
  }

  function drawHypnogram(p, codes, reasonOf, top, bottom, words) {
    const step = (bottom - top) / topDown.length;
    const level = (code) => top + (topDown.indexOf(code) + 0.5) * step;
    grid(p, top, bottom);
    for (const code of topDown) {
      p.c.fillStyle = "#f0f2f4";
      p.c.fillRect(LEFT, Math.round(level(code)), p.right - LEFT, 1);
      text(p, stages[code], LEFT - 8, level(code), { align: "right", colour: INK });
    }
    clipped(p, top, bottom, () => {
      const found = runs(codes, reasonOf);
      p.c.fillStyle = "#8b97a2";
      found.forEach(([code, first], place) => {
        const before = found[place - 1];
        if (!before || !known(code) || !known(before[0])) return;
        const ys = [level(before[0]), level(code)].sort((a, b) => a - b);
        p.c.fillRect(xOf(p, onset(first)) - 0.5, ys[0], 1, ys[1] - ys[0]);
      });
      for (const [code, first, after, reason] of found) {
        const x = xOf(p, onset(first)), width = xOf(p, onset(after)) - x;
        if (!known(code)) {
          hatch(p, x, width, top, bottom, reason);
          continue;
        }
        const thick = stages[code] === "R" ? 7 : 4;
        p.c.fillStyle = colours[code];
        p.c.fillRect(x - 0.25, level(code) - thick / 2, Math.max(1, width + 0.5), thick);
      }
    });
    lights(p, top, bottom);
    frame(p, top, bottom);
    title(p, words, top, bottom);
  }

  function drawHuman() {
    if (!night.human) return;
    const p = prepare("human");
    const top = 16, bottom = p.height - 4;
    clipped(p, 3, 11, () => {
      p.c.fillStyle = "#f7eaeb";
      p.c.fillRect(LEFT, 3, p.right - LEFT, 8);
      p.c.fillStyle = RED;
      columns(p, (a, b, first, after) => {
        let any = false;
        for (let epoch = first; epoch < after; epoch += 1) any = any || differs.has(epoch);
        if (any) p.c.fillRect(a / p.ratio, 3, (b - a) / p.ratio, 8);
      });
    });
    text(p, "differs", LEFT - 8, 7.5, { align: "right", size: 11, colour: RED });
    text(p, count(night.differs.length), p.right + 6, 7.5, { size: 11, colour: RED });
    drawHypnogram(p, night.human, (epoch) => shown(night.human[epoch]), top, bottom, "human");
  }

  function drawHypnodensity() {
    const p = prepare("hypnodensity");
    const top = 4, bottom = p.height - 4;
    const [up, down] = [Math.round(top * p.ratio), Math.round(bottom * p.ratio)];
    p.c.save();
    p.c.setTransform(1, 0, 0, 1, 0, 0);
    const empty = [];
    columns(p, (a, b, first, after) => {
      const mean = stages.map(() => 0);
      let found = 0;
      for (let epoch = first; epoch < after; epoch += 1) {
        if (!known(night.given[epoch])) continue;
        found += 1;
        night.probability[epoch].forEach((value, code) => { mean[code] += value; });
      }
      if (!found) {
        empty.push([a, b]);
        return;
      }
      let sum = 0, y = up;
      for (const code of topDown) {
        sum += mean[code] / found;
        const next = code === topDown[topDown.length - 1] ? down : up + Math.round(sum * (down - up));
        p.c.fillStyle = colours[code];
        if (next > y) p.c.fillRect(a, y, b - a, next - y);
        y = next;
      }
    });
    p.c.restore();
    for (const [a, b] of empty) hatch(p, a / p.ratio, (b - a) / p.ratio, top, bottom, "");
    lights(p, top, bottom, false);
    frame(p, top, bottom);
    title(p, "probability", top, bottom);
    [["1", top + 5], ["0.5", (top + bottom) / 2], ["0", bottom - 5]].forEach(([words, y]) =>
      text(p, words, LEFT - 8, y, { align: "right", size: 11 }));
    const step = (bottom - top) / topDown.length;
    topDown.forEach((code, place) => {
      const y = top + (place + 0.5) * step;
      p.c.fillStyle = colours[code];
      p.c.fillRect(p.right + 8, y - 5, 10, 10);
      text(p, stages[code], p.right + 24, y, { colour: INK, size: 11.5 });
    });
  }

  function viridis(share) {
    const place = share * (VIRIDIS.length - 1), below = Math.min(VIRIDIS.length - 2, Math.floor(place));
    return VIRIDIS[below].map((value, i) => Math.round(value + (VIRIDIS[below + 1][i] - value) * (place - below)));
  }
  function tableOfColours() {
    colourTable = new Uint32Array(256); // bytes in memory: red, green, blue, alpha
    const bytes = new Uint8Array(colourTable.buffer);
    for (let level = 1; level < 256; level += 1) bytes.set([...viridis((level - 1) / 254), 255], 4 * level);
  }
  function drawSpectrogram() {
    const p = prepare("spectrogram"), about = night.spectrogram;
    const top = 4, bottom = p.height - 4;
    const left = Math.round(LEFT * p.ratio), right = Math.round(p.right * p.ratio);
    const highHz = about.lowHz + about.rows * about.stepHz;
    if (power) {
      const width = right - left, nColumns = n * about.perEpoch;
      const image = new ImageData(width, about.rows), words = new Uint32Array(image.data.buffer);
      const perDot = ((state.to - state.from) / width) * (about.perEpoch / epochS);
      const begin = ((state.from - firstS) / epochS) * about.perEpoch;
      for (let dot = 0; dot < width; dot += 1) {
        const first = within(Math.floor(begin + dot * perDot + 1e-9), 0, nColumns - 1);
        const after = within(Math.floor(begin + (dot + 1) * perDot + 1e-9), first + 1, nColumns);
        for (let row = 0; row < about.rows; row += 1) {
          let sum = 0, found = 0;
          for (let at = row * nColumns + first; at < row * nColumns + after; at += 1) {
            if (power[at]) { sum += power[at]; found += 1; }
          }
          words[(about.rows - 1 - row) * width + dot] = found ? colourTable[Math.round(sum / found)] : 0;
        }
      }
      const small = document.createElement("canvas");
      [small.width, small.height] = [width, about.rows];
      small.getContext("2d").putImageData(image, 0, 0);
      hatch(p, LEFT, p.right - LEFT, top, bottom, ""); // seen where there is no value
      p.c.save();
      p.c.setTransform(1, 0, 0, 1, 0, 0);
      p.c.imageSmoothingEnabled = false;
      p.c.drawImage(small, left, Math.round(top * p.ratio), width, Math.round((bottom - top) * p.ratio));
      p.c.restore();
    } else waiting(p, top, bottom);
    lights(p, top, bottom, false);
    frame(p, top, bottom);
    title(p, "Hz", top, bottom);
    const y = (hz) => bottom - ((hz - about.lowHz) / (highHz - about.lowHz)) * (bottom - top);
    let free = -Infinity;
    for (const hz of bottom - top > 90 ? [30, 25, 20, 15, 10, 5] : [30, 20, 10]) {
      const at = within(y(hz), top + 5, bottom - 5);
      if (hz > highHz + 1e-6 || at < free) continue;
      p.c.fillStyle = "#9aa5af";
      p.c.fillRect(LEFT - 4, Math.round(y(hz)), 3, 1);
      text(p, String(hz), LEFT - 8, at, { align: "right", size: 11 });
      free = at + 11;
    }
    const ramp = p.c.createLinearGradient(0, bottom, 0, top);
    VIRIDIS.forEach((rgb, place) => ramp.addColorStop(place / (VIRIDIS.length - 1), `rgb(${rgb.join(",")})`));
    p.c.fillStyle = ramp;
    p.c.fillRect(p.right + 8, top, 8, bottom - top);
    text(p, String(about.highDb).replace("-", "−"), p.right + 20, top + 5, { size: 11 });
    text(p, "dB", p.right + 20, (top + bottom) / 2, { size: 11 });
    text(p, String(about.lowDb).replace("-", "−"), p.right + 20, bottom - 5, { size: 11 });
  }

  function drawConfidence() {
    const p = prepare("confidence");
    const top = 4, bottom = p.height - 4;
    const y = (share) => bottom - share * (bottom - top);
    grid(p, top, bottom);
    const empty = [];
    const lined = (p.right - LEFT) * epochS >= 3 * (state.to - state.from); // below, lines would be a cloud of dots
    columns(p, (a, b, first, after) => {
      let sum = 0, found = 0, least = 2, isLow = false;
      for (let epoch = first; epoch < after; epoch += 1) {
        const value = night.confidence[epoch];
        if (value === null) continue;
        sum += value;
        found += 1;
        least = Math.min(least, value);
        isLow = isLow || low.has(epoch);
      }
      const x = a / p.ratio, width = (b - a) / p.ratio;
      if (!found) {
        empty.push([x, width]);
        return;
      }
      const height = isLow ? least : sum / found; // a low epoch must not drown in a column of sure ones
      p.c.fillStyle = isLow ? "#f6c878" : "#c9d6e2";
      p.c.fillRect(x, y(height), width, bottom - y(height));
      if (!lined) return;
      p.c.fillStyle = isLow ? AMBER : "#5f7d99";
      p.c.fillRect(x, y(height), width, 1.5);
    });
    for (const [x, width] of empty) hatch(p, x, width, top, bottom, "");
    p.c.strokeStyle = AMBER;
    p.c.setLineDash([5, 3]);
    p.c.beginPath();
    p.c.moveTo(LEFT, y(night.below));
    p.c.lineTo(p.right, y(night.below));
    p.c.stroke();
    p.c.setLineDash([]);
    lights(p, top, bottom);
    frame(p, top, bottom);
    title(p, "confidence", top, bottom);
    [["1", top + 5], ["0.5", y(0.5)], ["0", bottom - 5]].forEach(([words, at]) =>
      text(p, words, LEFT - 8, at, { align: "right", size: 11 }));
    const at = within(y(night.below), top + 12, bottom - 12);
    text(p, "review", p.right + 6, at - 6, { size: 11, colour: "#8a4b00" });
    text(p, `< ${+night.below.toFixed(3)}`, p.right + 6, at + 6, { size: 11, colour: "#8a4b00" });
  }

  function drawAxis() {
    const p = prepare("axis");
    const { step, clock: byClock, elapsed } = ticks();
    const row = (times, y, words, name, colour, unit) => {
      text(p, name, 8, y, { size: 11 });
      let free = 8 + p.c.measureText(name).width + 4;
      for (const time of times) {
        const x = xOf(p, time);
        p.c.fillStyle = "#9aa5af";
        if (y < 20) p.c.fillRect(Math.round(x), 0, 1, 4);
        const label = words(time), width = p.c.measureText(label).width;
        if (x - width / 2 < free || x + width / 2 > p.width - 2) continue;
        text(p, label, x, y, { align: "center", colour });
        free = x + width / 2 + 8;
      }
      p.c.font = `11px ${FONT}`;
      if (free + p.c.measureText(unit).width < p.width - 4) text(p, unit, p.width - 4, y, { align: "right", size: 11 });
    };
    if (night.startS !== null) row(byClock, 12, (time) => clock(time, step < 60), "clock", INK, "");
    row(elapsed, night.startS === null ? 12 : 27, (time) => hms(time, step < 60), "elapsed", night.startS === null ? INK : SOFT, step < 60 ? "h:min:s" : "h:min");
  }

  function waiting(p, top, bottom) {
    text(p, canUnpack ? "unpacking …" : "not shown by this browser", (LEFT + p.right) / 2, (top + bottom) / 2, { align: "center" });
  }

  function placeCursor() {
    const box = $("nights").clientWidth, p = { right: box - RIGHT };
    const a = xOf(p, onset(state.epoch)), b = xOf(p, onset(state.epoch + 1));
    const left = within(a, LEFT, p.right), right = within(b, LEFT, p.right);
    $("cursor").hidden = right <= left;
    $("cursor").style.left = `${(100 * left) / box}%`;
    $("cursor").style.width = `${(100 * (right - left)) / box}%`;
    const share = (time) => (100 * (time - firstS)) / (END - firstS);
    $("thumb").style.left = `${share(state.from)}%`;
    $("thumb").style.width = `${share(state.to) - share(state.from)}%`;
    const whole = isWhole();
    $("track").hidden = whole;
    $("span").textContent = whole
      ? `all ${lasting(END - firstS)}`
      : `${when(state.from, false)} – ${when(state.to, false)} (${lasting(state.to - state.from)})`;
    button("out").disabled = button("all").disabled = whole;
    button("in").disabled = state.to - state.from <= LEAST_SPAN + 1e-6;
    Object.assign($("nights").dataset, { from: state.from, to: state.to });
  }

  function drawNight() {
    drawMarks();
    const p = prepare("hypnogram");
    drawHypnogram(p, night.stage, whyNot, 4, p.height - 4, night.human ? "hypnolens" : "stage");
    drawHuman();
    drawHypnodensity();
    drawSpectrogram();
    drawConfidence();
    drawAxis();
    placeCursor();
  }

  // The selected epoch.

  const eventsOf = (epoch) => {
    const a = onset(epoch), b = onset(epoch + 1);
    return night.events.filter(([begin, length]) => begin < b && begin + length > a);
  };
  const SIGNAL = { top: 62, strip: 34, foot: 24 }; // heights: lanes of events, attribution, axis
  function signalPlaces(p) {
    const foot = p.height - SIGNAL.foot;
    if (!night.maps) return { top: SIGNAL.top, bottom: foot, strip: foot, foot };
    return { top: SIGNAL.top, bottom: foot - SIGNAL.strip - 8, strip: foot - SIGNAL.strip, foot };
  }
  const secondsX = (p, seconds) => LEFT + (seconds / epochS) * (p.right - LEFT);
  function samplesOf(epoch) {
    const about = night.signal;
    const raw = samples.subarray(epoch * about.samples, (epoch + 1) * about.samples);
    return Float64Array.from(raw, (value) => (value === about.gap ? NaN : value * about.stepUv));
  }
  // The middle of the scale: zero, unless the epoch lies far from it.
  function middle(values, half) {
    const sorted = values.filter((value) => !Number.isNaN(value)).sort();
    if (!sorted.length) return 0;
    const median = sorted[Math.floor(sorted.length / 2)];
    return Math.abs(median) > half / 3 ? Math.round(median / (half / 5)) * (half / 5) : 0;
  }
  const sharesOf = (epoch) => shares && shares.subarray(epoch * night.maps.bins, (epoch + 1) * night.maps.bins);
  const microvolts = (value) => String(+value.toFixed(1)).replace("-", "−");

  function drawSignal() {
    const p = prepare("signal"), c = p.c, { top, bottom, strip, foot } = signalPlaces(p);
    const half = night.signal.halves[state.half];
    for (let second = 0; second <= epochS; second += 1) {
      c.fillStyle = second % 5 ? "#eff2f4" : "#d5dce2";
      c.fillRect(Math.round(secondsX(p, second)), top, 1, foot - top);
    }
    const map = sharesOf(state.epoch);
    const hasMap = Boolean(map) && night.maps.peak[state.epoch] !== null;
    if (hasMap) {
      clipped(p, 0, foot, () => {
        const { bins, none, whole } = night.maps;
        c.save();
        c.setTransform(1, 0, 0, 1, 0, 0);
        const dot = (bin) => Math.round(secondsX(p, (bin / bins) * epochS) * p.ratio);
        const y = (value) => Math.round(value * p.ratio);
        for (let bin = 0; bin < bins; bin += 1) {
          if (map[bin] === none || !map[bin]) continue;
          const share = map[bin] / whole, height = share * (foot - strip - 2);
          c.fillStyle = `rgba(${HEAT},${(0.46 * share).toFixed(3)})`;
          c.fillRect(dot(bin), y(top), dot(bin + 1) - dot(bin), y(bottom) - y(top));
          c.fillStyle = `rgba(${HEAT},.75)`;
          c.fillRect(dot(bin), y(foot - height), dot(bin + 1) - dot(bin), y(foot) - y(foot - height));
        }
        c.restore();
      });
    }
    let centre = 0;
    const found = eventsOf(state.epoch);
    $("beyond").textContent = "";
    if (samples) {
      const values = samplesOf(state.epoch);
      centre = middle(values, half);
      const y = (value) => (top + bottom) / 2 - ((value - centre) / half) * ((bottom - top) / 2);
      const x = (place) => secondsX(p, (place / night.signal.samples) * epochS);
      c.fillStyle = "#c5cdd5";
      for (const part of [-1, -0.5, 0, 0.5, 1]) {
        const at = y(centre + part * half);
        c.fillStyle = part ? "#e3e8ec" : "#c5cdd5";
        if (Math.abs(part) < 1) c.fillRect(LEFT, Math.round(at), p.right - LEFT, 1);
        text(p, microvolts(centre + part * half), LEFT - 8, within(at, top + 6, bottom - 6), { align: "right", size: 11.5, colour: INK });
      }
      if (half >= 40 && half <= 200) { // the criterion of slow waves: 75 µV from peak to peak
        c.strokeStyle = "#8d99a4";
        c.setLineDash([2, 4]);
        for (const level of [-37.5, 37.5]) {
          c.beginPath();
          c.moveTo(LEFT, Math.round(y(centre + level)) + 0.5);
          c.lineTo(p.right, Math.round(y(centre + level)) + 0.5);
          c.stroke();
        }
        c.setLineDash([]);
        c.fillStyle = "#8d99a4";
        const [a, b] = [y(centre + 37.5), y(centre - 37.5)];
        c.fillRect(p.right + 6, a, 5, 1);
        c.fillRect(p.right + 6, b, 5, 1);
        c.fillRect(p.right + 10, a, 1, b - a);
        text(p, "75 µV", p.right + 15, (a + b) / 2, { size: 11.5 });
      }
      drawBoxes(p, found, values, x, y, top, bottom);
      clipped(p, top, bottom, () => {
        c.strokeStyle = INK;
        c.lineWidth = 1.05;
        c.beginPath();
        let pen = false;
        for (let place = 0; place < values.length; place += 1) {
          if (Number.isNaN(values[place])) { pen = false; continue; }
          if (pen) c.lineTo(x(place), y(values[place]));
          else c.moveTo(x(place), y(values[place]));
          pen = true;
        }
        c.stroke();
        c.fillStyle = RED; // where the trace leaves the picture
        for (let place = 0; place < values.length; place += 1) {
          if (values[place] - centre > half) c.fillRect(x(place), top, 2, 3);
          if (values[place] - centre < -half) c.fillRect(x(place), bottom - 3, 2, 3);
        }
      });
      let least = Infinity, most = -Infinity;
      for (const value of values) if (!Number.isNaN(value)) { least = Math.min(least, value); most = Math.max(most, value); }
      if (most - centre > half || least - centre < -half) {
        $("beyond").textContent = `reaches beyond the scale: ${microvolts(least)} to ${microvolts(most)} µV`;
      }
    } else {
      waiting(p, top, bottom);
    }
    drawLabels(p, found, top);
    if (!known(night.stage[state.epoch])) {
      const words = `unusable: ${whyNot(state.epoch)}`;
      c.font = `600 12px ${FONT}`;
      hatch(p, LEFT, p.right - LEFT, top - 20, top - 4, words);
    }
    frame(p, top, bottom);
    title(p, "µV", top, bottom);
    if (night.maps) {
      frame(p, strip, foot);
      text(p, "attri-", LEFT - 8, (strip + foot) / 2 - 6, { align: "right", size: 11 });
      text(p, "bution", LEFT - 8, (strip + foot) / 2 + 6, { align: "right", size: 11 });
      text(p, "1", p.right + 6, strip + 5, { size: 11 });
      text(p, "0", p.right + 6, foot - 5, { size: 11 });
    }
    if (map && !hasMap) text(p, "no attribution for this epoch", (LEFT + p.right) / 2, (strip + foot) / 2, { align: "center", size: 11.5 });
    else if (hasMap && !night.maps.peak[state.epoch]) text(p, "nothing in this epoch speaks for its stage", (LEFT + p.right) / 2, (strip + foot) / 2, { align: "center", size: 11.5 });
    for (let second = 0; second <= epochS; second += 5) {
      text(p, String(second), secondsX(p, second), foot + 12, { align: "center", colour: INK });
    }
    text(p, "s", p.right + 16, foot + 12);
  }

  // Where an event is in the epoch: [left, right], and whether it begins and ends in it.
  function reach(p, [begin, length]) {
    const from = begin - onset(state.epoch), to = from + length;
    return [secondsX(p, Math.max(0, from)), secondsX(p, Math.min(epochS, to)), from >= 0, to <= epochS];
  }
  function drawBoxes(p, found, values, x, y, top, bottom) {
    for (const event of found) {
      const [left, right, begins, ends] = reach(p, event);
      let least = Infinity, most = -Infinity;
      for (let place = 0; place < values.length; place += 1) {
        if (x(place) >= left && x(place) <= right && !Number.isNaN(values[place])) {
          least = Math.min(least, values[place]);
          most = Math.max(most, values[place]);
        }
      }
      if (least > most) continue;
      const up = within(y(most) - 5, top + 1, bottom - 2), down = within(y(least) + 5, top + 2, bottom - 1);
      const colour = night.kinds[event[2]][2];
      p.c.globalAlpha = 0.07;
      p.c.fillStyle = colour;
      p.c.fillRect(left, up, right - left, down - up);
      p.c.globalAlpha = 0.75;
      p.c.strokeStyle = colour;
      p.c.lineWidth = 1;
      p.c.beginPath(); // open where it goes on in the epoch beside
      p.c.moveTo(left, up);
      p.c.lineTo(right, up);
      if (ends) p.c.lineTo(right, down);
      else p.c.moveTo(right, down);
      p.c.lineTo(left, down);
      if (begins) p.c.lineTo(left, up);
      p.c.stroke();
      p.c.globalAlpha = 1;
    }
  }
  // Labels above, in lanes, so that none covers another; those that find no room are without (the box stays).
  function drawLabels(p, found, top) {
    const lanes = [LEFT, LEFT, LEFT], height = 16;
    p.c.font = `11.5px ${FONT}`;
    for (const event of found) {
      const [left, right] = reach(p, event), [name, short, colour] = night.kinds[event[2]];
      let placed = false;
      for (const words of [name, short]) {
        const width = Math.max(right - left, p.c.measureText(words).width + 8);
        const x = Math.min(left, p.right - width);
        const lane = lanes.findIndex((free) => x >= free);
        if (lane < 0) continue;
        const y = top - 3 - height * (lane + 1);
        p.c.fillStyle = colour;
        p.c.globalAlpha = 0.14;
        p.c.fillRect(x, y, width, height - 3);
        p.c.globalAlpha = 1;
        p.c.fillRect(left, y + height - 4, Math.max(2, right - left), 2);
        text(p, words, x + 4, y + 6, { colour, size: 11.5 });
        lanes[lane] = x + width + 3;
        placed = true;
        break;
      }
      if (!placed) {
        p.c.fillStyle = colour;
        p.c.fillRect(left, top - 4, Math.max(2, right - left), 3);
      }
    }
  }

  function element(tag, className, words) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (words !== undefined) made.textContent = words;
    return made;
  }
  const stageClass = (code) => `stage s-${known(code) ? stages[code] : "none"}`;

  function describe() {
    const epoch = state.epoch, code = night.stage[epoch], was = night.given[epoch];
    const time = $("side-time");
    time.replaceChildren(element("b", "", `Epoch ${count(epoch + 1)}`), ` of ${count(n)}`, element("br"));
    if (night.startS !== null) time.append(clock(onset(epoch)), element("br"));
    time.append(`${hms(onset(epoch))} h from the start`);
    $("trace-title").textContent = `${night.channel}${night.nChannels > 1 ? ` (first of ${night.nChannels} channels)` : ""} · 30 s from ${when(onset(epoch))}`;
    $("badge").className = stageClass(code);
    $("badge").textContent = known(code) ? stages[code] : "–";
    const verdict = $("verdict");
    if (code !== was) {
      verdict.replaceChildren(element("b", "", "corrected"), ` from ${known(was) ? `${stages[was]} (${sureness(epoch)})` : "no stage"}`);
    } else if (known(code)) {
      verdict.replaceChildren(element("b", "", sureness(epoch)), " confidence");
      if (low.has(epoch)) verdict.append(element("span", "low", "low: look at it"));
    } else verdict.replaceChildren(element("span", "low", `unusable: ${whyNot(epoch)}`));
    $("bars").replaceChildren(...topDown.map((one) => {
      const share = night.probability[epoch][one];
      const bar = element("div", "bar"), rail = element("span", "rail"), fill = element("span", `fill s-${stages[one]}`);
      fill.style.width = `${100 * (share || 0)}%`;
      rail.append(fill);
      const number = element("span", "number", percent(share));
      number.dataset.stage = stages[one];
      bar.append(element("b", "", stages[one]), rail, number);
      return bar;
    }));
    const human = $("side-human");
    human.hidden = !night.human;
    if (night.human) {
      const theirs = night.human[epoch];
      human.replaceChildren("human: ", element("span", stageClass(theirs), known(theirs) ? stages[theirs] : shown(theirs)), " ");
      if (known(theirs) && known(code)) {
        human.append(theirs === code ? element("span", "agrees", "agrees") : element("span", "differs", "differs"));
      }
    }
    const counts = new Map();
    for (const [, , kind] of eventsOf(epoch)) counts.set(kind, (counts.get(kind) || 0) + 1);
    const events = [...counts].sort((a, b) => a[0] - b[0]).map(([kind, many]) => `${many} × ${night.kinds[kind][0]}`);
    $("side-events").textContent = `events: ${events.join(", ") || "none found"}`;
    if (night.maps) {
      const peak = night.maps.peak[epoch];
      $("peak").textContent = peak ? `The epoch's maximum adds ${peak.toPrecision(3)} to the log-odds of ${shown(was)}.` : "";
    }
    drawWhy();
    $("of").textContent = `of ${count(n)}`;
    if (document.activeElement !== $("jump")) $("jump").value = String(epoch + 1);
    $("nights").dataset.epoch = String(epoch + 1);
    document.querySelectorAll("tr.here").forEach((row) => row.classList.remove("here"));
    document.querySelectorAll(`.go[data-epoch="${epoch}"]`).forEach((one) => one.closest("tr").classList.add("here"));
    clearTimeout(describe.timer);
    describe.timer = setTimeout(() => {
      $("spoken").textContent = `Epoch ${epoch + 1}, ${when(onset(epoch))}, ${known(code) ? `${stages[code]}, ${sureness(epoch)}` : `unusable, ${whyNot(epoch)}`}`;
      // Not at once: browsers refuse many changes of the address in a row.
      try { history.replaceState(null, "", `#epoch=${epoch + 1}`); } catch { /* the address stays as it is */ }
    }, 250);
    drawAround();
  }

  // Why this stage and not the next one: what each feature adds to the log-odds between the two.
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  function reasonsOf(epoch) {
    const { features, step, none, levelStep } = night.reasons, n_ = features.length;
    const view = new DataView(reasons.buffer, reasons.byteOffset);
    return features.map(([words, group], place) => {
      const share = step * view.getInt16(2 * (epoch * n_ + place), true);
      const level = view.getInt8(2 * n * n_ + epoch * n_ + place);
      return { words, group, share, level: level === none ? null : level * levelStep };
    });
  }
  function levelWords(level) {
    if (level === null) return "";
    if (Math.abs(level) < 0.05) return ", at the night's median";
    return `, ${Math.abs(level).toFixed(1)} SD ${level < 0 ? "below" : "above"} the night's median`;
  }
  function whyBar(words, value, most) {
    const row = element("div", "why"), rail = element("span", "rail"), fill = element("span", value < 0 ? "fill against" : "fill for");
    fill.style.width = `${(50 * Math.abs(value)) / most}%`;
    fill.style[value < 0 ? "right" : "left"] = "50%";
    rail.append(fill);
    row.append(element("span", "words", words), rail, element("span", "number", signed(value)));
    return row;
  }
  function drawWhy() {
    if (!night.reasons || !reasons) return;
    const epoch = state.epoch, code = night.given[epoch], second = night.reasons.second[epoch];
    if (!known(code) || second < 0) {
      $("why-title").textContent = "no stage, no reasons";
      $("why-groups").replaceChildren();
      $("why-features").replaceChildren();
      return;
    }
    const each = reasonsOf(epoch), base = night.reasons.base[epoch];
    const total = each.reduce((sum, one) => sum + one.share, base);
    $("why-title").textContent = `Why ${stages[code]} and not ${stages[second]}: log-odds ${signed(total)}`;
    const groups = night.reasons.groups.map((group) => [group, each.filter((one) => one.group === group).reduce((sum, one) => sum + one.share, 0)]);
    groups.push(["of any epoch", base]);
    const first = each.slice().sort((a, b) => Math.abs(b.share) - Math.abs(a.share)).slice(0, night.reasons.shown);
    const most = Math.max(1e-9, ...groups.map(([, value]) => Math.abs(value)), ...first.map((one) => Math.abs(one.share)));
    $("why-groups").replaceChildren(...groups.map(([group, value]) => whyBar(group, value, most)));
    $("why-features").replaceChildren(...first.map((one) => whyBar(`${one.words}${levelWords(one.level)} (${one.group})`, one.share, most)));
  }

  const AROUND = 9;
  function drawAround() {
    const tiles = [];
    for (let epoch = state.epoch - AROUND; epoch <= state.epoch + AROUND; epoch += 1) {
      if (epoch < 0 || epoch >= n) {
        tiles.push(element("span"));
        continue;
      }
      const code = night.stage[epoch], one = element("button");
      one.type = "button";
      one.tabIndex = -1; // arrow keys do the same
      one.dataset.epoch = String(epoch);
      one.classList.toggle("here", epoch === state.epoch);
      one.classList.toggle("low", low.has(epoch));
      one.append(element("span", stageClass(code), known(code) ? stages[code] : "–"));
      if (night.human) {
        const theirs = night.human[epoch];
        one.append(element("span", `${stageClass(theirs)} human`, known(theirs) ? stages[theirs] : "–"));
      }
      one.append(element("small", "", count(epoch + 1)));
      one.title = hint(epoch);
      one.setAttribute("aria-label", hint(epoch).replaceAll("\n", ", "));
      tiles.push(one);
    }
    const rows = element("span", "rows");
    rows.append(element("span", "", "hypnolens"));
    if (night.human) rows.append(element("span", "", "human"));
    $("around").replaceChildren(rows, ...tiles);
  }

  function hint(epoch) {
    const code = night.stage[epoch];
    const lines = [`Epoch ${count(epoch + 1)} · ${when(onset(epoch))}` + (night.startS === null ? "" : ` · ${hms(onset(epoch))} h`)];
    if (known(code)) {
      lines.push(`${stages[code]}, confidence ${sureness(epoch)}${low.has(epoch) ? " (low)" : ""}`);
      lines.push(topDown.map((one) => `${stages[one]} ${Math.round(100 * night.probability[epoch][one])}`).join(" · ") + " %");
    } else lines.push(`unusable: ${whyNot(epoch)}`);
    if (night.human) lines.push(`human: ${shown(night.human[epoch])}${differs.has(epoch) ? " (differs)" : ""}`);
    return lines.join("\n");
  }

  // What a person does.

  let asked = false;
  function redraw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; drawNight(); });
  }
  const button = (name) => document.querySelector(`[data-do="${name}"]`);
  const isWhole = () => state.to - state.from >= END - firstS - 1e-6;

  function look(from, to) {
    const span = within(to - from, LEAST_SPAN, END - firstS);
    const begin = within((from + to - span) / 2, firstS, END - span);
    if (begin === state.from && begin + span === state.to) return;
    [state.from, state.to] = [begin, begin + span];
    leave();
    redraw();
  }
  function zoom(factor, at) {
    const span = within((state.to - state.from) * factor, LEAST_SPAN, END - firstS);
    const from = at - ((at - state.from) * span) / (state.to - state.from);
    const begin = within(from, firstS, END - span);
    look(begin, begin + span);
  }
  function zoomStep(factor) {
    const mid = onset(state.epoch) + epochS / 2;
    zoom(factor, mid >= state.from && mid <= state.to ? mid : (state.from + state.to) / 2);
  }
  function select(epoch) {
    if (!Number.isInteger(epoch)) return;
    state.epoch = within(epoch, 0, n - 1);
    say("");
    const a = onset(state.epoch), span = state.to - state.from;
    if (a < state.from - 1e-6 || a + epochS > state.to + 1e-6) look(a + epochS / 2 - span / 2, a + epochS / 2 + span / 2);
    describe();
    drawSignal();
    placeCursor();
    if (window.nightPage.onSelect) window.nightPage.onSelect();
  }
  function say(words) { $("say").textContent = words; }
  function along(places, forward, words) {
    const next = forward ? places.find((one) => one > state.epoch) : places.findLast((one) => one < state.epoch);
    if (next === undefined) say(`no ${forward ? "further" : "earlier"} ${words}`);
    else select(next);
  }
  function gain(step) {
    state.half = within(state.half + step, 0, night.signal.halves.length - 1);
    showScale();
    drawSignal();
  }
  function showScale() {
    $("scale").textContent = `±${count(night.signal.halves[state.half])} µV`;
    button("larger").disabled = state.half === 0;
    button("smaller").disabled = state.half === night.signal.halves.length - 1;
  }
  const LOW = "epoch of low confidence", DIFFERS = "epoch that differs";
  const acts = {
    first: () => select(0),
    previous: () => select(state.epoch - 1),
    next: () => select(state.epoch + 1),
    last: () => select(n - 1),
    "previous-low": () => along(night.review, false, LOW),
    "next-low": () => along(night.review, true, LOW),
    "previous-differs": () => along(night.differs, false, DIFFERS),
    "next-differs": () => along(night.differs, true, DIFFERS),
    in: () => zoomStep(0.5),
    out: () => zoomStep(2),
    all: () => look(firstS, END),
    larger: () => gain(-1),
    smaller: () => gain(1),
    help: () => ($("help").open ? $("help").close() : $("help").showModal()),
  };
  const KEYS = {
    ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last", ArrowUp: "larger", ArrowDown: "smaller",
    n: "next-low", N: "previous-low", p: "previous-low", P: "previous-low", d: "next-differs", D: "previous-differs",
    "+": "in", "=": "in", "-": "out", "−": "out", 0: "all", "?": "help",
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const name = KEYS[event.key];
    if (!name || ($("help").open && name !== "help")) return;
    if (name.endsWith("differs") && !night.human) return;
    event.preventDefault();
    leave(); // what it tells is not what is opened
    acts[name]();
  });
  document.addEventListener("click", (event) => {
    const at = event.target.closest("[data-do], [data-epoch]");
    if (!at || at === $("nights")) return;
    if (at.dataset.do) acts[at.dataset.do]();
    else {
      select(Number(at.dataset.epoch));
      if (at.classList.contains("go")) nights.scrollIntoView({ block: "start" });
    }
  });
  $("jump").addEventListener("change", () => {
    const wanted = Math.round(Number($("jump").value));
    if (Number.isFinite(wanted) && wanted >= 1) select(wanted - 1);
    $("jump").value = String(state.epoch + 1);
  });

  const nights = $("nights");
  const plotted = (event) => {
    const box = nights.getBoundingClientRect();
    const x = event.clientX - box.left - nights.clientLeft;
    return { x, right: nights.clientWidth - RIGHT, inside: x >= LEFT && x <= nights.clientWidth - RIGHT };
  };
  const timeAt = (spot) => state.from + ((spot.x - LEFT) / (spot.right - LEFT)) * (state.to - state.from);
  let drag = null;
  nights.addEventListener("pointerdown", (event) => {
    const spot = plotted(event);
    if (event.button !== 0 || !spot.inside || $("track").contains(event.target)) return;
    drag = { x: spot.x, from: state.from, to: state.to, moved: false, brush: event.shiftKey };
    nights.setPointerCapture(event.pointerId);
  });
  nights.addEventListener("pointermove", (event) => {
    const spot = plotted(event);
    if (drag) {
      if (Math.abs(spot.x - drag.x) > 4) drag.moved = true;
      if (drag.moved && drag.brush) {
        const xs = [drag.x, within(spot.x, LEFT, spot.right)].sort((a, b) => a - b);
        $("brush").hidden = false;
        $("brush").style.left = `${xs[0]}px`;
        $("brush").style.width = `${xs[1] - xs[0]}px`;
      } else if (drag.moved) {
        nights.classList.add("moving");
        const shift = ((spot.x - drag.x) / (spot.right - LEFT)) * (drag.to - drag.from);
        const begin = within(drag.from - shift, firstS, END - (drag.to - drag.from));
        look(begin, begin + drag.to - drag.from);
      }
    }
    const over = spot.inside && !$("track").contains(event.target) && !(drag && drag.moved);
    $("hover").hidden = !over;
    if (!over) return hideTip();
    $("hover").style.left = `${spot.x}px`;
    showTip(event, hint(epochAt(timeAt(spot))));
  });
  nights.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const spot = plotted(event), was = drag;
    endDrag();
    if (!was.moved) select(epochAt(timeAt(spot)));
    else if (was.brush) {
      const [a, b] = [was.x, within(spot.x, LEFT, spot.right)].sort((one, other) => one - other);
      look(timeAt({ ...spot, x: a }), timeAt({ ...spot, x: b }));
    }
  });
  function endDrag() {
    drag = null;
    nights.classList.remove("moving");
    $("brush").hidden = true;
  }
  nights.addEventListener("pointercancel", endDrag);
  nights.addEventListener("pointerleave", leave);
  nights.addEventListener("dblclick", (event) => { if (plotted(event).inside) look(firstS, END); });

  // A wheel that came from elsewhere scrolls on: nobody wants to zoom by scrolling past.
  let elsewhere = -Infinity;
  window.addEventListener("wheel", (event) => { if (!nights.contains(event.target)) elsewhere = event.timeStamp; }, { passive: true });
  nights.addEventListener("wheel", (event) => {
    const spot = plotted(event);
    if (event.timeStamp - elsewhere < 400 && !event.ctrlKey) { elsewhere = event.timeStamp; return; }
    if (!spot.inside) return;
    const unit = event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1;
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      if (isWhole()) return;
      event.preventDefault();
      const shift = ((unit * sideways) / (spot.right - LEFT)) * (state.to - state.from);
      const begin = within(state.from + shift, firstS, END - (state.to - state.from));
      look(begin, begin + state.to - state.from);
      return;
    }
    if (event.deltaY > 0 && isWhole()) return; // nothing more to show: the page scrolls
    event.preventDefault();
    zoom(Math.exp(within(unit * event.deltaY, -300, 300) * 0.0022), timeAt(spot));
  }, { passive: false });

  let thumb = null;
  $("track").addEventListener("pointerdown", (event) => {
    const box = $("track").getBoundingClientRect(), span = state.to - state.from;
    if (event.target === $("track")) {
      const mid = firstS + ((event.clientX - box.left) / box.width) * (END - firstS);
      const begin = within(mid - span / 2, firstS, END - span);
      look(begin, begin + span);
    }
    thumb = { x: event.clientX, from: state.from, perDot: (END - firstS) / box.width };
    $("track").setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  $("track").addEventListener("pointermove", (event) => {
    if (!thumb) return;
    const span = state.to - state.from;
    const begin = within(thumb.from + (event.clientX - thumb.x) * thumb.perDot, firstS, END - span);
    look(begin, begin + span);
  });
  for (const name of ["pointerup", "pointercancel"]) $("track").addEventListener(name, () => { thumb = null; });

  function showTip(event, words) {
    const tip = $("tip");
    tip.textContent = words;
    tip.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = tip;
    const x = event.clientX + 16 + width > window.innerWidth - 8 ? event.clientX - 16 - width : event.clientX + 16;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${within(event.clientY + 14, 4, window.innerHeight - height - 4)}px`;
  }
  function hideTip() { $("tip").hidden = true; }
  function leave() {
    $("hover").hidden = true;
    hideTip();
  }
  $("signal").addEventListener("pointermove", (event) => {
    const box = $("signal").getBoundingClientRect(), p = { right: box.width - RIGHT };
    const seconds = ((event.clientX - box.left - LEFT) / (p.right - LEFT)) * epochS;
    if (!samples || seconds < 0 || seconds >= epochS) return hideTip();
    const raw = samples[state.epoch * night.signal.samples + Math.floor((seconds / epochS) * night.signal.samples)];
    const lines = [`${seconds.toFixed(2)} s · ${when(onset(state.epoch) + seconds)}`];
    lines.push(raw === night.signal.gap ? "no value" : `${microvolts(raw * night.signal.stepUv)} µV`);
    const map = sharesOf(state.epoch);
    const share = map ? map[Math.floor((seconds / epochS) * night.maps.bins)] : null;
    if (map && share !== night.maps.none) lines.push(`attribution ${(share / night.maps.whole).toFixed(2)} of the epoch's maximum`);
    const time = onset(state.epoch) + seconds;
    for (const [begin, length, kind] of eventsOf(state.epoch)) {
      if (time >= begin && time <= begin + length) lines.push(`${night.kinds[kind][0]}, ${length.toFixed(2)} s`);
    }
    showTip(event, lines.join("\n"));
  });
  $("signal").addEventListener("pointerleave", hideTip);

  function fromAddress() {
    const found = /^#epoch=(\d+)$/.exec(location.hash);
    return found ? within(Number(found[1]), 1, n) - 1 : null;
  }
  window.addEventListener("hashchange", () => {
    const epoch = fromAddress();
    if (epoch !== null) select(epoch);
  });
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--caution", `${$("caution") ? $("caution").offsetHeight : 0}px`);
    redraw();
    drawSignal();
  }).observe(document.body);
  // Paper is narrower than a screen: pictures are drawn anew, so that their letters do not shrink with them.
  function forPaper(paper) {
    printing = paper;
    document.body.classList.toggle("paper", paper);
    drawNight();
    drawSignal();
  }
  window.addEventListener("beforeprint", () => {
    if ($("help").open) $("help").close();
    hideTip();
    forPaper(true);
  });
  window.addEventListener("afterprint", () => forPaper(false));

  // Arrays.

  const canUnpack = typeof DecompressionStream === "function";
  async function unpack(id) {
    const packed = atob($(id).textContent);
    const bytes = new Uint8Array(packed.length);
    for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
    $(id).remove();
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  function decode(bytes) { // see _signal in page.py
    const size = bytes.length / 2, values = new Int16Array(size);
    let value = 0;
    for (let place = 0; place < size; place += 1) {
      const zigzag = bytes[place] | (bytes[size + place] << 8);
      value = (value + ((zigzag >>> 1) ^ -(zigzag & 1))) << 16 >> 16;
      values[place] = value;
    }
    return values;
  }
  function problem(words) {
    $("problem").textContent = words;
    $("problem").hidden = false;
  }
  async function load() {
    if (!canUnpack) {
      problem("This browser is too old to unpack the signal (it has no DecompressionStream): the signal, attribution and the spectrogram are missing below. Chromium 80, Firefox 113, Safari 16.4 and all later ones show them.");
      return;
    }
    try {
      if (night.maps) shares = await unpack("data-maps");
      if (night.reasons) reasons = await unpack("data-reasons");
      power = await unpack("data-spectrogram");
      samples = decode(await unpack("data-signal"));
    } catch (error) {
      problem(`The signal of this page cannot be unpacked (${error.message}): the file is damaged. Score the night again.`);
    }
  }

  // What edit.js works with.
  window.nightPage = {
    night, state, element, select,
    changed() {
      if (night.human) {
        night.differs = night.stage.map((code, epoch) => (known(code) && known(night.human[epoch]) && code !== night.human[epoch] ? epoch : -1)).filter((epoch) => epoch >= 0);
        differs.clear();
        for (const epoch of night.differs) differs.add(epoch);
        button("next-differs").disabled = button("previous-differs").disabled = !night.differs.length;
      }
      redraw();
      describe();
      drawSignal();
    },
  };
  tableOfColours();
  $("human").hidden = !night.human;
  $("differ-tools").hidden = !night.human;
  button("next-low").disabled = button("previous-low").disabled = !night.review.length;
  button("next-differs").disabled = button("previous-differs").disabled = !night.differs.length;
  $("jump").max = String(n);
  const present = [...new Set(night.events.map((event) => event[2]))].sort((a, b) => a - b);
  $("kinds").append(present.length ? "Events found in the signal: " : "No events were found in the signal.");
  for (const kind of present) {
    const [name, short, colour] = night.kinds[kind], entry = element("span"), swatch = element("i");
    swatch.style.background = colour;
    entry.append(swatch, name === short ? name : `${name} (${short})`);
    $("kinds").append(entry);
  }
  showScale();
  drawNight();
  select(fromAddress() ?? 0);
  load().then(() => {
    drawNight();
    drawSignal();
    drawWhy();
    document.documentElement.dataset.ready = "true";
  });
})();
