// What plain HTML cannot do: keys, dialogs filled by htmx, copying. Every page works without this file.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;

  // ---- dialogs -------------------------------------------------------------------------------------------------

  // Browsers older than 2026 do not know `command`; this does for them what it says.
  if (!("commandForElement" in HTMLButtonElement.prototype)) {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[commandfor]");
      const dialog = button && byId(button.getAttribute("commandfor"));
      if (!dialog) return;
      if (button.getAttribute("command") === "show-modal") open(dialog);
      else dialog.close();
    });
  }

  function open(dialog) {
    for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
    if (!dialog.open) dialog.showModal();
  }

  // A modal over an open menu would leave the menu above it.
  document.addEventListener("click", (event) => {
    if (event.target.closest("[popover] [commandfor]")) event.target.closest("[popover]").hidePopover();
  });

  // Whatever htmx puts into the shared dialog opens it.
  document.addEventListener("htmx:after:swap", () => {
    const body = byId("dialog-body");
    if (body?.childElementCount && !body.dataset.shown) {
      body.dataset.shown = "yes";
      open(byId("dialog"));
    }
  });
  byId("dialog")?.addEventListener("close", () => {
    const body = byId("dialog-body");
    body.replaceChildren();
    delete body.dataset.shown;
  });

  // ---- keys ----------------------------------------------------------------------------------------------------

  let awaitingPlace = 0; // when `g` was pressed

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && byId("palette")) {
      event.preventDefault();
      open(byId("palette"));
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (press(event.key)) event.preventDefault();
  });

  // Ctrl+Enter sends what is being written.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey) || event.isComposing) return;
    const field = event.target.closest("[data-send]");
    if (!field) return;
    event.preventDefault();
    field.form.requestSubmit();
  });

  function press(key) {
    if (Date.now() - awaitingPlace < 1500) {
      awaitingPlace = 0;
      return follow(document.querySelector(`[data-go="${CSS.escape(key)}"]`));
    }
    if (key === "g") {
      awaitingPlace = Date.now();
      return true;
    }
    if (key === "?" && byId("shortcuts")) {
      open(byId("shortcuts"));
      return true;
    }
    if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
    if (key === "Enter") return follow(document.querySelector("[data-row][data-current] a[href]"));
    return follow(document.querySelector(`[data-key="${CSS.escape(key)}"]`));
  }

  function follow(element) {
    if (!element) return false;
    if (element.matches("input, textarea")) {
      element.focus();
      element.select();
    } else {
      element.click();
    }
    return true;
  }

  function step(by) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return false;
    const current = rows.findIndex((row) => row.hasAttribute("data-current"));
    const next = rows[Math.min(Math.max(current + by, 0), rows.length - 1)];
    rows[current]?.removeAttribute("data-current");
    next.setAttribute("data-current", "");
    next.scrollIntoView({ block: "nearest" });
    next.querySelector("a[href]")?.focus({ preventScroll: true });
    return true;
  }

  // ---- small things --------------------------------------------------------------------------------------------

  // The palette's field narrows the list below it; Enter opens the only entry left, else searches fans.
  for (const field of document.querySelectorAll("[data-narrows]")) {
    const entries = [...byId(field.dataset.narrows).children];
    const matching = () => entries.filter((entry) => !entry.hidden);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
    });
    field.form.addEventListener("submit", (event) => {
      if (!field.value.trim() || matching().length === 1) {
        event.preventDefault();
        if (field.value.trim()) matching()[0].querySelector("a").click();
      }
    });
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.setAttribute("data-copied", "");
    setTimeout(() => button.removeAttribute("data-copied"), 1500);
  });

  // An undo window closes while one looks at it; what happens then is the page's own look at where it stands.
  setInterval(() => {
    for (const bar of document.querySelectorAll("progress[data-countdown]")) {
      bar.dataset.ends ??= Date.now() + bar.value * 1000;
      const left = Math.max(0, (bar.dataset.ends - Date.now()) / 1000);
      bar.value = left;
      byId(bar.dataset.countdown).textContent = Math.ceil(left);
    }
  }, 200);

  // A form sent twice by a double click is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 3000);
  });
})();
