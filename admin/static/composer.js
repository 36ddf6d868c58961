// What makes the composer quick: marks by key, placeholders from a menu, segments found by typing. Nothing of it is needed.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const ATTRIBUTES = { a: ' href="https://"' };
  // As in Telegram itself; Ctrl+K is the palette everywhere else.
  const KEYS = { b: "b", i: "i", u: "u", k: "a" };
  const SHIFTED = { x: "s", p: "tg-spoiler", m: "code", ">": "blockquote", ".": "blockquote" };

  // ---- marks and placeholders ----------------------------------------------------------------------------------

  // Through the browser's own editing, so that Ctrl+Z takes it back.
  function type(field, text) {
    field.focus();
    if (!document.execCommand("insertText", false, text)) {
      field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  function mark(field, tag) {
    const { selectionStart: start, selectionEnd: end, value } = field;
    const chosen = value.slice(start, end);
    const open = `<${tag}${ATTRIBUTES[tag] ?? ""}>`;
    type(field, `${open}${chosen}</${tag}>`);
    if (tag === "a") {
      field.setSelectionRange(start + open.length - 2, start + open.length - 2);
    } else {
      field.setSelectionRange(start + open.length, start + open.length + chosen.length);
    }
  }

  function fillIn(field, placeholder) {
    const start = field.selectionStart;
    type(field, placeholder);
    const fallback = placeholder.indexOf("|");
    // What stands there for whoever has none is the next thing to think about.
    if (fallback > 0) field.setSelectionRange(start + fallback + 1, start + placeholder.length - 1);
  }

  document.addEventListener(
    "keydown",
    (event) => {
      const field = event.target.closest?.("textarea[data-marked]");
      if (!field || !(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
      const tag = (event.shiftKey ? SHIFTED : KEYS)[event.key.toLowerCase()];
      if (!tag) return;
      event.preventDefault();
      event.stopPropagation();
      mark(field, tag);
    },
    true,
  );

  document.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-mark]");
    if (tool) return mark(byId(tool.closest("[role=toolbar]").getAttribute("aria-controls")), tool.dataset.mark);
    const placeholder = event.target.closest("[data-insert]");
    if (!placeholder) return;
    const menu = placeholder.closest("[popover]");
    menu.hidePopover();
    fillIn(byId(menu.dataset.placeholders), placeholder.dataset.insert);
  });

  // Arrows walk through a toolbar, as everywhere; Tab leaves it.
  document.addEventListener("keydown", (event) => {
    const bar = event.target.closest?.("[role=toolbar], [data-placeholders]");
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!bar || !by) return;
    event.preventDefault();
    const tools = [...bar.querySelectorAll("button")];
    tools[(tools.indexOf(event.target) + by + tools.length) % tools.length].focus();
  });

  // ---- segments ------------------------------------------------------------------------------------------------

  document.addEventListener("input", (event) => {
    const field = event.target.closest("[data-filters]");
    if (!field) return;
    event.stopPropagation();
    const wanted = field.value.trim().toLowerCase();
    for (const group of field.parentElement.querySelectorAll("[data-group]")) {
      const whole = group.querySelector("legend").textContent.toLowerCase().includes(wanted);
      const rows = [...group.querySelectorAll("[data-tick]")];
      for (const row of rows) row.hidden = !whole && !row.textContent.toLowerCase().includes(wanted);
      group.hidden = rows.every((row) => row.hidden);
    }
  }, true);

  document.addEventListener("change", (event) => {
    const picker = event.target.closest("[data-picker]");
    if (!picker || event.target.type !== "checkbox") return;
    const shown = picker.querySelector("[data-chosen]");
    const chips = [...picker.querySelectorAll("[data-tick]:has(:checked)")].map((row) => {
      const chip = picker.querySelector("[data-chip]").content.firstElementChild.cloneNode(true);
      chip.querySelector("[data-label]").textContent = row.querySelector("input").dataset.label;
      chip.querySelector("[data-size]").textContent = row.querySelector("[data-size]").textContent;
      return chip;
    });
    shown.replaceChildren(...(chips.length ? chips : [nobody(shown.dataset.empty)]));
  });

  function nobody(text) {
    const said = document.createElement("span");
    said.className = "text-muted-foreground";
    said.textContent = text;
    return said;
  }

  // ---- keeping -------------------------------------------------------------------------------------------------

  // What waited behind another request must name the version that one made.
  document.addEventListener("htmx:before:request", (event) => {
    const { request } = event.detail.ctx;
    if (!(request.body instanceof URLSearchParams) || !request.body.has("version")) return;
    request.body.set("id", byId("draft-id").value);
    request.body.set("version", byId("draft-version").value);
  });

  document.addEventListener("htmx:after:swap", () => {
    const id = byId("draft-id")?.value;
    if (id && location.pathname === "/broadcasts/new") history.replaceState(null, "", `/broadcasts/${id}`);
    if (id) byId("composer").action = `/broadcasts/${id}`;
    dress();
  });

  // A fold that was opened stays open when the fields are drawn anew.
  const opened = new Set();
  document.addEventListener(
    "toggle",
    (event) => {
      if (!event.target.matches("#composer details[id]") || !event.target.isConnected) return;
      opened[event.target.open ? "add" : "delete"](event.target.id);
    },
    true,
  );

  function dress() {
    for (const part of document.querySelectorAll("[data-toolbar], [data-filters]")) part.hidden = false;
    for (const id of opened) byId(id)?.setAttribute("open", "");
  }
  dress();
})();
