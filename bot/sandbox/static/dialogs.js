// Questions to whoever plays the fan.

import { $, make, price, say } from "./dom.js";

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close(""));
}

// Click on the backdrop closes, as people expect.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog) dialog.close("");
  });
}

function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

async function askForm(name) {
  const form = $(`${name}-form`);
  form.reset();
  return (await ask($(`${name}-dialog`))) ? Object.fromEntries(new FormData(form)) : null;
}

export const askPerson = () => askForm("person");

export const askLink = () => askForm("link");

export function tell(text) {
  $("alert-text").textContent = text;
  $("alert-cancel").hidden = true;
  return ask($("alert-dialog"));
}

export function confirm(text) {
  $("alert-text").textContent = text;
  $("alert-cancel").hidden = false;
  return ask($("alert-dialog"));
}

export function askPayment(invoice, bot, stars) {
  const sum = price(invoice.currency, invoice.total_amount);
  $("pay-text").textContent = say("confirm_text", { title: invoice.title, bot: bot.first_name, price: sum });
  $("pay-balance").textContent = invoice.currency === "XTR" ? say("balance", { stars: price("XTR", stars) }) : "";
  $("pay-ok").textContent = `${say("pay")} ${sum}`;
  return ask($("pay-dialog"));
}

export function openMenu(menu, button) {
  menu.showPopover();
  const edge = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = edge.bottom + 6 + height < window.innerHeight;
  menu.style.left = `${Math.max(8, Math.min(edge.right - width, window.innerWidth - width - 8))}px`;
  menu.style.top = `${below ? edge.bottom + 6 : edge.top - height - 6}px`;
  menu.querySelector("button").focus({ preventScroll: true });
}

export function commandRows(commands, choose) {
  return commands.map(({ command, description }) =>
    make(
      "button",
      { class: "command-row", type: "button", role: "option", onclick: () => choose(command) },
      make("b", {}, `/${command}`),
      make("span", {}, description),
    ),
  );
}
