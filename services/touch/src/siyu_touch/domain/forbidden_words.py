"""Words that no promotion of a broker may use (promises of profit or of safety)."""

import unicodedata
from typing import Final

WORDS: Final = (
    "保本",
    "保收益",
    "保证收益",
    "稳赚",
    "稳赢",
    "包赚",
    "只赚不赔",
    "零风险",
    "无风险",
    "没有风险",
    "绝对收益保证",
    "承诺收益",
    "内幕消息",
    "必涨",
)


def find(text: str) -> str:
    """The first forbidden word in the text, empty if there is none.

    Width variants, spaces and invisible characters between the signs do not hide a word.
    """
    plain = "".join(
        sign
        for sign in unicodedata.normalize("NFKC", text)
        if not sign.isspace() and unicodedata.category(sign) not in {"Cf", "Cc"}
    )
    return next((word for word in WORDS if word in plain), "")
