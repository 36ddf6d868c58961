// Joins the list of people, the open chat and the controls around them.

import { act, onNews, post } from "./api.js";
import {
  currentPerson,
  currentPortrait,
  openChat,
  refreshChat,
  showCommands,
  speak,
  startOrRestart,
  toTheEnd,
  watchScroll,
} from "./chat.js";
import { askLink, askPerson, openMenu } from "./dialogs.js";
import { $, say, toast } from "./dom.js";
import { drawPeople } from "./people.js";

const SAMPLE = {
  photo: { kind: "photo" },
  document: { kind: "document", file_name: "receipt.pdf" },
  voice: { kind: "voice", seconds: 4 },
  sticker: { kind: "sticker", emoji: "😊" },
  location: { kind: "location", latitude: 31.2304, longitude: 121.4737 },
  contact: { kind: "contact", phone: "+8613800138000" },
};

async function choose(id) {
  const address = new URL(location.href);
  if (id === null) address.searchParams.delete("person");
  else address.searchParams.set("person", id);
  address.searchParams.delete("lang");
  history.replaceState(null, "", address);
  await openChat(id).catch(() => openChat(null));
  await drawPeople(currentPerson(), choose);
}

const refresh = onNews(async () => {
  await Promise.all([drawPeople(currentPerson(), choose), refreshChat()]);
});

$("search").addEventListener("input", refresh);
$("back").addEventListener("click", () => choose(null));
$("big").addEventListener("click", startOrRestart);
$("jump").addEventListener("click", toTheEnd);
$("scroller").addEventListener("scroll", watchScroll, { passive: true });
document.addEventListener("visibilitychange", refresh);

$("add-person").addEventListener("click", async () => {
  const wanted = await askPerson();
  if (!wanted) return;
  try {
    const { telegram_id: id } = await post("/people", wanted);
    await choose(id);
  } catch (error) {
    toast(say("failed", { why: error.message }));
  }
});

for (const link of document.querySelectorAll(".languages a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const address = new URL(location.href);
    address.searchParams.set("lang", link.dataset.language);
    location.assign(address);
  });
}

const text = $("text");

function fitText() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

async function send() {
  const words = text.value.trim();
  if (!words) return;
  text.value = "";
  fitText();
  if (!(await speak(words))) text.value = words;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
  if (event.key === "Escape") $("commands").hidden = true;
});

function sayCommand(command) {
  text.value = "";
  fitText();
  speak(`/${command}`);
}

text.addEventListener("input", () => {
  fitText();
  if (/^\/\w*$/.test(text.value)) showCommands(text.value, sayCommand);
  else $("commands").hidden = true;
});

$("menu").addEventListener("click", () => {
  if ($("commands").hidden) showCommands("/", sayCommand);
  else $("commands").hidden = true;
});

document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".commands, .menu-button, textarea")) $("commands").hidden = true;
});

$("options").addEventListener("click", () => openMenu($("options-menu"), $("options")));
$("attach").addEventListener("click", () => openMenu($("attach-menu"), $("attach")));

$("options-menu").addEventListener("click", async (event) => {
  const option = event.target.closest("button")?.dataset.option;
  $("options-menu").hidePopover();
  if (option === "block") await act(currentPerson(), currentPortrait().person.blocked ? "unblocks" : "blocks");
  if (option === "link") await openLink();
});

async function openLink() {
  const wanted = await askLink();
  if (!wanted) return;
  const link = wanted.link.trim();
  if (/^[\w-]{1,64}$/.test(link)) await act(currentPerson(), "start", { payload: link });
  else await act(currentPerson(), "opens", { link });
}

$("attach-menu").addEventListener("click", (event) => {
  const kind = event.target.closest("button")?.dataset.kind;
  $("attach-menu").hidePopover();
  if (kind) act(currentPerson(), "sends", SAMPLE[kind]);
});

const asked = $("app").dataset.person;
choose(/^\d+$/.test(asked) ? Number(asked) : null);
