// Adds to the page what needs a script: the charts, and one split at a time. The tables are there without it.
"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const study = read("study");
  /** The ratios of the accuracy chart: key in the document, name, symbol. */
  const ofEndpoints = [["alone", "alone", "circle"], ["p50", "p50", "diamond"], ["p99", "p99", "triangle"]];
  const overAll = [["saturation", "saturation", "rect"], ["cpu", "CPU per request", "path://M4 0h2v4h4v2h-4v4h-2v-4h-4v-2h4z"]];
  const charts = new Map(); // element → chart, those drawn so far

  /** Three significant digits, thousands apart: the rule of splitcost-model/src/number.rs. */
  const number = (value) => {
    if (!Number.isFinite(value)) return "–";
    const rounded = Math.abs(Number(value.toPrecision(3)));
    if (rounded === 0) return "0";
    const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(rounded))));
    return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  };
  /** The same without zeros behind the point. */
  const short = (value) => { const text = number(value); return text.includes(".") ? text.replace(/\.?0+$/, "") : text; };
  /** An endpoint of an estimate or a rehearsal, by its name. */
  const find = (part, name) => part?.endpoints.find((endpoint) => endpoint.name === name);
  const factor = (interval) => `${number(interval.value)}× (${number(interval.low)}–${number(interval.high)})`;
  const isPositive = ({ low, high }) => low > 0 && high < Infinity;
  /** The largest change, as a share, that a ratio of two equal things allows: Interval::noise_floor. */
  const noiseFloor = ({ low, high }) => Math.max(high, 1 / low, 1) - 1;
  const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const tick = (value) => (value >= 1 ? value.toLocaleString("en-US") : String(Number(value.toPrecision(3))));

  /** The page's colours and font, in the theme that holds now. */
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: of("ink"), soft: of("soft"), rule: of("rule"), paper: of("paper"), raised: of("raised"),
      monolith: of("monolith"), after: of("after"), noise: of("noise"), font: getComputedStyle(document.body).fontFamily,
    };
  };
  const base = (t) => ({
    animation: false,
    aria: { enabled: false }, // the element has a label of its own, and a table beside it
    textStyle: { fontFamily: t.font, color: t.soft, fontSize: 12 },
    tooltip: {
      backgroundColor: t.raised, borderColor: t.rule, confine: true, padding: [8, 10],
      textStyle: { color: t.ink, fontSize: 12.5, fontFamily: t.font }, extraCssText: "box-shadow:none",
    },
  });
  const axis = (t, name, more) => ({
    name, nameLocation: "middle", nameTextStyle: { color: t.soft, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: t.soft } }, axisTick: { show: false },
    axisLabel: { color: t.soft, fontSize: 11.5, hideOverlap: true },
    splitLine: { lineStyle: { color: t.rule, width: 1 } }, minorSplitLine: { show: false }, ...more,
  });
  /** A logarithmic axis from `low` to `high`, both a little inside it. */
  const logAxis = (t, name, low, high, { unit = "", ...more }) =>
    axis(t, name, { type: "log", logBase: high / low < 100 ? 2 : 10, min: low / 1.15, max: high * 1.15, ...more, axisLabel: { color: t.soft, fontSize: 11.5,
      hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: (value) => tick(value) + unit } });
  const legend = (t, data) => ({
    data, top: 0, left: 0, itemWidth: 22, itemHeight: 9, itemGap: 14,
    textStyle: { color: t.ink, fontSize: 12 }, inactiveColor: t.soft, inactiveBorderColor: t.soft,
  });

  /** Each ratio of split to monolith: predicted to the right, measured upwards, their intervals as a cross. */
  const accuracy = (split, t) => {
    const { endpoints, ratios } = split.comparison;
    const both = (ratio, what) => {
      const [x, y] = [ratio?.as_rehearsed ?? ratio?.predicted, ratio?.measured];
      return x && y && isPositive(x) && isPositive(y) ? [{ what, x, y }] : [];
    };
    const kinds = [
      ...ofEndpoints.map(([key, ...kind]) => [...kind, endpoints.flatMap((e) => both(e.ratios[key], e.name))]),
      ...overAll.map(([key, ...kind]) => [...kind, both(ratios[key], "all requests")]),
    ].filter(([, , data]) => data.length);
    // Every value lies inside the axes; an interval may go on beyond their ends.
    const all = kinds.flatMap(([, , data]) => data.flatMap(({ x, y }) => [x.value, y.low, y.high]));
    if (!all.length) return null;
    const [low, high] = [Math.min(0.8, ...all), Math.max(1.25, ...all)];
    const noises = endpoints.flatMap((e) => e.ratios.alone?.noise ?? []);
    const most = 1 + Math.max(0, ...noises.map(noiseFloor));
    const series = kinds.flatMap(([name, symbol, data]) => {
      const color = overAll.some(([, other]) => other === name) ? t.monolith : t.after;
      return [
        {
          name, type: "scatter", symbol, symbolSize: 9, z: 3,
          itemStyle: { color: name === "alone" ? color : t.paper, borderColor: color, borderWidth: 1.5 },
          data: data.map(({ what, x, y }) => ({ value: [x.value, y.value], what: `${what}, ${name}`, x, y })),
        },
        {
          name, type: "custom", silent: true, clip: true, itemStyle: { color }, encode: { x: [0, 2, 3], y: [1, 4, 5] },
          data: data.map(({ x, y }) => [x.value, y.value, x.low, x.high, y.low, y.high]),
          renderItem: (_, api) => {
            const [x1, y0] = api.coord([api.value(2), api.value(1)]);
            const [x2] = api.coord([api.value(3), api.value(1)]);
            const [x0, y1] = api.coord([api.value(0), api.value(4)]);
            const [, y2] = api.coord([api.value(0), api.value(5)]);
            const style = { stroke: color, lineWidth: 1, opacity: 0.35 };
            return { type: "group", children: [
              { type: "line", shape: { x1, y1: y0, x2, y2: y0 }, style },
              { type: "line", shape: { x1: x0, y1, x2: x0, y2 }, style },
            ] };
          },
        },
      ];
    });
    series.push({
      type: "line", name: "equal", silent: true, symbol: "none", z: 1, lineStyle: { color: t.soft, width: 1, type: [2, 3] },
      data: [[low / 1.15, low / 1.15], [high * 1.15, high * 1.15]],
    });
    // The band in which a measurement is not beyond the noise.
    series.push({
      type: "custom", name: "noise", silent: true, clip: true, z: 0, encode: { y: [0, 1] }, data: [[1 / most, most]],
      renderItem: ({ coordSys }, api) => {
        const [, y1] = api.coord([1, api.value(1)]);
        const [, y2] = api.coord([1, api.value(0)]);
        return { type: "rect", shape: { x: coordSys.x, y: y1, width: coordSys.width, height: y2 - y1 }, style: { fill: t.noise } };
      },
    });
    return {
      ...base(t), series,
      legend: { ...legend(t, kinds.map(([name]) => name)), itemWidth: 10 },
      grid: { left: 52, right: 14, top: 58, bottom: 44 },
      xAxis: logAxis(t, "predicted, split ÷ monolith ○", low, high, { nameGap: 28, unit: "×" }),
      yAxis: logAxis(t, "measured, split ÷ monolith ●", low, high, { nameGap: 38, unit: "×" }),
      tooltip: { ...base(t).tooltip, trigger: "item", formatter: ({ data }) =>
        `<b>${escape(data.what)}</b><br>predicted ${factor(data.x)}<br>measured ${factor(data.y)}` },
    };
  };

  /** Lone requests to each endpoint: medians of the monolith and of the split, joined, and some of the pairs around them. */
  const pairs = (split, t, element) => {
    const { rehearsal, estimate, comparison } = split;
    const of = (name) => rehearsal ? (rehearsal.alone ?? []).find((e) => e.name === name) : find(estimate, name)?.alone;
    const rows = comparison.endpoints.map(({ name, requests }) => ({ name, requests, alone: of(name) }))
      .filter(({ alone }) => alone?.response_ms.monolith > 0 && alone.response_ms.split > 0)
      .sort((a, b) => b.requests - a.requests);
    if (!rows.length) return null;
    const step = 44, [top, bottom] = [44, 44];
    element.style.height = `${Math.max(380, top + bottom + step * rows.length)}px`;
    const medians = rows.flatMap(({ alone }) => [alone.response_ms.monolith, alone.response_ms.split]);
    const samples = rows.map(({ alone }) => (alone.sample_ms ?? []).filter(([a, b]) => a > 0 && b > 0));
    // A single slow request would squeeze all others: the axis ends at twice what most of them took.
    const sorted = samples.flatMap((sample) => sample.flat()).sort((a, b) => a - b);
    const at = (share) => sorted.length ? [sorted[Math.floor(share * (sorted.length - 1))]] : [];
    const [low, high] = [Math.min(...medians, ...at(0.005)), Math.max(...medians, ...at(0.995))];
    const inside = (value) => value >= low / 1.15 && value <= high * 1.15;
    // Rows have room for a name above their dots; dots of pairs lie a little below and above the line.
    const place = (row) => rows.length - 1 - row;
    const dots = (arm, color, shift) => ({
      name: arm, type: "scatter", silent: true, symbol: "circle", symbolSize: 3, z: 2, itemStyle: { color, opacity: 0.3 },
      data: samples.flatMap((sample, row) => sample.map((pair) => pair[arm === "monolith" ? 0 : 1]).filter(inside)
        .map((value) => [value, place(row) + shift])),
    });
    const medianOf = (arm, color, symbol) => ({
      name: arm, type: "scatter", symbol, symbolSize: 10, z: 4,
      itemStyle: { color: rehearsal ? color : t.paper, borderColor: color, borderWidth: 1.5 },
      data: rows.map(({ name, alone }, row) => ({ value: [alone.response_ms[arm], place(row)], name, alone })),
    });
    return {
      ...base(t),
      legend: { ...legend(t, ["monolith", "split"]), itemWidth: 10 },
      grid: { left: 8, right: 14, top, bottom },
      xAxis: logAxis(t, `response time, ms ${rehearsal ? "●" : "○"}`, low, high,
        { nameGap: 28, axisLine: { onZero: false, lineStyle: { color: t.soft } } }),
      yAxis: axis(t, "", { type: "value", min: -0.5, max: rows.length - 0.3, interval: 1, splitLine: { show: false },
        axisLine: { show: false }, axisLabel: { show: false } }),
      series: [
        medianOf("monolith", t.monolith, "circle"), medianOf("split", t.after, "rect"),
        dots("monolith", t.monolith, -0.18), dots("split", t.after, 0.18),
        {
          type: "custom", name: "change", silent: true, z: 3, encode: { x: [0, 1], y: 2 },
          data: rows.map(({ name, alone }, row) => [alone.response_ms.monolith, alone.response_ms.split, place(row)]),
          renderItem: ({ dataIndex, coordSys }, api) => {
            const [x1, y1] = api.coord([api.value(0), api.value(2)]);
            const [x2] = api.coord([api.value(1), api.value(2)]);
            return { type: "group", children: [
              { type: "line", shape: { x1, y1, x2, y2: y1 }, style: { stroke: t.after, lineWidth: 2, opacity: 0.75 } },
              { type: "text", style: { text: rows[dataIndex].name, x: coordSys.x, y: y1 - 19, fill: t.ink, font: `12px ${t.font}`,
                width: coordSys.width, overflow: "truncate", verticalAlign: "middle", stroke: t.paper, lineWidth: 3 } },
            ] };
          },
        },
      ],
      tooltip: { ...base(t).tooltip, trigger: "item", formatter: ({ data: { name, alone } }) =>
        `<b>${escape(name)}</b><br>alone: ${number(alone.response_ms.monolith)} → ${number(alone.response_ms.split)} ms, ${factor(alone.ratio)}` },
    };
  };

  /** Share of an endpoint's requests answered within a time. */
  const distribution = (split, t, element) => {
    const select = element.parentElement.querySelector("select.endpoint");
    const [measured, predicted] = [split.rehearsal, split.estimate].map((part) => find(part, select.value));
    const kinds = [
      ["Monolith measured", measured?.monolith, t.monolith, "solid"],
      ["Monolith simulated", predicted?.monolith, t.monolith, "dashed"],
      ["Split measured", measured?.split, t.after, "solid"], ["Split predicted", predicted?.split, t.after, "dashed"],
    ].map(([name, times, ...look]) => [name, times?.distribution ?? [], ...look]).filter(([, curve]) => curve.length);
    const times = kinds.flatMap(([, curve]) => curve.map(([ms]) => ms)).filter((ms) => ms > 0);
    if (!times.length) return null;
    return {
      ...base(t),
      legend: legend(t, kinds.map(([name]) => name)),
      grid: { left: 48, right: 14, top: 58, bottom: 44 },
      xAxis: logAxis(t, "response time, ms", Math.min(...times), Math.max(...times), { nameGap: 28 }),
      yAxis: axis(t, "", { type: "value", min: 0, max: 1, interval: 0.25,
        axisLabel: { color: t.soft, fontSize: 11.5, formatter: (share) => `${Math.round(share * 100)} %` } }),
      series: kinds.map(([name, curve, color, type]) => ({
        name, type: "line", data: curve.filter(([ms]) => ms > 0), showSymbol: false, itemStyle: { color },
        lineStyle: { color, width: 2, type: type === "dashed" ? [5, 4] : "solid" },
      })),
      tooltip: { ...base(t).tooltip, trigger: "axis", axisPointer: { lineStyle: { color: t.soft } },
        formatter: (points) => points.map((p) =>
          `${p.seriesName}: ${number(100 * p.value[1])} % within ${number(p.value[0])} ms`).join("<br>") },
    };
  };

  /** Services as dots, the calls per request between them on the arrows. */
  const graph = (split, t, element) => {
    const links = split.comparison.service_calls;
    const names = new Set([...split.services.map((s) => s.name), ...links.flatMap((e) => [e.from, e.to])]);
    names.delete("main");
    const others = [...names];
    element.style.height = `${Math.max(150, 84 * others.length)}px`;
    const width = element.clientWidth, height = element.clientHeight;
    const place = (name, x, y, color) => ({
      name, value: [x, y], symbol: "circle", symbolSize: 20, itemStyle: { color },
      label: { show: true, position: "bottom", distance: 6, color: t.ink, fontSize: 13, width: 140, overflow: "truncate" },
    });
    const margin = Math.min(80, width / 5);
    const nodes = [place("main", margin, height * (0.5 + 0.08 / (others.length || 1)), t.monolith),
      ...others.map((name, i) => place(name, width - margin, height * (1 - (i + 0.42) / others.length), t.after))];
    const returned = (e) => links.some((other) => other.from === e.to && other.to === e.from);
    const most = Math.max(...links.map((e) => e.calls_per_request), 1e-9);
    return {
      ...base(t), tooltip: { show: false },
      // Axes that are the element's own pixels: dots stay where they are put.
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: { show: false, type: "value", min: 0, max: width },
      yAxis: { show: false, type: "value", min: 0, max: height },
      series: [{
        type: "graph", layout: "none", coordinateSystem: "cartesian2d", silent: true,
        data: nodes, edgeSymbol: ["none", "arrow"], edgeSymbolSize: 10,
        links: links.map((e) => ({
          source: e.from, target: e.to,
          lineStyle: { color: t.soft, width: 1 + 2 * (e.calls_per_request / most), opacity: 1,
            curveness: returned(e) ? 0.25 : e.from !== "main" && e.to !== "main" ? -0.4 : 0 },
          label: { show: true, formatter: `${short(e.calls_per_request)} calls`, color: t.ink, fontSize: 13, fontWeight: 600, fontFamily: t.font },
        })),
      }],
    };
  };

  const kinds = { pairs, accuracy, distribution, graph };
  const draw = (element) => {
    const index = Number(element.closest("[data-split]").dataset.split);
    const option = kinds[element.dataset.chart](study.splits[index], theme(), element);
    if (!option) return;
    const chart = charts.get(element) ?? echarts.init(element, null, { renderer: "svg" });
    charts.set(element, chart);
    chart.resize();
    chart.setOption(option, true);
  };
  /** Draws what can be seen: a hidden element has no size to draw in. */
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach((e) => e.clientWidth && draw(e));

  const tabs = [...document.querySelectorAll(".tabs a")];
  const panels = tabs.map((tab) => document.querySelector(tab.getAttribute("href")));
  const select = (chosen) => {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      panels[i].hidden = i !== chosen;
    });
    drawAll();
  };
  /** The split that the address names: itself, or one of its endpoints. The page of a service has no tab: CSS shows it. */
  const fromAddress = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const chosen = target ? panels.indexOf(target.closest(".split")) : -1;
    if (chosen < 0) return false;
    select(chosen);
    if (target !== panels[chosen]) target.scrollIntoView();
    return true;
  };

  document.documentElement.classList.add("js");
  if (tabs.length) {
    document.querySelector(".tabs").setAttribute("role", "tablist");
    tabs.forEach((tab, i) => {
      tab.setAttribute("role", "tab");
      tab.id = `tab-${i}`;
      tab.setAttribute("aria-controls", panels[i].id);
      panels[i].setAttribute("role", "tabpanel");
      tab.addEventListener("click", (event) => {
        event.preventDefault();
        history.replaceState(null, "", tab.getAttribute("href"));
        select(i);
      });
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (i + step + tabs.length) % tabs.length;
        select(next);
        tabs[next].focus();
      });
    });
    if (!fromAddress()) select(0);
  } else {
    drawAll();
  }
  // After the page of a service, the charts have a size again.
  addEventListener("hashchange", () => fromAddress() || drawAll());

  document.querySelectorAll("details.code").forEach((code) => {
    const text = code.querySelector("pre").textContent;
    code.querySelector(".copy").addEventListener("click", async ({ target }) => {
      await navigator.clipboard.writeText(text);
      target.textContent = "Copied";
    });
    code.querySelector(".save").addEventListener("click", ({ target }) => {
      const link = document.createElement("a");
      link.download = target.dataset.file;
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });
  document.querySelectorAll("select.endpoint").forEach((s) =>
    s.addEventListener("change", () => draw(s.closest("figure").querySelector("[data-chart]"))));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) drawAll();
    width = innerWidth;
  });
})();
