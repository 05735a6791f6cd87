// Adds to the page what needs a script: the charts, and one split at a time. The tables are there without it.
"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const study = read("study");
  const quantiles = ["p50", "p90", "p99"];
  const symbols = { p50: "circle", p90: "diamond", p99: "triangle" };
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
  const milliseconds = (interval) => `${number(interval.value)} ms (${number(interval.low)}–${number(interval.high)})`;
  const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const tick = (value) => (value >= 1 ? value.toLocaleString("en-US") : String(Number(value.toPrecision(1))));

  /** The page's colours and font, in the theme that holds now. */
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: of("ink"), soft: of("soft"), rule: of("rule"), paper: of("paper"), raised: of("raised"),
      monolith: of("monolith"), after: of("after"), font: getComputedStyle(document.body).fontFamily,
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
  /** A logarithmic axis in milliseconds from `low` to `high`, both a little inside it. */
  const logAxis = (t, name, low, high, more) =>
    axis(t, name, { type: "log", min: low / 1.15, max: high * 1.15, ...more,
      axisLabel: { color: t.soft, fontSize: 11.5, hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: tick } });
  const legend = (t, data) => ({
    data, top: 0, left: 0, itemWidth: 22, itemHeight: 9, itemGap: 14,
    textStyle: { color: t.ink, fontSize: 12 }, inactiveColor: t.soft, inactiveBorderColor: t.soft,
  });

  /** Each endpoint's quantiles: predicted to the right, measured upwards, their intervals as a cross. */
  const accuracy = (split, t) => {
    const series = [];
    const all = [];
    const kinds = [["Split", "split", t.after], ["Monolith", "monolith", t.monolith]];
    for (const [kind, arm, color] of kinds) {
      const rows = split.estimate.endpoints
        .map(({ name, [arm]: predicted }) => ({ name, predicted, measured: find(split.rehearsal, name)?.[arm] }))
        .filter(({ predicted, measured }) => predicted && measured);
      for (const q of quantiles) {
        const data = rows.map((e) => ({ name: e.name, x: e.predicted[`${q}_ms`], y: e.measured[`${q}_ms`] }))
          .filter(({ x, y }) => [x.low, x.high, y.low, y.high].every((v) => v > 0));
        if (!data.length) continue;
        data.forEach(({ x, y }) => all.push(x.low, x.high, y.low, y.high));
        // The monolith's quantiles share one entry of the legend, which starts switched off.
        const name = kind === "Split" ? q : kind;
        series.push({
          name, type: "scatter", symbol: symbols[q], symbolSize: 9, z: 3,
          itemStyle: { color: kind === "Split" ? color : t.paper, borderColor: color, borderWidth: 1.5 },
          data: data.map(({ name: endpoint, x, y }) => ({ value: [x.value, y.value], what: `${kind}, ${q}`, endpoint, x, y })),
        });
        series.push({
          name, type: "custom", silent: true, itemStyle: { color }, encode: { x: [0, 2, 3], y: [1, 4, 5] },
          data: data.map(({ x, y }) => [x.value, y.value, x.low, x.high, y.low, y.high]),
          renderItem: (_, api) => {
            const [x1, y0] = api.coord([api.value(2), api.value(1)]);
            const [x2] = api.coord([api.value(3), api.value(1)]);
            const [x0, y1] = api.coord([api.value(0), api.value(4)]);
            const [, y2] = api.coord([api.value(0), api.value(5)]);
            const style = { stroke: color, lineWidth: 1, opacity: 0.5 };
            return { type: "group", children: [
              { type: "line", shape: { x1, y1: y0, x2, y2: y0 }, style },
              { type: "line", shape: { x1: x0, y1, x2: x0, y2 }, style },
            ] };
          },
        });
      }
    }
    if (!all.length) return null;
    const [low, high] = [Math.min(...all), Math.max(...all)];
    series.push({
      type: "line", name: "equal", silent: true, symbol: "none", z: 1, lineStyle: { color: t.soft, width: 1, type: [2, 3] },
      data: [[low / 1.15, low / 1.15], [high * 1.15, high * 1.15]],
    });
    const names = [...new Set(series.map((s) => s.name))].filter((n) => n !== "equal");
    return {
      ...base(t), series,
      legend: { ...legend(t, names), itemWidth: 10, selected: { Monolith: names.length === 1 } },
      grid: { left: 48, right: 14, top: 58, bottom: 44 },
      xAxis: logAxis(t, "predicted, ms ○", low, high, { nameGap: 28 }),
      yAxis: logAxis(t, "measured, ms ●", low, high, { nameGap: 34 }),
      tooltip: { ...base(t).tooltip, trigger: "item", formatter: ({ data }) =>
        `<b>${escape(data.endpoint)}</b><br>${data.what}<br>predicted ${milliseconds(data.x)}<br>measured ${milliseconds(data.y)}` },
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

  const kinds = { accuracy, distribution, graph };
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
