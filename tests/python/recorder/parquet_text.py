"""The bytes of Parquet files after decompression: enough to search them for a text."""

from __future__ import annotations

from pathlib import Path

MAGIC = b"PAR1"
#: Spec: parquet.thrift, CompressionCodec.
SNAPPY = 1


class Thrift:
    """A reader of Thrift's compact protocol, as far as page headers and footers need it."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def varint(self) -> int:
        shift = value = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int) -> object:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                self.at += 1
                return self.data[self.at - 1]
            case 4 | 5 | 6:
                return self.zigzag()
            case 7:
                self.at += 8
                return None
            case 8:
                size = self.varint()
                self.at += size
                return self.data[self.at - size : self.at]
            case 9 | 10:
                head = self.data[self.at]
                self.at += 1
                size = head >> 4 if head >> 4 < 15 else self.varint()
                kind = head & 15
                # In a list a boolean has a byte of its own.
                return [self.value(3 if kind in (1, 2) else kind) for _ in range(size)]
            case 12:
                return self.struct()
        raise ValueError(f"Thrift type {kind} at byte {self.at}")

    def struct(self) -> dict[int, object]:
        fields: dict[int, object] = {}
        number = 0
        while head := self.data[self.at]:
            self.at += 1
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            fields[number] = self.value(head & 15)
        self.at += 1
        return fields


def snappy(data: bytes) -> bytes:
    """Decompress Snappy's raw format."""
    head = Thrift(data, 0)
    size, at = head.varint(), head.at
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(data[at : at + extra], "little")
                at += extra
            out += data[at : at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            extra = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + extra], "little")
            at += extra
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size, "the page is not Snappy"
    return bytes(out)


def decoded(path: Path) -> bytes:
    """All pages of a file, decompressed, and everything between them."""
    data = path.read_bytes()
    assert data[:4] == data[-4:] == MAGIC, path
    out = [data]
    footer = Thrift(data, len(data) - 8 - int.from_bytes(data[-8:-4], "little")).struct()
    for group in footer[4]:
        for chunk in group[1]:
            column = chunk[3]
            at = column.get(11, column[9])
            end = at + column[7]
            while at < end:
                header = Thrift(data, at)
                page = header.struct()
                body = data[header.at : header.at + page[3]]
                if column[4] == SNAPPY and page[1] in (0, 2):
                    body = snappy(body)
                assert len(body) == page[2] or page[1] == 3, (path, page)
                out.append(body)
                at = header.at + page[3]
    return b"\0".join(out)
