// The open chat: what it shows and what one can do in it.

import { act, get } from "./api.js";
import { askPayment, commandRows, confirm, tell } from "./dialogs.js";
import { $, arrange, day, make, price, say, toast } from "./dom.js";
import { messageElement } from "./message.js";

const NEAR_THE_END = 120;
const LONGEST_WAIT = 15_000;

let person = null;
let portrait = null;
let revision = 0;
let missed = 0;
let refreshing = Promise.resolve();
const messages = new Map();
const drawn = new Map();
const waiting = new Map();
const answered = new Set();

export const currentPerson = () => person;
export const currentPortrait = () => portrait;

export async function openChat(id) {
  person = id;
  portrait = null;
  revision = 0;
  missed = 0;
  messages.clear();
  drawn.clear();
  waiting.clear();
  $("messages").replaceChildren();
  $("text").value = "";
  $("app").classList.toggle("in-chat", id !== null);
  if (id === null) return;
  await refreshChat();
  toTheEnd();
  if (matchMedia("(hover: hover)").matches) $("text").focus({ preventScroll: true });
}

// One at a time: two that ask after the same revision would show the same answer twice.
export function refreshChat() {
  refreshing = refreshing.then(load, load);
  return refreshing;
}

async function load() {
  const asked = person;
  if (asked === null) return;
  const news = await get(`/people/${asked}/messages?after=${revision}`);
  if (asked !== person) return;
  const first = portrait === null;
  portrait = news;
  revision = news.revision;
  const atEnd = isAtEnd();
  const fresh = news.messages.filter((message) => !messages.has(message.message_id) && !message.deleted);
  for (const message of news.messages) {
    if (message.deleted) messages.delete(message.message_id);
    else messages.set(message.message_id, message);
  }
  for (const answer of news.toasts) hearAnswer(answer, first);
  if (first || news.messages.length) drawMessages(first ? [] : fresh);
  drawSurroundings();
  if (atEnd || fresh.some((message) => !message.from_bot)) toTheEnd();
  else if (!first) showMissed(fresh.length);
  if (news.person.unread && !document.hidden) act(asked, "reads");
}

function hearAnswer(answer, old) {
  stopWaiting(answer.query_id);
  if (old) return;
  if (answer.text && answer.alert) tell(answer.text);
  else if (answer.text) toast(answer.text);
  if (answer.url) follow(answer.url, true);
}

function drawMessages(fresh) {
  const news = new Set(fresh.map((message) => message.message_id));
  const sorted = [...messages.values()].sort((a, b) => a.message_id - b.message_id);
  const elements = [];
  sorted.forEach((message, index) => {
    const before = sorted[index - 1];
    const after = sorted[index + 1];
    const date = day(message.date);
    if (!before || day(before.date) !== date) elements.push(once(`day ${date}`, () => make("div", { class: "day" }, date)));
    const element = once(`${message.message_id} ${message.revision}`, () => draw(message));
    element.classList.toggle("last-of-group", !after || after.from_bot !== message.from_bot);
    if (news.has(message.message_id)) element.classList.add("new");
    elements.push(element);
  });
  arrange($("messages"), elements.length ? elements : [emptyChat()]);
}

function draw(message) {
  return messageElement(message, { bot: portrait.bot, actions: { press, follow, copy, say: speak } });
}

function once(key, build) {
  if (!drawn.has(key)) drawn.set(key, build());
  return drawn.get(key);
}

function emptyChat() {
  if (!portrait.description) return make("div", { class: "day" }, say("no_messages"));
  return make("div", { class: "empty" }, make("strong", {}, say("what_can_it_do")), portrait.description);
}

function drawSurroundings() {
  const { person: who, commands, menu_button: menu, doing } = portrait;
  const status = $("status");
  status.textContent = doing ? say("typing") : say("chatting_as", { name: who.name });
  status.className = doing ? "busy" : "";
  if (doing) setTimeout(refreshChat, 5200);
  $("stars").textContent = price("XTR", who.stars);
  $("block-words").textContent = say(who.blocked ? "unblock" : "block");
  const never = !who.known && messages.size === 0;
  $("big").hidden = who.deactivated || !(who.blocked || never);
  $("big").textContent = say(who.blocked ? "restart" : "start");
  $("gone").hidden = !who.deactivated;
  $("composer").hidden = who.deactivated || who.blocked || never;
  $("menu").hidden = !commands.length || menu.type === "web_app";
  drawReplyKeyboard(who.blocked || who.deactivated ? null : portrait.reply_keyboard);
}

function drawReplyKeyboard(keyboard) {
  const place = $("reply-keyboard");
  place.hidden = !keyboard;
  const key = (button) => {
    const words = button.text ?? button;
    return make("button", { class: "key", type: "button", onclick: () => act(person, "presses", { button: words }) }, words);
  };
  place.replaceChildren(...(keyboard?.keyboard ?? []).map((row) => make("div", { class: "key-row" }, ...row.map(key))));
}

async function press(message, button, element) {
  if (button.pay) return pay(message);
  if (button.copy_text) return copy(button.copy_text.text);
  if (button.url) return follow(button.url, false);
  if (button.web_app) return follow(button.web_app.url, true);
  if (button.callback_data === undefined) return undefined;
  element.classList.add("waiting");
  const body = { data: button.callback_data, message_id: message.message_id };
  const asked = await act(person, "presses", body);
  if (asked === null) return element.classList.remove("waiting");
  waiting.set(asked.query_id, element);
  if (answered.has(asked.query_id)) return stopWaiting(asked.query_id);
  setTimeout(() => stopWaiting(asked.query_id), LONGEST_WAIT);
  return refreshChat();
}

function stopWaiting(query) {
  answered.add(query);
  waiting.get(query)?.classList.remove("waiting");
  waiting.delete(query);
}

async function pay(message) {
  if (message.paid) return tell(`${message.invoice.title}\n${price(message.invoice.currency, message.invoice.total_amount)}\n\n${say("charge")}\n${message.charge_id}`);
  if (!(await askPayment(message.invoice, portrait.bot, portrait.person.stars))) return undefined;
  const settled = toast(say("paying"));
  const ended = await act(person, "pays", { message_id: message.message_id });
  settled();
  if (ended === null || ended.outcome === "paid") return undefined;
  const why = { too_poor: say("too_poor"), timed_out: say("timed_out") }[ended.outcome] ?? ended.error;
  return tell(say("payment_failed", { why }));
}

async function follow(url, mayAsk) {
  if (isOurBot(url)) return act(person, "opens", { link: url });
  if (!/^https?:/i.test(url)) return undefined;
  if (mayAsk && !(await confirm(`${say("leave")}\n\n${url}`))) return undefined;
  return window.open(url, "_blank", "noopener,noreferrer");
}

function isOurBot(url) {
  const name = portrait.bot.username.toLowerCase();
  const plain = url.toLowerCase();
  return plain.startsWith(`tg://resolve?domain=${name}`) || new RegExp(`^https?://(www\\.)?(t|telegram)\\.me/${name}([/?#]|$)`).test(plain);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure address the clipboard is closed; the words are at least shown.
  }
  toast(say("copied", { text }));
}

export async function speak(text) {
  $("commands").hidden = true;
  const sent = await act(person, "says", { text });
  if (sent !== null) await refreshChat();
  return sent !== null;
}

export async function startOrRestart() {
  await act(person, "start");
  await refreshChat();
}

export function showCommands(typed, choose) {
  const panel = $("commands");
  const matching = (portrait?.commands ?? []).filter(({ command }) => `/${command}`.startsWith(typed));
  panel.hidden = !matching.length;
  panel.replaceChildren(...commandRows(matching, choose));
}

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroller");
  return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
}

export function toTheEnd() {
  $("scroller").scrollTop = $("scroller").scrollHeight;
  missed = 0;
  watchScroll();
}

export function watchScroll() {
  if (isAtEnd()) missed = 0;
  $("jump").hidden = isAtEnd();
  $("missed").textContent = missed ? String(missed) : "";
}

function showMissed(count) {
  missed += count;
  watchScroll();
}
