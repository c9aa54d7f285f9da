"use strict";
// Draws each chart again with uPlot, so that values can be read by pointing. What the server drew stays when anything fails,
// and stays readable to whoever runs no scripts; its colours are taken over, so that both themes hold here as well.
(() => {
  const faded = (colour, share) => colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

  function options(figure, told) {
    const of = (selector, name) => getComputedStyle(figure.querySelector(selector) || figure)[name];
    const text = of("text", "fill"), grid = { stroke: of(".grid line", "stroke"), width: 1 };
    const value = (_, found) => found == null ? "–" : `${Number(found.toPrecision(3))}${told.unit}`;
    const line = (label, selector, more) => ({ label, value, stroke: of(selector, "stroke"), width: 2, points: { show: false }, ...more });
    const hidden = { stroke: "transparent", width: 0 };
    return {
      width: width(figure), height: 260, pxAlign: 0,
      tzDate: moment => uPlot.tzDate(new Date(moment * 1e3), "Etc/UTC"),
      cursor: { y: false },
      scales: { y: { range: (_, __, most) => [0, (most || 1) * 1.08] } },
      axes: [
        { stroke: text, grid: { show: false }, ticks: grid, values: (_, moments) => moments.map(hour) },
        { stroke: text, grid, ticks: { show: false }, size: 64, values: (_, found) => found.map(each => value(_, each)) },
      ],
      series: [
        { label: "UTC", value: (_, moment) => moment == null ? "–" : hour(moment) },
        line("measured", "path.measured"),
        line("expected", "path.expected", { dash: [5, 4] }),
        line("lowest", "path.band", hidden),
        line("highest", "path.band", hidden),
        line("bound", "path.peak", { width: 3 }),
      ],
      bands: [{ series: [4, 3], fill: faded(of("path.band", "fill"), 0.22) }],
    };
  }

  const hour = moment => new Date(moment * 1e3).toISOString().slice(11, 16);
  const width = figure => figure.querySelector(".drawn").clientWidth;

  function draw(figure) {
    const told = JSON.parse(figure.dataset.points), place = figure.querySelector(".drawn");
    const chart = new uPlot(options(figure, told), told.values, place);
    for (const svg of figure.querySelectorAll("svg")) svg.setAttribute("hidden", "");
    new ResizeObserver(() => chart.setSize({ width: width(figure), height: 260 })).observe(place);
  }

  function all() {
    for (const figure of document.querySelectorAll("figure.chart[data-points]:not([data-drawn])")) {
      figure.dataset.drawn = "";
      draw(figure);
    }
  }

  document.addEventListener("htmx:afterSettle", all);
  all();
})();
