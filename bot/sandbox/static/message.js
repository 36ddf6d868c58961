// One message of a chat as an element.

import { clock, icon, make, price, say } from "./dom.js";
import { formatted } from "./entities.js";

const THINGS = {
  video: (film) => [say("video"), film.source ?? `0:${String(film.duration ?? 0).padStart(2, "0")}`],
  document: (file) => [file.file_name ?? say("document"), file.file_size ? `${file.file_size} B` : ""],
  voice: (file) => [say("voice"), `0:${String(file.duration ?? 0).padStart(2, "0")}`],
  location: (place) => [say("location"), `${place.latitude.toFixed(4)}, ${place.longitude.toFixed(4)}`],
  contact: (person) => [person.first_name, person.phone_number],
};

export function messageElement(message, context) {
  const service = serviceWords(message, context);
  if (service) return make("div", { class: "service", "data-id": message.message_id }, service);
  const rows = message.reply_markup?.inline_keyboard ?? defaultRows(message);
  const element = make(
    "div",
    { class: `message ${message.from_bot ? "in" : "out"}${rows.length ? " with-keys" : ""}`, "data-id": message.message_id },
    bubble(message, context),
  );
  if (rows.length) element.append(keyboard(message, rows, context));
  return element;
}

function defaultRows({ invoice }) {
  if (!invoice) return [];
  return [[{ text: `${say("pay")} ${price(invoice.currency, invoice.total_amount)}`, pay: true }]];
}

function serviceWords(message, { bot }) {
  const paid = message.successful_payment;
  const refunded = message.refunded_payment;
  if (paid) return say("you_paid", { price: price(paid.currency, paid.total_amount), bot: bot.first_name });
  if (refunded) return say("refunded", { price: price(refunded.currency, refunded.total_amount), bot: bot.first_name });
  return null;
}

function bubble(message, context) {
  const element = make("div", { class: `bubble${message.sticker ? " bare" : ""}` });
  if (message.reply_to_message) element.append(quote(message.reply_to_message, context));
  if (message.photo) element.append(picture(message.photo.at(-1)));
  if (message.sticker) element.append(make("div", { class: "big-emoji" }, message.sticker.emoji));
  if (message.invoice) element.append(invoice(message));
  for (const kind of Object.keys(THINGS)) if (message[kind]) element.append(thing(kind, message[kind]));
  const text = message.text ?? message.caption;
  if (text) element.append(formatted(text, message.entities ?? message.caption_entities ?? [], context.actions));
  const holder = element.querySelector(":scope > .words, .invoice > :last-child") ?? element;
  holder.append(stamp(message));
  if (message.reaction) element.append(make("span", { class: "reaction" }, message.reaction));
  return element;
}

function stamp(message) {
  return make(
    "span",
    { class: "stamp" },
    message.silent ? make("span", { title: say("silent") }, icon("silent")) : null,
    message.edit_date ? say("edited") : null,
    make("time", {}, clock(message.date)),
  );
}

function quote(original, { bot }) {
  const author = original.from.is_bot ? bot.first_name : say("you");
  return make("span", { class: "quoted" }, make("b", {}, author), original.text ?? original.caption ?? "…");
}

function picture(photo) {
  if (photo.source) return make("div", { class: "picture" }, icon("photo"), make("small", {}, photo.source));
  const image = make("img", { src: `/sandbox/files/${photo.file_id}`, alt: say("photo"), loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(icon("photo")));
  return make("div", { class: "picture" }, photo.file_size ? image : icon("photo"));
}

function thing(kind, content) {
  const [title, detail] = THINGS[kind](content);
  return make("div", { class: "thing" }, icon(kind), make("span", {}, make("b", {}, title), make("span", { class: "faint" }, detail)));
}

function invoice(message) {
  const { title, description, currency, total_amount: amount } = message.invoice;
  return make(
    "div",
    { class: `invoice${message.paid ? " paid" : ""}` },
    make("div", { class: "invoice-price" }, price(currency, amount)),
    make("b", {}, title),
    make("span", {}, description),
  );
}

function keyboard(message, rows, context) {
  const keys = make("div", { class: "keys" });
  for (const row of rows) {
    keys.append(make("div", { class: "key-row" }, ...row.map((button) => key(message, button, context))));
  }
  return keys;
}

function key(message, button, { actions }) {
  const sign = button.url || button.web_app ? "away" : button.copy_text ? "copy" : null;
  const words = button.pay && message.paid ? say("receipt") : button.text;
  const press = (event) => actions.press(message, button, event.currentTarget);
  return make(
    "button",
    { class: `key ${button.style ?? ""}`.trim(), type: "button", onclick: press },
    words,
    sign ? icon(sign) : null,
  );
}
