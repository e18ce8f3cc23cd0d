(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const twins = read("twins");
  const places = [...document.querySelectorAll("[data-figure]")].filter((p) => figures[p.dataset.figure]);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hover = matchMedia("(hover: hover)");
  const controls = document.querySelector(".controls");
  const strong = controls ? JSON.parse(controls.dataset.strong) : [];
  const shown = { part: "val", bands: controls ? controls.dataset.bands : "all", hidden: new Set() };
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: hover.matches ? "hover" : false,
    modeBarButtons: [["toImage", "resetScale2d"]], // nothing that could send the figure anywhere
    showSendToCloud: false,
    plotlyServerURL: "",
  };
  let printing = false;

  // A figure comes in the colours of light paper; on dark paper each is exchanged for its twin.
  const themed = (figure) => {
    const swap = dark.matches && !printing;
    return JSON.parse(JSON.stringify(figure), (_, v) => (swap && typeof v === "string" && Object.hasOwn(twins, v) ? twins[v] : v));
  };

  const visible = (meta) => {
    if (shown.hidden.has(meta.variant)) return false;
    if (shown.part !== "both" && meta.part !== shown.part) return false;
    return !meta.band || shown.bands === "all" || (shown.bands === "some" && strong.includes(meta.variant));
  };

  const draw = (place) => {
    const name = place.dataset.figure;
    const { data, layout } = themed(figures[name]);
    if (name.startsWith("every-")) {
      for (const trace of data) trace.visible = visible(trace.meta);
      layout.yaxis.range = layout.meta[shown.part] || layout.yaxis.range;
    }
    if (!hover.matches) layout.dragmode = false; // a finger on a figure scrolls the page
    if (printing) {
      const width = place.closest(".pair") ? 320 : 660; // half a page, a page
      layout.height *= Math.min(1, width / (layout.width || width));
      layout.width = width;
    }
    return Plotly.react(place, data, layout, config);
  };
  const drawAll = (some = () => true) => places.filter(some).forEach(draw);
  const drawEvery = () => drawAll((p) => p.dataset.figure.startsWith("every-"));

  const chips = [...document.querySelectorAll(".chip")];
  const show = (chip, on) => {
    shown.hidden[on ? "delete" : "add"](chip.dataset.variant);
    chip.setAttribute("aria-pressed", String(on));
  };
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      show(chip, shown.hidden.has(chip.dataset.variant));
      drawEvery();
    });
  }
  for (const input of document.querySelectorAll(".switch input")) {
    input.addEventListener("change", () => {
      shown[input.name] = input.value;
      if (input.name === "who") for (const c of chips) show(c, input.value === "all" || strong.includes(c.dataset.variant));
      drawEvery();
    });
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = button.dataset.done;
      } catch {
        getSelection().selectAllChildren(code); // no clipboard on this page: select it instead
      }
    });
  }
  dark.addEventListener("change", () => drawAll());
  addEventListener("beforeprint", () => { printing = true; drawAll(); });
  addEventListener("afterprint", () => { printing = false; drawAll(); });
  drawAll();
})();
