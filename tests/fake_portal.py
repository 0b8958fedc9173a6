"""A screenshot portal on a private session bus: `python fake_portal.py WHAT FILE` answers every request in one way.

WHAT: "picture" names FILE; "cancel" says that the user did not want one; "fail" ends with another code; "refuse"
answers the call with an error; "web" names an address; "hold" never answers, and writes to FILE when it is told to
give up.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection

NAME, OBJECT = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"


def main() -> None:
    what, file = sys.argv[1], Path(sys.argv[2])
    with open_dbus_connection("SESSION") as bus:
        Proxy(message_bus, bus).RequestName(NAME)
        print("ready", flush=True)
        while True:
            call = bus.receive()
            if call.header.message_type is not MessageType.method_call:
                continue
            member, sender = call.header.fields[HeaderFields.member], call.header.fields[HeaderFields.sender]
            if member == "Close":
                file.write_text("closed", "utf-8")
                continue
            if what == "refuse":
                bus.send(new_error(call, "org.freedesktop.portal.Error.NotAllowed", "s", ("not in this session",)))
                continue
            options = call.body[1]
            token = options["handle_token"][1]
            path = f"{OBJECT}/request/{sender[1:].replace('.', '_')}/{token}"
            request = DBusAddress(path, interface="org.freedesktop.portal.Request")
            uri = "https://example.org/x.png" if what == "web" else file.as_uri()
            code, results = {"cancel": (1, {}), "fail": (2, {})}.get(what, (0, {"uri": ("s", uri)}))
            results = {**results, "interactive": ("b", options["interactive"][1])}
            if what != "hold":
                bus.send(new_signal(request, "Response", "ua{sv}", (code, results)))  # faster than the reply
            bus.send(new_method_return(call, "o", (path,)))


if __name__ == "__main__":
    main()
