"""The invoice as a document: one page of PDF, written by hand."""

from datetime import date

from shop.billing.schemas import InvoiceDraft


def render(draft: InvoiceDraft, number: str, issued_on: date) -> bytes:
    """The PDF that a customer gets."""
    rows = [f"Invoice {number}", f"Order {draft.order_id}, {issued_on:%d %B %Y}", ""]
    rows += [
        f"{line.quantity:>5} x {line.description[:44]:<44} {line.net:>12} + {line.tax:>9}"
        for line in draft.lines
    ]
    rows += ["", f"{'Discount':<52} {-draft.discount:>12}", f"{'Total':<52} {draft.total:>12}"]
    return _pdf(_text(rows))


def _text(rows: list[str]) -> bytes:
    """Drawing commands that put one row below the other."""
    commands = ["BT", "/F1 10 Tf", "50 790 Td", "14 TL"]
    for row in rows:
        escaped = row.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        commands.append(f"({escaped}) Tj T*")
    commands.append("ET")
    return "\n".join(commands).encode("latin-1", "replace")


def _pdf(content: bytes) -> bytes:
    """A file with one page of such commands."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
