"""The words of the chat page in English and Chinese."""

from collections.abc import Mapping

LANGUAGES = {"en": "English", "zh": "中文"}

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Sandbox chat", "沙盒聊天"),
    "people": ("People", "人物"),
    "search": ("Search", "搜索"),
    "add_person": ("Add a person", "添加人物"),
    "name": ("Name", "姓名"),
    "username": ("Username (optional)", "用户名（可不填）"),
    "language": ("Their language", "对方语言"),
    "no_language": ("not told", "未知"),
    "add": ("Add", "添加"),
    "cancel": ("Cancel", "取消"),
    "ok": ("OK", "好的"),
    "back": ("Back to people", "返回人物列表"),
    "choose": ("Choose somebody to chat as", "选择一个人开始聊天"),
    "choose_hint": (
        "You play the fans here: each has a private chat with the bot and a balance of pretend Stars.",
        "在这里由你扮演粉丝：每个人都有与机器人的私聊和虚拟星星余额。",
    ),
    "nobody": ("Nobody here yet. Add the first person.", "还没有人，先添加一位吧。"),
    "nobody_found": ("Nobody matches.", "没有匹配的人。"),
    "more_people": ("and {count} more; search to find them", "还有 {count} 人，可用搜索查找"),
    "chatting_as": ("You are {name}", "你是 {name}"),
    "start": ("START", "开始"),
    "restart": ("RESTART BOT", "重新启用机器人"),
    "what_can_it_do": ("What can this bot do?", "这个机器人能做什么？"),
    "no_messages": (
        "No messages yet. Press START, or follow a link with a payload.",
        "还没有消息。点击“开始”，或打开带参数的链接。",
    ),
    "message": ("Message", "输入消息"),
    "send": ("Send", "发送"),
    "commands": ("Commands", "命令"),
    "menu": ("Menu", "菜单"),
    "attach": ("Attach", "附件"),
    "photo": ("Photo", "图片"),
    "video": ("Video", "视频"),
    "document": ("File", "文件"),
    "voice": ("Voice message", "语音"),
    "sticker": ("Sticker", "贴纸"),
    "location": ("Location", "位置"),
    "contact": ("Contact", "联系方式"),
    "invoice": ("Invoice", "账单"),
    "options": ("Options", "选项"),
    "open_link": ("Open a link with payload", "打开带参数的链接"),
    "open_link_hint": ("A t.me link, or just the payload", "t.me 链接，或只填参数"),
    "open": ("Open", "打开"),
    "block": ("Block the bot", "拉黑机器人"),
    "unblock": ("Unblock the bot", "解除拉黑"),
    "gone": ("account deleted", "账号已注销"),
    "gone_hint": ("This account was deleted.", "该账号已注销。"),
    "typing": ("typing…", "正在输入…"),
    "edited": ("edited", "已编辑"),
    "you": ("You", "你"),
    "pay": ("Pay", "支付"),
    "paid": ("Paid", "已支付"),
    "receipt": ("Receipt", "收据"),
    "confirm_payment": ("Confirm payment", "确认付款"),
    "confirm_text": ("Buy “{title}” from {bot} for {price}?", "确定以 {price} 向 {bot} 购买“{title}”吗？"),
    "balance": ("Your balance: {stars}", "余额：{stars}"),
    "paying": ("Waiting for the bot…", "等待机器人确认…"),
    "payment_failed": ("The payment did not go through: {why}", "付款未成功：{why}"),
    "too_poor": ("not enough Stars", "星星不足"),
    "timed_out": ("the bot did not answer within 10 seconds", "机器人 10 秒内没有应答"),
    "you_paid": ("You paid {price} to {bot}", "你向 {bot} 支付了 {price}"),
    "refunded": ("{bot} refunded {price}", "{bot} 已退款 {price}"),
    "charge": ("Transaction ID", "交易编号"),
    "copied": ("Copied: {text}", "已复制：{text}"),
    "leave": ("Open this link?", "打开此链接？"),
    "today": ("Today", "今天"),
    "yesterday": ("Yesterday", "昨天"),
    "failed": ("That did not work: {why}", "操作未成功：{why}"),
    "offline": ("The sandbox is not answering. Trying again…", "沙盒没有响应，正在重试…"),
    "script_needed": ("This page needs JavaScript.", "此页面需要启用 JavaScript。"),
    "interface_language": ("Interface language", "界面语言"),
    "silent": ("sent without sound", "静音发送"),
    "to_bottom": ("Jump to the newest message", "跳到最新消息"),
    "stars": ("Stars", "星星"),
}


def words_in(language: str) -> Mapping[str, str]:
    """Every word of the page in one language."""
    place = list(LANGUAGES).index(language)
    return {key: both[place] for key, both in _WORDS.items()}


def choose_language(asked: str, accepted: str) -> str:
    """The asked-for language, else the first one the browser accepts, else English."""
    if asked in LANGUAGES:
        return asked
    for part in accepted.split(","):
        language = part.strip()[:2].lower()
        if language in LANGUAGES:
            return language
    return "en"
