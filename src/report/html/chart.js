// Values on hover and lines that can be hidden. Everything is drawn already; text only ever goes in
// as textContent.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);

  const number = (value) =>
    value === null || value === undefined ? "-" : value.toLocaleString("en-US", { maximumSignificantDigits: 4 });

  const nearest = (places, x) => {
    let low = 0;
    let high = places.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (places[middle] < x) low = middle;
      else high = middle;
    }
    return x - places[low] < places[high] - x ? low : high;
  };

  const toggle = (entry, path) => {
    entry.setAttribute("role", "button");
    entry.setAttribute("tabindex", "0");
    entry.setAttribute("aria-pressed", "true");
    const flip = () => {
      const shown = path.classList.toggle("hidden") === false;
      entry.setAttribute("aria-pressed", String(shown));
    };
    entry.addEventListener("click", flip);
    entry.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        flip();
      }
    });
  };

  const attach = (chart) => {
    const svg = document.getElementById(chart.id);
    const figure = svg && svg.closest("figure");
    if (!figure || chart.at.length === 0) return;
    const paths = svg.querySelectorAll("path.series");
    const entries = figure.querySelectorAll(".legend li:not(.fixed)");
    entries.forEach((entry, index) => toggle(entry, paths[index]));
    const outputs = figure.querySelectorAll(".legend output");
    const when = document.createElement("span");
    when.className = "when";
    figure.querySelector("figcaption").append(when);
    const box = svg.viewBox.baseVal;
    const cursor = document.createElementNS(svg.namespaceURI, "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", String(chart.top));
    cursor.setAttribute("y2", String(chart.bottom));
    cursor.setAttribute("visibility", "hidden");
    svg.append(cursor);

    const show = (index) => {
      cursor.setAttribute("x1", String(chart.at[index]));
      cursor.setAttribute("x2", String(chart.at[index]));
      cursor.setAttribute("visibility", "visible");
      when.textContent = chart.labels[index];
      chart.series.forEach((series, line) => {
        const low = series.low[index];
        const high = series.high ? series.high[index] : low;
        const values = low === high ? number(low) : number(low) + " to " + number(high);
        outputs[line].textContent = low === null ? "-" : values + series.unit;
      });
    };
    const hide = () => {
      cursor.setAttribute("visibility", "hidden");
      when.textContent = "";
      outputs.forEach((output) => (output.textContent = ""));
    };
    const place = (event) => {
      const drawn = svg.getBoundingClientRect();
      show(nearest(chart.at, ((event.clientX - drawn.left) / drawn.width) * box.width));
    };
    svg.addEventListener("pointermove", place);
    svg.addEventListener("pointerdown", place);
    svg.addEventListener("pointerleave", hide);
  };

  data.charts.forEach(attach);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((fold) => (fold.open = true));
  });
})();
