"""Pages read back, and a text that should become nothing but text in them."""

from html.parser import HTMLParser

EVIL = "</script><img src=x onerror=alert(1)>&\"'\u2028\u2029\x1b[31m\u202e\ud800<!--"


class Reader(HTMLParser):
    """Collects the elements of a page, and what stands in them."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all_of(self, tag: str) -> list[dict[str, str | None]]:
        return [about for name, about in self.elements if name == tag]

    def text_in(self, tag: str) -> str:
        return "".join(text for where, text in self.texts if where == tag)
