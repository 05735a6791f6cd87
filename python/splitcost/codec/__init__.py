"""The encoding of everything that goes between services: JSON by orjson, with tags for other types.

Read :func:`encode` and :func:`decode`, then :class:`CannotCross`, which names the place of a value that
cannot cross.

The first byte says how to read the rest: ``p`` is plain JSON (no tag inside, so decoding is orjson alone),
``t`` is JSON in which an object with the single key ``$x`` stands for a value of another type. Nothing is
unpickled or evaluated. A type is named ``module:qualname`` and only looked up: in modules that are loaded
already, or in the packages given to :func:`allow_package`. It must be a dataclass, a pydantic model, an enum,
a named tuple, a row of an object-relational mapper or an exception, a class of such a package whose objects are
fields, or a class that derives from a built-in type. Its objects are rebuilt without calling their ``__init__``.

It does not keep identity: one list that is passed twice arrives as two. Something else can stand for a value that is no
data (:class:`Foreign`), and :class:`Parts` finds what has changed in a value since it was decoded.
"""

from splitcost.codec.decoding import decode
from splitcost.codec.encoding import encode
from splitcost.codec.kinds import CannotCross, DecodeError, Foreign, Obstacle, allow_package, name_of, resolve
from splitcost.codec.parts import Parts, is_object

__all__ = [
    "CannotCross",
    "DecodeError",
    "Foreign",
    "Obstacle",
    "Parts",
    "allow_package",
    "decode",
    "encode",
    "is_object",
    "name_of",
    "resolve",
]
