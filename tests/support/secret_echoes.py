"""How somebody can say a secret back, and whether any of it can be read: for tests of what is hidden."""

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Callable

RUN = 16


def leaks(output: str, secret: str) -> list[str]:
    """Runs of ``secret``, or of what it is encoded as, in ``output`` as a reader would decode it.

    An oracle of its own: Python's decoders, and each run looked up one by one.
    """
    raw = secret.encode()
    forms = [
        secret,
        raw.hex(),
        raw.hex().upper(),
        raw.hex(" "),
        secret.lower(),
        secret.upper(),
        _other_alphabet(secret),
    ]
    for lead in range(3):
        coded = base64.b64encode(bytes(lead) + raw).decode()
        forms += [coded[4:-4], coded[4:-4].replace("+", "-").replace("/", "_")]
    views = {output}
    for _ in range(3):
        views |= {
            view
            for text in tuple(views)
            for view in (_unescaped(text), html.unescape(text), urllib.parse.unquote(text))
        }
    views |= {re.sub(r"[\r\n]+[\s>|]*", "", view) for view in views}
    views = {"".join(view.split()) for view in views}
    runs = {
        each[at : at + RUN] for form in forms if (each := "".join(form.split())) for at in range(len(each) - RUN + 1)
    }
    return [run for run in runs if any(run in view for view in views)]


def _other_alphabet(text: str) -> str:
    return text.translate(str.maketrans("+/-_", "-_+/"))


def _unescaped(text: str) -> str:
    return re.sub(
        r'\\+(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrt"/\\\'])',
        lambda match: (
            {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], match[1])
            if len(match[1]) == 1
            else chr(int(match[1][1:], 16))
        ),
        text,
    )


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with Google's escapes": lambda text: json.dumps(text).replace("=", "\\u003d").replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("=", "\\u003d")),
    "percent": urllib.parse.quote,
    "percent, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "JSON in percent": lambda text: "".join(each if each.isalnum() else f"%5Cu{ord(each):04x}" for each in text),
    "percent in JSON": lambda text: json.dumps(urllib.parse.quote(text, safe="")),
    "the other alphabet of base64": _other_alphabet,
    "HTML": html.escape,
    "HTML, by number": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in a longer text": lambda text: base64.b64encode(f"a{text}".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"ab{text}".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, apart": lambda text: text.encode().hex(" ").upper(),
    "Python's": repr,
    "Python's bytes": lambda text: repr(text.encode()),
    "small": str.lower,
    "large": str.upper,
}
