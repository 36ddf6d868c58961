"""Names, goods and channels of the invented community: a tea house with a taste for clay."""

from dataclasses import dataclass
from random import Random

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
GIVEN = (
    "雨桐 子涵 浩然 欣怡 梓轩 诗涵 宇航 佳怡 俊杰 思远 若曦 明轩 雅婷 嘉豪 静怡 文博 晓彤 志强 慧敏 建国 "
    "一诺 沐阳 清欢 知夏 南星 云舒 景行 望舒 听雪 怀瑾 小满 立春 桂香 海燕 秋实 木子 之遥 可心 安然 乐天"
).split()
FIRST = (
    "Amelia Noah Mina Boris Clara Daniel Elif Farid Grace Hugo Ines Jonas Kira Leo Maya Nils Olga Pablo Ruth Sam "
    "Tara Umar Vera Wes Yara Zoe Anton Bea Carlos Dina Emil Freya Gita Henrik Iris Jamal Kim Lara Mateo Nora"
).split()
LAST = (
    "Silva Novak Okafor Haddad Larsen Moreau Kowalski Tanaka Rossi Weber Nguyen Ivanova Castillo Byrne Fischer "
    "Kaya Lindqvist Mensah Petrov Quinn Rahman Santos Thorne Ueda Vance Walsh Xu Young Zhao Abbott"
).split()

# The first-touch channel, and how often it is the one.
CHANNELS = {"social": 34, "direct": 26, "search": 14, "offline": 12, "ads": 9, "email": 5, "podcast": 3}


@dataclass(frozen=True)
class DemoLink:
    """A source link; `spent` in minor units."""

    title: str
    channel: str
    campaign: str = ""
    spent: int = 0


# Three of four who came by a channel came by a link of it.
LINKS = {
    "rednote": DemoLink("小红书笔记 RedNote post", "social", "春茶 Spring tea", 90_000),
    "tea-fair": DemoLink("茶博会展位 Tea fair stand", "social", "春茶 Spring tea", 900_000),
    "shop-window": DemoLink("门店海报 Shop window", "offline"),
    "newsletter": DemoLink("Newsletter", "email", "", 12_000),
    "banner": DemoLink("横幅广告 Banner", "ads", "春茶 Spring tea", 400_000),
}

# What people were asked for: which share answered, and how often which answer.
ANSWERS: dict[str, tuple[float, dict[str, int]]] = {
    "customer_type": (0.5, {"individual": 84, "enterprise": 13, "government": 3}),
    "age_group": (0.45, {"young": 40, "middle": 45, "senior": 15}),
    "gender": (0.6, {"female": 55, "male": 42, "other": 3}),
    "income": (0.2, {"high": 20, "mid": 55, "low": 25}),
    "need": (0.4, {"price": 30, "quality": 40, "service": 18, "feature": 12}),
    "need_kind": (0.25, {"product": 65, "service": 20, "solution": 15}),
    "geography": (0.5, {"local": 35, "domestic": 50, "overseas": 15}),
}
# What the house's operators sort companies by.
INDUSTRIES = {"catering": "餐饮 Catering", "hotel": "酒店 Hotels", "gifts": "礼品 Gifts"}


@dataclass(frozen=True)
class DemoProduct:
    sku: str
    title: str
    description: str
    category: str
    stars: int

    @property
    def fen(self) -> int:
        """Its price at the counter: a Star is about fifteen cents of a yuan."""
        return self.stars * 150


PRODUCTS = (
    DemoProduct(
        "tea-spring", "明前龙井 · Spring Longjing", "清明前采摘,豆香清甜。50 g of the first picking.", "绿茶 Green", 68
    ),
    DemoProduct(
        "tea-jasmine", "茉莉银针 · Jasmine Needles", "七窨一提,花香入骨。Scented seven nights, 50 g.", "绿茶 Green", 52
    ),
    DemoProduct(
        "tea-oolong", "凤凰单丛 · Phoenix Oolong", "蜜兰香,回甘悠长。Honey and orchid, 75 g.", "乌龙 Oolong", 76
    ),
    DemoProduct(
        "tea-rock", "武夷肉桂 · Wuyi Cinnamon Rock", "岩骨花香。Roasted over charcoal, 60 g.", "乌龙 Oolong", 88
    ),
    DemoProduct("tea-puer", "十年熟普 · Ripe Pu'er 2016", "陈香醇厚,357 克饼。A whole cake, 357 g.", "普洱 Pu'er", 128),
    DemoProduct(
        "tea-raw", "古树生普 · Old-Tree Raw Pu'er", "山野气足。From trees above 200 years, 200 g.", "普洱 Pu'er", 168
    ),
    DemoProduct("cup-celadon", "青瓷品茗杯 · Celadon Cup", "手工拉坯,60 ml。Thrown by hand.", "茶器 Ware", 45),
    DemoProduct("pot-zisha", "紫砂小壶 · Zisha Pot", "宜兴原矿,150 ml。Yixing clay.", "茶器 Ware", 260),
    DemoProduct("tray-bamboo", "竹茶盘 · Bamboo Tray", "慈竹,可沥水。Drains by itself.", "茶器 Ware", 96),
    DemoProduct(
        "class-first",
        "线上茶课 · First Tasting Class",
        "六款茶,九十分钟。Six teas, ninety minutes online.",
        "课程 Class",
        30,
    ),
    DemoProduct("class-gongfu", "功夫茶三课 · Gongfu in Three", "三晚学会一泡好茶。Three evenings.", "课程 Class", 75),
    DemoProduct("wallpaper", "山野壁纸 · Mountain Wallpapers", "十二张茶山摄影。Twelve photographs.", "课程 Class", 5),
)


def person_name(dice: Random) -> tuple[str, str | None, str]:
    """A name, perhaps a username, and a language: three in five are Chinese."""
    if dice.random() < 0.6:
        return dice.choice(SURNAMES) + dice.choice(GIVEN), _username(dice, "tea"), "zh-hans"
    first, last = dice.choice(FIRST), dice.choice(LAST)
    return f"{first} {last}", _username(dice, first.lower()), "en"


def _username(dice: Random, stem: str) -> str | None:
    return f"{stem}{dice.randint(100, 99999)}" if dice.random() < 0.55 else None
