"""QR codes: a text as a picture that any phone's camera reads."""

from io import BytesIO

import segno


def png(text: str) -> bytes:
    """Some 300 pixels wide with a quiet border; error correction M, as print and cracked screens need."""
    picture = BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="png", scale=8, border=3)
    return picture.getvalue()
