"""The few calls of libxcb that ask an X server something, through ctypes; Qt uses the same library."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

LIBRARY = "libxcb.so.1"
VIEWABLE = 2
"""`XCB_MAP_STATE_VIEWABLE`: a window that is mapped, and so is everything that it lies in."""
LONGEST_PROPERTY = 4096
"""Words that are read of a property."""


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


class _ScreenIterator(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("rem", ctypes.c_int), ("index", ctypes.c_int))


_U8, _U16, _U32, _I16 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_int16
_CALLS: dict[str, tuple[Any, ...]] = {
    "xcb_intern_atom": (_U8, _U16, ctypes.c_char_p),
    "xcb_get_property": (_U8, _U32, _U32, _U32, _U32, _U32),
    "xcb_get_geometry": (_U32,),
    "xcb_get_window_attributes": (_U32,),
    "xcb_translate_coordinates": (_U32, _U32, _I16, _I16),
}
"""Requests that have a reply, with the types of their arguments after the connection."""


@cache
def library() -> tuple[ctypes.CDLL, ctypes.CDLL] | None:
    """libxcb, and the C library that frees its replies, if this system has them."""
    try:
        xcb = ctypes.CDLL(LIBRARY)
        libc = ctypes.CDLL(None)
    except OSError:
        return None
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    for name in ("xcb_connection_has_error", "xcb_disconnect", "xcb_get_setup"):
        getattr(xcb, name).argtypes = (ctypes.c_void_p,)
    xcb.xcb_disconnect.restype = None
    xcb.xcb_get_setup.restype = ctypes.c_void_p
    xcb.xcb_setup_roots_iterator.argtypes = (ctypes.c_void_p,)
    xcb.xcb_setup_roots_iterator.restype = _ScreenIterator
    for name, types in _CALLS.items():
        call, reply = getattr(xcb, name), getattr(xcb, f"{name}_reply")
        call.argtypes, call.restype = (ctypes.c_void_p, *types), _Cookie
        reply.argtypes, reply.restype = (ctypes.c_void_p, _Cookie, ctypes.c_void_p), ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = (ctypes.c_void_p,), None
    return xcb, libc


class XServer:
    """A connection to the server that DISPLAY names."""

    def __init__(self, xcb: ctypes.CDLL, libc: ctypes.CDLL, connection: int) -> None:
        self._xcb, self._libc, self._connection = xcb, libc, connection
        screens = xcb.xcb_setup_roots_iterator(xcb.xcb_get_setup(connection))
        (self.root,) = struct.unpack("I", ctypes.string_at(screens.data, 4))  # the first field of xcb_screen_t

    def property_words(self, window: int, name: str) -> tuple[int, ...]:
        """The 32-bit words of a property of a window; empty where it has none."""
        head = self._ask("xcb_intern_atom", 8 + 4, 1, len(name), name.encode("ascii"))
        atom = struct.unpack("8xI", head)[0] if head else 0
        if atom == 0:
            return ()
        # A reply is a head of 32 bytes, in which the format in bits and the number of values stand, then the values.
        whole = self._ask("xcb_get_property", 32, 0, window, atom, 0, 0, LONGEST_PROPERTY, keep_values=True)
        if len(whole) < 32 or whole[1] != 32:
            return ()
        count = struct.unpack_from("I", whole, 16)[0]
        return struct.unpack_from(f"{count}I", whole, 32)

    def is_viewable(self, window: int) -> bool:
        """Whether it is mapped."""
        head = self._ask("xcb_get_window_attributes", 32, window)
        return bool(head) and head[26] == VIEWABLE

    def geometry(self, window: int) -> tuple[int, int, int, int] | None:
        """(x, y, width, height) on the whole desktop in native pixels."""
        size = self._ask("xcb_get_geometry", 24, window)
        place = self._ask("xcb_translate_coordinates", 16, window, self.root, 0, 0)
        if not size or not place:
            return None
        width, height = struct.unpack_from("HH", size, 16)
        x, y = struct.unpack_from("hh", place, 12)
        return x, y, width, height

    def _ask(self, name: str, size: int, *arguments: Any, keep_values: bool = False) -> bytes:
        """The first bytes of a reply; empty where the server has none, as for a window that is gone."""
        cookie = getattr(self._xcb, name)(self._connection, *arguments)
        reply = getattr(self._xcb, f"{name}_reply")(self._connection, cookie, None)
        if not reply:
            return b""
        try:
            if keep_values:
                words = struct.unpack("4xI", ctypes.string_at(reply, 8))[0]  # beyond the head
                size += 4 * words
            return ctypes.string_at(reply, size)
        finally:
            self._libc.free(reply)


@contextmanager
def x_server() -> Iterator[XServer | None]:
    """The X server; None if there is none, it does not let us in, or libxcb is not there."""
    found = library()
    if found is None:
        yield None
        return
    xcb, libc = found
    connection = xcb.xcb_connect(None, None)
    try:
        yield None if xcb.xcb_connection_has_error(connection) else XServer(xcb, libc, connection)
    finally:
        xcb.xcb_disconnect(connection)
