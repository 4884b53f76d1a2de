"use strict";
// A person has the last word: stages are corrected, statistics and agreement follow, and the result is saved.
// Nothing leaves the page but what is saved; the page itself stays as it was written.
(() => {
  const page = window.nightPage, { night, state } = page, $ = (id) => document.getElementById(id);
  const { n, epochS, firstS, stages, topDown } = night, given = night.given, model = night.models[0];
  const known = (code) => code !== null && code < stages.length;
  const SHOWN = (code) => (known(code) ? stages[code] : "?");
  const MINUTE = 60 / epochS;
  const done = [], undone = []; // changes: lists of [epoch, before, after]
  let anchor = null; // where a run of epochs begins
  const by = new Map(); // who corrected which epoch

  // Statistics, as hypnolens.scoring.night_statistics and YASA compute them.

  function span() {
    const [off, on] = night.lights;
    const place = (time, otherwise) => (time === null ? otherwise : Math.floor((time - firstS) / epochS + 0.5));
    return [place(off, 0), place(on, n)];
  }
  function statisticsOf(codes) {
    const [first, last] = span(), atNight = [];
    for (let epoch = first; epoch < last; epoch += 1) atNight.push(epoch >= 0 && epoch < n && known(codes[epoch]) ? codes[epoch] : null);
    const minutes = (count) => count / MINUTE, some = atNight.some((code) => code !== null);
    const values = { tib_min: minutes(atNight.length), unscored_min: minutes(atNight.filter((code) => code === null).length) };
    const W = stages.indexOf("W"), asleep = (code) => code !== null && code !== W;
    const begin = atNight.findIndex(asleep), end = atNight.findLastIndex(asleep), slept = atNight.filter(asleep).length;
    const has = slept > 0, or = (there, value) => (there ? value : NaN);
    values.tst_min = or(some, minutes(slept));
    values.se_percent = or(some, (100 * slept) / atNight.length);
    values.spt_min = or(some, has ? minutes(end + 1 - begin) : 0);
    values.sme_percent = or(has, (100 * slept) / (end + 1 - begin));
    values.waso_min = or(has, minutes(atNight.slice(begin, end + 1).filter((code) => code === W).length));
    values.waso_aasm_min = or(has, minutes(atNight.slice(begin).filter((code) => code === W).length));
    values.sol_min = or(has, minutes(begin));
    for (const [code, stage] of stages.entries()) {
      const many = atNight.filter((one) => one === code).length, at = atNight.indexOf(code);
      values[`${stage}_min`] = or(some, minutes(many));
      if (stage === "W") continue;
      values[`${stage}_percent`] = or(has, (100 * many) / slept);
      values[`lat_${stage}_min`] = or(at >= 0, minutes(at));
      values[stage === "R" ? "rem_latency_min" : `${stage}_latency_min`] = or(at >= 0, minutes(at - begin));
    }
    return values;
  }
  function transitionsOf(codes) {
    const [first, last] = span(), counts = stages.map(() => stages.map(() => 0));
    for (let epoch = Math.max(first, 0); epoch + 1 < Math.min(last, n); epoch += 1) {
      if (known(codes[epoch]) && known(codes[epoch + 1])) counts[codes[epoch]][codes[epoch + 1]] += 1;
    }
    return counts;
  }
  function agreementOf(codes) {
    const counts = stages.map(() => stages.map(() => 0));
    for (let epoch = 0; epoch < n; epoch += 1) {
      if (known(codes[epoch]) && known(night.human[epoch])) counts[night.human[epoch]][codes[epoch]] += 1;
    }
    const sum = (values) => values.reduce((a, b) => a + b, 0), total = sum(counts.flat());
    const hit = counts.map((row, code) => row[code]), truth = counts.map(sum);
    const said = stages.map((_, code) => sum(counts.map((row) => row[code])));
    const accuracy = sum(hit) / total, chance = sum(truth.map((value, code) => value * said[code])) / total ** 2;
    const f1 = hit.map((value, code) => (2 * value) / (truth[code] + said[code])), there = f1.filter((value) => !Number.isNaN(value));
    return { counts, f1, accuracy, kappa: (accuracy - chance) / (1 - chance), macro: sum(there) / Math.max(there.length, 1), total };
  }

  const decimal = (value, places) => (Number.isFinite(value) ? value.toFixed(places).replace(/^-(0(\.0*)?)$/, "$1") : "–");
  function fill(table, counts, f1) {
    topDown.forEach((from, row) => {
      const cells = table.tBodies[0].rows[row].querySelectorAll(".cell"), total = counts[from].reduce((a, b) => a + b, 0);
      topDown.forEach((to, column) => {
        const share = total ? counts[from][to] / total : null, cell = cells[column];
        cell.className = `cell h${Math.ceil(10 * (share || 0) - 1e-9)}`;
        const small = page.element("small", "", share === null ? "–" : `${(100 * share).toFixed(0)} %`);
        cell.replaceChildren(counts[from][to].toLocaleString("en-US"), small);
      });
      if (f1) table.tBodies[0].rows[row].lastElementChild.textContent = decimal(f1[from], 3);
    });
  }
  function follow() {
    const values = statisticsOf(night.stage);
    for (const cell of document.querySelectorAll("td.number.hypnolens[data-statistic]")) {
      cell.textContent = decimal(values[cell.dataset.statistic], 1);
    }
    const matrices = document.querySelectorAll("table.matrix");
    fill(matrices[0], transitionsOf(night.stage));
    if (night.human) {
      const found = agreementOf(night.stage), figures = document.querySelectorAll(".figures .figure b");
      if (figures.length) {
        figures[0].textContent = found.total ? `${decimal(100 * found.accuracy, 1)} %` : "–";
        figures[1].textContent = decimal(found.kappa, 3);
        figures[2].textContent = found.total ? decimal(found.macro, 3) : "–";
        fill(matrices[1], found.counts, found.f1);
      }
    }
    const many = by.size;
    $("edit-count").textContent = many ? `${many} epoch${many === 1 ? "" : "s"} corrected` : "nothing corrected";
    for (const button of document.querySelectorAll("[data-save]")) button.disabled = !many;
    $("undo").disabled = !done.length;
    $("redo").disabled = !undone.length;
    page.changed();
  }

  // Correcting.

  const who = () => $("who").value.trim().replace(/[\x00-\x1f\x7f]/g, " ").slice(0, 40) || "human";
  function put(epoch, code, name) {
    night.stage[epoch] = code;
    if (code === given[epoch]) by.delete(epoch);
    else by.set(epoch, name);
  }
  function correct(code) {
    const from = Math.min(anchor ?? state.epoch, state.epoch), to = Math.max(anchor ?? state.epoch, state.epoch), change = [];
    for (let epoch = from; epoch <= to; epoch += 1) {
      if (night.stage[epoch] === code) continue;
      change.push([epoch, [night.stage[epoch], by.get(epoch)], [code, who()]]);
      put(epoch, code, who());
    }
    const run = to - from;
    anchor = null;
    if (change.length) {
      done.push(change);
      undone.length = 0;
      follow();
    }
    if (!run) page.select(state.epoch + 1); // a person who scores goes on
    mark();
  }
  function again(from, to, side) {
    const change = from.pop();
    if (!change) return;
    for (const [epoch, ...sides] of side ? change : change.slice().reverse()) put(epoch, sides[side][0], sides[side][1] || "human");
    to.push(change);
    follow();
    page.select(change[0][0]);
  }
  function mark() {
    const from = Math.min(anchor ?? state.epoch, state.epoch), to = Math.max(anchor ?? state.epoch, state.epoch);
    $("edit-run").textContent = to > from ? `epochs ${from + 1} to ${to + 1}` : `epoch ${from + 1}`;
  }
  const KEYS = { w: "W", 1: "N1", 2: "N2", 3: "N3", r: "R", x: null };
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, dialog") || event.altKey) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      if (key === "y" || event.shiftKey) again(undone, done, 1);
      else again(done, undone, 0);
      return;
    }
    if (event.ctrlKey || event.metaKey || $("help").open) return;
    if (event.shiftKey && (key === "arrowleft" || key === "arrowright")) {
      anchor ??= state.epoch;
      event.preventDefault();
      event.stopImmediatePropagation();
      page.select(state.epoch + (key === "arrowleft" ? -1 : 1));
      mark();
    } else if (key in KEYS && !event.shiftKey) {
      event.preventDefault();
      correct(KEYS[key] === null ? night.unscored : stages.indexOf(KEYS[key]));
    } else if (key === "escape" || key.startsWith("arrow")) {
      anchor = null;
      setTimeout(mark);
    }
  }, true);
  for (const button of document.querySelectorAll("[data-stage-key]")) {
    button.addEventListener("click", () => correct(button.dataset.stageKey === "?" ? night.unscored : stages.indexOf(button.dataset.stageKey)));
  }
  $("undo").addEventListener("click", () => again(done, undone, 0));
  $("redo").addEventListener("click", () => again(undone, done, 1));

  // Saving.

  const onset = (epoch) => Math.round((firstS + epoch * epochS) * 1e6) / 1e6;
  const scorer = (epoch) => by.get(epoch) || model;
  const cell = (value) => String(value).replace(/[\t\r\n]/g, " ");
  function tsv() {
    const rows = [["epoch", "onset", "duration", "stage", "scorer", "stage_of_model", "model"]];
    for (let epoch = 0; epoch < n; epoch += 1) {
      rows.push([epoch + 1, onset(epoch), epochS, SHOWN(night.stage[epoch]), scorer(epoch), SHOWN(given[epoch]), model]);
    }
    return rows.map((row) => row.map(cell).join("\t")).join("\n") + "\n";
  }
  function bids() {
    const rows = [["onset", "duration", "trial_type", "scorer", "model"]];
    for (let epoch = 0; epoch < n; epoch += 1) {
      const stage = known(night.stage[epoch]) ? stages[night.stage[epoch]] : "n/a";
      rows.push([onset(epoch), epochS, stage, scorer(epoch), model]);
    }
    return rows.map((row) => row.map(cell).join("\t")).join("\n") + "\n";
  }
  // EDF+ of annotations alone: a stage an epoch, and a text for each run that was corrected. Records last no time.
  function edf() {
    const fraction = night.startS === null ? 0 : Math.round((night.startS % 1) * 1e6) / 1e6;
    const encoder = new TextEncoder(), lists = [];
    const at = (seconds) => `${seconds < 0 ? "" : "+"}${Math.round((seconds + fraction) * 1e6) / 1e6}`;
    const add = (start, length, words) => lists.push(encoder.encode(`${at(start)}\x15${length}\x14${words}\x14\x00`));
    for (let epoch = 0; epoch < n; epoch += 1) add(onset(epoch), epochS, `Sleep stage ${known(night.stage[epoch]) ? stages[night.stage[epoch]] : "?"}`);
    for (let epoch = 0; epoch < n; epoch += 1) {
      if (!by.has(epoch)) continue;
      const begin = epoch;
      const same = (one) => by.get(one) === by.get(begin) && night.stage[one] === night.stage[begin] && given[one] === given[begin];
      while (epoch + 1 < n && same(epoch + 1)) epoch += 1;
      add(onset(begin), (epoch + 1 - begin) * epochS, `Corrected by ${by.get(begin)}: ${model} had ${SHOWN(given[begin])}`);
    }
    const most = 60000, clock = encoder.encode(`${at(0)}\x14\x14\x00`), records = [[clock]];
    let size = clock.length;
    for (const list of lists) {
      if (size + list.length > most) {
        records.push([clock]);
        size = clock.length;
      }
      records.at(-1).push(list);
      size += list.length;
    }
    const lengths = records.map((parts) => parts.reduce((sum, part) => sum + part.length, 0));
    const bytes = 2 * Math.ceil(Math.max(...lengths) / 2);
    const ascii = (words) => words.normalize("NFKD").replace(/[^\x21-\x7e]/g, "_");
    const day = night.startDate && night.startDate.split("-"), months = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
    const date = day ? `${day[2]}-${months[day[1] - 1]}-${day[0]}` : "X";
    const short = day ? `${day[2]}.${day[1]}.${day[0].slice(2)}` : "01.01.85";
    const whole = Math.floor(night.startS ?? 0), two = (value) => String(value).padStart(2, "0");
    const time = `${two(Math.floor(whole / 3600))}.${two(Math.floor(whole / 60) % 60)}.${two(whole % 60)}`;
    const about = `Startdate ${date} X ${ascii(who()).slice(0, 20)} ${ascii(model).slice(0, 30)}`;
    const header = [
      ["0", 8], ["X X X X", 80], [about, 80], [short, 8], [time, 8], ["512", 8], ["EDF+C", 44], [String(records.length), 8],
      ["0", 8], ["1", 4], ["EDF Annotations", 16], ["", 80], ["", 8], ["-1", 8], ["1", 8], ["-32768", 8], ["32767", 8], ["", 80],
      [String(bytes / 2), 8], ["", 32],
    ].map(([words, width]) => words.slice(0, width).padEnd(width)).join("");
    const file = new Uint8Array(512 + records.length * bytes);
    file.set(encoder.encode(header));
    records.forEach((parts, record) => {
      let place = 512 + record * bytes;
      for (const part of parts) {
        file.set(part, place);
        place += part.length;
      }
    });
    return file;
  }
  const KINDS = {
    edf: [edf, `${night.name}-corrected.edf`], tsv: [tsv, `${night.name}-corrected.tsv`],
    bids: [bids, `${night.bids}_desc-corrected_events.tsv`],
  };
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => {
      const [make, name] = KINDS[button.dataset.save], link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([make()]));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      saved = done.length;
    });
  }
  let saved = 0;
  window.addEventListener("beforeunload", (event) => { if (done.length !== saved) event.preventDefault(); });
  page.onSelect = mark;
  window.nightEdit = { statisticsOf, transitionsOf, agreementOf }; // for tests, which compare them with Python's
  mark();
})();
