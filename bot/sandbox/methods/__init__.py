"""The methods of the Bot API that the sandbox knows, by their lower-case names."""

from collections.abc import Awaitable, Callable

from bot.sandbox.methods import answering, editing, profiles, receiving, sending, stars
from bot.sandbox.parameters import Parameters
from bot.sandbox.world import World

SENDING: dict[str, Callable[[World, Parameters], object]] = {
    "sendmessage": sending.send_message,
    "sendphoto": sending.send_photo,
    "sendvideo": sending.send_video,
    "senddocument": sending.send_document,
    "sendmediagroup": sending.send_media_group,
    "sendlocation": sending.send_location,
    "sendinvoice": sending.send_invoice,
    "copymessage": sending.copy_message,
}

IMMEDIATE: dict[str, Callable[[World, Parameters], object]] = SENDING | {
    "getme": profiles.get_me,
    "getchat": profiles.get_chat,
    "getfile": profiles.get_file,
    "setmycommands": profiles.set_my_commands,
    "getmycommands": profiles.get_my_commands,
    "deletemycommands": profiles.delete_my_commands,
    "setchatmenubutton": profiles.set_chat_menu_button,
    "getchatmenubutton": profiles.get_chat_menu_button,
    "setmyname": profiles.setter("name", 64),
    "getmyname": profiles.getter("name"),
    "setmydescription": profiles.setter("description", 512),
    "getmydescription": profiles.getter("description"),
    "setmyshortdescription": profiles.setter("short_description", 120),
    "getmyshortdescription": profiles.getter("short_description"),
    "editmessagetext": editing.edit_message_text,
    "editmessagecaption": editing.edit_message_caption,
    "editmessagereplymarkup": editing.edit_message_reply_markup,
    "deletemessage": editing.delete_message,
    "deletemessages": editing.delete_messages,
    "answercallbackquery": answering.answer_callback_query,
    "answerprecheckoutquery": answering.answer_pre_checkout_query,
    "sendchataction": answering.send_chat_action,
    "refundstarpayment": stars.refund_star_payment,
    "getstartransactions": stars.get_star_transactions,
    "getmystarbalance": stars.get_my_star_balance,
    "getwebhookinfo": receiving.get_webhook_info,
}

WAITING: dict[str, Callable[[World, Parameters], Awaitable[object]]] = {
    "getupdates": receiving.get_updates,
    "setwebhook": receiving.set_webhook,
    "deletewebhook": receiving.delete_webhook,
}
